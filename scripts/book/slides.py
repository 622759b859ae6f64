"""Slides: an executed notebook's own cells, dealt out onto slides that run without a network."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter
from nbformat import NotebookNode
from traitlets.config import Config

from book.lesson import GUESS, Piece, lesson

HERE = Path(__file__).resolve().parent
ROOM = 24  # lines of text that fit on a slide
WIDE = 90  # characters in a line
FIGURE = 14  # lines that a figure takes up
LONG = 16  # lines of code; of more, only what they give is shown

# npm's packages that the slides load: version, SHA-256 of the archive, the files needed of it.
PACKAGES = {
    "reveal.js": (
        "5.2.1",
        "359b575dd51bbda32f89b2fd4c7dc46ad7389a805572158916c29252f7a27333",
        (
            "dist/reveal.js",
            "dist/reveal.css",
            "dist/theme/white.css",
            "dist/theme/fonts/",
            "LICENSE",
        ),
    ),
    "mathjax": (
        "3.2.2",
        "1b9c0a1c44df864e915690558e72adb9cc5203360daefd385084ced3b6c64c09",
        ("es5/tex-svg.js", "LICENSE"),
    ),
}


def deck(path: Path) -> bytes:
    """Make the slides of an executed notebook: an HTML page that loads from ``assets/`` beside it.

    A heading begins a slide to the right; what does not fit, and what answers a "Guess", comes on
    the next slide below.

    Raises:
        NotebookError: see ``lesson``.
    """
    pieces = lesson(path)
    notebook = nbformat.v4.new_notebook(
        cells=dealt(pieces), metadata={"title": pieces[0].heading if pieces else path.stem}
    )
    exporter = SlidesExporter(
        template_name="deck",
        extra_template_basedirs=[str(HERE)],
        reveal_url_prefix="assets/reveal.js",
        reveal_theme="white",
        config=Config(
            TagRemovePreprocessor={"enabled": True, "remove_input_tags": {"source hidden"}}
        ),
    )
    page, _ = exporter.from_notebook_node(notebook)
    return str(page).encode()


def dealt(pieces: list[Piece]) -> list[NotebookNode]:
    """Deal the pieces of a lesson out onto slides: cells marked as nbconvert reads them."""
    cells = []
    used, guess = 0, False
    for piece in pieces:
        cell, tags = piece.cell.copy(), []
        if cell.cell_type == "code" and cell.source.count("\n") >= LONG:
            if not cell.outputs:
                continue
            tags = ["source hidden"]
        if piece.level:
            cell.source = f"{'#' * min(piece.level, 3)} {piece.heading}\n\n{cell.source}"
        height = lines_of(cell, source=not tags)
        if piece.level in (1, 2):
            kind, used = "slide", 0
        elif piece.level or guess or used + height > ROOM:
            kind, used = "subslide", 0
        else:
            kind = "-"
        cell.metadata = nbformat.from_dict({"slideshow": {"slide_type": kind}, "tags": tags})
        cell.id = f"cell-{len(cells)}"
        used += height
        guess = cell.cell_type == "markdown" and bool(GUESS.search(cell.source))
        cells.append(cell)
    return cells


def lines_of(cell: NotebookNode, source: bool) -> int:
    """Estimate how many lines of a slide a cell takes up, with its source or without."""
    lines = 0
    if source:
        lines = sum(1 + len(line) // WIDE for line in cell.source.splitlines())
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "image/png" in data:
            lines += FIGURE
        else:
            lines += 1 + str(output.get("text", data.get("text/plain", ""))).count("\n")
    return lines


def take_assets(out: Path, packages: Path) -> None:
    """Unpack what the slides load into ``out/assets``.

    Args:
        packages: a folder with the packages' archives, as ``npm pack`` names them.

    Raises:
        OSError: an archive is not there, or a file cannot be written.
        ValueError: an archive is not the one that is expected.
    """
    for name, (version, digest, wanted) in PACKAGES.items():
        archive = packages / f"{name}-{version}.tgz"
        if hashlib.sha256(archive.read_bytes()).hexdigest() != digest:
            raise ValueError(f"{archive}: not {name} {version} as npm has it: wrong SHA-256")
        folders = tuple(path for path in wanted if path.endswith("/"))
        with tarfile.open(archive) as members:
            for member in members:
                inside = member.name.removeprefix("package/")
                if inside not in wanted and not inside.startswith(folders):
                    continue
                content = members.extractfile(member)
                if content is None or ".." in inside:  # no file, or one that belongs elsewhere
                    continue
                place = out / "assets" / name / inside
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content.read())


def fetch_packages(folder: Path) -> None:
    """Fetch the archives with npm.

    Raises:
        OSError: npm is not there.
        ValueError: npm could not fetch one; the message is its own.
    """
    for name, (version, _, _) in PACKAGES.items():
        command = [
            "npm",
            "pack",
            "--silent",
            "--pack-destination",
            str(folder),
            f"{name}@{version}",
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise ValueError(f"npm pack {name}@{version}: {done.stderr.strip() or done.stdout}")
