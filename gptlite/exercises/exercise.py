"""An exercise in which a function is to be written: the right one, its cases, known mistakes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Function = Callable[..., Any]


class Mistake(NamedTuple):
    """A mistake that is recognised by what it computes.

    Attributes:
        wrong: a function that makes the mistake. Where the exercise has several outputs, it
            computes only the one that the mistake concerns.
        words: what is wrong, and a nudge; not the solution.
        output: the output that the mistake concerns.
    """

    wrong: Function
    words: str
    output: int = 0


def two_mistakes(wrong: Function, first: str, second: str, output: int = 0) -> Mistake:
    """Describe two usual mistakes that are made at once, each in a few words."""
    return Mistake(wrong, f"two mistakes at once. First, {first}. Second, {second}.", output)


class Case(NamedTuple):
    """Arguments to try a function with.

    Attributes:
        what: the arguments, in words.
        arguments: what the function is given, in order.
        expected: what it should return, where that is known from the storyteller's own trace; None
            for whatever the right function returns.
    """

    what: str
    arguments: tuple[Any, ...]
    expected: Any = None


class Exercise(NamedTuple):
    """A function to be written.

    Attributes:
        right: a right solution.
        cases: makes the arguments to try it with, the plainest first.
        mistakes: the mistakes that are recognised.
        outputs: the names of the outputs, where there are several.
        also: other right solutions, whose outputs differ from those of ``right``.
        canonical: brings outputs that are equally right to one form.
        unknown: what to say besides where the mistake is none of these.
    """

    right: Function
    cases: Callable[[], list[Case]]
    mistakes: tuple[Mistake, ...]
    outputs: tuple[str, ...] = ()
    also: tuple[Function, ...] = ()
    canonical: Function = lambda value: value
    unknown: str = ""


def same(found: Any, expected: Any) -> bool:
    """Compare two outputs: arrays up to rounding in float32, NaN equal to NaN; all else exactly."""
    if isinstance(expected, (np.ndarray, float, np.floating)):
        try:
            found, wanted = np.asarray(found, np.float64), np.asarray(expected, np.float64)
        except (TypeError, ValueError):
            return False
        if found.shape != wanted.shape:
            return False
        return bool(close(found, wanted).all())
    return bool(as_lists(found) == as_lists(expected))


def close(found: Any, expected: Any) -> Any:
    """Say for each number of two arrays of one shape if it is the same up to rounding: ``[...]``.

    What float32 loses grows with the numbers that are added up: 1e-4 of a typical one is allowed.
    """
    finite = np.abs(expected[np.isfinite(expected) & (np.abs(expected) < 1e9)])  # [finite]
    typical = float(np.sqrt(np.mean(finite**2))) if finite.size else 0.0
    return np.isclose(found, expected, rtol=1e-4, atol=3e-5 * typical, equal_nan=True)  # [...]


def as_lists(value: Any) -> Any:
    """Turn rows of tokens or ids into lists, whatever they are kept in."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple, np.ndarray)):
        return [as_lists(each) for each in value]
    return value
