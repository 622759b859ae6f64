"""Rows of ids: slices of lists, and their sums, for many rows at once."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

#: Ids as bytes are arrays of this type, ``array("I")``.
ID = np.dtype(np.uintc)
#: The mark after each piece in a row of ids. It joins with nothing.
MARK = -1


def to_utf8(pieces: Iterable[str]) -> list[bytes]:
    """Turn each piece into its bytes.

    Raises:
        ValueError: a piece has a surrogate, which UTF-8 cannot encode.
    """
    try:
        return [piece.encode() for piece in pieces]
    except UnicodeEncodeError as error:
        found = error.object[error.start : error.start + 2]
        try:
            meant = found.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise ValueError(
                f"text has a lone surrogate, {found[0]!r}, which is not UTF-8"
            ) from None
        raise ValueError(
            f"text has a pair of surrogates, {found!r}, in place of {meant!r}: that is not UTF-8"
        ) from None


def lay_out(pieces: Sequence[bytes], id_of_byte: Ids) -> Ids:
    """Lay pieces out as one row of ids, ``[n]``, with ``MARK`` after each."""
    row = id_of_byte[np.frombuffer(b" ".join([*pieces, b""]), np.uint8)]  # [n]
    row[np.cumsum([len(piece) + 1 for piece in pieces], dtype=np.int64) - 1] = MARK
    return row


def pair_number(first: Ids, second: Ids) -> Ids:
    """Turn each pair of ids into one number, in the pairs' order: found faster than a tuple."""
    return first.astype(np.int64, copy=False) << 32 | second  # [n]


def take_rows(flat: NDArray[Any], bounds: Ids, which: NDArray[np.integer[Any]]) -> NDArray[Any]:
    """Join rows of a flat array: ``flat[bounds[i] : bounds[i + 1]]`` for each i in ``which``.

    Without a single element the result is empty.
    """
    start, stop = bounds[:-1][which], bounds[1:][which]  # [n_taken]
    full = start < stop  # [n_taken]
    if not full.all():  # a row that is empty has no place to leap to
        start, stop = start[full], stop[full]  # [n_full]
    if not len(start):
        return flat[:0]  # [0]
    end = np.cumsum(stop - start)  # [n_full]
    # Within a row each place is one step on; from the end of a row to the next row it is a leap.
    step = np.ones(end[-1], np.int64)  # [n]
    step[0] = start[0]
    step[end[:-1]] = start[1:] - stop[:-1] + 1
    return flat[np.cumsum(step, out=step)]  # [n]
