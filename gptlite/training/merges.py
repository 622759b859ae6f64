"""Learning the merges of a byte-pair encoding from text (Sennrich et al. 2016, section 3.2).

Again and again, the most frequent pair of neighbouring tokens becomes a token. Counting all pairs
anew for each merge would take hours. Here each different piece of text is kept once, with the
number of times it occurs; a merge changes only the counts of the pairs beside the places where it
happens; and a heap gives the most frequent pair.

Among equally frequent pairs the smaller ids win, first token before second. Bytes have
the ids of ``BYTE_SYMBOLS``; merges follow in the order in which they are learned. The trainer of
Hugging Face tokenizers breaks ties in the same way.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count

import numpy as np

from gptlite.alphabet import BYTE_SYMBOLS, EOT
from gptlite.checks import check_text, check_texts
from gptlite.fast.merging import HOLE
from gptlite.fast.rows import MARK, lay_out, pair_number, to_utf8
from gptlite.fast.words import cut_pieces, cut_words, split_words
from gptlite.texts import split_documents


def learn_vocabulary(
    texts: Iterable[str], n_vocab: int
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Learn a vocabulary: ``{token: id}``, and the merges in order.

    Args:
        texts: read once, one after the other. A text may hold several documents, parted by lines
            that are exactly ``<|endoftext|>``; within a line that name is plain text.
        n_vocab: tokens wanted: 256 bytes, the merges, ``<|endoftext|>``. There are fewer if no pair
            is left to join: 257 for no text, empty texts, or one letter.

    Raises:
        ValueError: ``n_vocab`` is below 257, or a text has a lone surrogate.
        TypeError: ``n_vocab`` is not an int; ``texts`` is one str, or holds anything but str.
    """
    if not isinstance(n_vocab, int) or isinstance(n_vocab, bool):
        raise TypeError(f"n_vocab must be an int, not {n_vocab!r}")
    if n_vocab < 257:
        raise ValueError(f"n_vocab must be at least 257 (256 bytes and {EOT}), not {n_vocab}")
    symbols = list(BYTE_SYMBOLS.values())
    merges = []
    for first, second in learn_merges(texts, n_vocab - 257):
        merges.append((symbols[first], symbols[second]))
        symbols.append(symbols[first] + symbols[second])
    symbols.append(EOT)
    return {symbol: i for i, symbol in enumerate(symbols)}, merges


def count_pieces(texts: Iterable[str]) -> Counter[str]:
    """Count how often each piece occurs in the texts.

    Raises:
        TypeError: ``texts`` is one str, or holds anything but str.

    >>> count_pieces(["the cat and", "the cat"])
    Counter({'the': 2, ' cat': 2, ' and': 1})
    """
    check_texts(texts)
    firsts: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for text in texts:
        check_text(text)
        for document in split_documents(text).texts:
            first, rest = split_words(document)
            firsts[first] += 1
            others.update(rest)
    pieces: Counter[str] = Counter()
    for word, n in firsts.items():
        for piece in cut_pieces(word):
            pieces[piece] += n
    # The pieces of the other words are cut and counted all at once, which is faster.
    cut, sizes = cut_words(cut_pieces, [" " + word for word in others])
    times = np.array(list(others.values()), np.int64)  # [n_words]
    times = np.repeat(times, sizes)  # [n_cut]: of the word around each piece
    number: dict[str, int] = defaultdict(count().__next__)  # of each different piece
    numbers = np.fromiter(map(number.__getitem__, cut), np.intp, len(cut))  # [n_cut]
    for piece, n in zip(number, np.bincount(numbers, times).tolist(), strict=True):
        pieces[piece] += int(n)
    return pieces


def learn_merges(texts: Iterable[str], n_merges: int) -> list[tuple[int, int]]:
    """Learn the pairs of ids to merge, in order; merge number n makes the id 256 + n.

    There are fewer than ``n_merges`` if no two neighbours are left. Terminals show a progress bar.

    Raises:
        TypeError: see ``count_pieces``.
        ValueError: a text has a lone surrogate, which UTF-8 cannot encode.

    >>> learn_merges(["ab ab abc"], 2) == [(64, 65), (220, 256)]  # a b, then space ab
    True
    """
    from tqdm import tqdm

    pieces = count_pieces(texts)
    utf8 = to_utf8(pieces)
    id_of_byte = np.argsort(list(BYTE_SYMBOLS)).astype(np.int64)  # [256]
    ids = lay_out(utf8, id_of_byte)  # [n]
    times = np.array(list(pieces.values()), np.int64)  # [n_pieces]
    times = np.repeat(times, [len(piece) + 1 for piece in utf8])  # [n]: of the piece at each place
    # The places of each pair, by sorting all places. A pair is one number, first << 32 | second:
    # numbers are made, found and compared faster than tuples.
    at = np.flatnonzero((ids[:-1] != MARK) & (ids[1:] != MARK))  # [n_places]
    pairs = pair_number(ids[at], ids[at + 1])  # [n_places]
    order = np.argsort(pairs, kind="stable")  # [n_places]
    at, pairs = at[order], pairs[order]  # [n_places]
    start = np.flatnonzero(np.diff(pairs, prepend=-1))  # [n_pairs]
    where: dict[int, array[int]] = {}
    counts: dict[int, int] = defaultdict(int)
    for pair, of_pair in zip(pairs[start].tolist(), np.split(at, start[1:]), strict=False):
        where[pair] = array("q", of_pair.astype(np.int64).tobytes())
        counts[pair] = int(times[of_pair].sum())
    # A doubly linked list, since merges leave holes. It is made of arrays, whose numbers lie closer
    # together in memory than a list's.
    row, weight = array("q", ids.tobytes()), array("q", times.tobytes())
    right, left = array("q", range(1, len(row) + 1)), array("q", range(-1, len(row) - 1))
    # The smallest entry has the highest count, then the smallest ids. It too is one number.
    heap = [(-n << 64) + pair for pair, n in counts.items()]
    heapify(heap)
    merges: list[tuple[int, int]] = []
    bar = tqdm(total=n_merges, desc="learning merges", unit="merge", disable=None)  # on a terminal
    while heap and len(merges) < n_merges:
        entry = heappop(heap)
        pair = entry & (1 << 64) - 1
        if counts[pair] != -(entry >> 64):
            # The count has fallen since this entry was pushed. (It never rises: that would take new
            # neighbours, and only the newest token gets any.)
            if counts[pair] > 0:
                heappush(heap, (-counts[pair] << 64) + pair)
            continue
        first, second = pair >> 32, pair & (1 << 32) - 1
        new = 256 + len(merges)
        merges.append((first, second))
        # {neighbour: places of its pairs with the new token}, in ascending order like all places.
        before: dict[int, array[int]] = defaultdict(partial(array, "q"))
        after: dict[int, array[int]] = defaultdict(partial(array, "q"))
        for i in where.pop(pair):
            j = right[i]
            if row[i] != first or row[j] != second:
                continue  # another merge took one of the two
            h, k = left[i], right[j]
            row[i], row[j] = new, HOLE
            right[i] = k
            left[k] = i
            before[row[h]].append(h)
            after[row[k]].append(i)
        # By neighbour rather than by place: that saves most look-ups of pairs.
        changes = [(t << 32 | first, t << 32 | new, at) for t, at in before.items() if t != MARK]
        changes += [(second << 32 | t, new << 32 | t, at) for t, at in after.items() if t != MARK]
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
