"""Text to token ids and back: the byte-level byte-pair encoding (BPE) of GPT-2.

A model computes with numbers, so text has to become a list of ids out of a fixed vocabulary. Three
ideas make GPT-2's (section 2.2 of "Language Models are Unsupervised Multitask Learners"):

1. **Bytes.** The smallest tokens are the 256 values of a byte of UTF-8. Every text in every script
   is a row of bytes, so nothing is ever "unknown", and the base vocabulary is 256, not 150,000.
2. **Pieces.** Text is first cut into words, numbers, punctuation and white space (``PATTERN``), and
   no token reaches over a cut: otherwise "dog.", "dog!" and "dog?" would each win a place in the
   vocabulary. A space goes with the word after it, so most words in a sentence are " word".
3. **Merges.** Inside a piece neighbours are joined into longer and longer tokens. Which pairs may
   join was learned once from a corpus, by joining its most frequent pair again and again
   (``gptlite.training.merges``). The order of that learning is the *rank* of a merge, and encoding
   replays it: of all pairs that could join, the one learned first does.
"""

import json
import os
import re
from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import chain, count, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import regex
from numpy.typing import NDArray

from gptlite.files import write_atomically

EOT = "<|endoftext|>"
PATTERN = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)
#: The names under which the two files of a vocabulary lie: the tokens' ids, and the merges.
FILES = {"hub": ("vocab.json", "merges.txt"), "openai": ("encoder.json", "vocab.bpe")}
# Before a space that a word follows there is always a cut, whatever stands around it. So text can
# be encoded from one such place to the next, and what was seen before is looked up.
_WORD_START = re.compile(r"(?= \S)")
_WORD_SPACE = re.compile(r" (?=\S)")
_STRETCH = 1 << 14  # characters: the words of one stretch of text stay in the processor's cache

_PRINTABLE = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
#: The character that stands for each byte in vocabulary files, in the order of GPT-2's ids 0 to
#: 255: printable Latin-1 characters stand for themselves, the others (space is "Ġ", line feed "Ċ")
#: borrow the characters from U+0100 on, so that no token in a file contains white space.
BYTE_SYMBOLS = {byte: chr(byte) for byte in _PRINTABLE} | {
    byte: chr(256 + n) for n, byte in enumerate(_OTHERS)
}
_BYTE_OF_SYMBOL = np.zeros(256 + len(_OTHERS), np.uint8)  # [code point]
_BYTE_OF_SYMBOL[[ord(symbol) for symbol in BYTE_SYMBOLS.values()]] = list(BYTE_SYMBOLS)

_Ids = NDArray[np.integer[Any]]
_ID = np.dtype(np.uintc)  # ids as bytes are arrays of this type, array("I")
_NONE = np.iinfo(np.int64).max  # the rank of a pair that does not join
_LONG = 64  # longer words are hardly ever seen again, and longer pieces take too many rounds
_MANY = 1 << 18  # words to remember


class PieceSteps(NamedTuple):
    """How one piece was encoded: ``rows[0]`` is its bytes, each later row has one merge more."""

    piece: str
    rows: list[list[bytes]]
    ids: list[int]


class Tokenizer:
    """A vocabulary and the ways through it: ``encode`` and ``decode``.

    Article: "End of part #1: The GPT-2, Ladies and Gentlemen", by which the words in its figures
    are tokens, often parts of words.

    Args:
        vocab: {token in ``BYTE_SYMBOLS``: id}, with ids 0 to n - 1; ``<|endoftext|>`` is one.
        merges: pairs of tokens in the order they were learned. The two must fit each other:
            ``from_pretrained`` checks this for files.
    """

    def __init__(self, vocab: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> None:
        self._vocab = dict(vocab)
        self._merges = list(merges)
        self.eot = self._vocab[EOT]
        self._id_of_byte = np.array([self._vocab[BYTE_SYMBOLS[byte]] for byte in range(256)])
        # Merge number `rank` joins tokens first, second into new: _joins[rank], and back.
        first = [self._vocab[a] for a, _ in merges]
        second = [self._vocab[b] for _, b in merges]
        new = [self._vocab[a + b] for a, b in merges]
        self._joins = list(zip(first, second, new, strict=True))
        self._rank = {pair: rank for rank, pair in enumerate(zip(first, second, strict=True))}
        # The same for many pairs at once: their numbers in order, above all of them _NONE.
        self._new = np.array(new, np.int64)  # [n_merges]
        pairs = self._number(np.array(first, np.int64), np.array(second, np.int64))  # [n_merges]
        pairs = np.append(pairs, _NONE)  # [n_merges + 1]
        self._pair_rank = np.argsort(pairs)  # [n_merges + 1]
        self._pairs = pairs[self._pair_rank]  # [n_merges + 1]
        # All tokens' bytes in one row, with the places of each token's first and last byte.
        tokens = sorted(self._vocab, key=self._vocab.__getitem__)
        symbols = np.frombuffer("".join(tokens).encode("utf-16-le"), np.uint16)  # [n_bytes]
        self._bytes = _BYTE_OF_SYMBOL[symbols]  # [n_bytes]
        self._first, self._last = _places([len(token) for token in tokens])  # [n_vocab]
        # The ids of pieces seen before, and of words without the space that each begins with.
        self._known: dict[str, bytes] = {}
        self._known_words: dict[str, bytes] = {}

    @classmethod
    def from_pretrained(cls, name_or_path: str | os.PathLike[str] | None = None) -> "Tokenizer":
        """The tokenizer of a model: the storyteller's (None), GPT-2's ("gpt2"), or a directory's.

        Reads ``vocab.json`` and ``merges.txt``, or OpenAI's ``encoder.json`` and ``vocab.bpe``, or
        the ``tokenizer.json`` of Hugging Face's library.

        Raises:
            CheckpointError: a file is missing or damaged, or the two do not fit.
            DownloadError: GPT-2's could not be fetched.
            ValueError: an unknown name. TypeError: neither a name nor a path.
        """
        from gptlite.checkpoints.locate import locate_vocabulary
        from gptlite.checkpoints.vocabulary import read_vocabulary

        return cls(*read_vocabulary(locate_vocabulary(name_or_path)))

    @classmethod
    def train(cls, texts: Iterable[str], n_vocab: int) -> "Tokenizer":
        """Learn the merges from texts: see ``gptlite.training.merges``.

        Args:
            texts: read once, one after the other. Special tokens in them are plain text.
            n_vocab: tokens wanted: 256 bytes, the merges, ``<|endoftext|>``. There are fewer where
                no pair is left to join: 257 for no text, empty texts, or one letter.

        Raises:
            ValueError: ``n_vocab`` is below 257; a lone surrogate in a text.
            TypeError: ``n_vocab`` is not an int; ``texts`` is one str, or holds something else.

        >>> tokenizer = Tokenizer.train(["aaabdaaabac"], 257 + 3)
        >>> [tokenizer.decode([i]) for i in tokenizer.encode("aaabdaaabac")]
        ['aaab', 'd', 'aaab', 'a', 'c']
        """
        from gptlite.training.merges import learn_merges

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
        return cls({symbol: i for i, symbol in enumerate(symbols)}, merges)

    def save_pretrained(self, directory: str | os.PathLike[str], format: str = "hub") -> None:
        """Write the vocabulary; the directory is made if it is not there.

        Args:
            format: ``"hub"`` for ``vocab.json`` and ``merges.txt``, or ``"openai"`` for
                ``encoder.json`` and ``vocab.bpe``, with the same content.

        Raises:
            ValueError: another format. OSError: a file cannot be written.
        """
        if format not in FILES:
            raise ValueError(f"format must be one of {', '.join(FILES)}, not {format!r}")
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        lines = ["#version: 0.2", *map(" ".join, self._merges)]
        contents = json.dumps(self._vocab), "".join(line + "\n" for line in lines)
        for name, content in zip(FILES[format], contents, strict=True):
            with write_atomically(directory / name) as file:
                file.write(content.encode())

    @property
    def n_vocab(self) -> int:
        """Number of tokens, ``<|endoftext|>`` included."""
        return len(self._vocab)

    def encode(self, text: str, allowed_special: Collection[str] = ()) -> list[int]:
        """The ids of a text.

        Args:
            allowed_special: ``{"<|endoftext|>"}`` to read that name as the token ``eot``. By
                default it is plain text, so that no text can forge the end of a document.

        Raises:
            TypeError: ``text`` is not a str, or ``allowed_special`` is one.
            ValueError: another special token; a lone surrogate in the text, which no UTF-8 has.
        """
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, not {type(text).__name__}")
        if isinstance(allowed_special, str):
            raise TypeError("allowed_special must be a set of names, not one str")
        if unknown := set(allowed_special) - {EOT}:
            raise ValueError(f"the only special token is {EOT!r}, not {unknown.pop()!r}")
        parts = text.split(EOT) if allowed_special else [text]
        ids = self._encode_ordinary(parts[0])
        for part in parts[1:]:
            ids.append(self.eot)
            ids += self._encode_ordinary(part)
        return ids

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of a row of tokens; ``decode_bytes(encode(text)) == text.encode()``.

        Raises:
            ValueError: an id that is not in the vocabulary. TypeError: an id that is not an int.
        """
        if not isinstance(ids, list):  # copying one would take a sixth of the time
            ids = list(ids)
        try:
            which = np.frombuffer(array("I", ids), _ID)  # [seq]
            return _take(self._bytes, self._first, self._last, which).tobytes()
        except (OverflowError, IndexError):
            bad = next(i for i in ids if not 0 <= i < self.n_vocab)
            raise ValueError(f"token id {bad} is not in 0 to {self.n_vocab - 1}") from None

    def decode(self, ids: Iterable[int]) -> str:
        """The text of a row of tokens; bytes that are not UTF-8 become U+FFFD. Errors: as above."""
        return self.decode_bytes(ids).decode(errors="replace")

    def steps(self, text: str) -> list[PieceSteps]:
        """Each step of ``encode``, to look at: the pieces, their bytes, and merge after merge.

        Written the plain way, which looks at every pair for each merge: not for long words.

        >>> steps = Tokenizer.train(["low lower lowest"], 259).steps("low low")
        >>> steps[1].rows
        [[b' ', b'l', b'o', b'w'], [b' ', b'lo', b'w'], [b' ', b'low']]
        """
        steps = []
        for piece in PATTERN.findall(text):
            row = self._bytes_to_ids(piece.encode()).tolist()
            rows = [row]
            while ranks := [self._rank[pair] for pair in pairwise(row) if pair in self._rank]:
                first, second, new = self._joins[min(ranks)]
                at = list(pairwise(row)).index((first, second))
                row = [*row[:at], new, *row[at + 2 :]]
                rows.append(row)
            steps.append(
                PieceSteps(piece, [[self.decode_bytes([i]) for i in r] for r in rows], row)
            )
        return steps

    def _encode_ordinary(self, text: str) -> list[int]:
        first, others = split_words(text)
        # Most words occur again and again: each different one gets a number and is looked up once,
        # and the rows of ids are put together in one array operation.
        number: dict[str, int] = defaultdict(count(1).__next__)
        numbers = array("I", [0] if first else [])
        numbers.extend(map(number.__getitem__, others))
        rows = self._look_up(first, list(number))
        flat = np.frombuffer(b"".join(rows), _ID)
        places = _places([len(row) // _ID.itemsize for row in rows])
        ids: list[int] = _take(flat, *places, np.frombuffer(numbers, _ID)).tolist()
        return ids

    def _look_up(self, first: str, others: list[str]) -> list[bytes]:
        """The ids, as bytes, of a text's first word and of others, given without their space."""
        known = self._known_words
        if len(known) > _MANY:
            known.clear()
        new = [word for word in others if word not in known]
        first_row, *rows = self._encode_words([first, *(" " + word for word in new)])
        known.update(zip(new, rows, strict=True))
        rows = [first_row, *map(known.__getitem__, others)]
        _forget_long(known, new)
        return rows

    def _encode_words(self, words: list[str]) -> list[bytes]:
        """The ids, as bytes, of each word; all words but the first begin with a cut."""
        known = self._known
        if len(known) > _MANY:
            known.clear()
        pieces = PATTERN.findall("".join(words))  # one call: half the time of one for each word
        new = list(set(pieces).difference(known))
        try:
            utf8 = [piece.encode() for piece in new]
        except UnicodeEncodeError as error:
            lone = error.object[error.start]
            raise ValueError(f"text has a lone surrogate, {lone!r}, which no UTF-8 has") from None
        for start in range(0, len(new), 1 << 16):  # by blocks, which bounds the memory
            block = slice(start, start + (1 << 16))
            known.update(zip(new[block], self._merge(utf8[block]), strict=True))
        rows = [b"".join(map(known.__getitem__, parts)) for parts in _group(pieces, words)]
        _forget_long(known, new)
        return rows

    def _merge(self, pieces: list[bytes]) -> list[bytes]:
        """The ids, as bytes, of each piece."""
        short = iter(self._merge_short([piece for piece in pieces if len(piece) <= _LONG]))
        return [next(short) if len(piece) <= _LONG else self._merge_long(piece) for piece in pieces]

    def _merge_short(self, pieces: list[bytes]) -> list[bytes]:
        """Many pieces in rounds of array operations: a fifth of the time of a heap. In each round
        every piece gets its next merge, at all places where it waits; so there are as many rounds
        as the longest piece takes merges. The pieces lie in one row, with a mark after each.
        """
        if not pieces:
            return []
        row = self._bytes_to_ids(b" ".join([*pieces, b""]))  # [n]
        mark = self.n_vocab  # joins with nothing
        row[np.cumsum([len(piece) + 1 for piece in pieces], dtype=np.int64) - 1] = mark
        rank = np.append(self._ranks(row[:-1], row[1:]), _NONE)  # [n]: of a token and the next
        while True:
            end = np.flatnonzero(row == mark)  # [n_pieces]
            size = np.diff(end, prepend=-1)  # [n_pieces]
            lowest = np.minimum.reduceat(rank, end - size + 1)  # [n_pieces]
            at = np.flatnonzero((rank == np.repeat(lowest, size)) & (rank < _NONE))  # [n_joins]
            if not len(at):
                break
            # Of a run of places, as in "aaaa", every other one joins.
            run = np.maximum.accumulate(np.where(np.diff(at, prepend=-2) > 1, at, 0))  # [n_joins]
            at = at[(at - run) % 2 == 0]  # [n_joins]
            row[at] = self._new[rank[at]]
            keep = np.ones(len(row), bool)  # [n]
            keep[at + 1] = False
            row, rank = row[keep], rank[keep]  # [n - n_joins]
            at -= np.arange(len(at))
            rank[at - 1] = self._ranks(row[at - 1], row[at])
            rank[at] = self._ranks(row[at], row[at + 1])
        data, bounds = row.astype(_ID).tobytes(), _ID.itemsize * np.append(-1, end)
        return [data[i + _ID.itemsize : j] for i, j in pairwise(bounds.tolist())]

    def _merge_long(self, piece: bytes) -> bytes:
        """One piece as a list linked both ways. Merges are taken by rank from a heap, each at all
        places where it waits, so every place is looked at only when something beside it changed:
        n log n for n bytes, where rounds would take n times n.
        """
        row = [*self._bytes_to_ids(piece).tolist(), -1]
        right = list(range(1, len(row) + 1))
        left = list(range(-1, len(row) - 1))
        waiting: dict[int, list[int]] = defaultdict(list)  # rank -> places of the first of the pair
        for i, rank in enumerate(map(self._rank.get, pairwise(row))):
            if rank is not None:
                waiting[rank].append(i)
        heap = list(waiting)
        heapify(heap)
        while heap:
            rank = heappop(heap)
            first, second, new = self._joins[rank]
            for i in sorted(waiting.pop(rank)):
                j = right[i]
                if row[i] != first or row[j] != second:
                    continue  # an earlier merge took one of the two
                row[i], row[j] = new, -2  # -2: a hole
                h, k = left[i], right[j]
                right[i] = k
                left[k] = i
                for start, pair in ((h, (row[h], new)), (i, (new, row[k]))):
                    wider = self._rank.get(pair)
                    if wider is not None:
                        if wider not in waiting:
                            heappush(heap, wider)
                        waiting[wider].append(start)
        return array("I", [token for token in row if token >= 0]).tobytes()

    def _bytes_to_ids(self, data: bytes) -> _Ids:
        """The id of each byte."""
        return self._id_of_byte[np.frombuffer(data, np.uint8)]

    def _ranks(self, first: _Ids, second: _Ids) -> _Ids:
        """The rank of each pair, or ``_NONE``."""
        pair = self._number(first, second)
        at = np.searchsorted(self._pairs, pair)
        return np.where(self._pairs[at] == pair, self._pair_rank[at], _NONE)

    def _number(self, first: _Ids, second: _Ids) -> _Ids:
        """A number for each pair of ids, which may be as high as ``n_vocab``."""
        return first * (self.n_vocab + 1) + second


def split_words(text: str) -> tuple[str, Iterator[str]]:
    """The first word of a text, and the others, each without the space that it begins with."""
    first = _WORD_START.split(text, maxsplit=1)[0]

    def stretches() -> Iterator[list[str]]:
        end = len(first)
        while end < len(text):
            start, cut = end + 1, _WORD_START.search(text, end + _STRETCH)
            end = cut.start() if cut else len(text)
            yield _WORD_SPACE.split(text[start:end])

    return first, chain.from_iterable(stretches())


def _group(pieces: Iterable[str], words: Iterable[str]) -> Iterator[list[str]]:
    """The pieces of each word, out of those of all words joined."""
    rest = iter(pieces)
    for word in words:
        parts, left = [], len(word)
        while left:
            parts.append(next(rest))
            left -= len(parts[-1])
        yield parts


def _forget_long(known: dict[str, bytes], new: Iterable[str]) -> None:
    for long in [word for word in new if len(word) > _LONG]:
        del known[long]


def _places(lengths: list[int]) -> tuple[_Ids, _Ids]:
    """Where rows of these lengths, one after the other, begin and end: first and last place."""
    length = np.array(lengths, np.int64)  # [n_rows]
    last = np.cumsum(length) - 1  # [n_rows]
    return last - length + 1, last


def _take(flat: NDArray[Any], first: _Ids, last: _Ids, which: _Ids) -> NDArray[Any]:
    """Rows of a flat array, one after the other: ``flat[first[i] : last[i] + 1]`` for each i.

    No row of them is empty.
    """
    if not len(which):
        return flat[:0]
    first, last = first[which], last[which]  # [n_taken]
    end = np.cumsum(last - first + 1)  # [n_taken]
    # From place to place it is one step, and from the end of a row to the next row a leap.
    step = np.ones(end[-1], np.int64)  # [n]
    step[0] = first[0]
    step[end[:-1]] = first[1:] - last[:-1]
    return flat[np.cumsum(step, out=step)]
