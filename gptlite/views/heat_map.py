"""Heat maps: a matrix whose cells are shaded by their numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptlite.layers import Array
from gptlite.views.view import (
    LABEL,
    View,
    colours,
    escape,
    grid_text,
    html_table,
    legend,
    number,
    plain,
    ramp,
    shade,
    titled_axes,
)

CELL = "padding:2px 5px;text-align:center;white-space:pre"
SMALL = "width:9px;height:11px;padding:0"
# The name of a column of small cells, turned on its side.
UPRIGHT = "padding:2px 0;font-size:11px;line-height:1.2;writing-mode:vertical-rl;white-space:pre"
MANY = 24  # with more columns the cells are small, and show their number on hovering
BLOCKS = " ░▒▓█"  # the shades of a small cell in plain text


class HeatMap(View):
    """A matrix, whose numbers are the deeper in colour the further they are from 0.

    Numbers that are all positive go from white to blue. Where some are negative the scale has two
    sides: red above 0, blue below, white between, and the same depth for the same distance.

    Attributes:
        values: ``[rows, columns]``; masked numbers (-1e10) stay pale and are shown as -∞.
        rows, columns: the labels.
        texts: a text for each cell, before its number; None for the numbers alone.
        low, high: the numbers at the two ends of the scale.
        signed: True if the scale has two sides.
        small: True if cells show only their shade, as they also do with more than ``MANY`` columns.
        named: True if HTML and drawing name the columns, as they do unless ``small`` was asked for.

    >>> HeatMap("Who may look", np.tri(2, dtype=int), ["a", "fox"], ["a", "fox"], digits=0)
    Who may look
         a  fox
    a    1    0
    fox  1    1
    """

    def __init__(
        self,
        title: str,
        values: Array,
        rows: Sequence[str],
        columns: Sequence[str],
        note: str = "",
        texts: Sequence[Sequence[str]] | None = None,
        low: float | None = None,
        high: float | None = None,
        digits: int = 2,
        small: bool = False,
    ) -> None:
        super().__init__(title, note)
        self.values = np.asarray(values)  # [rows, columns]
        if self.values.shape != (len(rows), len(columns)):
            expected = [len(rows), len(columns)]
            raise ValueError(f"expected values {expected}, found {list(self.values.shape)}")
        self.rows, self.columns = list(rows), list(columns)
        self.texts = texts
        seen = self.values[self.values > -1e9]  # [not masked]
        least = (float(seen.min()) if seen.size else 0.0) if low is None else low
        self.low = min(0.0, least) if low is None else low
        self.high = (float(seen.max()) if seen.size else 0.0) if high is None else high
        self.signed = self.low < 0
        if self.signed:
            self.high = max(abs(self.low), abs(self.high))
            self.low = -self.high
        self.digits = digits
        self.named = not small
        self.small = small or (len(columns) > MANY and texts is None)

    def shades(self) -> NDArray[np.floating[Any]]:
        """Place each number on the scale, ``[rows, columns]``: 0 to 1, or -1 to 1 if signed."""
        if self.signed:
            hidden = self.values <= -1e9  # [rows, columns]
            return np.where(hidden, 0, np.clip(self.values / self.high, -1, 1))  # [rows, columns]
        span = (self.high - self.low) or 1.0
        shades: NDArray[np.floating[Any]] = np.clip((self.values - self.low) / span, 0, 1)
        return shades  # [rows, columns]

    def cell(self, row: int, column: int) -> str:
        """Write the text of a cell."""
        shown = number(float(self.values[row, column]), self.digits)
        return shown if self.texts is None else f"{self.texts[row][column]} {shown}"

    def body_text(self) -> str:
        if self.small:
            shades = (self.shades() + 1) / 2 if self.signed else self.shades()
            blocks = np.array(list(BLOCKS))[np.rint(shades * 4).astype(int)]
            lines = [[label, "".join(row)] for label, row in zip(self.rows, blocks, strict=True)]
            return grid_text(lines, [False, False])
        cells = [
            [label, *(self.cell(i, j) for j in range(len(self.columns)))]
            for i, label in enumerate(self.rows)
        ]
        numeric = [False, *(self.texts is None for _ in self.columns)]
        return grid_text([["", *self.columns], *cells], numeric)

    def body_html(self) -> str:
        shades = self.shades().tolist()
        head = ""
        if self.named:
            style = UPRIGHT if self.small else CELL
            head = '<th scope="col"></th>' + "".join(
                f'<th scope="col" style="{style}">{escape(name)}</th>' for name in self.columns
            )
        lines = []
        for i, label in enumerate(self.rows):
            cells = ""
            for j, column in enumerate(self.columns):
                value = number(float(self.values[i, j]), max(self.digits, 3))
                hover = escape(f"{label} → {column}: {value}")
                style = f"{SMALL if self.small else CELL};{shade(shades[i][j], self.signed)}"
                shown = "" if self.small else escape(self.cell(i, j))
                cells += f'<td style="{style}" title="{hover}">{shown}</td>'
            left = f'<th scope="row" style="{CELL};text-align:right">{escape(label)}</th>'
            lines.append(left + cells)
        scale = ""
        if self.signed or self.named:  # of many small pictures side by side, each would say it
            scale = legend(self.low, self.high, self.signed, self.digits)
        return html_table(head, lines) + scale

    def inches(self) -> tuple[float, float]:
        n_rows, n_columns = self.values.shape
        if self.small:
            return min(9.0, 1.5 + 0.2 * n_columns), 0.7 + 0.16 * max(n_rows, 5)
        return 1.6 + (0.62 if self.texts is None else 1.1) * n_columns, 1.2 + 0.4 * n_rows

    def plot(self, ax: Any = None) -> Any:
        """Draw the matrix, with the numbers in its cells where they fit; see ``View.plot``."""
        n_rows, n_columns = self.values.shape
        ax = titled_axes(self, ax)
        shades = self.shades()  # [rows, columns]
        least = -1 if self.signed else 0
        drawn = ax.imshow(shades, cmap=ramp(self.signed), vmin=least, vmax=1, aspect="auto")
        ax.set_yticks(range(n_rows), [plain(label, LABEL) for label in self.rows])
        labels = [plain(label, LABEL) for label in self.columns] if self.named else []
        turned = 90 if self.small else 45 if max(map(len, self.columns), default=0) > 4 else 0
        ax.set_xticks(range(len(labels)), labels, rotation=turned)
        if self.small:
            if self.signed or self.named:  # no number stands in the cells
                bar = ax.figure.colorbar(drawn, ax=ax, ticks=[least, 1])
                bar.ax.set_yticklabels([number(self.low), number(self.high)])
            return ax
        for i in range(n_rows):
            for j in range(n_columns):
                _, ink = colours(float(shades[i, j]), self.signed)
                text = plain(self.cell(i, j), LABEL)
                ax.text(j, i, text, ha="center", va="center", color=ink, fontsize=8)
        return ax
