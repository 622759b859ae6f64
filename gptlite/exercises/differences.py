"""Differences in words: where first, by how much, and the error that was raised."""

import traceback
from collections.abc import Mapping
from typing import Any

import numpy as np

from gptlite.exercises.exercise import Case, as_lists, close

# What NumPy's and Python's messages have in common, and what helps.
HINTS = {
    "could not be broadcast": "NumPy lines up shapes from the right: does a sum, a mean or a "
    "maximum along an axis need keepdims=True?",
    "matmul": "in `a @ b` the last axis of `a` meets the last but one of `b`: which of the two has "
    "to be turned, and along which axes? (`.T` reverses all of them.)",
    "cannot reshape": "a reshape keeps the number of numbers: print the shape before it.",
    "keyword": "the parameters are a small tree: p['c_fc']['weight'], p['ln_1']['epsilon'].",
    "not defined": "has the cell that defines it been run?",
}


def raised(error: Exception, case: Case) -> str:
    """Say what a function has raised, on which of its lines, and what helps."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)[1:2]]
    where = f" on line {lines[0]} of its cell" if lines else ""
    hint = next((hint for part, hint in HINTS.items() if part in str(error)), "")
    if isinstance(error, KeyError):
        hint = HINTS["keyword"]
    said = " ".join(str(error).split())
    return f"it raises {type(error).__name__}{where}, given {case.what}: {said}\n{hint}".rstrip()


def difference(found: Any, expected: Any, case: Case) -> str:
    """Say what differs from the right output, and where first."""
    given = f"given {case.what}"
    if found is None or found is ...:
        return f"{given}, expected an array, found {found!r}."
    if not isinstance(expected, (np.ndarray, float)):
        return f"{given}, expected {as_lists(expected)!r}, found {as_lists(found)!r}."
    wanted = np.asarray(expected)  # [...]
    try:
        mine = np.asarray(found, np.float64)  # [...]
    except (TypeError, ValueError):
        return f"{given}, expected an array of numbers, found {described(found)}."
    if mine.shape != wanted.shape:
        return f"{given}, expected the shape {list(wanted.shape)}, found {list(mine.shape)}."
    if np.isnan(mine).any() and not np.isnan(wanted).any():
        at = tuple(map(int, np.argwhere(np.isnan(mine))[0]))
        return (
            f"{given}, {np.isnan(mine).mean():.0%} of the result is NaN (not a number), first at "
            f"{list(at)}: is something divided by 0, or infinity by infinity?"
        )
    off = ~close(mine, wanted.astype(np.float64))  # [...]
    at = tuple(map(int, np.argwhere(off)[0]))
    where = f"first at {list(at)}: " if at else ""
    factor = constant_factor(mine, wanted)
    return (
        f"{given}, {off.mean():.0%} of the numbers differ, {where}expected {wanted[at]:.5g}, found "
        f"{mine[at]:.5g}.{factor}"
    )


def constant_factor(found: Any, expected: Any) -> str:
    """Say if all numbers are too large, or too small, by one factor or one sum; else ""."""
    big = np.abs(expected) > 1e-3  # [...]
    if big.sum() < 2:
        return ""
    ratios = found[big] / expected[big]  # [big]
    if np.ptp(ratios) < 1e-3 * abs(ratios[0]):
        return f" All of them are {ratios[0]:.4g} times what they should be."
    if np.ptp(found - expected) < 1e-4:
        return f" All of them are off by {float((found - expected).flat[0]):.4g}."
    return ""


def described(value: Any) -> str:
    """Describe a result in a few words."""
    if isinstance(value, np.ndarray):
        return f"one array of shape {list(value.shape)}"
    if isinstance(value, Mapping):
        return "a dictionary"
    return f"{type(value).__name__} {value!r}"[:80]
