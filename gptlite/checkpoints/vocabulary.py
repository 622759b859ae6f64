"""A tokenizer's files, read and written: ids of tokens, the merges that make tokens, names.

OpenAI calls the pair ``encoder.json`` and ``vocab.bpe``, the hub ``vocab.json`` and ``merges.txt``;
both pairs hold the same. The first file is a JSON object {symbols: id}, the second has one merge a
line. A ``tokenizer.json`` holds the ids and the merges together; beside it or beside a pair lie the
files that declare special and added tokens (``added_tokens.py``). A vocabulary of characters has no
merges (``character_vocabulary.py``). Which of these files are read: ``vocabulary_files.py``.
"""

import json
import os
from collections.abc import Collection, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from gptlite.alphabet import FILES
from gptlite.checkpoints.added_tokens import (
    ADDED_FILE,
    CONFIG_FILE,
    MAP_FILE,
    Declared,
    format_declarations,
    read_added,
)
from gptlite.checkpoints.character_vocabulary import is_of_characters, parse_meta
from gptlite.checkpoints.strict_json import (
    MAX_BYTES,
    MAX_VALUES,
    parse_object,
    shown,
)
from gptlite.checkpoints.tokenizer_json import format_tokenizer, parse_tokenizer
from gptlite.checkpoints.tokenizer_rules import read_rules
from gptlite.checkpoints.vocabulary_checks import (
    Merges,
    Vocab,
    check_bytes,
    check_fit,
    check_ids,
    check_words,
)
from gptlite.checkpoints.vocabulary_files import (
    EXPECTED,
    TOKENIZER_FILE,
    Found,
    find_vocabulary,
    read_file,
)
from gptlite.checkpoints.warning import warn
from gptlite.errors import CheckpointError
from gptlite.files import made_folder, write_atomically
from gptlite.gpt1_words import END, UNKNOWN, is_of_words
from gptlite.rules import GPT2_RULES, Rules
from gptlite.special import AddedToken


class Vocabulary(NamedTuple):
    """The arguments of ``Tokenizer``."""

    vocab: Vocab
    merges: Merges | None
    added: tuple[AddedToken, ...] = ()
    rules: Rules = GPT2_RULES


def read_vocabulary(path: Path) -> Vocabulary:
    """Read and check a vocabulary: a Tokenizer made from it encodes and decodes any text.

    Args:
        path: one of a tokenizer's files; or a directory, or a file of weights in it. If several
            forms are there, ``tokenizer.json`` comes first, as in transformers, then the hub's
            pair, then OpenAI's. If the first is refused, a pair is read instead, with a warning;
            and GPT-1's pair is read before its ``tokenizer.json``, which cuts words as BERT does.

    Raises:
        CheckpointError: a file is missing, unreadable or damaged; ids and merges do not match; a
            ``tokenizer.json`` asks for something that GPT-2's tokenizer does not do.
    """
    first, *others = find_vocabulary(path)
    pairs = [found for found in others if found.merges]
    try:
        vocabulary = _read_form(first)
        if first.merges or not pairs or not vocabulary.rules.plain_words:
            return vocabulary
        reason = f"{first.vocab}: cuts words as BERT does, not as GPT-1 was taught"
    except CheckpointError as error:
        if first.merges or not pairs:
            raise
        reason = str(error)
    vocabulary = _read_form(pairs[0])
    warn(f"{reason}; so {pairs[0].vocab.name} is read instead, whose ids may differ")
    return vocabulary


def _read_form(found: Found) -> Vocabulary:
    """Read a vocabulary in one form."""
    vocab_file, merges_file, prefix = found
    where, own, rules = str(vocab_file), list[Declared](), None
    if vocab_file.suffix == ".pkl":
        vocab: dict[str, Any] = parse_meta(read_file(vocab_file), where)
    else:
        vocab = parse_object(read_file(vocab_file), where)
        if isinstance(vocab.get("stoi"), dict):
            vocab = vocab["stoi"]
    if merges_file is not None:
        merges = parse_merges(read_file(merges_file), str(merges_file))
    elif is_of_characters(vocab):
        check_ids(vocab, where)
        return Vocabulary(vocab, None)
    elif _is_hub_vocab(vocab):
        raise CheckpointError(f"{vocab_file.parent}: expected {EXPECTED}, found {vocab_file.name}")
    else:
        vocab, merges, own, rules = parse_tokenizer(vocab, where)
    added = read_added(vocab_file.parent, prefix, own, vocab)
    rules = read_rules(vocab_file.parent, prefix, rules)
    check_ids(vocab, where)
    if is_of_words(vocab):
        check_words(vocab, merges, merges_file or vocab_file)
        if rules.plain_words and any(token.normalized for token in added):
            name = next(token.name for token in added if token.normalized)
            raise CheckpointError(
                f"{where}: the token {shown(name)} would be looked for in lower case, which "
                "gptlite does not do: set its 'normalized' to false"
            )
        return Vocabulary(vocab, merges, added, rules._replace(prefix_space=False))
    if rules.plain_words:
        raise CheckpointError(
            f"{where}: expected GPT-1's tokens ({UNKNOWN}, and words that end in "
            f"{END}), found others"
        )
    check_bytes(vocab, rules, where)
    names = {token.name for token in added}
    check_fit(vocab, merges, names, vocab_file, merges_file or vocab_file)
    return Vocabulary(vocab, merges, added, rules)


def _is_hub_vocab(found: Mapping[str, Any]) -> bool:
    """Say whether an object without merges is {symbols: id}, and not a whole tokenizer."""
    return bool(found) and all(type(i) is int for i in found.values())


def write_vocabulary(
    directory: str | os.PathLike[str], vocabulary: Vocabulary, format: str = "hub"
) -> None:
    """Write a vocabulary as a pair of files; the directory is made if it is not there.

    Added tokens, special ones other than ``<|endoftext|>``, and rules other than GPT-2's are in a
    third file, ``tokenizer_config.json``. A vocabulary of characters is ``vocab.json`` alone; one
    with a token for unknown bytes, or with words cut as BERT does, is a ``tokenizer.json``.

    Args:
        format: ``"hub"`` for ``vocab.json`` and ``merges.txt``, or ``"openai"`` for
            ``encoder.json`` and ``vocab.bpe``, with the same content.

    Raises:
        ValueError: any other format; OpenAI's, for what it cannot hold; no name.
        FileExistsError: the directory holds files that would be read before these, or as a part of
            them.
        OSError: a file cannot be written.
    """
    if format not in FILES:
        raise ValueError(f"format must be one of {', '.join(FILES)}, not {format!r}")
    vocab, merges, added, rules = vocabulary
    by_json = merges is not None and (rules.plain_words or rules.unknown is not None)
    if merges is None and format == "openai":
        raise ValueError("OpenAI's format holds bytes and merges, not a vocabulary of characters")
    if by_json and format == "openai":
        raise ValueError(
            "OpenAI's format has no place for a token for unknown bytes, or words cut as BERT does"
        )
    lines = ["#version: 0.2", *map(" ".join, merges or ())]
    contents = json.dumps(vocab), "".join(line + "\n" for line in lines)
    files = dict(zip(FILES[format], (text.encode() for text in contents), strict=True))
    if merges is None:
        del files[FILES[format][1]]
    elif by_json:
        files = {TOKENIZER_FILE: format_tokenizer(vocab, merges, added, rules)}
    if (config := format_declarations(added, vocab, rules)) is not None:
        files[CONFIG_FILE] = config
    check_vocabulary_place(directory, files)
    directory = made_folder(directory)
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
