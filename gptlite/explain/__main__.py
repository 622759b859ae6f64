"""The command that writes the page: ``python -m gptlite.explain "Once upon a time"``."""

import argparse
import sys
from collections.abc import Sequence

from gptlite.command import Parser, add_model, finish, load_model, utf8
from gptlite.explain.page import page
from gptlite.files import write_atomically
from gptlite.outputs import OVERWRITE, check_file

PROGRAM = "gptlite explain"
NAME = "the storyteller"
MARK = b"<title>Inside a GPT-2"  # near the beginning of every page: it may be written anew


def parser() -> Parser:
    """Define the command's options."""
    parser = Parser(
        PROGRAM,
        description="Write a page for a browser that shows, step by step and with the real "
        "numbers, how a GPT-2 reads a text and chooses the next token.",
    )
    add = parser.add_argument
    add("text", type=utf8, metavar="TEXT", help="the text that the model reads")
    add(
        "-o",
        "--output",
        default="page.html",
        metavar="FILE",
        help="where to write the page; - is standard output (default: %(default)s)",
    )
    add_model(add)
    add("--no-eot", action="store_true", help="do not begin the text with <|endoftext|>")
    add("--overwrite", action="store_true", help=OVERWRITE)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0, or 2 after an error, or 130 after Ctrl-C.
    """
    options = parser().parse_args(argv)
    return finish(PROGRAM, lambda: explain(options))


def explain(options: argparse.Namespace) -> None:
    """Write the page, and print where it is. Errors: see ``page`` and ``outputs.check_file``."""
    if options.output == "-":
        sys.stdout.buffer.write(written(options))
        return
    check_file(options.output, MARK, options.overwrite)
    # The file is opened first: if it cannot be written, no model is loaded in vain.
    with write_atomically(options.output) as file:
        file.write(written(options))
    print(options.output)


def written(options: argparse.Namespace) -> bytes:
    """Load the model, and write the page."""
    model, tokenizer = load_model(options)
    return page(model, tokenizer, options.text, options.model or NAME, not options.no_eot)


if __name__ == "__main__":
    sys.exit(main())
