"""The base of all views: a view shows itself as text, as HTML, and as a matplotlib drawing.

A view holds the numbers it shows, so that they can be compared with the trace they came from. Its
HTML is plain: without script, style sheet or identifiers it looks the same wherever a notebook is
read, and the same call gives the same bytes.
"""

import html
from abc import ABC, abstractmethod
from typing import Any
from unicodedata import combining, east_asian_width

# The ends of the two ramps that all views share: from white to a blue and to a red, both dark
# enough for white text. Shares are blue; of numbers with a sign, those above 0 are red.
PALE, DEEP, RED = (255, 255, 255), (8, 69, 148), (150, 28, 18)
BLUE = "#084594"  # DEEP, for lines and bars of one colour
INK = "#1a1a1a"
FONT = "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:13px;line-height:1.5"
LABEL = 20  # characters of the longest label in a drawing
FRAME = f"{FONT};color:{INK};background:#ffffff;padding:8px;overflow-x:auto"
HEADING = "font-weight:600;margin-bottom:6px"
NOTE = "color:#595959;margin-top:6px"


class View(ABC):
    """The base of all views: a title above, a note below, and in between what a subclass draws.

    Attributes:
        title: names the array that is shown, and its shape.
        note: says how to read the view; "" for none.
    """

    def __init__(self, title: str, note: str = "") -> None:
        self.title = title
        self.note = note

    @abstractmethod
    def body_text(self) -> str:
        """Write the part between title and note, as lines of plain text."""

    @abstractmethod
    def body_html(self) -> str:
        """Write the part between title and note, as HTML."""

    @abstractmethod
    def inches(self) -> tuple[float, float]:
        """Say how wide and high a drawing must be to leave room for everything in it."""

    @abstractmethod
    def plot(self, ax: Any = None) -> Any:
        """Draw with matplotlib (``pip install matplotlib``).

        Args:
            ax: the Axes to draw on; None for a figure of its own.

        Returns:
            The Axes.

        Raises:
            ModuleNotFoundError: matplotlib is not installed; the message says how to install it.
        """

    def __repr__(self) -> str:
        return "\n".join(part for part in (self.title, self.body_text(), self.note) if part)

    def to_html(self) -> str:
        """Write the view as one HTML element."""
        note = f'<div style="{NOTE}">{escape(self.note)}</div>' if self.note else ""
        heading = f'<div style="{HEADING}">{escape(self.title)}</div>'
        return f'<div style="{FRAME}">{heading}{self.body_html()}{note}</div>'

    def _repr_html_(self) -> str:
        """Write the HTML that a notebook shows."""
        return self.to_html()


def escape(text: str) -> str:
    """Escape a text for HTML: no part of it can become markup."""
    return html.escape(text, quote=True)


def colours(amount: float, signed: bool = False) -> tuple[str, str]:
    """Pick the colours of background and text of a cell.

    Args:
        amount: from 0, pale, to 1, deep; from -1 to 1 if it is signed.
        signed: True for the scale with two sides: red above 0, blue below.

    >>> colours(0.0), colours(1.0)
    (('#ffffff', '#1a1a1a'), ('#084594', '#ffffff'))
    >>> colours(1.0, signed=True), colours(-1.0, signed=True)
    (('#961c12', '#ffffff'), ('#084594', '#ffffff'))
    """
    end = RED if signed and amount > 0 else DEEP
    amount = min(max(abs(amount) if signed else amount, 0.0), 1.0)
    red, green, blue = (round(p + amount * (d - p)) for p, d in zip(PALE, end, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}", "#ffffff" if amount > 0.55 else INK


def shade(amount: float, signed: bool = False) -> str:
    """Write ``colours`` as a style of HTML.

    >>> shade(1.0)
    'background:#084594;color:#ffffff'
    """
    background, text = colours(amount, signed)
    return f"background:{background};color:{text}"


def legend(low: float, high: float, signed: bool, digits: int = 2) -> str:
    """Write the scale with the numbers at its ends, as HTML."""
    amounts = [i / 8 for i in range(-8 if signed else 0, 9)]
    box = "display:inline-block;width:9px;height:9px"
    boxes = "".join(f'<span style="{box};{shade(a, signed)}"></span>' for a in amounts)
    ends = [escape(number(end, digits)) for end in (low, high)]
    return f'<div style="{NOTE}">{ends[0]} {boxes} {ends[1]}</div>'


def number(value: float, digits: int = 2) -> str:
    """Write a number as a cell shows it; a masked one as -∞.

    >>> number(0.126), number(-1e10), number(-0.001)
    ('0.13', '-∞', '0.00')
    """
    if value <= -1e9:
        return "-∞"
    shown = f"{value:.{digits}f}"
    return shown.removeprefix("-") if float(shown) == 0 else shown


def width(text: str) -> int:
    """Count the columns of a terminal that a text takes up.

    >>> width("né"), width("日本")
    (2, 4)
    """
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def padded(text: str, columns: int, right: bool = False) -> str:
    """Pad a text to a number of columns, with spaces after it, or before it if ``right``."""
    gap = " " * (columns - width(text))
    return gap + text if right else text + gap


def grid_text(rows: list[list[str]], numeric: list[bool]) -> str:
    """Write rows of cells as lines with aligned columns, numeric ones aligned right."""
    columns = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(row, columns, numeric, strict=True)
        lines.append("  ".join(padded(text, n, right) for text, n, right in cells).rstrip())
    return "\n".join(lines)


def html_table(head: str, rows: list[str]) -> str:
    """Write an HTML table: the cells of its head ("" for no head), and the cells of each row."""
    head = f"<thead><tr>{head}</tr></thead>" if head else ""
    body = "".join(f"<tr>{cells}</tr>" for cells in rows)
    style = "border-collapse:collapse;color:inherit"
    return f'<table style="{style}">{head}<tbody>{body}</tbody></table>'


def pyplot() -> Any:
    """Import matplotlib's pyplot, which is an extra.

    Raises:
        ModuleNotFoundError: matplotlib is not installed; the message says how to install it.
    """
    try:
        import matplotlib.pyplot
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "drawing needs matplotlib, which is not installed: pip install matplotlib "
            "(the text and the HTML of a view need nothing)",
            name=error.name,
        ) from error
    return matplotlib.pyplot


def titled_axes(view: View, ax: Any) -> Any:
    """Put a view's title on the Axes given, or on those of a new figure of the view's size."""
    if ax is None:
        ax = pyplot().subplots(figsize=view.inches(), layout="constrained")[1]
    ax.set_title(plain(view.title), loc="left", fontsize=10)
    return ax


def ramp(signed: bool = False) -> Any:
    """Make the colour map from pale to deep, or the one with two sides."""
    pyplot()  # or the error that says what is missing
    from matplotlib.colors import LinearSegmentedColormap

    stops = (DEEP, PALE, RED) if signed else (PALE, DEEP)
    ends = [[part / 255 for part in end] for end in stops]
    return LinearSegmentedColormap.from_list("gptlite", ends)


def plain(text: str, longest: int = 100) -> str:
    r"""Escape and shorten a text for matplotlib, which reads dollar signs as mathematics.

    >>> plain("$x$"), plain("-" * 64, longest=4)
    ('\\$x\\$', '---…')
    """
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return text.replace("$", r"\$")
