r"""Equations, from a few commands of TeX to a tree of MathML, which every browser can show.

Known are letters, numbers and signs; ``_`` and ``^``; ``\frac{a}{b}`` and ``\sqrt{a}``;
``\op{softmax}``, a name of several letters; ``\text{...}``; and the signs of ``SIGNS``.
"""

import re
from typing import Any

Tree = list[Any]  # ["mfrac", tree, tree], or ["mi", "x"]

SIGNS = {
    **{"cdot": "·", "odot": "⊙", "sum": "∑", "le": "≤", "to": "→", "dots": "…", "quad": "\u2003"},
    **{"times": "×", "top": "⊤"},
}
LETTERS = {
    **{"mu": "μ", "sigma": "σ", "gamma": "γ", "beta": "β", "epsilon": "ε", "pi": "π"},
    "Phi": "Φ",
}
PIECE = re.compile(r"\\[a-zA-Z]+|[a-zA-Z]|\d+(?:\.\d+)?|[^\s]")


def math_tree(tex: str) -> Tree:
    r"""Read an equation as a tree of MathML elements: each a list of its name and its content.

    >>> math_tree(r"\frac{q_i}{2}")
    ['mrow', ['mfrac', ['mrow', ['msub', ['mi', 'q'], ['mi', 'i']]], ['mrow', ['mn', '2']]]]

    Raises:
        ValueError: a command is unknown, or a brace is not closed.
    """
    texts: list[str] = []

    def kept(match: re.Match[str]) -> str:
        texts.append(match[2])
        return f"\\{match[1]}{{{len(texts) - 1}}}"

    # Words may have spaces and signs: they wait in a list, and their place has a number.
    pieces = PIECE.findall(re.sub(r"\\(op|text)\{([^}]*)\}", kept, tex))
    row = read_row(pieces, texts)
    if pieces:
        raise ValueError(f"a brace too many in {tex}")
    return row


def read_row(pieces: list[str], texts: list[str]) -> Tree:
    """Read items up to a closing brace or the end, taking them from the list."""
    row: Tree = ["mrow"]
    while pieces and pieces[0] != "}":
        item = read_item(pieces, texts)
        scripts: dict[str, Tree] = {}
        while pieces and pieces[0] in "_^":
            sign = pieces.pop(0)
            scripts[sign] = read_item(pieces, texts)
        below = item == ["mo", "∑"]
        if set(scripts) == {"_", "^"}:
            name = "munderover" if below else "msubsup"
            item = [name, item, scripts["_"], scripts["^"]]
        elif "_" in scripts:
            item = ["munder" if below else "msub", item, scripts["_"]]
        elif "^" in scripts:
            item = ["msup", item, scripts["^"]]
        row.append(item)
    return row


def read_item(pieces: list[str], texts: list[str]) -> Tree:
    """Read one item: a letter, a number, a sign, a command, or a row in braces."""
    if not pieces:
        raise ValueError("an equation ends where something should follow")
    piece = pieces.pop(0)
    if piece == "{":
        row = read_row(pieces, texts)
        if not pieces:
            raise ValueError("a brace is not closed in an equation")
        pieces.pop(0)
        return row
    if not piece.startswith("\\"):
        return ["mi" if piece.isalpha() else "mn" if piece[0].isdigit() else "mo", piece]
    command = piece[1:]
    if command == "frac":
        return ["mfrac", read_item(pieces, texts), read_item(pieces, texts)]
    if command == "sqrt":
        return ["msqrt", read_item(pieces, texts)]
    if command in ("op", "text"):
        number = pieces[1]
        del pieces[:3]
        return ["mi" if command == "op" else "mtext", texts[int(number)]]
    if command in LETTERS:
        return ["mi", LETTERS[command]]
    if command in SIGNS:
        return ["mo", SIGNS[command]]
    raise ValueError(f"unknown command in an equation: {piece}")
