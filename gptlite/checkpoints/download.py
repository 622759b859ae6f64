"""Fetching OpenAI's models, once, so that only what was checked whole gets its final name.

What has come of a file is kept beside its place as ``NAME.part``, and in ``NAME.part.json`` which
edition of it the server sent. A download that was cut off, killed or interrupted goes on from
there, if the server still has the same edition. The complete file is checked (size and sha256 where
they are known, else what is in it) and only then renamed.

``HF_ENDPOINT`` and ``GPTLITE_OPENAI_URL`` put mirrors in the place of the official hosts; the
checks are the same. With ``GPTLITE_OFFLINE``, ``HF_HUB_OFFLINE`` or ``TRANSFORMERS_OFFLINE`` set to
1, ON, YES or TRUE nothing is fetched. Proxies and certificates are as for any program that uses
requests.
"""

import base64
import hashlib
import json
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from gptlite.checkpoints.cache import (
    find_model,
    find_tokenizer,
    holds,
    model_folder,
    searched,
    tokenizer_files,
)
from gptlite.checkpoints.official import (
    SOURCES,
    OfficialFile,
    Source,
    check_file,
    required_name,
    sha256_of,
)
from gptlite.errors import CheckpointError, DownloadError

if TYPE_CHECKING:
    import requests

Files = tuple[OfficialFile, ...]

# What a broken connection can lose of what had come.
CHUNK = 1 << 16
TIMEOUT = (10, 60)  # seconds: to connect, and between two pieces of the answer
RETRIES = 5  # in a row that bring nothing new
LONGEST_WAIT = 120.0  # seconds; a server that asks for more is not waited for
OFFLINE_VARIABLES = ("GPTLITE_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")

sleep = time.sleep  # a name of its own, so that tests need not wait
_log = logging.getLogger("gptlite")


class StorageError(DownloadError):
    """A file cannot be kept on this machine, wherever it comes from."""


class _TryAgainError(Exception):
    """An attempt failed in a way that may pass; ``wait``: seconds that the server asks for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


# ---- A model ------------------------------------------------------------------------------------


def fetch_model(name: str) -> Path:
    """The folder that holds an official model: found on this machine, or fetched into the cache.

    Looks in gptlite's own cache, then in Hugging Face's, then asks the sources in turn. One line to
    stderr says what was used, unless it is the own cache.

    Args:
        name: of an official model, or an alias.

    Raises:
        ValueError: another name.
        DownloadError: no source has it, or it cannot be kept, or nothing may be fetched (offline).
    """
    name = required_name(name)
    folder = find_model(name)
    if folder is None:
        return _fetch_files(name, lambda files: files)
    if folder != model_folder(name):
        _say(f"{name} is taken from Hugging Face's cache: {folder}")
    return folder


def fetch_tokenizer() -> Path:
    """A folder that holds GPT-2's tokenizer, found or fetched like a model.

    Raises:
        DownloadError: as ``fetch_model``.
    """
    return find_tokenizer() or _fetch_files("gpt2", tokenizer_files)


def verify_model(name: str) -> Path:
    """Read a model that is on this machine through, and compare each file with what is known of it.

    By size and sha256; OpenAI's weights without a sha256 by the checksum of every tensor.

    Returns:
        The folder it lies in.

    Raises:
        ValueError: the name is no official model's.
        CheckpointError: it is not complete; or a file is damaged, or another.
    """
    name = required_name(name)
    folder = find_model(name)
    if folder is None:
        raise CheckpointError(f"{name}: expected in {_places(name)}, found in none")
    try:
        for source in SOURCES[name]:
            if holds(folder, source.files):
                for file in source.files:
                    check_file(name, file, folder / file.name, folder)
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be read: {error}") from error
    return folder


def _fetch_files(name: str, wanted: Callable[[Files], Files]) -> Path:
    """Fetch those of a model's files that are wanted from the first source that has them all."""
    if variable := offline():
        raise DownloadError(
            f"{name}: expected in {_places(name)}, found in none; nothing is fetched, because "
            f"{variable} is set"
        )
    folder = model_folder(name)
    failures: list[str] = []
    for source in SOURCES[name]:
        _say(f"{name} is fetched from {source.owner} ({source.url('')}) into {folder}")
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


def _fetch_from(source: Source, name: str, files: Files, folder: Path) -> None:
    """Fetch a source's files, in their order: what fails early has cost little."""
    for file in files:
        path = folder / file.name
        if not holds(folder, (file,)):
            check = partial(check_file, name, file, folder=folder)
            fetch_file(source.url(file.name), path, file.size, file.sha256, check)


def _places(name: str) -> str:
    return ", ".join(map(str, searched(name)))


def _say(line: str) -> None:
    print(f"gptlite: {line}", file=sys.stderr)


# ---- A file -------------------------------------------------------------------------------------


def fetch_file(
    url: str,
    path: Path,
    size: int | None = None,
    sha256: str | None = None,
    check: Callable[[Path], None] | None = None,
) -> None:
    """Fetch one file; it appears under ``path`` only when it is whole and was checked.

    A file that is there already stays, unless it is not of the right size. Of several processes
    that want the same file one fetches it, and the others wait. An interruption (Ctrl-C) leaves
    what has come, for the next time.

    Args:
        url: its address.
        path: where it goes; its folder is made.
        size: its bytes, where known.
        sha256: the checksum of the whole, in hex, where known.
        check: called instead with the path of the complete file where there is no sha256; raises
            CheckpointError if that is not the file wanted.

    Raises:
        DownloadError: it cannot be had, or what came is not what was expected, also not when it was
            fetched a second time; or it cannot be kept (StorageError). Names the address.
    """
    if variable := offline():
        raise DownloadError(f"{url}: not fetched, because {variable} is set")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.parent / ".lock"):
            if path.is_file():
                if size in (None, path.stat().st_size):  # another process was faster
                    return
                path.unlink()
            part = _Part(url, path)
            for last in (False, True):
                _complete(part, size)
                wrong = _wrong(part, sha256, check)
                if wrong is None:
                    os.replace(part.path, path)
                    part.forget()
                    return
                part.forget()
                if last:
                    raise DownloadError(f"{url}: {wrong}")
                _log.warning("%s: %s: fetched once more", url, wrong)
    except OSError as error:
        raise StorageError(f"{url}: cannot be written to {path}: {error}") from error


class _Edition(NamedTuple):
    """What a server says about a file as it is now.

    Attributes:
        etag: names the edition, where there is a strong one; without it none is gone on with.
        total: bytes of the whole.
        md5: of the whole, in base64.
    """

    etag: str | None
    total: int | None
    md5: str | None


class _Part:
    """What has come of a file, on disk: ``NAME.part``, and beside it of which edition that is."""

    def __init__(self, url: str, path: Path) -> None:
        self.url = url
        self.name = path.name
        self.path = path.with_name(path.name + ".part")
        self.about = path.with_name(path.name + ".part.json")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def edition(self) -> _Edition:
        """That of the bytes which are there, if it is known and of this address."""
        try:
            about = json.loads(self.about.read_bytes())
            url, found = about.pop("url"), _Edition(**about)
            kinds = zip(found, (str, int, str), strict=True)
            if url == self.url and all(value is None or type(value) is t for value, t in kinds):
                return found._replace(etag=_strong(found.etag))
        except (OSError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
            pass  # not there, or damaged
        return _Edition(None, None, None)

    def begin(self, edition: _Edition) -> None:
        """Nothing of this edition has come yet."""
        # Emptied first: were the note first, a kill between would give it to the old bytes.
        with open(self.path, "wb"):
            pass
        self.about.write_text(json.dumps({"url": self.url, **edition._asdict()}))

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
        self.about.unlink(missing_ok=True)


def _complete(part: _Part, size: int | None) -> None:
    """Ask for a file, or for the rest of it, until all of it is there."""
    furthest, failures = part.size(), 0
    while True:
        try:
            return _attempt(part, size)
        except _TryAgainError as failure:
            # Beyond what had come before, not just more: a server that never gets to the end and
            # does not know how to go on must not keep us for ever.
            reached = part.size()
            failures = 0 if reached > furthest else failures + 1
            furthest = max(reached, furthest)
            wait = 2.0 ** max(0, failures - 1) if failure.wait is None else failure.wait
            if failures > RETRIES:
                raise DownloadError(
                    f"{part.url}: {failure} ({failures} attempts in a row brought nothing new)"
                ) from failure
            if wait > LONGEST_WAIT:
                raise DownloadError(
                    f"{part.url}: {failure}, and the server asks to wait {wait:.0f} s"
                ) from failure
            _log.warning("%s: %s: again in %.0f s", part.url, failure, wait)
            sleep(wait)


def _attempt(part: _Part, size: int | None) -> None:
    """One request, whose answer is added to what is there; returns when the file is complete."""
    import requests
    from urllib3.exceptions import HTTPError

    have, edition = part.size(), part.edition()
    if have == edition.total:  # an earlier attempt was killed when all had come
        return
    headers = {
        "User-Agent": _user_agent(),
        # A compressed answer could not be counted, nor gone on with.
        "Accept-Encoding": "identity",
    }
    if edition.etag is None or (edition.total is not None and have > edition.total):
        have = 0
    elif have:
        headers |= {"Range": f"bytes={have}-", "If-Range": edition.etag}
    # The address is asked anew each time: what it redirects to is often good for minutes only.
    with requests.Session() as session:
        try:
            response = session.get(part.url, headers=headers, stream=True, timeout=TIMEOUT)
        except (requests.ConnectionError, requests.Timeout) as error:
            raise _TryAgainError(_reason(error)) from error
        except (OSError, HTTPError, ValueError) as error:  # requests' others are OSErrors
            raise DownloadError(f"{part.url}: {_reason(error)}") from error
        with response:
            nothing_left = response.status_code == 416 and _range(response) == (None, have)
            if have and nothing_left and size in (None, have):
                return  # all had come, of a file whose length was not told rightly
            have, total = _begin(response, part, have, edition, size)
            _receive(response, part, have, total, size)


def _begin(
    response: "requests.Response", part: _Part, have: int, edition: _Edition, size: int | None
) -> tuple[int, int | None]:
    """Judge an answer by its head; what of the file is there now, and how much it is in all.

    What is there is given up only for the file itself, never for an error.
    """
    status = response.status_code
    if status == 416:  # it is shorter now
        part.forget()
        raise _TryAgainError("status 416 (range not satisfiable)")
    if status in (408, 429) or status >= 500:
        wait = _seconds(response.headers.get("Retry-After"))
        raise _TryAgainError(f"status {status} ({response.reason})", wait)
    if status not in (200, 206):
        raise DownloadError(f"{part.url}: expected status 200, found {status} ({response.reason})")
    kind = response.headers.get("Content-Type", "")
    if kind.lower().startswith(("text/html", "application/xhtml")):
        raise DownloadError(f"{part.url}: expected a file, found a web page ({kind[:80]})")
    found = _edition_of(response)
    if status == 206:
        first, total = _range(response)
        same = found.etag in (None, edition.etag) and edition.total in (None, total)
        if not have or first != have or total is None or not same or _is_encoded(response):
            part.forget()
            raise _TryAgainError(f"expected the bytes from {have} on, found others")
        _check_size(part, total, size)
        _check_room(part, total)
        return have, total
    _check_size(part, found.total, size)
    _check_room(part, found.total if size is None else size)
    part.begin(found)
    return 0, found.total


def _range(response: "requests.Response") -> tuple[int | None, int | None]:
    """What a Content-Range header says: the first byte (None: no byte), and the total."""
    told = response.headers.get("Content-Range", "").strip()
    matched = re.fullmatch(r"bytes (?:([0-9]{1,18})-[0-9]{1,18}|\*)/([0-9]{1,18})", told)
    if matched is None:
        return None, None
    return None if matched[1] is None else int(matched[1]), int(matched[2])


def _receive(
    response: "requests.Response", part: _Part, have: int, total: int | None, size: int | None
) -> None:
    """Write the body of an answer to the end of what is there."""
    from tqdm import tqdm

    limit = total if size is None else size
    with (
        open(part.path, "ab", buffering=0) as file,
        tqdm(
            desc=part.name,
            initial=have,
            total=limit,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            # None: silent where stderr is no terminal.
            disable=True if _is_set("HF_HUB_DISABLE_PROGRESS_BARS") else None,
        ) as bar,
    ):
        for chunk in _chunks(response):
            have += len(chunk)
            if limit is not None and have > limit:
                break
            _write(file, chunk)
            bar.update(len(chunk))
        os.fsync(file.fileno())
    if limit is not None and have > limit:
        part.forget()
        raise _TryAgainError(f"expected {limit:,} bytes, found more")
    if limit is not None and have < limit:
        raise _TryAgainError(f"expected {limit:,} bytes, the connection ended after {have:,}")


def _chunks(response: "requests.Response") -> Iterator[bytes]:
    import requests
    from urllib3.exceptions import HTTPError

    try:
        yield from response.iter_content(CHUNK)
    except (requests.RequestException, HTTPError, OSError) as error:
        raise _TryAgainError(_reason(error)) from error


def _write(file: Any, chunk: bytes) -> None:
    """All of it: one call may take less than it is given."""
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]


def _edition_of(response: "requests.Response") -> _Edition:
    headers = response.headers
    if _is_encoded(response):
        # Sent compressed though it was asked not to be: its length and name are not the file's.
        return _Edition(None, None, None)
    length = headers.get("Content-Length", "").strip()
    return _Edition(
        _strong(headers.get("ETag")),
        int(length) if re.fullmatch("[0-9]{1,18}", length) else None,
        headers.get("Content-MD5"),
    )


def _strong(etag: str | None) -> str | None:
    """An etag that promises the same bytes; None for a weak one, and for what is none."""
    return etag if re.fullmatch(r'"[!#-~]*"', etag or "") else None


def _is_encoded(response: "requests.Response") -> bool:
    return response.headers.get("Content-Encoding", "identity").lower() != "identity"


def _check_size(part: _Part, total: int | None, size: int | None) -> None:
    if None not in (total, size) and total != size:
        raise DownloadError(f"{part.url}: expected {size:,} bytes, the server has {total:,}")


def _check_room(part: _Part, size: int | None) -> None:
    """Refuse to begin what the disk has no room for; what is there of it counts as room."""
    free = shutil.disk_usage(part.path.parent).free + part.size()
    if size is not None and free < size:
        raise StorageError(
            f"{part.url}: expected {size:,} bytes of free disk space in {part.path.parent}, "
            f"found {free:,}"
        )


def _wrong(part: _Part, sha256: str | None, check: Callable[[Path], None] | None) -> str | None:
    """What is wrong with a complete file; read from the disk, so also what came long ago is."""
    if sha256 is not None:
        found = sha256_of(part.path)
        return None if found == sha256 else f"expected sha256 {sha256}, found {found}"
    md5 = part.edition().md5
    if md5 is not None and (found := _md5_of(part.path)) != md5:
        return f"expected MD5 {md5}, found {found}"
    try:
        if check is not None:
            check(part.path)
    except CheckpointError as error:
        return str(error)
    return None


def _md5_of(path: Path) -> str:
    """As Content-MD5 has it: in base64. It finds accidents, and is not asked for more."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb", buffering=0) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return base64.b64encode(digest.digest()).decode()


# ---- Around it ----------------------------------------------------------------------------------


def offline() -> str | None:
    """The environment variable that forbids to fetch anything; None if none does."""
    return next((variable for variable in OFFLINE_VARIABLES if _is_set(variable)), None)


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").strip().upper() in ("1", "ON", "YES", "TRUE")


def _user_agent() -> str:
    from gptlite import __version__

    return f"gptlite/{__version__}"


def _reason(error: Exception) -> str:
    """A network error on one line, which its own words seldom are short enough for."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _seconds(retry_after: str | None) -> float | None:
    """What a Retry-After header asks for: seconds, or until a date; None if it says nothing."""
    if retry_after is None:
        return None
    if re.fullmatch("[0-9]{1,9}", retry_after.strip()):
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
    except (TypeError, ValueError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    return max(0.0, (until - datetime.now(timezone.utc)).total_seconds())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other processes out of a folder; the lock ends with the process, however that ends."""
    with open(path, "ab") as file:
        waiting = False
        while not _lock(file):
            if not waiting:
                _log.warning("%s: waiting for another process", path.parent)
            waiting = True
            sleep(0.2)
        yield


def _lock(file: IO[bytes]) -> bool:
    """Whether the lock was got; closing the file gives it back.

    Where the file system has no locks it always is: two processes may then undo each other's work,
    but what is wrong is still found before it gets its name.
    """
    if sys.platform == "win32":
        import msvcrt

        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
