"""The bars of a table, drawn."""

import pytest

from gptlite.views import four_sizes
from gptlite.views.table import Table


def bar_labels(table: Table) -> list[str]:
    matplotlib = pytest.importorskip("matplotlib", reason="the extra notebooks is not installed")
    matplotlib.use("agg")
    labels = [text.get_text() for text in table.plot().texts]
    matplotlib.pyplot.close("all")
    return labels


def test_bars_are_labelled_as_their_cells_are_written() -> None:
    expected = ["124,439,808", "354,823,168", "774,030,080", "1,557,611,200"]
    assert bar_labels(four_sizes()) == expected
    rows = [["a", 0.25], ["b", None]]
    assert bar_labels(Table("", ["token", "share"], rows, bar="share", digits=2)) == ["0.25", ""]
