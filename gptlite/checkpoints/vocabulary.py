"""A tokenizer's files: the ids of its tokens, and the merges that make the tokens, in order.

OpenAI calls the pair ``encoder.json`` and ``vocab.bpe``, the hub ``vocab.json`` and ``merges.txt``;
both pairs hold the same. The first file is a JSON object {symbols: id}, the second has one merge a
line. Without either pair, a ``tokenizer.json`` may hold the ids and the merges together.
"""

import json
import os
from collections.abc import Mapping, Sequence
from itertools import islice
from os.path import isfile  # unlike pathlib's, False where looking is forbidden
from pathlib import Path
from typing import Any

from gptlite.alphabet import BYTE_SYMBOLS, EOT, FILES
from gptlite.checkpoints.strict_json import MAX_BYTES, MAX_VALUES, parse_object, shown
from gptlite.checkpoints.tokenizer_json import TOKENIZER_FILE, parse_tokenizer
from gptlite.errors import CheckpointError
from gptlite.files import read_small, write_atomically

Vocab = dict[str, int]
Merges = list[tuple[str, str]]


def has_vocabulary(path: Path) -> bool:
    """Say whether any of a tokenizer's files lies in a directory, or beside a file of weights."""
    directory = path if path.is_dir() else path.parent
    names = [name for pair in FILES.values() for name in pair]
    return any(isfile(directory / name) for name in [*names, TOKENIZER_FILE])


def read_vocabulary(path: Path) -> tuple[Vocab, Merges]:
    """Read and check a vocabulary: a Tokenizer made from it encodes and decodes any text.

    Args:
        path: a directory, or a file of weights in it. If several forms are there, the hub's pair
            comes before OpenAI's, and either before a ``tokenizer.json``.

    Raises:
        CheckpointError: a file is missing, unreadable or damaged; ids and merges do not match; a
            ``tokenizer.json`` asks for something that GPT-2's tokenizer does not do.
    """
    directory = path if path.is_dir() else path.parent
    pairs = [(directory / vocab, directory / merges) for vocab, merges in FILES.values()]
    whole = [pair for pair in pairs if all(map(isfile, pair))]
    if whole:
        vocab_file, merges_file = whole[0]
        vocab = parse_vocab(_read(vocab_file), str(vocab_file))
        merges = parse_merges(_read(merges_file), str(merges_file))
    elif isfile(directory / TOKENIZER_FILE):
        vocab_file = merges_file = directory / TOKENIZER_FILE
        vocab, merges = parse_tokenizer(_read(vocab_file), str(vocab_file))
        _check_vocab(vocab, str(vocab_file))
    else:
        expected = " or ".join([*(" and ".join(pair) for pair in FILES.values()), TOKENIZER_FILE])
        found = [file.name for pair in pairs for file in pair if isfile(file)]
        raise CheckpointError(
            f"{directory}: expected {expected}, found {' and '.join(found) or 'none'}"
        )
    _check_fit(vocab, merges, vocab_file, merges_file)
    return vocab, merges


def write_vocabulary(
    directory: str | os.PathLike[str],
    vocab: Mapping[str, int],
    merges: Sequence[tuple[str, str]],
    format: str = "hub",
) -> None:
    """Write a vocabulary as a pair of files; the directory is made if it is not there.

    Args:
        format: ``"hub"`` for ``vocab.json`` and ``merges.txt``, or ``"openai"`` for
            ``encoder.json`` and ``vocab.bpe``, with the same content.

    Raises:
        ValueError: any other format. OSError: a file cannot be written.
    """
    if format not in FILES:
        raise ValueError(f"format must be one of {', '.join(FILES)}, not {format!r}")
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    lines = ["#version: 0.2", *map(" ".join, merges)]
    contents = json.dumps(vocab), "".join(line + "\n" for line in lines)
    for name, content in zip(FILES[format], contents, strict=True):
        with write_atomically(directory / name) as file:
            file.write(content.encode())


def parse_vocab(data: bytes, where: str) -> Vocab:
    """Parse {symbols: id} from JSON; ``where`` names the file in error messages.

    Raises:
        CheckpointError: not a JSON object of ids 0 to n - 1, each once; a byte's symbol or
            ``<|endoftext|>`` is missing.
    """
    vocab = parse_object(data, where)
    _check_vocab(vocab, where)
    return vocab


def _check_vocab(vocab: Mapping[str, Any], where: str) -> None:
    """Check for ids 0 to n - 1, each once, and a token for each byte and for the end of a text."""
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
    for token, meaning in [*((s, f"byte {b}") for b, s in BYTE_SYMBOLS.items()), (EOT, "text end")]:
        if token not in vocab:
            raise CheckpointError(f"{where}: expected a token {token!r} ({meaning}), found none")


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


def _check_fit(vocab: Vocab, merges: Merges, vocab_file: Path, merges_file: Path) -> None:
    """Check that each merge joins tokens that exist by then, and that each token is made."""
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
        if token not in made and token != EOT:
            raise CheckpointError(
                f"{merges_file}: expected a merge that makes token {i} of {vocab_file.name}, "
                f"{shown(token)}; found none in {len(merges)} merges"
            )


def _read(file: Path) -> bytes:
    try:
        return read_small(file, MAX_BYTES)
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read: {error}") from error
