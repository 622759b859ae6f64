"""``check``: a function or a value looked at, and the answer in words."""

from difflib import get_close_matches
from typing import Any

from gptlite.exercises.answers.table import ANSWERS
from gptlite.exercises.examine import examine
from gptlite.exercises.table import FUNCTIONS
from gptlite.exercises.verdict import Verdict


def check(exercise: Any, answer: Any = ...) -> Verdict:
    """Check a function that was written, or the answer to a notebook's exercise.

    Args:
        exercise: a function, whose name says which exercise it solves; or the exercise's name, with
            the function after it (``check("softmax", mine)``); or the numbers of a notebook and of
            an exercise in it, with the answer (``check("04.2", 0.6)``).
        answer: the function or the answer; left out where ``exercise`` is the function itself.

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
    if exercise not in FUNCTIONS and exercise not in ANSWERS:
        refuse(exercise)
    if is_open(answer):
        return Verdict(False, exercise, "nothing is here yet: put your answer in place of `...`.")
    if exercise in FUNCTIONS:
        return examine(exercise, FUNCTIONS[exercise], answer)
    ok, words = ANSWERS[exercise](answer)
    return Verdict(ok, exercise, words)


def is_open(answer: Any) -> bool:
    """Say whether an answer is still what a notebook has in its place: dots, or a question mark."""
    if isinstance(answer, (list, tuple)):
        return any(is_open(part) for part in answer)
    return answer is ... or (isinstance(answer, str) and answer in ("...", "?"))


def refuse(exercise: str) -> None:
    """Raise the ValueError of a name that no exercise has."""
    near = get_close_matches(exercise, [*FUNCTIONS, *ANSWERS], n=1)
    meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(FUNCTIONS)}"
    raise ValueError(f"no exercise is called {exercise!r}: {meant}")
