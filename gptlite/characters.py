"""Characters as tokens: the simplest vocabulary there is, without bytes, pieces or merges.

Small models learn from one book or play with its few dozen characters as their whole vocabulary, as
nanoGPT's and minGPT's do. It cannot write a character that it has not learned.
"""

from collections.abc import Mapping, Sequence


class CharacterEncoder:
    """An encoder that looks up each character of a text.

    Args:
        vocab: {character: id}; longer names, of special tokens, are never looked up.

    Attributes:
        made: {id: bytes} of the characters.
    """

    def __init__(self, vocab: Mapping[str, int]) -> None:
        self._id_of = vocab
        self.made = {i: name.encode() for name, i in vocab.items() if len(name) == 1}

    def encode(self, text: str) -> list[int]:
        """Turn a text into ids.

        Raises:
            ValueError: a character is not in the vocabulary.
        """
        try:
            return list(map(self._id_of.__getitem__, text))
        except KeyError as error:
            raise ValueError(
                f"character {error.args[0]!r} is not one of the vocabulary's {len(self.made)}"
            ) from None

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Turn several texts into ids. Errors: see ``encode``."""
        return list(map(self.encode, texts))

    def places(self, text: str, ids: Sequence[int]) -> list[tuple[int, int]]:
        """Say where each token lies in a text: each is one character."""
        return [(i, i + 1) for i in range(len(ids))]

    def steps(self, text: str) -> list[tuple[str, list[list[bytes]], list[int]]]:
        """Show each character, its only row, and its id."""
        return [(c, [[c.encode()]], self.encode(c)) for c in text]
