"""The command that measures a model: ``python -m gptlite.evaluate lambada lambada_test.jsonl``.

Each form of evaluation reads a file into items and measures each of them; the forms of the files
are in ``gptlite.evaluate.benchmarks``. The result is a table on standard output and, with
``--output``, a JSON file with the measurements of each item.

A long evaluation may be interrupted: the measurements so far lie beside the output, in a file
ending in ``.part``, and ``--resume`` goes on from there, if file, model and settings are still the
same.
"""

from collections.abc import Callable, Sequence
from typing import Any

from gptlite.command import Parser, add_model, finish, speak_utf8
from gptlite.evaluate.detokenise import RULES
from gptlite.evaluate.part import part_of
from gptlite.evaluate.run import evaluate
from gptlite.outputs import OVERWRITE

PROGRAM = "gptlite evaluate"


def parser() -> Parser:
    """Define the command's options."""
    parser = Parser(PROGRAM, description="Measure how good a GPT-2 is.")
    forms = parser.add_subparsers(dest="form", required=True, metavar="FORM")

    def form(name: str, does: str, note: str = "") -> Callable[..., Any]:
        add = forms.add_parser(name, help=does, description=f"{does}. {note}").add_argument
        add("file", metavar="FILE", help="what to measure on")
        does = "where to write the measurements of each item, as JSON; - is standard output"
        add("-o", "--output", metavar="FILE", help=does)
        add("--json", action="store_true", help="print the results as JSON, with all digits")
        add_model(add)
        add("--overwrite", action="store_true", help=OVERWRITE)
        add("--resume", action="store_true", help="go on from the part beside --output")
        return add

    def detokeniser(add: Callable[..., Any]) -> None:
        does = "rejoin text that was split into words for other models (default: %(default)s)"
        add("--detokeniser", choices=RULES, default="none", help=does)

    add = form(
        "perplexity",
        "Perplexity and bits per byte of a text",
        "The documents of a file are parted by lines that are exactly <|endoftext|>; in JSON lines "
        'each row is one, the column "text". Each document is read in windows, the first of them '
        "after <|endoftext|>.",
    )
    add("--context", type=int, metavar="N", help="tokens per window (default: the model's n_ctx)")
    add(
        "--stride",
        type=int,
        metavar="N",
        help="tokens from one window's start to the next; a window predicts only the tokens that "
        "are new in it, so fewer than --context give a lower perplexity, but take longer "
        "(default: --context)",
    )
    detokeniser(add)
    too_long = "An item that is too long for the model loses its beginning."
    form(
        "lambada",
        "The last words of passages, in LAMBADA's form",
        f'Lines like {{"text": "She opened the door"}}. {too_long}',
    )
    add = form(
        "cbt",
        "Gaps in tales, in the form of the Children's Book Test",
        "Twenty numbered sentences; then the one with XXXXX, its word, and the candidates with | "
        f"between them, parted by tabs. {too_long}",
    )
    detokeniser(add)
    form(
        "hellaswag",
        "Endings, in HellaSwag's form",
        f'Lines like {{"ctx": "He ran", "endings": ["home.", "red."], "label": 0}}. {too_long}',
    )
    form(
        "choice",
        "Questions with several answers",
        'Lines like {"prompt": "The sky is", "options": [" blue", " loud"], "answer": 0}. Spaces '
        f"count: prompt and options are joined as they are. {too_long}",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0, or 2 after an error, or 130 after Ctrl-C.
    """
    speak_utf8()
    options = parser().parse_args(argv)

    def interrupted() -> str:
        begun = options.output not in (None, "-") and part_of(options.output).exists()
        return "interrupted" + (
            f": --resume goes on from {part_of(options.output)}" if begun else ""
        )

    return finish(PROGRAM, lambda: evaluate(options), interrupted)


if __name__ == "__main__":
    raise SystemExit(main())
