"""The record of a run: its rows and conditions, kept as JSON, and held against an earlier one."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmark.conditions import Conditions, doubts
from benchmark.measuring import Row
from gptlite.files import write_atomically
from gptlite.outputs import check_file

# What reading raises where the JSON is no record, or a record with other kinds of things in it.
MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
MARK = b'"gptlite benchmark": 1'  # near the beginning of every record


class Record(NamedTuple):
    """All that a run measured.

    Attributes:
        besides: sentences on figures that only yardsticks have.
        absent: sentences on what was left out, with the reason.
        failed: for each contestant or benchmark that failed, its last words.
    """

    conditions: Conditions
    rows: list[Row]
    besides: list[str]
    absent: list[str]
    failed: list[str]


def check_place(path: Path) -> None:
    """Say before the run whether a record may be written there. Errors: see ``check_file``."""
    check_file(path, MARK, overwrite=False)


def write_record(record: Record, path: Path) -> None:
    """Write the record as JSON; an earlier record in its place is replaced."""
    data = {
        "gptlite benchmark": 1,
        "conditions": record.conditions._asdict(),
        "rows": [row._asdict() for row in record.rows],
        "besides": record.besides,
        "absent": record.absent,
        "failed": record.failed,
    }
    with write_atomically(path) as file:
        file.write(json.dumps(data, indent=1).encode())


def read_record(path: Path) -> Record:
    """Read what ``write_record`` wrote.

    Raises:
        OSError: the file cannot be read. ValueError: it is no such record.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_bytes())
        record = Record(
            Conditions(**data["conditions"]),
            [Row(**row) for row in data["rows"]],
            data["besides"],
            data["absent"],
            data.get("failed", []),  # a record made before there was such a list has none
        )
        record.conditions.sentence()  # these are computed here to see whether they can be
        for row in record.rows:
            for name in row.others:
                ratios(row, name)
            median(row.gptlite)
        return record
    except MALFORMED as error:
        raise ValueError(f"{path}: not a record of this benchmark ({error})") from error


# ---- Two records --------------------------------------------------------------------------------


def is_rate(unit: str) -> bool:
    """Say whether more is better: it is for counts per second, not for seconds and GB."""
    return unit.endswith("/s")


def ratios(row: Row, name: str) -> list[float]:
    """Compare round by round: the number of times that gptlite is as good.

    What slowed one round slowed both.
    """
    pairs = list(zip(row.gptlite, row.others[name], strict=True))
    if is_rate(row.unit):
        return [ours / theirs for ours, theirs in pairs]
    return [theirs / ours for ours, theirs in pairs]


def number(figure: float) -> str:
    """Write a figure with three significant digits, or all before the decimal point."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:#.3g}"


class Change(NamedTuple):
    """What became of one part of a benchmark.

    Attributes:
        before, after: gptlite's median, in the unit.
        times: how many times as good it is now, as measured.
        beside: the same for the ratio to another contestant, by its name: what slowed the machine
            in one of the runs slowed that one too, so this is the figure to trust.
    """

    title: str
    unit: str
    before: float
    after: float
    times: float
    beside: dict[str, float]


def changes(old: Record, new: Record) -> list[Change]:
    """Compare all parts that both runs measured, in the order of the new one."""
    found: dict[tuple[str, str], Change] = {}
    earlier = {(row.title, row.unit, name): row for row in old.rows for name in row.others or [""]}
    for row in new.rows:
        for name in row.others or [""]:
            was = earlier.get((row.title, row.unit, name))
            if was is None:
                continue
            before, after = median(was.gptlite), median(row.gptlite)
            times = after / before if is_rate(row.unit) else before / after
            change = Change(row.title, row.unit, before, after, times, {})
            change = found.setdefault((row.title, row.unit), change)
            if name:
                change.beside[name] = median(ratios(row, name)) / median(ratios(was, name))
    return list(found.values())


def comparison(old: Record, new: Record) -> str:
    """Write the changes as a table in Markdown, and what is to be known about it.

    Raises:
        ValueError: the runs have nothing in common.
    """
    found = changes(old, new)
    if not found:
        raise ValueError("the earlier record has none of the benchmarks of this run")
    lines = [
        "| benchmark | unit | before | now | times as good | beside |",
        "|---|---|--:|--:|--:|---|",
    ]
    for change in found:
        beside = ", ".join(f"{name} {times:.2f}" for name, times in change.beside.items())
        figures = [number(change.before), number(change.after), f"{change.times:.2f}"]
        lines.append(f"| {' | '.join([change.title, change.unit, *figures, beside])} |")
    notes = [
        'Medians. "Times as good" is what was measured; "beside" is the same of the ratio to each '
        "other contestant, which the machine's own changes leave alone.",
        f"Before: {old.conditions.sentence()}",
    ]
    fewest = min(len(row.gptlite) for record in (old, new) for row in record.rows)
    reasons = {*doubts(old.conditions, fewest), *doubts(new.conditions, fewest)}
    if reasons:
        notes.append(f"Not to be quoted: {', '.join(sorted(reasons))}.")
    if old.conditions.processor != new.conditions.processor:
        notes.append("The two runs were on different processors.")
    return "\n\n".join(["\n".join(lines), *notes])
