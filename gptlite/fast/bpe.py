"""The encoding of ``tokenizer.py`` again, made fast: many words at once.

The plain way, ``Tokenizer.steps``, looks at every pair of a piece again for each merge. It is short
and sure, and takes more than a hundred times as long. The ids here are the same, since within each
piece the same pairs join in the same order; only the work is arranged differently:

1. **Look-up.** A word's ids depend on the word alone, and most words of a text have come before. So
   text is split at spaces, which is quicker than cutting it into pieces, and words and pieces seen
   before are looked up: the work left grows with the number of different words, not with the text.
2. **Rounds.** New pieces are encoded all together, in arrays: in each round every piece makes its
   next merge, in a fifth of the time that one piece after another would take.
3. **One by one.** For a few pieces the arrays would take longer to make than to use. In a short
   piece, a list of its pairs' ranks shows the next merge.
4. **A heap.** A long piece would need too many rounds. It becomes a linked list whose pairs wait in
   a heap by rank, and only the neighbours of a merge are looked at again: n log n for n bytes.

Threads may share an encoder. What it remembers only ever grows, and is replaced as a whole when it
has grown too large; so a thread takes it once, and whatever was found in it stays there.

The tests check that all these and the plain way agree. Learning the merges
(``training/merges.py``) prepares its texts with the same functions.

A vocabulary may lack some bytes: they are left out of a text, or become its unknown token.
"""

import re
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import chain, compress, count, islice, pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gptlite.alphabet import BYTE_SYMBOLS
from gptlite.checks import check_texts
from gptlite.fast.rows import ID, MARK, Ids, lay_out, pair_number, take_rows, to_utf8
from gptlite.fast.words import Cut, cut_words, split_parts, split_short, split_words
from gptlite.offsets import byte_places

Numbers: TypeAlias = "list[int] | array[int]"

#: Left in a linked list by a token that was joined to the one before it.
HOLE = -2

_NONE = np.iinfo(np.int64).max  # the rank of a pair that does not join
_SHORT = 1500  # characters: the words of a shorter text are looked up without arrays
_SEVERAL = 100  # pieces: as many go through the rounds sooner than one by one
_FEW = 8  # words: as many are cut sooner one by one
_LONG = 64  # longer words are hardly ever seen again, and longer pieces take too many rounds
_HUGE = 1 << 16  # bytes: longer pieces are linked in arrays, slower than lists but small
_MANY = 1 << 18  # words to remember
_BLOCK = 1 << 16  # pieces that go through the rounds together, which bounds the memory


class BytePairEncoder:
    """An encoder that looks up what it has seen before, and does the rest in array operations.

    Args:
        cut: splits a text into pieces. It must cut before each space that a word follows, and
            nowhere in a space and the letters after it.
        vocab: {token: id}, in alphabet.py's symbols for bytes.
        merges: pairs of tokens in the order in which they were learned.
        unknown: the token for bytes that the vocabulary lacks; None leaves them out.
        fuse: True for one such token where several of these bytes follow one another in a piece.

    Attributes:
        made: {id: bytes} of the tokens that the encoder may give, but for the unknown one.
    """

    def __init__(
        self,
        cut: Cut,
        vocab: Mapping[str, int],
        merges: Sequence[tuple[str, str]],
        unknown: str | None = None,
        fuse: bool = False,
    ) -> None:
        self._cut = cut
        first, second = [vocab[a] for a, _ in merges], [vocab[b] for _, b in merges]
        new = [vocab[a + b] for a, b in merges]
        known = {byte: vocab[s] for byte, s in BYTE_SYMBOLS.items() if s in vocab}
        self._lacking = bytes(byte for byte in range(256) if byte not in known)
        self._unknown, self._fuse = unknown is not None, fuse
        self._filter = byte_filter(self._lacking, self._unknown, fuse)
        other = 0 if unknown is None else vocab[unknown]
        self._ids_of_bytes = [known.get(byte, other) for byte in range(256)]
        self._id_of_byte = np.array(self._ids_of_bytes, np.int64)  # [256]
        self._joins = first, second, new  # in less memory than a tuple for each would take
        self.made = {i: bytes([byte]) for byte, i in known.items()}
        for a, b, joined in zip(first, second, new, strict=True):
            self.made[joined] = self.made[a] + self.made[b]
        self._rank = {pair: rank for rank, pair in enumerate(zip(first, second, strict=True))}
        # The same for many pairs at once: their numbers in order, and _NONE above them all.
        self._new = np.array(new, np.int64)  # [n_merges]
        pairs = pair_number(np.array(first, np.int64), np.array(second, np.int64))  # [n_merges]
        pairs = np.append(pairs, _NONE)  # [n_merges + 1]
        self._pair_rank = np.argsort(pairs).astype(np.int64)  # [n_merges + 1]
        self._pairs = pairs[self._pair_rank]  # [n_merges + 1]
        # One int for each id, in whatever many places of a long text it is.
        self._ints = np.arange(max(vocab.values(), default=0) + 1).astype(object)  # [n_vocab]
        # What was seen before, with its ids as bytes: pieces of words, words that a text began
        # with, and other words without their space.
        self._pieces: dict[str, bytes] = {}
        self._firsts: dict[str, bytes] = {}
        self._words: dict[str, bytes] = {}

    def encode(self, text: str) -> list[int]:
        """Turn a text into ids.

        Raises:
            ValueError: the text has a surrogate, which UTF-8 cannot encode.
        """
        if len(text) <= _SHORT:
            rows = self._look_up(*split_short(text))
            return array("I", b"".join(rows)).tolist()
        ids: list[int] = []
        for part in split_parts(text):
            ids += self._ints[self._encode_part(part)].tolist()
        return ids

    def kept(self, piece: bytes) -> bytes:
        """Take from a piece the bytes that get no token."""
        return piece if self._filter is None else self._filter(piece)

    def meet(self, words: list[str]) -> None:
        """Remember words, without their space, so that texts of them need only be looked up."""
        self._look_up("", words)

    def places(self, text: str, ids: Sequence[int]) -> list[tuple[int, int]]:
        """Say from which character of a text to which each of its tokens reaches."""
        sizes = [len(self.made.get(i, b"?")) for i in ids]
        return byte_places(self._cut(text), sizes, self._lacking, self._unknown, self._fuse)

    def _encode_part(self, text: str) -> NDArray[np.uintc]:
        """Turn a part of a text, which must end before a word, into ids: ``[n]``."""
        first, others = split_words(text)
        # Each different word gets a number and is looked up once; the rows of ids are put together
        # in one array operation. The first word, which may begin without a space, is number 0.
        number: dict[str, int] = defaultdict(count(1).__next__)
        numbers = array("I", [0] if first else [])
        numbers.extend(map(number.__getitem__, others))
        rows = self._look_up(first, list(number))
        bounds = np.array([0, *map(len, rows)], np.int64).cumsum() // ID.itemsize  # [n_words + 1]
        flat = np.frombuffer(b"".join(rows), ID)  # [n]
        return take_rows(flat, bounds, np.frombuffer(numbers, ID))  # [n_ids]

    def _look_up(self, first: str, others: list[str]) -> list[bytes]:
        """Find the ids, as bytes, of a text's first word, and of others without their space."""
        known, firsts = self._words, self._firsts
        rows = list(map(known.get, others))
        first_row = firsts.get(first)
        if first_row is not None and None not in rows:
            return [first_row, *rows]  # type: ignore[list-item]  # there is no None
        new = [word for word, row in zip(others, rows, strict=True) if row is None]
        first_row, *new_rows = self._encode_words(first, new)
        self._firsts = remembering(firsts, {first: first_row})
        self._words = remembering(known, dict(zip(new, new_rows, strict=True)))
        rest = iter(new_rows)
        return [first_row, *(next(rest) if row is None else row for row in rows)]

    def _encode_words(self, first: str, others: list[str]) -> list[bytes]:
        """Find the ids, as bytes, of a text's first word, and of others without their space."""
        # A space and the letters after it are one piece: there is nothing to cut.
        single = [word.isascii() and word.isalpha() for word in others]
        spaced = [" " + word for word in others]
        whole = iter(self._encode_new(list(compress(spaced, single))))
        several = [first, *(word for word, one in zip(spaced, single, strict=True) if not one)]
        if len(several) <= _FEW:
            cut = (b"".join(self._encode_pieces(self._cut(word))) for word in several)
        else:
            pieces, ends = cut_words(self._cut, several)  # [n_words]
            rows = self._encode_pieces(pieces)
            bounds = [0, *ends.tolist()]
            cut = (b"".join(rows[i:j]) for i, j in pairwise(bounds))
        return [next(cut), *(next(whole) if one else next(cut) for one in single)]

    def _encode_pieces(self, pieces: list[str]) -> list[bytes]:
        """Find the ids, as bytes, of each piece: from memory, or else by merging."""
        known = self._pieces
        new = list(set(pieces).difference(known))
        if not new:
            return list(map(known.__getitem__, pieces))
        made = dict(zip(new, self._encode_new(new), strict=True))
        self._pieces = remembering(known, made)
        return [made[piece] if piece in made else known[piece] for piece in pieces]

    def _encode_new(self, pieces: list[str]) -> list[bytes]:
        """Find the ids, as bytes, of each piece by merging: many together, or one by one."""
        merge = self._merge if len(pieces) > _SEVERAL else self._merge_each
        return merge(list(map(self.kept, to_utf8(pieces))))

    def _merge(self, pieces: list[bytes]) -> list[bytes]:
        """Find the ids, as bytes, of each piece: short ones in rounds, long ones by a heap."""
        short = [piece for piece in pieces if len(piece) <= _LONG]
        blocks = (short[i : i + _BLOCK] for i in range(0, len(short), _BLOCK))
        rows = chain.from_iterable(map(self._merge_in_rounds, blocks))
        return [next(rows) if len(p) <= _LONG else self._merge_by_heap(p) for p in pieces]

    def _merge_each(self, pieces: list[bytes]) -> list[bytes]:
        """Find the ids, as bytes, of each piece, one after the other."""
        return [self._merge_one(p) if len(p) <= _LONG else self._merge_by_heap(p) for p in pieces]

    def _merge_one(self, piece: bytes) -> bytes:
        """Find the ids, as bytes, of a short piece: make its next merge, and again."""
        rank_of, new = self._rank.get, self._joins[2]
        row = [self._ids_of_bytes[byte] for byte in piece]
        ranks = [rank_of(pair, _NONE) for pair in pairwise(row)]  # of a token and the next
        while ranks and (rank := min(ranks)) < _NONE:
            i = ranks.index(rank)
            row[i : i + 2] = [new[rank]]
            del ranks[i]
            if i:
                ranks[i - 1] = rank_of((row[i - 1], row[i]), _NONE)
            if i < len(ranks):
                ranks[i] = rank_of((row[i], row[i + 1]), _NONE)
        return array("I", row).tobytes()

    def _merge_in_rounds(self, pieces: list[bytes]) -> list[bytes]:
        """Find the ids, as bytes, of short pieces. In each round every piece makes its next merge,
        wherever it can; so there are as many rounds as the slowest piece needs.
        """
        row = lay_out(pieces, self._id_of_byte)  # [n]
        rank = np.append(self._ranks(row[:-1], row[1:]), _NONE)  # [n]: of a token and the next
        while True:
            end = np.flatnonzero(row == MARK)  # [n_pieces]
            size = np.diff(end, prepend=-1)  # [n_pieces]
            lowest = np.minimum.reduceat(rank, end - size + 1)  # [n_pieces]
            at = np.flatnonzero((rank == np.repeat(lowest, size)) & (rank < _NONE))  # [n_found]
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

    def _merge_by_heap(self, piece: bytes) -> bytes:
        """Find the ids, as bytes, of a piece: a list linked both ways. Merges are taken from a heap
        by rank, and each is made wherever it can be.
        """
        make: Callable[..., Numbers] = list if len(piece) < _HUGE else partial(array, "i")
        row = make(map(self._ids_of_bytes.__getitem__, piece))
        row.append(MARK)
        right = make(range(1, len(row) + 1))
        left = make(range(-1, len(row) - 1))
        waiting: dict[int, Numbers] = defaultdict(make)  # rank -> places of the first of the pair
        for i, rank in enumerate(map(self._rank.get, pairwise(row))):
            if rank is not None:
                waiting[rank].append(i)
        heap = list(waiting)
        heapify(heap)
        firsts, seconds, joined = self._joins
        while heap:
            rank = heappop(heap)
            first, second, new = firsts[rank], seconds[rank], joined[rank]
            for i in in_order(waiting.pop(rank)):
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

    def _ranks(self, first: Ids, second: Ids) -> Ids:
        """Find the rank of each pair, or ``_NONE``."""
        pair = pair_number(first, second)  # [n]
        at = np.searchsorted(self._pairs, pair)  # [n]
        return np.where(self._pairs[at] == pair, self._pair_rank[at], _NONE)  # [n]


def meeting(texts: Iterable[str], encoder: object) -> Iterable[str]:
    """Return the texts; an encoder has met the words of the short ones then, all at once.

    Raises:
        TypeError: the texts are one str.
    """
    check_texts(texts)
    if not isinstance(encoder, BytePairEncoder):
        return texts
    texts = list(texts)
    short = (text for text in texts if isinstance(text, str) and len(text) <= _SHORT)
    words = {word for text in short for word in split_short(text)[1]}
    with suppress(ValueError):  # a text is not UTF-8, and will be refused in its turn
        encoder.meet(list(words))
    return texts


def in_order(places: Numbers) -> Numbers:
    """Sort places, those in an array without a Python object for each."""
    if isinstance(places, list):
        return sorted(places)
    return array("i", np.sort(np.frombuffer(places, np.intc)).tobytes())


def byte_filter(lacking: bytes, unknown: bool, fuse: bool) -> Callable[[bytes], bytes] | None:
    """Make what takes from a piece the bytes that get no token; None if it would take none.

    Args:
        lacking: the bytes that have no token of their own.
        unknown: True if another token stands for each of them.
        fuse: True if it stands for all that follow one another, too.
    """
    if not lacking or (unknown and not fuse):
        return None
    if not unknown:
        return lambda piece: piece.translate(None, lacking)
    run = re.compile(b"([" + re.escape(lacking) + b"])[" + re.escape(lacking) + b"]+")
    return lambda piece: run.sub(rb"\1", piece)


def remembering(known: dict[str, bytes], new: dict[str, bytes]) -> dict[str, bytes]:
    """Add what is new to what is known, but nothing long; begin afresh where it would be too much.

    Nothing is ever taken away from ``known``: another thread may be about to look it up.
    """
    if max(map(len, new), default=0) > _LONG:
        new = {word: ids for word, ids in new.items() if len(word) <= _LONG}
    if len(known) + len(new) > _MANY:
        known, new = {}, dict(islice(new.items(), _MANY))
    known.update(new)
    return known
