"""Three forms of evaluation: the perplexity of documents, the last words of passages, choices.

A form cuts the items of a file into batches, says how to measure a batch, and works out the result
from all measurements. ``run.py`` does the work.

GPT-2 paper, section 3.
"""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from gptlite.command import say
from gptlite.evaluate.benchmarks import read_cbt, read_choices, read_hellaswag, read_lambada
from gptlite.evaluate.detokenise import detokenise
from gptlite.evaluate.lambada import Guess, LastWord, encode_passage, guess_last_words
from gptlite.evaluate.part import Json, Measurement
from gptlite.files import naming_line
from gptlite.model import GPT
from gptlite.tasks.choice import Choice, Chosen, choose_option, count_right
from gptlite.texts import Count, Documents, read_documents
from gptlite.tokenizer import Tokenizer
from gptlite.training.losses import document_windows, window_losses

SIDE_BY_SIDE = 8  # passages of LAMBADA


class Evaluation(NamedTuple):
    """An evaluation, cut into batches.

    Attributes:
        settings: whatever the result depends on, besides file and model.
        batches: the items in batches, in the order in which these are measured.
        known: for each batch, one row for each of its items, with all that is known about the item
            before it is measured.
        measured: the names of an item's measurements, each with its type.
        measure_batch: makes a batch's rows, with what is known and what is measured.
        results_of: works out the result from all rows.
    """

    settings: Json
    batches: Sequence[Any]
    known: Sequence[list[Measurement]]
    measured: Mapping[str, type]
    measure_batch: Callable[[Any], list[Measurement]]
    results_of: Callable[[list[Measurement]], Json]


def perplexity(
    model: GPT, tokenizer: Tokenizer, documents: Documents, options: argparse.Namespace
) -> Evaluation:
    """Evaluate documents: perplexity per token and per word, and bits per byte.

    How documents are read: see ``losses.document_windows``. Words (between white space) and bytes
    are counted in the file as it is, before any detokeniser: this way models are compared by how
    well they predict the same text.
    """
    texts = (detokenise(text, options.detokeniser) for text in documents.texts)
    batches = document_windows(model, tokenizer, texts, options.context, options.stride)
    n_tokens = sum(windows.n_predicted for _, windows in batches)
    count = Count()
    count.add(documents, n_tokens + len(documents.texts))
    n_words = sum(len(text.split()) for text in documents.texts)
    if not n_tokens or not n_words:
        raise ValueError(f"{options.file}: there are no words in it")
    say(str(count), count.warning())

    def measure_batch(batch: Any) -> list[Measurement]:
        losses = window_losses(model, *batch)
        return [{"tokens": len(losses), "nats": float(losses.sum(dtype=float))}]

    def results_of(rows: list[Measurement]) -> Json:
        nats = sum(row["nats"] for row in rows)
        return {
            "perplexity": exp(nats / n_tokens),
            "perplexity_per_word": exp(nats / n_words),
            "bits_per_byte": nats / math.log(2) / count.bytes,
            "documents": count.documents,
            "tokens": n_tokens,
            "words": n_words,
            "bytes": count.bytes,
        }

    context = model.config.n_ctx if options.context is None else options.context
    stride = context if options.stride is None else options.stride
    settings = {"context": context, "stride": stride, "detokeniser": options.detokeniser}
    known: list[list[Measurement]] = [[{"tokens": each.n_predicted}] for _, each in batches]
    return Evaluation(settings, batches, known, {"nats": float}, measure_batch, results_of)


def exp(nats: float) -> float | None:
    """Compute ``e ** nats``; None where that is too large, as for a page that is one long word."""
    return math.exp(nats) if nats < 700 else None


def last_words(
    model: GPT, tokenizer: Tokenizer, items: dict[int, LastWord], options: argparse.Namespace
) -> Evaluation:
    """Evaluate on LAMBADA: how often greedy decoding writes the last word, and its perplexity.

    A word is right only if all of its tokens are, and the perplexity is per word. The accuracy in
    the GPT-2 paper is higher: there, words that cannot end a sentence were ruled out as guesses (a
    stop-word filter).
    """
    # Passages of similar length are read side by side, so that little of a batch is padding.
    numbers = sorted(items, key=lambda number: len(items[number].text))
    batches = [numbers[i : i + SIDE_BY_SIDE] for i in range(0, len(numbers), SIDE_BY_SIDE)]

    def measure_batch(batch: Any) -> list[Measurement]:
        passages = []
        for number in batch:
            with naming_line(options.file, number):
                passages.append(encode_passage(tokenizer, items[number], model.config.n_ctx))
        guesses = guess_last_words(model, passages)
        return [
            {"line": number, **guess._asdict()}
            for number, guess in zip(batch, guesses, strict=True)
        ]

    def results_of(rows: list[Measurement]) -> Json:
        return {
            "accuracy": sum(row["right"] for row in rows) / len(rows),
            "perplexity": exp(-sum(row["logprob"] for row in rows) / len(rows)),
            "items": len(rows),
            "items_cut": sum(row["cut"] > 0 for row in rows),
        }

    known: list[list[Measurement]] = [[{"line": number} for number in batch] for batch in batches]
    return Evaluation({}, batches, known, get_type_hints(Guess), measure_batch, results_of)


def choices(
    model: GPT, tokenizer: Tokenizer, items: dict[int, Choice], options: argparse.Namespace
) -> Evaluation:
    """Evaluate choices: how often the likeliest option, whole or per token, is the right one.

    For the Children's Book Test the GPT-2 paper's accuracy is that of whole options. For HellaSwag
    the two are often called ``acc`` and ``acc_norm``, though some normalise by characters.
    """

    def measure_batch(number: Any) -> list[Measurement]:
        with naming_line(options.file, number):
            chosen = choose_option(model, tokenizer, items[number], "cut")
        return [{"line": number, **chosen._asdict()}]

    def results_of(rows: list[Measurement]) -> Json:
        found = [Chosen(row["by_sum"], row["by_mean"], row["cut"]) for row in rows]
        counted = count_right([items[row["line"]] for row in rows], found)
        return {
            "accuracy": counted.by_sum,
            "accuracy_per_token": counted.by_mean,
            "chance": counted.chance,
            "items": counted.n,
            "items_cut": counted.n_cut,
        }

    settings = {"detokeniser": options.detokeniser} if options.form == "cbt" else {}
    known: list[list[Measurement]] = [[{"line": number}] for number in items]
    measured = get_type_hints(Chosen)
    return Evaluation(settings, list(items), known, measured, measure_batch, results_of)


def read_items(options: argparse.Namespace) -> tuple[Callable[..., Evaluation], Any]:
    """Read the file in the form that the options ask for.

    Returns:
        The form, and the items to give it: a text, or ``{line number: item}``.

    Raises:
        OSError, ValueError: the file cannot be read, or is not in that form.
    """
    if options.form == "perplexity":
        return perplexity, read_documents(Path(options.file))
    if options.form == "lambada":
        return last_words, read_lambada(options.file)
    if options.form == "cbt":
        return choices, read_cbt(options.file, options.detokeniser)
    return choices, (read_hellaswag if options.form == "hellaswag" else read_choices)(options.file)
