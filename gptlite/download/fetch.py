"""OpenAI's models: found on this machine, fetched from the first source that has them, verified.

``HF_ENDPOINT`` and ``GPTLITE_OPENAI_URL`` put mirrors in place of the official hosts; the checks
are the same. fetching.py brings each file from a host to its place.

All names here are canonical (``official.canonical_name``): of an official model, or of one at
another revision of the hub (``"gpt2@main"``).
"""

import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from gptlite.download.digests import wrong_checksum
from gptlite.download.fetching import StorageError, fetch_file
from gptlite.download.official import OfficialFile, Source, check_file, most_bytes
from gptlite.download.places import (
    bare_files,
    find_bare_model,
    find_model,
    find_tokenizer,
    holds,
    known_sources,
    model_folder,
    searched,
    tokenizer_files,
)
from gptlite.download.revisions import ask_for_revision, note_revision, noted_revision
from gptlite.download.web import NoNetworkError, offline
from gptlite.errors import CheckpointError, DownloadError
from gptlite.lock import locked

Files = tuple[OfficialFile, ...]


def fetch_model(name: str) -> Path:
    """Find the folder of an official model on this machine, or fetch the model.

    The download folder is searched first, then Hugging Face's cache, then the sources are asked in
    turn. A line on stderr says where the model came from, unless it was in the download folder.
    Hugging Face's cache may have the model without its tokenizer: see ``fetch_tokenizer``.

    Files of a revision (``"gpt2@main"``) stay as they were fetched, even when a branch has moved
    on; delete the folder to fetch newer ones.

    Raises:
        DownloadError: no source has the model, or it cannot be stored, or nothing may be fetched
            (offline).
    """
    folder = find_model(name) or find_bare_model(name)
    if folder is None:
        return _fetch_files(name, name, lambda files: files)
    if folder != model_folder(name):
        _say(f"{name} is taken from Hugging Face's cache: {folder}")
    return folder


def fetch_tokenizer(name: str = "gpt2") -> Path:
    """Find the folder of an official model's tokenizer, or fetch the tokenizer.

    Places, sources and errors are those of ``fetch_model``.
    """
    # All sizes have the same tokenizer, so the smallest model's is fetched.
    to_fetch = name if "@" in name else "gpt2"
    return find_tokenizer(name) or _fetch_files(
        to_fetch, f"the tokenizer of {to_fetch}", tokenizer_files
    )


def verify_model(name: str) -> Path:
    """Read every file of a model that is on this machine, and check it (``official.check_file``).

    Returns:
        The folder of the model.

    Raises:
        CheckpointError: the model is incomplete; or a file is damaged, or not the official one.
    """
    folder = find_model(name) or find_bare_model(name)
    if folder is None:
        raise CheckpointError(f"{name}: expected in {_places(name)}, found in none")
    try:
        for source in known_sources(name):
            for files in (source.files, bare_files(source.files)):
                if holds(folder, files):
                    for file in files:
                        check_file(name, file, folder / file.name, folder)
                    break
    except CheckpointError as error:
        if folder != model_folder(name):
            raise
        raise CheckpointError(f"{error} (delete that file, and it is fetched again)") from error
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be read: {error}") from error
    return folder


def _fetch_files(name: str, what: str, wanted: Callable[[Files], Files]) -> Path:
    """Fetch some of a model's files from the first source that has them all.

    Args:
        what: the files, in words.
        wanted: chooses the files to fetch from a source's.
    """
    missing = f"{what}: expected in {_places(name)}, found in none"
    if why := offline():
        raise DownloadError(f"{missing}; nothing is fetched, because {why}")
    folder = model_folder(name)
    failures: list[DownloadError] = []
    try:
        sources = known_sources(name) or _ask(name, folder)
    except NoNetworkError as error:
        raise NoNetworkError(f"{missing}; and there is no network: {error}") from error
    for source in sources:
        line = f"{what} is fetched from {source.owner} ({source.url('')}) into {folder}"
        try:
            _fetch_from(source, name, wanted(source.files), folder, cache(partial(_say, line)))
        except StorageError:
            raise
        except NoNetworkError as error:
            failures.append(error)
        except DownloadError as error:
            failures.append(error)
            _say(str(error))
        else:
            return folder
    said = "; ".join(map(str, failures))
    if all(isinstance(failure, NoNetworkError) for failure in failures):
        raise NoNetworkError(f"{missing}; and there is no network: {said}")
    raise DownloadError(said)


def _ask(name: str, folder: Path) -> tuple[Source]:
    """Ask the hub about a model at a revision, and note the answer in the model's folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"):  # or another process could fetch another commit's files
            source = noted_revision(folder, name)
            if source is None:
                source = ask_for_revision(name)
                for file in source.files:  # if the note was lost, and the branch has moved on
                    path = folder / file.name
                    if path.is_file() and wrong_checksum(path, file.checksum or ""):
                        path.unlink()
                note_revision(folder, source)
    except OSError as error:
        raise StorageError(f"{name}: cannot be written to {folder}: {error}") from error
    return (source,)


def _fetch_from(
    source: Source, name: str, files: Files, folder: Path, begun: Callable[[], None]
) -> None:
    """Fetch a source's files in order, the largest last, so that an early failure costs little.

    Args:
        begun: called when a file begins to come.
    """
    for file in files:
        path = folder / file.name
        if not holds(folder, (file,)):
            check = partial(check_file, name, file, folder=folder)
            most = most_bytes(name, file.name)
            url = source.url(file.name)
            fetch_file(url, path, file.size, file.checksum, check, most, begun)


def _places(name: str) -> str:
    return ", ".join(map(str, searched(name)))


def _say(line: str) -> None:
    print(f"gptlite: {line}", file=sys.stderr)
