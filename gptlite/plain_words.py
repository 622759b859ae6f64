"""Words as BERT's tokenizer cuts them, which Hugging Face's fast tokenizer for GPT-1 uses.

Letters lose their accents and their case, control characters vanish, and each punctuation mark and
each Chinese character is a word by itself. So white space, line ends and words such as "n't" are
lost that GPT-1 was taught (english_words.py): these words are for files that ask for them.

Unicode has changed some characters' categories since the version that the library goes by.
"""

import unicodedata
from functools import lru_cache

from gptlite.patterns import SPACE

# Chinese characters, in BERT's sense: ideographs, not the Japanese and Korean alphabets.
_IDEOGRAPHS = (
    *((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F)),
    *((0x2B740, 0x2B81F), (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)),
)
_ASCII_SIGNS = "$+<=>^`|~"  # not punctuation in Unicode, but here


def words(text: str) -> list[str]:
    """Cut a text into words, in lower case and without accents.

    >>> words("Don't say née!")
    ['don', "'", 't', 'say', 'nee', '!']
    """
    return [word for word in "".join(map(_plain, text)).split(" ") if word]


def places(text: str) -> list[tuple[int, int]]:
    """Say from where to where each character of the words lies in the text."""
    return [(i, i + 1) for i, c in enumerate(text) for plain in _plain(c) if plain != " "]


@lru_cache(1 << 16)
def _plain(character: str) -> str:
    """Write a character plainly, with spaces around what is a word by itself; "" if it vanishes."""
    category = unicodedata.category(character)
    if character in "\t\n\r":
        return " "
    if character in "\0\ufffd" or category in ("Cc", "Cf", "Co"):
        return ""
    if character in SPACE:
        return " "
    alone = any(first <= ord(character) <= last for first, last in _IDEOGRAPHS)
    parts = unicodedata.normalize("NFD", character)
    kept = [c for part in parts if unicodedata.category(part) != "Mn" for c in part.lower()]
    return "".join(f" {c} " if alone or _is_sign(c) else c for c in kept)


def _is_sign(character: str) -> bool:
    return character in _ASCII_SIGNS or unicodedata.category(character).startswith("P")
