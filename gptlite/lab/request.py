"""The questions that a page may ask, checked: whatever else comes is refused in a sentence."""

import json
import math
from typing import Any, NamedTuple

MAX_CHARACTERS = 100_000  # of a text: far more than fit into any page
MAX_TOKENS = 64  # rows of a picture of attention that a person can still read
MAX_CHANGES = 50
LARGEST = 100.0  # factor


class Reading(NamedTuple):
    """A text to read, whether ``<|endoftext|>`` stands before it, and the changes on the way."""

    text: str
    eot: bool
    more: tuple[int, ...] = ()  # ids that follow the text
    edits: tuple[str, ...] = ()  # each as JSON, so that a reading can be a key


def parse(request: str) -> dict[str, Any]:
    """Read a request as JSON.

    Raises:
        ValueError: it is not a JSON object.
    """
    try:
        found = json.loads(request)
    except (ValueError, RecursionError, TypeError):
        raise ValueError("the request is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("the request is not a JSON object")
    return found


def get(request: dict[str, Any], name: str, kind: type, default: Any = None) -> Any:
    """Get a field of a request.

    Raises:
        ValueError: it is missing without a default, or of another kind.
    """
    value = request.get(name, default)
    number = kind is float and isinstance(value, int) and not isinstance(value, bool)
    wrong_bool = kind is int and isinstance(value, bool)
    if number and abs(value) > 2**53:
        raise ValueError(f"{name} must be a smaller number")
    if wrong_bool or not (number or isinstance(value, kind)):
        expected = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}
        raise ValueError(f"{name} must be {expected.get(kind, 'a list')}")
    return value


def whole(request: dict[str, Any], name: str, stop: int, what: str) -> int:
    """Get a whole number from 0 up to but not including ``stop``.

    Raises:
        ValueError: it is none, or lies outside; the message says what lies inside.
    """
    value: int = get(request, name, int)
    if not 0 <= value < stop:
        raise ValueError(f"there is no {name} {value}: {what} has {stop}, counted from 0")
    return value


def factor(request: dict[str, Any]) -> float:
    """Get the factor of a change.

    Raises:
        ValueError: it is no number within the bounds.
    """
    value = float(get(request, "factor", float))
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise ValueError(f"the factor must lie in -{LARGEST:g} to {LARGEST:g}")
    return value


def reading(request: dict[str, Any]) -> Reading:
    """Get the text to read and the changes.

    Raises:
        ValueError: a field is missing or of another kind, or the text is far too long.
    """
    text, eot = get(request, "text", str), get(request, "eot", bool, True)
    if len(text) > MAX_CHARACTERS:
        raise ValueError(
            f"the text has {len(text):,} characters, and the page takes {MAX_TOKENS} tokens at most"
        )
    more = get(request, "more", list, [])
    if not all(type(token) is int and token >= 0 for token in more):
        raise ValueError("each token that follows the text must be an id")
    edits = get(request, "edits", list, [])
    if len(edits) > MAX_CHANGES:
        raise ValueError(f"there are {len(edits)} changes, and the page takes {MAX_CHANGES}")
    if not all(isinstance(edit, dict) for edit in edits):
        raise ValueError("each change must be a JSON object")
    return Reading(
        text, eot, tuple(more), tuple(json.dumps(edit, sort_keys=True) for edit in edits)
    )
