"""JSON from a file that cannot be trusted: an object that reads the same everywhere, or an error.

Python's json accepts NaN, lets the last of two equal keys win, and raises several kinds of
exception; two programs could read such a file differently. Here any doubt is a CheckpointError.
"""

import json
import reprlib
from functools import partial
from typing import Any, NoReturn

from gptlite.errors import CheckpointError

# A larger file is refused: a byte of JSON can become 50 bytes of objects. gpt2-xl's header has 70
# thousand bytes and 4 thousand values, GPT-2's vocabulary a million bytes and 50 thousand values,
# its tokenizer.json, with each merge on four lines, 3.6 million bytes and 200 thousand values.
MAX_BYTES = 5_000_000
MAX_VALUES = 220_000

LFS_POINTER = b"version https://git-lfs"  # a few lines in place of a file that Git keeps elsewhere

MAX_DIGITS = 19  # enough for 2**63 - 1; longer integers only waste time

# A repr for messages: a file can hold names of megabytes, and lists too deep for Python's own repr.
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2
_SHORT.maxstring = 80
_SHORT.maxlist = 8


def parse_object(data: bytes, where: str, max_digits: int = MAX_DIGITS) -> dict[str, Any]:
    """Parse the JSON object in ``data``; ``where`` names the file in error messages.

    Raises:
        CheckpointError: not UTF-8, not JSON, not an object, a Git LFS pointer; a key given twice,
            NaN or Infinity, an integer of more than ``max_digits``, values nested too deeply, or
            more values than any checkpoint has.
    """
    if data.startswith(LFS_POINTER):
        raise CheckpointError(
            f"{where}: expected JSON, found a Git LFS pointer to it ('git lfs pull' fetches it)"
        )
    # Each value but the first has a comma or a bracket before it. (Strings may hold some as well.)
    n_values = data.count(b",") + data.count(b"[") + data.count(b"{")
    if len(data) > MAX_BYTES or n_values > MAX_VALUES:
        raise CheckpointError(
            f"{where}: expected JSON of at most {MAX_BYTES} bytes and {MAX_VALUES} values, found "
            f"{len(data)} bytes and about {n_values} values"
        )
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_constant=_no_constant,
            parse_int=partial(_short_int, max_digits),
        )
    except RecursionError:
        raise CheckpointError(f"{where}: JSON nested too deeply") from None
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError among them
        raise CheckpointError(f"{where}: not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{where}: expected a JSON object, found {shown(value)}")
    return value


def shown(value: object) -> str:
    """Show a value in a message: on one line, and cut short when a file made it long or deep.

    >>> shown([[[["a"]]], 2, 3, 4, 5, 6, 7, 8, 9])
    '[[[...]], 2, 3, 4, 5, 6, 7, 8, ...]'
    """
    return _SHORT.repr(value)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"key {shown(key)} is given twice")
        result[key] = value
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _short_int(max_digits: int, digits: str) -> int:
    if len(digits.lstrip("-")) > max_digits:
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)
