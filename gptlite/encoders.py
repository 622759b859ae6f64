"""The encoder that fits a vocabulary: of bytes, of GPT-1's words, or of characters."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gptlite.characters import CharacterEncoder
from gptlite.fast.bpe import BytePairEncoder
from gptlite.fast.words import cut_pieces
from gptlite.gpt1_words import WordEncoder, is_of_words
from gptlite.rules import Rules
from gptlite.special import Encoder


class PieceSteps(NamedTuple):
    """The encoding of one piece: its text, its row after each merge (bytes first), its ids."""

    piece: str
    rows: list[list[bytes]]
    ids: list[int]


def encoder_of(
    vocab: Mapping[str, int], merges: Sequence[tuple[str, str]] | None, rules: Rules
) -> BytePairEncoder | WordEncoder | CharacterEncoder:
    """Make the encoder of a vocabulary; without merges its tokens are characters.

    Raises:
        TypeError: a merge is not a pair. ValueError: a merge, or a rule, names no token.
    """
    if merges is None:
        return CharacterEncoder(vocab)
    for merge in merges:
        if not isinstance(merge, (tuple, list)) or len(merge) != 2:
            raise TypeError(f"a merge must be a pair of tokens, not {merge!r}")
    if is_of_words(vocab):
        return WordEncoder(vocab, merges, rules.plain_words)
    try:
        return BytePairEncoder(cut_pieces, vocab, merges, rules.unknown, rules.fuse_unknown)
    except KeyError as error:
        raise ValueError(f"{error.args[0]!r} is no token of the vocabulary") from None


def bytes_of_tokens(vocab: Mapping[str, int], made: Mapping[int, bytes]) -> list[bytes]:
    """List the bytes of the token with each id: made, or its name's; ``b""`` if no token has it.

    >>> bytes_of_tokens({"Ġ": 0, "<s>": 2}, {0: b" "})
    [b' ', b'', b'<s>']
    """
    names = {i: name for name, i in vocab.items()}
    every_id = range(max(names, default=-1) + 1)
    return [made[i] if i in made else names.get(i, "").encode() for i in every_id]


def with_space(text: str) -> str:
    """Put a space before a text that does not begin with one."""
    return text if text.startswith(" ") else f" {text}"


class PrefixedEncoder:
    """An encoder that reads every text as if a space stood before it.

    Attributes:
        made: as of the encoder within.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder, self.made = encoder, encoder.made

    def encode(self, text: str) -> list[int]:
        """Turn a text into ids. Errors: those of the encoder within."""
        return self._encoder.encode(with_space(text))

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Turn several texts into ids. Errors: those of the encoder within."""
        return self._encoder.encode_all(list(map(with_space, texts)))

    def places(self, text: str, ids: Sequence[int]) -> list[tuple[int, int]]:
        """Say where each token lies; the space lies where the first character does."""
        found = self._encoder.places(with_space(text), ids)
        if text.startswith(" "):
            return found
        return [(max(start - 1, 0), max(stop - 1, 1)) for start, stop in found]
