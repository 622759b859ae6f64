"""The command: ``python -m gptlite.finetune`` (run.py does the work)."""

from collections.abc import Sequence
from pathlib import Path

from gptlite.command import Parser, add_model, finish, speak_utf8, utf8
from gptlite.fast.threads import cpu_count
from gptlite.finetune.completions import Completion
from gptlite.finetune.epochs import GPT_1
from gptlite.finetune.examples import TEXTS
from gptlite.finetune.finetuned import WEIGHTS_FILE
from gptlite.finetune.run import NARROW, NARROW_RATE, learn_task, learn_text
from gptlite.outputs import OVERWRITE, output_folder

PROGRAM = "gptlite finetune"


def parser() -> Parser:
    """Define the command's options."""
    parser = Parser(PROGRAM, description="Teach a trained model a task, or train it on more text.")
    add, or_else = parser.add_argument, "(default: %(default)s)"
    add("--data", nargs="+", required=True, metavar="PATH", help="examples or texts: see below")
    add("--validation", nargs="+", metavar="PATH", help="more of them, to measure on")
    add("--out", required=True, metavar="DIR", help="folder to write; must be new or empty")
    add_model(add)
    add("--overwrite", action="store_true", help=OVERWRITE)
    add(
        "--objective",
        choices=["task", "lm"],
        default="task",
        help="task: labelled texts (the default); lm: next-token prediction on more text",
    )
    add(
        "--task",
        choices=TEXTS,
        help="classification: one text; entailment: premise and hypothesis, in order; similarity: "
        "two texts without an order; choice: the best of several answers",
    )
    add(
        "--columns",
        nargs="+",
        metavar="NAME=COLUMN",
        type=utf8,
        help="names of the columns in the file, such as text=sentence label=class",
    )
    add(
        "--arm",
        metavar="ARM",
        help="full: everything learns (the default); frozen: only the head; scratch: from random "
        "weights; a number: that many blocks and the embeddings are kept, the rest are drawn anew",
    )
    add("--lm-weight", type=float, metavar="X", help="lambda of the auxiliary loss (default: 0.5)")
    add(
        "--n-ctx",
        type=int,
        metavar="N",
        help="the most tokens in a row, or with --objective lm in a window of text (default: the "
        "model's)",
    )
    add(
        "--mask-prompts",
        action="store_true",
        help="with --objective lm: learn only the completions",
    )
    add("--epochs", type=int, default=GPT_1.epochs, metavar="N", help=or_else)
    add("--batch", type=int, default=GPT_1.batch, metavar="N", help=f"examples per step {or_else}")
    add(
        "--learning-rate",
        type=float,
        metavar="X",
        help=f"the peak (default: GPT-1's {GPT_1.learning_rate}; for models narrower than "
        f"{NARROW}, such as the storyteller, {NARROW_RATE})",
    )
    add(
        "--warm-up",
        type=float,
        default=GPT_1.warm_up,
        metavar="X",
        help=f"share of the steps before the peak {or_else}",
    )
    add("--weight-decay", type=float, default=GPT_1.weight_decay, metavar="X", help=or_else)
    add("--dropout", type=float, default=GPT_1.dropout, metavar="X", help=or_else)
    add("--seed", type=int, default=0, metavar="N", help=f"for everything random {or_else}")
    add(
        "--threads",
        type=int,
        default=cpu_count(),
        metavar="N",
        help="parts of a batch computed side by side; each takes memory (default: all processors)",
    )
    columns = "; ".join(f"{task}: {', '.join(names)}" for task, names in TEXTS.items())
    parser.epilog = (
        f"Data of a task: CSV, TSV or JSON lines with the column label and the task's columns "
        f"({columns} if there is one, choice_1, choice_2 ...; its label is the number of the right "
        f"choice). Data of --objective lm: text files (lines that are exactly <|endoftext|> part "
        f"the documents of a file), JSON lines with the column text, folders of these, or tables "
        f"with the columns {' and '.join(Completion._fields)}."
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0, or 2 after an error, or 130 after Ctrl-C.
    """
    speak_utf8()
    options = parser().parse_args(argv)
    weights = Path(options.out) / WEIGHTS_FILE
    before = written(weights)

    def work() -> None:
        with output_folder(options.out, WEIGHTS_FILE, options.overwrite):
            (learn_text if options.objective == "lm" else learn_task)(options)

    def interrupted() -> str:
        saved = written(weights) not in (None, before)
        return "interrupted" + (f": the best model so far is in {options.out}" if saved else "")

    return finish(PROGRAM, work, interrupted)


def written(path: Path) -> tuple[int, int] | None:
    """Return what changes whenever a file is written; None if there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


if __name__ == "__main__":
    raise SystemExit(main())
