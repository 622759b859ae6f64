"""Slides and quiz: what they take from an executed notebook, and what they leave out."""

import hashlib
import json
import re
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

pytest.importorskip("nbconvert")
pytest.importorskip("jupytext")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import nbformat
import quiz as quiz_door
import slides as slides_door
from book import lesson as lessons
from book import quiz as questions
from book import slides as decks
from book.formulas import as_html
from book.source import NotebookError

pytestmark = pytest.mark.notebooks

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
HINT = "<details><summary>Hint</summary>\n\n**Guess** half a hint.\n\n</details>"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="


def code(source, *outputs):
    return nbformat.v4.new_code_cell(source, outputs=list(outputs), execution_count=1)


def printed(text):
    return nbformat.v4.new_output("stream", text=text)


def drawn():
    return nbformat.v4.new_output("display_data", {"image/png": PNG, "text/plain": "<Figure>"})


@pytest.fixture
def folder(tmp_path):
    """A folder of notebooks: one, with its source."""
    text = nbformat.v4.new_markdown_cell
    cells = [
        text("# 1. A lesson\n\nIntroduction."),
        code("# pip install -e '.[notebooks]'\nimport gptlite"),
        text("## First\n\nBefore.\n\nContext. **Guess first:** how many <b>?\n\nTold at once."),
        code("print(1)", printed("one & two\n"), drawn()),
        text('Article: "3- Sum"\n\nIt is $x_1$.\n\nMore.\n\n## Second\n\n**Guess** again.'),
        code("\n".join(f"line_{n} = {n}" for n in range(30)), printed("hidden source")),
        code("\n".join(f"no_output_{n} = {n}" for n in range(30))),
        text("A closing word."),
        text(f"### Write it (★☆☆, 5 min)\n\nYourself.\n\n{HINT}"),
        code("def half(x):\n    ..."),
        code("check(half)"),
        text(f"## Exercises\n\n**1. Half.** (★☆☆, 5 min) **Guess** what?\n\n{HINT}"),
        code(
            'answer = ...\nprint("after the exercises")\ncheck("01.1", answer)', printed("secret")
        ),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    (tmp_path / "01_try.ipynb").write_text(nbformat.writes(notebook), encoding="utf-8")
    (tmp_path / "01_try.py").write_text("# %%\n")
    return tmp_path


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder with archives as npm packs them, and their digests where they are looked up."""
    folder, known = tmp_path / "packages", {}
    folder.mkdir()
    for name, (version, _, wanted) in decks.PACKAGES.items():
        buffer = BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for path in (*wanted, "not/wanted.js", "dist/theme/fonts/../../../out.js"):
                member = tarfile.TarInfo(f"package/{path}{'x' if path.endswith('/') else ''}")
                archive.addfile(member, BytesIO())
        (folder / f"{name}-{version}.tgz").write_bytes(buffer.getvalue())
        known[name] = (version, hashlib.sha256(buffer.getvalue()).hexdigest(), wanted)
    monkeypatch.setattr(decks, "PACKAGES", known)
    return folder


def test_questions_and_their_answers(folder):
    first, second = questions.questions(folder / "01_try.ipynb")
    assert first.section == "First"
    assert first.question == "Context. **Guess first:** how many <b>?"
    assert first.output == "one & two"
    assert first.figures == [PNG]
    assert first.answer == "Told at once.\n\nIt is $x_1$."
    assert (second.section, second.question) == ("Second", "**Guess** again.")
    assert second.output == "hidden source"


def test_the_quiz_as_json_and_as_a_page(folder, capsys, tmp_path):
    out = tmp_path / "out"
    assert quiz_door.main([str(out)], folder) == 0
    assert capsys.readouterr().out == f"2 questions: {out / 'quiz.html'}\n"
    told = json.loads((out / "quiz.json").read_bytes())
    assert [q["question"] for q in told] == [
        "Context. **Guess first:** how many <b>?",
        "**Guess** again.",
    ]
    page = (out / "quiz.html").read_text(encoding="utf-8")
    assert page.count("<details>") == 2
    assert "<pre>one &amp; two</pre>" in page
    assert '<svg role="img" aria-label="x_1"' in page and "$" not in page
    assert "<script" not in page and not re.search(r'(?:src|href)="http', page)
    assert quiz_door.main([str(out)], folder) == 2
    assert "is not empty" in capsys.readouterr().err


def test_every_formula_of_the_notebooks_can_be_drawn():
    found = [q for path in sorted(NOTEBOOKS.glob("*.ipynb")) for q in questions.questions(path)]
    page = questions.as_page(found).decode()
    assert page.count("<svg") > 3
    assert not re.search(r"\$[^$<>]*\$", re.sub(r"<(pre|code)>.*?</\1>", "", page, flags=re.DOTALL))
    with pytest.raises(ValueError, match="nonsense"):
        as_html(r"$\nonsense{x}$")
    drawn = as_html(r"$$\frac{1}{2}$$ and $x_1$")
    assert drawn.count("<svg") == 2 and 'class="formula"' in drawn


def test_slides_are_dealt_by_headings_guesses_and_room(folder):
    dealt = decks.dealt(lessons.lesson(folder / "01_try.ipynb"))
    kinds = [cell.metadata["slideshow"]["slide_type"] for cell in dealt]
    assert kinds == ["slide", "slide", "subslide", "-", "slide", "subslide", "-", "subslide", "-"]
    assert [cell.metadata["tags"] for cell in dealt][5] == ["source hidden"]
    again = decks.dealt(lessons.lesson(folder / "01_try.ipynb"))
    assert again == dealt


def test_what_does_not_fit_comes_on_the_next_slide(folder):
    cell = nbformat.v4.new_markdown_cell("\n".join(["A line."] * 15))
    pieces = [lessons.Piece("One", level, cell) for level in (2, 0, 0)]
    kinds = [cell.metadata["slideshow"]["slide_type"] for cell in decks.dealt(pieces)]
    assert kinds == ["slide", "subslide", "subslide"]


def test_a_deck_loads_nothing_from_a_server(folder, packages, capsys, tmp_path):
    out = tmp_path / "out"
    assert slides_door.main([str(out), "01", "--packages", str(packages)], folder) == 0
    assert capsys.readouterr().out == f"{out / '01_try.html'}\n"
    page = (out / "01_try.html").read_text(encoding="utf-8")
    loaded = re.findall(r'<(?:script|link|img)[^>]*\b(?:src|href)="([^"]*)"', page)
    loaded = [address for address in loaded if not address.startswith("data:")]
    assert len(loaded) > 3
    for address in loaded:
        assert (out / address).is_file(), address
    assert "require(" not in page and "import mermaid" not in page
    assert "Introduction." in page and "hidden source" in page
    for left_out in (
        "line_29",
        "no_output_29",
        "pip install",
        "secret",
        "Exercises",
        "half a hint",
    ):
        assert left_out not in page
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert not {name for name in files if "wanted" in name or name.endswith("out.js")}
    again = tmp_path / "again"
    assert slides_door.main([str(again), "--packages", str(packages)], folder) == 0
    assert (again / "01_try.html").read_bytes() == (out / "01_try.html").read_bytes()


def test_packages_that_are_not_there_or_not_these(folder, packages, capsys, tmp_path):
    archive = next(packages.glob("reveal*"))
    archive.write_bytes(b"other")
    command = [str(tmp_path / "out"), "--packages", str(packages)]
    assert slides_door.main(command, folder) == 2
    assert "wrong SHA-256" in capsys.readouterr().err
    archive.unlink()
    assert slides_door.main(command, folder) == 2
    assert f"slides.py: error: {archive}: no such file or directory" in (capsys.readouterr().err)


@pytest.mark.parametrize("content", [None, "no notebook"])
def test_a_notebook_that_is_not_built_is_an_error(tmp_path, content):
    path = tmp_path / "01_try.ipynb"
    if content is not None:
        path.write_text(content)
    with pytest.raises(NotebookError, match=r"01_try\.ipynb: not (there|a notebook)"):
        lessons.lesson(path)


def test_every_guess_in_the_notebooks_is_a_question():
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        pieces = lessons.lesson(path)
        marks = sum(
            len(lessons.GUESS.findall(piece.cell.source))
            for piece in pieces
            if piece.cell.cell_type == "markdown"
        )
        found = questions.questions(path)
        assert len(found) == marks, path.name
        assert all(q.output or q.figures or q.answer for q in found), path.name
