"""The results: one JSON file. Every run is added to it as soon as it is done.

A run is known by its arm, its number of labels and its seed. A run that stands in the file is not
made again, so that a script that was killed goes on where it was. Where a demonstration's settings
have changed, its old runs are dropped, and all runs are where the file names another model.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import gptlite
from gptlite.download.locate import STORYTELLER
from gptlite.fast.threads import cpu_count
from gptlite.files import write_atomically

Run = dict[str, Any]  # its settings, then what was measured, then "seconds" of processor time


@cache
def model() -> dict[str, Any]:
    """Describe the model that is measured: its sizes, and the first 8 digits of its SHA-256."""
    config = gptlite.load("storyteller")[0].config
    sizes = {name: getattr(config, name) for name in ("n_layer", "n_embd", "n_head", "n_ctx")}
    digest = hashlib.sha256((STORYTELLER / "model.safetensors").read_bytes()).hexdigest()
    return {**sizes, "n_params": config.n_params, "sha256": digest[:8]}


def environment() -> dict[str, Any]:
    """Describe the model, and the versions and the machine that figures and times may depend on."""
    return {
        "model": model(),
        "gptlite": gptlite.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {cpu_count()} processors",
    }


def read(path: Path) -> dict[str, Any]:
    """Read the content of the file; an empty one where there is no file.

    Raises:
        ValueError: it is not such a file.
    """
    if not path.exists():
        return {"environment": {}, "demonstrations": {}}
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for part in content["demonstrations"].values():
            _ = part["settings"], part["runs"]
        _ = content["environment"].get
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not a file of results: {error!r}") from None
    return content


def of_this_model(path: Path) -> dict[str, Any]:
    """Read the content of the file, without it where the model was another. Errors: see ``read``.

    A file that names no model is taken for one of this model.
    """
    content = read(path)
    if content["environment"].get("model", model()) != model():
        print(f"{path}: the runs of another model are dropped", file=sys.stderr)
        return {"environment": {}, "demonstrations": {}}
    return content


class Results:
    """The file, and the runs that are in it.

    Attributes:
        content: ``{"environment": {...}, "demonstrations": {name: part}}``, and in each part the
            ``"settings"`` and the ``"runs"``.
    """

    def __init__(self, path: Path) -> None:
        """Read the file, if there is one.

        Raises:
            ValueError: it is not such a file.
        """
        self.path = path
        self.content = of_this_model(path)

    def begin(self, name: str, settings: Mapping[str, Any]) -> Demonstration:
        """Open a demonstration's runs; keep the old ones if they have the same settings."""
        # As the file will have them: lists for tuples.
        settings = json.loads(json.dumps(settings))
        before = self.content["demonstrations"].get(name)
        if before is None or before["settings"] != settings:
            self.content["demonstrations"][name] = {"settings": settings, "runs": []}
        return Demonstration(self, name)

    def write(self) -> None:
        """Write the file in one piece: a run on a line."""
        self.content["environment"] = environment()
        lines = [f'{{"environment": {json.dumps(self.content["environment"])},']
        lines.append('"demonstrations": {')
        parts = []
        for name, part in self.content["demonstrations"].items():
            runs = ",\n".join(f"  {json.dumps(run)}" for run in part["runs"])
            settings = json.dumps(part["settings"])
            parts.append(f'{json.dumps(name)}: {{"settings": {settings},\n "runs": [\n{runs}\n ]}}')
        lines.append(",\n".join(parts))
        lines.append("}}")
        with write_atomically(self.path) as file:
            file.write("\n".join([*lines, ""]).encode())


class Demonstration:
    """The runs of one demonstration."""

    def __init__(self, results: Results, name: str) -> None:
        self.results = results
        self.name = name

    @property
    def runs(self) -> list[Run]:
        """The runs that have been made."""
        runs: list[Run] = self.results.content["demonstrations"][self.name]["runs"]
        return runs

    def once(self, varied: Run, measure: Callable[..., Run], *arguments: Any) -> None:
        """Make a run, and write it down, unless it was made before.

        Args:
            varied: the settings that tell it from the others.
            measure: makes the run from the arguments and returns the measured shares; four digits
                are kept.
        """
        if any(varied.items() <= run.items() for run in self.runs):
            return
        began = time.process_time()
        measured = {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in measure(*arguments).items()
        }
        seconds = round(time.process_time() - began, 1)
        # Another process may have written other runs meanwhile: none of them is lost.
        settings = self.results.content["demonstrations"][self.name]["settings"]
        self.results.content = of_this_model(self.results.path)
        self.results.begin(self.name, settings)
        self.runs.append({**varied, **measured, "seconds": seconds})
        self.results.write()
        print(json.dumps(self.runs[-1]), file=sys.stderr)
