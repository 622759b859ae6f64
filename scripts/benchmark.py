"""Measure gptlite's speed beside its peers': ratios from one run, printed as a Markdown table.

    python scripts/benchmark.py                         # all benchmarks, a quarter of an hour
    python scripts/benchmark.py --quick                 # a first look, less than two minutes
    python scripts/benchmark.py --only decode prefill load --size gpt2-xl

Every contestant is a process of its own, all with the same number of threads. The parent tells them
in turn to do one measured run (A B A B ...), so that whatever else the machine does meets all of
them alike. Weights are random, of the official shapes. Floors, what the machine cannot do without,
are measured in the same way. The table goes to standard output, the progress bar to standard error.

Peers that are not installed, and benchmarks whose data are missing, are left out and named.

What each contestant does is in the folder ``contestants``. To add a benchmark: write a function for
each contestant, which gets everything ready and gives back what does one measured run; then list
them in the module's ``BENCHMARKS``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from tqdm import tqdm

# From a clone the package need not be installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from contestants import finetuning, model, start, storyteller, text, training
from contestants.basics import Benchmark, Contestant, Figures, Setup

import gptlite
from gptlite.command import FAILURES, Parser, complain
from gptlite.config import PRESETS
from gptlite.fast.threads import cpu_count

PROGRAM = "benchmark.py"
BENCHMARKS: dict[str, Benchmark] = {
    **model.BENCHMARKS,
    **start.BENCHMARKS,
    **training.BENCHMARKS,
    **finetuning.BENCHMARKS,
    **text.BENCHMARKS,
    **storyteller.BENCHMARKS,
}

# Contestants' threads may go on spinning for a moment after their work: the next one waits it out.
PAUSE_SECONDS = 0.1


# ---- A contestant's process ---------------------------------------------------------------------


def serve(benchmark: str, contestant: str, setup: Setup) -> None:
    """Be one contestant: prepare, say so, then one measured run for each line of standard input."""
    # Only answers go to standard output, whatever a library may print there.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    [prepare] = [c.prepare for c in BENCHMARKS[benchmark].contestants if c.name == contestant]
    measured_run = prepare(setup)
    print("{}", file=answers, flush=True)  # ready
    for _ in sys.stdin:
        print(json.dumps(measured_run()), file=answers, flush=True)


class Worker:
    """A contestant's process as the parent sees it."""

    def __init__(self, benchmark: str, contestant: str, setup: Setup) -> None:
        self.name = f"{benchmark}, {contestant}"
        n = str(setup.threads)
        # The numerical libraries ask for their number of threads as they are loaded.
        environment = {
            **os.environ,
            "OPENBLAS_NUM_THREADS": n,
            "MKL_NUM_THREADS": n,
            "VECLIB_MAXIMUM_THREADS": n,
            "OMP_NUM_THREADS": n,
            "RAYON_NUM_THREADS": n,
            "TOKENIZERS_PARALLELISM": "true",
            "HF_HUB_OFFLINE": "1",
        }
        command = [sys.executable, __file__, "--worker", benchmark, contestant, "--threads", n]
        command += ["--size", setup.size, "--folder", str(setup.folder)]
        command += ["--quick"] if setup.quick else []
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  (close() closes it)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            encoding="utf-8",
            env=environment,
        )

    def answer(self) -> Figures:
        """The next line it answers.

        Raises:
            ChildProcessError: it ended instead; the message has its last words.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            self.errors.seek(0)
            words = self.errors.read().decode(errors="replace").strip().splitlines()
            raise ChildProcessError(f"{self.name}: {words[-1] if words else f'exit {status}'}")
        figures: Figures = json.loads(line)
        return figures

    def run(self) -> Figures:
        """One measured run."""
        assert self.process.stdin is not None
        time.sleep(PAUSE_SECONDS)
        try:
            self.process.stdin.write("run\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: answer() says why
        return self.answer()

    def close(self) -> None:
        """End it, whatever it is doing."""
        self.process.kill()
        self.process.communicate()
        self.errors.close()


@contextmanager
def started(name: str, contestants: list[Contestant], setup: Setup) -> Iterator[list[Worker]]:
    """The contestants' processes, all of them ready; ended when the block ends."""
    with ExitStack() as stack:
        workers = []
        for contestant in contestants:
            workers.append(Worker(name, contestant.name, setup))
            stack.callback(workers[-1].close)
        for worker in workers:
            worker.answer()
        yield workers


# ---- Measuring ----------------------------------------------------------------------------------


Series = dict[str, list[float]]  # {part of a benchmark: its figures, round by round}


class Row(NamedTuple):
    """Figures of one part of a benchmark, round by round: gptlite's, and the others' by name."""

    title: str
    unit: str
    gptlite: list[float]
    others: dict[str, list[float]]


def rounds_of(name: str, quick: bool) -> tuple[int, int]:
    """How many rounds to warm up, and how many to measure."""
    benchmark = BENCHMARKS[name]
    if not quick:
        return benchmark.warm_ups, benchmark.rounds
    return benchmark.warm_ups if benchmark.quick_rounds > 1 else 0, benchmark.quick_rounds


def measure(
    name: str, contestants: list[Contestant], setup: Setup, bar: tqdm[Any]
) -> dict[str, Series]:
    """Some rounds to warm up, then the measured ones: in each the contestants take turns.

    Returns:
        For each contestant, by its name, the figures of every part.
    """
    benchmark = BENCHMARKS[name]
    warm_ups, rounds = rounds_of(name, setup.quick)
    history: list[list[Figures]] = []  # [round][contestant]
    bar.set_description(name)
    if benchmark.make is not None:
        benchmark.make(setup)
    with started(name, contestants, setup) as workers:
        for _ in range(warm_ups + rounds):
            history.append([worker.run() for worker in workers])
            bar.update()
    measured = history[warm_ups:]
    return {
        contestant.name: {
            part: [of_round[i][part] for of_round in measured] for part in measured[0][i]
        }
        for i, contestant in enumerate(contestants)
    }


def rows_of(
    benchmark: Benchmark, contestants: list[Contestant], figures: dict[str, Series], size: str
) -> list[Row]:
    """For each part a row against the peers, and one against each yardstick."""
    peers = [c.name for c in contestants[1:] if not c.yardstick]
    rivals = [peers] if peers else []
    rivals += [[c.name] for c in contestants if c.yardstick]
    about = benchmark.title.format(shape=shape(size))
    rows = []
    for part, ours in figures["gptlite"].items():
        title = f"{about}, {part}" if part else about
        unit = benchmark.units.get(part, benchmark.unit)
        for names in rivals or [[]]:  # gptlite has a row also where it is alone
            rows.append(Row(title, unit, ours, {name: figures[name][part] for name in names}))
    return rows


def measured_besides(contestants: list[Contestant], figures: dict[str, Series]) -> list[str]:
    """What yardsticks measured and gptlite did not; such a part is named after its unit."""
    return [
        f"{c.name}: {number(median(values))} {unit}"
        for c in contestants
        if c.yardstick
        for unit, values in figures[c.name].items()
        if unit not in figures["gptlite"]
    ]


def shape(size: str) -> str:
    """A size by its parameters, as its shape is known.

    >>> shape("gpt2")
    '124M'
    """
    return f"{PRESETS[size].n_params / 1e6:.0f}M"


def who_takes_part(
    names: Iterable[str], setup: Setup
) -> tuple[dict[str, list[Contestant]], list[str]]:
    """For each benchmark that can be run its contestants; and who is left out, with the reason."""
    takes_part: dict[str, list[Contestant]] = {}
    absent: dict[str, list[str]] = {}  # {contestant and reason: benchmarks}
    for name in names:
        benchmark = BENCHMARKS[name]
        missing = [file for file in benchmark.files if not file.exists()]
        if missing:
            absent.setdefault(f"all contestants ({missing[0]} is missing)", []).append(name)
            continue
        if setup.quick and not benchmark.quick_rounds:
            absent.setdefault("all contestants (--quick)", []).append(name)
            continue
        places = places_for(setup.size) if benchmark.holds_weights else len(benchmark.contestants)
        takes_part[name] = []
        for contestant in benchmark.contestants:
            needed = [p for p in contestant.packages if importlib.util.find_spec(p) is None]
            if needed:
                reason = f"{needed[0]} is not installed"
            elif contestant.thorough and setup.quick:
                reason = "--quick"
            elif len(takes_part[name]) == places:
                reason = "it does not fit into the memory beside the others"
            else:
                takes_part[name].append(contestant)
                continue
            absent.setdefault(f"{contestant.name} ({reason})", []).append(name)
    return takes_part, [f"{who} in {', '.join(where)}" for who, where in absent.items()]


def places_for(size: str) -> int:
    """How many processes with a model of that size the machine's memory holds; at least one."""
    if not hasattr(os, "sysconf"):
        return sys.maxsize  # Windows does not tell
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # A tenth is left to what is not weights.
    return max(1, int(0.9 * memory / (4 * PRESETS[size].n_params)))


# ---- The table ----------------------------------------------------------------------------------


def is_rate(unit: str) -> bool:
    """Whether more is better: of what is counted per second it is, of seconds and GB less is."""
    return unit.endswith("/s")


def best_first(row: Row) -> list[str]:
    """The names of the others, by their medians."""
    return sorted(row.others, key=lambda name: median(row.others[name]), reverse=is_rate(row.unit))


def ratios(row: Row, name: str) -> list[float]:
    """How many times as good gptlite is, round by round: what slowed one round slowed both."""
    pairs = list(zip(row.gptlite, row.others[name], strict=True))
    if is_rate(row.unit):
        return [ours / theirs for ours, theirs in pairs]
    return [theirs / ours for ours, theirs in pairs]


def number(figure: float) -> str:
    """Three digits that count, or all before the decimal point."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:#.3g}"


def table(rows: list[Row]) -> str:
    """The rows in Markdown, each against the best of the others."""
    lines = [
        "| benchmark | unit | gptlite | other | which other | ratio | lowest to highest | rounds |",
        "|---|---|--:|--:|---|--:|--:|--:|",
    ]
    for row in rows:
        unit = row.unit if is_rate(row.unit) else f"{row.unit} (less is better)"
        cells = [row.title, unit, number(median(row.gptlite)), "", "", "", ""]
        if row.others:
            best = best_first(row)[0]
            of_rounds = ratios(row, best)
            cells[3:] = [
                number(median(row.others[best])),
                best,
                f"{median(of_rounds):.2f}",
                f"{min(of_rounds):.2f} to {max(of_rounds):.2f}",
            ]
        lines.append(f"| {' | '.join(cells)} | {len(row.gptlite)} |")
    return "\n".join(lines)


def lesser_variants(rows: list[Row]) -> list[str]:
    """The peers that the table does not show, since another did better."""
    return [
        f"{row.title}: {name} {number(median(row.others[name]))} {row.unit}"
        for row in rows
        for name in best_first(row)[1:]
    ]


def cpu_name() -> str:
    """The processor's name as the system has it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def machine(threads: int, packages: list[str]) -> str:
    """One line: the processor, the threads used, how busy it was before, the versions."""
    versions = [f"{package} {importlib.metadata.version(package)}" for package in packages]
    # Above nearly 0 other programs were running, and the numbers are not to be quoted.
    load = f", load before {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{cpu_name()}, {cpu_count()} cores, {threads} threads for each contestant{load}; "
        f"{platform.system()}, Python {platform.python_version()}, gptlite {gptlite.__version__}, "
        f"{', '.join(versions)}."
    )


# ---- The command --------------------------------------------------------------------------------


def command_line() -> Parser:
    """The command's options."""
    p = Parser(PROGRAM, description="Measure gptlite's speed beside its peers'.")
    p.add_argument(
        "--quick", action="store_true", help="fewer rounds, peers and parts, for a first look"
    )
    p.add_argument(
        "--only", nargs="+", choices=BENCHMARKS, metavar="NAME", help=f"of {', '.join(BENCHMARKS)}"
    )
    sized = ", ".join(name for name, benchmark in BENCHMARKS.items() if benchmark.holds_weights)
    p.add_argument(
        "--size", choices=PRESETS, default="gpt2", help=f"of the model in {sized} (%(default)s)"
    )
    p.add_argument(
        "--threads", type=int, default=cpu_count(), help="for each contestant (all processors)"
    )
    # This process is a contestant.
    p.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    p.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status: 0, or 2 after an error, or 130 after Ctrl-C."""
    options = command_line().parse_args(argv)
    threads, size, quick = options.threads, options.size, options.quick
    if options.worker:
        serve(*options.worker, Setup(threads, size, options.folder, quick))
        return 0
    try:
        if threads < 1:
            raise ValueError(f"--threads must be at least 1, not {threads}")
        with tempfile.TemporaryDirectory(prefix="gptlite-benchmark-") as folder:
            setup = Setup(threads, size, Path(folder), quick)
            print(report(options.only or BENCHMARKS, setup), flush=True)
    except KeyboardInterrupt:
        complain(PROGRAM, "interrupted")
        return 130
    except FAILURES as failure:
        complain(PROGRAM, failure)
        return 2
    return 0


def report(names: Iterable[str], setup: Setup) -> str:
    """Measure what was asked for; the table and the notes that belong to it."""
    takes_part, absent = who_takes_part(names, setup)
    if not takes_part:
        raise ValueError(f"nothing to measure: left out {'; '.join(absent)}")
    packages = {p for present in takes_part.values() for c in present for p in c.packages}
    about = machine(setup.threads, ["numpy", *sorted(packages)])

    rows, besides = [], []
    total = sum(sum(rounds_of(name, setup.quick)) for name in takes_part)
    with tqdm(total=total, unit="round", disable=None) as bar:
        for name, present in takes_part.items():
            figures = measure(name, present, setup, bar)
            rows += rows_of(BENCHMARKS[name], present, figures, setup.size)
            besides += measured_besides(present, figures)

    notes = [
        "Medians. The ratio says how many times as good gptlite is in the same round: what is "
        "counted per second is compared as gptlite's over the other's, seconds and GB as the "
        "other's over gptlite's. Above 1, gptlite is the better; against a floor, which nothing "
        "can pass, it is the share that gptlite reaches.",
        about,
    ]
    if besides:
        notes.append(f"Measured besides: {'; '.join(besides)}.")
    if lesser := lesser_variants(rows):
        notes.append(f"Not as good as the peer shown: {'; '.join(lesser)}.")
    if absent:
        notes.append(f"Left out: {'; '.join(absent)}.")
    return "\n\n".join([table(rows), *notes])


if __name__ == "__main__":
    raise SystemExit(main())
