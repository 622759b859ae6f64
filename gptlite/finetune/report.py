"""The output of a run: a line after each epoch, and the accuracy at the end."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gptlite.command import significant
from gptlite.finetune.epochs import Epoch, Report
from gptlite.finetune.finetuned import WEIGHTS_FILE


def show_and_save(options: argparse.Namespace, save: Callable[[str], None]) -> Report:
    """Make the function called after each epoch: it shows a line, and saves the best model."""
    from tqdm import tqdm

    old = Path(options.out) / WEIGHTS_FILE  # with --overwrite, another model's

    def report(epoch: Epoch) -> None:
        line = f"epoch {epoch.number} of {options.epochs}: loss {significant(epoch.loss)}"
        if (measured := epoch.validation) is not None:
            line += f", validation loss {significant(measured.loss)}"
            line += (
                "" if measured.accuracy is None else f", accuracy {significant(measured.accuracy)}"
            )
            line += ", the best so far" if epoch.best else ""
        tqdm.write(line, file=sys.stderr)
        if epoch.best:
            if epoch.number == 1:  # if the run is killed now, nobody takes the mixture for a model
                old.unlink(missing_ok=True)
            save(options.out)

    return report


def print_accuracy(epochs: list[Epoch], labels: list[str], commonest: int) -> None:
    """Print the best epoch's accuracy, the accuracy of one constant label, and the confusions.

    Args:
        commonest: the number of the constant label, the commonest among the training examples.
    """
    best = [epoch for epoch in epochs if epoch.best][-1]
    measured = best.validation
    if measured is None or measured.confusion is None:
        print(f"loss {significant(best.loss)} in epoch {best.number}")
        return
    having = measured.confusion.sum(axis=1)  # [n_labels], how many have each label
    right = float(measured.confusion.trace() / having.sum())
    constant = float(having[commonest] / having.sum())
    print(
        f"accuracy {significant(right)} of {having.sum()} (always {labels[commonest]!r}: "
        f"{significant(constant)}), loss {significant(measured.loss)}, epoch {best.number}"
    )
    print(confusion_table(measured.confusion, labels))


def confusion_table(confusion: NDArray[np.int64], labels: list[str]) -> str:
    """Draw a confusion matrix: rows are the right labels, columns the predicted ones.

    Args:
        confusion: ``[n_labels, n_labels]``.

    >>> print(confusion_table(np.array([[9, 1], [0, 10]]), ["sad", "merry"]))
           |    sad  merry
       sad |      9      1
     merry |      0     10
    """
    width = max(5, *(len(label) for label in labels)) + 1
    head = " " * width + " |" + "".join(f"{label:>{width + 1}}" for label in labels)
    rows = [
        f"{label:>{width}} |" + "".join(f"{n:>{width + 1}}" for n in row)
        for label, row in zip(labels, confusion, strict=True)
    ]
    return "\n".join([head, *rows])
