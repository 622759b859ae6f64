"""An executed notebook as a lesson: its cells by heading, without exercises and installation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

from book.editions import is_answered
from book.source import HINT, INSTALL, NotebookError

GUESS = re.compile(r"\*\*Guess\b")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


class Piece(NamedTuple):
    """A cell of a lesson, or a part of one: a Markdown cell is cut at its headings.

    Attributes:
        heading: the heading under which it stands, which is not in its text.
        level: that heading's level, if this piece begins it; 0 if it only goes on.
        cell: the cell.
    """

    heading: str
    level: int
    cell: NotebookNode


def lesson(path: Path) -> list[Piece]:
    """Read an executed notebook, the student's edition, up to its exercises.

    Hints and checks are for those who work on an exercise: they are left out wherever they stand.

    Raises:
        NotebookError: the file is not a notebook, or is not there: it has to be built first.
    """
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except FileNotFoundError:
        raise NotebookError(f"{path.name}: not there: python scripts/notebooks.py build") from None
    except (ValueError, nbformat.ValidationError) as failure:
        raise NotebookError(f"{path.name}: not a notebook: {failure}") from None
    pieces: list[Piece] = []
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "code" and (INSTALL in cell.source or is_answered(cell.source)):
            continue
        if cell.cell_type == "markdown":
            parts = list(sections(HINT.sub("", cell.source)))
        else:
            parts = [("", 0, cell.source)]
        for title, level, text in parts:
            if title == "Exercises":
                return pieces
            heading = title or heading
            part = nbformat.from_dict({**cell, "source": text})
            if level or text.strip():
                pieces.append(Piece(heading, level, part))
    return pieces


def sections(text: str) -> Iterator[tuple[str, int, str]]:
    r"""Cut Markdown at its headings: title, level ("" and 0 for what precedes them) and text.

    >>> list(sections("One.\n\n## Two\n\nThree."))
    [('', 0, 'One.'), ('Two', 2, 'Three.')]
    """
    found = list(_HEADING.finditer(text))
    before = text[: found[0].start()] if found else text
    if before.strip():
        yield "", 0, before.strip()
    ends = [*(match.start() for match in found), len(text)][1:]
    for match, end in zip(found, ends, strict=True):
        yield match[2].strip(), len(match[1]), text[match.end() : end].strip()


def paragraphs(text: str) -> list[str]:
    r"""Cut Markdown into its paragraphs.

    >>> paragraphs("One\nline.\n\n\nTwo.")
    ['One\nline.', 'Two.']
    """
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
