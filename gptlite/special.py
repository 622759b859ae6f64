"""Special and added tokens: tokens that stand in a text by name, beside those that merges make.

A vocabulary may have more tokens than merges can make: ``<|endoftext|>`` between documents,
``<pad>``, ``<user>`` in a dialogue, or whole words that somebody added after training. Such a token
has to be found before anything else: a text is split at the names, and only the text between them
is cut into pieces and merged.

Any text may spell the name of a **special** token, by accident or on purpose. So these names are
plain text unless the caller allows them; with ``allowed_special="all"`` the ids are those of
Hugging Face's libraries, which read every name that the files declare. An **added** token that is
not special is a word like any other, and is found in either case.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain
from typing import NamedTuple, Protocol

from gptlite.alphabet import EOT
from gptlite.checks import check_kind, check_text, checked_names
from gptlite.patterns import SPACE, Pattern, compiled

#: Usual names of the token that ends a text.
ENDS = (EOT, "</s>", "<eos>", "<EOS>", "[EOS]", "<|eos|>", "<|end_of_text|>", "<end>", "<|end|>")

_SPACES = re.compile(f"[{SPACE}]*")
# Parts of words, as the regular expressions of Rust have them: the letters in a circle or a square,
# which Unicode does not count as letters, and what joins letters, are among them.
_CIRCLED = "\u24b6-\u24e9\U0001f130-\U0001f149\U0001f150-\U0001f169\U0001f170-\U0001f189"
_WORD = rf"[\p{{L}}\p{{M}}\p{{Nd}}\p{{Nl}}\p{{Pc}}\u200c\u200d{_CIRCLED}]"


class AddedToken(NamedTuple):
    """A token that is found by its name. The options are those of Hugging Face's ``AddedToken``.

    Attributes:
        special: the name is plain text unless it is allowed.
        lstrip, rstrip: the white space before the name, or after it, belongs to the token, and does
            not come back in decoding.
        single_word: not found where a letter or a digit stands beside the name.
        normalized: found only between the tokens that are not.
        roles: its uses, by transformers' names, such as ``eos_token``.
    """

    name: str
    special: bool = True
    lstrip: bool = False
    rstrip: bool = False
    single_word: bool = False
    normalized: bool = False
    roles: tuple[str, ...] = ()


class Part(NamedTuple):
    """A part of a text, ``text[start:stop]``: the token of this name, or plain text if None."""

    start: int
    stop: int
    name: str | None


class Encoder(Protocol):
    """An encoder of plain text. Its ``made`` is {id: bytes} of the tokens that it may give."""

    made: dict[int, bytes]

    def encode(self, text: str) -> list[int]:
        """Turn plain text into ids."""

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Turn several plain texts into ids."""

    def places(self, text: str, ids: Sequence[int]) -> list[tuple[int, int]]:
        """Say where the tokens of a plain text lie in it."""


class SpecialTokens:
    """The special and added tokens of a vocabulary.

    Args:
        vocab: {token: id}.
        encoder: gives the ids of plain text, which are those of tokens that need no name.
        added: the tokens that the vocabulary's files declare. ``<|endoftext|>`` always counts as
            declared, and what is neither declared nor made as special.

    Attributes:
        added: the tokens declared, ``<|endoftext|>`` among them if it is there.
        ids: {name: id} of the special tokens, declared or not.
    """

    def __init__(
        self, vocab: Mapping[str, int], encoder: Encoder, added: Sequence[AddedToken]
    ) -> None:
        self._vocab, self._encoder, made = vocab, encoder, encoder.made
        for token in added:
            check_kind("an added token", token, AddedToken)
        declared = {token.name: token for token in (AddedToken(EOT), *added)}
        self._declared = {name: token for name, token in declared.items() if name in vocab}
        self.added = tuple(self._declared.values())
        undeclared = (n for n, i in vocab.items() if i not in made and n not in self._declared)
        special = {*undeclared, *(token.name for token in self.added if token.special)}
        self.ids = {name: vocab[name] for name in sorted(special, key=vocab.__getitem__)}
        self._words = [token for token in self.added if not token.special]
        self._line_feed = next((i for i, data in made.items() if data.rstrip(b" ") == b"\n"), 0)

    def end_of_text(self) -> tuple[int, bool]:
        """Say which token ends a text and begins the next, and whether it is there for that.

        It is the one declared as ``eos_token``, else ``<|endoftext|>``, else another of ``ENDS``.
        A vocabulary may have none: then no text ends by itself, and between two stands a line feed,
        or token 0 in a vocabulary of characters without it.
        """
        declared = (token.name for token in self.added if "eos_token" in token.roles)
        for name in (*declared, *ENDS):
            if name in self.ids:
                return self.ids[name], True
        return self._line_feed, False

    def encode(self, text: str, allowed: Collection[str]) -> Iterator[tuple[Part, list[int]]]:
        """Give the parts of a text with their ids. Arguments and errors: see ``split``.

        Raises:
            TypeError: ``text`` is not a str.
        """
        check_text(text)
        for part in self.split(text, allowed):
            start, stop, name = part
            if name is None:
                yield part, self._encoder.encode(text[start:stop])
            else:
                yield part, [self._vocab[name]]

    def encode_all(self, texts: Sequence[str], allowed: Collection[str]) -> list[list[int]]:
        """Turn several texts into ids. Arguments and errors: see ``encode``."""
        searched = self._searched(allowed)
        if not searched and all(texts):
            return self._encoder.encode_all(texts)
        parts = [list(split_at(text, searched)) for text in texts]
        plain = [
            text[start:stop]
            for text, of_text in zip(texts, parts, strict=True)
            for start, stop, name in of_text
            if name is None
        ]
        rows = iter(self._encoder.encode_all(plain))
        return [
            list(
                chain.from_iterable(
                    next(rows) if part.name is None else [self._vocab[part.name]]
                    for part in of_text
                )
            )
            for of_text in parts
        ]

    def offsets(self, text: str, allowed: Collection[str]) -> list[tuple[int, int]]:
        """Say where each token lies in a text. Arguments and errors: see ``encode``.

        A token that is found by its name has its whole part, with the white space that it takes.
        """
        found: list[tuple[int, int]] = []
        for (start, stop, name), ids in self.encode(text, allowed):
            if name is None:
                places = self._encoder.places(text[start:stop], ids)
                found += [(start + first, start + last) for first, last in places]
            else:
                found.append((start, stop))
        return found

    def split(self, text: str, allowed: Collection[str]) -> Iterable[Part]:
        """Split a text at the names of all tokens that are not special, and of those allowed.

        Args:
            allowed: names of special tokens; or ``"all"``, for those declared.

        Raises:
            TypeError: ``allowed`` is another str. ValueError: a name is no special token's.
        """
        return split_at(text, self._searched(allowed))

    def _searched(self, allowed: Collection[str]) -> Sequence[AddedToken]:
        """List the tokens to search for in a text. Arguments and errors: see ``split``."""
        if isinstance(allowed, str) and allowed == "all":
            return self.added
        names = checked_names(allowed)
        if unknown := set(names).difference(self.ids):
            known = ", ".join(map(repr, self.ids)) or "none"
            known = known if len(known) < 200 else f"{known[:200]} ..."
            raise ValueError(f"no special token {min(unknown)!r}: there are {known}")
        named = (self._declared.get(name, AddedToken(name)) for name in names)
        return [*self._words, *named]


def split_at(text: str, tokens: Collection[AddedToken]) -> Iterable[Part]:
    """Split a text at the names of tokens, as Hugging Face's library does; no part is empty.

    >>> [part.name or "plain" for part in split_at("the <cat>sat", [AddedToken("<cat>")])]
    ['plain', '<cat>', 'plain']
    """
    parts: Iterable[Part] = [Part(0, len(text), None)] if text else []
    for normalized in (False, True):
        now = tuple(token for token in tokens if token.normalized == normalized)
        if now:
            parts = [new for part in parts for new in _split(text, part, now)]
    return parts


def _split(text: str, part: Part, tokens: tuple[AddedToken, ...]) -> Iterator[Part]:
    """Split one part. Where several names begin, the longest counts, and none overlap."""
    if part.name is not None:
        yield part
        return
    token_of = {token.name: token for token in tokens}
    text = text[part.start : part.stop]
    done = 0  # up to here
    for match in _any_of(tokens).finditer(text):
        token, (start, stop) = token_of[match[0]], match.span()
        beside = text[max(start - 1, 0) : start], text[stop : stop + 1]
        if token.single_word and any(map(_word_part().match, beside)):
            continue
        if token.lstrip:
            start = done + len(text[done:start].rstrip(SPACE))
        if token.rstrip:
            stop = _SPACES.match(text, stop).end()  # type: ignore[union-attr]
        if stop <= start:  # the token before has taken it, as white space
            continue
        if done < start:
            yield Part(part.start + done, part.start + start, None)
        yield Part(part.start + start, part.start + stop, token.name)
        done = stop
    if done < len(text):
        yield Part(part.start + done, part.stop, None)


@cache
def _word_part() -> Pattern:
    """Compile ``_WORD`` when it is first needed: it seldom is."""
    return compiled(_WORD)


@lru_cache
def _any_of(tokens: tuple[AddedToken, ...]) -> re.Pattern[str]:
    names = sorted((token.name for token in tokens), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, names)))
