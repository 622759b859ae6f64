"""Execute the notebooks, or check that those committed are what their sources give.

    python scripts/notebooks.py build           # all of them
    python scripts/notebooks.py build 04 05     # only these
    python scripts/notebooks.py check           # execute afresh, write nothing, print differences
    python scripts/notebooks.py reword 04       # new text, and the outputs that are there

A source is a Python file, notebooks/NN_name.py, in jupytext's py:percent form. Its products, with
outputs that are the same each time (fixed metadata, cell ids made from the cells' text, no times),
are the student's edition, NN_name.ipynb, and, where the source has solutions, the instructor's,
solutions/NN_name.ipynb. How solutions are marked: see the head of scripts/book/editions.py. The
cells are executed once, with the solutions; the cells in which a student works have no outputs in
the student's edition.

All commands refuse a notebook that

- does not import gptlite in its first code cell, or say how to install it, as in ``GUARD``;
- has a line in a Markdown cell that begins with ``#`` and is no heading;
- has a solution that does not begin or does not end, or hides what is no hint;

and ``build`` and ``check`` one that

- raises, writes to standard error, or shows a path of this machine;
- has a solution that does not pass its check;
- takes more than ``LIMIT_S`` seconds, or is larger than ``LIMIT_BYTES``.

``check`` compares every cell, and all outputs that are text but not HTML; for images and HTML it
only compares that they are there. ``reword`` executes nothing: it is for text that has changed, and
a cell whose code has changed has no outputs until it is built.

A hint is hidden in a Markdown cell, in this form:

    <details><summary>Hint</summary>

    Words.

    </details>

Needs the extra ``notebooks``; the versions that outputs depend on are pinned in the extra ``dev``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

# From a clone the package need not be installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

try:
    from book.product import build, check, reword
    from book.source import NotebookError, sources
except ImportError as missing:
    raise SystemExit(f"notebooks.py: error: {missing}: pip install -e '.[notebooks]'") from None

from gptlite.command import complain

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "notebooks.py"
COMMANDS = {"build": build, "check": check, "reword": reword}


def main(argv: Sequence[str] | None = None, folder: Path = ROOT / "notebooks") -> int:
    """Run one of the commands; return the exit status: 1 if any notebook is not as it should be."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=[*COMMANDS])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="04 or 04_attention (default: all)"
    )
    options = parser.parse_args(argv)
    work = COMMANDS[options.command]
    try:
        paths = sources(folder, options.names)
    except NotebookError as failure:
        complain(PROGRAM, failure)
        return 1
    status = 0
    for path in paths:
        try:
            print(f"{path.stem}: {work(path):.1f} s", flush=True)
        except NotebookError as failure:
            # Not `complain`: a difference has many lines.
            print(f"{PROGRAM}: error: {failure}", file=sys.stderr, flush=True)
            status = 1
    return status


if __name__ == "__main__":
    raise SystemExit(main())
