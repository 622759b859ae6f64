"""The machine as a drawing: a GPT-2 with the trace's name on every part.

``machine`` places the parts; the page and ``block_diagram`` draw what it has placed. It stands
upright, tokens at its foot and the next token at its head, as in the article. The residual stream
runs up its left side; what leaves it to the right comes back to it in a sum.
"""

from collections.abc import Collection
from typing import Any

from gptlite.checks import check_kind
from gptlite.config import GPTConfig
from gptlite.trace import BLOCK_STEPS
from gptlite.views.view import BLUE, INK, View, escape, plain, titled_axes

Part = dict[str, Any]

WIDE, HIGH = 320, 700  # of the drawing, in its own units
STREAM = 66  # how far from the left the residual stream runs
HEIGHT = 26  # of a box


def machine(config: GPTConfig) -> dict[str, Any]:
    """Place the parts of a GPT-2, one block of it in full.

    Returns:
        ``{"size": [width, height], "parts": [...], "lines": [...], "blocks": {...}}``. A part is
        ``{"step", "label", "says", "at": [x, y, width, height], "shape": "box" or "sum"}``, a line
        is a list of points with an arrow at its end, ``blocks`` is where the stack of all blocks is
        drawn, small: ``{"at": [x, y, width, height], "n": n_layer}``; y grows downwards. ``frame``
        is the box around the block that is drawn in full, ``heads`` that around the parts which
        each head has for itself: ``{"at": [x, y, width, height], "n": n_head}``.
    """
    n_embd, n_inner, head_dim = config.n_embd, config.n_inner, config.head_dim
    parts: list[Part] = []

    def box(step: str, label: str, says: str, x: float, y: float, wide: float) -> None:
        at = [x, y, wide, HEIGHT]
        parts.append({"step": step, "label": label, "says": says, "at": at, "shape": "box"})

    def plus(step: str, says: str, y: float) -> None:
        at = [STREAM - 10, y, 20, 20]
        parts.append({"step": step, "label": "+", "says": says, "at": at, "shape": "sum"})

    box("tokens", "tokens", "text to token ids", STREAM - 40, 662, 80)
    box("embed", "wte + wpe", f"embeddings, {n_embd} wide", STREAM - 45, 618, 90)
    box("ln_1", "norm", "ln_1", 118, 560, 174)
    third = 54
    for i, (step, says) in enumerate((("q", "query"), ("k", "key"), ("v", "value"))):
        box(f"attn.{step}", step, f"{says}, {head_dim} wide", 118 + 60 * i, 518, third)
    box("attn.scores", "q · k, mask", f"scores of {config.n_head} heads", 118, 474, 114)
    box("attn.weights", "softmax", "attention weights", 118, 434, 114)
    box("attn.z", "weights × v", "weighted sum, heads merged", 118, 394, 174)
    box("attn.out", "project", "c_proj of attention", 118, 354, 174)
    plus("mid", "attention is added to the stream", 324)
    box("ln_2", "norm", "ln_2", 118, 280, 174)
    box("mlp.fc", "widen", f"c_fc, to {n_inner} units", 118, 240, 174)
    box("mlp.gelu", "GELU", "activation function", 118, 200, 174)
    box("mlp.out", "project back", "c_proj of the MLP", 118, 160, 174)
    plus("out", "the MLP is added to the stream", 130)
    box("ln_f", "norm", "ln_f", STREAM - 40, 84, 80)
    box("logits", "× wteᵀ", "logits of all tokens", STREAM - 40, 46, 80)
    box("next", "softmax, draw", "the next token", STREAM - 50, 8, 100)

    def middle(step: str) -> float:
        x, _, wide, _ = place(step)
        return x + wide / 2

    def place(step: str) -> tuple[float, float, float, float]:
        x, y, wide, high = next(part["at"] for part in parts if part["step"] == step)
        return x, y, wide, high

    def up(lower: str, upper: str, x: float | None = None) -> list[list[float]]:
        x = middle(lower) if x is None else x
        return [[x, place(lower)[1]], [x, place(upper)[1] + place(upper)[3]]]

    lines = [
        up("tokens", "embed", STREAM),
        up("embed", "mid", STREAM),
        up("mid", "out", STREAM),
        up("out", "ln_f", STREAM),
        up("ln_f", "logits", STREAM),
        up("logits", "next", STREAM),
        # Each half of a block reads a copy of the stream, and adds to it.
        [[STREAM, 600], [205, 600], [205, 586]],
        [[205, 354], [205, 334], [STREAM + 10, 334]],
        [[STREAM, 316], [205, 316], [205, 306]],
        [[205, 160], [205, 140], [STREAM + 10, 140]],
        *(up("ln_1", f"attn.{step}", middle(f"attn.{step}")) for step in "qkv"),
        up("attn.q", "attn.scores"),
        up("attn.k", "attn.scores"),
        up("attn.scores", "attn.weights"),
        up("attn.weights", "attn.z"),
        up("attn.v", "attn.z"),
        up("attn.z", "attn.out"),
        up("ln_2", "mlp.fc"),
        up("mlp.fc", "mlp.gelu"),
        up("mlp.gelu", "mlp.out"),
    ]
    return {
        "size": [WIDE, HIGH],
        "frame": [STREAM - 18, 118, 264, 490],
        "heads": {"at": [110, 387, 190, 164], "n": config.n_head},
        "blocks": {"at": [8, 118, 22, 490], "n": config.n_layer},
        "parts": parts,
        "lines": lines,
    }


def block_diagram(config: GPTConfig, layer: int = 0, lit: Collection[str] = ()) -> "Diagram":
    """Draw the machine: the stack, and one of its blocks with the trace's name for every part.

    Article: "The Decoder-Only Block" and "A journey up the Stack".

    Args:
        layer: the block whose arrays are named.
        lit: parts to light, by their names in the trace without ``h.i.``: "attn.scores".

    Raises:
        TypeError: not a config, or ``lit`` is one str.
        ValueError: there is no such block or part.
    """
    check_kind("config", config, GPTConfig)
    if isinstance(lit, str):
        raise TypeError(f"lit must be a collection of names, such as [{lit!r}], not one str")
    if not 0 <= layer < config.n_layer:
        raise ValueError(f"layer must lie in 0 to {config.n_layer - 1}, not {layer}")
    placed = machine(config)
    known = [part["step"] for part in placed["parts"]]
    for step in lit:
        if step not in known:
            raise ValueError(f"no part is called {step!r}: there are {', '.join(known)}")
    return Diagram(f"Block {layer} of {config.n_layer}, and the way to it", placed, layer, lit)


class Diagram(View):
    """A drawing of the machine.

    Attributes:
        placed: what ``machine`` returns.
        layer: the block drawn in full.
        lit: the parts that are lit.
    """

    def __init__(
        self, title: str, placed: dict[str, Any], layer: int, lit: Collection[str], note: str = ""
    ) -> None:
        super().__init__(title, note)
        self.placed, self.layer, self.lit = placed, layer, set(lit)

    def name(self, step: str) -> str:
        """Give the trace's name for a part."""
        return f"h.{self.layer}.{step}" if step in BLOCK_STEPS else step

    def body_text(self) -> str:
        rows = [(self.name(p["step"]), p["label"], p["says"]) for p in self.placed["parts"]]
        wide = [max(len(row[i]) for row in rows) for i in (0, 1)]
        lines = [f"{name:{wide[0]}}  {label:{wide[1]}}  {says}" for name, label, says in rows]
        return "\n".join(reversed(lines))

    def body_html(self) -> str:
        wide, high = self.placed["size"]
        drawn = [self._frame(self.placed["frame"]), *self._stack(), *self._heads()]
        for points in self.placed["lines"]:
            path = " ".join(f"{x:g},{y:g}" for x, y in points)
            drawn.append(f'<polyline points="{path}" fill="none" stroke="#8a8f98"/>')
            drawn.append(f'<path d="{arrow(points)}" fill="#8a8f98"/>')
        drawn += [self._part(part) for part in self.placed["parts"]]
        return (
            f'<svg viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" role="img" '
            f'aria-label="{escape(self.title)}" font-size="12" font-family="sans-serif" '
            f'text-anchor="middle">{"".join(drawn)}</svg>'
        )

    def _frame(self, at: list[float]) -> str:
        x, y, wide, high = at
        return (
            f'<rect x="{x}" y="{y}" width="{wide}" height="{high}" rx="8" fill="#f6f4f0" '
            'stroke="#e3dfd8"/>'
        )

    def _stack(self) -> list[str]:
        slabs = []
        for i, (x, y, wide, high) in enumerate(slab_places(self.placed["blocks"])):
            fill = BLUE if i == self.layer else "#ffffff"
            slabs.append(
                f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}" rx="2" '
                f'fill="{fill}" stroke="#8a8f98"><title>block {i}</title></rect>'
            )
        for path in zoom(self.placed, self.layer):
            (x0, y0), (x1, y1) = path
            slabs.append(f'<path d="M{x0:g} {y0:g}L{x1:g} {y1:g}" stroke="#c9cdd3"/>')
        return slabs

    def _heads(self) -> list[str]:
        x, y, wide, high = self.placed["heads"]["at"]
        box = (
            f'<rect x="{x}" y="{y}" width="{wide}" height="{high}" rx="5" fill="none" '
            'stroke="#8a8f98" stroke-dasharray="3 3"/>'
        )
        words = (
            f'<text x="{at[0]}" y="{at[1]}" font-size="10" fill="{INK}">{word}</text>'
            for word, at in heads_label(self.placed["heads"])
        )
        return [box, *words]

    def _part(self, part: Part) -> str:
        x, y, wide, high = part["at"]
        is_lit = part["step"] in self.lit
        fill, ink = (BLUE, "#ffffff") if is_lit else ("#ffffff", INK)
        radius = wide / 2 if part["shape"] == "sum" else 5
        title = escape(f"{self.name(part['step'])}: {part['says']}")
        return (
            f'<g><title>{title}</title><rect x="{x}" y="{y}" width="{wide}" height="{high}" '
            f'rx="{radius:g}" fill="{fill}" stroke="#5a6068"/><text x="{x + wide / 2:g}" '
            f'y="{y + high / 2 + 4:g}" fill="{ink}">{escape(part["label"])}</text></g>'
        )

    def inches(self) -> tuple[float, float]:
        wide, high = self.placed["size"]
        return wide / 72, high / 72 + 0.3

    def plot(self, ax: Any = None) -> Any:
        """Draw the machine with its boxes and arrows; see ``View.plot``."""
        ax = titled_axes(self, ax)
        wide, high = self.placed["size"]
        ax.set_xlim(0, wide)
        ax.set_ylim(high, 0)
        ax.set_aspect("equal")
        ax.axis("off")
        self._box(ax, self.placed["frame"], 8, "#f6f4f0", "#e3dfd8")
        for i, at in enumerate(slab_places(self.placed["blocks"])):
            self._box(ax, at, 2, BLUE if i == self.layer else "#ffffff", "#8a8f98")
        for path in zoom(self.placed, self.layer):
            ax.plot(*zip(*path, strict=True), color="#c9cdd3", linewidth=0.8)
        self._box(ax, self.placed["heads"]["at"], 5, "none", "#8a8f98", dashed=True)
        for said, (x, y) in heads_label(self.placed["heads"]):
            ax.text(x, y, said, fontsize=6, ha="center", color=INK)
        for points in self.placed["lines"]:
            ax.plot(*zip(*points, strict=True), color="#8a8f98", linewidth=0.8)
            style = {"arrowstyle": "-|>", "color": "#8a8f98", "linewidth": 0.8}
            ax.annotate("", points[-1], points[-2], arrowprops=style)
        for part in self.placed["parts"]:
            x, y, across, tall = part["at"]
            is_lit = part["step"] in self.lit
            self._box(ax, part["at"], 5, BLUE if is_lit else "#ffffff", "#5a6068")
            style = {"ha": "center", "va": "center", "color": "#ffffff" if is_lit else INK}
            ax.text(x + across / 2, y + tall / 2, plain(part["label"]), fontsize=8, **style)
        return ax

    def _box(
        self, ax: Any, at: Any, radius: float, fill: str, edge: str, dashed: bool = False
    ) -> None:
        from matplotlib.patches import FancyBboxPatch

        x, y, wide, high = at
        style = f"round,pad=0,rounding_size={radius}"
        box = FancyBboxPatch((x, y), wide, high, style, facecolor=fill, edgecolor=edge)
        box.set_linestyle("--" if dashed else "-")
        ax.add_patch(box)


def zoom(placed: dict[str, Any], layer: int) -> list[list[tuple[float, float]]]:
    """Place the two lines from a block of the small stack to the block drawn in full."""
    x, y, wide, high = slab_places(placed["blocks"])[layer]
    left, top, _, tall = placed["frame"]
    return [[(x + wide, y), (left, top + 8)], [(x + wide, y + high), (left, top + tall - 8)]]


def heads_label(heads: dict[str, Any]) -> list[tuple[str, tuple[float, float]]]:
    """Place the words that say how many heads there are: right of the values' way up."""
    x, y, wide, _ = heads["at"]
    words = (str(heads["n"]), "head" if heads["n"] == 1 else "heads")
    return [(word, (x + wide - 18, y + 62 + 12 * i)) for i, word in enumerate(words)]


def slab_places(blocks: dict[str, Any]) -> list[tuple[float, float, float, float]]:
    """Place each block of the small stack, the first at the foot: x, y, width and height."""
    x, y, wide, high = blocks["at"]
    each = high / blocks["n"]
    gap = min(3.0, each / 4)
    return [(x, y + high - (i + 1) * each, wide, each - gap) for i in range(blocks["n"])]


def arrow(points: list[list[float]]) -> str:
    """Write the path of the head of an arrow at the end of a line."""
    (x0, y0), (x1, y1) = points[-2:]
    dx, dy = (x1 > x0) - (x1 < x0), (y1 > y0) - (y1 < y0)
    ends = [(x1, y1), (x1 - 6 * dx - 3 * dy, y1 - 6 * dy - 3 * dx)]
    ends.append((x1 - 6 * dx + 3 * dy, y1 - 6 * dy + 3 * dx))
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in ends) + "Z"
