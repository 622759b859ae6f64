"""What every view is: something that shows itself as text, as HTML, and as a matplotlib drawing.

A view holds the numbers it shows, so that they can be compared with the trace they came from. Its
HTML is plain: no script, no style sheet, no identifiers, so it looks the same wherever a notebook
is read, and the same call gives the same bytes.
"""

import html
from abc import ABC, abstractmethod
from typing import Any
from unicodedata import combining, east_asian_width

# The two ends of the one ramp all views share: white, and a blue on which white can be read.
PALE, DEEP = (255, 255, 255), (8, 69, 148)
BLUE = "#084594"  # DEEP, for what is drawn in one colour
INK = "#1a1a1a"
FONT = "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:13px;line-height:1.5"
LABEL = 20  # characters of the longest label in a drawing
FRAME = f"{FONT};color:{INK};background:#ffffff;padding:8px;overflow-x:auto"
HEADING = "font-weight:600;margin-bottom:6px"
NOTE = "color:#595959;margin-top:6px"


class View(ABC):
    """The base of all views: a title above, a note below, and in between what a subclass draws.

    Attributes:
        title: what is shown, and its shape.
        note: how to read it; "" for none.
    """

    def __init__(self, title: str, note: str = "") -> None:
        self.title = title
        self.note = note

    @abstractmethod
    def body_text(self) -> str:
        """What is between title and note, as lines of plain text."""

    @abstractmethod
    def body_html(self) -> str:
        """What is between title and note, as HTML."""

    @abstractmethod
    def inches(self) -> tuple[float, float]:
        """Width and height of a drawing that leaves room for everything in it."""

    @abstractmethod
    def plot(self, ax: Any = None) -> Any:
        """Draw with matplotlib (``pip install 'gptlite[notebooks]'``).

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
        """The view as one HTML element."""
        note = f'<div style="{NOTE}">{escape(self.note)}</div>' if self.note else ""
        heading = f'<div style="{HEADING}">{escape(self.title)}</div>'
        return f'<div style="{FRAME}">{heading}{self.body_html()}{note}</div>'

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return self.to_html()


def escape(text: str) -> str:
    """Text as HTML shows it: no part of it can become markup."""
    return html.escape(text, quote=True)


def colours(amount: float) -> tuple[str, str]:
    """Background and text of a cell whose value lies at ``amount`` on the ramp: 0 pale, 1 deep.

    >>> colours(0.0), colours(1.0)
    (('#ffffff', '#1a1a1a'), ('#084594', '#ffffff'))
    """
    amount = min(max(amount, 0.0), 1.0)
    red, green, blue = (round(p + amount * (d - p)) for p, d in zip(PALE, DEEP, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}", "#ffffff" if amount > 0.55 else INK


def shade(amount: float) -> str:
    """``colours`` as a style of HTML.

    >>> shade(1.0)
    'background:#084594;color:#ffffff'
    """
    background, text = colours(amount)
    return f"background:{background};color:{text}"


def number(value: float, digits: int = 2) -> str:
    """A number as a cell shows it; what the mask has hidden as -∞.

    >>> number(0.126), number(-1e10), number(-0.001)
    ('0.13', '-∞', '0.00')
    """
    if value <= -1e9:
        return "-∞"
    shown = f"{value:.{digits}f}"
    return shown.removeprefix("-") if float(shown) == 0 else shown


def width(text: str) -> int:
    """How many columns of a terminal a text takes up.

    >>> width("né"), width("日本")
    (2, 4)
    """
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def padded(text: str, columns: int, right: bool = False) -> str:
    """A text with spaces after it (before it: ``right``) that fill up so many columns."""
    gap = " " * (columns - width(text))
    return gap + text if right else text + gap


def grid_text(rows: list[list[str]], numeric: list[bool]) -> str:
    """Rows of cells as lines, the columns flush; numeric ones to the right."""
    columns = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(row, columns, numeric, strict=True)
        lines.append("  ".join(padded(text, n, right) for text, n, right in cells).rstrip())
    return "\n".join(lines)


def pyplot() -> Any:
    """matplotlib's pyplot, which is an extra.

    Raises:
        ModuleNotFoundError: it is not installed; says what installs it.
    """
    try:
        import matplotlib.pyplot
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "drawing needs matplotlib, which is not installed: pip install 'gptlite[notebooks]' "
            "(the text and the HTML of a view need nothing)",
            name=error.name,
        ) from error
    return matplotlib.pyplot


def axes_for(view: View, ax: Any) -> Any:
    """The Axes given, or those of a new figure, as large as the view asks for."""
    if ax is not None:
        return ax
    return pyplot().subplots(figsize=view.inches(), layout="constrained")[1]


def ramp() -> Any:
    """The colour map from pale to deep."""
    pyplot()  # or the error that says what is missing
    from matplotlib.colors import LinearSegmentedColormap

    ends = [[part / 255 for part in end] for end in (PALE, DEEP)]
    return LinearSegmentedColormap.from_list("gptlite", ends)


def plain(text: str, longest: int = 100) -> str:
    r"""A text for matplotlib, which reads what is between dollar signs as mathematics.

    >>> plain("$x$"), plain("-" * 64, longest=4)
    ('\\$x\\$', '---…')
    """
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return text.replace("$", r"\$")
