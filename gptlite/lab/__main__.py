"""The command that opens the lab: ``gptlite lab "Once upon a time"``."""

import argparse
import errno
import sys
import webbrowser
from collections.abc import Sequence
from urllib.parse import quote

from gptlite.command import Parser, add_model, finish, load_model, say, utf8
from gptlite.lab.engine import Engine
from gptlite.lab.server import HOST, Server

PROGRAM = "gptlite lab"
NAME = "the storyteller"


def parser() -> Parser:
    """Define the command's options."""
    parser = Parser(
        PROGRAM,
        description="Open a page in the browser to see a GPT-2 work on a text: walk through every "
        "array, change the model and see what follows, draw the next token and go on.",
    )
    add = parser.add_argument
    add("text", nargs="?", type=utf8, metavar="TEXT", help="the text to begin with")
    add_model(add)
    add("--port", type=port, default=0, metavar="N", help="on 127.0.0.1 (default: any free one)")
    add("--no-browser", action="store_true", help="print the address, and open no browser")
    return parser


def port(argument: str) -> int:
    """Read a port's number."""
    if not argument.isdecimal() or not 0 <= (number := int(argument)) < 65536:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {argument}")
    return number


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0, or 2 after an error, or 130 after Ctrl-C.
    """
    options = parser().parse_args(argv)
    return finish(PROGRAM, lambda: lab(options))


def lab(options: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C. Errors: a port that is taken, and those of ``load_model``."""
    engine = Engine(*load_model(options), options.model or NAME)
    try:
        server = Server(engine, options.port)
    except OSError as failure:
        if failure.errno == errno.EADDRINUSE:
            raise ValueError(
                f"port {options.port} of {HOST} is taken: choose another with --port, or leave it "
                "out for any that is free"
            ) from None
        if isinstance(failure, PermissionError):
            raise ValueError(
                f"port {options.port} is not for everybody: take one above 1023"
            ) from None
        raise
    # The page keeps its state behind the #: a link has it all.
    address = server.url + ("" if options.text is None else f"#text={quote(options.text, safe='')}")
    print(address, flush=True)
    say("Ctrl-C ends it.")
    try:
        if not options.no_browser:
            webbrowser.open(address)
        server.serve_forever()
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
