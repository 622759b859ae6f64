"""The command that draws the article's figures: ``python -m gptlite.figures OUT``."""

import argparse
import sys
from collections.abc import Sequence

from gptlite.command import Parser, add_model, finish, load_model, utf8
from gptlite.figures.drawing import INDEX, figures, index, write_figure
from gptlite.files import write_atomically
from gptlite.outputs import OVERWRITE, output_folder
from gptlite.views.view import pyplot

PROGRAM = "gptlite figures"
NAME = "the storyteller"
TEXT = "A robot must obey the orders given it"


def parser() -> Parser:
    """Define the command's options."""
    parser = Parser(
        PROGRAM,
        description="Draw the figures of The Illustrated GPT-2 from a model's real numbers, each "
        "as SVG and PDF. Needs matplotlib.",
    )
    add = parser.add_argument
    add("directory", metavar="OUT", help="folder to write; must be new or empty")
    add(
        "--text",
        type=utf8,
        default=TEXT,
        help="the text that the model reads, 2 to 11 tokens (default: %(default)s)",
    )
    add_model(add)
    add("--overwrite", action="store_true", help=OVERWRITE)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, or 2 after an error, or 130 after Ctrl-C."""
    options = parser().parse_args(argv)
    return finish(PROGRAM, lambda: draw(options))


def draw(options: argparse.Namespace) -> None:
    """Draw the figures, and print where their list is.

    Raises:
        ValueError: matplotlib is not installed; see also ``figures``.
        OSError: see ``outputs.output_folder``.
    """
    from tqdm import tqdm

    try:
        pyplot().switch_backend("agg")  # no window is opened
    except ModuleNotFoundError as missing:
        raise ValueError(str(missing)) from None
    with output_folder(options.directory, INDEX, options.overwrite) as out:
        model, tokenizer = load_model(options)
        drawn = []
        bar = tqdm(figures(model, tokenizer, options.text), "figures", unit="figure", disable=None)
        for number, figure in enumerate(bar, 1):
            stem = f"{number:02}-{figure.name}"
            write_figure(figure, out / stem)
            drawn.append((stem, figure))
        page = index(drawn, options.model or NAME, options.text)
        with write_atomically(out / INDEX) as file:
            file.write(page.encode())
    print(out / INDEX)


if __name__ == "__main__":
    sys.exit(main())
