"""Stage two: a trained model learns a task, or more text (``python -m gptlite.finetune``).

A task (``--task``) is a file of labelled texts; the result is a directory that
``gptlite.finetune.FineTuned.from_pretrained`` opens. ``--objective lm`` goes on with next-token
prediction on other texts; that result is a model like any other, for ``gptlite.load``.

After each epoch the model is measured on the validation examples, and written if it is the best so
far (without such examples the last is): a run may be killed at any moment, and leaves the best
whole model that it had.

GPT-1 paper, sections 3.2 and 3.3.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gptlite.command import Parser, finish, speak_utf8, utf8
from gptlite.fast.threads import cpu_count
from gptlite.finetune.classifier import Classifier
from gptlite.finetune.completions import Completion, pack_completion, read_completions
from gptlite.finetune.epochs import GPT_1, Epoch, FineTuning
from gptlite.finetune.examples import (
    JSON_SUFFIXES,
    SEPARATORS,
    TEXTS,
    Example,
    labels_of,
    number_labels,
    pack,
    read_examples,
)
from gptlite.finetune.finetuned import WEIGHTS_FILE, FineTuned
from gptlite.finetune.learners import (
    Labelled,
    Text,
    fine_tune,
    fine_tune_language_model,
    measure_texts,
)
from gptlite.model import GPT
from gptlite.pretrain.data import read_text, text_files
from gptlite.tokenizer import Tokenizer

PROGRAM = "gptlite.finetune"
OF_TASKS = ("task", "columns", "arm", "lm_weight")  # options of no use for --objective lm


def parser() -> Parser:
    """The command's options."""
    parser = Parser(PROGRAM, description="Teach a trained model a task, or more text.")
    add, or_else = parser.add_argument, "(default: %(default)s)"
    add("--data", nargs="+", required=True, metavar="PATH", help="what to learn from: see below")
    add("--validation", nargs="+", metavar="PATH", help="what to measure with, likewise")
    add("--out", required=True, metavar="DIR", help="where to write; must be new or empty")
    add("--model", metavar="MODEL", help="a name, directory or file (default: the storyteller)")
    add(
        "--objective",
        choices=["task", "lm"],
        default="task",
        help="task: labelled texts (the default); lm: next-token prediction on more text",
    )
    add("--task", choices=TEXTS, help="of the labelled texts")
    add(
        "--columns",
        nargs="+",
        metavar="NAME=COLUMN",
        type=utf8,
        help="what the file calls its columns, such as text=sentence label=class",
    )
    add(
        "--arm",
        metavar="ARM",
        help="full: everything learns (the default); frozen: only the head; scratch: from random "
        "weights; a number: so many blocks and the embeddings are kept, the rest is drawn anew",
    )
    add("--lm-weight", type=float, metavar="X", help="lambda, of the auxiliary loss (default: 0.5)")
    add(
        "--n-ctx",
        type=int,
        metavar="N",
        help="tokens that a row, or with --objective lm a window of a text, is cut to (default: "
        "the model's)",
    )
    add("--mask-prompts", action="store_true", help="with --objective lm: learn completions only")
    add("--epochs", type=int, default=GPT_1.epochs, metavar="N", help=or_else)
    add("--batch", type=int, default=GPT_1.batch, metavar="N", help=f"examples a step {or_else}")
    add(
        "--learning-rate",
        type=float,
        default=GPT_1.learning_rate,
        metavar="X",
        help=f"its peak {or_else}; small models want more, the storyteller 5e-4",
    )
    add(
        "--warm-up",
        type=float,
        default=GPT_1.warm_up,
        metavar="X",
        help=f"share of the steps {or_else}",
    )
    add("--weight-decay", type=float, default=GPT_1.weight_decay, metavar="X", help=or_else)
    add("--dropout", type=float, default=GPT_1.dropout, metavar="X", help=or_else)
    add("--seed", type=int, default=0, metavar="N", help=f"of all that is random {or_else}")
    add(
        "--threads",
        type=int,
        default=cpu_count(),
        metavar="N",
        help="parts of a batch side by side, each in memory of its own (default: all processors)",
    )
    columns = "; ".join(f"{task}: {', '.join(names)}" for task, names in TEXTS.items())
    parser.epilog = (
        f"Data of a task: CSV, TSV or JSON lines with the column label and those of the text "
        f"({columns} if there is one, choice_1, choice_2 ...; its label is the number of the right "
        f"one). Data of --objective lm: text files, folders of .txt files, or tables with the "
        f"columns {' and '.join(Completion._fields)}."
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status: 0, or 2 after an error, or 130 after Ctrl-C."""
    speak_utf8()
    options = parser().parse_args(argv)
    out = Path(options.out)
    work = learn_text if options.objective == "lm" else learn_task

    def interrupted() -> str:
        whole = (out / WEIGHTS_FILE).exists()
        return "interrupted" + (f": the best model so far is in {out}" if whole else "")

    return finish(PROGRAM, lambda: work(options), interrupted)


def recipe_of(options: argparse.Namespace) -> FineTuning:
    """The recipe that the options describe.

    Raises:
        ValueError: one is out of range.
    """
    return FineTuning(
        epochs=options.epochs,
        batch=options.batch,
        learning_rate=options.learning_rate,
        warm_up=options.warm_up,
        weight_decay=options.weight_decay,
        dropout=options.dropout,
        lm_weight=GPT_1.lm_weight if options.lm_weight is None else options.lm_weight,
        frozen=options.arm == "frozen",
        seed=options.seed,
        threads=options.threads,
    )


def check_out(given: str) -> None:
    """Refuse a place that cannot be written to, or where something is. Nothing is made there.

    Raises:
        OSError: it, or the folder that it would be made in, cannot be written to; names it.
        ValueError: it is not empty, or has no name.
    """
    if not given:
        raise ValueError("--out must name a directory")
    out = Path(given)
    # Itself, or what there is of the way to it. A link that leads nowhere is in the way, too.
    there = next(path for path in (out, *out.parents) if os.path.lexists(path))
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise type(error)(error.errno, error.strerror, given) from None
    if there == out and any(out.iterdir()):
        raise ValueError(f"{out} is not empty: choose another --out")


def open_model(options: argparse.Namespace) -> tuple[GPT, Tokenizer, int]:
    """The model to begin with, and the most tokens of a row or window.

    Raises:
        ValueError: --n-ctx is out of range.
        CheckpointError, DownloadError: the model cannot be had.
    """
    import gptlite

    model, tokenizer = gptlite.load(options.model)
    n_ctx = model.config.n_ctx if options.n_ctx is None else options.n_ctx
    if not 1 <= n_ctx <= model.config.n_ctx:
        raise ValueError(f"--n-ctx must be 1 to the model's {model.config.n_ctx}, not {n_ctx}")
    return model, tokenizer, n_ctx


# ---- Labelled texts -----------------------------------------------------------------------------


def learn_task(options: argparse.Namespace) -> None:
    """Fine-tune a classifier and print how it does on the validation examples.

    Raises:
        CheckpointError, DownloadError, OSError, ValueError: a file or an option is not what it
            should be.
        FloatingPointError: training has diverged.
    """
    if options.mask_prompts:
        raise ValueError("--mask-prompts belongs to --objective lm")
    if options.task is None:
        raise ValueError(f"--task is needed: one of {', '.join(TEXTS)}; or --objective lm")
    if options.arm == "frozen" and options.lm_weight is not None:
        raise ValueError("--lm-weight does not belong to --arm frozen: only the head learns")
    # What can be wrong is found before the long work.
    task, recipe, columns = options.task, recipe_of(options), columns_of(options.columns)
    check_out(options.out)
    train: list[Example] = []
    held_out: list[Example] = []
    for part, paths in ((train, options.data), (held_out, options.validation or [])):
        for path in paths:
            part += read_examples(path, task, columns, like=train[0] if train else None)
    labels = labels_of(task, train)
    if len(labels) < 2:
        raise ValueError(
            f"{', '.join(options.data)}: every label is {labels[0]!r}: at least 2 are needed"
        )
    numbers, held_out_numbers = number_labels(train, labels), number_labels(held_out, labels)
    model, tokenizer, n_ctx = open_model(options)

    def labelled(examples: list[Example], numbers: list[int]) -> Labelled:
        return Labelled([pack(tokenizer, task, each.texts, n_ctx) for each in examples], numbers)

    classifier = Classifier.build(
        GPT.init(model.config, options.seed) if options.arm == "scratch" else model,
        len(labels),
        choosing=task == "choice",
        transferred=transferred(options.arm),
        seed=options.seed,
    )
    del model  # the classifier has a copy
    fine_tuned = FineTuned(classifier, tokenizer, task, labels, n_ctx)
    epochs = fine_tune(
        classifier,
        labelled(train, numbers),
        labelled(held_out, held_out_numbers) if held_out else None,
        recipe,
        keeper(options, fine_tuned.save_pretrained),
    )
    commonest = int(np.bincount(numbers).argmax())
    summarise(epochs, labels, commonest)
    print(f"the classifier is in {options.out}")


def columns_of(given: list[str] | None) -> dict[str, str]:
    """``{name: name in the file}`` from ``NAME=COLUMN``.

    Raises:
        ValueError: there is no "=".
    """
    columns = {}
    for each in given or []:
        name, equals, in_file = each.partition("=")
        if not equals:
            raise ValueError(f"--columns: expected NAME=COLUMN, not {each!r}")
        columns[name] = in_file
    return columns


def transferred(arm: str | None) -> int | None:
    """How many blocks an arm keeps; None for all.

    Raises:
        ValueError: there is no such arm.
    """
    if arm in (None, "full", "frozen", "scratch"):
        return None
    try:
        return int(arm or "")
    except ValueError:
        raise ValueError(
            f"--arm must be full, frozen, scratch or a number of blocks, not {arm!r}"
        ) from None


def keeper(options: argparse.Namespace, save: Callable[[str], None]) -> Callable[[Epoch], None]:
    """What happens after an epoch: a line about it, and the model is written if it is the best."""
    from tqdm import tqdm

    def keep(epoch: Epoch) -> None:
        line = f"epoch {epoch.number} of {options.epochs}: loss {epoch.loss:.4f}"
        if (seen := epoch.validation) is not None:
            line += f", validation loss {seen.loss:.4f}"
            line += "" if seen.accuracy is None else f", accuracy {seen.accuracy:.4f}"
            line += ", the best so far" if epoch.best else ""
        tqdm.write(line, file=sys.stderr)
        if epoch.best:
            save(options.out)

    return keep


def summarise(epochs: list[Epoch], labels: list[str], commonest: int) -> None:
    """Print accuracy, what always the same label would reach, and the confusion matrix.

    Args:
        commonest: the number of that label.
    """
    best = [epoch for epoch in epochs if epoch.best][-1]
    seen = best.validation
    if seen is None or seen.confusion is None:
        print(f"loss {best.loss:.4f} in epoch {best.number}")
        return
    having = seen.confusion.sum(axis=1)  # [n_labels], how many have each label
    print(
        f"accuracy {seen.accuracy:.4f} of {having.sum()} (always {labels[commonest]!r}: "
        f"{having[commonest] / having.sum():.4f}), loss {seen.loss:.4f}, epoch {best.number}"
    )
    print(confusion_table(seen.confusion, labels))


def confusion_table(confusion: NDArray[np.int64], labels: list[str]) -> str:
    """Rows are what is, columns what it was taken for.

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


# ---- More text ----------------------------------------------------------------------------------


def learn_text(options: argparse.Namespace) -> None:
    """Go on with next-token prediction, and print the loss before and after.

    Raises:
        As ``learn_task``.
    """
    for name in OF_TASKS:
        if getattr(options, name) is not None:
            raise ValueError(f"--{name.replace('_', '-')} does not belong to --objective lm")
    recipe = recipe_of(options)
    check_out(options.out)
    found = {
        part: [item for path in paths or [] for item in read_texts(Path(path))]
        for part, paths in (("train", options.data), ("validation", options.validation))
    }
    if options.mask_prompts and not any(isinstance(item, Completion) for item in found["train"]):
        raise ValueError("--mask-prompts needs tables with the columns prompt and completion")
    model, tokenizer, n_ctx = open_model(options)

    def rows(item: str | Completion) -> list[Text]:
        if isinstance(item, str):
            return windows(tokenizer, item, n_ctx)
        ids, n_prompt = pack_completion(tokenizer, item, n_ctx)
        return [Text(ids, n_prompt if options.mask_prompts else 1)]

    parts = {part: [row for item in items for row in rows(item)] for part, items in found.items()}
    validation = parts["validation"] or None
    before = None if validation is None else measure_texts(model, validation, recipe.threads)

    def save(directory: str) -> None:
        tokenizer.save_pretrained(directory)
        model.save_pretrained(directory)

    keep = keeper(options, save)
    epochs = fine_tune_language_model(model, parts["train"], validation, recipe, keep)
    best = [epoch for epoch in epochs if epoch.best][-1]
    if before is None or best.validation is None:
        print(f"loss {best.loss:.4f} in epoch {best.number}")
    else:
        print(
            f"validation loss {before.loss:.4f} nats per token before, "
            f"{best.validation.loss:.4f} after epoch {best.number}"
        )
    print(f"the model is in {options.out}")


def read_texts(path: Path) -> Sequence[str | Completion]:
    """The texts of a file or folder, or of a table the prompts and completions.

    Raises:
        ValueError: a text is empty or not UTF-8; see ``read_completions``.
        OSError: a file cannot be read.
    """
    if path.suffix.lower() in (*SEPARATORS, *JSON_SUFFIXES):
        found = read_completions(path)
        if not found:
            raise ValueError(f"{path}: no prompts and completions")
        return found
    return [read_text(file) for file in text_files([path])]


def windows(tokenizer: Tokenizer, text: str, n_ctx: int) -> list[Text]:
    """A text after ``<|endoftext|>``, cut so that each of its tokens is predicted once."""
    ids = [tokenizer.eot, *tokenizer.encode(text)]
    return [Text(ids[i : i + n_ctx + 1]) for i in range(0, len(ids) - 1, n_ctx)]


if __name__ == "__main__":
    raise SystemExit(main())
