"""The merges of ``tokenizer.merged`` again, made fast: from the bytes of pieces to their ids.

Which pairs join, and in which order, is the plain way's. Only the work is arranged differently, in
whatever way fits the pieces:

- **Rounds.** Many pieces are merged all together, in arrays: in each round every piece makes its
  next merge, in a fifth of the time that one piece after another would take.
- **One by one.** For a few pieces the arrays would take longer to make than to use. In a short
  piece, a list of its pairs' ranks shows the next merge.
- **A heap.** A long piece would need too many rounds. It becomes a linked list whose pairs wait in
  a heap by rank, and only the neighbours of a merge are looked at again: n log n for n bytes.
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import chain, pairwise
from typing import TypeAlias

import numpy as np

from gptlite.fast.pairs import NONE, PairRanks
from gptlite.fast.rows import ID, MARK, lay_out

Numbers: TypeAlias = "list[int] | array[int]"

#: Left in a linked list by a token that was joined to the one before it.
HOLE = -2

_SEVERAL = 100  # pieces: up to so few are merged faster one by one
_LONG = 64  # bytes: longer pieces take too many rounds
_HUGE = 1 << 16  # bytes: longer pieces are linked in arrays, slower than lists but small
_BLOCK = 1 << 16  # pieces that go through the rounds together, which bounds the memory


class Merges:
    """The merges of a vocabulary, by the ids of its tokens.

    Args:
        first, second, joined: the ids of each pair, and of the token that it becomes, in the order
            in which they were learned.
        ids_of_bytes: {byte: id}.
        other: the id for bytes that have none.
    """

    def __init__(
        self,
        first: Sequence[int],
        second: Sequence[int],
        joined: Sequence[int],
        ids_of_bytes: Mapping[int, int],
        other: int,
    ) -> None:
        self._joins = first, second, joined  # in less memory than a tuple for each would take
        self._byte_ids = [ids_of_bytes.get(byte, other) for byte in range(256)]
        self._byte_ids_array = np.array(self._byte_ids, np.int64)  # [256]
        self._rank = {pair: rank for rank, pair in enumerate(zip(first, second, strict=True))}
        # The same for many pairs at once.
        self._new = np.array(joined, np.int64)  # [n_merges]
        ids = np.array(first, np.int64), np.array(second, np.int64)  # [n_merges], [n_merges]
        self._ranks = PairRanks(*ids, self._rank).find
        # Of several merges that make the same token, one may come after merges of that token.
        ranks = np.arange(len(joined))  # [n_merges]
        last = np.zeros(1 + max(a.max(initial=0) for a in (self._new, *ids)), np.int64)  # [n_ids]
        last[self._new] = ranks
        self._falls = bool((np.maximum(*last[np.stack(ids)]) > ranks).any())

    def merge(self, pieces: list[bytes]) -> list[bytes]:
        """Find the ids, as bytes, of each piece: many together, or one by one."""
        if len(pieces) <= _SEVERAL or self._falls:
            return [self.one(p) if len(p) <= _LONG else self.by_heap(p) for p in pieces]
        short = [piece for piece in pieces if len(piece) <= _LONG]
        blocks = (short[i : i + _BLOCK] for i in range(0, len(short), _BLOCK))
        rows = chain.from_iterable(map(self.in_rounds, blocks))
        return [next(rows) if len(p) <= _LONG else self.by_heap(p) for p in pieces]

    def one(self, piece: bytes) -> bytes:
        """Find the ids, as bytes, of a short piece: make its next merge, and again."""
        rank_of, joined = self._rank.get, self._joins[2]
        row = [self._byte_ids[byte] for byte in piece]
        ranks = [rank_of(pair, NONE) for pair in pairwise(row)]  # of a token and the next
        while ranks and (rank := min(ranks)) < NONE:
            i = ranks.index(rank)
            row[i] = joined[rank]
            del row[i + 1], ranks[i]
            if i:
                ranks[i - 1] = rank_of((row[i - 1], row[i]), NONE)
            if i < len(ranks):
                ranks[i] = rank_of((row[i], row[i + 1]), NONE)
        return array("I", row).tobytes()

    def in_rounds(self, pieces: list[bytes]) -> list[bytes]:
        """Find the ids, as bytes, of short pieces, in rounds.

        In each round every piece makes its next merge, wherever it can; so there are as many rounds
        as the slowest piece needs. No merge may make a pair that was learned before it.
        """
        row = lay_out(pieces, self._byte_ids_array)  # [n]
        rank = np.append(self._ranks(row[:-1], row[1:]), NONE)  # [n]: of a token and the next
        while True:
            end = np.flatnonzero(row == MARK)  # [n_pieces]
            size = np.diff(end, prepend=-1)  # [n_pieces]
            lowest = np.minimum.reduceat(rank, end - size + 1)  # [n_pieces]
            at = np.flatnonzero((rank == np.repeat(lowest, size)) & (rank < NONE))  # [n_found]
            if not len(at):
                break
            # In a run of places, as in "aaaa", every other one joins.
            run = np.maximum.accumulate(np.where(np.diff(at, prepend=-2) > 1, at, 0))  # [n_found]
            at = at[(at - run) % 2 == 0]  # [n_joins]
            row[at] = self._new[rank[at]]
            keep = np.ones(len(row), bool)  # [n_left]
            keep[at + 1] = False
            row, rank = row[keep], rank[keep]  # [n_left - n_joins]
            at -= np.arange(len(at))  # where these places are now
            rank[at - 1] = self._ranks(row[at - 1], row[at])
            rank[at] = self._ranks(row[at], row[at + 1])
        bounds = ID.itemsize * np.append(-1, end)  # [n_pieces + 1]
        data = row.astype(ID).tobytes()
        return [data[i + ID.itemsize : j] for i, j in pairwise(bounds.tolist())]

    def by_heap(self, piece: bytes) -> bytes:
        """Find the ids, as bytes, of a piece, in a list linked both ways.

        Merges are taken from a heap by rank, and each is made wherever it can be.
        """
        make: Callable[..., Numbers] = list if len(piece) < _HUGE else partial(array, "i")
        row = make(map(self._byte_ids.__getitem__, piece))
        row.append(MARK)
        right = make(range(1, len(row) + 1))
        left = make(range(-1, len(row) - 1))
        waiting: dict[int, Numbers] = defaultdict(make)  # rank -> places of the first of the pair
        for i, rank in enumerate(map(self._rank.get, pairwise(row))):
            if rank is not None:
                waiting[rank].append(i)
        heap = list(waiting)
        heapify(heap)
        firsts, seconds, made = self._joins
        while heap:
            rank = heappop(heap)
            first, second, new = firsts[rank], seconds[rank], made[rank]
            places = in_order(waiting.pop(rank))
            for n, i in enumerate(places):
                if heap and heap[0] < rank:  # a merge has made a pair that was learned before it
                    waiting[rank] = places[n:]
                    heappush(heap, rank)
                    break
                j = right[i]
                if row[i] != first or row[j] != second:
                    continue  # an earlier merge took one of the two
                row[i], row[j] = new, HOLE
                h, k = left[i], right[j]
                right[i] = k
                left[k] = i
                for start, pair in ((h, (row[h], new)), (i, (new, row[k]))):
                    wider = self._rank.get(pair)
                    if wider is not None:
                        if wider not in waiting:
                            heappush(heap, wider)
                        waiting[wider].append(start)
        return array("I", (token for token in row if token >= 0)).tobytes()


def in_order(places: Numbers) -> Numbers:
    """Sort places, those in an array without a Python object for each."""
    if isinstance(places, list):
        return sorted(places)
    return array("i", np.sort(np.frombuffer(places, np.intc)).tobytes())
