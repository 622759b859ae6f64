"""The ranks of many pairs at once: ``[rank.get(pair) for pair in pairs]``, in arrays.

They come from a hash table (Knuth, The Art of Computer Programming, volume 3, section 6.4): a
pair's number, multiplied and cut to its first bits, is the pair's slot. A slot holds one pair. The
few pairs that had to leave theirs to another one are looked up in the dict instead.
"""

from collections.abc import Mapping

import numpy as np

from gptlite.fast.rows import Ids, pair_number

#: The rank of a pair that does not join.
NONE = np.iinfo(np.int64).max

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: it spreads numbers evenly
_SPARE = 4  # slots for each pair: with fewer, more pairs would share one


class PairRanks:
    """A hash table of pairs of ids.

    Args:
        first, second: the ids of each pair, ``[n_pairs]``, in the order of their ranks.
        rank: {pair: rank} of the same pairs.
    """

    def __init__(self, first: Ids, second: Ids, rank: Mapping[tuple[int, int], int]) -> None:
        self._rank = rank
        self._pairs = np.append(pair_number(first, second), NONE)  # [n_pairs + 1]
        bits = max(1, (_SPARE * len(rank)).bit_length())
        self._shift = np.uint64(64 - bits)
        ranks = np.fromiter(rank.values(), np.int64, len(rank))[::-1]  # [n_pairs]
        slot = self._slots(self._pairs[ranks])  # [n_pairs]
        self._holder = np.full(1 << bits, len(first), np.int32)  # [n_slots]: the rank of its pair
        self._holder[slot] = ranks  # the last counts: the pair learned first, which most texts have
        self._shared = np.zeros(1 << bits, bool)  # [n_slots]: other pairs wanted it too
        self._shared[slot[self._holder[slot] != ranks]] = True

    def find(self, first: Ids, second: Ids) -> Ids:
        """Find the rank of each pair, or ``NONE``: ``[n], [n] -> [n]``."""
        pair = pair_number(first, second)  # [n]
        slot = self._slots(pair)  # [n]
        holder = self._holder[slot]  # [n]
        other = self._pairs[holder] != pair  # [n]
        ranks = np.where(other, np.int64(NONE), holder)  # [n]
        for i in np.flatnonzero(other & self._shared[slot]).tolist():
            ranks[i] = self._rank.get((int(first[i]), int(second[i])), NONE)
        return ranks

    def _slots(self, pair: Ids) -> Ids:
        """Say which slot each pair would have: ``[n]``."""
        return (pair.view(np.uint64) * _FACTOR >> self._shift).view(np.int64)  # [n]
