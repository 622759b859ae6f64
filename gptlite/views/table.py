"""A table with a heading, whose numbers can be shaded or drawn as bars."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from gptlite.views.view import LABEL, View, escape, grid_text, new_axes, number, plain, shade

Cell = str | int | float | None

CELL = "padding:2px 8px;border-bottom:1px solid #e5e5e5;white-space:pre"
BAR = 20  # columns of a terminal that the longest bar takes


class Table(View):
    """Rows under column names.

    A float is shown with ``digits`` places and an int with commas between thousands; None is an
    empty cell, as where a filter left no probability.

    Attributes:
        columns: names.
        rows: as many cells each.
        shaded: the columns whose background shows their numbers, all on one scale from 0.
        bar: the column that is also drawn as a bar.
    """

    def __init__(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[Cell]],
        note: str = "",
        shaded: Collection[str] = (),
        bar: str | None = None,
        digits: int = 3,
    ) -> None:
        super().__init__(title, note)
        self.columns = list(columns)
        self.rows = [list(row) for row in rows]
        self.shaded = shaded
        self.bar = bar
        self.digits = digits

    def column(self, name: str) -> list[Cell]:
        """The cells under a column name."""
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

    def _bars(self) -> list[float]:
        """The lengths of the bars, the longest being 1."""
        lengths = [float(cell or 0) for cell in self.column(self.bar or "")]
        longest = max(lengths, default=0.0)
        return [length / longest if longest > 0 else 0.0 for length in lengths]

    def body_text(self) -> str:
        rows = [self.columns, *([self._shown(cell) for cell in row] for row in self.rows)]
        numeric = [self._is_numeric(name) for name in self.columns]
        if self.bar:
            bars = ["", *("█" * round(BAR * length) for length in self._bars())]
            rows = [[*row, bar] for row, bar in zip(rows, bars, strict=True)]
            numeric.append(False)
        return grid_text(rows, numeric)

    def body_html(self) -> str:
        sides = ["right" if self._is_numeric(name) else "left" for name in self.columns]
        head = "".join(
            f'<th scope="col" style="{CELL};text-align:{side}">{escape(name)}</th>'
            for name, side in zip(self.columns, sides, strict=True)
        )
        numbers = [
            float(cell or 0)
            for name in self.columns
            if name in self.shaded
            for cell in self.column(name)
            if not isinstance(cell, str)
        ]
        most = max(numbers, default=0.0) or 1.0
        bars = self._bars() if self.bar else []
        lines = []
        for i, row in enumerate(self.rows):
            cells = ""
            for name, side, cell in zip(self.columns, sides, row, strict=True):
                style = f"{CELL};text-align:{side}"
                if name in self.shaded and isinstance(cell, (int, float)):
                    style += f";{shade(cell / most)}"
                cells += f'<td style="{style}">{escape(self._shown(cell))}</td>'
            if bars:
                length = f"width:{100 * bars[i]:.1f}%;height:0.9em;{shade(1.0)}"
                cells += f'<td style="{CELL};width:160px"><div style="{length}"></div></td>'
            lines.append(f"<tr>{cells}</tr>")
        head += '<th scope="col"></th>' if bars else ""
        return (
            f'<table style="border-collapse:collapse;color:inherit"><thead><tr>{head}</tr></thead>'
            f"<tbody>{''.join(lines)}</tbody></table>"
        )

    def plot(self, ax: Any = None) -> Any:
        """The bars, if there is a column for them, else the table; see ``View.plot``."""
        ax = new_axes(ax, 1.5 + 1.1 * len(self.columns), 0.8 + 0.28 * len(self.rows))
        ax.set_title(plain(self.title), loc="left", fontsize=10)
        if self.bar:
            places = np.arange(len(self.rows))
            cells = self.column(self.bar)
            bars = ax.barh(places, [float(cell or 0) for cell in cells], color="#084594")
            ax.bar_label(bars, [self._shown(cell) for cell in cells], padding=3)
            ax.set_yticks(places, [plain(self._shown(row[0]), LABEL) for row in self.rows])
            ax.invert_yaxis()
            ax.set_xlabel(self.bar)
            ax.spines[["top", "right"]].set_visible(False)
            return ax
        ax.axis("off")
        texts = [[plain(self._shown(cell)) for cell in row] for row in self.rows]
        columns = [plain(name) for name in self.columns]
        drawn = ax.table(texts or [[""] * len(columns)], colLabels=columns, loc="upper left")
        drawn.auto_set_font_size(False)
        drawn.set_fontsize(9)
        return ax
