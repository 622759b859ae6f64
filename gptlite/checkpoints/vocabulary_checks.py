"""Checks of a vocabulary: ids, bytes and merges that do not fit are refused, or told in a line."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from gptlite.alphabet import BYTE_OF_SYMBOL, BYTE_SYMBOLS, PATTERN
from gptlite.checkpoints.added_tokens import is_utf8
from gptlite.checkpoints.strict_json import shown
from gptlite.checkpoints.warning import warn
from gptlite.checks import MAX_ID
from gptlite.errors import CheckpointError
from gptlite.files import first_ten
from gptlite.rules import Rules

Vocab = dict[str, int]
Merges = list[tuple[str, str]]


def check_bytes(vocab: Vocab, rules: Rules, where: str) -> None:
    """Check that bytes have tokens; a warning says what becomes of those that have none."""
    lacking = [symbol for symbol in BYTE_SYMBOLS.values() if symbol not in vocab]
    if len(lacking) == len(BYTE_SYMBOLS):
        raise CheckpointError(
            f"{where}: expected tokens of single bytes ('!', 'a', 'Ġ' and so on), found none: "
            "a vocabulary of another kind"
        )
    if lacking:
        what = "are left out" if rules.unknown is None else f"become {shown(rules.unknown)}"
        warn(
            f"{where}: {len(lacking)} of 256 bytes have no token, and {what}: {first_ten(lacking)}"
        )


def check_words(vocab: Vocab, merges: Merges, merges_file: Path) -> None:
    """Check that GPT-1's tokens can stand in a text, and that each merge joins two into a third."""
    for token in vocab:
        if not is_utf8(token):
            raise CheckpointError(
                f"{merges_file.parent}: the token {shown(token)} has a lone surrogate: not UTF-8"
            )
    for n, pair in enumerate(merges, 1):
        for token in (*pair, "".join(pair)):
            if token not in vocab:
                raise CheckpointError(
                    f"{merges_file}: merge {n}: expected tokens of the vocabulary, "
                    f"found {shown(token)}"
                )


def check_ids(vocab: Mapping[str, Any], where: str) -> None:
    """Check that each token has an id of its own; a warning names ids that no token has."""
    token_of: dict[int, str] = {}
    for token, i in vocab.items():
        if type(i) is not int or not 0 <= i <= MAX_ID:
            raise CheckpointError(
                f"{where}: expected ids from 0 to {MAX_ID}, found {shown(i)} for {shown(token)}"
            )
        if i in token_of:
            raise CheckpointError(
                f"{where}: expected an id of its own for each token, found {i} for both "
                f"{shown(token_of[i])} and {shown(token)}"
            )
        token_of[i] = token
    if gaps := [i for i in range(max(token_of, default=0)) if i not in token_of]:
        warn(f"{where}: {len(gaps)} ids have no token, and decode to nothing: {first_ten(gaps)}")


def check_fit(
    vocab: Vocab, merges: Merges, declared: Collection[str], vocab_file: Path, merges_file: Path
) -> None:
    """Check that each merge joins tokens that exist by then, and that each token is made.

    A token that is declared need not be made; nor need one that no merges could make, since the
    text that it stands for would be cut in two: ``<pad>`` is a special token that went undeclared.
    """
    made = vocab.keys() & set(BYTE_SYMBOLS.values())
    seen: set[tuple[str, str]] = set()
    for n, pair in enumerate(merges, 1):
        for symbol in pair:
            if symbol not in made:
                raise CheckpointError(
                    f"{merges_file}: merge {n}: expected symbols of bytes or of earlier merges, "
                    f"found {shown(symbol)}"
                )
        if pair in seen:
            raise CheckpointError(
                f"{merges_file}: merge {n}: expected each pair once, found "
                f"{shown(' '.join(pair))} again"
            )
        result = "".join(pair)
        if result not in vocab:
            raise CheckpointError(
                f"{vocab_file}: expected a token {shown(result)}, which merge {n} of "
                f"{merges_file.name} makes, found none"
            )
        seen.add(pair)
        made.add(result)
    for token, i in vocab.items():
        if token not in made and token not in declared and _could_be_made(token):
            raise CheckpointError(
                f"{merges_file}: expected a merge that makes token {i} of {vocab_file.name}, "
                f"{shown(token)}; found none in {len(merges)} merges"
            )


def _could_be_made(token: str) -> bool:
    """Say whether merges could make a token; one that is no text counts as damaged, not special."""
    text = token.translate(BYTE_OF_SYMBOL)
    try:
        text = text.encode("latin-1").decode()
    except UnicodeEncodeError:  # no symbols of bytes, but perhaps a name
        return not is_utf8(token)
    except UnicodeDecodeError:  # a part of a character
        return True
    return len(PATTERN.findall(text)) < 2
