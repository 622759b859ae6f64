"""The notebooks are what their sources give; and the tool that says so can say no."""

import json
import sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("jupytext")
pytest.importorskip("nbclient")
pytest.importorskip("matplotlib")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from book import execution
from book.editions import for_instructor, for_student, instructor_s
from book.product import build, check, editions, product_of, reword, solutions_of
from book.source import GUARD, INSTALL, METADATA, NotebookError, source_of, sources

import notebooks as door

pytestmark = pytest.mark.notebooks

NOTEBOOKS = door.ROOT / "notebooks"
FIRST = f"""\
# %% [markdown]
# # A notebook

# %%
{GUARD}"""
FULL = (
    FIRST
    + """
# %%
import matplotlib.pyplot as plt

from gptlite.exercises import Verdict


def check(exercise, answer):
    return Verdict(answer == 1.5, exercise, "halved")


for i in range(3):
    print("line", i, flush=True)
plt.plot([0, 1])
plt.show()
print("after")

# %%
from IPython.display import HTML

gptlite.GPTConfig()

# %%
HTML("<b>bold</b>")

# %%
gptlite.GPTConfig()

# %% [markdown]
# **1.** A question.
#
# <details><summary>Hint</summary>
#
# Words.
#
# </details>

# %%
# solution: answer = ...
answer = i + 1
print("worked out")
# end of solution
Verdict(answer == 3, "01.1", "words")

# %% [markdown] tags=["solution"]
# Three, since i is 2.

# %%
def half(x):
    # Half of x.
    # solution:
    y = x / 2

    return y
    # end of solution


# %%
check("01.2", half(answer))
"""
)


@pytest.mark.parametrize("path", sources(NOTEBOOKS), ids=lambda path: path.stem)
def test_notebook_is_what_its_source_gives(path):
    check(path)


@pytest.mark.parametrize("path", sources(NOTEBOOKS), ids=lambda path: path.stem)
def test_cells_are_the_source_s(path):
    given = editions(path, instructor_s(source_of(path)))
    for product, notebook in given.items():
        cells = [(cell["id"], "".join(cell["source"])) for cell in read(product)]
        assert cells == [(cell.id, cell.source) for cell in notebook.cells]


@pytest.fixture
def write(tmp_path):
    """Write a source: the first cell, then the given ones."""

    def source(*cells, first=FIRST):
        path = tmp_path / "01_try.py"
        path.write_text("\n".join([first, *cells]))
        return path

    return source


@pytest.fixture
def built(write):
    """A source with every kind of output, and its notebook."""
    path = write(first=FULL)
    build(path)
    return path


def test_build_gives_the_same_file_each_time_and_check_agrees(built):
    product = product_of(built)
    first = product.read_bytes()
    build(built)
    assert product.read_bytes() == first
    check(built)


def read(path):
    """Read a notebook's cells."""
    return json.loads(path.read_bytes())["cells"]


def test_what_is_in_the_file(built):
    notebook = json.loads(product_of(built).read_bytes())
    cells = notebook["cells"]
    assert notebook["metadata"] == METADATA
    assert len({cell["id"] for cell in cells}) == len(cells) == 10  # two have the same text
    assert all(cell["metadata"] == {} for cell in cells)
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [1, 2, 3, 4, 5, None, None, None]
    before, figure, after = code[1]["outputs"]
    assert "".join(before["text"]) == "line 0\nline 1\nline 2\n"
    assert figure["data"].keys() == {"image/png", "text/plain"}
    assert "".join(figure["data"]["text/plain"]) == "<Figure size 640x480 with 1 Axes>"
    assert "".join(after["text"]) == "after\n"


def test_the_student_s_edition_lacks_the_solutions_and_nothing_else(built):
    students, instructors = read(product_of(built)), read(solutions_of(built))
    [explained] = [cell for cell in instructors if cell["source"] == ["Three, since i is 2."]]
    instructors.remove(explained)
    different = [
        ("".join(a["source"]), "".join(b["source"]))
        for a, b in zip(students, instructors, strict=True)
        if a["source"] != b["source"]
    ]
    assert different == [
        (
            'answer = ...\nVerdict(answer == 3, "01.1", "words")',
            'answer = i + 1\nprint("worked out")\nVerdict(answer == 3, "01.1", "words")',
        ),
        (
            "def half(x):\n    # Half of x.\n    ...",
            "def half(x):\n    # Half of x.\n    y = x / 2\n\n    return y",
        ),
    ]
    assert [cell["id"] for cell in students] == [cell["id"] for cell in instructors]
    assert students[:7] == instructors[:7]
    assert not any(cell["outputs"] for cell in students[7:])
    assert "worked out" in "".join(instructors[7]["outputs"][0]["text"])
    assert "✓ 01.2: halved" in "".join(instructors[9]["outputs"][0]["data"]["text/plain"])


def test_a_notebook_without_solutions_has_one_edition(write):
    path = write()
    build(path)
    assert not solutions_of(path).exists()


def test_marks_of_solutions():
    first = "a = 1\n# solution:\nb = 2\n# end of solution\n"
    code = f"{first}# solution: c = ...\nc = 3\n# end of solution"
    assert for_student(code) == "a = 1\n...\nc = ..."
    assert for_instructor(code) == "a = 1\nb = 2\nc = 3"


def test_check_sees_a_solution_that_changes_in_the_notebook_alone(built):
    solutions = solutions_of(built)
    solutions.write_text(solutions.read_text().replace("worked out", "guessed"))
    with pytest.raises(NotebookError, match=r"solutions/01_try.ipynb: differs"):
        check(built)
    solutions.unlink()
    with pytest.raises(NotebookError, match=r"there is no solutions/01_try\.ipynb: build it"):
        check(built)


def test_reword_keeps_the_outputs_of_code_that_is_the_same(built):
    first = product_of(built).read_bytes(), solutions_of(built).read_bytes()
    reword(built)
    assert (product_of(built).read_bytes(), solutions_of(built).read_bytes()) == first
    built.write_text(built.read_text().replace("A question", "Another").replace("i + 1", "1 + i"))
    reword(built)
    assert "Another" in product_of(built).read_text()
    assert [len(cell.get("outputs", [])) for cell in read(solutions_of(built))] == [
        *(0, 0, 3, 1, 1, 1, 0, 0, 0, 0, 1)
    ]


def test_the_readers_own_settings_count_for_nothing(built, monkeypatch, tmp_path):
    first = product_of(built).read_bytes()
    (tmp_path / "mine").write_text("figure.dpi: 20\n")
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path / "mine"))
    build(built)
    assert product_of(built).read_bytes() == first


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ('"line"', '"row"', "-line 2\n+row 0"),
        ("# # A notebook", "# # A page", "-# A notebook\n+# A page"),
        ("gptlite.GPTConfig()", "gptlite.GPTConfig(n_layer=1)", "n_layer=1"),
        ("plt.plot([0, 1])\nplt.show()\n", "", "image/png"),
        ('HTML("<b>bold</b>")', "1", "text/html"),
    ],
)
def test_check_shows_what_differs(built, old, new, shown):
    built.write_text(built.read_text().replace(old, new))
    with pytest.raises(NotebookError, match=r"(?s)01_try\.ipynb: differs") as caught:
        check(built)
    assert shown in str(caught.value)


def test_check_sees_text_that_changes_in_the_notebook_alone(built):
    product = product_of(built)
    product.write_text(product.read_text().replace("after\\n", "later\\n"))
    with pytest.raises(NotebookError, match=r"(?s)-later\n\+after"):
        check(built)


def test_check_leaves_open_how_a_picture_and_html_look(built):
    product = product_of(built)
    notebook = json.loads(product.read_text())
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    for output in outputs:
        for kind in {"image/png", "text/html"} & output.get("data", {}).keys():
            output["data"][kind] = "AAAA"
    product.write_text(json.dumps(notebook))
    check(built)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("# %%\n1 / 0", "a cell failed:.*ZeroDivisionError"),
        ("# %%\nimport sys\nprint('oh', file=sys.stderr)", "standard error:\noh"),
        ("# %%\nimport warnings\nwarnings.warn('old')", "standard error:.*old"),
        ("# %%\ngptlite.__file__", "a path of this machine"),
        ("# %%\nimport os\nprint(os.getcwd())", "a path of this machine"),
        ("# %%\nimport os\nos._exit(1)", "a cell failed:"),
        ("# %% [raw]\n# x", "a cell is raw"),
        (
            "# %% [markdown]\n# Its slot\n# #9 is index 8.",
            "a line that some take for a heading: #9",
        ),
    ],
)
def test_notebook_that_is_refused(write, cell, message):
    path = write(cell)
    with pytest.raises(NotebookError, match=rf"(?s)01_try\.py: .*{message}"):
        build(path)
    assert not product_of(path).exists()


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("# %%\n# solution:\nassert 1 == 2\n# end of solution", "a cell failed:.*AssertionError"),
        ("# %%\n# solution:\n1\n", "expected each `# solution:` to have its `# end of solution`"),
        (
            "# %%\n1\n# end of solution",
            "expected each `# solution:` to have its `# end of solution`",
        ),
        (
            "# %%\nfrom gptlite.exercises import Verdict\nVerdict(False, '01.1', 'no')",
            "a solution does not pass its check:\n✗ 01.1: no",
        ),
        (
            "# %% [markdown]\n# <details><summary>Answer</summary>\n#\n# Words.\n#\n# </details>",
            "expected hidden parts as <details><summary>Hint",
        ),
        ("# %% [markdown]\n# <details><summary>Hint</summary>\n# Words.", "expected hidden parts"),
    ],
)
def test_solution_or_hint_that_is_refused(write, cell, message):
    with pytest.raises(NotebookError, match=rf"(?s)01_try\.py: {message}"):
        build(write(cell))


@pytest.mark.parametrize(
    "first", ["# %%\nimport gptlite\n", f"# %%\n# {INSTALL}\nimport gptlite\n"]
)
def test_first_cell_must_say_how_to_install(write, first):
    with pytest.raises(NotebookError, match=r"01_try\.py: expected the first code cell"):
        build(write(first=first))


def test_limits(write, monkeypatch):
    path = write("# %%\nimport time\ntime.sleep(60)")
    with monkeypatch.context() as patch:
        patch.setattr(execution, "LIMIT_S", 1)
        with pytest.raises(NotebookError, match="a cell failed:"):
            build(path)
    with monkeypatch.context() as patch:
        patch.setattr(execution, "time", SimpleNamespace(monotonic=count(0, 70).__next__))
        with pytest.raises(NotebookError, match="took 140 s, more than 120"):
            build(write())
    with monkeypatch.context() as patch:
        patch.setattr(execution, "LIMIT_BYTES", 400)
        with pytest.raises(NotebookError, match="bytes, more than 400"):
            build(write())


def test_check_needs_both_files(write):
    path = write()
    with pytest.raises(NotebookError, match=r"there is no 01_try\.ipynb: build it"):
        check(path)
    path.unlink()
    product_of(path).write_text("{}")
    assert sources(path.parent) == [path]
    with pytest.raises(NotebookError, match=r"there is no source 01_try\.py"):
        check(path)


def test_command(write, capsys, tmp_path):
    path = write()
    (tmp_path / "02_other.py").write_text("# %%\n1\n")
    assert door.main(["build", "01"], tmp_path) == 0
    assert capsys.readouterr().out.startswith("01_try: ")
    assert door.main(["check", "01_try"], tmp_path) == 0
    assert door.main(["check"], tmp_path) == 1
    printed = capsys.readouterr()
    assert "02_other.py: there is no 02_other.ipynb" in printed.err
    assert door.main(["build", "0"], tmp_path) == 1
    assert "no notebook '0'" in capsys.readouterr().err
    assert product_of(path).exists()
