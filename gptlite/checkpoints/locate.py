"""From the name or path a user gives to the place on disk.

Says where a checkpoint lies, not whether it is whole: each reader checks the files it needs, so
that a directory with only a tokenizer in it can still be found by the tokenizer.
"""

import os
from pathlib import Path

from gptlite.errors import CheckpointError

STORYTELLER = Path(__file__).parent.parent / "storyteller"


def locate(name_or_path: str | os.PathLike[str] | None = None) -> Path:
    """The directory, or the single ``.safetensors`` file, that a name or path stands for.

    A known name wins over a directory of the same name; write ``./storyteller`` for the directory.

    Args:
        name_or_path: ``"storyteller"`` or None for the model that ships with gptlite; or the path
            of a directory; or that of a ``.safetensors`` file, whose folder holds the rest.

    Raises:
        ValueError: a string that is neither a known name nor an existing path.
        CheckpointError: a path where nothing is, or a file of another kind.
        TypeError: neither a string nor a path.
    """
    if name_or_path is None or name_or_path == "storyteller":
        return STORYTELLER
    given = os.fspath(name_or_path)
    if not isinstance(given, str):
        raise TypeError(f"expected a name or a path as str, not {type(given).__name__}")
    path = os.path.expanduser(given)
    # os.path, not pathlib: these answer False for any string (too long, a NUL in it), never raise.
    if os.path.isdir(path):
        return Path(path)
    if os.path.isfile(path):
        if path.endswith(".safetensors"):
            return Path(path)
        raise CheckpointError(f"{path}: expected a directory or a .safetensors file")
    if isinstance(name_or_path, str) and not _looks_like_path(given):
        raise ValueError(
            f"unknown model {given!r}: expected the name 'storyteller', or the path of a directory"
        )
    raise CheckpointError(f"{path}: no such directory or file")


def _looks_like_path(text: str) -> bool:
    has_separator = os.sep in text or (os.altsep is not None and os.altsep in text)
    return has_separator or text.startswith((".", "~")) or text.endswith(".safetensors")
