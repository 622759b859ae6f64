"""The committed notebooks, NN_name.ipynb and solutions/NN_name.ipynb: built, and checked."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from book.editions import SOLUTIONS, has_solutions, instructor_s, student_s
from book.execution import LIMIT_BYTES, as_bytes, execute, text_of
from book.source import NotebookError, source_of
from gptlite.files import write_atomically


def as_text(notebook: NotebookNode) -> list[str]:
    """List all that has to agree between two runs, in lines to be compared and read.

    Ids are left out: they change with the text of the cell, which is there.
    """
    lines = [f"{notebook.nbformat}.{notebook.nbformat_minor} {compact(notebook.metadata)}"]
    for cell in notebook.cells:
        number = cell.get("execution_count") or ""
        lines += [f"== {cell.cell_type} {number} {compact(cell.metadata)}"]
        lines += cell.source.splitlines()
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                lines += [f"-- {output.name}", *output.text.splitlines()]
                continue
            number = output.get("execution_count") or ""
            kinds = sorted(output.get("data", {}))
            lines += [f"-- {output.output_type} {number} {', '.join(kinds)}"]
            for kind, text in sorted(text_of(output).items()):
                lines += [] if kind == "text/html" else text.splitlines()
    return lines


def compact(metadata: Any) -> str:
    """Write metadata on one line, the same for the same content."""
    return json.dumps(metadata, sort_keys=True)


def product_of(path: Path) -> Path:
    """Give the path of a source's notebook, the student's edition."""
    return path.with_suffix(".ipynb")


def solutions_of(path: Path) -> Path:
    """Give the path of a source's notebook with solutions, the instructor's edition."""
    return path.parent / SOLUTIONS / product_of(path).name


def editions(path: Path, executed: NotebookNode) -> dict[Path, NotebookNode]:
    """Make the notebooks of a source from its cells executed: one, or two with solutions."""
    source = source_of(path)
    if not has_solutions(source):
        return {product_of(path): executed}
    return {product_of(path): student_s(source, executed), solutions_of(path): executed}


def write(notebooks: Mapping[Path, NotebookNode]) -> None:
    """Write notebooks, each whole or not at all."""
    for product, notebook in notebooks.items():
        product.parent.mkdir(exist_ok=True)
        with write_atomically(product) as file:
            file.write(as_bytes(notebook))


def build(path: Path) -> float:
    """Execute a source and write its notebooks; return the seconds it took.

    Raises:
        NotebookError: see the head of scripts/notebooks.py; nothing is written.
    """
    executed = execute(path)
    write(editions(path, executed.notebook))
    return executed.seconds


def reword(path: Path) -> float:
    """Write a source's notebooks without executing it: with the outputs that are there.

    A cell keeps the outputs that the committed notebooks have for the same code, and has none if
    the code is new.

    Raises:
        NotebookError: see ``source_of`` and ``committed_notebook``.
    """
    notebook = instructor_s(source_of(path))
    known: dict[str, list[NotebookNode]] = {}
    for product in (product_of(path), solutions_of(path)):
        for cell in committed_notebook(product).cells if product.exists() else []:
            if cell.cell_type == "code" and cell.outputs:
                known[cell.source] = cell.outputs
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, 1):
        cell.outputs, cell.execution_count = deepcopy(known.get(cell.source, [])), number
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = number
    write(editions(path, notebook))
    return 0.0


def committed_notebook(product: Path) -> NotebookNode:
    """Read a notebook that was built.

    Raises:
        NotebookError: it is too large, or is no notebook.
    """
    if (size := product.stat().st_size) > LIMIT_BYTES:
        raise NotebookError(f"{product.name}: {size:,} bytes, more than {LIMIT_BYTES:,}")
    try:
        return nbformat.reads(product.read_text(encoding="utf-8"), as_version=4)
    except (ValueError, nbformat.ValidationError) as failure:
        raise NotebookError(f"{product.name}: not a notebook: {failure}") from None


def check(path: Path) -> float:
    """Execute a source and compare with its committed notebooks; return the seconds it took.

    Raises:
        NotebookError: see the head of scripts/notebooks.py; or the two differ: the message
            shows where.
    """
    if not path.exists():
        raise NotebookError(f"{product_of(path).name}: there is no source {path.name}")
    if not product_of(path).exists():
        raise NotebookError(f"{path.name}: there is no {product_of(path).name}: build it")
    committed_notebook(product_of(path))  # a bad file is found before the slow part
    executed = execute(path)
    for product, notebook in editions(path, executed.notebook).items():
        name = product.relative_to(path.parent)
        if not product.exists():
            raise NotebookError(f"{path.name}: there is no {name}: build it")
        here, there = as_text(committed_notebook(product)), as_text(notebook)
        if here != there:
            names = f"{name}, as committed", f"{path.name}, executed now"
            differences = "\n".join(difflib.unified_diff(here, there, *names, lineterm=""))
            raise NotebookError(f"{name}: differs from what its source gives\n{differences}")
    return executed.seconds
