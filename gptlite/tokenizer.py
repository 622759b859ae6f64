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

``merged`` is the third idea, written the plain way: fine for most words, but slow for long ones.
``Tokenizer.encode`` gets the same ids from ``fast/bpe.py``, a hundred times as fast.

Tokens that no merge makes: special.py. Tokens of other kinds: characters.py, gpt1_words.py.
"""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, pairwise

from gptlite.alphabet import BYTE_SYMBOLS, PATTERN
from gptlite.characters import CharacterEncoder
from gptlite.checks import check_text, check_texts, check_vocabulary
from gptlite.encoders import PieceSteps, PrefixedEncoder, bytes_of_tokens, encoder_of, with_space
from gptlite.fast.bpe import BytePairEncoder
from gptlite.fast.joining import Joiner
from gptlite.fast.mapping import in_threads
from gptlite.fast.words import split_texts
from gptlite.rules import GPT2_RULES, Rules
from gptlite.special import AddedToken, SpecialTokens

Pair = tuple[str, str]  # two tokens, in alphabet.py's symbols
Names = Collection[str]  # of special tokens


def merged(piece: bytes, rank: Mapping[Pair, int]) -> list[list[str]]:
    """Encode one piece: return its row of bytes, then the row after each merge.

    >>> merged(b"low", {("l", "o"): 0, ("lo", "w"): 1})
    [['l', 'o', 'w'], ['lo', 'w'], ['low']]
    """
    row = [BYTE_SYMBOLS[byte] for byte in piece]
    rows = [row]
    while waiting := [pair for pair in pairwise(row) if pair in rank]:
        first = min(waiting, key=rank.__getitem__)  # the pair that was learned first
        at = list(pairwise(row)).index(first)
        row = [*row[:at], "".join(first), *row[at + 2 :]]
        rows.append(row)
    return rows


class Tokenizer:
    """A vocabulary and the ways through it: ``encode`` and ``decode``.

    Article: "End of part #1: The GPT-2, Ladies and Gentlemen", which says that the words in
    its figures are really tokens, often parts of words.

    Args:
        vocab: {token: id}. An id that no token has decodes to nothing.
        merges: pairs of tokens in the order in which they were learned. They must fit the
            vocabulary: ``from_pretrained`` checks this for files. None: tokens are characters.
        added: special and added tokens with their options; ``<|endoftext|>`` needs no mention.
        rules: what else is not as in GPT-2.

    Attributes:
        special_tokens: {name: id} of the tokens that ``encode`` finds only where they are allowed.
        eot, has_eot: the token that ends a text: see ``SpecialTokens.end_of_text``.

    Raises:
        TypeError, ValueError: see ``checks.check_vocabulary``; or merges of what are no tokens.
    """

    def __init__(
        self,
        vocab: Mapping[str, int],
        merges: Sequence[Pair] | None,
        added: Sequence[AddedToken] = (),
        rules: Rules = GPT2_RULES,
    ) -> None:
        check_vocabulary(vocab)
        self.vocab, self.merges, self._rules = dict(vocab), list(merges or []), rules
        self._encoder = encoder_of(self.vocab, merges, rules)
        self._bytes = bytes_of_tokens(self.vocab, self._encoder.made)
        self._joiner = Joiner(self._bytes)
        encoder = PrefixedEncoder(self._encoder) if rules.prefix_space else self._encoder
        self._special = SpecialTokens(self.vocab, encoder, added)
        self.special_tokens = self._special.ids  # {name: id}
        self.eot, self.has_eot = self._special.end_of_text()

    def __repr__(self) -> str:
        return f"Tokenizer({self.n_vocab} tokens)"

    @property
    def n_vocab(self) -> int:
        """Number of tokens, special ones and ids without a token included."""
        return len(self._bytes)

    def encode(self, text: str, allowed_special: Names = ()) -> list[int]:
        """Turn a text into ids, fast: the same ids that ``steps`` ends with.

        Args:
            allowed_special: names of special tokens to read as such; or "all", as Hugging Face's
                libraries do. By default they are plain text: no text can forge a document's end.

        Raises:
            TypeError: ``text`` is not a str, or ``allowed_special`` is another str.
            ValueError: a special token is unknown; the text has a surrogate, which UTF-8 cannot
                encode, or a character that a vocabulary of characters lacks.
        """
        parts = self._special.encode(text, allowed_special)
        return list(chain.from_iterable(ids for _, ids in parts))

    def encode_batch(
        self, texts: Iterable[str], allowed_special: Names = (), threads: int = 1
    ) -> list[list[int]]:
        """Encode several texts, each as ``encode`` does; short ones together.

        Args:
            threads: how many threads share the work.

        Raises:
            TypeError, ValueError: see ``encode``; or ``threads`` is not an int of at least 1.
        """
        check_texts(texts)
        texts = list(texts)
        for i, text in enumerate(texts):
            check_text(text, f"texts[{i}]")
        encode_all = self._special.encode_all
        groups = split_texts(texts)
        rows = in_threads(lambda group: encode_all(group, allowed_special), groups, threads)
        return list(chain.from_iterable(rows))

    def offsets(self, text: str, allowed_special: Names = ()) -> list[tuple[int, int]]:
        """Say where each token of ``encode(text, allowed_special)`` lies: ``text[start:stop]``."""
        return self._special.offsets(text, allowed_special)

    def steps(self, text: str) -> list[PieceSteps]:
        """Show each step of ``encode``: the pieces, their bytes, and one merge after another.

        >>> steps = Tokenizer.train(["low lower lowest"], 259).steps("low low")
        >>> steps[1].rows
        [[b' ', b'l', b'o', b'w'], [b' ', b'lo', b'w'], [b' ', b'low']]
        """
        self.encode(text)  # or an error
        encoder, other = self._encoder, self.vocab.get(self._rules.unknown or "", 0)
        if not isinstance(encoder, BytePairEncoder):
            return [PieceSteps(*step) for step in encoder.steps(text)]
        rank = {pair: rank for rank, pair in enumerate(self.merges)}
        steps = []
        prefixed = bool(text) and self._rules.prefix_space
        for piece in PATTERN.findall(with_space(text) if prefixed else text):
            made = merged(encoder.kept(piece.encode()), rank)
            ids = [[self.vocab.get(token, other) for token in row] for row in made]
            rows = [[self._bytes[i] for i in row] for row in ids]
            steps.append(PieceSteps(piece, rows, ids[-1]))
        return steps

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Join the bytes of a row of tokens: ``decode_bytes(encode(t)) == t.encode()``.

        Raises:
            ValueError: an id is not in the vocabulary. TypeError: not a row of ints.
        """
        return self._joiner.join(ids)

    def decode(self, ids: Iterable[int]) -> str:
        """Turn a row of tokens into text; bytes that are not UTF-8 become U+FFFD."""
        return self.decode_bytes(ids).decode(errors="replace")

    @classmethod
    def from_pretrained(cls, name_or_path: str | os.PathLike[str] | None = None) -> "Tokenizer":
        """Open the tokenizer of a model: the storyteller's (None), GPT-2's ("gpt2"), or any other.

        Arguments and errors: see ``gptlite.load``; a path may be a tokenizer's own file, too.
        """
        from gptlite.checkpoints.vocabulary import read_vocabulary
        from gptlite.download import locate_vocabulary

        return cls(*read_vocabulary(locate_vocabulary(name_or_path)))

    def save_pretrained(self, directory: str | os.PathLike[str], format: str = "hub") -> None:
        """Write the vocabulary. Arguments and errors: see ``vocabulary.write_vocabulary``."""
        from gptlite.checkpoints.vocabulary import Vocabulary, write_vocabulary

        merges = None if isinstance(self._encoder, CharacterEncoder) else self.merges
        whole = Vocabulary(self.vocab, merges, self._special.added, self._rules)
        write_vocabulary(directory, whole, format)

    @classmethod
    def train(cls, texts: Iterable[str], n_vocab: int) -> "Tokenizer":
        """Learn a vocabulary from texts. Arguments and errors: see ``merges.learn_vocabulary``.

        >>> tokenizer = Tokenizer.train(["aaabdaaabac"], 257 + 3)
        >>> [tokenizer.decode([i]) for i in tokenizer.encode("aaabdaaabac")]
        ['aaab', 'd', 'aaab', 'a', 'c']
        """
        from gptlite.training.merges import learn_vocabulary

        return cls(*learn_vocabulary(texts, n_vocab))
