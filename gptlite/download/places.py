"""Where official models are on this machine: gptlite's own cache, and Hugging Face's.

gptlite's has a folder for each model, with the files of one source (or of both) in it. A file gets
its name there only after it was checked whole; so a model is complete when every file of a source
is there, and it is not read through again each time. A model at a revision that is not the table's
has a folder of its own (``gpt2@main``). Hugging Face's cache is only ever read.
"""

import os
import re
import sys
from collections.abc import Iterator
from os.path import isfile  # of a broken link, or in a folder that may not be read, it is False
from pathlib import Path

from gptlite.alphabet import FILES
from gptlite.download.official import (
    SOURCES,
    OfficialFile,
    Source,
    canonical_name,
    required_name,
)
from gptlite.download.revisions import noted_revision

_TOKENIZER_FILES = {name for pair in FILES.values() for name in pair}
_REVISION = re.compile(rb"[0-9a-f]{40}")


def cache_home() -> Path:
    """gptlite's own cache, which may not be there yet.

    ``$GPTLITE_HOME``; else ``gptlite`` in ``%LOCALAPPDATA%`` on Windows, elsewhere in
    ``$XDG_CACHE_HOME`` (ignored unless absolute, as its specification says) or in ``~/.cache``.
    """
    if own := os.environ.get("GPTLITE_HOME"):
        return Path(os.path.abspath(os.path.expanduser(own)))
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "gptlite"
    return _user_cache() / "gptlite"


def hub_home() -> Path:
    """Hugging Face's cache: where its own library would look, by the same variables."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if place := os.environ.get(variable):
            return _expanded(place)
    if home := os.environ.get("HF_HOME"):
        return _expanded(home) / "hub"
    return _user_cache() / "huggingface" / "hub"


def _user_cache() -> Path:
    given = os.environ.get("XDG_CACHE_HOME", "")
    return Path(given if os.path.isabs(given) else os.path.expanduser("~/.cache"))


def _expanded(place: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(os.path.expandvars(place))))


def model_folder(name: str) -> Path:
    """The folder of a model in gptlite's own cache; ``name`` is canonical."""
    return cache_home() / name


def hub_repositories(name: str) -> list[Path]:
    """Where a model may lie in Hugging Face's cache: under its name, and under its old one.

    At a revision that is not the table's it is not looked for there: it could not be verified.
    """
    if "@" in name:
        return []
    return [hub_home() / f"models--openai-community--{name}", hub_home() / f"models--{name}"]


def searched(name: str) -> list[Path]:
    """Every place where ``find_model`` looks."""
    return [model_folder(name), *hub_repositories(name)]


def holds(folder: Path, files: tuple[OfficialFile, ...]) -> bool:
    """Whether all these files lie in a folder, each of its known size."""
    for file in files:
        path = folder / file.name
        if not isfile(path) or file.size not in (None, os.path.getsize(path)):
            return False
    return True


def find_model(name: str) -> Path | None:
    """The folder that holds a complete official model; None if there is none on this machine.

    Args:
        name: of an official model, or an alias.

    Raises:
        ValueError: another name.
    """
    name = required_name(name)
    for folder in _folders(name):
        if any(holds(folder, source.files) for source in known_sources(name)):
            return folder
    return None


def find_bare_model(name: str) -> Path | None:
    """The folder of Hugging Face's cache that holds an official model without any tokenizer.

    That is what is there when only the model was loaded with Hugging Face's library.

    Args:
        name: canonical.
    """
    for folder in _folders(name):
        if folder == model_folder(name) or any(isfile(folder / file) for file in _TOKENIZER_FILES):
            continue
        for source in known_sources(name):
            if holds(folder, bare_files(source.files)):
                return folder
    return None


def known_sources(name: str) -> tuple[Source, ...]:
    """Where a model can be had, and what its files must be; none for a revision not asked for yet.

    Args:
        name: canonical.
    """
    if "@" not in name:
        return SOURCES[name]
    noted = noted_revision(model_folder(name), name)
    return () if noted is None else (noted,)


def kept_revisions() -> list[str]:
    """The models in gptlite's cache, whole or not, at revisions that are not the table's."""
    names = sorted(folder.name for folder in cache_home().glob("*@*"))
    return [name for name in names if canonical_name(name) == name]


def find_tokenizer(name: str = "gpt2") -> Path | None:
    """A folder that holds a model's tokenizer; None if there is none on this machine.

    Args:
        name: canonical. All sizes share one tokenizer; a revision may have another.
    """
    for one in [name] if "@" in name else SOURCES:
        for folder in _folders(one):
            if any(holds(folder, tokenizer_files(s.files)) for s in known_sources(one)):
                return folder
    return None


def tokenizer_files(files: tuple[OfficialFile, ...]) -> tuple[OfficialFile, ...]:
    """Those among a source's files that are the tokenizer's two."""
    return tuple(file for file in files if file.name in _TOKENIZER_FILES)


def bare_files(files: tuple[OfficialFile, ...]) -> tuple[OfficialFile, ...]:
    """Those among a source's files that are not the tokenizer's."""
    return tuple(file for file in files if file.name not in _TOKENIZER_FILES)


def _folders(name: str) -> Iterator[Path]:
    """The folders in which a model may lie, in the order of preference."""
    yield model_folder(name)
    pinned = SOURCES[name.partition("@")[0]][0].folder.rpartition("/")[2]
    for repository in hub_repositories(name):
        try:
            current = (repository / "refs" / "main").read_bytes().strip()
        except OSError:
            current = b""
        if _REVISION.fullmatch(current):
            yield repository / "snapshots" / current.decode()
        yield repository / "snapshots" / pinned
