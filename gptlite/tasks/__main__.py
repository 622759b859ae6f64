"""The tasks as a command: ``python -m gptlite.tasks sentiment "The king was kind. He was"``.

Each task appears here twice: its options in ``parser``, and its call in ``result``.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gptlite.command import (
    Parser,
    add_model,
    finish,
    load_model,
    significant,
    speak_utf8,
    standard_input,
    utf8,
)
from gptlite.errors import ContextOverflowError
from gptlite.model import GPT
from gptlite.tasks.answer import answer
from gptlite.tasks.cloze import GAP, cloze
from gptlite.tasks.entail import ANSWERS, entail
from gptlite.tasks.score import Overflow, score
from gptlite.tasks.sentiment import sentiment
from gptlite.tasks.summarise import HINT, summarise
from gptlite.tasks.translate import translate
from gptlite.tasks.winograd import winograd
from gptlite.tokenizer import Tokenizer

PROGRAM = "gptlite tasks"
NEUTRAL = {"neutral": "Neither"}


def parser() -> Parser:
    """Define the command's options, under the names of each task's arguments."""
    parser = Parser(
        PROGRAM,
        description="Let a GPT-2 do tasks that it was not trained for. A TEXT or --document given "
        "as - is read from standard input.",
    )
    or_else = "(default: %(default)s)"
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")

    def task(name: str, does: str, note: str = "") -> Callable[..., Any]:
        add = tasks.add_parser(name, help=does, description=f"{does}. {note}").add_argument
        add("--json", action="store_true", help="print the result as JSON, with all digits")
        add_model(add)
        return add

    def examples(add: Callable[..., Any], first: str, second: str) -> None:
        add(
            "--example",
            dest="examples",
            type=utf8,
            nargs=2,
            action="append",
            default=[],
            metavar=(first, second),
            help="an example of the task, put before it; may be given several times",
        )

    def most(add: Callable[..., Any], default: int) -> None:
        add("--max-new-tokens", type=int, default=default, metavar="N", help=or_else)

    add = task("summarise", "Continue a text and a hint after it, and keep the first sentences")
    add("text", type=utf8, metavar="TEXT", help="if too long, only its beginning is read")
    add("--hint", type=utf8, default=HINT, help=or_else)
    add("--top-k", type=int, default=2, metavar="K", help=or_else)
    most(add, 100)
    add("--n-sentences", type=int, default=3, metavar="N", help=or_else)
    add("--seed", type=int, metavar="N", help="same seed, same summary (default: new every time)")

    add = task("answer", "Answer a question, greedily, on the line after it")
    add("question", type=utf8, metavar="QUESTION")
    add("--document", type=utf8, default="", metavar="TEXT", help="what the question is about")
    examples(add, "QUESTION", "ANSWER")
    most(add, 32)

    add = task(
        "entail",
        "Does the second sentence follow from the first? The share of each answer",
        "The prompt is gptlite's own: the papers of GPT-1 and GPT-2 have no entailment without "
        "training.",
    )
    add("premise", type=utf8, metavar="PREMISE")
    add("hypothesis", type=utf8, metavar="HYPOTHESIS")
    add("--neutral", action="store_true", help='allow a third answer, "Neither"')

    add = task("translate", "Write what comes after a sentence and =, greedily")
    add("sentence", type=utf8, metavar="SENTENCE")
    examples(add, "SENTENCE", "TRANSLATION")
    most(add, 64)

    add = task(
        "sentiment",
        'Which word is likeliest after a text and "very"? The share of each',
    )
    add("text", type=utf8, metavar="TEXT")
    add("--words", type=utf8, nargs="+", default=["positive", "negative"], metavar="WORD")

    add = task(
        "winograd",
        "Which referent makes the rest of the sentence likeliest? Nats per token of the rest",
    )
    add("sentence", type=utf8, metavar="SENTENCE", help="with _ in place of the pronoun")
    add("referents", type=utf8, nargs="+", metavar="REFERENT")

    add = task("cloze", "Which word fills the gap? Nats of each, with the text after the gap")
    add("text", type=utf8, metavar="TEXT", help=f"with {GAP} in place of a word")
    add("candidates", type=utf8, nargs="+", metavar="WORD")

    add = task("score", "How likely is each option after a prompt? Nats of each")
    add("text", type=utf8, metavar="TEXT", help="best without a space at its end")
    add("options", type=utf8, nargs="+", metavar="OPTION", help='best with one before it: " time"')
    add("--normalise", choices=["sum", "mean"], default="sum", help="mean: nats per token")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0, or 2 after an error, or 130 after Ctrl-C.
    """
    speak_utf8()
    options = parser().parse_args(argv)
    return finish(PROGRAM, lambda: do_task(options))


def do_task(options: argparse.Namespace) -> None:
    """Load the model, do the task and print the result. Errors are those of each task."""
    given = vars(options)
    for name in ("text", "document", "premise"):
        if given.get(name) == "-":
            given[name] = standard_input(whole=True)
    as_json = given.pop("json")
    model, tokenizer = load_model(options)
    for name in ("model", "tokenizer", "n_head"):
        del given[name]
    try:
        found = result(model, tokenizer, overflow="error", **given)
    except ContextOverflowError as failure:  # raised before any work
        if options.task in ("translate", "winograd"):  # they need all of their prompt
            raise
        found = result(model, tokenizer, overflow="cut", **given)
        print(f"{PROGRAM}: {failure}: what does not fit is left out", file=sys.stderr)
    if as_json:
        print(json.dumps({"text": found} if isinstance(found, str) else found, ensure_ascii=False))
    else:
        print(found if isinstance(found, str) else ranking(found))


def result(
    model: GPT, tokenizer: Tokenizer, task: str, overflow: Overflow, **given: Any
) -> str | dict[str, float]:
    """Do a task; return the text that it makes, or a number for each name."""
    of = model, tokenizer
    if task == "summarise":
        return summarise(*of, **given, overflow=overflow)
    if task == "answer":
        return answer(*of, **given, overflow=overflow).text
    if task == "translate":
        return translate(*of, **given)
    if task == "entail":
        answers = dict(ANSWERS) | (NEUTRAL if given.pop("neutral") else {})
        return entail(*of, **given, answers=answers, overflow=overflow)
    if task == "sentiment":
        return sentiment(*of, **given, overflow=overflow)
    if task == "winograd":
        names, found = given["referents"], winograd(*of, **given)
    elif task == "cloze":
        names, found = given["candidates"], cloze(*of, **given, overflow=overflow)
    else:
        names = given["options"]
        found = score(*of, given["text"], names, given["normalise"], overflow)
    return dict(zip(names, found.tolist(), strict=True))


def ranking(found: Mapping[str, float]) -> str:
    """Write a line for each name with its number, the greatest first.

    >>> print(ranking({"a": -10.5, "b": -2.25}))
    -2.25  b
    -10.5  a
    """
    best_first = sorted(found.items(), key=lambda pair: -pair[1])
    numbers = [significant(number) for _, number in best_first]
    wide = max(map(len, numbers))
    pairs = zip(numbers, best_first, strict=True)
    return "\n".join(f"{number:>{wide}}  {name}" for number, (name, _) in pairs)


if __name__ == "__main__":
    sys.exit(main())
