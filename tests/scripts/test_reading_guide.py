"""The reading guide: every section of the article has its function, and the table is up to date."""

import doctest
import importlib
import json
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import reading_guide
from book import article, guide
from book.article import PARTS, SECTIONS
from book.guide import BEGIN, END, Place, cited_sections

from gptlite.article import ARTICLE

# The headings of the article, each after its id: kramdown makes them from the post's source.
HEADINGS = Path(__file__).resolve().parents[1] / "fixtures" / "article" / "headings.tsv"

NOTEBOOK = """\
# %% [markdown]
# # Attention
#
# ## 1. Scores
#
# Article: "2- Score" and
# "GPT-2 Self-attention: 2- Scoring".
#
# ## 2. `Values`

# %%
# Article: "Input Encoding" in a code cell counts for nothing
1 + 1

# %% [markdown]
# Article: "3- Sum".
"""
MODULE = '''\
"""A module. Article: "Model Output"."""


class Part:
    """A class."""

    def work(self):
        """A method. Article: "2- Score", "Input Encoding", and "Model
        Output"."""

        def inner():
            """Article: "3- Sum"."""
'''


@pytest.fixture
def checkout(tmp_path):
    """A checkout with one module, one notebook, and an empty table."""
    (tmp_path / "gptlite").mkdir()
    (tmp_path / "gptlite" / "part.py").write_text(MODULE)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "04_attention.py").write_text(NOTEBOOK)
    (tmp_path / "notebooks" / "README.md").write_text(f"# Notebooks\n\n{BEGIN}\n{END}\n\nEnd.\n")
    return tmp_path


def test_every_section_of_the_article_has_a_function():
    cited = {section for section, place in guide.citations_in_code() if place.name}
    assert [section for section in SECTIONS if section not in cited] == []


def test_the_committed_table_has_not_drifted(capsys):
    status = reading_guide.main(["--check"])
    assert status == 0, "".join(capsys.readouterr())


def test_what_the_table_names_can_be_imported():
    for _, (file, name) in guide.citations_in_code():
        parts = [part for part in file.with_suffix("").parts if part != "__init__"]
        thing = importlib.import_module(".".join(parts))
        for attribute in filter(None, name.split(".")):
            thing = getattr(thing, attribute)


def test_sections_are_those_of_the_article():
    assert len(SECTIONS) == len(set(SECTIONS)) == 15 + 16 + 4
    assert not any('"' in section or "|" in section for section in SECTIONS)


def article_s_headings():
    """The titles of the article's headings, by their ids."""
    lines = HEADINGS.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)


def test_every_link_into_the_article_goes_to_one_of_its_headings():
    titles = article_s_headings()
    linked = re.findall(rf"\[([^][]+)\]\({ARTICLE}#([^)]+)\)", guide.guide())
    assert [titles.get(anchor) for _, anchor in linked] == [title for title, _ in linked]
    assert {title for title, _ in linked} == {*SECTIONS, *(part.title for part in PARTS)}
    assert set(titles.values()) - {title for title, _ in linked} == {
        *("Conclusion", "Resources", "Acknowledgements")
    }


@pytest.mark.parametrize("edition", ["", "solutions"])
def test_a_notebook_links_every_section_that_it_cites(edition):
    titles, linked = article_s_headings(), Counter()
    for path in sorted((guide.ROOT / "notebooks" / edition).glob("*.ipynb")):
        cells = json.loads(path.read_bytes())["cells"]
        for cell in cells:
            text = "".join(cell["source"]) if cell["cell_type"] == "markdown" else ""
            for title, anchor in re.findall(rf'\["([^"]+)"\]\({ARTICLE}#([^)]+)\)', text):
                title = " ".join(title.split())
                assert titles.get(anchor) == title, path.name
                linked[path.stem, title] += 1
    cited = Counter((place.file.stem, title) for title, place in guide.citations_in_notebooks())
    assert cited and cited <= linked  # the first cell names some of them, too


def test_citations_in_code(checkout):
    file = Path("gptlite/part.py")
    assert guide.citations_in_code(checkout) == [
        ("Model Output", Place(file, "")),
        ("2- Score", Place(file, "Part.work")),
        ("Input Encoding", Place(file, "Part.work")),
        ("Model Output", Place(file, "Part.work")),
        ("3- Sum", Place(file, "Part.work.inner")),
    ]


def test_the_reading_path_comes_first_and_in_its_order():
    files = [place.file.as_posix() for _, place in guide.citations_in_code()]
    order = list(dict.fromkeys(files))
    path = [f"gptlite/{name}.py" for name in guide.READING_PATH]
    assert order[: len(path)] == path


def test_citations_in_notebooks_stand_under_their_heading(checkout):
    file = Path("notebooks/04_attention.py")
    assert guide.citations_in_notebooks(checkout) == [
        ("2- Score", Place(file, "1. Scores")),
        ("GPT-2 Self-attention: 2- Scoring", Place(file, "1. Scores")),
        ("3- Sum", Place(file, "2. `Values`")),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('Article: "2- Scores".', 'no section "2- Scores"; perhaps "2- Score"'),
        ('Article: "input encoding"', 'perhaps "Input Encoding"'),
        ('Article: "Zzz"', 'no section "Zzz"$'),
        ("Article: Input Encoding", "expected a title in double quotes"),
    ],
)
def test_citation_of_what_is_not_there_is_an_error(text, message):
    with pytest.raises(ValueError, match=message):
        cited_sections(text, "here")


def test_citation_before_any_heading_is_an_error(checkout):
    path = checkout / "notebooks" / "05_heads.py"
    path.write_text('# %% [markdown]\n# Article: "3- Sum".\n')
    with pytest.raises(ValueError, match=r"05_heads\.py: .*before any heading"):
        guide.citations_in_notebooks(checkout)


def test_write_then_check_then_drift(checkout, capsys):
    page = checkout / "notebooks" / "README.md"
    assert reading_guide.main(["--check"], checkout) == 1
    assert reading_guide.main([], checkout) == 0
    written = page.read_text()
    assert written.startswith("# Notebooks\n")
    assert written.endswith(f"{END}\n\nEnd.\n")
    row = "[`part.Part.work`](../gptlite/part.py) | [04: 1. Scores](04_attention.ipynb#1.-Scores) |"
    row = f"| [2- Score]({ARTICLE}#2--score) | {row}"
    assert row in written
    assert "[`part.Part.work.inner`](../gptlite/part.py) | [04: 2. Values]" in written
    assert reading_guide.main(["--check"], checkout) == 0
    assert reading_guide.main([], checkout) == 0
    assert page.read_text() == written

    module = checkout / "gptlite" / "part.py"
    module.write_text(module.read_text().replace('"2- Score", ', ""))
    capsys.readouterr()
    assert reading_guide.main(["--check"], checkout) == 1
    printed = capsys.readouterr()
    assert f"-{row}" in printed.out
    assert "drifted" in printed.err


@pytest.mark.parametrize("page", ["# Notebooks\n", f"{BEGIN}\n", f"{BEGIN}\n{BEGIN}\n{END}\n"])
def test_page_without_its_marks_is_an_error(checkout, capsys, page):
    (checkout / "notebooks" / "README.md").write_text(page)
    assert reading_guide.main([], checkout) == 2
    assert "expected one line <!--" in capsys.readouterr().err
    assert (checkout / "notebooks" / "README.md").read_text() == page


def test_examples_in_the_script():
    failed, tried = doctest.testmod(guide)
    assert (failed, tried) == (0, 4)
    failed, tried = doctest.testmod(article)
    assert (failed, tried) == (0, 1)
