"""Measure what a model shows of what the lessons are about: a table, for any model.

    python scripts/lessons.py                      # the storyteller that ships with gptlite
    python scripts/lessons.py DIR --stories 5      # the model in DIR, and five of its stories

The figures are those of the model as it stands: nothing is trained. The texts are the stories and
the tales in the folder of test data, ``GPTLITE_TEST_DATA``. Those for validation measure; those for
training only say what a word is, what a name, and how well written stories keep their names.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

# From a clone the package need not be installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from demonstrations.tales import data_folder
from lessons.table import Lessons
from lessons.texts import Texts

import gptlite
from gptlite.command import Parser, finish, speak_utf8
from gptlite.sampling import Sampler

PROGRAM = "lessons.py"


def parser() -> Parser:
    """Define the command's options."""
    options = Parser(
        PROGRAM, description="Measure what a model shows of what the lessons are about."
    )
    add, or_else = options.add_argument, "(default: %(default)s)"
    add("model", nargs="?", metavar="MODEL", help="(default: the storyteller that ships)")
    add("--only", nargs="+", metavar="NAME", help="these measures only, by name")
    add("--seeds", type=int, default=100, metavar="N", help=f"stories to tell {or_else}")
    add("--gaps", type=int, default=200, metavar="N", help=f"sentences with a gap {or_else}")
    add("--prompt", default="Once upon a time", metavar="TEXT", help=f"of its stories {or_else}")
    add("--temperature", type=float, default=0.7, metavar="T", help=f"of its stories {or_else}")
    add("--top-k", type=int, default=40, metavar="K", help=f"of its stories {or_else}")
    add("--stories", type=int, default=0, metavar="N", help="print so many of its stories, in full")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, or 2 after an error, or 130 after Ctrl-C."""
    speak_utf8()
    return finish(PROGRAM, lambda: run(parser().parse_args(argv)))


def run(options: argparse.Namespace) -> None:
    """Measure and print: a line of the table at a time, then the stories.

    Raises:
        CheckpointError, OSError, ValueError: the model, the texts or an option is not as it should
            be.
    """
    for name in ("seeds", "gaps"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} must be at least 1, not {getattr(options, name)}")
    sampler = Sampler(options.temperature, options.top_k)
    texts = Texts(data_folder() / "corpora")
    model, tokenizer = gptlite.load(options.model)
    lessons = Lessons(model, tokenizer, texts, options.seeds, options.gaps, options.prompt, sampler)
    measures = lessons.measures()
    if unknown := set(options.only or ()) - measures.keys():
        raise ValueError(f"--only {min(unknown)}: there are {', '.join(measures)}")
    print("| measure | found | wanted | |\n|---|---|---|---|", flush=True)
    for name, measure in measures.items():
        if options.only is None or name in options.only:
            line = measure()
            yes = "yes" if line.reached else "no"
            print(f"| {line.name} | {line.figure} | {line.wanted} | {yes} |", flush=True)
    for seed, story in enumerate(lessons.stories[: options.stories] if options.stories else ()):
        end = "" if story.ended else " ..."
        print(f"\nSeed {seed}:\n\n{story.text}{end}")


if __name__ == "__main__":
    raise SystemExit(main())
