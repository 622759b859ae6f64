"""Train the storyteller, the model that ships with gptlite, from the same texts again.

    python scripts/train_storyteller.py --out build/storyteller --stories DIR --books DIR

One command does all of it: it finds the stories and the books (or fetches the books from Project
Gutenberg by number), cleans the training books, trains a tokenizer and a model with gptlite's own
pre-training, writes the model in float16 to gptlite/storyteller and measures its bits per byte on
stories and books it never saw.

The repository holds no text of any of them: only numbers and titles of books, in
``storyteller/books.py``, and in the model's card where the stories come from.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

# From a clone the package need not be installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from storyteller.training import RECIPE, run, shortened

from gptlite.errors import CheckpointError, DownloadError

ROOT = Path(__file__).resolve().parent.parent


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the options of the command line."""
    parser = argparse.ArgumentParser(description="Train the model that ships with gptlite again.")
    parser.add_argument(
        "--stories",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with train and validation, each with files of short stories",
    )
    parser.add_argument("--books", type=Path, metavar="DIR", help="folder of prepared books")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="working folder")
    parser.add_argument(
        "--package",
        type=Path,
        default=ROOT / "gptlite" / "storyteller",
        metavar="DIR",
        help="where the trained model goes (default: gptlite/storyteller)",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--tokens", type=float, help="train on so many tokens, not the recipe's")
    length.add_argument("--minutes", type=float, help="train for so long, not the recipe's tokens")
    parser.add_argument("--resume", action="store_true", help="go on with a training in --out")
    parser.add_argument("--clean-only", action="store_true", help="stop when books are cleaned")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    options = parse(argv)
    recipe = shortened(RECIPE, options.tokens, options.minutes)
    try:
        return run(
            options.out,
            options.stories,
            options.books,
            recipe,
            options.package,
            options.resume,
            options.clean_only,
        )
    except (ValueError, OSError, CheckpointError, DownloadError) as error:
        print(f"train_storyteller: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
