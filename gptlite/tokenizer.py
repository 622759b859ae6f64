"""Text to token ids and back: the byte-level byte-pair encoding (BPE) of GPT-2.

A model computes with numbers, so text has to become a list of ids from a fixed vocabulary. GPT-2's
rests on three ideas (section 2.2 of "Language Models are Unsupervised Multitask Learners"):

1. **Bytes.** The smallest tokens are the 256 values of a byte of UTF-8. Any text in any script is
   a row of bytes, so nothing is ever "unknown", and the base vocabulary is 256 tokens, not 150,000.
2. **Pieces.** Text is first cut into words, numbers, punctuation and white space (``PATTERN``), and
   no token crosses a cut: otherwise "dog.", "dog!" and "dog?" would each win a place in the
   vocabulary. A space goes with the word after it, so most words in a sentence look like " word".
3. **Merges.** Inside a piece, neighbours are joined into longer and longer tokens. Which pairs may
   join was learned once from a corpus, by joining its most frequent pair again and again
   (``training/merges.py``). A merge's place in that order is its *rank*, and encoding replays the
   order: of all the pairs that could join, the one learned first does.

``merged`` is the third idea, written the plain way. It looks at every pair again for each merge,
which is fine for most words but slow for long ones. ``Tokenizer.encode`` gets the same ids from
``fast/bpe.py``, which encodes many words at once and is a hundred times as fast.
"""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from gptlite.alphabet import BYTE_OF_SYMBOL, BYTE_SYMBOLS, EOT, PATTERN
from gptlite.checks import check_special, check_text
from gptlite.fast.bpe import BytePairEncoder
from gptlite.fast.joining import Joiner

Pair = tuple[str, str]  # two tokens, in alphabet.py's symbols


def merged(piece: str, rank: Mapping[Pair, int]) -> list[list[str]]:
    """Encode one piece: return its row of bytes, then the row after each merge.

    >>> merged("low", {("l", "o"): 0, ("lo", "w"): 1})
    [['l', 'o', 'w'], ['lo', 'w'], ['low']]
    """
    row = [BYTE_SYMBOLS[byte] for byte in piece.encode()]
    rows = [row]
    while waiting := [pair for pair in pairwise(row) if pair in rank]:
        first = min(waiting, key=rank.__getitem__)  # the pair that was learned first
        at = list(pairwise(row)).index(first)
        row = [*row[:at], "".join(first), *row[at + 2 :]]
        rows.append(row)
    return rows


class PieceSteps(NamedTuple):
    """The encoding of one piece: its text, its row after each merge (bytes first), its ids."""

    piece: str
    rows: list[list[bytes]]
    ids: list[int]


class Tokenizer:
    """A vocabulary and the ways through it: ``encode`` and ``decode``.

    Article: "End of part #1: The GPT-2, Ladies and Gentlemen", which says that the words in
    its figures are really tokens, often parts of words.

    Args:
        vocab: {token: id}, with ids 0 to n - 1; ``<|endoftext|>`` is one of the tokens.
        merges: pairs of tokens in the order in which they were learned. They must fit the
            vocabulary: ``from_pretrained`` checks this for files.
    """

    def __init__(self, vocab: Mapping[str, int], merges: Sequence[Pair]) -> None:
        self.vocab = dict(vocab)
        self.merges = list(merges)
        self.eot = self.vocab[EOT]
        by_id = sorted(self.vocab, key=self.vocab.__getitem__)
        self._bytes = [token.translate(BYTE_OF_SYMBOL).encode("latin-1") for token in by_id]
        self._joiner = Joiner(self._bytes)
        self._encoder = BytePairEncoder(
            PATTERN.findall,
            [self.vocab[BYTE_SYMBOLS[byte]] for byte in range(256)],
            first=[self.vocab[a] for a, _ in merges],
            second=[self.vocab[b] for _, b in merges],
            new=[self.vocab[a + b] for a, b in merges],
        )

    def __repr__(self) -> str:
        return f"Tokenizer({self.n_vocab} tokens)"

    @property
    def n_vocab(self) -> int:
        """Number of tokens, ``<|endoftext|>`` included."""
        return len(self.vocab)

    def encode(self, text: str, allowed_special: Collection[str] = ()) -> list[int]:
        """Turn a text into ids, fast: the same ids that ``steps`` ends with.

        Args:
            allowed_special: ``{"<|endoftext|>"}`` to read that name as the token ``eot``. By
                default it is plain text, so that no text can forge the end of a document.

        Raises:
            TypeError: ``text`` is not a str, or ``allowed_special`` is a str.
            ValueError: a special token is unknown, or the text has a lone surrogate (not UTF-8).
        """
        check_text(text)
        check_special(allowed_special, EOT)
        first, *others = text.split(EOT) if allowed_special else [text]
        ids = self._encoder.encode(first)
        for part in others:
            ids += [self.eot, *self._encoder.encode(part)]
        return ids

    def steps(self, text: str) -> list[PieceSteps]:
        """Show each step of ``encode``: the pieces, their bytes, and one merge after another.

        >>> steps = Tokenizer.train(["low lower lowest"], 259).steps("low low")
        >>> steps[1].rows
        [[b' ', b'l', b'o', b'w'], [b' ', b'lo', b'w'], [b' ', b'low']]
        """
        rank = {pair: rank for rank, pair in enumerate(self.merges)}
        steps = []
        for piece in PATTERN.findall(text):
            ids = [[self.vocab[token] for token in row] for row in merged(piece, rank)]
            rows = [[self._bytes[i] for i in row] for row in ids]
            steps.append(PieceSteps(piece, rows, ids[-1]))
        return steps

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Join the bytes of a row of tokens: ``decode_bytes(encode(t)) == t.encode()``.

        Raises:
            ValueError: an id is not in the vocabulary. TypeError: an id is not an int.
        """
        return self._joiner.join(ids)

    def decode(self, ids: Iterable[int]) -> str:
        """Turn a row of tokens into text; bytes that are not UTF-8 become U+FFFD."""
        return self.decode_bytes(ids).decode(errors="replace")

    @classmethod
    def from_pretrained(cls, name_or_path: str | os.PathLike[str] | None = None) -> "Tokenizer":
        """Open the tokenizer of a model: the storyteller's (None), GPT-2's ("gpt2"), or any other.

        Arguments and errors are those of ``gptlite.load``. A directory may hold a tokenizer in any
        form that ``checkpoints/vocabulary.py`` reads.
        """
        from gptlite.checkpoints.vocabulary import read_vocabulary
        from gptlite.download import locate_vocabulary

        return cls(*read_vocabulary(locate_vocabulary(name_or_path)))

    def save_pretrained(self, directory: str | os.PathLike[str], format: str = "hub") -> None:
        """Write the vocabulary. Arguments and errors: see ``vocabulary.write_vocabulary``."""
        from gptlite.checkpoints.vocabulary import write_vocabulary

        write_vocabulary(directory, self.vocab, self.merges, format)

    @classmethod
    def train(cls, texts: Iterable[str], n_vocab: int) -> "Tokenizer":
        """Learn a vocabulary from texts. Arguments and errors: see ``merges.learn_vocabulary``.

        >>> tokenizer = Tokenizer.train(["aaabdaaabac"], 257 + 3)
        >>> [tokenizer.decode([i]) for i in tokenizer.encode("aaabdaaabac")]
        ['aaab', 'd', 'aaab', 'a', 'c']
        """
        from gptlite.training.merges import learn_vocabulary

        return cls(*learn_vocabulary(texts, n_vocab))
