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
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import chain, pairwise
from operator import index
from pathlib import Path
from typing import NamedTuple

import regex

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

_PRINTABLE = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
#: The character that stands for each byte in vocabulary files, in the order of GPT-2's ids 0 to
#: 255: printable Latin-1 characters stand for themselves, the others (space is "Ġ", line feed "Ċ")
#: borrow the characters from U+0100 on, so that no token in a file contains white space.
BYTE_SYMBOLS = {byte: chr(byte) for byte in _PRINTABLE} | {
    byte: chr(256 + n) for n, byte in enumerate(_OTHERS)
}
_SYMBOL_BYTES = {symbol: byte for byte, symbol in BYTE_SYMBOLS.items()}


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
        self._id_of_byte = [self._vocab[BYTE_SYMBOLS[byte]] for byte in range(256)]
        # Merge number `rank` joins tokens first, second into new: _joins[rank], and back.
        self._joins = [(self._vocab[a], self._vocab[b], self._vocab[a + b]) for a, b in merges]
        self._rank = {(first, second): rank for rank, (first, second, _) in enumerate(self._joins)}
        self.eot = self._vocab[EOT]
        self._token_bytes = [b""] * len(self._vocab)
        for token, i in self._vocab.items():
            if i != self.eot:
                self._token_bytes[i] = bytes(map(_SYMBOL_BYTES.__getitem__, token))
        self._token_bytes[self.eot] = EOT.encode()
        self._known: dict[str, list[int]] = {}

    @classmethod
    def from_pretrained(cls, name_or_path: str | os.PathLike[str] | None = None) -> "Tokenizer":
        """The tokenizer of a model: the storyteller's (None), GPT-2's ("gpt2"), or a directory's.

        Reads ``vocab.json`` and ``merges.txt``, or OpenAI's ``encoder.json`` and ``vocab.bpe``.

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
        return len(self._token_bytes)

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
        ids = list(map(index, ids))
        for bad in (min(ids, default=0), max(ids, default=0)):
            if not 0 <= bad < self.n_vocab:
                raise ValueError(f"token id {bad} is not in 0 to {self.n_vocab - 1}")
        return b"".join(map(self._token_bytes.__getitem__, ids))

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
            row = [self._id_of_byte[byte] for byte in piece.encode()]
            rows = [row]
            while ranks := [self._rank[pair] for pair in pairwise(row) if pair in self._rank]:
                first, second, new = self._joins[min(ranks)]
                at = list(pairwise(row)).index((first, second))
                row = [*row[:at], new, *row[at + 2 :]]
                rows.append(row)
            steps.append(PieceSteps(piece, [[self._token_bytes[i] for i in r] for r in rows], row))
        return steps

    def _encode_ordinary(self, text: str) -> list[int]:
        words = _WORD_START.split(text)
        known = self._known
        ids: list[int] = []
        for start in range(0, len(words), 1 << 16):
            block = words[start : start + (1 << 16)]
            try:
                ids += list(chain.from_iterable(map(known.__getitem__, block)))
            except KeyError:
                if len(known) > 1 << 18:
                    known.clear()
                new = self._learn(set(block).difference(known))
                ids += list(chain.from_iterable(map(known.__getitem__, block)))
                for long in [word for word in new if len(word) > 64]:
                    del known[long]  # hardly ever seen again, and large
        return ids

    def _learn(self, words: set[str]) -> set[str]:
        """Note in ``_known`` the ids of new words and of their pieces, and return these."""
        known = self._known
        cut = {word: PATTERN.findall(word) for word in words}
        pieces = set(chain.from_iterable(cut.values())).difference(known)
        try:
            utf8 = [piece.encode() for piece in pieces]
        except UnicodeEncodeError as error:
            lone = error.object[error.start]
            raise ValueError(f"text has a lone surrogate, {lone!r}, which no UTF-8 has") from None
        known.update(zip(pieces, self._merge(utf8), strict=True))
        for word, parts in cut.items():
            known[word] = list(chain.from_iterable(map(known.__getitem__, parts)))
        return words | pieces

    def _merge(self, pieces: Sequence[bytes]) -> list[list[int]]:
        """The ids of each piece. All pieces lie in one row, as a list linked both ways, with -1
        between them. Merges are taken by rank from a heap, each at all places where it waits, so
        every place is looked at only when something beside it changed: n log n for n bytes.
        """
        row: list[int] = []
        for piece in pieces:
            row.extend(map(self._id_of_byte.__getitem__, piece))
            row.append(-1)
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
        out: list[list[int]] = [[]]
        for token in row:
            if token >= 0:
                out[-1].append(token)
            elif token == -1:
                out.append([])
        return out[:-1]
