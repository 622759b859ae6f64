"""Places of tokens in a text: their bytes, counted in the text's own characters."""

from collections.abc import Iterable, Sequence

import numpy as np

from gptlite.special import Part


def spans(
    text: str, parts: Iterable[tuple[Part, list[int]]], tokens: Sequence[bytes]
) -> list[tuple[int, int]]:
    r"""Say from which character to which each token of a text reaches.

    A character of several bytes may have several tokens, and belongs to each of them. A token that
    is found by its name has its whole part, with the white space that it takes.

    Args:
        parts: the parts of the text, with their ids.
        tokens: the bytes of each token.

    Raises:
        ValueError: the tokens do not spell the text, as GPT-1's do not: they have no places in it.

    >>> spans("é!", [(Part(0, 2, None), [1, 2, 0])], [b"!", b"\xc3", b"\xa9"])
    [(0, 1), (0, 1), (1, 2)]
    """
    found: list[tuple[int, int]] = []
    for part, ids in parts:
        if part.name is not None:
            found.append((part.start, part.stop))
            continue
        utf8 = np.frombuffer(text[part.start : part.stop].encode(), np.uint8)  # [n_bytes]
        if b"".join([tokens[i] for i in ids]) != utf8.tobytes():
            raise ValueError("these tokens lose case and spaces, and so have no places in the text")
        # Every byte but those of the form 10xxxxxx begins a character.
        character = part.start + np.cumsum(utf8 & 0xC0 != 0x80) - 1  # [n_bytes]
        size = np.array([len(tokens[i]) for i in ids], np.int64)  # [n]
        stop = size.cumsum()  # [n]: the byte after each token
        first, last = character[stop - size], character[stop - 1]  # [n]
        found += zip(first.tolist(), (last + 1).tolist(), strict=True)
    return found
