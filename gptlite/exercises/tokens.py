"""Exercise: the merges of byte-pair encoding."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from gptlite.alphabet import BYTE_SYMBOLS
from gptlite.exercises.exercise import Case, Exercise, Mistake
from gptlite.exercises.samples import PROMPT, storyteller
from gptlite.tokenizer import Pair, merged

Rows = list[list[str]]
Ranks = Mapping[Pair, int]

TOY: dict[Pair, int] = {
    pair: rank
    for rank, pair in enumerate(
        [("o", "l"), ("ol", "d"), ("g", "old"), ("d", "Ġ"), ("a", "n"), ("Ã", "©"), ("an", "an")]
    )
}


def merged_cases() -> list[Case]:
    """Make pieces: without a merge, with several, with a pair that comes twice, with two bytes."""
    _, tokenizer = storyteller()
    ranks = {pair: rank for rank, pair in enumerate(tokenizer.merges)}
    pieces = [piece.encode() for piece in ("x", "old", "gold", "old gold", "banana", "é")]
    known = ", ".join("+".join(pair) for pair in TOY)
    words = [word.encode() for word in PROMPT.split()]
    whole = [(f"{word!r} and the storyteller's ranks", (word, ranks)) for word in words]
    return [
        *(Case(f"{piece!r} and ranks for {known}", (piece, TOY)) for piece in pieces),
        *(Case(what, arguments, merged(*arguments)) for what, arguments in whole),
    ]


def joined(row: list[str], at: int) -> list[str]:
    """Join the two tokens of a row that begin at a place."""
    return [*row[:at], row[at] + row[at + 1], *row[at + 2 :]]


def merged_by(piece: bytes, rank: Ranks, choose: Any, row: list[str] | None = None) -> Rows:
    """Merge with another choice among the places where a merge is possible."""
    row = [BYTE_SYMBOLS[byte] for byte in piece] if row is None else row
    rows = [row]
    while waiting := [i for i, pair in enumerate(pairwise(row)) if pair in rank]:
        row = joined(row, choose(waiting, key=lambda i, row=row: rank[row[i], row[i + 1]]))
        rows.append(row)
    return rows


def all_at_once(piece: bytes, rank: Ranks) -> Rows:
    """Merge a pair wherever it stands in one step: other rows on the way, the same last one."""
    row = [BYTE_SYMBOLS[byte] for byte in piece]
    rows = [row]
    while waiting := [pair for pair in pairwise(row) if pair in rank]:
        first, at, row = min(waiting, key=rank.__getitem__), 0, [*row]
        while at < len(row) - 1:
            if (row[at], row[at + 1]) == first:
                row = joined(row, at)
            at += 1
        rows.append(row)
    return rows


CHARACTERS = (
    "it begins with characters, and the smallest tokens are bytes, each with its symbol: 'é' is "
    "one character, and two bytes of UTF-8."
)

MERGED = Exercise(
    merged,
    merged_cases,
    (
        Mistake(
            lambda piece, rank: merged_by(piece, rank, min, list(piece.decode().replace(" ", "Ġ"))),
            CHARACTERS,
        ),
        Mistake(
            lambda piece, rank: merged_by(piece, rank, min, list(piece.decode())),
            CHARACTERS,
        ),
        Mistake(
            lambda piece, rank: merged_by(piece, rank, lambda waiting, key: waiting[0]),
            "it joins the leftmost pair that it knows. Of all the pairs that could join, the one "
            "learned first does, wherever it stands.",
        ),
        Mistake(
            lambda piece, rank: merged_by(piece, rank, max),
            "it joins the pair with the highest rank, which was learned last. The order of "
            "learning is replayed from its beginning.",
        ),
        Mistake(
            lambda piece, rank: merged(piece, rank)[:2],
            "it stops after the first merge. The new token may itself be half of a pair: look "
            "again until no pair is left.",
        ),
        Mistake(
            lambda piece, rank: merged(piece, rank)[1:],
            "the first row is missing: the bytes, before any merge.",
        ),
        Mistake(
            lambda piece, rank: merged(piece, rank)[-1],
            "it returns the last row alone. Return a list of rows: the bytes, then the row after "
            "each merge.",
        ),
        Mistake(
            lambda piece, rank: [merged(piece, rank)[-1]] * len(merged(piece, rank)),
            "all rows are the last one: the same list was appended again and again, and then "
            "changed. Append a new list each time.",
        ),
        Mistake(
            lambda piece, rank: [
                *merged(piece, rank),
                *([] if len(merged(piece, rank)) == 1 else merged(piece, rank)[-1:]),
            ],
            "the last row is there twice.",
        ),
    ),
    also=(all_at_once,),
)
