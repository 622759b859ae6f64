"""Learning the merges of a byte-pair encoding from text (Sennrich et al. 2016, section 3.2).

Again and again, the most frequent pair of neighbouring tokens becomes a token. Counting all pairs
anew for each merge would take hours; here each different piece of text stands once in a row, with
the times it occurs, and a merge only changes the counts of the pairs beside the places where it
happens.

Of pairs that are equally frequent the one with the smaller ids is taken, first token before second;
bytes have the ids of ``BYTE_SYMBOLS``, merges follow in the order they are learned. The trainer of
Hugging Face tokenizers orders them in the same way.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from itertools import pairwise

from gptlite.tokenizer import _WORD_START, BYTE_SYMBOLS, PATTERN


def count_pieces(texts: Iterable[str]) -> Counter[str]:
    """How often each piece occurs in the texts, in the order in which they first do.

    Raises:
        TypeError: ``texts`` is one str, or holds something else than str.

    >>> count_pieces(["the cat and", "the cat"])
    Counter({'the': 2, ' cat': 2, ' and': 1})
    """
    if isinstance(texts, str):
        raise TypeError("texts must be an iterable of str, not one str")
    words: Counter[str] = Counter()
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"texts must hold str, not {type(text).__name__}")
        words.update(_WORD_START.split(text))
    pieces: Counter[str] = Counter()
    for word, count in words.items():
        for piece in PATTERN.findall(word):
            pieces[piece] += count
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

    id_of_byte = {byte: i for i, byte in enumerate(BYTE_SYMBOLS)}
    # All pieces in one row, with -1 between them; a place's neighbours are found through right and
    # left, since merges leave holes.
    row: list[int] = []
    weight: list[int] = []
    for piece, count in count_pieces(texts).items():
        try:
            ids = [id_of_byte[byte] for byte in piece.encode()]
        except UnicodeEncodeError as error:
            lone = error.object[error.start]
            raise ValueError(f"text has a lone surrogate, {lone!r}, which no UTF-8 has") from None
        row += ids
        row.append(-1)
        weight += [count] * (len(ids) + 1)
    right = list(range(1, len(row) + 1))
    left = list(range(-1, len(row) - 1))
    where: dict[tuple[int, int], list[int]] = defaultdict(list)
    counts: dict[tuple[int, int], int] = defaultdict(int)
    for i, pair in enumerate(pairwise(row)):
        if pair[0] >= 0 and pair[1] >= 0:
            where[pair].append(i)
            counts[pair] += weight[i]
    # Smallest first: the highest count, then the smallest ids.
    heap = [(-count, pair) for pair, count in counts.items()]
    heapify(heap)
    merges: list[tuple[int, int]] = []
    bar = tqdm(total=n_merges, desc="learning merges", unit="merge", disable=None)  # on a terminal
    while heap and len(merges) < n_merges:
        negative, pair = heappop(heap)
        count = counts[pair]
        if count != -negative:
            # The count fell since this was pushed. (It never rises: that takes new neighbours, and
            # only the newest token gets any.)
            if count > 0:
                heappush(heap, (-count, pair))
            continue
        first, second = pair
        new = 256 + len(merges)
        merges.append(pair)
        changed = set()
        for i in sorted(where.pop(pair)):
            j = right[i]
            if row[i] != first or row[j] != second:
                continue  # another merge took one of the two
            h, k = left[i], right[j]
            before, after = row[h], row[k]
            n = weight[i]
            row[i], row[j] = new, -2
            right[i] = k
            left[k] = i
            if before >= 0:
                counts[before, first] -= n
                counts[before, new] += n
                where[before, new].append(h)
                changed.add((before, new))
            if after >= 0:
                counts[second, after] -= n
                counts[new, after] += n
                where[new, after].append(i)
                changed.add((new, after))
        counts[pair] = 0
        for pair in changed:
            if counts[pair] > 0:
                heappush(heap, (-counts[pair], pair))
        bar.update()
    bar.close()
    return merges
