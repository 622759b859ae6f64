"""The encoding of ``tokenizer.py`` again, made fast: many words at once.

The plain way, ``Tokenizer.steps``, looks at every pair of a piece again for each merge. It is short
and sure, and takes more than a hundred times as long. The ids here are the same, since within each
piece the same pairs join in the same order; only the work is arranged differently:

1. **Look-up.** A word's ids depend on the word alone, and most words of a text have come before. So
   text is split at spaces, which is quicker than cutting it into pieces, and words and pieces seen
   before are looked up: the work left grows with the number of different words, not with the text.
   Several texts are looked up together.
2. **Merging.** New pieces are merged in whatever way fits them: see ``merging.py``.

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
from functools import partial
from itertools import chain, compress, count, islice, pairwise

import numpy as np

from gptlite.alphabet import BYTE_SYMBOLS
from gptlite.fast.merging import Merges
from gptlite.fast.rows import ID, take_rows, to_utf8
from gptlite.fast.words import (
    Cut,
    cut_each,
    cut_words,
    split_parts,
    split_short,
    split_texts,
    split_words,
)
from gptlite.offsets import byte_places

_SHORT = 1500  # characters: the words of a shorter text are looked up without arrays
_LONG = 64  # characters: longer words are hardly ever seen again
_MANY = 1 << 18  # words to remember


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
        self._merges = Merges(first, second, new, known, 0 if unknown is None else vocab[unknown])
        self.made = {i: bytes([byte]) for byte, i in known.items()}
        for a, b, joined in zip(first, second, new, strict=True):
            self.made[joined] = self.made[a] + self.made[b]
        # One Python int for each id, however often a long text has it.
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
            first, others = split_short(text)
            firsts, rows = self._look_up([first], others)
            return array("I", b"".join(firsts + rows)).tolist()
        ids: list[int] = []
        for part in split_parts(text):
            ids += self._encode_together([part])[0]
        return ids

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Turn several texts into ids. Errors: see ``encode``."""
        ids: list[list[int]] = []
        for some in split_texts(texts):
            alone = len(some) == 1 or sum(map(len, some)) <= _SHORT
            ids += map(self.encode, some) if alone else self._encode_together(some)
        return ids

    def kept(self, piece: bytes) -> bytes:
        """Remove from a piece the bytes that get no token."""
        return piece if self._filter is None else self._filter(piece)

    def places(self, text: str, ids: Sequence[int]) -> list[tuple[int, int]]:
        """Say from which character of a text to which each of its tokens reaches."""
        sizes = [len(self.made.get(i, b"?")) for i in ids]
        return byte_places(self._cut(text), sizes, self._lacking, self._unknown, self._fuse)

    def _encode_together(self, texts: Sequence[str]) -> list[list[int]]:
        """Turn texts into ids; what is only a part of a text must end before a word."""
        # Each different word gets a number and is looked up once; the rows of ids are put together
        # in one array operation. First words, which may begin without a space, have numbers of
        # their own.
        firsts, ends, numbers = [], [], array("I")
        number: dict[str, int] = defaultdict(count(len(texts)).__next__)
        for i, text in enumerate(texts):
            first, others = (split_short if len(text) <= _SHORT else split_words)(text)
            firsts.append(first)
            numbers.append(i)
            numbers.extend(map(number.__getitem__, others))
            ends.append(len(numbers) - 1)
        rows = list(chain.from_iterable(self._look_up(firsts, list(number))))
        bounds = np.array([0, *map(len, rows)], np.int64).cumsum() // ID.itemsize  # [n_rows + 1]
        which = np.frombuffer(numbers, ID)  # [n_words]
        ids = take_rows(np.frombuffer(b"".join(rows), ID), bounds, which)  # [n_ids]
        ints = self._ints[ids].tolist()
        stop = np.diff(bounds)[which].cumsum()[np.array(ends)]  # [n_texts]
        return [ints[i:j] for i, j in pairwise([0, *stop.tolist()])]

    def _look_up(self, firsts: list[str], others: list[str]) -> tuple[list[bytes], list[bytes]]:
        """Find the ids, as bytes, of words that begin texts, and of others without their space."""
        known, known_firsts = self._words, self._firsts
        rows, first_rows = list(map(known.get, others)), list(map(known_firsts.get, firsts))
        if None not in rows and None not in first_rows:
            return first_rows, rows  # type: ignore[return-value]  # there is no None
        new = [word for word, row in zip(others, rows, strict=True) if row is None]
        new_firsts = [word for word, row in zip(firsts, first_rows, strict=True) if row is None]
        made_firsts, made = self._encode_words(new_firsts, new)
        self._firsts = remembering(known_firsts, dict(zip(new_firsts, made_firsts, strict=True)))
        self._words = remembering(known, dict(zip(new, made, strict=True)))
        return filled(first_rows, made_firsts), filled(rows, made)

    def _encode_words(
        self, firsts: list[str], others: list[str]
    ) -> tuple[list[bytes], list[bytes]]:
        """Encode words not met before: those that begin texts, and others without their space."""
        # A space and the letters after it are one piece: there is nothing to cut.
        single = [word.isascii() and word.isalpha() for word in others]
        spaced = [" " + word for word in others]
        whole = iter(self._encode_new(list(compress(spaced, single))))
        several = [word for word, one in zip(spaced, single, strict=True) if not one]
        pieces, n_pieces = cut_each(self._cut, firsts)
        more, n_more = cut_words(self._cut, several)
        rows = iter(self._encode_pieces(pieces + more))
        cut = (b"".join(islice(rows, n)) for n in n_pieces + n_more)
        return [next(cut) for _ in firsts], [next(whole) if one else next(cut) for one in single]

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
        """Find the ids, as bytes, of each piece by merging."""
        return self._merges.merge(list(map(self.kept, to_utf8(pieces))))


def filled(rows: Iterable[bytes | None], made: Iterable[bytes]) -> list[bytes]:
    """Put what was made into the places that are None, in order."""
    rest = iter(made)
    return [next(rest) if row is None else row for row in rows]


def byte_filter(lacking: bytes, unknown: bool, fuse: bool) -> Callable[[bytes], bytes] | None:
    """Make the function that removes from a piece the bytes that get no token; None if none do.

    Args:
        lacking: the bytes that have no token of their own.
        unknown: True if another token stands for each of them.
        fuse: True if it stands for all that follow one another, too.
    """
    if not lacking or (unknown and not fuse):
        return None
    if not unknown:
        return partial(without, lacking)
    run = re.compile(b"([" + re.escape(lacking) + b"])[" + re.escape(lacking) + b"]+")
    return partial(run.sub, rb"\1")


def without(lacking: bytes, piece: bytes) -> bytes:
    """Remove some bytes from a piece."""
    return piece.translate(None, lacking)


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
