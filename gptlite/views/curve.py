"""Curves: numbers along an axis, as a sparkline, an SVG or a plot."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gptlite.views.view import BLUE, View, escape, number, plain, titled_axes

SPARKS = "▁▂▃▄▅▆▇█"
SPARK_COLUMNS = 60
WIDE, HIGH = 480, 160  # of the SVG
DASHES = ("", "6 3", "2 3", "8 3 2 3")  # to tell the lines apart without colour


class Curve(View):
    """One line or several over the same axis.

    Attributes:
        lines: ``{name: (x, y)}``, where x and y are rows of numbers; at most four lines.
        x_label, y_label: names of the axes, with their units.
    """

    def __init__(
        self,
        title: str,
        lines: dict[str, tuple[Sequence[float], Sequence[float]]],
        x_label: str,
        y_label: str,
        note: str = "",
    ) -> None:
        super().__init__(title, note)
        if not lines or len(lines) > len(DASHES):
            raise ValueError(f"expected 1 to {len(DASHES)} lines, found {len(lines)}")
        for name, (x, y) in lines.items():
            if len(x) != len(y) or not len(x):
                raise ValueError(f"{name}: expected as many x as y, found {len(x)} and {len(y)}")
        self.lines = {name: (list(x), list(y)) for name, (x, y) in lines.items()}
        self.x_label, self.y_label = x_label, y_label

    def body_text(self) -> str:
        names = max(map(len, self.lines))
        rows = []
        for name, (x, y) in self.lines.items():
            ends = f"{number(y[0], 3)} at {amount(x[0])} to {number(y[-1], 3)} at {amount(x[-1])}"
            rows.append(f"{name:{names}}  {sparkline(y)}  {ends}")
        return "\n".join([*rows, f"{self.y_label} over {self.x_label}"])

    def body_html(self) -> str:
        (left, right), (bottom, top) = self.range_of(0), self.range_of(1)
        drawn, key = "", ""
        for (name, (x, y)), dash in zip(self.lines.items(), DASHES, strict=False):
            across = (np.array(x) - left) / ((right - left) or 1) * WIDE
            down = HIGH - (np.array(y) - bottom) / ((top - bottom) or 1) * HIGH
            points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, down, strict=True))
            stroke = f'fill="none" stroke="{BLUE}" stroke-width="2" stroke-dasharray="{dash}"'
            drawn += f'<polyline points="{points}" {stroke}/>'
            sample = f'<line x1="0" y1="5" x2="30" y2="5" {stroke}/>'
            key += f'<div><svg width="30" height="10">{sample}</svg> {escape(name)}</div>'
        name = escape(f"{self.title}: {self.y_label} over {self.x_label}")
        svg = (
            f'<svg role="img" aria-label="{name}" width="{WIDE}" height="{HIGH}" '
            f'style="border-left:1px solid #888;border-bottom:1px solid #888">{drawn}</svg>'
        )
        axes = (
            f"<div>{escape(self.y_label)}: {number(bottom, 3)} (bottom) to {number(top, 3)} (top); "
            f"{escape(self.x_label)}: {amount(left)} to {amount(right)}</div>"
        )
        return svg + axes + key

    def range_of(self, axis: int) -> tuple[float, float]:
        """Find the smallest and the largest number of all lines along x (0) or y (1)."""
        numbers = [value for line in self.lines.values() for value in line[axis]]
        return min(numbers), max(numbers)

    def inches(self) -> tuple[float, float]:
        return 6.5, 3.2

    def plot(self, ax: Any = None) -> Any:
        """Draw the lines; see ``View.plot``."""
        ax = titled_axes(self, ax)
        for (name, (x, y)), style in zip(self.lines.items(), ("-", "--", ":", "-."), strict=False):
            ax.plot(x, y, style, color=BLUE, label=plain(name))
        ax.set_xlabel(self.x_label)
        ax.set_ylabel(self.y_label)
        ax.spines[["top", "right"]].set_visible(False)
        if len(self.lines) > 1:
            ax.legend(frameon=False)
        return ax


def character_plot(curve: Curve, marks: str = "*o+x", columns: int = 60, rows: int = 12) -> str:
    """Draw a curve with characters, a mark for each line, for a terminal or a plain text file.

    >>> line = Curve("", {"training": ([0, 9], [5.0, 2.0])}, "tokens read", "loss")
    >>> print(character_plot(line, columns=7, rows=3))
    5 |**
      |  ***
    2 |     **
      +-------
       0      9 tokens read
       * training: loss
    """
    (left, right), (bottom, top) = curve.range_of(0), curve.range_of(1)
    grid = [[" "] * columns for _ in range(rows)]
    across = np.linspace(left, right, columns)  # [columns]
    for mark, (x, y) in zip(marks, curve.lines.values(), strict=False):
        heights = np.interp(across, x, y, left=np.nan, right=np.nan)  # [columns]
        for column, height in enumerate(heights):
            if not np.isnan(height):
                down = (top - height) / ((top - bottom) or 1) * (rows - 1)
                grid[round(down)][column] = mark
    ends = f"{top:.3g}", f"{bottom:.3g}"
    wide = max(map(len, ends))
    names = [ends[0], *[""] * (rows - 2), ends[1]]
    drawn = [
        f"{name:>{wide}} |{''.join(row)}".rstrip() for name, row in zip(names, grid, strict=True)
    ]
    axis = amount(left).ljust(columns - 1) + f" {amount(right)} {curve.x_label}"
    key = "  ".join(f"{mark} {name}" for mark, name in zip(marks, curve.lines, strict=False))
    margin = " " * wide
    drawn += [
        f"{margin} +{'-' * columns}",
        f"{margin}  {axis}",
        f"{margin}  {key}: {curve.y_label}",
    ]
    return "\n".join(drawn)


def amount(value: float) -> str:
    """Write a number on an axis: whole numbers with all their digits.

    >>> amount(1808128), amount(0.25)
    ('1,808,128', '0.25')
    """
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"


def sparkline(values: Sequence[float]) -> str:
    """Draw numbers as a row of block characters, the lowest block for the smallest number.

    >>> sparkline([3, 2, 1])
    '█▅▁'
    """
    if len(values) > SPARK_COLUMNS:
        values = [float(np.mean(part)) for part in np.array_split(values, SPARK_COLUMNS)]
    low, span = min(values), (max(values) - min(values)) or 1.0
    return "".join(SPARKS[round((v - low) / span * (len(SPARKS) - 1))] for v in values)
