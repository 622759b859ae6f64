"""The reading guide: the code and the notebooks' cells that cite a section of the article.

A function says in its docstring which sections it is the code of, and a notebook says it in a
Markdown cell: ``Article: "2- Score"``. See the head of scripts/reading_guide.py.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from book.article import PARTS, SECTIONS
from gptlite.article import ARTICLE, section_url

ROOT = Path(__file__).resolve().parents[2]
BEGIN = "<!-- reading guide: written by scripts/reading_guide.py -->"
END = "<!-- end of the reading guide -->"

# The order in which the files are read; those not named come after, by name.
READING_PATH = (
    *("config", "tokenizer", "layers", "block", "model", "cache", "sampling"),
    *("generate/loop", "generate/samples"),
)

_TITLES = r'"[^"]+"(?:(?:,|,? and) "[^"]+")*'
_CITATION = re.compile(rf"\bArticle: ?({_TITLES})?")


class Place(NamedTuple):
    """A place that cites a section: a file, relative to the checkout, and a name in it.

    ``name`` is a function, a class or a method (``GPT.embed``), "" for a module as a whole; in a
    notebook's source it is the heading under which the cell stands.
    """

    file: Path
    name: str


def cited_sections(text: str, where: str) -> list[str]:
    r"""Find the titles that the ``Article: "..."`` sentences of a text name, in order.

    Args:
        where: whose text it is, for the message.

    Raises:
        ValueError: a title that the article does not have, or no title after ``Article:``.

    >>> cited_sections('Softmax.\n\nArticle: "2- Score" and "3-\nSum".', "softmax")
    ['2- Score', '3- Sum']
    """
    titles = []
    for found in _CITATION.finditer(" ".join(text.split())):
        if found[1] is None:
            raise ValueError(f'{where}: expected a title in double quotes after "Article:"')
        titles += re.findall(r'"([^"]+)"', found[1])
    for title in titles:
        if title not in SECTIONS:
            near = difflib.get_close_matches(title, SECTIONS, 1, cutoff=0.5)
            hint = f'; perhaps "{near[0]}"' if near else ""
            raise ValueError(f'{where}: the article has no section "{title}"{hint}')
    return titles


def documented(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and docstring of everything in a module, in the order of the lines."""
    for node in ast.iter_child_nodes(tree):
        name = prefix
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}.{node.name}".removeprefix(".")
            yield name, ast.get_docstring(node) or ""
        yield from documented(node, name)


def citations_in_code(root: Path = ROOT) -> list[tuple[str, Place]]:
    """List ``(section, place)`` for every citation in a docstring of the package.

    Raises:
        ValueError: see ``cited_sections``.
    """

    def reading_order(path: Path) -> tuple[int, str]:
        name = path.relative_to(root / "gptlite").with_suffix("").as_posix()
        place = READING_PATH.index(name) if name in READING_PATH else len(READING_PATH)
        return place, str(path)

    found = []
    for path in sorted((root / "gptlite").rglob("*.py"), key=reading_order):
        file = path.relative_to(root)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, docstring in [("", ast.get_docstring(tree) or ""), *documented(tree)]:
            where = f"{file}: {name}" if name else str(file)
            found += [(s, Place(file, name)) for s in cited_sections(docstring, where)]
    return found


def markdown_cells(source: str) -> list[str]:
    r"""Take the Markdown cells of a notebook in py:percent form, without their comment signs.

    >>> markdown_cells("# %% [markdown]\n# # Tokens\n#\n# Text.\n\n# %%\n1 + 1")
    ['# Tokens\n\nText.\n']
    """
    cells = re.split(r"^# %%(.*)\n", source, flags=re.MULTILINE)
    pairs = zip(cells[1::2], cells[2::2], strict=True)
    return [
        re.sub(r"^# ?", "", cell, flags=re.MULTILINE).rstrip() + "\n"
        for mark, cell in pairs
        if "[markdown]" in mark
    ]


def citations_in_notebooks(root: Path = ROOT) -> list[tuple[str, Place]]:
    """List ``(section, place)`` for every citation in a notebook, under its heading.

    Raises:
        ValueError: see ``cited_sections``; or a citation stands before any heading.
    """
    found = []
    for path in sorted((root / "notebooks").glob("*.py")):
        file, heading = path.relative_to(root), ""
        for cell in markdown_cells(path.read_text(encoding="utf-8")):
            # Between headings, so that each citation goes to the one above it.
            for text in re.split(r"^(?=#+ )", cell, flags=re.MULTILINE):
                if title := re.match(r"#+ (.+)", text):
                    heading = title[1].strip()
                sections = cited_sections(text, f"{file}: {heading}" if heading else str(file))
                if sections and not heading:
                    raise ValueError(f"{file}: an article's section is named before any heading")
                found += [(section, Place(file, heading)) for section in sections]
    return found


def link_to_code(place: Place) -> str:
    """Link in Markdown from notebooks/ to a file, under the object's dotted name.

    >>> link_to_code(Place(Path("gptlite/pretrain/trainer.py"), "Trainer"))
    '[`pretrain.trainer.Trainer`](../gptlite/pretrain/trainer.py)'
    """
    parts = [part for part in place.file.with_suffix("").parts if part != "__init__"]
    dotted = ".".join([*(parts[1:] or parts), *([place.name] if place.name else [])])
    return f"[`{dotted}`](../{place.file.as_posix()})"


def link_to_cell(place: Place) -> str:
    """Link in Markdown from notebooks/ to a heading of an executed notebook.

    >>> link_to_cell(Place(Path("notebooks/04_attention.py"), "2. Scores"))
    '[04: 2. Scores](04_attention.ipynb#2.-Scores)'
    """
    number = place.file.stem.partition("_")[0]
    plain = re.sub(r"[`*]", "", place.name)
    # Jupyter's anchor of a heading: its text with dashes for spaces.
    return f"[{number}: {plain}]({place.file.stem}.ipynb#{quote(plain.replace(' ', '-'))})"


def guide(root: Path = ROOT) -> str:
    """Write the reading guide in Markdown: a table for each part of the article.

    Raises:
        ValueError: see ``cited_sections``.
    """
    code, cells = citations_in_code(root), citations_in_notebooks(root)
    lines = []
    for part in PARTS:
        lines += [f"### [{part.title}]({ARTICLE}#{part.anchor})", ""]
        lines += ["| section | code | notebook |", "|---|---|---|"]
        for section in part.sections:
            # As the key of a dictionary each place is named once.
            in_code = dict.fromkeys(link_to_code(place) for s, place in code if s == section)
            in_cells = dict.fromkeys(link_to_cell(place) for s, place in cells if s == section)
            title = f"[{section}]({section_url(section)})"
            lines.append(f"| {title} | {', '.join(in_code)} | {', '.join(in_cells)} |")
        lines.append("")
    return "\n".join(lines)


def with_guide(page: str, table: str) -> str:
    """Put this table between the page's two marks.

    Raises:
        ValueError: a mark is missing or there twice.
    """
    for mark in (BEGIN, END):
        if page.count(mark) != 1:
            raise ValueError(f"notebooks/README.md: expected one line {mark}")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{table}\n{END}{after}"
