"""The door: from the name or path that a user gives to a place on disk.

An official model that is not on this machine is fetched. The door finds a checkpoint and does not
look inside: each reader checks the files that it needs, so that a directory with only a tokenizer
in it serves as a tokenizer's place.
"""

import os
import sys
from pathlib import Path

from gptlite.checkpoints.formats import SUFFIXES
from gptlite.download.fetch import fetch_model, fetch_tokenizer
from gptlite.download.official import KNOWN, canonical_name, other_names
from gptlite.errors import CheckpointError

STORYTELLER = Path(__file__).parent.parent / "storyteller"


def locate(name_or_path: str | os.PathLike[str] | None = None) -> Path:
    """Find the directory, or the file of weights, that a name or path stands for.

    A directory wins over a known name that is the same, and a line on stderr says so.

    Args:
        name_or_path: ``"storyteller"`` or None for the model that ships with gptlite; or the name
            of one of OpenAI's (``official.canonical_name``), which is fetched the first time; or
            the path of a directory, or of a file of weights with the other files beside it.

    Raises:
        ValueError: a string that is neither a known name nor an existing path.
        CheckpointError: a path with nothing there.
        DownloadError: an official model that is not on this machine could not be fetched.
        TypeError: neither a string nor a path.
    """
    name = official_name(name_or_path)
    if name is not None:
        return fetch_model(name)
    return _place_on_disk(name_or_path)


def locate_vocabulary(name_or_path: str | os.PathLike[str] | None = None) -> Path:
    """Find the place of a model's tokenizer. For OpenAI's models, only the tokenizer is fetched.

    Arguments and errors are those of ``locate``.
    """
    name = official_name(name_or_path)
    if name is not None:
        return fetch_tokenizer(name)
    return _place_on_disk(name_or_path)


def official_name(name_or_path: str | os.PathLike[str] | None) -> str | None:
    """Return the canonical name of the official model that is meant; None if none is.

    Whoever names a folder ``small`` means that folder by it: a folder of an official model's name
    is the one that is meant.
    """
    name = canonical_name(name_or_path) if isinstance(name_or_path, str) else None
    if name is not None and isinstance(name_or_path, str) and os.path.isdir(name_or_path):
        other = next((n for n in other_names(name_or_path) if not os.path.isdir(n)), None)
        meant = f" (that is {other})" if other else ""
        print(f"gptlite: {name_or_path} is the folder here, not OpenAI's{meant}", file=sys.stderr)
        return None
    return name


def _place_on_disk(name_or_path: str | os.PathLike[str] | None) -> Path:
    """Find the place of a model that is not fetched: the storyteller, or a path."""
    if name_or_path is None:
        return STORYTELLER
    if name_or_path == "storyteller":
        if not os.path.isdir("storyteller") or os.path.samefile("storyteller", STORYTELLER):
            return STORYTELLER
        print(
            "gptlite: storyteller is the folder here, not gptlite's (that is what no name gives)",
            file=sys.stderr,
        )
    given = os.fspath(name_or_path) if isinstance(name_or_path, os.PathLike) else name_or_path
    if not isinstance(given, str):
        raise TypeError(f"expected a name or a path as str, not {type(given).__name__}")
    path = os.path.expanduser(given)
    # os.path, not pathlib: its functions answer False to any bad string (too long, or with a NUL).
    if os.path.isdir(path):
        return Path(path)
    # A TensorFlow checkpoint is named by the common beginning of its files' names.
    for file in (path, path + ".index"):
        if os.path.isfile(file):
            return Path(file)
    if os.path.lexists(path):
        what = "a link that leads nowhere" if os.path.islink(path) else "something else"
        raise CheckpointError(f"{path}: expected a directory or a file, found {what}")
    if isinstance(name_or_path, str) and not _looks_like_path(given):
        raise ValueError(
            f"unknown model {given!r}: expected 'storyteller', {', '.join(KNOWN)}, or the path "
            "of a directory or a file"
        )
    raise CheckpointError(f"{path}: no such directory or file")


def _looks_like_path(text: str) -> bool:
    has_separator = os.sep in text or (os.altsep is not None and os.altsep in text)
    endings = (*SUFFIXES, ".json", ".txt", ".bpe", ".pkl")  # of weights, of tokenizers
    return has_separator or text.startswith((".", "~")) or text.endswith(endings)
