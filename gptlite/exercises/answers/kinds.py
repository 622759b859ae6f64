"""Ways to judge an answer: a number up to a tolerance, an exact answer, one of several sentences.

A judge is given the answer, and returns True or False and the words to say. An expected value may
be a function, which is called when an answer is checked.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gptlite.exercises.exercise import as_lists

Judge = Callable[[Any], tuple[bool, str]]
Slip = tuple[Any, str]  # a wrong answer that is known, or a function that gives it; and its words


def value_of(expected: Any) -> Any:
    """Call an expected value if it is a function."""
    return expected() if callable(expected) else expected


def numbers(
    expected: Any, names: Sequence[str], right: str, slips: Sequence[Slip] = (), rel: float = 0.01
) -> Judge:
    """Judge several numbers, each up to a tolerance.

    Args:
        expected: the numbers, or a function that gives them.
        names: what each is.
        right: what to say if all are right.
        slips: wrong answers that are known.
        rel: the tolerance, relative to each number.
    """

    def judge(answer: Any) -> tuple[bool, str]:
        found = as_numbers(answer, len(names))
        if found is None:
            wanted = "a number" if len(names) == 1 else f"{len(names)} numbers"
            return False, f"expected {wanted}, {', '.join(names)}; found {in_brief(answer)}."
        wanted_numbers = np.atleast_1d(value_of(expected))  # [n]
        fits = np.isclose(found, wanted_numbers, rtol=rel, atol=1e-12)  # [n]
        if fits.all():
            return True, right
        for wrong, words in slips:
            if np.allclose(found, np.atleast_1d(value_of(wrong)), rtol=rel, atol=1e-12):
                return False, words
        off = int(np.argmin(fits))
        size = "too large" if found[off] > wanted_numbers[off] else "too small"
        return False, f"{names[off]}: {found[off]:.6g} is {size}."

    return judge


def one_number(
    expected: Any, name: str, right: str, slips: Sequence[Slip] = (), rel: float = 0.01
) -> Judge:
    """Judge one number, as ``numbers`` does."""
    return numbers(expected, (name,), right, slips, rel)


def as_numbers(answer: Any, count: int) -> Any:
    """Read an answer as so many numbers, ``[count]``; None if it is not that."""
    try:
        found = np.atleast_1d(np.asarray(answer, np.float64))  # [count]
    except (TypeError, ValueError):
        return None
    return found if found.shape == (count,) else None


def exactly(
    expected: Any, form: str, right: str, slips: Sequence[Slip] = (), no: str = ""
) -> Judge:
    """Judge an answer that is a list, a tuple, a bool, or whole numbers.

    Args:
        expected: the answer, or a function that gives it.
        form: what an answer looks like: "three shapes".
        right, no: what to say if it is right, and if it is wrong in an unknown way.
    """

    def judge(answer: Any) -> tuple[bool, str]:
        wanted, found = as_lists(value_of(expected)), as_lists(answer)
        if found == wanted:
            return True, right
        for wrong, words in slips:
            if found == as_lists(value_of(wrong)):
                return False, words
        same_form = type(found) is type(wanted) and len_of(found) == len_of(wanted)
        if not same_form:
            return False, f"expected {form}; found {in_brief(answer)}."
        return False, no or f"{in_brief(answer)} is not it."

    return judge


def len_of(value: Any) -> int:
    """Count the parts of a list; anything else has none."""
    return len(value) if isinstance(value, list) else 0


def choice(right: str, says: Mapping[str, str]) -> Judge:
    """Judge the choice of a sentence by its letter.

    Args:
        right: the letter of the right one.
        says: what to say to each letter.
    """

    def judge(answer: Any) -> tuple[bool, str]:
        letter = str(answer).strip(" ().").lower()
        if letter not in says:
            return (
                False,
                f"expected one of the letters {', '.join(says)}; found {in_brief(answer)}.",
            )
        return letter == right, says[letter]

    return judge


def in_brief(answer: Any) -> str:
    """Show an answer on a part of a line."""
    text = " ".join(repr(answer).split())
    return text if len(text) < 70 else f"{text[:66]} ..."
