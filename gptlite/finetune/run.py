"""Fine-tuning from files to files: a model learns a task, or reads more text.

A task (``--task``) is a file of labelled texts; the result is a directory that
``gptlite.finetune.FineTuned.from_pretrained`` opens. ``--objective lm`` goes on with next-token
prediction on other texts; the result is a model like any other, for ``gptlite.load``.

After each epoch the model is measured on the validation examples, and written if it is the best so
far (without validation examples, always). So a run may be killed at any moment, and leaves behind
its best model so far, whole.

GPT-1 paper, sections 3.2 and 3.3.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from gptlite.command import load_model, say, significant
from gptlite.config import GPTConfig
from gptlite.files import json_lines
from gptlite.finetune.classifier import Classifier
from gptlite.finetune.completions import Completion, pack_completion, read_completions
from gptlite.finetune.epochs import GPT_1, FineTuning
from gptlite.finetune.examples import (
    SEPARATORS,
    TEXTS,
    Example,
    labels_of,
    number_labels,
    pack,
    read_examples,
)
from gptlite.finetune.finetuned import FineTuned
from gptlite.finetune.learners import (
    Labelled,
    TextRow,
    fine_tune,
    fine_tune_language_model,
    measure_texts,
)
from gptlite.finetune.report import print_accuracy, show_and_save
from gptlite.model import GPT
from gptlite.outputs import check_room
from gptlite.texts import JSON_ENDINGS, Count, Documents, number_of, read_documents, text_files
from gptlite.tokenizer import Tokenizer

Packed = TypeVar("Packed")  # an example's rows, or a completion's row and its prompt's length

# GPT-1's learning rate suits its width of 768. Models below this one need a higher rate.
NARROW, NARROW_RATE = 512, 5e-4
TASK_OPTIONS = ("task", "columns", "arm", "lm_weight")  # not for --objective lm


def recipe_of(options: argparse.Namespace) -> FineTuning:
    """Make the recipe that the options describe; ``suited`` completes it.

    Raises:
        ValueError: an option is out of range.
    """
    rate = GPT_1.learning_rate if options.learning_rate is None else options.learning_rate
    return FineTuning(
        epochs=options.epochs,
        batch=options.batch,
        learning_rate=rate,
        warm_up=options.warm_up,
        weight_decay=options.weight_decay,
        dropout=options.dropout,
        lm_weight=GPT_1.lm_weight if options.lm_weight is None else options.lm_weight,
        frozen=options.arm == "frozen",
        seed=options.seed,
        threads=options.threads,
    )


def suited(recipe: FineTuning, options: argparse.Namespace, model: GPT) -> FineTuning:
    """Choose the learning rate that suits the model's size, if none was given."""
    if options.learning_rate is None and model.config.n_embd < NARROW:
        return replace(recipe, learning_rate=NARROW_RATE)
    return recipe


def check_room_to_save(options: argparse.Namespace, config: GPTConfig) -> None:
    """Refuse to train a model that the disk has no room for.

    Raises:
        OSError: there is too little room.
    """
    # A better model is written beside the one that it replaces.
    n_models = 1 if options.epochs == 1 else 2
    check_room(options.out, n_models * 4 * config.n_params)


def open_model(options: argparse.Namespace) -> tuple[GPT, Tokenizer, int]:
    """Open the model to start from, and find the most tokens that a row or window may have.

    Raises:
        ValueError: --n-ctx is out of range.
        CheckpointError, DownloadError: the model cannot be loaded.
    """
    model, tokenizer = load_model(options)
    n_ctx = model.config.n_ctx if options.n_ctx is None else options.n_ctx
    if not 1 <= n_ctx <= model.config.n_ctx:
        raise ValueError(f"--n-ctx must be 1 to the model's {model.config.n_ctx}, not {n_ctx}")
    return model, tokenizer, n_ctx


# ---- Labelled texts -----------------------------------------------------------------------------


def learn_task(options: argparse.Namespace) -> None:
    """Fine-tune a classifier, and print its accuracy on the validation examples.

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
    # Check everything that can be checked before the slow work.
    task, recipe, columns = options.task, recipe_of(options), columns_of(options.columns)
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
    recipe = suited(recipe, options, model)

    def packed(part: str, examples: list[Example], numbers: list[int]) -> Labelled:
        rows, n_cut = packed_to_fit(
            [partial(pack, tokenizer, task, each.texts) for each in examples],
            lambda rows: max(map(len, rows)) <= n_ctx,
            n_ctx,
        )
        show_cut(part, "example", n_cut, rows, n_ctx)
        return Labelled(rows, numbers)

    kept, n_layer = blocks_kept(options.arm), model.config.n_layer
    if kept is not None and not 0 <= kept <= n_layer:
        raise ValueError(f"--arm must keep 0 to {n_layer} blocks, as the model has, not {kept}")
    classifier = Classifier.build(
        GPT.init(model.config, options.seed) if options.arm == "scratch" else model,
        len(labels),
        choosing=task == "choice",
        transferred=kept,
        seed=options.seed,
    )
    del model  # the classifier has a copy
    check_room_to_save(options, classifier.model.config)
    fine_tuned = FineTuned(classifier, tokenizer, task, labels, n_ctx)
    epochs = fine_tune(
        classifier,
        packed("train", train, numbers),
        packed("validation", held_out, held_out_numbers) if held_out else None,
        recipe,
        show_and_save(options, fine_tuned.save_pretrained),
    )
    commonest = int(np.bincount(numbers).argmax())
    print_accuracy(epochs, labels, commonest)
    print(f"the classifier is in {options.out}")


def columns_of(given: list[str] | None) -> dict[str, str]:
    """Make ``{name: name in the file}`` from each ``NAME=COLUMN``.

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


def blocks_kept(arm: str | None) -> int | None:
    """Say how many blocks an arm keeps; None for all.

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


# ---- More text ----------------------------------------------------------------------------------


def learn_text(options: argparse.Namespace) -> None:
    """Go on with next-token prediction, and print the loss before and after.

    Raises:
        CheckpointError, DownloadError, OSError, ValueError, FloatingPointError: see
            ``learn_task``.
    """
    for name in TASK_OPTIONS:
        if getattr(options, name) is not None:
            raise ValueError(f"--{name.replace('_', '-')} does not belong to --objective lm")
    recipe = recipe_of(options)
    found = {
        part: [each for path in paths or [] for each in read_texts_or_completions(Path(path))]
        for part, paths in (("train", options.data), ("validation", options.validation))
    }
    if options.mask_prompts and all(isinstance(each, Documents) for each in found["train"]):
        raise ValueError("--mask-prompts needs tables with the columns prompt and completion")
    model, tokenizer, n_ctx = open_model(options)
    recipe = suited(recipe, options, model)

    parts: dict[str, list[TextRow]] = {}
    for part, files in found.items():
        count, parts[part] = Count(), []
        for file in files:
            if isinstance(file, Documents):
                rows = [row for text in file.texts for row in text_windows(tokenizer, text, n_ctx)]
                count.add(file, sum(len(row.ids) - 1 for row in rows))
            else:
                packed, n_cut = packed_to_fit(
                    [partial(pack_completion, tokenizer, each) for each in file],
                    lambda row: len(row[0]) <= n_ctx + 1,
                    n_ctx,
                )
                rows = [TextRow(ids, n if options.mask_prompts else 1) for ids, n in packed]
                show_cut(part, "completion", n_cut, rows, n_ctx)
            parts[part] += rows
        show_count(part, count)
    check_room_to_save(options, model.config)
    validation = parts["validation"] or None
    before = None if validation is None else measure_texts(model, validation, recipe.threads)

    def save(directory: str) -> None:
        tokenizer.save_pretrained(directory)
        model.save_pretrained(directory)

    report = show_and_save(options, save)
    epochs = fine_tune_language_model(model, parts["train"], validation, recipe, report)
    best = [epoch for epoch in epochs if epoch.best][-1]
    if before is None or best.validation is None:
        print(f"loss {significant(best.loss)} in epoch {best.number}")
    else:
        print(
            f"validation loss {significant(before.loss)} nats per token before, "
            f"{significant(best.validation.loss)} after epoch {best.number}"
        )
    print(f"the model is in {options.out}")


def read_texts_or_completions(path: Path) -> Sequence[Documents | list[Completion]]:
    """Read the documents of each file of a folder or path, or a table's prompts and completions.

    JSON lines hold completions if the first row has one of their columns, otherwise documents.

    Raises:
        ValueError: see ``read_documents`` and ``read_completions``.
        OSError: a file cannot be read.
    """
    found: list[Documents | list[Completion]] = []
    for file in text_files([path]):
        suffix = file.suffix.lower()
        is_table = suffix in SEPARATORS
        if suffix in JSON_ENDINGS:
            is_table = any(name in next(json_lines(file))[1] for name in Completion._fields)
        completions = read_completions(file) if is_table else []
        if is_table and not completions:
            raise ValueError(f"{file}: no prompts and completions")
        found.append(completions if is_table else read_documents(file))
    return found


def packed_to_fit(
    packers: Sequence[Callable[[int], Packed]], fits: Callable[[Packed], bool], n_ctx: int
) -> tuple[list[Packed], int]:
    """Pack examples or completions, whole where they fit; say how many had to be shortened.

    Args:
        packers: each packs one of them, for the number of tokens that it is given.
        fits: says whether one that was packed whole has room in ``n_ctx`` tokens.
    """
    found, n_cut = [], 0
    for packer in packers:
        packed = packer(sys.maxsize)
        if not fits(packed):
            packed, n_cut = packer(n_ctx), n_cut + 1
        found.append(packed)
    return found, n_cut


def show_cut(part: str, thing: str, n_cut: int, rows: Sequence[object], n_ctx: int) -> None:
    """Say in a line how many examples or completions a part has, and how many were shortened."""
    cut = f", {n_cut:,} of them shortened to fit {n_ctx} tokens" if n_cut else ""
    say(f"{part}: {number_of(len(rows), thing)}{cut}")


def show_count(part: str, count: Count) -> None:
    """Say in a line what was found in the text files of a part; nothing if there are none."""
    if count.files:
        say(f"{part}: {count}", count.warning())


def text_windows(tokenizer: Tokenizer, text: str, n_ctx: int) -> list[TextRow]:
    """Cut a document into rows, so that each of its tokens is predicted once, and then its end.

    ``<|endoftext|>`` stands before the document and after it: so a model learns where to stop.
    """
    ids = [tokenizer.eot, *tokenizer.encode(text), tokenizer.eot]
    return [TextRow(ids[i : i + n_ctx + 1]) for i in range(0, len(ids) - 1, n_ctx)]
