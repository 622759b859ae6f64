"""OpenAI's models on this machine: ``python -m gptlite.download NAME | --verify NAME | --where``.

``gptlite.load("gpt2")`` fetches the files that it needs by itself; this command fetches them
beforehand, checks them, or says where they are. The work is done in ``gptlite.download.fetch``.
"""

import argparse
import sys
from collections.abc import Sequence

from gptlite.command import Parser, finish
from gptlite.download.fetch import fetch_model, fetch_tokenizer, verify_model
from gptlite.download.official import required_name
from gptlite.download.places import inventory

PROGRAM = "gptlite download"


def parser() -> Parser:
    """Define the command's options."""
    parser = Parser(
        PROGRAM,
        description="Fetch one of OpenAI's models, once, and print the directory it is in. "
        "The names: gpt2, gpt2-medium, gpt2-large, gpt2-xl; or small, medium, large, xl; or 124M, "
        "355M, 774M, 1558M; or 117M, 345M, as the first two were originally called; or openai-gpt, "
        "which is GPT-1. gpt2@main and the like mean Hugging Face's newest files in place of the "
        "known ones.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("name", nargs="?", metavar="NAME", help="fetch this model")
    what.add_argument("--verify", metavar="NAME", help="read and check a model that is here")
    what.add_argument(
        "--where", action="store_true", help="print the download folder and its models"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, or 2 after an error, or 130 after Ctrl-C."""
    options = parser().parse_args(argv)
    resumed = "interrupted: the same command goes on where this one stopped"
    return finish(PROGRAM, lambda: download(options), lambda: resumed)


def download(options: argparse.Namespace) -> None:
    """Fetch a model, check it, or list all. Errors: see ``fetch_model`` and ``verify_model``.

    Raises:
        ValueError: a name that is not an official model's.
    """
    if options.where:
        for line in inventory():
            print(line)
    elif options.verify is not None:
        print(verify_model(required_name(options.verify)))
    else:
        name = required_name(options.name)
        folder = fetch_model(name)
        fetch_tokenizer(name)  # it is elsewhere if the folder has none
        print(folder)


if __name__ == "__main__":
    sys.exit(main())
