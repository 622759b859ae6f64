"""The labels that a fine-tuned classifier gives: ``python -m gptlite.predict DIR TEXT``."""

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import islice

from gptlite.command import Parser, finish, significant, speak_utf8, standard_input, utf8
from gptlite.finetune.examples import TEXTS, read_examples
from gptlite.finetune.finetuned import FineTuned
from gptlite.finetune.run import columns_of

PROGRAM = "gptlite predict"
AT_ONCE = 64  # examples between two progress reports


def parser() -> Parser:
    """Define the command's options."""
    parser = Parser(
        PROGRAM,
        description="Ask a classifier that gptlite finetune made for the label of a text, or of "
        "each line of a table.",
    )
    add = parser.add_argument
    add("directory", metavar="DIR", help="the --out of gptlite finetune")
    add(
        "texts",
        nargs="*",
        type=utf8,
        metavar="TEXT",
        help="the texts of one example: premise and hypothesis, say, or context and choices; - is "
        "standard input",
    )
    add("--question", type=utf8, default="", metavar="TEXT", help="of a choice, where it has one")
    add("--data", metavar="FILE", help="a table (CSV, TSV, JSON lines) instead of TEXT")
    add(
        "--columns",
        nargs="+",
        metavar="NAME=COLUMN",
        type=utf8,
        help="names of the columns in the table, such as text=sentence; a column label is ignored",
    )
    add("--json", action="store_true", help="print every label's probability, as JSON")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, or 2 after an error, or 130 after Ctrl-C."""
    speak_utf8()
    options = parser().parse_intermixed_args(argv)  # an option may stand between DIR and TEXT
    return finish(PROGRAM, lambda: predict(options))


def predict(options: argparse.Namespace) -> None:
    """Print the label of the one example, or of each line of the table.

    Raises:
        CheckpointError, OSError, ValueError: the classifier, the table or an option is not what it
            should be.
    """
    if bool(options.texts) == (options.data is not None):
        raise ValueError("give either the texts of one example, or --data with a table")
    fine_tuned = FineTuned.from_pretrained(options.directory)
    if options.data is not None:
        if options.question:
            raise ValueError("--question belongs to TEXT; a table has a column question")
        columns = columns_of(options.columns)
        found = read_examples(options.data, fine_tuned.task, columns, labelled=False)
        print_all(fine_tuned, [example.texts for example in found], options.json)
        return
    texts = [standard_input(whole=True).strip() if text == "-" else text for text in options.texts]
    if fine_tuned.task == "choice":
        texts.insert(1, options.question)
    elif options.question:
        raise ValueError(f"--question belongs to a choice; this is a {fine_tuned.task}")
    if fine_tuned.task != "choice" and len(texts) != len(TEXTS[fine_tuned.task]):
        names = " and ".join(TEXTS[fine_tuned.task])
        raise ValueError(f"{fine_tuned.task} takes {names}: found {len(texts)} texts")
    shares = shares_of(fine_tuned, [texts])[0]
    if options.json:
        print(as_json(shares))
        return
    for label, share in sorted(shares.items(), key=lambda pair: -pair[1]):
        print(f"{significant(share)}  {label}")


def print_all(fine_tuned: FineTuned, examples: Sequence[Sequence[str]], as_objects: bool) -> None:
    """Print a line for each example: its likeliest label, a tab, and the label's probability."""
    from tqdm import tqdm

    rows = iter(examples)
    with tqdm(total=len(examples), desc="predicting", unit="example", disable=None) as bar:
        while some := list(islice(rows, AT_ONCE)):
            for shares in shares_of(fine_tuned, some):
                label = max(shares, key=shares.__getitem__)
                print(as_json(shares) if as_objects else f"{label}\t{significant(shares[label])}")
            bar.update(len(some))


def shares_of(fine_tuned: FineTuned, examples: Sequence[Sequence[str]]) -> list[dict[str, float]]:
    """Compute the probability of each label for each example, ``{label: probability}``."""
    found = fine_tuned.probabilities(examples)  # [n, n_labels]
    return [dict(zip(fine_tuned.labels, row, strict=True)) for row in found.tolist()]


def as_json(shares: dict[str, float]) -> str:
    """Write the likeliest label, and the probability of each, as a JSON object.

    >>> as_json({"sad": 0.25, "merry": 0.75})
    '{"label": "merry", "probabilities": {"sad": 0.25, "merry": 0.75}}'
    """
    label = max(shares, key=shares.__getitem__)
    return json.dumps({"label": label, "probabilities": shares}, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
