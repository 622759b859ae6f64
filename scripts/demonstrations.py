"""Measure what pre-training gains the storyteller, and what it can do without any training.

    python scripts/demonstrations.py                 # all that has not been measured yet
    python scripts/demonstrations.py --only cloze    # one of the demonstrations
    python scripts/demonstrations.py --readme        # the README's tables from the results
    python scripts/demonstrations.py --check         # fail where those tables have drifted
    python scripts/demonstrations.py --examples DIR  # the closed world's examples as CSV files

The tales are read from the folder of test data, ``GPTLITE_TEST_DATA``. A run that was stopped
goes on where it was. The results hold no text of a book: see ``demonstrations/results.py``.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# From a clone the package need not be installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(1, str(Path(__file__).resolve().parent))

from demonstrations import entailment, table, tuned, untrained
from demonstrations.results import Results, read

from gptlite.command import FAILURES, Parser, complain
from gptlite.fast.threads import blas_threads
from gptlite.files import write_atomically

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "demonstrations.py"
DEMONSTRATIONS = {
    "which book": tuned.run_which_book,
    "next paragraph": tuned.run_next_paragraph,
    "same book": tuned.run_same_book,
    "entailment": tuned.run_entailment,
    "two comparisons": tuned.run_two_comparisons,
    "cloze": untrained.run_cloze,
    "morals": untrained.run_morals,
}


def parser() -> argparse.ArgumentParser:
    """Define the options of the command line."""
    options = Parser(prog=PROGRAM, description=__doc__.partition("\n")[0])
    options.add_argument("--only", choices=DEMONSTRATIONS, help="run this one only")
    what = options.add_mutually_exclusive_group()
    what.add_argument("--readme", action="store_true", help="write the README's tables")
    what.add_argument("--check", action="store_true", help="fail where they have drifted")
    what.add_argument("--examples", type=Path, metavar="DIR", help="write the entailment as CSV")
    return options


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run the command; return 0, 1 where the tables have drifted, 2 on an error."""
    options = parser().parse_args(argv)
    try:
        if options.examples is not None:
            write_examples(options.examples)
            return 0
        path = root / "gptlite" / "storyteller" / "demonstrations.json"
        if options.readme or options.check:
            return write_tables(root / "README.md", read(path)["demonstrations"], options.check)
        results = Results(path)
        for name, run in DEMONSTRATIONS.items():
            if options.only in (None, name):
                # The trainer has threads of its own, and scoring is too small to be shared.
                with blas_threads(1):
                    run(results)
    except FAILURES as failure:
        complain(PROGRAM, failure)
        return 2
    return 0


def write_tables(path: Path, demonstrations: Mapping[str, Any], check: bool) -> int:
    """Put the tables of the results into the page, or check that they are there."""
    page = path.read_text(encoding="utf-8")
    wanted = table.with_tables(page, table.tables(demonstrations))
    if page == wanted:
        return 0
    if check:
        complain(PROGRAM, "the tables in README.md have drifted: run it with --readme")
        return 1
    with write_atomically(path) as file:
        file.write(wanted.encode())
    return 0


def write_examples(folder: Path, n_train: int = 12000, n_test: int = 400) -> None:
    """Write the entailment demonstration's examples, of seed 0, as ``gptlite.finetune`` reads them.

    Args:
        folder: made if it is missing; gets ``train.csv`` and a file for each test.
    """
    train, tests = entailment.make(n_train, n_test, seed=0)
    folder.mkdir(parents=True, exist_ok=True)
    for name, examples in {"train": train, **tests._asdict()}.items():
        text = io.StringIO(newline="")
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(("premise", "hypothesis", "label"))
        rows.writerows((e.premise, e.hypothesis, ("no", "yes")[e.label]) for e in examples)
        with write_atomically(folder / f"{name}.csv") as file:
            file.write(text.getvalue().encode())


if __name__ == "__main__":
    raise SystemExit(main())
