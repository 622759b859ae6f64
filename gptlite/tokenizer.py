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

``Tokenizer.steps`` is all of this as it was just told. ``Tokenizer.encode`` gives the same ids from
``bpe.py``, which encodes many words at once.
"""

import json
import os
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import regex

from gptlite.bpe import ID, BytePairEncoder, take_rows
from gptlite.files import write_atomically

EOT = "<|endoftext|>"
PATTERN = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)
#: The names under which the two files of a vocabulary lie: the tokens' ids, and the merges.
FILES = {"hub": ("vocab.json", "merges.txt"), "openai": ("encoder.json", "vocab.bpe")}

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
        # The bytes of all tokens in one row: token i has those from _bounds[i] to _bounds[i + 1].
        tokens = sorted(self._vocab, key=self._vocab.__getitem__)
        symbols = np.frombuffer("".join(tokens).encode("utf-16-le"), np.uint16)  # [n_bytes]
        self._bytes = _BYTE_OF_SYMBOL[symbols]  # [n_bytes]
        self._bounds = np.array([0, *map(len, tokens)], np.int64).cumsum()  # [n_vocab + 1]
        self._encoder = BytePairEncoder(
            PATTERN.findall,
            [self._vocab[BYTE_SYMBOLS[byte]] for byte in range(256)],
            first=[self._vocab[a] for a, _ in merges],
            second=[self._vocab[b] for _, b in merges],
            new=[self._vocab[a + b] for a, b in merges],
        )

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
        """The ids of a text: what ``steps`` ends in, fast.

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
        ids = self._encoder.encode(parts[0])
        for part in parts[1:]:
            ids.append(self.eot)
            ids += self._encoder.encode(part)
        return ids

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of a row of tokens; ``decode_bytes(encode(text)) == text.encode()``.

        Raises:
            ValueError: an id that is not in the vocabulary. TypeError: an id that is not an int.
        """
        if not isinstance(ids, list):  # copying one would take a sixth of the time
            ids = list(ids)
        try:
            which = np.frombuffer(array("I", ids), ID)  # [seq]
            return take_rows(self._bytes, self._bounds, which).tobytes()
        except (OverflowError, IndexError):
            bad = next(i for i in ids if not 0 <= i < self.n_vocab)
            raise ValueError(f"token id {bad} is not in 0 to {self.n_vocab - 1}") from None

    def decode(self, ids: Iterable[int]) -> str:
        """The text of a row of tokens; bytes that are not UTF-8 become U+FFFD. Errors: as above."""
        return self.decode_bytes(ids).decode(errors="replace")

    def steps(self, text: str) -> list[PieceSteps]:
        """Each step of ``encode``, to look at: the pieces, their bytes, and merge after merge.

        The encoding written the plain way: it looks at every pair again for each merge, which is
        not for long words.

        >>> steps = Tokenizer.train(["low lower lowest"], 259).steps("low low")
        >>> steps[1].rows
        [[b' ', b'l', b'o', b'w'], [b' ', b'lo', b'w'], [b' ', b'low']]
        """
        rank = {pair: rank for rank, pair in enumerate(self._merges)}
        steps = []
        for piece in PATTERN.findall(text):
            row = [BYTE_SYMBOLS[byte] for byte in piece.encode()]
            rows = [row]
            while waiting := [pair for pair in pairwise(row) if pair in rank]:
                pair = min(waiting, key=rank.__getitem__)
                at = list(pairwise(row)).index(pair)
                row = [*row[:at], "".join(pair), *row[at + 2 :]]
                rows.append(row)
            ids = [[self._vocab[token] for token in row] for row in rows]
            in_bytes = [[self.decode_bytes([i]) for i in row] for row in ids]
            steps.append(PieceSteps(piece, in_bytes, ids[-1]))
        return steps
