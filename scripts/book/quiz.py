"""The quiz: what the notebooks ask a reader to guess, and what they then show."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any, NamedTuple

from book.formulas import as_html
from book.lesson import GUESS, Piece, lesson, paragraphs

STYLE = """
body { font: 17px/1.5 system-ui, sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em; }
pre { background: #f4f6f8; padding: .6em; overflow-x: auto; font-size: 14px; line-height: 1.35; }
img { max-width: 100%; }
summary { cursor: pointer; color: #084594; }
.formula { margin: 1em; }
article { border-top: 1px solid #ccc; padding: .4em 0; }
"""


class Question(NamedTuple):
    """A question, and what answers it.

    Attributes:
        notebook: its name, without the ending.
        section: the heading it stands under.
        question: in Markdown.
        output: what the cell after it prints, as plain text.
        figures: PNG images that the cell draws, in base64.
        answer: the text after it, in Markdown.
    """

    notebook: str
    section: str
    question: str
    output: str
    figures: list[str]
    answer: str


def questions(path: Path) -> list[Question]:
    """Find the questions of an executed notebook.

    Raises:
        NotebookError: see ``lesson``.
    """
    pieces = lesson(path)
    found = []
    for at, piece in enumerate(pieces):
        parts = paragraphs(piece.cell.source) if piece.cell.cell_type == "markdown" else []
        asked = [n for n, part in enumerate(parts) if GUESS.search(part)]
        for n, place in enumerate(asked):
            end = asked[n + 1] if n + 1 < len(asked) else len(parts)
            told = parts[place + 1 : end]
            output, figures, after = ("", [], []) if n + 1 < len(asked) else shown(pieces[at + 1 :])
            answer = "\n\n".join([*told, *after])
            found.append(Question(path.stem, piece.heading, parts[place], output, figures, answer))
    return found


def shown(pieces: list[Piece]) -> tuple[str, list[str], list[str]]:
    """Take what the next code cells print and draw, and the first paragraph after them."""
    texts, figures = [], []
    for piece in pieces:
        if piece.cell.cell_type == "markdown":
            told = [p for p in paragraphs(piece.cell.source) if not p.startswith("Article:")]
            goes_on = not piece.level and bool(texts or figures)
            return "\n".join(texts), figures, told[:1] if goes_on else []
        for output in piece.cell.outputs:
            data: dict[str, Any] = output.get("data", {})
            text = output.get("text", data.get("text/plain", ""))
            if "image/png" in data:
                figures.append(data["image/png"].strip())
            elif text.strip():
                texts.append(text.strip("\n"))
    return "\n".join(texts), figures, []


def as_json(found: list[Question]) -> bytes:
    """Write the questions as JSON: a list of objects."""
    return (json.dumps([q._asdict() for q in found], ensure_ascii=False, indent=1) + "\n").encode()


def as_page(found: list[Question]) -> bytes:
    """Write the questions as one HTML file, without a script: each answer opens on a click.

    Raises:
        ValueError: a formula cannot be drawn.
    """
    lines = ["<h1>What do you guess?</h1>"]
    notebook = ""
    for n, question in enumerate(found, 1):
        if question.notebook != notebook:
            notebook = question.notebook
            lines.append(f"<h2>{html.escape(notebook.replace('_', ' '))}</h2>")
        images = "".join(
            f'<img src="data:image/png;base64,{png}" alt="The figure that answers question {n}">'
            for png in question.figures
        )
        output = f"<pre>{html.escape(question.output)}</pre>" if question.output else ""
        lines.append(
            f"<article><h3>{n}. {html.escape(question.section)}</h3>"
            f"{as_html(question.question)}"
            f"<details><summary>Answer</summary>{output}{images}"
            f"{as_html(question.answer)}</details></article>"
        )
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>What do you guess?</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(lines)
        + "\n</body>\n</html>\n"
    )
    return page.encode()
