"""A notebook's source, notebooks/NN_name.py in py:percent form: its cells, its hidden hints."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from book.article import with_links
from book.editions import marks_fit

INSTALL = "pip install -e '.[notebooks]'"

# The first code cell begins so: a notebook opens in any place, and says what is missing there.
GUARD = f"""\
try:
    import gptlite
except ImportError:
    raise ImportError(
        "gptlite is not installed here. In its checkout: {INSTALL} "
        "(on the package index, the name belongs to another project)"
    ) from None
"""

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}

HINT = re.compile(r"<details><summary>Hint</summary>\n\n(.*?)\n\n</details>", re.DOTALL)
_FALSE_HEADING = re.compile(r"^#+[^#\s].*", re.MULTILINE)  # "#9 is index 8"


class NotebookError(Exception):
    """A notebook is not what it should be; the message says which and why, in one line or more."""


def source_of(path: Path) -> NotebookNode:
    """Read the notebook that a source describes, without outputs.

    Solutions are in it with their marks: see editions.py. The article's sections are links.

    Raises:
        NotebookError: the first code cell does not say how to install gptlite; a Markdown cell has
            a line that begins with ``#`` and is no heading, or hides what is no hint; or a solution
            does not begin or does not end.
    """
    read = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    make = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    notebook = nbformat.v4.new_notebook(metadata=METADATA)
    seen: Counter[str] = Counter()
    for cell in read.cells:
        if cell.cell_type not in make:
            raise NotebookError(f"{path.name}: a cell is {cell.cell_type}, not code or markdown")
        if cell.cell_type == "markdown" and (line := _FALSE_HEADING.search(cell.source)):
            raise NotebookError(f"{path.name}: a line that some take for a heading: {line[0]}")
        refuse_marks(cell, path.name)
        # Made from the text, so that an id stays as it is when cells around it change.
        text = f"{cell.source}{seen[cell.source] or ''}"
        seen[cell.source] += 1
        fixed = {"id": hashlib.sha256(text.encode()).hexdigest()[:12]}
        tags = {"tags": cell.metadata["tags"]} if "tags" in cell.metadata else {}
        shown = with_links(cell.source) if cell.cell_type == "markdown" else cell.source
        notebook.cells.append(make[cell.cell_type](shown, metadata=tags, **fixed))
    first = next((cell.source for cell in notebook.cells if cell.cell_type == "code"), "")
    if not f"{first}\n".startswith(GUARD):
        raise NotebookError(f"{path.name}: expected the first code cell to begin with\n{GUARD}")
    return notebook


def refuse_marks(cell: NotebookNode, name: str) -> None:
    """Refuse a hidden part that is no hint, and a solution without beginning or end.

    Raises:
        NotebookError: see ``source_of``.
    """
    if cell.cell_type == "code" and not marks_fit(cell.source):
        raise NotebookError(
            f"{name}: expected each `# solution:` to have its `# end of solution`; found\n"
            f"{cell.source}"
        )
    if cell.source.count("<details") != len(HINT.findall(cell.source)):
        raise NotebookError(
            f"{name}: expected hidden parts as <details><summary>Hint</summary>, a blank line, the "
            f"hint, a blank line, </details>; found\n{cell.source}"
        )


def sources(folder: Path, names: Sequence[str] = ()) -> list[Path]:
    """List a folder's sources in order; for a notebook without one, the path it would have.

    Args:
        names: only these: ``04`` or ``04_attention``.

    Raises:
        NotebookError: a name fits no notebook.
    """
    found = {
        path.with_suffix(".py") for kind in ("py", "ipynb") for path in folder.glob(f"*.{kind}")
    }
    wanted = set()
    for name in names:
        fitting = {path for path in found if path.stem == name or path.stem.startswith(f"{name}_")}
        if not fitting:
            raise NotebookError(f"no notebook {name!r} in {folder}")
        wanted |= fitting
    return sorted(wanted if names else found)
