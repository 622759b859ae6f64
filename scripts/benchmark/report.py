"""The report: a table in Markdown, and the notes below it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from tqdm import tqdm

import gptlite
from benchmark.basics import Contestant, Setup
from benchmark.catalogue import BENCHMARKS
from benchmark.measuring import Row, Series, measure, rounds_of, rows_of, who_takes_part
from gptlite.fast.threads import cpu_count


def report(names: Iterable[str], setup: Setup) -> str:
    """Measure what was asked for; return the table and the notes that belong to it."""
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


def measured_besides(contestants: list[Contestant], figures: dict[str, Series]) -> list[str]:
    """List figures that only yardsticks have; such a part is named after its unit."""
    return [
        f"{c.name}: {number(median(values))} {unit}"
        for c in contestants
        if c.yardstick
        for unit, values in figures[c.name].items()
        if unit not in figures["gptlite"]
    ]


def is_rate(unit: str) -> bool:
    """Say whether more is better: it is for counts per second, not for seconds and GB."""
    return unit.endswith("/s")


def best_first(row: Row) -> list[str]:
    """Order the names of the others by their medians."""
    return sorted(row.others, key=lambda name: median(row.others[name]), reverse=is_rate(row.unit))


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


def table(rows: list[Row]) -> str:
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
            cells[3:] = [
                number(median(row.others[best])),
                best,
                f"{median(of_rounds):.2f}",
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
    """Describe in one line the processor, the threads, the load before, and the versions."""
    versions = [f"{package} {importlib.metadata.version(package)}" for package in packages]
    # Clearly above 0, other programs were running, and the numbers are not to be quoted.
    load = f", load before {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{cpu_name()}, {cpu_count()} cores, {threads} threads for each contestant{load}; "
        f"{platform.system()}, Python {platform.python_version()}, gptlite {gptlite.__version__}, "
        f"{', '.join(versions)}."
    )
