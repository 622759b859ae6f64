"""Tables: rows under column names, whose numbers can be shaded or drawn as bars."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from gptlite.views.view import (
    BLUE,
    LABEL,
    View,
    colours,
    escape,
    grid_text,
    html_table,
    number,
    plain,
    ramp,
    shade,
    titled_axes,
)

Cell = str | int | float | None

TABLE_CELL = "padding:2px 8px;border-bottom:1px solid #e5e5e5;white-space:pre"
BAR = 20  # columns of a terminal for the longest bar


class Table(View):
    """Rows under column names.

    A float is shown with ``digits`` decimals and an int with commas between thousands; None is an
    empty cell, for example where a filter left no probability.

    Attributes:
        columns: names of the columns.
        rows: lists of cells, one for each column.
        shaded: names of the columns whose cells are shaded, all on one scale from 0.
        bars: names of the columns that are also drawn as bars, all on one scale from 0.
    """

    def __init__(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[Cell]],
        note: str = "",
        shaded: Collection[str] = (),
        bar: str | Sequence[str] = (),
        digits: int = 3,
    ) -> None:
        super().__init__(title, note)
        self.columns = list(columns)
        self.rows = [list(row) for row in rows]
        self.shaded = shaded
        self.bars = [bar] if isinstance(bar, str) else list(bar)
        self.digits = digits

    def column(self, name: str) -> list[Cell]:
        """Get the cells under a column name."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    def _shown(self, cell: Cell) -> str:
        if cell is None:
            return ""
        if isinstance(cell, str):
            return cell
        return f"{cell:,}" if isinstance(cell, int) else number(cell, self.digits)

    def _is_numeric(self, name: str) -> bool:
        return any(isinstance(cell, (int, float)) for cell in self.column(name))

    def _amount(self, name: str, cell: Cell) -> float | None:
        """Place a cell on the ramp; None for a cell that is not shaded."""
        if name not in self.shaded or not isinstance(cell, (int, float)):
            return None
        return cell / (self._greatest(self.shaded) or 1.0)

    def _greatest(self, names: Collection[str]) -> float:
        """Find the greatest number in some columns; 0 if they have no number."""
        cells = [cell for name in names for cell in self.column(name)]
        return max((float(c) for c in cells if isinstance(c, (int, float))), default=0.0)

    def _lengths(self, name: str) -> list[float]:
        """Compute the lengths of a column's bars; the longest bar in the table has length 1."""
        longest = self._greatest(self.bars)
        lengths = [float(cell or 0) for cell in self.column(name)]
        return [length / longest if longest > 0 else 0.0 for length in lengths]

    def body_text(self) -> str:
        room = BAR // len(self.bars) if self.bars else 0
        columns, numeric = [], []
        for name in self.columns:
            columns.append([name, *map(self._shown, self.column(name))])
            numeric.append(self._is_numeric(name))
            if name in self.bars:
                columns.append(["", *("█" * round(room * n) for n in self._lengths(name))])
                numeric.append(False)
        return grid_text([list(row) for row in zip(*columns, strict=True)], numeric)

    def body_html(self) -> str:
        sides = ["right" if self._is_numeric(name) else "left" for name in self.columns]
        head = "".join(
            f'<th scope="col" style="{TABLE_CELL};text-align:{side}">{escape(name)}</th>'
            + (f'<th scope="col" style="{TABLE_CELL}"></th>' if name in self.bars else "")
            for name, side in zip(self.columns, sides, strict=True)
        )
        lengths = {name: self._lengths(name) for name in self.bars}
        room = f"{TABLE_CELL};width:{160 // max(1, len(self.bars))}px"
        lines = []
        for i, row in enumerate(self.rows):
            cells = ""
            for name, side, cell in zip(self.columns, sides, row, strict=True):
                style = f"{TABLE_CELL};text-align:{side}"
                if (amount := self._amount(name, cell)) is not None:
                    style += f";{shade(amount)}"
                cells += f'<td style="{style}">{escape(self._shown(cell))}</td>'
                if name in lengths:
                    length = f"width:{100 * lengths[name][i]:.1f}%;height:0.9em;{shade(1.0)}"
                    cells += f'<td style="{room}"><div style="{length}"></div></td>'
            lines.append(cells)
        return html_table(head, lines)

    def inches(self) -> tuple[float, float]:
        taller = 1 + max(0, len(self.bars) - 1) / 2
        return 1.5 + 1.1 * len(self.columns), 0.8 + 0.28 * len(self.rows) * taller

    def plot(self, ax: Any = None) -> Any:
        """Draw the bars, if any column has bars, else the table; see ``View.plot``."""
        n = len(self.bars)
        ax = titled_axes(self, ax)
        if self.bars:
            places = np.arange(len(self.rows))
            for at, name in enumerate(self.bars):
                cells = self.column(name)
                bars = ax.barh(
                    places + 0.8 * ((at + 0.5) / n - 0.5),
                    [float(cell or 0) for cell in cells],
                    height=0.8 / n,
                    color=ramp()((at + 1) / n),  # the last column is the deepest
                    edgecolor=BLUE,
                    label=plain(name),
                )
                ax.bar_label(
                    bars, [self._shown(c) for c in cells], padding=3, fontsize=8 if n > 1 else None
                )
            ax.set_yticks(places, [plain(self._shown(row[0]), LABEL) for row in self.rows])
            ax.invert_yaxis()
            if n > 1:
                ax.legend(frameon=False, loc="lower right")
            else:
                ax.set_xlabel(plain(self.bars[0]))
            ax.spines[["top", "right"]].set_visible(False)
            return ax
        ax.axis("off")
        texts = [[plain(self._shown(cell)) for cell in row] for row in self.rows]
        columns = [plain(name) for name in self.columns]
        drawn = ax.table(texts or [[""] * len(columns)], colLabels=columns, loc="upper left")
        drawn.auto_set_font_size(False)
        drawn.set_fontsize(9)
        drawn.auto_set_column_width(list(range(len(columns))))
        for (row, at), place in drawn.get_celld().items():
            name = self.columns[at]
            place.get_text().set_horizontalalignment("right" if self._is_numeric(name) else "left")
            place.set_edgecolor("#e5e5e5")
            amount = (
                self._amount(name, self.rows[row - 1][at]) if 0 < row <= len(self.rows) else None
            )
            if amount is not None:
                background, ink = colours(amount)
                place.set_facecolor(background)
                place.get_text().set_color(ink)
        return ax
