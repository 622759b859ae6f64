"""Measuring: who takes part, round after round, and the figures as rows."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

from tqdm import tqdm

from benchmark.basics import Benchmark, Contestant, Figures, Setup
from benchmark.catalogue import BENCHMARKS
from benchmark.processes import started
from gptlite.config import PRESETS

Series = dict[str, list[float]]  # {part of a benchmark: its figures, round by round}


class Row(NamedTuple):
    """Figures of one part of a benchmark, round by round: gptlite's, and the others' by name."""

    title: str
    unit: str
    gptlite: list[float]
    others: dict[str, list[float]]


def rounds_of(name: str, quick: bool) -> tuple[int, int]:
    """Say how many rounds to warm up, and how many to measure."""
    benchmark = BENCHMARKS[name]
    if not quick:
        return benchmark.warm_ups, benchmark.rounds
    return benchmark.warm_ups if benchmark.quick_rounds > 1 else 0, benchmark.quick_rounds


def measure(
    name: str, contestants: list[Contestant], setup: Setup, bar: tqdm[Any]
) -> dict[str, Series]:
    """Do some rounds to warm up, then the measured ones; in each the contestants take turns.

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
    """Make, for each part, a row against the peers and one against each yardstick."""
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


def shape(size: str) -> str:
    """Name a size by its number of parameters, as its shape is known.

    >>> shape("gpt2")
    '124M'
    """
    return f"{PRESETS[size].n_params / 1e6:.0f}M"


def who_takes_part(
    names: Iterable[str], setup: Setup
) -> tuple[dict[str, list[Contestant]], list[str]]:
    """List each runnable benchmark's contestants; and who is left out, with the reason."""
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
    """Count the processes with a model of that size that fit into memory; at least one."""
    if not hasattr(os, "sysconf"):
        return sys.maxsize  # Windows does not tell
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # A tenth is left to what is not weights.
    return max(1, int(0.9 * memory / (4 * PRESETS[size].n_params)))
