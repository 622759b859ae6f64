"""From the name or path a user gives to the place on disk, fetching an official model if need be.

Says where a checkpoint lies, not whether it is whole: each reader checks the files it needs, so
that a directory with only a tokenizer in it can still be found by the tokenizer.
"""

import os
from pathlib import Path

from gptlite.download.official import SOURCES, canonical_name
from gptlite.errors import CheckpointError

STORYTELLER = Path(__file__).parent.parent / "storyteller"


def locate(name_or_path: str | os.PathLike[str] | None = None) -> Path:
    """The directory, or the file of weights, that a name or path stands for.

    A known name wins over a directory of the same name; write ``./storyteller`` for the directory.

    Args:
        name_or_path: ``"storyteller"`` or None for the model that ships with gptlite; or the name
            of one of OpenAI's (``official.canonical_name``), which is fetched the first time; or
            the path of a directory; or that of a file of weights, whose folder holds the rest.

    Raises:
        ValueError: a string that is neither a known name nor an existing path.
        CheckpointError: a path where nothing is.
        DownloadError: an official model that is not on this machine could not be fetched.
        TypeError: neither a string nor a path.
    """
    if name_or_path is None or name_or_path == "storyteller":
        return STORYTELLER
    if isinstance(name_or_path, str) and canonical_name(name_or_path):
        from gptlite.download.fetch import fetch_model

        return fetch_model(name_or_path)
    given = os.fspath(name_or_path)
    if not isinstance(given, str):
        raise TypeError(f"expected a name or a path as str, not {type(given).__name__}")
    path = os.path.expanduser(given)
    # os.path, not pathlib: these answer False for any string (too long, a NUL in it), never raise.
    if os.path.isdir(path):
        return Path(path)
    # A TensorFlow checkpoint is called by what its files' names have in common.
    for file in (path, path + ".index"):
        if os.path.isfile(file):
            return Path(file)
    if isinstance(name_or_path, str) and not _looks_like_path(given):
        raise ValueError(
            f"unknown model {given!r}: expected 'storyteller', {', '.join(SOURCES)}, or the path "
            "of a directory"
        )
    raise CheckpointError(f"{path}: no such directory or file")


def locate_vocabulary(name_or_path: str | os.PathLike[str] | None = None) -> Path:
    """Where the tokenizer of a model lies: of one of OpenAI's, no more than that is fetched.

    Args, Raises: as for ``locate``.
    """
    if isinstance(name_or_path, str) and canonical_name(name_or_path):
        from gptlite.download.fetch import fetch_tokenizer

        return fetch_tokenizer(name_or_path)
    return locate(name_or_path)


def _looks_like_path(text: str) -> bool:
    has_separator = os.sep in text or (os.altsep is not None and os.altsep in text)
    return has_separator or text.startswith((".", "~")) or text.endswith(".safetensors")
