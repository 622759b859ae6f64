"""The files of a tokenizer: the one that is named, or those in a folder or beside a model.

    tokenizer.json                  a whole tokenizer, as Hugging Face's library saves it
    vocab.json, merges.txt          a pair, as on the hub
    encoder.json, vocab.bpe         the same pair, as OpenAI published it
    encoder_bpe_40000.json, vocab_40000.bpe     GPT-1's pair
    meta.pkl                        the characters that nanoGPT made ids of
    vocab.json alone                characters, {character: id}

People put names before these: ``story.tokenizer.json``; ``gpt2-vocab.json``, ``gpt2-merges.txt``.
What comes before a file's usual name is its *prefix* here: ``story.``, ``gpt2-``.
"""

import os
from os.path import isfile  # unlike pathlib's, False where looking is forbidden
from pathlib import Path
from typing import NamedTuple

from gptlite.alphabet import FILES
from gptlite.checkpoints.strict_json import LFS_POINTER, MAX_BYTES
from gptlite.errors import CheckpointError
from gptlite.files import read_small

TOKENIZER_FILE = "tokenizer.json"
META_FILE = "meta.pkl"
#: Pairs of files that hold one tokenizer.
PAIRS = (*FILES.values(), ("encoder_bpe_40000.json", "vocab_40000.bpe"))
#: The files of one tokenizer, in the order in which they are looked for.
KINDS = ((TOKENIZER_FILE,), *PAIRS, (META_FILE,), FILES["hub"][:1])
EXPECTED = " or ".join([*(" and ".join(pair) for pair in FILES.values()), TOKENIZER_FILE])

_SEPARATORS = ("-", "_", ".")
# Files of a tokenizer's, by their endings, but for the files of a model that end so as well.
_ENDINGS = (".json", ".txt", ".bpe", ".pkl", ".model", ".tiktoken")
_OTHERS = ("config.json", "hparams.json", ".index.json", "added_tokens.json", "tokens_map.json")
# Vocabularies of other kinds of models, which people look for here in vain.
_FOREIGN = {
    "vocab.txt": "WordPiece, as BERT's",
    "spiece.model": "SentencePiece, as T5's",
    "tokenizer.model": "SentencePiece, as Llama's",
    "sentencepiece.bpe.model": "SentencePiece, as XLM-R's",
    ".tiktoken": "tiktoken's own form",
}


class Found(NamedTuple):
    """The files of one tokenizer.

    Attributes:
        vocab: the file with the ids.
        merges: the file with the merges, where that is another.
        prefix: what precedes the usual names of files beside it.
    """

    vocab: Path
    merges: Path | None
    prefix: str


def is_tokenizer_file(path: Path) -> bool:
    """Say, by its name, whether a file is a tokenizer's (and not, say, a file of weights)."""
    return path.name.endswith(_ENDINGS) and not path.name.endswith(_OTHERS)


def find_vocabulary(path: Path) -> list[Found]:
    """Find the files of the tokenizer of a place; several if it is there in several forms.

    Args:
        path: a file of a tokenizer's; or a directory, or a file of weights, whose own name may
            precede the names of the files beside it.

    Raises:
        CheckpointError: there is none, or there are several and none has the usual name.
    """
    if not path.is_dir() and is_tokenizer_file(path):
        return [_named(path)]
    directory = path if path.is_dir() else path.parent
    names = _names(directory)
    prefixes = dict.fromkeys(
        prefix
        for kind in KINDS
        for name in sorted(names)
        if name.endswith(kind[0]) and _is_prefix(prefix := name.removesuffix(kind[0]))
    )
    found: dict[str, list[Found]] = {}
    for prefix in prefixes:
        for kind in KINDS:
            files = [directory / (prefix + name) for name in kind]
            if names.issuperset(file.name for file in files) and all(map(isfile, files)):
                one = Found(files[0], files[1] if files[1:] else None, prefix)
                found.setdefault(prefix, []).append(one)
    stem = None if path.is_dir() else path.name.partition(".")[0]
    own = [prefix for prefix in found if prefix and prefix[:-1] == stem]
    for prefix in (*own, "", *(found if len(found) == 1 else ())):
        if prefix in found:
            return found[prefix]
    if found:
        named = ", ".join(forms[0].vocab.name for forms in list(found.values())[:5])
        raise CheckpointError(
            f"{directory}: expected one tokenizer, found {named}: name the file of the one you mean"
        )
    raise CheckpointError(f"{directory}: expected {EXPECTED}, found {_others(names)}")


def has_vocabulary(path: Path) -> bool:
    """Say whether any of a tokenizer's files lies in a directory, or beside a file of weights."""
    directory = path if path.is_dir() else path.parent
    ours = {name for kind in KINDS for name in kind}
    return any(
        _is_prefix(name.removesuffix(usual)) and isfile(directory / name)
        for name in _names(directory)
        for usual in ours
        if name.endswith(usual)
    )


def read_file(file: Path) -> bytes:
    """Read a file of a tokenizer, without the mark that some editors put before a text (BOM).

    Raises:
        CheckpointError: the file cannot be read, is too large, or is a Git LFS pointer.
    """
    try:
        data = read_small(file, MAX_BYTES)
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read: {error}") from error
    if data.startswith(LFS_POINTER):
        raise CheckpointError(
            f"{file}: expected a file of a tokenizer, found a Git LFS pointer to one "
            "('git lfs pull' fetches it)"
        )
    return data.removeprefix(b"\xef\xbb\xbf")


def _named(path: Path) -> Found:
    """Describe a tokenizer by the file that is named: either of a pair stands for both.

    Raises:
        CheckpointError: the file is one of another kind of tokenizer.
    """
    if foreign := _foreign(path.name):
        raise CheckpointError(f"{path}: expected {EXPECTED}, found {foreign}")
    for pair in PAIRS:
        for usual in pair:
            prefix = path.name.removesuffix(usual)
            if path.name.endswith(usual) and _is_prefix(prefix):
                vocab, merges = (path.with_name(prefix + name) for name in pair)
                if isfile(merges) or path == merges:
                    return Found(vocab, merges, prefix)
                return Found(vocab, None, prefix)
    prefix = path.name.removesuffix(TOKENIZER_FILE)
    if path.name.endswith(TOKENIZER_FILE) and _is_prefix(prefix):
        return Found(path, None, prefix)
    return Found(path, None, f"{path.stem}.")


def _names(directory: Path) -> set[str]:
    try:
        return set(os.listdir(directory))
    except OSError:
        return set()


def _is_prefix(text: str) -> bool:
    return not text or text.endswith(_SEPARATORS)


def _others(names: set[str]) -> str:
    """Name what lies there instead: half a pair, or a vocabulary of another kind."""
    halves = [name for pair in FILES.values() for name in pair if name in names]
    foreign = [kind for name in sorted(names) if (kind := _foreign(name))]
    return " and ".join([*halves, *foreign[:3]]) or "none"


def _foreign(name: str) -> str | None:
    """Describe a file of another kind of tokenizer by its name; None if it is none."""
    return next((f"{name} ({_FOREIGN[end]})" for end in _FOREIGN if name.endswith(end)), None)
