"""A source executed in a fresh kernel, the same each time; outputs that no notebook may have."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import matplotlib.font_manager  # noqa: F401  (builds its cache now, not inside a notebook)
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from tqdm import tqdm

from book.editions import instructor_s
from book.source import METADATA, NotebookError, source_of

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 120
LIMIT_BYTES = 1_000_000
# Every figure starts from these settings, whatever the user's own are.
FIGURES = "figure.figsize: 6.4, 4.8\nfigure.dpi: 100\nsavefig.dpi: figure\n"
WRONG = "✗"  # how a check's answer begins that is not right
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Executed(NamedTuple):
    """A notebook with its outputs, solutions included, and the seconds it took."""

    notebook: NotebookNode
    seconds: float


@contextmanager
def environment() -> Iterator[None]:
    """Show a kernel that starts inside the block the checkout, and nobody's own settings."""
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
    """Run a source's cells in a fresh kernel, in the folder it lies in, with its solutions.

    Raises:
        NotebookError: see the head of scripts/notebooks.py.
    """
    notebook = instructor_s(source_of(path))
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
                said = _ANSI.sub("", str(failure)).strip()
                raise NotebookError(f"{path.name}: a cell failed:\n{said}") from None
            finally:
                bar.update()
            seconds += time.monotonic() - began
            if cell.cell_type == "code":
                cell.outputs = joined_streams(cell.outputs)
                refuse_outputs(cell, path.name)
    notebook.metadata = nbformat.from_dict(METADATA)  # the kernel has added its versions
    if seconds > LIMIT_S:
        raise NotebookError(f"{path.name}: took {seconds:.0f} s, more than {LIMIT_S}")
    if (size := len(as_bytes(notebook))) > LIMIT_BYTES:
        raise NotebookError(f"{path.name}: {size:,} bytes, more than {LIMIT_BYTES:,}")
    return Executed(notebook, seconds)


def joined_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join neighbouring pieces of one stream: the cuts between them depend on the clock."""
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if output.output_type == "stream" and last and last.get("name") == output.name:
            last["text"] += output.text
        else:
            joined.append(output)
    return joined


def refuse_outputs(cell: NotebookNode, name: str) -> None:
    """Refuse standard error, paths of the machine, and a check that says no: a NotebookError."""
    private = {str(ROOT), str(Path.home()), sys.prefix, tempfile.gettempdir()} - {"/"}
    for output in cell.outputs:
        if output.get("name") == "stderr":
            raise NotebookError(f"{name}: standard error:\n{output.text}\nfrom\n{cell.source}")
        texts = [output.text] if "text" in output else text_of(output).values()
        if said := next((text for text in texts if text.startswith(WRONG)), ""):
            raise NotebookError(f"{name}: a solution does not pass its check:\n{said}")
        for path in private:
            if any(path in text for text in texts):
                raise NotebookError(f"{name}: a path of this machine, {path}, from\n{cell.source}")


def text_of(output: NotebookNode) -> dict[str, str]:
    """Take ``{media type: text}`` of an output, without its images."""
    data = output.get("data", {})
    return {kind: text for kind, text in data.items() if kind.startswith("text/")}


def as_bytes(notebook: NotebookNode) -> bytes:
    """Write a notebook as the bytes of an .ipynb file."""
    return (nbformat.writes(notebook) + "\n").encode()
