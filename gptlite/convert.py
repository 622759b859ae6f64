"""A model from one format to another: ``python -m gptlite.convert MODEL DIR --format openai``."""

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from gptlite.checkpoints.hub import CONFIG_FILE
from gptlite.checkpoints.writing import check_format, check_place
from gptlite.command import Parser, add_model_parts, finish, load_model
from gptlite.outputs import OVERWRITE, check_room, output_folder

PROGRAM = "gptlite convert"
WRITTEN_LAST = {"hub": CONFIG_FILE, "openai": "checkpoint"}


def parser() -> Parser:
    """Define the command's options."""
    parser = Parser(PROGRAM, description="Write a model and its tokenizer in another format.")
    add = parser.add_argument
    add("model", metavar="MODEL", help="a name, a directory, or a file of weights of any format")
    add("directory", metavar="DIR", help="folder to write; must be new or empty")
    add(
        "--format",
        choices=["hub", "openai"],
        default="hub",
        help="hub: config.json and model.safetensors, for Hugging Face transformers (the default); "
        "openai: hparams.json and a TensorFlow checkpoint",
    )
    add(
        "--dtype",
        choices=["float32", "float16"],
        default="float32",
        help="float16 makes files of half the size, in the format hub",
    )
    add_model_parts(add)
    add("--overwrite", action="store_true", help=OVERWRITE)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, or 2 after an error, or 130 after Ctrl-C."""
    options = parser().parse_args(argv)
    return finish(PROGRAM, lambda: convert(options))


def convert(options: argparse.Namespace) -> None:
    """Read the model, write it, and print the directory.

    Errors: see ``save_pretrained`` and ``outputs.output_folder``.
    """
    # Check these before the slow work.
    check_format(options.dtype, options.format)
    if options.directory:  # without a name, output_folder refuses it
        check_place(options.directory, options.format, with_tokenizer=True)
    with output_folder(options.directory, WRITTEN_LAST[options.format], options.overwrite):
        model, tokenizer = load_model(options)
        check_room(options.directory, np.dtype(options.dtype).itemsize * model.config.n_params)
        tokenizer.save_pretrained(options.directory, options.format)
        model.save_pretrained(options.directory, options.dtype, options.format)
    print(options.directory)


if __name__ == "__main__":
    sys.exit(main())
