r"""Regular expressions with Unicode's classes, such as ``\p{L}`` for the letters.

The package ``regex`` knows them. Where it is not installed, as in a browser, the pattern is written
for Python's own ``re``, which knows ``\w`` and ``\d`` alone, and counts as ``\s`` four characters
that are not white space (U+001C to U+001F). Both match the same texts, insofar as they know the
same edition of Unicode.
"""

import re
import sys
import unicodedata
from collections.abc import Iterable
from functools import cache

import numpy as np

try:
    import regex
except ImportError:
    regex = None  # type: ignore[assignment]

Pattern = re.Pattern[str]

SPACE_OF_ASCII = "\t\n\v\f\r "
#: Unicode's white space.
SPACE = SPACE_OF_ASCII + "\x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B)))
SPACE += "\u2028\u2029\u202f\u205f\u3000"

# What may be a class of characters: in brackets, or alone.
_CLASS = re.compile(r"\[(?:\\.|[^\\\]])*\]|\\p\{\w+\}|\\[sS]")
_CATEGORY = re.compile(r"\\p\{(\w+)\}")
_LETTER = r"\p{L}"


def compiled(pattern: str) -> Pattern:
    """Compile a pattern with ``regex``, or with ``re`` where that is not installed."""
    if regex is None:
        return re.compile(for_re(pattern))
    return regex.compile(pattern)  # type: ignore[return-value]  # what is used of it is the same


def for_re(pattern: str) -> str:
    r"""Write a pattern's ``\s``, ``\S`` and ``\p{...}`` as ``re`` understands them."""
    return _CLASS.sub(lambda found: _class_for_re(found[0]), pattern)


def for_ascii(pattern: str) -> str:
    r"""Write a pattern for ``re`` that matches the same in a text of ASCII, and in less time.

    Of Unicode's categories, it may name letters (``\p{L}``) and numbers (``\p{N}``).
    """
    plain = {r"\s": SPACE_OF_ASCII, _LETTER: "A-Za-z", r"\p{N}": "0-9"}

    def of_ascii(found: re.Match[str]) -> str:
        written = found[0]
        if written == r"\S":
            return f"[^{SPACE_OF_ASCII}]"
        for name, characters in plain.items():
            written = written.replace(name, characters)
        return written if written.startswith("[") else f"[{written}]"

    return _CLASS.sub(of_ascii, pattern)


def _class_for_re(written: str) -> str:
    """Write one class: in brackets, or alone."""
    if written == r"\S":
        return f"[^{SPACE}]"
    if not written.startswith("["):
        written = f"[{written}]"
    others = _inside(written.replace(_LETTER, ""))
    if _LETTER not in written:
        return others
    # A letter is what is in \w, and neither a digit nor another number nor "_". That cannot stand
    # in brackets with others, but beside them. (A list of all letters would make matching slow.)
    letter = rf"[^\W\d_{_numbers()}]"
    if written.startswith("[^"):
        return f"(?:(?!{letter}){others})"
    return letter if others == "[]" else f"(?:{letter}|{others})"


def _inside(written: str) -> str:
    """Write the classes within brackets as characters and ranges."""
    written = written.replace(r"\s", SPACE)
    if r"\p{N}" in written:
        written = written.replace(r"\p{N}", r"\d" + _numbers())
    return _CATEGORY.sub(lambda found: _characters(found[1]), written)


@cache
def _numbers() -> str:
    """List the numbers that are no digits, such as "²" and "Ⅷ", as ranges for brackets."""
    codes = np.arange(sys.maxunicode + 1, dtype="<u4")  # [n_codes]
    everything = codes.tobytes().decode("utf-32-le", "surrogatepass")
    in_words = re.findall(r"[^\W\d_]", everything)
    return _ranges(ord(character) for character in in_words if not character.isalpha())


@cache
def _characters(name: str) -> str:
    """List the characters of a category, or of all that begin with its letter, as ranges."""
    codes = range(sys.maxunicode + 1)
    return _ranges(code for code in codes if unicodedata.category(chr(code)).startswith(name))


def _ranges(codes: Iterable[int]) -> str:
    """Write ascending code points as ranges for brackets."""
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)
