"""GPT-1's tokens: parts of words in lower case, and a mark where a word ends.

Text is cut into words (english_words.py), and each word, in lower case, is merged as in GPT-2, but
from characters instead of bytes. ``</w>`` stands at the end of its last token, and takes the place
of a space. So case is lost, and white space: ``decode`` gives "do n't" back for "Don't". A
character that the vocabulary lacks becomes ``<unk>``. (plain_words.py is another way to cut.)

Sennrich, Haddow and Birch 2016, whose code for byte-pair encoding OpenAI used.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from gptlite import english_words, plain_words

END = "</w>"
UNKNOWN = "<unk>"
KEPT = 1 << 16  # words whose ids are remembered


def is_of_words(vocab: Mapping[str, int]) -> bool:
    """Say whether a vocabulary is of words, as GPT-1's is."""
    return UNKNOWN in vocab and any(token.endswith(END) for token in vocab)


class WordEncoder:
    """An encoder of words in lower case.

    Args:
        vocab: {token: id}, ``<unk>`` among the tokens.
        merges: pairs of tokens in the order in which they were learned.
        plain: True to cut a text as plain_words.py does.

    Attributes:
        made: {id: bytes} of all tokens but ``<unk>``; the end of a word is a space.
    """

    def __init__(
        self, vocab: Mapping[str, int], merges: Sequence[tuple[str, str]], plain: bool = False
    ) -> None:
        self._words = plain_words.words if plain else english_words.words
        self._places = plain_words.places if plain else english_words.places
        self._id_of, self._unknown = vocab, vocab[UNKNOWN]
        self._size = {i: len(token.removesuffix(END)) for token, i in vocab.items()}
        self._size[self._unknown] = 1
        self._rank = {pair: rank for rank, pair in enumerate(merges)}
        self._ids: dict[str, list[int]] = {}
        self.made = {
            i: token.replace(END, " ").encode() for token, i in vocab.items() if token != UNKNOWN
        }

    def encode(self, text: str) -> list[int]:
        """Turn a text into ids.

        Raises:
            ValueError: the text has a lone surrogate, which is not UTF-8.
        """
        text.encode()  # or an error
        return [i for word in self._words(text) for i in self._word_ids(word)]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Turn several texts into ids. Errors: see ``encode``."""
        return list(map(self.encode, texts))

    def places(self, text: str, ids: Sequence[int]) -> list[tuple[int, int]]:
        """Say from which character of a text to which each of its tokens reaches.

        White space belongs to no token, except for the end of a line.
        """
        places, done = self._places(text), 0
        found = []
        for i in ids:
            first, last = places[done], places[done + self._size[i] - 1]
            found.append((first[0], last[1]))
            done += self._size[i]
        return found

    def steps(self, text: str) -> list[tuple[str, list[list[bytes]], list[int]]]:
        """Show each word, in lower case, its row after each merge, and its ids."""
        steps = []
        for word in self._words(text):
            rows = [[token.encode() for token in row] for row in self._rows(word)]
            steps.append((word, rows, self._word_ids(word)))
        return steps

    def _word_ids(self, word: str) -> list[int]:
        """Encode a word, or remember how it was encoded."""
        ids = self._ids.get(word)
        if ids is None:
            last = self._rows(word)[-1]
            ids = [self._id_of.get(token, self._unknown) for token in last]
            if len(self._ids) < KEPT:
                self._ids[word] = ids
        return ids

    def _rows(self, word: str) -> list[list[str]]:
        """Merge a word: return its row of characters, then the row after each merge.

        A merge joins the pair that was learned first, in every place, from the left.
        """
        row = [*word[:-1], word[-1] + END]
        rows = [row]
        while waiting := [pair for pair in pairwise(row) if pair in self._rank]:
            first = min(waiting, key=self._rank.__getitem__)
            joined: list[str] = []
            for token in row:
                if joined and (joined[-1], token) == first:
                    joined[-1] += token
                else:
                    joined.append(token)
            row = joined
            rows.append(row)
        return rows
