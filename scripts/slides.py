"""Make slides of the notebooks: for each a deck in HTML, of its own cells, by reveal.js.

    python scripts/slides.py OUT                        # fetches reveal.js and MathJax with npm
    python scripts/slides.py OUT 04 05                  # only these notebooks
    python scripts/slides.py OUT --packages FOLDER      # their archives are there already

Open OUT/04_masked_self_attention.html in a browser: the slides load everything from OUT/assets, and
need no network. To the right is the next section, below it the rest of a section; what answers a
"Guess" is always on a slide of its own. Exercises, hints and checks are left out. A PDF: open the
page with ``?print-pdf`` behind its name, and print it.

Made from the executed notebooks (scripts/notebooks.py builds those). Needs the extra ``notebooks``,
and npm or FOLDER with the archives that ``npm pack`` fetches.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

# From a clone the package need not be installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

try:
    from book.product import product_of
    from book.slides import deck, fetch_packages, take_assets
    from book.source import NotebookError, sources
except ImportError as missing:
    raise SystemExit(f"slides.py: error: {missing}: pip install -e '.[notebooks]'") from None

from tqdm import tqdm

from gptlite.command import complain
from gptlite.files import write_atomically
from gptlite.outputs import output_folder

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "slides.py"
WHOLE = "assets"  # comes last


def main(argv: Sequence[str] | None = None, folder: Path = ROOT / "notebooks") -> int:
    """Write the slides; return 0, or 2 on an error."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__.partition("\n")[0])
    parser.add_argument("out", metavar="OUT", help="folder to write; must be new or empty")
    parser.add_argument("names", nargs="*", metavar="NAME", help="04 (default: all)")
    parser.add_argument("--packages", type=Path, help="folder with the archives of npm's packages")
    options = parser.parse_args(argv)
    try:
        paths = sources(folder, options.names)
        with tempfile.TemporaryDirectory() as fetched, output_folder(options.out, WHOLE) as out:
            if options.packages is None:
                fetch_packages(Path(fetched))
            for path in tqdm(paths, "slides", unit="deck", disable=None):
                with write_atomically(out / f"{path.stem}.html") as file:
                    file.write(deck(product_of(path)))
            take_assets(out, options.packages or Path(fetched))
    except (NotebookError, OSError, ValueError) as failure:
        complain(PROGRAM, failure)
        return 2
    for path in paths:
        print(out / f"{path.stem}.html")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
