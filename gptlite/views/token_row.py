"""A text as its tokens, each on a background of its own."""

from collections.abc import Sequence
from typing import Any

from gptlite.views.view import View, escape, new_axes, plain, shade, width

TOKEN = "padding:1px 2px;margin:1px;border-radius:3px;border:1px solid #d0d0d0;white-space:pre"
LINE = 100  # columns after which the text goes on in a new line
BOX = 0.085  # inches that a column takes in a drawing


class TokenRow(View):
    """Tokens in a row, shaded, each with a remark to be read on hovering.

    Attributes:
        tokens: what to show for each.
        shades: for each from 0 (pale) to 1 (deep).
        remarks: for each; also listed below in the plain text.
        breaks: the tokens after which a new line begins.
    """

    def __init__(
        self,
        title: str,
        tokens: Sequence[str],
        shades: Sequence[float],
        remarks: Sequence[str],
        note: str = "",
    ) -> None:
        super().__init__(title, note)
        if not len(tokens) == len(shades) == len(remarks):
            raise ValueError(f"{len(tokens)} tokens, {len(shades)} shades, {len(remarks)} remarks")
        self.tokens, self.shades, self.remarks = list(tokens), list(shades), list(remarks)

    def lines(self) -> list[list[int]]:
        """The tokens' numbers line by line: a line ends after a line feed, or when it is full."""
        lines: list[list[int]] = [[]]
        used = 0
        for i, token in enumerate(self.tokens):
            if lines[-1] and used + width(token) + 1 > LINE:
                lines.append([])
                used = 0
            lines[-1].append(i)
            used += width(token) + 1
            if token.endswith("↵") and i + 1 < len(self.tokens):
                lines.append([])
                used = 0
        return lines

    def body_text(self) -> str:
        parts = ["|".join(self.tokens[i] for i in line) for line in self.lines()]
        listed = [f"  {t}  {r}" for t, r in zip(self.tokens, self.remarks, strict=True) if r]
        return "\n".join([*parts, *listed])

    def body_html(self) -> str:
        lines = []
        for line in self.lines():
            spans = "".join(
                f'<span style="{TOKEN};{shade(self.shades[i])}" title="{escape(self.remarks[i])}">'
                f"{escape(self.tokens[i])}</span>"
                for i in line
            )
            lines.append(f'<div style="margin:3px 0">{spans}</div>')
        return "".join(lines)

    def plot(self, ax: Any = None) -> Any:
        """The tokens as shaded boxes; see ``View.plot``."""
        lines = self.lines()
        ax = new_axes(ax, 9.0, 0.6 + 0.35 * len(lines))
        ax.set_title(plain(self.title), loc="left", fontsize=10)
        ax.axis("off")
        ax.set_xlim(0, LINE + 4)
        ax.set_ylim(len(lines), 0)
        for row, line in enumerate(lines):
            at = 0.0
            for i in line:
                colours = dict(part.split(":") for part in shade(self.shades[i]).split(";"))
                columns = width(self.tokens[i]) + 0.8
                box = pyplot_rectangle((at, row + 0.1), columns, 0.8, colours["background"])
                ax.add_patch(box)
                middle = at + columns / 2, row + 0.5
                style = {"ha": "center", "va": "center", "fontsize": 9, "family": "monospace"}
                ax.text(*middle, plain(self.tokens[i]), color=colours["color"], **style)
                at += columns + 0.2
        return ax


def pyplot_rectangle(corner: tuple[float, float], wide: float, high: float, colour: str) -> Any:
    """A box behind a token."""
    from matplotlib.patches import Rectangle

    return Rectangle(corner, wide, high, facecolor=colour, edgecolor="#d0d0d0")
