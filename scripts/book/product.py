"""The committed notebook, NN_name.ipynb: building it, and checking it against its source."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from book.execution import LIMIT_BYTES, as_bytes, execute, text_of
from book.source import NotebookError
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
    """Give the path of a source's executed notebook."""
    return path.with_suffix(".ipynb")


def build(path: Path) -> float:
    """Execute a source and write its notebook; return the seconds it took.

    Raises:
        NotebookError: see the head of scripts/notebooks.py; nothing is written.
    """
    executed = execute(path)
    with write_atomically(product_of(path)) as file:
        file.write(as_bytes(executed.notebook))
    return executed.seconds


def check(path: Path) -> float:
    """Execute a source and compare with its committed notebook; return the seconds it took.

    Raises:
        NotebookError: see the head of scripts/notebooks.py; or the two differ: the message
            shows where.
    """
    if not path.exists():
        raise NotebookError(f"{product_of(path).name}: there is no source {path.name}")
    product = product_of(path)
    if not product.exists():
        raise NotebookError(f"{path.name}: there is no {product.name}: build it")
    if (size := product.stat().st_size) > LIMIT_BYTES:
        raise NotebookError(f"{product.name}: {size:,} bytes, more than {LIMIT_BYTES:,}")
    try:
        committed = nbformat.reads(product.read_text(encoding="utf-8"), as_version=4)
    except (ValueError, nbformat.ValidationError) as failure:
        raise NotebookError(f"{product.name}: not a notebook: {failure}") from None
    executed = execute(path)
    here, there = as_text(committed), as_text(executed.notebook)
    if here != there:
        names = f"{product.name}, as committed", f"{path.name}, executed now"
        differences = "\n".join(difflib.unified_diff(here, there, *names, lineterm=""))
        raise NotebookError(f"{product.name}: differs from what its source gives\n{differences}")
    return executed.seconds
