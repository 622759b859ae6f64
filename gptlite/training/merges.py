"""Learning the merges of a byte-pair encoding from text."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from gptlite.tokenizer import _WORD_START, BYTE_SYMBOLS, PATTERN


def count_pieces(texts: Iterable[str]) -> Counter[str]:
    words: Counter[str] = Counter()
    for text in texts:
        words.update(_WORD_START.split(text))
    pieces: Counter[str] = Counter()
    for word, count in words.items():
        for piece in PATTERN.findall(word):
            pieces[piece] += count
    return pieces


def learn_merges(texts: Iterable[str], n_merges: int) -> list[tuple[int, int]]:
    from tqdm import tqdm

    id_of_byte = {byte: i for i, byte in enumerate(BYTE_SYMBOLS)}
    row: list[int] = []
    weight: list[int] = []
    for piece, count in count_pieces(texts).items():
        ids = [id_of_byte[byte] for byte in piece.encode()]
        row += ids
        row.append(-1)
        weight += [count] * (len(ids) + 1)
    right = list(range(1, len(row) + 1))
    left = list(range(-1, len(row) - 1))
    where: dict[tuple[int, int], list[int]] = defaultdict(list)
    counts: dict[tuple[int, int], int] = defaultdict(int)
    for i, pair in enumerate(zip(row, row[1:])):
        if pair[0] >= 0 and pair[1] >= 0:
            where[pair].append(i)
            counts[pair] += weight[i]
    heap = [(-count, pair) for pair, count in counts.items()]
    heapify(heap)
    merges: list[tuple[int, int]] = []
    bar = tqdm(total=n_merges, desc="learning merges", unit="merge", disable=None)
    while heap and len(merges) < n_merges:
        negative, pair = heappop(heap)
        count = counts[pair]
        if count != -negative:
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
                continue
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
