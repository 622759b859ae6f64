"""How good a model is, measured: ``python -m gptlite.evaluate lambada lambada_test.jsonl``.

Each form of evaluation is a file, read into items, and what is measured of each of them; the forms
of the files are in ``gptlite.evaluate.benchmarks``. The result is a table on standard output and,
with ``--output``, a JSON file with the measurements of each item.

A long evaluation may be interrupted: what was measured lies beside the output, in a file ending in
``.part``, and ``--resume`` goes on from there, if file, model and settings are still the same.

GPT-2 paper, section 3.
"""

import argparse
import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import numpy as np

import gptlite
from gptlite.command import Parser, finish, speak_utf8
from gptlite.evaluate.benchmarks import read_cbt, read_choices, read_hellaswag, read_lambada
from gptlite.evaluate.detokenise import RULES, detokenise
from gptlite.evaluate.lambada import Guess, LastWord, encoded, guess_last_words
from gptlite.evaluate.part import Part, Row, part_of, write_json
from gptlite.files import naming_line
from gptlite.model import GPT
from gptlite.pretrain.data import read_text
from gptlite.tasks.choice import Choice, Chosen, choose, count
from gptlite.tokenizer import Tokenizer
from gptlite.training.losses import checked_sequence, loss_windows, window_losses

PROGRAM = "gptlite.evaluate"
SIDE_BY_SIDE = 8  # passages of LAMBADA
SAVE_EVERY = 30.0  # seconds


class Work(NamedTuple):
    """An evaluation, cut into batches.

    Attributes:
        settings: what the result depends on, besides file and model.
        batches: in the order in which they are computed.
        known: of each batch, a row for each of its items, with what is known without measuring.
        measured: names of what is measured of each item, and the types.
        measure: the rows of a batch, with both.
        summarise: the result, of all rows.
    """

    settings: Row
    batches: Sequence[Any]
    known: Sequence[list[Row]]
    measured: Mapping[str, type]
    measure: Callable[[Any], list[Row]]
    summarise: Callable[[list[Row]], Row]


# ---- The forms: a text's perplexity, last words, choices ----------------------------------------


def perplexity(model: GPT, tokenizer: Tokenizer, text: str, options: argparse.Namespace) -> Work:
    """Perplexity per token and per word, and bits per byte.

    ``<|endoftext|>`` stands before the text, so that every token of it is predicted. The words,
    between white space, and the bytes are those of the file, whatever the detokeniser made of it:
    models are compared by how well they predict the same text.
    """
    ids = [tokenizer.eot, *tokenizer.encode(detokenise(text, options.detokeniser))]
    sequence, context, stride = checked_sequence(model, ids, options.context, options.stride)
    n_words, n_bytes = len(text.split()), len(text.encode())
    if len(ids) == 1 or not n_words:
        raise ValueError(f"{options.file}: there are no words in it")

    def measure(windows: Any) -> list[Row]:
        losses = window_losses(model, sequence, windows)
        return [{"tokens": len(losses), "nats": float(losses.sum(dtype=float))}]

    def summarise(rows: list[Row]) -> Row:
        nats, n_tokens = sum(row["nats"] for row in rows), sum(row["tokens"] for row in rows)
        return {
            "perplexity": exp(nats / n_tokens),
            "perplexity_per_word": exp(nats / n_words),
            "bits_per_byte": nats / math.log(2) / n_bytes,
            "tokens": n_tokens,
            "words": n_words,
            "bytes": n_bytes,
        }

    settings = {"context": context, "stride": stride, "detokeniser": options.detokeniser}
    batches = loss_windows(len(sequence), context, stride)
    known: list[list[Row]] = [[{"tokens": len(each.starts) * each.kept}] for each in batches]
    return Work(settings, batches, known, {"nats": float}, measure, summarise)


def last_words(
    model: GPT, tokenizer: Tokenizer, items: dict[int, LastWord], options: argparse.Namespace
) -> Work:
    """LAMBADA: how often greedy decoding writes the last word, and the perplexity of these words.

    The word is all of its tokens, and the perplexity is per word. The paper's accuracy is higher:
    it left out of the guesses what cannot end a sentence (a stop-word filter).
    """
    # Passages of like length are read side by side: little of a batch is padding.
    numbers = sorted(items, key=lambda number: len(items[number].text))
    batches = [numbers[i : i + SIDE_BY_SIDE] for i in range(0, len(numbers), SIDE_BY_SIDE)]

    def measure(batch: Any) -> list[Row]:
        passages = []
        for number in batch:
            with naming_line(options.file, number):
                passages.append(encoded(tokenizer, items[number], model.config.n_ctx))
        guesses = guess_last_words(model, passages)
        return [
            {"line": number, **guess._asdict()}
            for number, guess in zip(batch, guesses, strict=True)
        ]

    def summarise(rows: list[Row]) -> Row:
        return {
            "accuracy": sum(row["right"] for row in rows) / len(rows),
            "perplexity": exp(-sum(row["logprob"] for row in rows) / len(rows)),
            "items": len(rows),
            "items_cut": sum(row["cut"] > 0 for row in rows),
        }

    known: list[list[Row]] = [[{"line": number} for number in batch] for batch in batches]
    return Work({}, batches, known, get_type_hints(Guess), measure, summarise)


def choices(
    model: GPT, tokenizer: Tokenizer, items: dict[int, Choice], options: argparse.Namespace
) -> Work:
    """How often the likeliest option is the right one: as a whole, and by its mean per token.

    For the Children's Book Test the paper's is the first. For HellaSwag the two are what is often
    called ``acc`` and ``acc_norm``, though some norm by characters.
    """

    def measure(number: Any) -> list[Row]:
        with naming_line(options.file, number):
            return [{"line": number, **choose(model, tokenizer, items[number], "cut")._asdict()}]

    def summarise(rows: list[Row]) -> Row:
        found = [Chosen(row["by_sum"], row["by_mean"], row["cut"]) for row in rows]
        counted = count([items[row["line"]] for row in rows], found)
        return {
            "accuracy": counted.by_sum,
            "accuracy_per_token": counted.by_mean,
            "chance": counted.chance,
            "items": counted.n,
            "items_cut": counted.n_cut,
        }

    settings = {"detokeniser": options.detokeniser} if options.form == "cbt" else {}
    known: list[list[Row]] = [[{"line": number}] for number in items]
    return Work(settings, list(items), known, get_type_hints(Chosen), measure, summarise)


def exp(nats: float) -> float | None:
    """``e ** nats``, or None where that is too large: a page without a space is one long word."""
    return math.exp(nats) if nats < 700 else None


def read(options: argparse.Namespace) -> tuple[Callable[..., Work], Any]:
    """The form that was asked for, and what is in the file."""
    if options.form == "perplexity":
        return perplexity, read_text(Path(options.file))
    if options.form == "lambada":
        return last_words, read_lambada(options.file)
    if options.form == "cbt":
        return choices, read_cbt(options.file, options.detokeniser)
    return choices, (read_hellaswag if options.form == "hellaswag" else read_choices)(options.file)


# ---- The work, which may be interrupted ---------------------------------------------------------


def evaluate(options: argparse.Namespace) -> None:
    """Measure, write and print.

    Raises:
        CheckpointError, DownloadError, OSError, ValueError: a file or an option is not what it
            should be.
    """
    part = Part(options.output, options.resume, options.file)
    form, items = read(options)
    model, tokenizer = gptlite.load(options.model)
    work = form(model, tokenizer, items, options)
    about = {
        "form": options.form,
        "file": options.file,
        "model": options.model or "storyteller",
        "settings": work.settings,
    }
    if options.output is not None:  # else nobody asks again what it was
        about["file_sha256"] = hashlib.sha256(Path(options.file).read_bytes()).hexdigest()
        about["model_sha256"] = fingerprint(model)
        part.begin(about, work.known, work.measured)
    measure(work, part)
    results = work.summarise(part.rows)
    if options.output is not None:
        write_json(options.output, {"about": about, "results": results, "items": part.rows})
    part.remove()
    print(table(about, results))


def measure(work: Work, part: Part) -> None:
    """Measure what the part has not; save it now and then, and at the end, be it good or bad."""
    from tqdm import tqdm

    saved = time.monotonic()
    total, done = sum(map(len, work.known)), len(part.rows)
    with tqdm(total=total, initial=done, desc="evaluating", unit="item", disable=None) as bar:
        try:
            for batch in work.batches[part.n_batches :]:
                rows = work.measure(batch)
                part.rows += rows
                part.n_batches += 1
                bar.update(len(rows))
                if time.monotonic() - saved > SAVE_EVERY:
                    part.save()
                    saved = time.monotonic()
        finally:  # what comes next, writing the results, may fail too
            part.save()


def fingerprint(model: GPT) -> str:
    """The sha256 of all weights: a model trained further is another, whatever its name."""
    digest = hashlib.sha256()
    for array in model.parameters.values():
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def table(about: Row, results: Row) -> str:
    """What was evaluated, and each result, a line each.

    >>> print(table({"form": "choice", "settings": {}}, {"accuracy": 0.25, "items": 4}))
    form      choice
    accuracy  0.2500
    items          4
    """
    shown = {name: value for name, value in about.items() if not name.endswith("sha256")}
    shown |= shown.pop("settings")
    lines = {name: str(value) for name, value in shown.items()}
    numbers = {name.replace("_", " "): shown_number(value) for name, value in results.items()}
    wide, digits = max(map(len, [*lines, *numbers])), max(map(len, numbers.values()))
    rows = [f"{name:{wide}}  {value}" for name, value in lines.items()]
    rows += [f"{name:{wide}}  {value:>{digits}}" for name, value in numbers.items()]
    return "\n".join(rows)


def shown_number(value: float | None) -> str:
    """Four decimals, or all digits of an int."""
    if value is None:
        return "too large"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


# ---- The command --------------------------------------------------------------------------------


def parser() -> Parser:
    """The command's options."""
    parser = Parser(PROGRAM, description="Measure how good a GPT-2 is.")
    forms = parser.add_subparsers(dest="form", required=True, metavar="FORM")

    def form(name: str, does: str, note: str = "") -> Callable[..., Any]:
        add = forms.add_parser(name, help=does, description=f"{does}. {note}").add_argument
        add("file", metavar="FILE")
        add("--model", help="a name or a path (default: the storyteller that ships with gptlite)")
        add("-o", "--output", metavar="FILE", help="where to write the results, as JSON")
        add("--resume", action="store_true", help="go on with the part that lies beside --output")
        return add

    def detokeniser(add: Callable[..., Any]) -> None:
        does = "put together what was cut into words for other models (default: %(default)s)"
        add("--detokeniser", choices=RULES, default="none", help=does)

    add = form(
        "perplexity",
        "Perplexity and bits per byte of a text",
        "The text is read in windows, the first of them after <|endoftext|>.",
    )
    add("--context", type=int, metavar="N", help="tokens per window (default: the model's n_ctx)")
    add(
        "--stride",
        type=int,
        metavar="N",
        help="tokens from window to window, of which each predicts the new ones only; fewer than "
        "--context: a lower perplexity, a longer wait (default: --context)",
    )
    detokeniser(add)
    too_long = "Where one is too long for the model, its beginning is left out."
    form("lambada", "The last words of passages, in LAMBADA's form", f"Lines of JSON. {too_long}")
    add = form("cbt", "Gaps in tales, in the form of the Children's Book Test", too_long)
    detokeniser(add)
    form("hellaswag", "Endings, in HellaSwag's form", f"Lines of JSON. {too_long}")
    form(
        "choice",
        "Questions with several answers",
        'Lines like {"prompt": "The sky is", "options": [" blue", " loud"], "answer": 0}. The '
        f"spaces are taken as they are. {too_long}",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status: 0, or 2 after an error, or 130 after Ctrl-C."""
    speak_utf8()
    options = parser().parse_args(argv)

    def interrupted() -> str:
        begun = options.output and part_of(options.output).exists()
        return "interrupted" + (
            f": --resume goes on from {part_of(options.output)}" if begun else ""
        )

    return finish(PROGRAM, lambda: evaluate(options), interrupted)


if __name__ == "__main__":
    raise SystemExit(main())
