"""Build the site: a static folder with the lab, the notebooks, the reading guide and the reference.

    python scripts/site/build.py                    # dist/site
    python scripts/site/build.py --lab-only         # the lab alone, in less time and space

gptlite itself runs there, in the browser (Pyodide). Any file server will do, under any path:
``python -m http.server --directory dist``, and open http://localhost:8000/site/. The folder needs
nothing from elsewhere. Its parts are fetched once, and checked (parts.py).

Needs the extra ``site``.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

# From a clone the package need not be installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

try:
    from documents import guide_page, write_reference
    from lab_page import NAVIGATION, write_lab
    from lite import write_notebooks
    from parts import PYODIDE, PartError, parts_folder
    from runtime import build_wheel, write_pyodide
except ImportError as missing:
    raise SystemExit(f"build.py: error: {missing}: pip install -e '.[site]'") from None

from gptlite.command import complain
from gptlite.version import __version__

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "build.py"
#: Written last: a folder that has it is a whole site, and may be replaced by another.
WHOLE = "site.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Build the site; return 0, or 2 after an error."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "site", help="the folder")
    parser.add_argument("--lab-only", action="store_true", help="build the lab alone")
    options = parser.parse_args(argv)
    try:
        sizes = build(options.out, whole=not options.lab_only)
    except (PartError, OSError) as failure:
        complain(PROGRAM, failure)
        return 2
    for name, size in sizes.items():
        print(f"{size / 1e6:7.1f} MB  {name}")
    print(f"{options.out / 'index.html'}")
    return 0


def build(out: Path, whole: bool) -> dict[str, int]:
    """Build the site beside its place, and put it there when it is whole.

    Returns:
        The bytes of each part of it.

    Raises:
        PartError: a part cannot be had; or there is something else at the place.
    """
    if out.exists() and any(out.iterdir()) and not (out / WHOLE).exists():
        raise PartError(f"{out} holds something else: choose another folder with --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".site-") as folder:
        work = Path(folder)
        site = work / "site"
        site.mkdir()
        write_site(site, work, whole)
        sizes = measure(site)
        (site / WHOLE).write_text(
            json.dumps({"gptlite": __version__, "pyodide": PYODIDE, "bytes": sizes}), "utf-8"
        )
        if out.exists():
            shutil.rmtree(out)
        site.rename(out)
    return sizes


def write_site(site: Path, work: Path, whole: bool) -> None:
    """Write all parts of the site; say which on standard error, since each takes a while."""
    parts = parts_folder()
    say("gptlite's wheel")
    wheel = build_wheel(ROOT, work)
    say("Pyodide and its packages")
    write_pyodide(site / "pyodide", parts, wheel, notebooks=whole)
    say("the lab")
    write_lab(site, NAVIGATION if whole else "")
    if whole:
        say("the reading guide and the reference")
        guide = (ROOT / "notebooks" / "README.md").read_text("utf-8")
        (site / "guide.html").write_text(guide_page(guide, NAVIGATION), "utf-8")
        write_reference(site / "reference", ROOT)
        say("the notebooks")
        write_notebooks(site / "notebooks", work / "lite", parts, ROOT)


def say(what: str) -> None:
    """Say what is being written."""
    print(f"{PROGRAM}: {what} ...", file=sys.stderr, flush=True)


def measure(site: Path) -> dict[str, int]:
    """Measure the bytes of each folder of the site, and of the files on top."""
    sizes = {"the page": sum(path.stat().st_size for path in site.iterdir() if path.is_file())}
    for folder in sorted(path for path in site.iterdir() if path.is_dir()):
        sizes[folder.name] = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    return sizes


if __name__ == "__main__":
    raise SystemExit(main())
