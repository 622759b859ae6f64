"""Fetch a public-domain book from Project Gutenberg, as plain text to train on.

    python scripts/fetch_book.py 11 -o alice.txt        # Alice's Adventures in Wonderland
    python -m gptlite.pretrain --preset class --data alice.txt --out my-model

A book's number is the last part of its address at www.gutenberg.org. The text comes without Project
Gutenberg's header and licence, in paragraphs, and with ASCII quotes and dashes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

# From a clone the package need not be installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from storyteller.books import download
from storyteller.preparing import prepare

from gptlite.command import Parser, finish
from gptlite.errors import DownloadError
from gptlite.files import write_atomically

PROGRAM = "fetch_book.py"


def parser() -> Parser:
    """Define the command's options."""
    parser = Parser(PROGRAM, description="Fetch a public-domain book from Project Gutenberg.")
    parser.add_argument("number", type=int, metavar="NUMBER", help="such as 11 for Alice")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="where to (default: book-NUMBER.txt)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, or 2 after an error, or 130 after Ctrl-C."""
    return finish(PROGRAM, lambda: fetch(parser().parse_args(argv)))


def fetch(options: argparse.Namespace) -> None:
    """Fetch the book, prepare it, and write it to a new file.

    Raises:
        DownloadError: the book cannot be fetched.
        FileExistsError: the file exists. ValueError: it is not a book. OSError: see ``open``.
    """
    path = options.output or Path(f"book-{options.number}.txt")
    if path.exists():
        raise FileExistsError(f"{path} is there already: choose another name with -o")
    try:
        text = prepare(download(options.number))
    except DownloadError as error:
        raise DownloadError(
            f"{error}; without a network, --data fables are fables that ship with gptlite"
        ) from None
    with write_atomically(path) as file:
        file.write(text.encode())
    print(f"{path}: {len(text.encode()):,} bytes")


if __name__ == "__main__":
    raise SystemExit(main())
