"""The command: ``python -m gptlite.generate "Once upon a time"``."""

import argparse
import json
import sys
from collections.abc import Sequence

from gptlite.command import (
    Parser,
    add_model,
    complain,
    finish,
    load_model,
    speak_utf8,
    standard_input,
    unescaped,
    utf8,
)
from gptlite.errors import ContextOverflowError
from gptlite.generate import begin, generate_samples, stream
from gptlite.model import GPT
from gptlite.sampling import Sampler
from gptlite.tokenizer import Tokenizer

PROGRAM = "gptlite generate"


def command_line() -> Parser:
    """Define the command's options, under the names of the arguments of ``generate``."""
    parser = Parser(PROGRAM, description="Continue a text with a GPT-2, or begin one.")
    add, or_else = parser.add_argument, "(default: %(default)s)"
    add("prompt", nargs="?", type=utf8, metavar="PROMPT", help="the text; - reads standard input")
    add_model(add)
    add("--max-new-tokens", type=int, metavar="N", help="(default: 200, or as many as fit)")
    add("--temperature", type=float, default=0.7, metavar="T", help=f"0 is greedy {or_else}")
    add("--top-k", type=int, default=40, metavar="K", help=f"0 cuts nothing {or_else}")
    add("--top-p", type=float, default=1.0, metavar="P", help=f"1 cuts nothing {or_else}")
    add("--repetition-penalty", type=float, default=1.0, metavar="R", help=f"1 is none {or_else}")
    add("--seed", type=int, metavar="N", help="same seed, same text (default: new every time)")
    add(
        "--num-samples",
        type=int,
        default=1,
        metavar="N",
        help=f"how many texts; several are not streamed {or_else}",
    )
    add(
        "--stop",
        type=unescaped,
        action="append",
        default=[],
        metavar="TEXT",
        help=r"end before TEXT, where \n is a line feed, \t a tab, \\ a backslash (C escapes)",
    )
    add(
        "--allowed-special",
        type=utf8,
        action="append",
        default=[],
        metavar="NAME",
        help="read NAME in the prompt as a special token: '<|endoftext|>'; 'all' for any",
    )
    add(
        "--overflow",
        choices=["error", "slide"],
        default="error",
        help=f"when the context is full: refuse, or forget its older half {or_else}",
    )
    add("--speculate", type=int, default=0, metavar="N", help=f"guess N tokens ahead {or_else}")
    add("--no-stream", action="store_true", help="print the text when it is complete")
    add("--show", action="store_true", help="show each token's probability and runners-up")
    add("--json", action="store_true", help="print prompt and continuations as JSON")
    add("--interactive", action="store_true", help="continue each line of standard input")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0, or 2 after an error, or 130 after Ctrl-C.
    """
    speak_utf8()
    return finish(PROGRAM, lambda: run(command_line().parse_args(argv)))


def run(args: argparse.Namespace) -> None:
    """Load the model and answer the one prompt, or each line of standard input."""
    # Check the settings before loading a model, which may take a while.
    Sampler(args.temperature, args.top_k, args.top_p, args.repetition_penalty)
    if args.show and (args.num_samples != 1 or args.json):
        raise ValueError("--show follows one sample: leave --num-samples and --json out")
    prompt = args.prompt or ""
    if args.interactive and prompt:
        raise ValueError("--interactive reads its prompts from standard input: leave PROMPT out")
    if prompt == "-":
        prompt = standard_input(whole=True).removesuffix("\n")
    model, tokenizer = load_model(args)
    if not args.interactive:
        answer(model, tokenizer, prompt, args)
        return
    while True:
        if sys.stdin is not None and sys.stdin.isatty():
            print("prompt> ", end="", file=sys.stderr, flush=True)
        line = standard_input(whole=False)
        if not line:
            return
        try:
            answer(model, tokenizer, line.removesuffix("\n"), args)
        except ContextOverflowError as failure:
            complain(PROGRAM, failure)  # a shorter line may do better


def answer(model: GPT, tokenizer: Tokenizer, prompt: str, args: argparse.Namespace) -> None:
    """Print the prompt and its continuation; if several are asked for, each under a heading."""
    of_the_model = ("model", "tokenizer", "n_head")
    others = ("prompt", "num_samples", "no_stream", "show", "interactive", "json", *of_the_model)
    options = {name: value for name, value in vars(args).items() if name not in others}
    if "all" in args.allowed_special:
        options["allowed_special"] = "all"
    if args.show:
        from gptlite.views.terminal import has_colour, lines_of_steps

        steps, [growing] = begin(model, tokenizer, prompt, **options)
        for line in lines_of_steps(tokenizer, prompt, steps, growing, has_colour(sys.stdout)):
            print(line, flush=True)
        return
    if args.num_samples != 1 or args.json:
        texts = generate_samples(model, tokenizer, prompt, args.num_samples, **options)
        if args.json:
            print(json.dumps({"prompt": prompt, "continuations": texts}, ensure_ascii=False))
            return
        for number, text in enumerate(texts, 1):
            print(f"=== sample {number} ===\n{prompt}{text}", flush=True)
        return
    pieces = stream(model, tokenizer, prompt, **options)
    if args.no_stream:
        pieces = iter(["".join(pieces)])
    try:
        print(prompt, end="", flush=True)
        for piece in pieces:
            print(piece, end="", flush=True)
    finally:
        print(flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
