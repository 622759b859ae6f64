"""Learning the merges of a byte-pair encoding from text (Sennrich et al. 2016, section 3.2).

Again and again, the most frequent pair of neighbouring tokens becomes a token. Counting all pairs
anew for each merge would take hours; here each different piece of text stands once in a row, with
the times it occurs, and a merge only changes the counts of the pairs beside the places where it
happens.

Of pairs that are equally frequent the one with the smaller ids is taken, first token before second;
bytes have the ids of ``BYTE_SYMBOLS``, merges follow in the order they are learned. The trainer of
Hugging Face tokenizers orders them in the same way.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count

import numpy as np

from gptlite.tokenizer import BYTE_SYMBOLS, PATTERN, split_words


def count_pieces(texts: Iterable[str]) -> Counter[str]:
    """How often each piece occurs in the texts.

    Raises:
        TypeError: ``texts`` is one str, or holds something else than str.

    >>> count_pieces(["the cat and", "the cat"])
    Counter({'the': 2, ' cat': 2, ' and': 1})
    """
    if isinstance(texts, str):
        raise TypeError("texts must be an iterable of str, not one str")
    firsts: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"texts must hold str, not {type(text).__name__}")
        first, rest = split_words(text)
        firsts[first] += 1
        others.update(rest)
    pieces: Counter[str] = Counter()
    for word, n in firsts.items():
        for piece in PATTERN.findall(word):
            pieces[piece] += n
    # The others in one call of the pattern, and all their pieces counted at once: it takes a third
    # of the time that one after the other does.
    words = [" " + word for word in others]
    cut = PATTERN.findall("".join(words))
    word_end = np.cumsum([len(word) for word in words])  # [n_words]
    cut_end = np.cumsum([len(piece) for piece in cut])  # [n_cut]
    times = np.array(list(others.values()), np.int64)[np.searchsorted(word_end, cut_end)]  # [n_cut]
    number: dict[str, int] = defaultdict(count().__next__)  # of each different piece
    numbers = np.fromiter(map(number.__getitem__, cut), np.int64, len(cut))  # [n_cut]
    for piece, n in zip(number, np.bincount(numbers, times).tolist(), strict=True):
        pieces[piece] += int(n)
    return pieces


def learn_merges(texts: Iterable[str], n_merges: int) -> list[tuple[int, int]]:
    """The pairs of ids to merge, in order; merge number n makes the id 256 + n.

    Fewer than ``n_merges`` where no two neighbours are left. Shows a bar on a terminal.

    Raises:
        TypeError: as for ``count_pieces``.
        ValueError: a lone surrogate in a text, which no UTF-8 has.

    >>> learn_merges(["ab ab abc"], 2) == [(64, 65), (220, 256)]  # a b, then space ab
    True
    """
    from tqdm import tqdm

    pieces = count_pieces(texts)
    try:
        utf8 = [piece.encode() for piece in pieces]
    except UnicodeEncodeError as error:
        lone = error.object[error.start]
        raise ValueError(f"text has a lone surrogate, {lone!r}, which no UTF-8 has") from None
    # All pieces in one row, with -1 after each; a place's neighbours are found through right and
    # left, since merges leave holes.
    id_of_byte = np.argsort(list(BYTE_SYMBOLS))  # [256]
    size = np.array([len(piece) + 1 for piece in utf8], np.int64)  # [n_pieces]
    ids = id_of_byte[np.frombuffer(b" ".join([*utf8, b""]), np.uint8)]  # [n]
    ids[np.cumsum(size) - 1] = -1
    times = np.repeat(np.array(list(pieces.values()), np.int64), size)  # [n]: of the piece
    # The places of each pair, sorted by pair in one go. A pair is one number, first << 32 | second:
    # numbers are made, found and compared faster than tuples.
    at = np.flatnonzero((ids[:-1] >= 0) & (ids[1:] >= 0))  # [n_places]
    pairs = ids[at] << 32 | ids[at + 1]  # [n_places]
    order = np.argsort(pairs, kind="stable")  # [n_places]
    at, pairs = at[order], pairs[order]  # [n_places]
    start = np.flatnonzero(np.diff(pairs, prepend=-1))  # [n_pairs]
    where: dict[int, array[int]] = {}
    counts: dict[int, int] = defaultdict(int)
    for pair, of_pair in zip(pairs[start].tolist(), np.split(at, start[1:]), strict=False):
        where[pair] = array("q", of_pair.tobytes())
        counts[pair] = int(times[of_pair].sum())
    # Arrays, whose numbers lie closer together than those of lists: a tenth of the time.
    row, weight = array("q", ids.tobytes()), array("q", times.tobytes())
    right, left = array("q", range(1, len(row) + 1)), array("q", range(-1, len(row) - 1))
    # Smallest first: the highest count, then the smallest ids. Again each entry is one number.
    heap = [(-count << 64) + pair for pair, count in counts.items()]
    heapify(heap)
    merges: list[tuple[int, int]] = []
    bar = tqdm(total=n_merges, desc="learning merges", unit="merge", disable=None)  # on a terminal
    while heap and len(merges) < n_merges:
        entry = heappop(heap)
        pair = entry & (1 << 64) - 1
        if counts[pair] != -(entry >> 64):
            # The count fell since this was pushed. (It never rises: that takes new neighbours, and
            # only the newest token gets any.)
            if counts[pair] > 0:
                heappush(heap, (-counts[pair] << 64) + pair)
            continue
        first, second = pair >> 32, pair & (1 << 32) - 1
        new = 256 + len(merges)
        merges.append((first, second))
        # {neighbour: places of the new pairs}, in rising order as all places are.
        before: dict[int, array[int]] = defaultdict(partial(array, "q"))
        after: dict[int, array[int]] = defaultdict(partial(array, "q"))
        for i in where.pop(pair):
            j = right[i]
            if row[i] != first or row[j] != second:
                continue  # another merge took one of the two
            h, k = left[i], right[j]
            row[i], row[j] = new, -2  # -2: a hole
            right[i] = k
            left[k] = i
            before[row[h]].append(h)
            after[row[k]].append(i)
        # By neighbour rather than by place, which saves most look-ups of pairs.
        changes = [(t << 32 | first, t << 32 | new, at) for t, at in before.items() if t >= 0]
        changes += [(second << 32 | t, new << 32 | t, at) for t, at in after.items() if t >= 0]
        for old, wider, places in changes:
            n = sum(map(weight.__getitem__, places))
            counts[old] -= n
            counts[wider] += n
            where[wider] = places
        counts[pair] = 0
        for _, wider, _ in changes:
            if counts[wider] > 0:
                heappush(heap, (-counts[wider] << 64) + wider)
        bar.update()
    bar.close()
    return merges
