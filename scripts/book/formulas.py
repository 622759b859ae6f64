"""Markdown as HTML in which formulas are pictures: readable without a script and a network."""

from __future__ import annotations

import html

from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

SIZE = 17  # pixels: the height of the page's letters
LETTERS = FontProperties(family="serif", math_fontfamily="stix")
DRAW = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}


def picture(tex: str) -> str:
    """Draw a formula as an SVG element, whose name is the formula itself.

    Raises:
        ValueError: matplotlib cannot read the formula.
    """
    path = TextPath((0, 0), f"${' '.join(tex.split())}$", SIZE, prop=LETTERS)
    box = path.get_extents()
    steps = []
    for points, code in path.iter_segments(curves=True, simplify=False):
        ends = "" if code == Path.CLOSEPOLY else " ".join(f"{x:.2f}" for x in flipped(points))
        steps.append(DRAW[code] + ends)
    left, width, height = box.x0 - 1, box.width + 2, box.height + 2
    return (
        f'<svg role="img" aria-label="{html.escape(tex.strip())}" width="{width:.1f}" '
        f'height="{height:.1f}" viewBox="{left:.1f} {-box.y1 - 1:.1f} {width:.1f} {height:.1f}" '
        f'style="vertical-align:{box.y0 - 1:.1f}px" fill="currentColor">'
        f'<path d="{"".join(steps)}"/></svg>'
    )


def flipped(points: list[float]) -> list[float]:
    """Turn matplotlib's points, where y goes up, into SVG's, where it goes down."""
    return [-x if place % 2 else x for place, x in enumerate(points)]


class _Renderer(IPythonRenderer):
    """A renderer of Markdown that draws what stands between dollar signs."""

    def inline_math(self, body: str) -> str:
        """Draw a formula in a line."""
        return picture(body)

    def block_math(self, body: str) -> str:
        """Draw a formula on a line of its own."""
        return f'<div class="formula">{picture(body)}</div>'


def as_html(markdown: str) -> str:
    """Turn Markdown into HTML, with pictures for formulas.

    Raises:
        ValueError: see ``picture``.
    """
    return str(MarkdownWithMath(renderer=_Renderer(escape=False)).render(markdown))
