"""The files of four benchmarks; what is wrong in one is named with its line.

    LAMBADA            a JSON object a line: ``{"text": "..."}``, whose last word is to be guessed
    Children's Book    20 numbered sentences, a 21st with ``XXXXX``, the word, and its candidates
    HellaSwag          a JSON object a line: ``{"ctx": "...", "endings": ["...", ...], "label": 2}``
    multiple choice    a JSON object a line: ``{"prompt": "...", "options": ["..."], "answer": 0}``

Each function gives ``{line number: item}``, in the order of the file.
"""

import os
from typing import Any

from gptlite.evaluate.detokenise import detokenise
from gptlite.evaluate.lambada import LastWord
from gptlite.files import json_lines, naming_line, text_lines
from gptlite.tasks.choice import Choice
from gptlite.tasks.cloze import fill


def read_lambada(path: str | os.PathLike[str]) -> dict[int, LastWord]:
    """LAMBADA in the form OpenAI published it in (Paperno et al. 2016).

    Raises:
        ValueError: a line is not as it should be, or there is none. OSError: it cannot be read.
    """
    items = {}
    for number, row in json_lines(path):
        with naming_line(path, number):
            text, space, word = string(row, "text").strip().rpartition(" ")
            if not text:
                raise ValueError("the text has fewer than two words: nothing to guess one from")
            items[number] = LastWord(text, space + word)
    return items


def read_choices(path: str | os.PathLike[str]) -> dict[int, Choice]:
    """Questions with several answers; prompt and options are taken as they are, spaces and all.

    Raises:
        ValueError: a line is not as it should be, or there is none. OSError: it cannot be read.
    """
    items = {}
    for number, row in json_lines(path):
        with naming_line(path, number):
            options = strings(row, "options")
            items[number] = Choice(string(row, "prompt"), options, place(row, "answer", options))
    return items


def read_hellaswag(path: str | os.PathLike[str]) -> dict[int, Choice]:
    """HellaSwag (Zellers et al. 2019); each ending goes on from its context after a space.

    Raises:
        ValueError: a line is not as it should be, or there is none. OSError: it cannot be read.
    """
    items = {}
    for number, row in json_lines(path):
        with naming_line(path, number):
            endings = tuple(f" {ending.strip()}" for ending in strings(row, "endings"))
            context = string(row, "ctx").rstrip()
            items[number] = Choice(context, endings, place(row, "label", endings))
    return items


def read_cbt(path: str | os.PathLike[str], detokeniser: str = "none") -> dict[int, Choice]:
    """The Children's Book Test (Hill et al. 2016): the sentences joined by spaces, the gap last.

    The numbers are those of the lines with the gaps.

    Args:
        detokeniser: one of ``detokenise.RULES``; the test's own conventions are "ptb".

    Raises:
        ValueError: a line is not as it should be, or there is none. OSError: it cannot be read.
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


# ---- What a JSON object has ---------------------------------------------------------------------


def string(row: dict[str, Any], name: str) -> str:
    """A text.

    Raises:
        ValueError: it is missing, or not a text.
    """
    if not isinstance(row.get(name), str):
        raise ValueError(f"expected a text {name!r}, found {row.get(name)!r}")
    return str(row[name])


def strings(row: dict[str, Any], name: str) -> tuple[str, ...]:
    """Two texts or more.

    Raises:
        ValueError: they are missing, too few, or not texts, or one is blank.
    """
    found = row.get(name)
    if not isinstance(found, list) or not all(isinstance(s, str) and s.strip() for s in found):
        raise ValueError(f"expected a list of texts {name!r}, none of them blank, found {found!r}")
    if len(found) < 2:
        raise ValueError(f"expected two texts or more in {name!r}, found {len(found)}")
    return tuple(found)


def place(row: dict[str, Any], name: str, options: tuple[str, ...]) -> int:
    """Which of the options is right, counted from 0; a number or, as some files have it, "2".

    Raises:
        ValueError: it is missing, or none of them.
    """
    found = row.get(name)
    if str(found) not in map(str, range(len(options))):
        raise ValueError(f"expected {name!r} 0 to {len(options) - 1}, found {found!r}")
    return int(str(found))
