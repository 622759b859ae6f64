"""Make a quiz of what the notebooks ask a reader to guess: JSON, and a page.

    python scripts/quiz.py OUT

writes OUT/quiz.json, a list of objects with the question, what the next cell shows, and the text
after it; and OUT/quiz.html, a page without scripts on which each answer opens on a click. Both are
made from the executed notebooks (scripts/notebooks.py builds those). Needs the extra ``notebooks``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

# From a clone the package need not be installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

try:
    from book.product import product_of
    from book.quiz import as_json, as_page, questions
    from book.source import NotebookError, sources
except ImportError as missing:
    raise SystemExit(f"quiz.py: error: {missing}: pip install -e '.[notebooks]'") from None

from gptlite.command import complain
from gptlite.files import write_atomically
from gptlite.outputs import output_folder

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "quiz.py"


def main(argv: Sequence[str] | None = None, folder: Path = ROOT / "notebooks") -> int:
    """Write the quiz; return 0, or 2 on an error."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__.partition("\n")[0])
    parser.add_argument("out", metavar="OUT", help="folder to write; must be new or empty")
    options = parser.parse_args(argv)
    try:
        found = [q for path in sources(folder) for q in questions(product_of(path))]
        with output_folder(options.out, "quiz.html") as out:
            for name, content in (("quiz.json", as_json(found)), ("quiz.html", as_page(found))):
                with write_atomically(out / name) as file:
                    file.write(content)
    except (NotebookError, OSError, ValueError) as failure:
        complain(PROGRAM, failure)
        return 2
    print(f"{len(found)} questions: {out / 'quiz.html'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
