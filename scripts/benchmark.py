"""Measure gptlite's speed beside its peers': ratios from one run, printed as a Markdown table.

    python scripts/benchmark.py                         # all benchmarks, a quarter of an hour
    python scripts/benchmark.py --quick                 # a first look, less than two minutes
    python scripts/benchmark.py --only decode prefill load --size gpt2-xl
    python scripts/benchmark.py --json old.json         # keep the figures ...
    python scripts/benchmark.py --compare old.json      # ... and hold later ones against them

Every contestant is a process of its own, all with the same number of threads. The parent tells them
in turn to do one measured run (A B A B ...), so that whatever else the machine does meets all of
them alike. Weights are random, of the official shapes. Floors, what the machine cannot do without,
are measured in the same way. The table goes to standard output, the progress bar to standard error.

Peers that are not installed, and benchmarks whose data are missing, are left out and named. A
contestant that fails is named too, and the others are measured without it.

What each contestant does is in the folder ``benchmark/contestants``. To add a benchmark: write a
function for each contestant, which gets everything ready and gives back what does one measured run;
then list them in the module's ``BENCHMARKS``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

# From a clone the package need not be installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmark.basics import Setup
from benchmark.catalogue import BENCHMARKS
from benchmark.processes import serve
from benchmark.record import check_place, comparison, read_record, write_record
from benchmark.report import report, run

from gptlite.command import FAILURES, Parser, complain
from gptlite.config import PRESETS
from gptlite.fast.threads import cpu_count

PROGRAM = "benchmark.py"


def command_line() -> Parser:
    """Define the command's options."""
    p = Parser(PROGRAM, description="Measure gptlite's speed beside its peers'.")
    p.add_argument(
        "--quick", action="store_true", help="take a first look: fewer rounds, peers and parts"
    )
    p.add_argument(
        "--only",
        nargs="+",
        choices=BENCHMARKS,
        metavar="NAME",
        help=f"measure only these: {', '.join(BENCHMARKS)}",
    )
    sized = ", ".join(name for name, benchmark in BENCHMARKS.items() if benchmark.holds_weights)
    p.add_argument(
        "--size",
        choices=PRESETS,
        default="gpt2",
        help=f"size of the model in {sized} (%(default)s)",
    )
    p.add_argument(
        "--threads",
        type=int,
        default=cpu_count(),
        help="threads for each contestant (all processors)",
    )
    p.add_argument("--json", type=Path, metavar="FILE", help="also keep the figures, as JSON")
    p.add_argument(
        "--compare", type=Path, metavar="OLD.json", help="also compare with figures kept before"
    )
    # This process is a contestant.
    p.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    p.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, or 2 after an error, or 130 after Ctrl-C.

    If a contestant fails, all that did not is reported, kept and compared.
    """
    options = command_line().parse_args(argv)
    threads, size, quick = options.threads, options.size, options.quick
    if options.worker:
        serve(*options.worker, Setup(threads, size, options.folder, quick))
        return 0
    try:
        if threads < 1:
            raise ValueError(f"--threads must be at least 1, not {threads}")
        old = None if options.compare is None else read_record(options.compare)
        if options.json is not None:
            check_place(options.json)
        with tempfile.TemporaryDirectory(prefix="gptlite-benchmark-") as folder:
            setup = Setup(threads, size, Path(folder), quick)
            record = run(options.only or BENCHMARKS, setup)
        print(report(record), flush=True)
        if options.json is not None:
            write_record(record, options.json)
        if record.failed:
            complain(PROGRAM, "; ".join(record.failed))
        if old is not None:
            print(f"\n{comparison(old, record)}", flush=True)
    except KeyboardInterrupt:
        complain(PROGRAM, "interrupted")
        return 130
    except FAILURES as failure:
        complain(PROGRAM, failure)
        return 2
    return 2 if record.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
