"""Vocabularies of characters: nanoGPT's ``meta.pkl``, or a JSON object {character: id}.

nanoGPT's file is a pickle, of a dict with ``stoi``, {character: id}, and ``itos``, {id: character}.
It is read by the machine that reads PyTorch's pickles, which runs nothing in it.
"""

import re
from collections.abc import Mapping
from typing import Any

from gptlite.alphabet import BYTE_SYMBOLS
from gptlite.checkpoints.added_tokens import is_utf8
from gptlite.checkpoints.pytorch.unpickler import unpickle
from gptlite.errors import CheckpointError

# The names of special tokens, the only longer ones: "<pad>", "[UNK]".
_SPECIAL = re.compile(r"<.+>|\[.+\]", re.DOTALL)


def parse_meta(data: bytes, where: str) -> dict[str, Any]:
    """Parse nanoGPT's ``meta.pkl``. Ids are not checked here.

    Raises:
        CheckpointError: not a pickle, or one that holds more than data; no characters with ids.
    """
    meta = unpickle(data, where, protocols=range(2, 6)).value
    stoi = meta.get("stoi") if isinstance(meta, dict) else None
    if not isinstance(stoi, dict) or not is_of_characters(stoi):
        raise CheckpointError(f"{where}: expected nanoGPT's stoi, {{character: id}}, found none")
    itos = meta.get("itos") if isinstance(meta, dict) else None
    if itos is not None and itos != {i: character for character, i in stoi.items()}:
        raise CheckpointError(f"{where}: expected itos to be the reverse of stoi, found another")
    return stoi


def is_of_characters(vocab: Mapping[Any, Any]) -> bool:
    """Say whether an object is {character: id}, and not a vocabulary of bytes without merges."""
    return (
        bool(vocab)
        and all(type(i) is int for i in vocab.values())
        and all(type(n) is str and (len(n) == 1 or _SPECIAL.fullmatch(n)) for n in vocab)
        and all(map(is_utf8, vocab))
        and any(len(name) == 1 for name in vocab)
        and not vocab.keys() >= set(BYTE_SYMBOLS.values())
    )
