"""Panels: several views side by side."""

from collections.abc import Sequence
from typing import Any

from gptlite.views.view import HEADING, View, escape, plain, pyplot

WIDEST = 13.0  # inches of a drawing


class Panels(View):
    """Views that belong together, in rows.

    Attributes:
        views: row by row.
    """

    def __init__(self, title: str, views: Sequence[Sequence[View]], note: str = "") -> None:
        super().__init__(title, note)
        self.views = [list(row) for row in views]

    def body_text(self) -> str:
        return "\n\n".join(repr(view) for row in self.views for view in row)

    def body_html(self) -> str:
        rows = ""
        for row in self.views:
            cells = "".join(
                f'<div style="margin:0 18px 12px 0"><div style="{HEADING}">{escape(view.title)}'
                f"</div>{view.body_html()}</div>"
                for view in row
            )
            rows += f'<div style="display:flex;flex-wrap:wrap">{cells}</div>'
        return rows

    def inches(self) -> tuple[float, float]:
        sizes = [[view.inches() for view in row] for row in self.views]
        wide = max(sum(size[0] for size in row) for row in sizes)
        high = sum(max(size[1] for size in row) for row in sizes)
        return min(wide, WIDEST), high + 0.3

    def plot(self, ax: Any = None) -> Any:
        """Draw each view on Axes of its own; see ``View.plot``.

        Args:
            ax: an array of Axes with the rows and columns of the views; None for a new figure.

        Returns:
            The array of Axes.
        """
        wide = max(map(len, self.views))
        if ax is None:
            heights = [max(view.inches()[1] for view in row) for row in self.views]
            figure, ax = pyplot().subplots(
                len(self.views),
                wide,
                figsize=self.inches(),
                squeeze=False,
                layout="constrained",
                height_ratios=heights,
            )
            figure.suptitle(plain(self.title), fontsize=11)
        for row, line in zip(self.views, ax, strict=True):
            for at, place in enumerate(line):
                if at < len(row):
                    row[at].plot(place)
                else:
                    place.axis("off")
        return ax
