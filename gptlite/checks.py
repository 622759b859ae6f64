"""Argument checks: each refuses bad input in one line that says what was expected and found.

The checks live here rather than in the functions that call them, so that the code there is only
about good input.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from inspect import signature
from math import inf, isfinite
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gptlite.errors import ContextOverflowError
from gptlite.layers import Array

DEFAULT_NEW_TOKENS = 200
# No vocabulary of GPT-2's kind comes near: ids that have no token cost memory.
MAX_ID = (1 << 20) - 1


def check_int(name: str, value: object, least: int) -> None:
    """Raise TypeError unless the value is an int (or NumPy's), ValueError if below ``least``."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")


def check_range(name: str, value: object, low: float, high: float, ends: str = "[]") -> None:
    """Refuse a value that is not a finite number from ``low`` to ``high``.

    Args:
        ends: "[]", with a round bracket for an end that is itself excluded: "(]".

    Raises:
        TypeError: the value is not a number. ValueError: it is NaN, infinite, or out of range.
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, not {value!r}")
    try:
        number = float(value)
    except OverflowError:  # an int of more than 308 digits
        number = inf
    if not isfinite(number):
        raise ValueError(f"{name} must be finite, not {value}")
    above = number > low if ends[0] == "(" else number >= low
    below = number < high if ends[1] == ")" else number <= high
    if above and below:
        return
    if high < inf:
        raise ValueError(f"{name} must lie in {ends[0]}{low:g}, {high:g}{ends[1]}, not {value}")
    raise ValueError(
        f"{name} must be {'above' if ends[0] == '(' else 'at least'} {low:g}, not {value}"
    )


def check_kind(name: str, value: object, kind: type) -> None:
    """Raise TypeError unless the value is of a kind, such as a ``Trace``."""
    if not isinstance(value, kind):
        found = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise TypeError(f"{name} must be of type {kind.__name__}, not {found}")


def check_arguments(name: str, function: Callable[..., object], *arguments: str) -> None:
    """Raise TypeError unless a function can be called with so many arguments."""
    try:
        signature(function).bind(*arguments)
    except TypeError:
        raise TypeError(f"{name}: a function is given {' and '.join(arguments)}") from None
    except ValueError:
        pass  # a function that is not Python's own may not say what it takes


def check_dtype(dtype: object) -> None:
    """Raise ValueError unless the dtype is one that weights are kept and written in."""
    if not isinstance(dtype, str) or dtype not in ("float32", "float16"):
        raise ValueError(f"dtype must be 'float32' or 'float16', not {dtype!r}")


def as_array(name: str, value: ArrayLike) -> NDArray[Any]:
    """Turn nested lists of numbers into an array, ``[...]``; an array stays as it is.

    Raises:
        ValueError: lists side by side differ in length.
    """
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(
            f"{name}: expected rows of equal length, found rows of different lengths"
        ) from None


def check_integers(name: str, value: object, array: NDArray[Any]) -> None:
    """Raise TypeError unless ``array``, which was made of ``value``, holds integers."""
    if not np.issubdtype(array.dtype, np.integer):
        found = array.dtype if array.ndim else type(value).__name__
        raise TypeError(f"{name} must be integers, not {found}")


def check_text(text: object, name: str = "text") -> None:
    """Raise TypeError unless the text is a str."""
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a str, not {type(text).__name__}")


def check_texts(texts: object) -> None:
    """Raise TypeError unless there may be several texts: in one str each character would be one."""
    if isinstance(texts, (str, bytes, bytearray)) or not isinstance(texts, Iterable):
        found = "one str" if isinstance(texts, str) else type(texts).__name__
        raise TypeError(f"texts must be an iterable of str, not {found}")


def checked_names(allowed: object) -> list[str]:
    """Return the names of special tokens that are allowed, each once.

    Raises:
        TypeError: one str, which could mean its characters; or what holds anything but str.
    """
    if isinstance(allowed, str) or not isinstance(allowed, Collection):
        raise TypeError(f"allowed_special must be 'all' or a collection of names, not {allowed!r}")
    names = list(allowed)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"allowed_special: a name must be a str, not {name!r}")
    return list(dict.fromkeys(names))


def check_vocabulary(vocab: Mapping[str, int]) -> None:
    """Check what a vocabulary is made of: names, each with an id of its own.

    Raises:
        TypeError: not a mapping of str to int.
        ValueError: there is no token, an id is below 0 or above ``MAX_ID``, or two are the same.
    """
    if not isinstance(vocab, Mapping):
        raise TypeError(f"a vocabulary must be {{token: id}}, not {type(vocab).__name__}")
    if not vocab:
        raise ValueError("a vocabulary must have at least one token")
    ids = [*vocab.values()]
    for token, i in vocab.items():
        if not isinstance(token, str):
            raise TypeError(f"each token of a vocabulary must be a str, not {token!r}")
        if type(i) is not int:
            raise TypeError(f"each id of a vocabulary must be an int, not {i!r}")
    for i in (min(ids), max(ids)):
        if not 0 <= i <= MAX_ID:
            raise ValueError(f"each id of a vocabulary must lie in [0, {MAX_ID}], not {i}")
    if len({*ids}) < len(ids):
        raise ValueError("each token of a vocabulary must have an id of its own")


def check_usage(
    function: Callable[..., object],
    model: object,
    tokenizer: object,
    options: Iterable[str],
    known: Callable[..., object],
) -> None:
    """Refuse a call of ``generate`` or its kind that lacks a tokenizer, or has an unknown option.

    Args:
        function: the function whose options a user knows.
        options: names of options that are not checked yet.
        known: the class that takes those.

    Raises:
        TypeError: not a model and a tokenizer, or an option that there is not.
    """
    if not hasattr(model, "config") or not hasattr(tokenizer, "decode_bytes"):
        found = f"{type(model).__name__} and {type(tokenizer).__name__}"
        raise TypeError(f"expected a model and a tokenizer, as gptlite.load gives, found {found}")
    for name in options:
        if name not in signature(known).parameters:
            names = [*signature(function).parameters]
            near = get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
            raise TypeError(f"{function.__name__} has no option {name!r}: {hint}")


def checked_parameters(
    shapes: Mapping[str, tuple[int, ...]], parameters: Mapping[str, Array]
) -> dict[str, Array]:
    """Check parameters, and put them in the order of ``shapes``; matrices may be float16.

    Raises:
        TypeError: the parameters are not a mapping.
        ValueError: a parameter is missing, unknown, or not of the expected shape and kind.
    """
    check_kind("parameters", parameters, Mapping)
    if parameters.keys() != shapes.keys():
        names = sorted(map(str, parameters.keys() ^ shapes.keys()))
        raise ValueError(f"parameters missing or unknown: {', '.join(names[:5])}")
    checked: dict[str, Array] = {}
    for name, shape in shapes.items():
        array = np.asanyarray(parameters[name])
        half = array.dtype == np.float16 and len(shape) == 2
        if array.shape != shape or not (half or array.dtype == np.float32):
            found = f"{array.dtype} {list(array.shape)}"
            raise ValueError(f"{name}: expected float32 {list(shape)}, found {found}")
        checked[name] = array
    return checked


def checked_prompts(prompt: str | Sequence[str] | None) -> list[str]:
    """Return the prompts as a list; None stands for an empty one.

    Raises:
        TypeError: neither a str, nor a list of them, nor None.
    """
    if prompt is None:
        return [""]
    texts: list[Any] = [*prompt] if isinstance(prompt, (list, tuple)) else [prompt]
    for text in texts:
        if not isinstance(text, str):
            found = type(text).__name__
            raise TypeError(f"prompt must be a str, or a list of them, not {found}")
    return texts


def checked_rows(prompts: Sequence[ArrayLike], speculate: int) -> list[list[int]]:
    """Check rows of token ids, and turn them into lists.

    Raises:
        TypeError, ValueError: there is no row, a row is empty or holds anything but integers, or
            ``speculate`` is not 0 for several rows.
    """
    if isinstance(prompts, str) or not isinstance(prompts, Iterable):
        found = type(prompts).__name__
        raise TypeError(f"prompts must be rows of token ids, not {found}")
    rows = []
    for prompt in prompts:
        ids = as_array("a prompt", prompt)  # [seq]
        if ids.size == 0:
            raise ValueError(
                "a prompt has no token ids: give at least one (an empty text has <|endoftext|>)"
            )
        if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
            found = f"{ids.dtype} {list(ids.shape)}"
            raise TypeError(f"a prompt must be a list of token ids, not {found}")
        rows.append(ids.tolist())
    if not rows:
        raise ValueError("no prompts: give at least one row of token ids")
    check_int("speculate", speculate, least=0)
    if speculate and len(rows) > 1:
        raise ValueError(f"speculate is for a single text, not for {len(rows)} side by side")
    return rows


def checked_length(
    rows: list[list[int]], max_new_tokens: int | None, overflow: str, n_ctx: int
) -> int:
    """Say how many tokens to make: ``max_new_tokens``; if that is None, 200 or as many as fit.

    The last of them is never read again, so it needs no position.

    Raises:
        TypeError, ValueError: the number is not an int, or is below 0; ``overflow`` is unknown.
        ContextOverflowError: the tokens do not fit, and ``overflow`` is "error".
    """
    if not isinstance(overflow, str) or overflow not in ("error", "slide"):
        raise ValueError(f"overflow must be 'error' or 'slide', not {overflow!r}")
    longest = max(map(len, rows))
    room = n_ctx - longest + 1
    if max_new_tokens is None:
        max_new_tokens = DEFAULT_NEW_TOKENS
        if overflow == "error" and 0 < room < max_new_tokens:
            max_new_tokens = room
    check_int("max_new_tokens", max_new_tokens, least=0)
    if overflow == "error" and (longest > n_ctx or max_new_tokens > room):
        fit = f"{room} new {'token fits' if room == 1 else 'tokens fit'}, not {max_new_tokens}"
        fit = fit if room > 0 else "it does not fit"
        raise ContextOverflowError(
            f"the context holds {n_ctx} tokens and the prompt has {longest}: {fit} "
            "(with overflow slide it goes on, and forgets the older half)"
        )
    return max_new_tokens


def checked_stop(stop: str | Collection[str]) -> Collection[str]:
    """Check the strings at which a text is to end, and return them as a collection.

    Raises:
        TypeError, ValueError: one of them is not a string, or is empty.
    """
    stop = [stop] if isinstance(stop, str) else stop
    if not isinstance(stop, Collection) or not all(isinstance(s, str) for s in stop):
        raise TypeError(f"stop must be a string or a list of strings, not {stop!r}")
    if "" in stop:
        raise ValueError("a stop string must not be empty")
    return stop
