"""The files of four benchmarks, read into items; an error names the line that is wrong.

    LAMBADA            lines of JSON, ``{"text": "..."}``, whose last word is to be guessed
    Children's Book    20 numbered sentences, a 21st with ``XXXXX``, the word, and its candidates
    HellaSwag          lines of JSON, ``{"ctx": "...", "endings": ["...", ...], "label": 2}``
    multiple choice    lines of JSON, ``{"prompt": "...", "options": ["..."], "answer": 0}``

Each ``read_`` function returns ``{line number: item}``, in the order of the file. It raises
ValueError if a line is wrong or there are none, and OSError if the file cannot be read.
"""

import os
import re
from collections.abc import Callable
from typing import Any, TypeVar

from gptlite.evaluate.detokenise import detokenise
from gptlite.evaluate.lambada import LastWord
from gptlite.files import json_lines, naming_line, text_lines
from gptlite.tasks.choice import Choice
from gptlite.tasks.cloze import fill

Item = TypeVar("Item")


def read_lambada(path: str | os.PathLike[str]) -> dict[int, LastWord]:
    """Read LAMBADA in the form in which OpenAI published it (Paperno et al. 2016)."""

    def last_word(row: dict[str, Any]) -> LastWord:
        *before, word = re.split(r"(?<=\s)(?=\S+$)", string(row, "text").strip())
        text = "".join(before)
        if not text:
            raise ValueError("the text has fewer than two words: nothing to guess one from")
        # A space is a part of the token after it; a line feed is a token of its own.
        cut = text.removesuffix(" ")
        return LastWord(cut, text[len(cut) :] + word)

    return read_objects(path, last_word)


def read_choices(path: str | os.PathLike[str]) -> dict[int, Choice]:
    """Read questions with several answers; prompt and options keep their spaces."""

    def choice(row: dict[str, Any]) -> Choice:
        options = strings(row, "options")
        return Choice(string(row, "prompt"), options, right_option(row, "answer", options))

    return read_objects(path, choice)


def read_hellaswag(path: str | os.PathLike[str]) -> dict[int, Choice]:
    """Read HellaSwag (Zellers et al. 2019); each ending continues its context after a space."""

    def choice(row: dict[str, Any]) -> Choice:
        endings = tuple(f" {ending.strip()}" for ending in strings(row, "endings"))
        return Choice(string(row, "ctx").rstrip(), endings, right_option(row, "label", endings))

    return read_objects(path, choice)


def read_cbt(path: str | os.PathLike[str], detokeniser: str = "none") -> dict[int, Choice]:
    """Read the Children's Book Test (Hill et al. 2016).

    The 21 sentences are joined by spaces; the gap is in the last, whose line number the item has.

    Args:
        detokeniser: one of ``detokenise.RULES``; "ptb" undoes the test's own conventions.
    """
    items = {}
    sentences: list[str] = []
    for number, line in text_lines(path):
        with naming_line(path, number):
            which, _, rest = line.partition(" ")
            if which != str(len(sentences) + 1):
                raise ValueError(f"expected sentence {len(sentences) + 1}, found {which[:20]!r}")
            if len(sentences) < 20:
                sentences.append(rest)
                continue
            query, *fields = (field.strip() for field in rest.split("\t"))
            fields = [detokenise(field, detokeniser) for field in fields if field]
            if len(fields) != 2:
                raise ValueError("expected a sentence, its word and the candidates, with tabs")
            word, candidates = fields[0], fields[1].split("|")
            if word not in candidates:
                raise ValueError(f"the word {word!r} is not among the candidates")
            text = detokenise(" ".join([*sentences, query]), detokeniser)
            items[number] = fill(text, candidates, candidates.index(word))
            sentences = []
    if sentences:
        raise ValueError(f"{path}: ends after sentence {len(sentences)} of 21")
    return items


# ---- Lines of JSON ------------------------------------------------------------------------------


def read_objects(
    path: str | os.PathLike[str], item_of: Callable[[dict[str, Any]], Item]
) -> dict[int, Item]:
    """Read a JSON object from each line, and make an item of it."""
    items = {}
    for number, row in json_lines(path):
        with naming_line(path, number):
            items[number] = item_of(row)
    return items


def string(row: dict[str, Any], name: str) -> str:
    """Look up a text.

    Raises:
        ValueError: the text is missing, or is not a text.
    """
    if not isinstance(row.get(name), str):
        raise ValueError(f"expected a text {name!r}, found {row.get(name)!r}")
    return str(row[name])


def strings(row: dict[str, Any], name: str) -> tuple[str, ...]:
    """Look up two or more texts.

    Raises:
        ValueError: the texts are missing, too few, or not texts, or one is blank.
    """
    found = row.get(name)
    if not isinstance(found, list) or not all(isinstance(s, str) and s.strip() for s in found):
        raise ValueError(f"expected a list of texts {name!r}, none of them blank, found {found!r}")
    if len(found) < 2:
        raise ValueError(f"expected two texts or more in {name!r}, found {len(found)}")
    return tuple(found)


def right_option(row: dict[str, Any], name: str, options: tuple[str, ...]) -> int:
    """Look up which option is right, counted from 0: a number or, as in some files, "2".

    Raises:
        ValueError: the number is missing, or no option has it.
    """
    found = row.get(name)
    if str(found) not in map(str, range(len(options))):
        raise ValueError(f"expected {name!r} 0 to {len(options) - 1}, found {found!r}")
    return int(str(found))
