"""The article's figures as files: which there are, and that each is written the same each time."""

from pathlib import Path

import numpy as np
import pytest

from figures import MODEL, TEXT, TOKENIZER
from gptlite import Trace
from gptlite.figures import __main__ as door
from gptlite.figures import drawing

HEADINGS = Path(__file__).resolve().parent / "fixtures" / "article" / "headings.tsv"


@pytest.fixture(scope="module")
def made():
    return list(drawing.figures(MODEL, TOKENIZER, TEXT))


def test_each_figure_belongs_to_a_section_and_has_something_to_show(made):
    titles = {line.split("\t")[1] for line in HEADINGS.read_text(encoding="utf-8").splitlines()}
    assert len(made) == len({figure.name for figure in made}) == 18
    assert {figure.section for figure in made} <= titles
    assert all(len(repr(figure.view)) > 80 for figure in made)


def test_a_text_begins_with_the_end_of_the_one_before(made):
    by_name = {figure.name: figure.view for figure in made}
    assert by_name["decoder-attention"].rows[0] == "<|endoftext|>"
    assert len(by_name["decoder-attention"].rows) == 1 + len(TOKENIZER.encode(TEXT))


def test_without_the_mask_a_token_looks_ahead(made):
    by_name = {figure.name: figure.view for figure in made}
    ahead = np.triu(np.ones_like(by_name["decoder-attention"].values), 1) > 0
    assert by_name["decoder-attention"].values[ahead].max() == 0
    assert by_name["encoder-attention"].values[ahead].max() > 0


def test_each_token_said_is_the_last_one_read(made):
    [loop] = [figure.view for figure in made if figure.name == "auto-regression"]
    said, read = loop.column("and says"), loop.column("the model reads")
    assert [row.split(" ")[-1] for row in read[1:]] == said[:-1]


def test_the_head_shown_looks_at_what_stands_between():
    trace = Trace()
    for layer in range(MODEL.config.n_layer):
        weights = np.zeros((1, MODEL.config.n_head, 4, 4), np.float32)
        weights[0, :, -1, 0] = 1
        trace[f"h.{layer}.attn.weights"] = weights
    trace["h.1.attn.weights"][0, 2, -1] = [0.2, 0.3, 0.3, 0.2]
    trace["h.2.attn.weights"][0, 1, -1] = [0.0, 0.5, 0.0, 0.5]
    assert drawing.telling_head(MODEL, trace) == (1, 2)


@pytest.mark.parametrize(("text", "n"), [("a", 1), ("a b c d e f g h i j k l", 13)])
def test_a_text_that_makes_no_figure_is_refused(text, n):
    with pytest.raises(ValueError, match=f"expected a text of 2 to 11 tokens, found {n}: 'a"):
        next(drawing.figures(MODEL, TOKENIZER, text))


def test_without_matplotlib_one_line_says_how_to_get_it(monkeypatch, capsys, tmp_path):
    def missing():
        raise ModuleNotFoundError("drawing needs matplotlib: pip install matplotlib")

    monkeypatch.setattr(door, "pyplot", missing)
    assert door.main([str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said == "gptlite figures: error: drawing needs matplotlib: pip install matplotlib\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.notebooks
def test_the_command_writes_the_same_files_each_time(monkeypatch, capsys, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra 'notebooks' is not installed")
    monkeypatch.setattr(door, "load_model", lambda options: (MODEL, TOKENIZER))
    monkeypatch.setattr(door, "figures", lambda *arguments: list(drawing.figures(*arguments))[:3])
    for out in ("one", "two"):
        assert door.main([str(tmp_path / out), "--text", "A | B\nC"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [str(tmp_path / out / "README.md") for out in ("one", "two")]
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / out).iterdir()}
        for out in ("one", "two")
    )
    assert one == two
    stems = ["01-next-token", "02-four-sizes", "03-auto-regression"]
    assert sorted(one) == sorted(
        ["README.md", *(f"{stem}.{kind}" for stem in stems for kind in ("svg", "pdf"))]
    )
    assert one["01-next-token.svg"].startswith(b"<?xml")
    assert one["01-next-token.pdf"].startswith(b"%PDF")
    listed = one["README.md"].decode()
    assert "> A | B\n> C\n" in listed
    assert "(https://jalammar.github.io/illustrated-gpt2/#what-is-a-language-model)" in listed
    assert "CC0" in listed
    assert door.main([str(tmp_path / "one")]) == 2
    assert "is not empty" in capsys.readouterr().err
