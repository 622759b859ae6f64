"""Write the reading guide in notebooks/README.md: from each section of the article to its code.

    python scripts/reading_guide.py            # write the table
    python scripts/reading_guide.py --check    # write nothing; fail where the table has drifted

The article is Jay Alammar's "The Illustrated GPT-2". A function says in its docstring of which
sections it is the code, and a notebook says it in a Markdown cell, both in this form:

    Article: "2- Score" and "GPT-2 Self-attention: 2- Scoring".

One title or several, each in double quotes and to the letter as in the article, joined by commas
and "and"; a line may break anywhere. The table is made of these lines. A title that the article
does not have is an error, and so is a table without its two marks in notebooks/README.md.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gptlite.command import complain
from gptlite.files import write_atomically

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "reading_guide.py"
ARTICLE = "https://jalammar.github.io/illustrated-gpt2/"
BEGIN = "<!-- reading guide: written by scripts/reading_guide.py -->"
END = "<!-- end of the reading guide -->"


class Part(NamedTuple):
    """A part of the article: its title, its anchor, and the titles of its sections in order."""

    title: str
    anchor: str
    sections: tuple[str, ...]


# Parts have stable anchors, their sections have none.
PARTS = (
    Part(
        "Part 1: GPT2 And Language Modeling",
        "part-1-got-and-language-modeling",
        (
            "What is a Language Model",
            "Transformers for Language Modeling",
            "One Difference From BERT",
            "The Evolution of the Transformer Block",
            "The Encoder Block",
            "The Decoder Block",
            "The Decoder-Only Block",
            "Crash Course in Brain Surgery: Looking Inside GPT-2",
            "A Deeper Look Inside",
            "Input Encoding",
            "A journey up the Stack",
            "Self-Attention Recap",
            "Self-Attention Process",
            "Model Output",
            "End of part #1: The GPT-2, Ladies and Gentlemen",
        ),
    ),
    Part(
        "Part 2: The Illustrated Self-Attention",
        "part-2-illustrated-self-attention",
        (
            "Self-Attention (without masking)",
            "1- Create Query, Key, and Value Vectors",
            "2- Score",
            "3- Sum",
            "The Illustrated Masked Self-Attention",
            "GPT-2 Masked Self-Attention",
            "Evaluation Time: Processing One Token at a Time",
            "GPT-2 Self-attention: 1- Creating queries, keys, and values",
            "GPT-2 Self-attention: 1.5- Splitting into attention heads",
            "GPT-2 Self-attention: 2- Scoring",
            "GPT-2 Self-attention: 3- Sum",
            "GPT-2 Self-attention: 3.5- Merge attention heads",
            "GPT-2 Self-attention: 4- Projecting",
            "GPT-2 Fully-Connected Neural Network: Layer #1",
            "GPT-2 Fully-Connected Neural Network: Layer #2 - Projecting to model dimension",
            "You've Made It!",
        ),
    ),
    Part(
        "Part 3: Beyond Language Modeling",
        "part-3-beyond-language-modeling",
        ("Machine Translation", "Summarization", "Transfer Learning", "Music Generation"),
    ),
)
SECTIONS = tuple(section for part in PARTS for section in part.sections)

# The order in which the files are read; those not named come after, by name.
READING_PATH = ("config", "tokenizer", "layers", "model", "sampling", "generate")

_TITLES = r'"[^"]+"(?:(?:,|,? and) "[^"]+")*'
_CITATION = re.compile(rf"\bArticle: ?({_TITLES})?")


class Place(NamedTuple):
    """Where a section is cited: a file, relative to the checkout, and what in it.

    ``name`` is a function, a class or a method (``GPT.embed``), "" for a module as a whole; in a
    notebook's source it is the heading under which the cell stands.
    """

    file: Path
    name: str


def cited_sections(text: str, where: str) -> list[str]:
    r"""The titles that the ``Article: "..."`` sentences of a text name, in order.

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
    """The name and docstring of a module and of everything in it, in the order of the lines."""
    for node in ast.iter_child_nodes(tree):
        name = prefix
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}.{node.name}".removeprefix(".")
            yield name, ast.get_docstring(node) or ""
        yield from documented(node, name)


def citations_in_code(root: Path = ROOT) -> list[tuple[str, Place]]:
    """``(section, place)`` for every citation in a docstring of the package.

    Raises:
        ValueError: see ``cited_sections``.
    """

    def reading_order(path: Path) -> tuple[int, str]:
        in_path = path.parent.name == "gptlite" and path.stem in READING_PATH
        return (READING_PATH.index(path.stem) if in_path else len(READING_PATH)), str(path)

    found = []
    for path in sorted((root / "gptlite").rglob("*.py"), key=reading_order):
        file = path.relative_to(root)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, docstring in [("", ast.get_docstring(tree) or ""), *documented(tree)]:
            where = f"{file}: {name}" if name else str(file)
            found += [(s, Place(file, name)) for s in cited_sections(docstring, where)]
    return found


def markdown_cells(source: str) -> list[str]:
    r"""The Markdown cells of a notebook in py:percent form, without their comment signs.

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
    """``(section, place)`` for every citation in a notebook, under the heading it stands below.

    Raises:
        ValueError: see ``cited_sections``; or a citation that stands before any heading.
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
    """A Markdown link to a file of the package, from notebooks/, under the object's dotted name.

    >>> link_to_code(Place(Path("gptlite/training/loop.py"), "run"))
    '[`training.loop.run`](../gptlite/training/loop.py)'
    """
    parts = [part for part in place.file.with_suffix("").parts if part != "__init__"]
    dotted = ".".join([*(parts[1:] or parts), *([place.name] if place.name else [])])
    return f"[`{dotted}`](../{place.file.as_posix()})"


def link_to_cell(place: Place) -> str:
    """A Markdown link to a heading of an executed notebook, from notebooks/.

    >>> link_to_cell(Place(Path("notebooks/04_attention.py"), "2. Scores"))
    '[04: 2. Scores](04_attention.ipynb#2.-Scores)'
    """
    number = place.file.stem.partition("_")[0]
    plain = re.sub(r"[`*]", "", place.name)
    # Jupyter's anchor of a heading: its text with dashes for spaces.
    return f"[{number}: {plain}]({place.file.stem}.ipynb#{quote(plain.replace(' ', '-'))})"


def guide(root: Path = ROOT) -> str:
    """The reading guide as Markdown: a table for each part of the article.

    Raises:
        ValueError: see ``cited_sections``.
    """
    code, cells = citations_in_code(root), citations_in_notebooks(root)
    lines = []
    for part in PARTS:
        lines += [f"### [{part.title}]({ARTICLE}#{part.anchor})", ""]
        lines += ["| section | code | notebook |", "|---|---|---|"]
        for section in part.sections:
            # As keys of a dictionary each place is named once.
            in_code = dict.fromkeys(link_to_code(place) for s, place in code if s == section)
            in_cells = dict.fromkeys(link_to_cell(place) for s, place in cells if s == section)
            lines.append(f"| {section} | {', '.join(in_code)} | {', '.join(in_cells)} |")
        lines.append("")
    return "\n".join(lines)


def with_guide(page: str, table: str) -> str:
    """A page whose reading guide, between the two marks, is this one.

    Raises:
        ValueError: a mark is missing or there twice.
    """
    for mark in (BEGIN, END):
        if page.count(mark) != 1:
            raise ValueError(f"notebooks/README.md: expected one line {mark}")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{table}\n{END}{after}"


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Write the table, or check it; the exit status: 0, 1 where it has drifted, 2 on an error."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="fail where the table has drifted")
    options = parser.parse_args(argv)
    path = root / "notebooks" / "README.md"
    try:
        page = path.read_text(encoding="utf-8")
        wanted = with_guide(page, guide(root))
    except (OSError, ValueError, SyntaxError) as failure:
        complain(PROGRAM, failure)
        return 2
    if not options.check:
        with write_atomically(path) as file:
            file.write(wanted.encode())
    elif page != wanted:
        ways = "notebooks/README.md", "as it should be"
        print(
            *difflib.unified_diff(page.splitlines(), wanted.splitlines(), *ways, lineterm=""),
            sep="\n",
        )
        complain(PROGRAM, "the reading guide has drifted: run python scripts/reading_guide.py")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
