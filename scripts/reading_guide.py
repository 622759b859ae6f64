"""Write the reading guide in notebooks/README.md: from each section of the article to its code.

    python scripts/reading_guide.py            # write the table
    python scripts/reading_guide.py --check    # write nothing; fail where the table has drifted

The article is Jay Alammar's "The Illustrated GPT-2". A function says in its docstring which
sections it is the code of, and a notebook says it in a Markdown cell, both in this form:

    Article: "2- Score" and "GPT-2 Self-attention: 2- Scoring".

One title or several, each in double quotes and to the letter as in the article, joined by commas
and "and"; a line may break anywhere. The table is made of these lines. A title that the article
does not have is an error, and so is a table without its two marks in notebooks/README.md.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

# From a clone the package need not be installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from book.guide import guide, with_guide

from gptlite.command import complain
from gptlite.files import write_atomically

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "reading_guide.py"


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Write the table, or check it; return 0, 1 where it has drifted, 2 on an error."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="fail where the table has drifted")
    options = parser.parse_args(argv)
    path = root / "notebooks" / "README.md"
    try:
        page = path.read_text(encoding="utf-8")
        wanted = with_guide(page, guide(root))
    except (OSError, ValueError, SyntaxError) as failure:
        complain(PROGRAM, failure)
        return 2
    if not options.check:
        with write_atomically(path) as file:
            file.write(wanted.encode())
    elif page != wanted:
        ways = "notebooks/README.md", "as it should be"
        print(
            *difflib.unified_diff(page.splitlines(), wanted.splitlines(), *ways, lineterm=""),
            sep="\n",
        )
        complain(PROGRAM, "the reading guide has drifted: run python scripts/reading_guide.py")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
