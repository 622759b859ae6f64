"""Token rows: a text as its tokens, each on a background of its own."""

from collections.abc import Sequence
from typing import Any

from gptlite.views.view import View, colours, escape, plain, shade, titled_axes, width

TOKEN = (
    "display:inline-block;vertical-align:top;text-align:center;padding:1px 2px;margin:1px;"
    "border-radius:3px;border:1px solid #d0d0d0;white-space:pre"
)
CAPTION = "display:block;font-size:10px;line-height:1.3"
CAPTION_WIDTH = 0.72  # width of a caption's character, in columns of a token
LINE = 100  # columns in a line, after which a new one begins


class TokenRow(View):
    """Tokens in a row, shaded, each with a remark that is shown on hovering.

    Attributes:
        tokens: the label of each token.
        shades: a number for each token, from 0 (pale) to 1 (deep).
        remarks: a text for each token; in plain text they are listed below.
        captions: a text for each token, in small type under it; "" for none. All have the same
            number of lines.
    """

    def __init__(
        self,
        title: str,
        tokens: Sequence[str],
        shades: Sequence[float],
        remarks: Sequence[str],
        note: str = "",
        captions: Sequence[str] | None = None,
    ) -> None:
        super().__init__(title, note)
        if not len(tokens) == len(shades) == len(remarks):
            raise ValueError(f"{len(tokens)} tokens, {len(shades)} shades, {len(remarks)} remarks")
        self.tokens, self.shades, self.remarks = list(tokens), list(shades), list(remarks)
        self.captions = [""] * len(tokens) if captions is None else list(captions)
        if len(self.captions) != len(tokens):
            raise ValueError(f"{len(tokens)} tokens, {len(self.captions)} captions")

    def columns(self, i: int) -> float:
        """Count the columns of a token in HTML and in a drawing, its caption included."""
        small = max(width(line) for line in self.captions[i].split("\n"))
        return max(width(self.tokens[i]), CAPTION_WIDTH * small)

    def lines(self) -> list[list[int]]:
        """List the tokens' numbers by lines: a line ends after a line feed, or when it is full."""
        lines: list[list[int]] = [[]]
        used = 0.0
        for i, token in enumerate(self.tokens):
            if lines[-1] and used + self.columns(i) + 1 > LINE:
                lines.append([])
                used = 0.0
            lines[-1].append(i)
            used += self.columns(i) + 1
            if token.endswith("↵") and i + 1 < len(self.tokens):
                lines.append([])
                used = 0.0
        return lines

    def body_text(self) -> str:
        parts = ["|".join(self.tokens[i] for i in line) for line in self.lines()]
        notes = [f"  {t}  {r}" for t, r in zip(self.tokens, self.remarks, strict=True) if r]
        return "\n".join([*parts, *notes])

    def body_html(self) -> str:
        lines = []
        for line in self.lines():
            spans = "".join(
                f'<span style="{TOKEN};{shade(self.shades[i])}" title="{escape(self.remarks[i])}">'
                f"{escape(self.tokens[i])}{self._caption(i)}</span>"
                for i in line
            )
            lines.append(f'<div style="margin:3px 0">{spans}</div>')
        return "".join(lines)

    def _caption(self, i: int) -> str:
        if not any(self.captions):
            return ""
        return f'<span style="{CAPTION}">{escape(self.captions[i])}</span>'

    def inches(self) -> tuple[float, float]:
        return 9.0, 0.6 + (0.35 + 0.15 * self._lines_under()) * len(self.lines())

    def _lines_under(self) -> int:
        """Count the lines of the longest caption."""
        return max((1 + caption.count("\n") for caption in self.captions if caption), default=0)

    def plot(self, ax: Any = None) -> Any:
        """Draw the tokens as shaded boxes, their captions in them; see ``View.plot``."""
        lines, under = self.lines(), self._lines_under()
        ax = titled_axes(self, ax)
        ax.axis("off")
        ax.set_xlim(0, LINE + 4)
        ax.set_ylim(len(lines), 0)
        for row, line in enumerate(lines):
            at = 0.0
            for i in line:
                background, ink = colours(self.shades[i])
                columns = self.columns(i) + 0.8
                box = rectangle((at, row + 0.1), columns, 0.8, background)
                ax.add_patch(box)
                style = {"ha": "center", "family": "monospace", "color": ink}
                middle, top = at + columns / 2, row + 0.1 + 0.4 / (1 + 0.5 * under)
                ax.text(middle, top, plain(self.tokens[i]), va="center", fontsize=9, **style)
                bottom = row + 0.87
                ax.text(middle, bottom, plain(self.captions[i]), va="bottom", fontsize=6.5, **style)
                at += columns + 0.2
        return ax


def rectangle(corner: tuple[float, float], wide: float, high: float, colour: str) -> Any:
    """Make the box behind a token."""
    from matplotlib.patches import Rectangle

    return Rectangle(corner, wide, high, facecolor=colour, edgecolor="#d0d0d0")
