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
- has an answer that is not in the form below, or whose code raises.

``check`` compares every cell, and of the outputs all text that is not HTML; of images and HTML only
that there are such.

An exercise's answer is hidden in a Markdown cell, in this form:

    <details><summary>Answer</summary>

    Words, and code, which is run at the notebook's end, answer after answer, with all that the
    cells have defined:

    ```python
    assert tokenizer.encode(" robot") != tokenizer.encode("robot")
    ```

    </details>

Needs the extra ``notebooks``; what the outputs depend on is pinned in the extra ``dev``.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

try:
    import jupytext
    import matplotlib.font_manager  # noqa: F401  (builds its cache now, not inside a notebook)
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from nbformat import NotebookNode
except ImportError as missing:
    raise SystemExit(f"notebooks.py: error: {missing}: pip install -e '.[notebooks]'") from None

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gptlite.command import complain
from gptlite.files import write_atomically

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "notebooks.py"
LIMIT_S = 120
LIMIT_BYTES = 1_000_000
INSTALL = "pip install -e '.[notebooks]'"

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}
# What every figure starts from, whatever the user's own settings are.
FIGURES = "figure.figsize: 6.4, 4.8\nfigure.dpi: 100\nsavefig.dpi: figure\n"

_ANSWER = re.compile(r"<details><summary>Answer</summary>\n\n(.*?)\n\n</details>", re.DOTALL)
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class NotebookError(Exception):
    """A notebook is not what it should be; the message says which and why, in one line or more."""


class Executed(NamedTuple):
    """A notebook with its outputs, and the seconds it took, its answers not counted."""

    notebook: NotebookNode
    seconds: float


def source_of(path: Path) -> NotebookNode:
    """The notebook that a source describes, without outputs.

    Raises:
        NotebookError: the first code cell does not say how to install gptlite.
    """
    read = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    make = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    notebook = nbformat.v4.new_notebook(metadata=METADATA)
    seen: Counter[str] = Counter()
    for cell in read.cells:
        if cell.cell_type not in make:
            raise NotebookError(f"{path.name}: a cell is {cell.cell_type}, not code or markdown")
        # Made from the text, so that an id stays as it is when cells around it change.
        text = f"{cell.source}{seen[cell.source] or ''}"
        seen[cell.source] += 1
        fixed = {"id": hashlib.sha256(text.encode()).hexdigest()[:12]}
        notebook.cells.append(make[cell.cell_type](cell.source, **fixed))
    first = next((cell.source for cell in notebook.cells if cell.cell_type == "code"), "")
    if INSTALL not in first or "import gptlite" not in first:
        raise NotebookError(
            f"{path.name}: expected the first code cell to import gptlite and to say {INSTALL}"
        )
    return notebook


def answers_of(notebook: NotebookNode, name: str) -> list[str]:
    """The Python code in the hidden answers, block after block.

    Raises:
        NotebookError: a ``<details>`` that is not in the form of an answer.
    """
    blocks = []
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        answers = _ANSWER.findall(cell.source)
        if cell.source.count("<details") != len(answers):
            raise NotebookError(
                f"{name}: expected answers as <details><summary>Answer</summary>, a blank line, "
                f"the answer, a blank line, </details>; found\n{cell.source}"
            )
        for answer in answers:
            found = _PYTHON.findall(answer)
            if answer.count("```") != 2 * len(found):
                raise NotebookError(
                    f"{name}: expected code in answers as ```python; found\n{answer}"
                )
            blocks += found
    return blocks


@contextmanager
def environment() -> Iterator[None]:
    """What a kernel that starts inside the block finds: the checkout, and nobody's own settings."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "matplotlibrc").write_text(FIGURES)
        fixed = {
            "PYTHONPATH": str(ROOT),
            "PYTHONHASHSEED": "0",
            "PYTHONWARNINGS": "",
            "IPYTHONDIR": folder,
            "MATPLOTLIBRC": folder,
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "HF_HUB_OFFLINE": "1",
            # Without OpenAI's weights, which only some machines have.
            "GPTLITE_HOME": folder,
            "HF_HUB_CACHE": folder,
            "TQDM_DISABLE": "1",
            "NO_COLOR": "1",
            "COLUMNS": "80",
        }
        before = {name: os.environ.get(name) for name in fixed}
        os.environ.update(fixed)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def execute(path: Path) -> Executed:
    """Run a source's cells in a fresh kernel, in the folder it lies in; then its answers.

    Raises:
        NotebookError: see the head of this file.
    """
    notebook = source_of(path)
    own = len(notebook.cells)
    answers = [nbformat.v4.new_code_cell(code) for code in answers_of(notebook, path.name)]
    notebook.cells += answers
    seconds = 0.0
    client = NotebookClient(
        notebook,
        timeout=LIMIT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    bar = tqdm(total=len(notebook.cells), desc=path.stem, unit="cell", disable=None)
    with environment(), bar, client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            began = time.monotonic()
            try:
                client.execute_cell(cell, index)
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as failure:
                which = "an answer" if index >= own else "a cell"
                said = _ANSI.sub("", str(failure)).strip()
                raise NotebookError(f"{path.name}: {which} failed:\n{said}") from None
            finally:
                bar.update()
            seconds += time.monotonic() - began if index < own else 0
            if cell.cell_type == "code":
                cell.outputs = joined_streams(cell.outputs)
                refuse_outputs(cell, path.name)
    del notebook.cells[own:]
    notebook.metadata = nbformat.from_dict(METADATA)  # the kernel has added its versions
    if seconds > LIMIT_S:
        raise NotebookError(f"{path.name}: took {seconds:.0f} s, more than {LIMIT_S}")
    if (size := len(as_bytes(notebook))) > LIMIT_BYTES:
        raise NotebookError(f"{path.name}: {size:,} bytes, more than {LIMIT_BYTES:,}")
    return Executed(notebook, seconds)


def joined_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Neighbouring pieces of one stream as one: how it was cut in pieces depends on the clock."""
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if output.output_type == "stream" and last and last.get("name") == output.name:
            last["text"] += output.text
        else:
            joined.append(output)
    return joined


def refuse_outputs(cell: NotebookNode, name: str) -> None:
    """Raise NotebookError for what no output may hold: standard error, or a path of the machine."""
    private = {str(ROOT), str(Path.home()), sys.prefix, tempfile.gettempdir()} - {"/"}
    for output in cell.outputs:
        if output.get("name") == "stderr":
            raise NotebookError(f"{name}: standard error:\n{output.text}\nfrom\n{cell.source}")
        texts = [output.text] if "text" in output else text_of(output).values()
        for path in private:
            if any(path in text for text in texts):
                raise NotebookError(f"{name}: a path of this machine, {path}, from\n{cell.source}")


def text_of(output: NotebookNode) -> dict[str, str]:
    """``{media type: text}`` of an output, without its images."""
    data = output.get("data", {})
    return {kind: text for kind, text in data.items() if kind.startswith("text/")}


def as_bytes(notebook: NotebookNode) -> bytes:
    """The .ipynb file."""
    return (nbformat.writes(notebook) + "\n").encode()


def as_text(notebook: NotebookNode) -> list[str]:
    """All that has to agree between two runs, in lines to be compared and read.

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
    """Metadata on one line, the same for the same content."""
    return json.dumps(metadata, sort_keys=True)


def product_of(path: Path) -> Path:
    """Where the executed notebook of a source lies."""
    return path.with_suffix(".ipynb")


def build(path: Path) -> float:
    """Execute a source and write its notebook; the seconds it took.

    Raises:
        NotebookError: see the head of this file; nothing is written.
    """
    executed = execute(path)
    with write_atomically(product_of(path)) as file:
        file.write(as_bytes(executed.notebook))
    return executed.seconds


def check(path: Path) -> float:
    """Execute a source and compare with its committed notebook; the seconds it took.

    Raises:
        NotebookError: see the head of this file; or the two differ, with what differs.
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


def sources(folder: Path, names: Sequence[str] = ()) -> list[Path]:
    """The sources in a folder, in order; of a notebook without a source, where it would be.

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


def main(argv: Sequence[str] | None = None, folder: Path = ROOT / "notebooks") -> int:
    """Build or check; the exit status: 0, or 1 if any notebook is not what it should be."""
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
