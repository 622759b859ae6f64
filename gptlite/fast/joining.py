"""The bytes of many tokens, joined at once: ``b"".join(tokens[i] for i in ids)``, fast."""

from array import array
from collections.abc import Iterable, Sequence

import numpy as np

from gptlite.fast.rows import ID, take_rows

FEW = 32  # ids; with so few, the plain way is faster


class Joiner:
    """The bytes of every token, in one row: token i has those from bound i to bound i + 1."""

    def __init__(self, tokens: Sequence[bytes]) -> None:
        self._tokens = tokens
        self._row = np.frombuffer(b"".join(tokens), np.uint8)  # [n_bytes]
        self._bounds = np.array([0, *map(len, tokens)], np.int64).cumsum()  # [n_vocab + 1]

    def join(self, ids: Iterable[int]) -> bytes:
        """Join the bytes of a row of tokens.

        Raises:
            ValueError: an id is not in the vocabulary. TypeError: not a row of ints.
        """
        if isinstance(ids, (bytes, bytearray)):  # whose elements would pass for ids
            raise TypeError(f"expected a row of token ids, not {type(ids).__name__}")
        try:
            ids = ids if isinstance(ids, list) else list(ids)
            checked = array("I", ids)
            if len(checked) <= FEW:
                return b"".join(map(self._tokens.__getitem__, checked))
            return take_rows(self._row, self._bounds, np.frombuffer(checked, ID)).tobytes()
        except (OverflowError, IndexError):
            n_vocab = len(self._tokens)
            bad = next(i for i in ids if not 0 <= i < n_vocab)
            raise ValueError(f"token id {bad} is not in 0 to {n_vocab - 1}") from None
        except TypeError:
            if not isinstance(ids, list):
                raise TypeError(f"expected a row of token ids, not {type(ids).__name__}") from None
            bad = next(i for i in ids if not isinstance(i, (int, np.integer)))
            raise TypeError(f"token ids must be ints, not {type(bad).__name__}") from None
