"""The drawings of views: matplotlib shows the same numbers as the view holds."""

import numpy as np
import pytest

from figures import HOSTILE, SEQ, TEXT, TOKENIZER, TOKENS, all_views
from gptlite import views
from gptlite.views.heat_map import HeatMap
from gptlite.views.table import Table
from gptlite.views.view import DEEP, PALE, RED

pytestmark = pytest.mark.notebooks


@pytest.fixture
def plt():
    matplotlib = pytest.importorskip("matplotlib", reason="the extra 'notebooks' is not installed")
    matplotlib.use("Agg")
    import matplotlib.pyplot as pyplot

    yield pyplot
    pyplot.close("all")


def pixels(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba()).copy()


@pytest.mark.filterwarnings("ignore:Glyph")  # not every font has every script
@pytest.mark.parametrize("name", all_views(TOKENS, TEXT))
def test_every_view_draws_itself_the_same_each_time(plt, name):
    labels = [*HOSTILE, *TOKENS][:SEQ]
    drawn = []
    for _ in range(2):
        all_views(labels, TEXT)[name].plot()
        drawn.append(pixels(plt.gcf()))
        plt.close("all")
    assert np.array_equal(*drawn)
    assert len(np.unique(drawn[0])) > 2  # something is on it


def test_a_heat_map_has_its_numbers_in_image_and_cells(plt):
    values = np.array([[0.0, 0.25], [0.5, 1.0]], np.float32)
    ax = HeatMap("title", values, ["a", "b"], ["c", "d"], low=0.0, high=1.0).plot()
    [image] = ax.get_images()
    assert np.array_equal(image.get_array(), values)
    assert [text.get_text() for text in ax.texts] == ["0.00", "0.25", "0.50", "1.00"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert ax.get_title(loc="left") == "title"
    ends = image.cmap([0.0, 1.0], bytes=True)[:, :3]
    assert ends.tolist() == [list(PALE), list(DEEP)]


def test_a_signed_heat_map_has_two_sides(plt):
    view = HeatMap("title", np.array([[-2.0, 0.0, 1.0]], np.float32), ["a"], ["b", "c", "d"])
    [image] = view.plot().get_images()
    assert image.get_array().tolist() == [[-1, 0, 0.5]]
    ends = image.cmap([0.0, 0.5, 1.0], bytes=True)[:, :3]
    np.testing.assert_allclose(ends, [DEEP, PALE, RED], atol=2)
    # Where no number stands in a cell, a scale stands beside them.
    small = HeatMap("title", -np.eye(30, dtype=np.float32), ["a"] * 30, ["b"] * 30)
    _, bar = small.plot().figure.axes
    assert [label.get_text() for label in bar.get_yticklabels()] == ["-1.00", "1.00"]


def test_bars_are_as_long_as_their_numbers(plt):
    table = views.four_sizes()
    ax = table.plot()
    assert [bar.get_width() for bar in ax.patches] == table.column("parameters")
    assert [label.get_text() for label in ax.get_yticklabels()] == table.column("name")
    written = ["124,439,808", "354,823,168", "774,030,080", "1,557,611,200"]
    assert [text.get_text() for text in ax.texts] == written


def test_bars_of_several_columns_stand_side_by_side(plt):
    rows = [["a", 0.5, 1.0], ["b", 0.25, None]]
    ax = Table("title", ["", "before", "after"], rows, bar=["before", "after"]).plot()
    assert [bar.get_width() for bar in ax.patches] == [0.5, 0.25, 1.0, 0.0]
    edges = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in ax.patches]
    np.testing.assert_allclose(edges, [(-0.4, 0), (0.6, 1), (0, 0.4), (1, 1.4)], atol=1e-9)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["before", "after"]


def test_a_drawn_table_has_its_cells_and_their_shades(plt):
    view = Table("title", ["token", "weight"], [["a", 0.0], ["b", 1.0]], shaded=["weight"])
    [drawn] = view.plot().tables
    cells = drawn.get_celld()
    shown = [[cells[row, column].get_text().get_text() for column in range(2)] for row in range(3)]
    assert shown == [["token", "weight"], ["a", "0.000"], ["b", "1.000"]]
    shades = [cells[row, 1].get_facecolor()[:3] for row in (1, 2)]
    np.testing.assert_allclose(shades, np.array([PALE, DEEP]) / 255)


def test_a_wide_map_has_the_names_of_its_columns_but_a_small_one_has_not(plt):
    names = [f"token {i}" for i in range(30)]
    for small in (False, True):
        view = HeatMap("title", np.eye(30, dtype=np.float32), names, names, small=small)
        shown = [label.get_text() for label in view.plot().get_xticklabels()]
        assert shown == ([] if small else names)
        assert ("vertical-rl" in view.to_html()) != small
        assert not small or "<thead>" not in view.to_html()


def test_tokens_are_drawn_with_their_captions(plt):
    texts = [text.get_text() for text in views.tokens(TOKENIZER, "a fox").plot().texts]
    assert texts == ["a", "64\n61", "·fox", "1653\n20 66 6f 78"]


def test_the_curve_goes_through_its_points(plt):
    log = [{"tokens": 10 * i, "loss": 5 / i} for i in range(1, 5)]
    [line] = views.loss_curve(log).plot().get_lines()
    assert np.array_equal(line.get_xydata(), [[10 * i, 5 / i] for i in range(1, 5)])


def test_a_view_can_be_drawn_on_axes_that_are_there(plt):
    figure, axes = plt.subplots(1, 2)
    made = all_views(TOKENS, TEXT)
    assert made["attention_map"].plot(axes[0]) is axes[0]
    assert made["loss_curve"].plot(axes[1]) is axes[1]
    assert plt.get_fignums() == [figure.number]
