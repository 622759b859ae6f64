"""The README's tables, made from the results: accuracy in percent, mean and spread over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from demonstrations.learning import AUXILIARY, FROZEN, PRETRAINED, SCRATCH
from demonstrations.results import Run

BEGIN = "<!-- demonstrations: written by scripts/demonstrations.py --readme -->"
END = "<!-- end of the demonstrations -->"
# The demonstrations of fine-tuning: the demonstration, its name in the table, and the measure.
CURVES = (
    ("which book", "which of five books", "accuracy"),
    ("next paragraph", "the next paragraph, or one of another book", "accuracy"),
    ("same book", "the next paragraph, or one of the same book", "accuracy"),
    ("entailment", "entailment, unknown rules", "unknown rules"),
    ("entailment", "entailment, unknown words", "unknown words"),
    ("two comparisons", "two comparisons, unknown rules", "unknown rules"),
    ("two comparisons", "two comparisons, unknown words", "unknown words"),
)


def summary(runs: Sequence[Run], measure: str = "accuracy", **varied: Any) -> str:
    """Write a measure's mean and standard deviation over the seeds, in percent.

    "" where there is no such run; no spread where all runs are the same, as for chance.

    >>> summary([{"arm": "a", "seed": s, "accuracy": x} for s, x in enumerate((0.5, 0.7))], arm="a")
    '60 ± 14'
    """
    found = [run[measure] for run in runs if measure in run and varied.items() <= run.items()]
    if not found:
        return ""
    percent = 100 * np.array(found)  # [seeds]
    mean = f"{percent.mean():.0f}"
    return f"{mean} ± {percent.std(ddof=1):.0f}" if np.ptp(percent) else mean


def rows_of(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def tables(demonstrations: Mapping[str, Any]) -> str:
    """Write a table of each kind: learning curves, blocks taken over, tasks without training."""
    runs = {name: part["runs"] for name, part in demonstrations.items()}
    parts = [learning_curves(runs), blocks_taken_over(runs), without_training(runs)]
    return "\n\n".join(filter(None, parts))


def learning_curves(runs: Mapping[str, Sequence[Run]]) -> str:
    """Tabulate accuracy by the number of labels, pre-trained and from scratch."""
    arms = (SCRATCH, FROZEN, PRETRAINED, AUXILIARY)
    rows = []
    for demonstration, name, measure in CURVES:
        found = runs.get(demonstration, [])
        for n in sorted({run["labels"] for run in found if run["arm"] in arms}):
            cells = [summary(found, measure, arm=arm, labels=n) for arm in arms]
            rows.append([name, f"{n:,}", summary(found, arm="majority"), *cells])
            name = ""
    return rows_of(("fine-tuned", "labels", "majority", *arms), rows) if rows else ""


def blocks_taken_over(runs: Mapping[str, Sequence[Run]]) -> str:
    """Tabulate accuracy by the number of pre-trained blocks that are kept."""
    found = [run for run in runs.get("which book", []) if run["arm"].endswith("blocks")]
    if not found:
        return ""
    arms = sorted({run["arm"] for run in found})
    name = f"which of five books, {found[0]['labels']} labels"
    return rows_of(
        ("the embeddings, and of the blocks the first", *(arm.split()[0] for arm in arms)),
        [[name, *(summary(found, arm=arm) for arm in arms)]],
    )


def without_training(runs: Mapping[str, Sequence[Run]]) -> str:
    """Tabulate accuracy of the storyteller as it is, beside answers without a model."""
    rows = []
    for name in ("next paragraph", "same book", "cloze", "morals"):
        found = [run for run in runs.get(name, []) if "labels" not in run]
        ways = dict.fromkeys((run["arm"], run.get("hint")) for run in found)
        for arm, hint in ways:
            way = arm if hint is None else f"{arm}, {'with' if hint else 'without'} hint"
            varied = {"arm": arm} if hint is None else {"arm": arm, "hint": hint}
            rows.append([name, way, summary(found, **varied)])
            name = ""
    return rows_of(("without training", "", "right"), rows) if rows else ""


def with_tables(page: str, tables: str) -> str:
    """Put these tables between the page's two marks.

    Raises:
        ValueError: a mark is missing or there twice.
    """
    for mark in (BEGIN, END):
        if page.count(mark) != 1:
            raise ValueError(f"README.md: expected one line {mark}")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"
