"""What was measured so far of a long evaluation, kept in a file: it may go on another day."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gptlite.errors import CheckpointError
from gptlite.files import expect_file, write_atomically

Row = dict[str, Any]  # of an item: where it stands, and what was measured of it

SAME = ("form", "file_sha256", "model_sha256", "settings")  # or it is another evaluation


def part_of(output: str) -> Path:
    """Where the part of an evaluation lies."""
    return Path(f"{output}.part")


class Part:
    """What was measured so far, kept in a file beside the output; without one, in memory alone."""

    def __init__(self, output: str | None, resume: bool, source: str) -> None:
        """Look whether there is a part already, and a place for the output, before any work.

        Args:
            output: where the results are to lie.
            resume: go on with the part.
            source: the file that is read, which neither may replace.

        Raises:
            ValueError: there is a part that is not to be resumed, or none that is; or the output
                would replace the source.
            CheckpointError: the part is damaged.
            OSError: it cannot be read, or the output not be written.
        """
        self.about: Row | None = None
        self.rows: list[Row] = []
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
        if not resume:
            if path.exists():
                raise ValueError(
                    f"{path} is a part of an evaluation: --resume goes on with it; to begin anew, "
                    "remove it or give another --output"
                )
            write_json(path, {})  # an output that cannot be written is known before the work
            path.unlink()
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
        """The error that says so."""
        return CheckpointError(f"{self.path}: not a part of an evaluation ({why})")

    def begin(
        self, about: Row, known: Sequence[Sequence[Row]], measured: Mapping[str, type]
    ) -> None:
        """Take up an evaluation.

        Args:
            about: what it is.
            known: of each batch, what is known of its rows without measuring, their lines say.
            measured: names of what is measured of each item, and the types.

        Raises:
            ValueError: the part is one of another.
            CheckpointError: its rows are not those of its batches.
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
        """Write down what there is."""
        if self.path is not None and self.n_batches:
            write_json(
                self.path, {"about": self.about, "batches": self.n_batches, "items": self.rows}
            )

    def remove(self) -> None:
        """It is whole, and lies in the output."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def write_json(path: str | os.PathLike[str], content: Row) -> None:
    """Write a JSON file, which is never there by half."""
    with write_atomically(path) as file:
        file.write(json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n")
