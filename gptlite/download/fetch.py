"""OpenAI's models on this machine: found, fetched from the first source that has them, verified.

``HF_ENDPOINT`` and ``GPTLITE_OPENAI_URL`` put mirrors in the place of the official hosts; the
checks are the same. One file's way from there to here is in fetching.py.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gptlite.download.digests import wrong_checksum
from gptlite.download.fetching import StorageError, fetch_file
from gptlite.download.lock import locked
from gptlite.download.official import OfficialFile, Source, check_file, required_name
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
from gptlite.download.web import offline
from gptlite.errors import CheckpointError, DownloadError

Files = tuple[OfficialFile, ...]


def fetch_model(name: str) -> Path:
    """The folder that holds an official model: found on this machine, or fetched into the cache.

    (Without its tokenizer, where Hugging Face's cache has only the model: see ``fetch_tokenizer``.)

    Looks in gptlite's own cache, then in Hugging Face's, then asks the sources in turn. One line to
    stderr says what was used, unless it is the own cache.

    Args:
        name: of an official model, or an alias; after it, an ``@`` and a revision of the hub
            (``"gpt2@main"``) in place of the one known here. What was fetched under that name
            stays as it is, also when a branch has moved on; delete the folder for a newer one.

    Raises:
        ValueError: another name.
        DownloadError: no source has it, or it cannot be kept, or nothing may be fetched (offline).
    """
    name = required_name(name)
    folder = find_model(name) or find_bare_model(name)
    if folder is None:
        return _fetch_files(name, name, lambda files: files)
    if folder != model_folder(name):
        _say(f"{name} is taken from Hugging Face's cache: {folder}")
    return folder


def fetch_tokenizer(name: str = "gpt2") -> Path:
    """A folder that holds an official model's tokenizer, found or fetched like the model.

    Args, Raises: as for ``fetch_model``.
    """
    name = required_name(name)
    # That of any size will do; the smallest's is fetched.
    to_fetch = name if "@" in name else "gpt2"
    return find_tokenizer(name) or _fetch_files(
        to_fetch, f"the tokenizer of {to_fetch}", tokenizer_files
    )


def verify_model(name: str) -> Path:
    """Read a model that is on this machine through, and compare each file with what is known of it.

    By size and checksum; OpenAI's weights without a checksum by that of every tensor.

    Returns:
        The folder it lies in.

    Raises:
        ValueError: the name is no official model's.
        CheckpointError: it is not complete; or a file is damaged, or another.
    """
    name = required_name(name)
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
    """Fetch those of a model's files that are wanted from the first source that has them all.

    Args:
        what: these files, in words.
    """
    if variable := offline():
        raise DownloadError(
            f"{what}: expected in {_places(name)}, found in none; nothing is fetched, because "
            f"{variable} is set"
        )
    folder = model_folder(name)
    failures: list[str] = []
    for source in known_sources(name) or _ask(name, folder):
        _say(f"{what} is fetched from {source.owner} ({source.url('')}) into {folder}")
        try:
            _fetch_from(source, name, wanted(source.files), folder)
        except StorageError:
            raise
        except DownloadError as error:
            failures.append(str(error))
            _say(str(error))
        else:
            return folder
    raise DownloadError("; ".join(failures))


def _ask(name: str, folder: Path) -> tuple[Source]:
    """What the hub says of a model at a revision that was not asked for before."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"):  # else the files of another process could be others
            source = noted_revision(folder, name)
            if source is None:
                source = ask_for_revision(name)
                for file in source.files:  # should the note be lost, and the branch move on
                    path = folder / file.name
                    if path.is_file() and wrong_checksum(path, file.checksum or ""):
                        path.unlink()
                note_revision(folder, source)
    except OSError as error:
        raise StorageError(f"{name}: cannot be written to {folder}: {error}") from error
    return (source,)


def _fetch_from(source: Source, name: str, files: Files, folder: Path) -> None:
    """Fetch a source's files, in their order: what fails early has cost little."""
    for file in files:
        path = folder / file.name
        if not holds(folder, (file,)):
            check = partial(check_file, name, file, folder=folder)
            fetch_file(source.url(file.name), path, file.size, file.checksum, check)


def _places(name: str) -> str:
    return ", ".join(map(str, searched(name)))


def _say(line: str) -> None:
    print(f"gptlite: {line}", file=sys.stderr)
