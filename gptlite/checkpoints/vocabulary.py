"""A tokenizer's files, read and written: ids of tokens, the merges that make tokens, names.

OpenAI calls the pair ``encoder.json`` and ``vocab.bpe``, the hub ``vocab.json`` and ``merges.txt``;
both pairs hold the same. The first file is a JSON object {symbols: id}, the second has one merge a
line. A ``tokenizer.json`` holds the ids and the merges together; beside it or beside a pair lie the
files that declare special and added tokens (``added_tokens.py``). A vocabulary of characters has no
merges (``character_vocabulary.py``). Which of these files are read: ``vocabulary_files.py``.
"""

import json
import logging
import os
from collections.abc import Collection, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from gptlite.alphabet import BYTE_OF_SYMBOL, BYTE_SYMBOLS, FILES, PATTERN
from gptlite.checkpoints.added_tokens import (
    ADDED_FILE,
    CONFIG_FILE,
    MAP_FILE,
    Declared,
    format_added,
    is_utf8,
    read_added,
)
from gptlite.checkpoints.character_vocabulary import is_of_characters, parse_meta
from gptlite.checkpoints.strict_json import (
    MAX_BYTES,
    MAX_VALUES,
    parse_object,
    shown,
)
from gptlite.checkpoints.tokenizer_json import parse_tokenizer
from gptlite.checkpoints.vocabulary_files import (
    EXPECTED,
    TOKENIZER_FILE,
    Found,
    find_vocabulary,
    read_file,
)
from gptlite.errors import CheckpointError
from gptlite.files import write_atomically
from gptlite.gpt1_words import is_of_words
from gptlite.special import AddedToken

Vocab = dict[str, int]
Merges = list[tuple[str, str]]


class Vocabulary(NamedTuple):
    """The arguments of ``Tokenizer``."""

    vocab: Vocab
    merges: Merges | None
    added: tuple[AddedToken, ...] = ()


def read_vocabulary(path: Path) -> Vocabulary:
    """Read and check a vocabulary: a Tokenizer made from it encodes and decodes any text.

    Args:
        path: one of a tokenizer's files; or a directory, or a file of weights in it. If several
            forms are there, ``tokenizer.json`` comes first, as in transformers, then the hub's
            pair, then OpenAI's. If the first is refused, a pair is read instead, with a warning.

    Raises:
        CheckpointError: a file is missing, unreadable or damaged; ids and merges do not match; a
            ``tokenizer.json`` asks for something that GPT-2's tokenizer does not do.
    """
    first, *others = find_vocabulary(path)
    try:
        return _read_form(first)
    except CheckpointError as error:
        pairs = [found for found in others if found.merges]
        if first.merges or not pairs:
            raise
        vocabulary = _read_form(pairs[0])
        logging.getLogger("gptlite").warning(
            "%s; so %s is read instead, whose ids may differ", error, pairs[0].vocab.name
        )
        return vocabulary


def _read_form(found: Found) -> Vocabulary:
    """Read a vocabulary in one form."""
    vocab_file, merges_file, prefix = found
    where, own = str(vocab_file), list[Declared]()
    if vocab_file.suffix == ".pkl":
        vocab: dict[str, Any] = parse_meta(read_file(vocab_file), where)
    else:
        vocab = parse_object(read_file(vocab_file), where)
        if isinstance(vocab.get("stoi"), dict):
            vocab = vocab["stoi"]
    if merges_file is not None:
        merges = parse_merges(read_file(merges_file), str(merges_file))
    elif is_of_characters(vocab):
        _check_ids(vocab, where)
        return Vocabulary(vocab, None)
    elif _is_hub_vocab(vocab):
        raise CheckpointError(f"{vocab_file.parent}: expected {EXPECTED}, found {vocab_file.name}")
    else:
        vocab, merges, own = parse_tokenizer(vocab, where)
    added = read_added(vocab_file.parent, prefix, own, vocab)
    _check_ids(vocab, where)
    if is_of_words(vocab):
        _check_words(vocab, merges, merges_file or vocab_file)
        return Vocabulary(vocab, merges, added)
    for byte, symbol in BYTE_SYMBOLS.items():
        if symbol not in vocab:
            raise CheckpointError(f"{where}: expected a token {symbol!r} (byte {byte}), found none")
    names = {token.name for token in added}
    _check_fit(vocab, merges, names, vocab_file, merges_file or vocab_file)
    return Vocabulary(vocab, merges, added)


def _check_words(vocab: Vocab, merges: Merges, merges_file: Path) -> None:
    """Check that each merge of GPT-1's joins tokens into a token."""
    for n, pair in enumerate(merges, 1):
        for token in (*pair, "".join(pair)):
            if token not in vocab:
                raise CheckpointError(
                    f"{merges_file}: merge {n}: expected tokens of the vocabulary, "
                    f"found {shown(token)}"
                )


def _is_hub_vocab(found: Mapping[str, Any]) -> bool:
    """Say whether an object without merges is {symbols: id}, and not a whole tokenizer."""
    return bool(found) and all(type(i) is int for i in found.values())


def write_vocabulary(
    directory: str | os.PathLike[str], vocabulary: Vocabulary, format: str = "hub"
) -> None:
    """Write a vocabulary as a pair of files; the directory is made if it is not there.

    Added tokens, and special ones other than ``<|endoftext|>``, are declared in a third file,
    ``tokenizer_config.json``. A vocabulary of characters is ``vocab.json`` alone.

    Args:
        format: ``"hub"`` for ``vocab.json`` and ``merges.txt``, or ``"openai"`` for
            ``encoder.json`` and ``vocab.bpe``, with the same content.

    Raises:
        ValueError: any other format; OpenAI's, for characters. FileExistsError: the directory holds
            files that would be read before these, or as a part of them. OSError: a file cannot be
            written.
    """
    if format not in FILES:
        raise ValueError(f"format must be one of {', '.join(FILES)}, not {format!r}")
    vocab, merges, added = vocabulary
    if merges is None and format == "openai":
        raise ValueError("OpenAI's format holds bytes and merges, not a vocabulary of characters")
    lines = ["#version: 0.2", *map(" ".join, merges or ())]
    contents = json.dumps(vocab), "".join(line + "\n" for line in lines)
    files = dict(zip(FILES[format], (text.encode() for text in contents), strict=True))
    if merges is None:
        del files[FILES[format][1]]
    if (config := format_added(added, vocab)) is not None:
        files[CONFIG_FILE] = config
    check_vocabulary_place(directory, files)
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with write_atomically(directory / name) as file:
            file.write(content)


def check_vocabulary_place(directory: str | os.PathLike[str], written: Collection[str]) -> None:
    """Refuse a directory with another tokenizer's files, which would be read with those written.

    Args:
        written: the names of the files to be written.

    Raises:
        FileExistsError: the directory holds such files.
    """
    before: list[tuple[str, ...]] = [(TOKENIZER_FILE,), (CONFIG_FILE,), (MAP_FILE,), (ADDED_FILE,)]
    hub = FILES["hub"]
    before += [hub] if hub[0] not in written else [hub[1:]]
    for names in before:
        ours = any(name in written for name in names)
        if not ours and all((Path(directory) / name).is_file() for name in names):
            raise FileExistsError(
                f"{directory}: holds {' and '.join(names)}, which would be read in place of what "
                "is to be written, or with it: choose another directory, or remove it"
            )


def _check_ids(vocab: Mapping[str, Any], where: str) -> None:
    """Check for ids 0 to n - 1, each once."""
    token_of: dict[int, str] = {}
    for token, i in vocab.items():
        if type(i) is not int or not 0 <= i < len(vocab):
            raise CheckpointError(
                f"{where}: expected ids from 0 to {len(vocab) - 1} for its {len(vocab)} tokens, "
                f"found {shown(i)} for {shown(token)}"
            )
        if i in token_of:
            raise CheckpointError(
                f"{where}: expected an id of its own for each token, found {i} for both "
                f"{shown(token_of[i])} and {shown(token)}"
            )
        token_of[i] = token


def parse_merges(data: bytes, where: str) -> Merges:
    """Parse the pairs in a file of merges; its first line may give a version.

    Raises:
        CheckpointError: not UTF-8; a line that is not two symbols with a space between.
    """
    n_lines = data.count(b"\n")
    if len(data) > MAX_BYTES or n_lines > MAX_VALUES:
        raise CheckpointError(
            f"{where}: expected at most {MAX_BYTES} bytes and {MAX_VALUES} lines, found "
            f"{len(data)} bytes and {n_lines} lines"
        )
    try:
        lines = [line.removesuffix("\r") for line in data.decode("utf-8").split("\n")]
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{where}: expected UTF-8, found {error}") from None
    if not lines[-1]:
        lines.pop()
    merges: Merges = []
    skipped = 1 if lines and lines[0].startswith("#version") else 0
    for number, line in enumerate(islice(lines, skipped, None), skipped + 1):
        symbols = line.split(" ")
        if len(symbols) != 2 or not all(symbols):
            raise CheckpointError(
                f"{where}: line {number}: expected two symbols with a space between, "
                f"found {shown(line)}"
            )
        merges.append((symbols[0], symbols[1]))
    return merges


def _check_fit(
    vocab: Vocab, merges: Merges, declared: Collection[str], vocab_file: Path, merges_file: Path
) -> None:
    """Check that each merge joins tokens that exist by then, and that each token is made.

    A token that is declared need not be made; nor need one that no merges could make, since the
    text that it stands for would be cut in two: ``<pad>`` is a special token that went undeclared.
    """
    made = set(BYTE_SYMBOLS.values())
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
