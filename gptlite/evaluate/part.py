"""The finished part of a long evaluation, kept in a file so that the work can go on later."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gptlite.errors import CheckpointError
from gptlite.files import expect_file, write_atomically
from gptlite.outputs import check_file

Json = dict[str, Any]  # a JSON object
Measurement = dict[str, Any]  # for one item: its place in the file, and what was measured

MARK = b'"about": {'  # near the beginning of every file of results: it may be written anew
SAME = ("form", "file_sha256", "model_sha256", "settings")  # if one differs, so does the evaluation


def part_of(output: str) -> Path:
    """Name the file that holds the part: the output's name with ``.part`` after it."""
    return Path(f"{output}.part")


class Part:
    """The measurements so far, kept in a file beside the output; without an output, in memory."""

    def __init__(
        self, output: str | None, resume: bool, source: str, overwrite: bool = False
    ) -> None:
        """Read the part if it is to be resumed, and check that the output can be written.

        All this comes before any work.

        Args:
            output: where the results will go.
            resume: True to go on from the part.
            source: the file that is evaluated; neither output nor part may replace it.
            overwrite: True if the output may replace anything else than results.

        Raises:
            ValueError: there is a part but it is not to be resumed, or there is none to resume; or
                the output would replace the source, or another file that holds no results.
            CheckpointError: the part is damaged.
            OSError: the part cannot be read, or the output cannot be written.
        """
        self.about: Json | None = None
        self.rows: list[Measurement] = []
        self.n_batches = 0
        if output is None:
            self.path = None
            if resume:
                raise ValueError("--resume needs --output, beside which the part lies")
            return
        self.path = path = part_of(output)
        for place in (Path(output), path):
            expect_file(place)
            if place.exists() and Path(source).exists() and place.samefile(source):
                raise ValueError(f"--output {output} would replace the file that is evaluated")
        check_file(output, MARK, overwrite)
        if not resume:
            if path.exists():
                raise ValueError(
                    f"{path} is a part of an evaluation: --resume goes on with it; to begin anew, "
                    "remove it or give another --output"
                )
            return
        try:
            part = json.loads(path.read_text(encoding="utf-8"))
            self.about, self.rows, self.n_batches = part["about"], part["items"], part["batches"]
        except FileNotFoundError:
            raise ValueError(f"{path}: no such file: nothing to resume") from None
        except (KeyError, RecursionError, TypeError, ValueError) as error:
            raise self.damaged(repr(error)) from None
        for name, kind in [("about", dict), ("items", list), ("batches", int)]:
            if type(part[name]) is not kind:
                raise self.damaged(f"{name!r}: expected {kind.__name__}, found {part[name]!r:.40}")

    def damaged(self, why: str) -> CheckpointError:
        """Make the error that says why the file is not a part."""
        return CheckpointError(f"{self.path}: not a part of an evaluation ({why})")

    def begin(
        self, about: Json, known: Sequence[Sequence[Measurement]], measured: Mapping[str, type]
    ) -> None:
        """Take up an evaluation, from the start or where the part ends.

        Args:
            about: what the evaluation is.
            known: for each batch, what is known about its rows before they are measured, such as
                their lines.
            measured: the names of an item's measurements, each with its type.

        Raises:
            ValueError: the part belongs to another evaluation.
            CheckpointError: the rows of the part are not those of its batches.
        """
        for name in SAME:
            if self.about is not None and self.about.get(name) != about[name]:
                what = name.removesuffix("_sha256")
                raise ValueError(f"{self.path}: a part of an evaluation with another {what}")
        self.about = about
        if not 0 <= self.n_batches <= len(known):
            raise self.damaged(f"expected 0 to {len(known)} batches, found {self.n_batches}")
        expected = [row for rows in known[: self.n_batches] for row in rows]
        if len(self.rows) != len(expected):
            raise self.damaged(f"expected {len(expected)} items, found {len(self.rows)}")
        for number, (row, sure) in enumerate(zip(self.rows, expected, strict=True), 1):
            kinds = {name: type(value) for name, value in sure.items()} | dict(measured)
            found = isinstance(row, dict) and {name: type(row[name]) for name in row}
            if found != kinds or {name: row[name] for name in sure} != sure:
                names = ", ".join([f"{name} {value}" for name, value in sure.items()] + [*measured])
                raise self.damaged(f"item {number}: expected {names}, found {row!r:.80}")

    def save(self) -> None:
        """Write the measurements so far to the file."""
        if self.path is not None and self.n_batches:
            write_json(
                self.path, {"about": self.about, "batches": self.n_batches, "items": self.rows}
            )

    def remove(self) -> None:
        """Remove the file: the evaluation is complete, and is in the output."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def write_json(path: str | os.PathLike[str], content: Json) -> None:
    """Write a JSON file, whole or not at all."""
    with write_atomically(path) as file:
        file.write(json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n")
