"""``check``: a function or a value looked at, and the answer in words."""

from difflib import get_close_matches
from typing import Any

from gptlite.exercises.examine import examine
from gptlite.exercises.table import FUNCTIONS
from gptlite.exercises.verdict import Verdict


def check(exercise: Any, answer: Any = ...) -> Verdict:
    """Check a function that was written, or an exercise's answer.

    Args:
        exercise: a function, whose name says which exercise it solves; or the exercise's name, with
            the function after it (``check("softmax", mine)``).
        answer: the function; left out where ``exercise`` is the function itself.

    Returns:
        What to show: right, or what is wrong. Its ``ok`` is True or False.

    Raises:
        TypeError: ``exercise`` is neither a function nor a str.
        ValueError: there is no such exercise; the message names one that is near.
    """
    if callable(exercise):
        exercise, answer = getattr(exercise, "__name__", repr(exercise)), exercise
    if not isinstance(exercise, str):
        raise TypeError(f"expected a function or an exercise's name, not {exercise!r}")
    if exercise in FUNCTIONS:
        if answer is ...:
            return Verdict(False, exercise, "nothing is written yet: replace the `...`.")
        return examine(exercise, FUNCTIONS[exercise], answer)
    near = get_close_matches(exercise, FUNCTIONS, n=1)
    meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(FUNCTIONS)}"
    raise ValueError(f"no exercise is called {exercise!r}: {meant}")
