"""The list of wrong solutions, and the words that each should meet."""

from collections.abc import Callable
from typing import Any

# By exercise and name, so that a module which is read twice counts once: function, words.
WRONG: dict[tuple[str, str], tuple[Callable[..., Any], str]] = {}


def wrong(exercise: str, words: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add a function to the list."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        WRONG[exercise, function.__name__] = function, words
        return function

    return add
