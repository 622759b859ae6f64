"""A student's function called: with copies of its arguments, quietly, and errors caught."""

import warnings
from typing import Any, NamedTuple

import numpy as np

from gptlite.exercises.exercise import Case, Function


class Outcome(NamedTuple):
    """A call's result, or its error; and which of the arguments it changed, by their place."""

    value: Any
    error: Exception | None
    changed: tuple[int, ...]


def outcome_of(function: Function, case: Case) -> Outcome:
    """Call a function with copies of a case's arguments, quietly."""
    given = tuple(copied(argument) for argument in case.arguments)
    value, error = None, None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            value = function(*given)
        except Exception as raised:
            error = raised
    pairs = enumerate(zip(given, case.arguments, strict=True))
    changed = tuple(i for i, (after, before) in pairs if not unchanged(after, before))
    return Outcome(value, error, changed)


def copied(value: Any) -> Any:
    """Copy arrays, and the lists and dictionaries that hold them; leave the rest as it is."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, list):
        return [copied(each) for each in value]
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    return value


def unchanged(after: Any, before: Any) -> bool:
    """Compare an argument after a call with what it was before, number by number."""
    if isinstance(before, np.ndarray):
        return bool(np.array_equal(after, before, equal_nan=before.dtype.kind == "f"))
    if isinstance(before, dict):
        return after.keys() == before.keys() and all(
            unchanged(after[key], before[key]) for key in before
        )
    return True if callable(before) else bool(after == before)
