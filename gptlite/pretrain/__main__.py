"""The command: ``python -m gptlite.pretrain`` (run.py does the work)."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from gptlite.command import Parser, finish
from gptlite.pretrain.run import pretrain, read_run_file
from gptlite.pretrain.trainer import STATE_FILE

PROGRAM = "gptlite.pretrain"
MAY_CHANGE = ("validation", "every", "sample")  # with --resume: the model does not depend on them


def parser() -> Parser:
    """Define the command's options."""
    parser = Parser(PROGRAM, description="Train a GPT-2 from scratch on text files.")
    add, or_else = parser.add_argument, "(default: %(default)s)"
    add("--data", nargs="+", metavar="PATH", help="text files, or folders of .txt files")
    add("--validation", nargs="+", metavar="PATH", help="texts to measure on, in the same form")
    add("--out", required=True, metavar="DIR", help="the run's directory")
    add("--resume", action="store_true", help="go on with the run in --out, with its options")
    add("--tokenizer", metavar="PATH", help="a tokenizer's file or folder, instead of learning one")
    add("--n-vocab", type=int, default=4096, metavar="N", help=f"tokens to learn {or_else}")
    add("--n-ctx", type=int, default=256, metavar="N", help=f"positions {or_else}")
    add("--n-embd", type=int, default=256, metavar="N", help=f"width of the model {or_else}")
    add("--n-head", type=int, default=4, metavar="N", help=f"attention heads {or_else}")
    add("--n-layer", type=int, default=6, metavar="N", help=f"decoder blocks {or_else}")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument(
        "--tokens", type=float, default=10e6, metavar="N", help="train on N (default: 10 million)"
    )
    budget.add_argument("--minutes", type=float, metavar="M", help="or train for about M minutes")
    add("--batch", type=int, default=16, metavar="N", help=f"sequences per step {or_else}")
    add("--learning-rate", type=float, default=1e-3, metavar="X", help=f"the peak {or_else}")
    add("--weight-decay", type=float, default=0.1, metavar="X", help=f"for matrices {or_else}")
    add("--dropout", type=float, default=0.0, metavar="X", help=f"share dropped {or_else}")
    add("--seed", type=int, default=0, metavar="N", help=f"for everything random {or_else}")
    add("--every", type=int, default=250, metavar="N", help=f"steps between reports {or_else}")
    add("--sample", default="Once upon a time", metavar="TEXT", help="how the samples begin")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0, or 2 after an error, or 130 after Ctrl-C.
    """
    options = parser().parse_args(argv)
    out = Path(options.out)

    def work() -> None:
        pretrain(options if not options.resume else options_of_run(argv, out))

    def interrupted() -> str:
        begun = (out / STATE_FILE).exists()
        return "interrupted" + (f": --resume goes on from {options.out}" if begun else "")

    return finish(PROGRAM, work, interrupted)


def options_of_run(argv: Sequence[str] | None, out: Path) -> argparse.Namespace:
    """Read the options that a run began with: ``--resume`` need not repeat them.

    Raises:
        CheckpointError: there is no run to resume.
        ValueError: an option contradicts the run.
    """
    begun_with = read_run_file(out)["options"]
    options = parser().parse_args(argv, argparse.Namespace(**begun_with))
    for name, value in begun_with.items():
        given = getattr(options, name)
        if name not in MAY_CHANGE and given != value:
            raise ValueError(
                f"--{name.replace('_', '-')} {given}: the run in {out} began with {value}; "
                "--resume cannot change that"
            )
    return options


if __name__ == "__main__":
    raise SystemExit(main())
