"""Execute the notebooks, or check that those committed are what their sources give.

    python scripts/notebooks.py build           # all of them
    python scripts/notebooks.py build 04 05     # only these
    python scripts/notebooks.py check           # execute afresh, write nothing, print differences

A source is a Python file, notebooks/NN_name.py, in jupytext's py:percent form, and NN_name.ipynb
is its product, with outputs that are the same each time: fixed metadata, cell ids made from the
cells' text, no times. Both commands refuse a notebook that

- raises, writes to standard error, or shows a path of this machine;
- takes more than ``LIMIT_S`` seconds, or is larger than ``LIMIT_BYTES``;
- does not say in its first code cell how to install gptlite (``INSTALL``);
- has a line in a Markdown cell that begins with ``#`` and is no heading;
- has an answer that is not in the form below, or whose code raises.

``check`` compares every cell, and all outputs that are text but not HTML; for images and HTML it
only compares that they are there.

An exercise's answer is hidden in a Markdown cell, in this form:

    <details><summary>Answer</summary>

    Words, and code, which is run at the notebook's end, answer after answer, with all that the
    cells have defined:

    ```python
    assert tokenizer.encode(" robot") != tokenizer.encode("robot")
    ```

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
    from book.product import build, check
    from book.source import NotebookError, sources
except ImportError as missing:
    raise SystemExit(f"notebooks.py: error: {missing}: pip install -e '.[notebooks]'") from None

from gptlite.command import complain

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "notebooks.py"


def main(argv: Sequence[str] | None = None, folder: Path = ROOT / "notebooks") -> int:
    """Build or check; return the exit status: 0, or 1 if any notebook is not as it should be."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=["build", "check"])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="04 or 04_attention (default: all)"
    )
    options = parser.parse_args(argv)
    work = build if options.command == "build" else check
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
