"""A view of a training run."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gptlite.errors import CheckpointError
from gptlite.files import read_small
from gptlite.views.curve import Curve

MAX_LOG = 100_000_000  # bytes: a million reports
Log = Sequence[Mapping[str, Any]]


def loss_curve(log: Log | str | os.PathLike[str]) -> Curve:
    """Draw the loss over the course of a run of ``python -m gptlite.pretrain``.

    Args:
        log: the lines of the run's ``log.jsonl``, or the path of that file or of its folder.

    Raises:
        CheckpointError: the file is missing, or is not such a log. ValueError: the log is empty.
    """
    lines = read_log(Path(log)) if isinstance(log, (str, os.PathLike)) else log
    if not lines:
        raise ValueError("the log is empty: there is no curve to draw")
    curves: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
    for name, key in {"training": "loss", "validation": "validation_loss"}.items():
        points = [(float(line["tokens"]), float(line[key])) for line in lines if key in line]
        if points:
            curves[name] = [x for x, _ in points], [y for _, y in points]
    return Curve("Learning", curves, "tokens read", "loss, nats per token")


def read_log(path: Path) -> Log:
    """Read the lines of a log, each with its ``tokens`` and its ``loss``."""
    path = path / "log.jsonl" if path.is_dir() else path
    try:
        text = read_small(path, MAX_LOG).decode("utf-8")
        lines = [json.loads(line) for line in text.split("\n") if line]
        for line in lines:
            float(line["tokens"]), float(line["loss"])
    except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
        raise CheckpointError(f"{path}: not the log of a run ({error!r})") from error
    return lines
