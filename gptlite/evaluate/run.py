"""An evaluation from reading the file to printing the results; it may be interrupted."""

import argparse
import hashlib
import json
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from gptlite.command import load_model, significant
from gptlite.evaluate.forms import Evaluation, read_items
from gptlite.evaluate.part import Json, Part, write_json
from gptlite.model import GPT
from gptlite.outputs import output_file

SAVE_EVERY = 30.0  # seconds


def evaluate(options: argparse.Namespace) -> None:
    """Measure a model on a file, write the results and print them.

    Args:
        options: the command's options; see ``__main__.py``.

    Raises:
        CheckpointError, DownloadError, OSError, ValueError: a file or an option is not what it
            should be.
    """
    output = None if options.output == "-" else options.output
    with nullcontext() if output is None else output_file(output):
        evaluate_to(options, output)


def evaluate_to(options: argparse.Namespace, output: str | None) -> None:
    """Evaluate, and write the results to a file that nobody else is writing, if there is one.

    Arguments and errors: see ``evaluate``.
    """
    part = Part(output, options.resume, options.file, options.overwrite)
    form, items = read_items(options)
    model, tokenizer = load_model(options)
    evaluation = form(model, tokenizer, items, options)
    about = {
        "form": options.form,
        "file": options.file,
        "model": options.model or "storyteller",
        "settings": evaluation.settings,
    }
    if options.tokenizer is not None:
        about["tokenizer"] = options.tokenizer
    if output is not None:  # otherwise no file has to say what it belongs to
        about["file_sha256"] = hashlib.sha256(Path(options.file).read_bytes()).hexdigest()
        about["model_sha256"] = fingerprint(model)
        part.begin(about, evaluation.known, evaluation.measured)
    measure_missing(evaluation, part)
    results = evaluation.results_of(part.rows)
    everything = {"about": about, "results": results, "items": part.rows}
    if options.output == "-":
        print(json.dumps(everything))
        return
    if output is not None:
        write_json(output, everything)
    part.remove()
    print(json.dumps(results) if options.json else results_table(about, results))


def measure_missing(evaluation: Evaluation, part: Part) -> None:
    """Measure the batches that are missing. Save every 30 s, and at the end even if one fails."""
    from tqdm import tqdm

    saved = time.monotonic()
    total, done = sum(map(len, evaluation.known)), len(part.rows)
    with tqdm(total=total, initial=done, desc="evaluating", unit="item", disable=None) as bar:
        try:
            for batch in evaluation.batches[part.n_batches :]:
                rows = evaluation.measure_batch(batch)
                part.rows += rows
                part.n_batches += 1
                bar.update(len(rows))
                if time.monotonic() - saved > SAVE_EVERY:
                    part.save()
                    saved = time.monotonic()
        finally:  # after the last batch too: writing the results may fail
            part.save()


def fingerprint(model: GPT) -> str:
    """Compute the sha256 of all weights: it tells apart models that have the same name."""
    digest = hashlib.sha256()
    for array in model.parameters.values():
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def results_table(about: Json, results: Json) -> str:
    """Lay out what was evaluated, then each result, one to a line.

    >>> print(results_table({"form": "choice", "settings": {}}, {"accuracy": 0.25, "items": 4}))
    form      choice
    accuracy  0.250
    items         4
    """
    told = {name: value for name, value in about.items() if not name.endswith("sha256")}
    told |= told.pop("settings")
    lines = {name: str(value) for name, value in told.items()}
    numbers = {name.replace("_", " "): number_text(value) for name, value in results.items()}
    wide, digits = max(map(len, [*lines, *numbers])), max(map(len, numbers.values()))
    rows = [f"{name:{wide}}  {value}" for name, value in lines.items()]
    rows += [f"{name:{wide}}  {value:>{digits}}" for name, value in numbers.items()]
    return "\n".join(rows)


def number_text(value: float | None) -> str:
    """Write a float with three significant digits, an int with all its digits."""
    if value is None:
        return "too large"
    return significant(value) if isinstance(value, float) else f"{value:,}"
