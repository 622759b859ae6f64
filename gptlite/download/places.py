"""Places of official models on this machine: gptlite's download folder, or Hugging Face's cache.

The download folder has a folder for each model, with the files of one source (or of both) in it. A
file gets its name there only after all of it has been checked; so a model is complete when every
file of a source is there, and need not be read through each time. A model at a revision other than
the table's has a folder of its own (``gpt2@main``). Hugging Face's cache is only ever read.

All names here are canonical (``official.canonical_name``).
"""

import os
import re
import sys
from collections.abc import Iterator
from os.path import isfile  # False for a broken link, and in a folder that may not be read
from pathlib import Path

from gptlite.alphabet import FILES
from gptlite.download.official import SOURCES, OfficialFile, Source, canonical_name, hub_source
from gptlite.download.revisions import noted_revision
from gptlite.errors import CheckpointError
from gptlite.files import read_small

_TOKENIZER_FILES = {name for pair in FILES.values() for name in pair}
_REVISION = re.compile(rb"[0-9a-f]{40}")


def download_home() -> Path:
    """Say where gptlite's download folder is; it may not exist yet.

    It is ``$GPTLITE_HOME``; else ``gptlite`` in ``%LOCALAPPDATA%`` on Windows, elsewhere in
    ``$XDG_CACHE_HOME`` (ignored unless absolute, as its specification says) or in ``~/.cache``.
    """
    if own := os.environ.get("GPTLITE_HOME"):
        return Path(os.path.abspath(os.path.expanduser(own)))
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "gptlite"
    return _xdg_cache() / "gptlite"


def hub_home() -> Path:
    """Say where Hugging Face's cache is, by the variables that its own library reads."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if place := os.environ.get(variable):
            return _expanded(place)
    if home := os.environ.get("HF_HOME"):
        return _expanded(home) / "hub"
    return _xdg_cache() / "huggingface" / "hub"


def _xdg_cache() -> Path:
    given = os.environ.get("XDG_CACHE_HOME", "")
    return Path(given if os.path.isabs(given) else os.path.expanduser("~/.cache"))


def _expanded(place: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(os.path.expandvars(place))))


def model_folder(name: str) -> Path:
    """Say which folder in the download folder is a model's."""
    return download_home() / name


def hub_repositories(name: str) -> list[Path]:
    """List a model's folders in Hugging Face's cache: under its name, and under its old name.

    A revision other than the table's has none: it is not looked for there, because it could not be
    verified.
    """
    if "@" in name:
        return []
    return [hub_home() / f"models--openai-community--{name}", hub_home() / f"models--{name}"]


def searched(name: str) -> list[Path]:
    """List every place in which ``find_model`` looks."""
    return [model_folder(name), *hub_repositories(name)]


def holds(folder: Path, files: tuple[OfficialFile, ...]) -> bool:
    """Say whether all of the files are in a folder, each with its size where that is known."""
    for file in files:
        path = folder / file.name
        if not isfile(path) or file.size not in (None, os.path.getsize(path)):
            return False
    return True


def find_model(name: str) -> Path | None:
    """Find the folder of a complete official model; None if there is none on this machine."""
    for folder in _folders(name):
        if any(holds(folder, source.files) for source in known_sources(name)):
            return folder
    return None


def find_bare_model(name: str) -> Path | None:
    """Find the folder of Hugging Face's cache that holds an official model without a tokenizer.

    Hugging Face's library leaves a model like this when it was loaded without its tokenizer.
    """
    for folder in _folders(name):
        if folder == model_folder(name) or any(isfile(folder / file) for file in _TOKENIZER_FILES):
            continue
        for source in known_sources(name):
            if holds(folder, bare_files(source.files)):
                return folder
    return None


def known_sources(name: str) -> tuple[Source, ...]:
    """List a model's sources; none for a revision that the hub has not been asked about yet."""
    if "@" not in name:
        return SOURCES[name]
    noted = noted_revision(model_folder(name), name)
    return () if noted is None else (noted,)


def kept_revisions() -> list[str]:
    """List the download folder's models, whole or not, at revisions other than the table's."""
    names = sorted(folder.name for folder in download_home().glob("*@*"))
    return [name for name in names if canonical_name(name) == name]


def find_tokenizer(name: str = "gpt2") -> Path | None:
    """Find a folder that holds a model's tokenizer; None if there is none on this machine.

    All sizes share one tokenizer; a revision may have another.
    """
    for one in [name] if "@" in name else SOURCES:
        for folder in _folders(one):
            if any(holds(folder, tokenizer_files(s.files)) for s in known_sources(one)):
                return folder
    return None


def tokenizer_files(files: tuple[OfficialFile, ...]) -> tuple[OfficialFile, ...]:
    """List the tokenizer's files among the files of a source."""
    return tuple(file for file in files if file.name in _TOKENIZER_FILES)


def bare_files(files: tuple[OfficialFile, ...]) -> tuple[OfficialFile, ...]:
    """List the files of a source except the tokenizer's."""
    return tuple(file for file in files if file.name not in _TOKENIZER_FILES)


def _folders(name: str) -> Iterator[Path]:
    """List the folders in which a model may be, in order of preference."""
    yield model_folder(name)
    pinned = hub_source(name).folder.rpartition("/")[2]
    for repository in hub_repositories(name):
        try:
            current = read_small(repository / "refs" / "main", 100).strip()
        except (CheckpointError, OSError):
            current = b""
        if _REVISION.fullmatch(current):
            yield repository / "snapshots" / current.decode()
        yield repository / "snapshots" / pinned


def inventory() -> Iterator[str]:
    """List, line by line, the download folder, and how much of each official model is there."""
    yield str(download_home())
    for name in [*SOURCES, *kept_revisions()]:
        found, folder = find_model(name) or find_bare_model(name), model_folder(name)
        here = list(folder.iterdir()) if folder.is_dir() else []
        size = sum(file.stat().st_size for file in here if file.is_file())
        if found is not None and found != folder:
            yield f"{name:12} in Hugging Face's cache: {found}"
        elif found is not None:
            yield f"{name:12} {_in_units(size)}: {found}"
        elif size:
            yield f"{name:12} {_in_units(size)}, incomplete: {folder}"
        else:
            yield f"{name:12} not here"


def _in_units(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
