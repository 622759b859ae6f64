"""OpenAI's models on this machine: ``python -m gptlite.download NAME | --verify NAME | --where``.

``gptlite.load("gpt2")`` fetches by itself what it needs; here it is done beforehand, looked at, or
checked. The work is in ``gptlite.download.fetch``.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence

from gptlite.command import Parser, finish

PROGRAM = "gptlite.download"


def parser() -> Parser:
    """The command's options."""
    parser = Parser(
        PROGRAM,
        description="Fetch one of OpenAI's models, once, and print the directory it is in. "
        "The names: gpt2, gpt2-medium, gpt2-large, gpt2-xl; or small, medium, large, xl; or 124M, "
        "355M, 774M, 1558M; or 117M, 345M as the first two were called at first. gpt2@main and "
        "the like for Hugging Face's newest files in place of the known ones.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("name", nargs="?", metavar="NAME", help="fetch this model")
    what.add_argument("--verify", metavar="NAME", help="read a model that is here, and check it")
    what.add_argument("--where", action="store_true", help="print the cache, and what is in it")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status: 0, or 2 after an error, or 130 after Ctrl-C."""
    options = parser().parse_args(argv)
    resumed = "interrupted: the same command goes on where this one stopped"
    return finish(PROGRAM, lambda: download(options), lambda: resumed)


def download(options: argparse.Namespace) -> None:
    """Fetch, check or look, and print what there is. Errors: see ``checkpoints.download``."""
    from gptlite.download.fetch import fetch_model, fetch_tokenizer, verify_model

    if options.where:
        for line in inventory():
            print(line)
    elif options.verify is not None:
        print(verify_model(options.verify))
    else:
        folder = fetch_model(options.name)
        fetch_tokenizer(options.name)  # which is elsewhere if the folder has none
        print(folder)


def inventory() -> Iterator[str]:
    """The cache's folder; then, for each official model, a line on what is there of it."""
    from gptlite.download.official import SOURCES
    from gptlite.download.places import (
        cache_home,
        find_bare_model,
        find_model,
        kept_revisions,
        model_folder,
    )

    yield str(cache_home())
    for name in [*SOURCES, *kept_revisions()]:
        found, folder = find_model(name) or find_bare_model(name), model_folder(name)
        here = list(folder.iterdir()) if folder.is_dir() else []
        size = sum(file.stat().st_size for file in here if file.is_file())
        if found is not None and found != folder:
            yield f"{name:12} in Hugging Face's cache: {found}"
        elif found is not None:
            yield f"{name:12} {_in_units(size)}: {found}"
        elif size:
            yield f"{name:12} {_in_units(size)}, incomplete: {folder}"
        else:
            yield f"{name:12} not here"


def _in_units(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


if __name__ == "__main__":
    sys.exit(main())
