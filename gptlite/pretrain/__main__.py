"""The command: ``python -m gptlite.pretrain`` (run.py does the work)."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from gptlite.command import Parser, finish, speak_utf8, utf8
from gptlite.outputs import OVERWRITE
from gptlite.pretrain.presets import PRESETS
from gptlite.pretrain.run import pretrain, read_run_file
from gptlite.pretrain.trainer import REPORT_SECONDS, STATE_FILE

PROGRAM = "gptlite pretrain"
DEFAULT_TOKENS = 10e6
# With --resume these may change: the model does not depend on them.
MAY_CHANGE = ("validation", "every", "report_seconds", "sample")


def parser() -> Parser:
    """Define the command's options."""
    parser = Parser(PROGRAM, description="Train a GPT-2 from scratch on text files.")
    add, or_else = parser.add_argument, "(default: %(default)s)"
    add(
        "--data",
        nargs="+",
        metavar="PATH",
        help="text files, or folders of them; lines that are exactly <|endoftext|> part the "
        'documents of a file; in JSON lines (.jsonl) each row is one, the column "text"; "fables" '
        "are 81 fables that ship with gptlite",
    )
    add("--validation", nargs="+", metavar="PATH", help="texts to measure on, in the same form")
    add("--out", required=True, metavar="DIR", help="the run's directory")
    add("--resume", action="store_true", help="go on with the run in --out, with its options")
    add("--overwrite", action="store_true", help=OVERWRITE)
    add("--preset", choices=PRESETS, help="sizes and recipe for a lesson: see below")
    add("--tokenizer", metavar="PATH", help="a tokenizer's file or folder, instead of learning one")
    add("--n-vocab", type=int, default=4096, metavar="N", help=f"tokens to learn {or_else}")
    add("--n-ctx", type=int, default=256, metavar="N", help=f"positions {or_else}")
    add("--n-embd", type=int, default=256, metavar="N", help=f"width of the model {or_else}")
    add("--n-head", type=int, default=4, metavar="N", help=f"attention heads {or_else}")
    add("--n-layer", type=int, default=6, metavar="N", help=f"decoder blocks {or_else}")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument(
        "--tokens", type=float, metavar="N", help="train on N (default: 10 million)"
    )
    budget.add_argument(
        "--minutes", type=float, metavar="M", help="or train for M minutes, reports included"
    )
    add("--batch", type=int, default=16, metavar="N", help=f"sequences per step {or_else}")
    add("--learning-rate", type=float, default=1e-3, metavar="X", help=f"the peak {or_else}")
    add("--weight-decay", type=float, default=0.1, metavar="X", help=f"for matrices {or_else}")
    add("--dropout", type=float, default=0.0, metavar="X", help=f"share dropped {or_else}")
    add("--seed", type=int, default=0, metavar="N", help=f"for everything random {or_else}")
    add("--every", type=int, default=250, metavar="N", help=f"steps between reports {or_else}")
    add(
        "--report-seconds",
        type=float,
        default=REPORT_SECONDS,
        metavar="X",
        help=f"report after so many seconds if that is sooner {or_else}",
    )
    add(
        "--sample",
        type=utf8,
        default="Once upon a time",
        metavar="TEXT",
        help=f"what the sample in each report begins with {or_else}",
    )
    parser.epilog = "Presets: " + "; ".join(
        f"{name}: "
        + " ".join(f"--{option.replace('_', '-')} {value:g}" for option, value in of.items())
        for name, of in PRESETS.items()
    )
    return parser


def parsed(
    argv: Sequence[str] | None, begun_with: argparse.Namespace | None = None
) -> argparse.Namespace:
    """Read the options: those given, else the preset's, else the defaults.

    Args:
        begun_with: the options of a run to resume, in place of preset and defaults.
    """
    command = parser()
    options = command.parse_args(argv, begun_with)
    if options.preset and begun_with is None:
        preset = dict(PRESETS[options.preset])
        if options.tokens is not None:  # given, so that the preset's minutes do not count
            del preset["minutes"]
        command.set_defaults(**preset)
        options = command.parse_args(argv)
    if options.tokens is None and options.minutes is None:
        options.tokens = DEFAULT_TOKENS
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0, or 2 after an error, or 130 after Ctrl-C.
    """
    speak_utf8()
    options = parsed(argv)
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
    options = parsed(argv, argparse.Namespace(**begun_with))
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
