"""The report of a run: a table in Markdown, and the notes below it."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any

from tqdm import tqdm

from benchmark.basics import Contestant, Setup
from benchmark.catalogue import BENCHMARKS
from benchmark.conditions import Conditions, conditions, doubts
from benchmark.measuring import Row, Series, measure, rounds_of, rows_of, who_takes_part
from benchmark.processes import ContestantError
from benchmark.record import Record, is_rate, number, ratios


def run(names: Iterable[str], setup: Setup) -> Record:
    """Measure what was asked for. What fails costs its own figures alone.

    Raises:
        ValueError: nothing can be measured; the message says what is left out, and why.
        ChildProcessError: everything failed.
    """
    takes_part, absent = who_takes_part(names, setup)
    if not takes_part:
        raise ValueError(f"nothing to measure: left out {'; '.join(absent)}")
    packages = {p for present in takes_part.values() for c in present for p in c.packages}
    about = conditions(setup.threads, ["numpy", *sorted(packages)])  # before there is any load

    rows, besides, failed = [], [], []
    total = sum(sum(rounds_of(name, setup.quick)) for name in takes_part)
    with tqdm(total=total, unit="round", disable=None) as bar:
        for name, present in takes_part.items():
            figures, sound = measure_the_sound(name, present, setup, bar, failed)
            if figures:
                rows += rows_of(BENCHMARKS[name], sound, figures, setup.size)
                besides += measured_besides(sound, figures)
    if not rows:
        raise ChildProcessError("; ".join(failed))
    return Record(about, rows, besides, absent, failed)


def measure_the_sound(
    name: str, present: list[Contestant], setup: Setup, bar: tqdm[Any], failed: list[str]
) -> tuple[dict[str, Series], list[Contestant]]:
    """Measure a benchmark, again without each contestant that fails.

    Args:
        failed: gets a sentence for each failure.

    Returns:
        See ``measure``; nothing if gptlite fails, or the files cannot be made. And who took part.
    """
    while present:
        try:
            return measure(name, present, setup, bar), present
        except ContestantError as failure:
            failed.append(str(failure))
            others = [c for c in present if c.name != failure.contestant]
            present = [] if failure.contestant == present[0].name else others
        except OSError as failure:
            failed.append(f"{name}: {failure}")
            present = []
    return {}, []


def report(record: Record) -> str:
    """Write the table and the notes that belong to it."""
    notes = [
        "Medians. The ratio says how many times as good gptlite is in the same round: what is "
        "counted per second is compared as gptlite's over the other's, seconds and GB as the "
        "other's over gptlite's. Above 1, gptlite is the better; against a floor, which nothing "
        "can pass, it is the share that gptlite reaches. A ratio with a remark in brackets is not "
        "to be quoted.",
        record.conditions.sentence(),
    ]
    if record.besides:
        notes.append(f"Measured besides: {'; '.join(record.besides)}.")
    if lesser := lesser_variants(record.rows):
        notes.append(f"Not as good as the peer shown: {'; '.join(lesser)}.")
    if record.absent:
        notes.append(f"Left out: {'; '.join(record.absent)}.")
    if record.failed:
        notes.append(f"Failed: {'; '.join(record.failed)}.")
    return "\n\n".join([table(record.rows, record.conditions), *notes])


def measured_besides(contestants: list[Contestant], figures: dict[str, Series]) -> list[str]:
    """List figures that only yardsticks have; such a part is named after its unit."""
    return [
        f"{c.name}: {number(median(values))} {unit}"
        for c in contestants
        if c.yardstick
        for unit, values in figures[c.name].items()
        if unit not in figures["gptlite"]
    ]


def best_first(row: Row) -> list[str]:
    """Order the names of the others by their medians."""
    return sorted(row.others, key=lambda name: median(row.others[name]), reverse=is_rate(row.unit))


def table(rows: list[Row], about: Conditions) -> str:
    """Write the rows in Markdown, each against the best of the others."""
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
            remarks = doubts(about, len(of_rounds))
            cells[3:] = [
                number(median(row.others[best])),
                best,
                f"{median(of_rounds):.2f}" + (f" ({', '.join(remarks)})" if remarks else ""),
                f"{min(of_rounds):.2f} to {max(of_rounds):.2f}",
            ]
        lines.append(f"| {' | '.join(cells)} | {len(row.gptlite)} |")
    return "\n".join(lines)


def lesser_variants(rows: list[Row]) -> list[str]:
    """List the peers that the table does not show, since another did better."""
    return [
        f"{row.title}: {name} {number(median(row.others[name]))} {row.unit}"
        for row in rows
        for name in best_first(row)[1:]
    ]
