"""Places of byte-level tokens in a text: their bytes, counted in the text's own characters."""

from collections.abc import Sequence

import numpy as np


def byte_places(
    pieces: Sequence[str],
    sizes: Sequence[int],
    lacking: bytes = b"",
    unknown: bool = False,
    fuse: bool = False,
) -> list[tuple[int, int]]:
    """Say from which character to which each token of a text reaches.

    A character of several bytes may have several tokens, and belongs to each of them.

    Args:
        pieces: the text, cut into pieces.
        sizes: the number of each token's bytes; 1 for a token that stands for unknown ones.
        lacking, unknown, fuse: the bytes without a token of their own; whether another token
            stands for them; whether that is one for several in a row.

    >>> byte_places(["é!"], [1, 1, 1])
    [(0, 1), (0, 1), (1, 2)]
    >>> byte_places(["a--b"], [1, 1, 1], lacking=b"-", unknown=True, fuse=True)
    [(0, 1), (1, 3), (3, 4)]
    """
    spelled = [piece.encode() for piece in pieces]
    utf8 = np.frombuffer(b"".join(spelled), np.uint8)  # [n_bytes]
    # Every byte but those of the form 10xxxxxx begins a character.
    character = np.cumsum(utf8 & 0xC0 != 0x80) - 1  # [n_bytes]
    left_out = np.isin(utf8, np.frombuffer(lacking, np.uint8))  # [n_bytes]
    if unknown:  # left out are those that another stands for
        follows = np.ones(len(utf8), bool)  # [n_bytes]
        follows[np.cumsum([0, *map(len, spelled)], dtype=np.int64)[:-1]] = False
        left_out[1:] &= left_out[:-1] & follows[1:] & fuse  # [n_bytes - 1]
        left_out[:1] = False
    at = np.append(np.flatnonzero(~left_out), len(utf8))  # [n_kept + 1]
    size = np.array(sizes, np.int64)  # [n]
    stop = size.cumsum()  # [n]: the kept byte after each token
    last = at[stop] - 1 if unknown else at[stop - 1]  # [n]
    first = character[at[stop - size]]  # [n]
    return list(zip(first.tolist(), (character[last] + 1).tolist(), strict=True))
