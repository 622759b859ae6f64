"""One file from its address to its place; it gets its name only once all of it has been checked.

The bytes received so far are kept beside that place as ``NAME.part``, with a note of the edition
that the server sent, ``NAME.part.json``. A download that was cut off, killed or interrupted goes on
from there, if the server still has the same edition. The complete file is checked (by its checksum
where one is known, otherwise by its contents) and only then renamed.
"""

import base64
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptlite.checkpoints.strict_json import shown
from gptlite.download.digests import add_file, wrong_checksum
from gptlite.download.partial import Edition, PartialFile, strong_etag
from gptlite.download.web import (
    TryAgainError,
    check_status,
    is_set,
    offline,
    reason,
    request,
    retry,
)
from gptlite.errors import CheckpointError, DownloadError
from gptlite.lock import locked

if TYPE_CHECKING:
    import requests

# Bytes read at a time; a broken connection loses no more than these.
CHUNK = 1 << 16

_log = logging.getLogger("gptlite")


class StorageError(DownloadError):
    """A file cannot be stored on this machine, wherever it comes from."""


def fetch_file(
    url: str,
    path: Path,
    size: int | None = None,
    checksum: str | None = None,
    check: Callable[[Path], None] | None = None,
    most: int | None = None,
    begun: Callable[[], None] | None = None,
) -> None:
    """Fetch one file; it appears under ``path`` only when it is whole and has been checked.

    A file that is already there stays, unless its size is wrong. If several processes want the same
    file, one fetches it and the others wait. An interruption (Ctrl-C) leaves the bytes received so
    far for next time.

    Args:
        url: the file's address.
        path: the place for the file; its folder is made.
        size: the file's size in bytes, where known.
        checksum: the whole file's checksum, in hex, where known (``digests.wrong_checksum``).
        check: called with the path of the complete file if there is no checksum; raises
            CheckpointError if that is not the file wanted.
        most: a bound for the file's size in bytes, whatever the server says; needed where neither
            the size nor an end of what comes is known.
        begun: called whenever the file, or a further part of it, begins to come.

    Raises:
        DownloadError: the file cannot be fetched; or the wrong file came, twice; or it cannot be
            stored (StorageError). The message names the address.
    """
    if why := offline():
        raise DownloadError(f"{url}: not fetched, because {why}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.parent / ".lock"):
            if path.is_file():
                if size in (None, path.stat().st_size):  # another process was faster
                    return
                path.unlink()
            partial = PartialFile(url, path)
            for last in (False, True):
                retry(url, lambda: _attempt(partial, size, most, begun), partial.size)
                wrong = _wrong(partial, checksum, check)
                if wrong is None:
                    os.replace(partial.path, path)
                    partial.forget()
                    return
                partial.forget()
                if last:
                    raise DownloadError(f"{url}: {wrong}")
                _log.warning("%s: %s: fetched once more", url, wrong)
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT):  # leave no room taken: there is none
            with suppress(OSError):
                PartialFile(url, path).forget()
        raise StorageError(f"{url}: cannot be written to {path}: {error}") from error


def _attempt(
    partial: PartialFile, size: int | None, most: int | None, begun: Callable[[], None] | None
) -> None:
    """Make one request, and add the response to the bytes already there, up to the whole file.

    Raises:
        TryAgainError: the file is not complete yet, but may be after another attempt.
    """
    have, edition = partial.size(), partial.edition()
    if have == edition.total:  # an earlier attempt was killed after the last byte
        return
    headers = {}
    if edition.etag is None or (edition.total is not None and have > edition.total):
        have = 0
    elif have:
        headers = {"Range": f"bytes={have}-", "If-Range": edition.etag}
    # Each attempt asks the original address: the one it redirects to often lasts only minutes.
    with request("GET", partial.url, headers) as response:
        nothing_left = response.status_code == 416 and _range(response) == (None, have)
        if have and nothing_left and size in (None, have):
            return  # all was there, though the length was unknown or wrong
        have, total = _begin(response, partial, have, edition, size)
        expected = total if size is None else size
        if most is not None and expected is not None and expected > most:
            partial.forget()
            raise DownloadError(
                f"{partial.url}: expected at most {most:,} bytes, the server has {expected:,}"
            )
        if begun is not None:
            begun()
        _receive(response, partial, have, expected, most)


def _begin(
    response: "requests.Response",
    partial: PartialFile,
    have: int,
    edition: Edition,
    size: int | None,
) -> tuple[int, int | None]:
    """Judge a response by its headers; count the file's bytes already there, and in total.

    The bytes already there are given up only for the file itself, never for an error.
    """
    if response.status_code == 416:  # the file is shorter now
        partial.forget()
        raise TryAgainError("status 416 (range not satisfiable)")
    check_status(response, partial.url, (200, 206))
    kind = response.headers.get("Content-Type", "")
    if kind.lower().startswith(("text/html", "application/xhtml")):
        raise DownloadError(f"{partial.url}: expected a file, found a web page ({shown(kind)})")
    found = _edition_of(response)
    if response.status_code == 206:
        first, total = _range(response)
        same = found.etag in (None, edition.etag) and edition.total in (None, total)
        if not have or first != have or total is None or not same or _is_encoded(response):
            partial.forget()
            raise TryAgainError(f"expected the bytes from {have} on, found others")
        _check_size(partial, total, size)
        _check_room(partial, total)
        return have, total
    _check_size(partial, found.total, size)
    _check_room(partial, found.total if size is None else size)
    partial.begin(found)
    return 0, found.total


def _range(response: "requests.Response") -> tuple[int | None, int | None]:
    """Read a Content-Range header: the first byte (None if there is no byte), and the total."""
    told = response.headers.get("Content-Range", "").strip()
    matched = re.fullmatch(r"bytes (?:([0-9]{1,18})-[0-9]{1,18}|\*)/([0-9]{1,18})", told)
    if matched is None:
        return None, None
    return None if matched[1] is None else int(matched[1]), int(matched[2])


def _receive(
    response: "requests.Response",
    partial: PartialFile,
    have: int,
    expected: int | None,
    most: int | None,
) -> None:
    """Write the body of a response after the bytes already there.

    Args:
        expected: the size of the whole file in bytes, where known.
        most: the most bytes that it may have.
    """
    from tqdm import tqdm

    limit = most if expected is None else expected
    with (
        partial.open_to_append() as file,
        tqdm(
            desc=partial.name,
            initial=have,
            total=expected,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            # None: silent where stderr is not a terminal.
            disable=True if is_set("HF_HUB_DISABLE_PROGRESS_BARS") else None,
        ) as bar,
    ):
        for chunk in _chunks(response):
            have += len(chunk)
            if limit is not None and have > limit:
                break
            _write(file, chunk)
            bar.update(len(chunk))
        os.fsync(file.fileno())
    if expected is None and limit is not None and have > limit:
        partial.forget()
        raise DownloadError(f"{partial.url}: expected at most {limit:,} bytes, found more")
    if expected is not None and have > expected:
        partial.forget()
        raise TryAgainError(f"expected {expected:,} bytes, found more")
    if expected is not None and have < expected:
        raise TryAgainError(f"expected {expected:,} bytes, the connection ended after {have:,}")


def _chunks(response: "requests.Response") -> Iterator[bytes]:
    """Read the body of a response; a failure of the connection becomes a TryAgainError."""
    import requests
    from urllib3.exceptions import HTTPError

    try:
        yield from response.iter_content(CHUNK)
    except (requests.RequestException, HTTPError, OSError) as error:
        raise TryAgainError(reason(error)) from error


def _write(file: Any, chunk: bytes) -> None:
    """Write the whole chunk; one ``write`` may take less than it is given."""
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]


def _edition_of(response: "requests.Response") -> Edition:
    """Read the headers that describe the file as the server has it."""
    headers = response.headers
    if _is_encoded(response):
        # Compressed, though the request forbade it: length and etag are not the file's.
        return Edition(None, None, None)
    length = headers.get("Content-Length", "").strip()
    return Edition(
        strong_etag(headers.get("ETag")),
        int(length) if re.fullmatch("[0-9]{1,18}", length) else None,
        headers.get("Content-MD5"),
    )


def _is_encoded(response: "requests.Response") -> bool:
    return response.headers.get("Content-Encoding", "identity").lower() != "identity"


def _check_size(partial: PartialFile, total: int | None, size: int | None) -> None:
    if None not in (total, size) and total != size:
        raise DownloadError(f"{partial.url}: expected {size:,} bytes, the server has {total:,}")


def _check_room(partial: PartialFile, size: int | None) -> None:
    """Refuse a file that the disk has no room for; the bytes received so far count as room."""
    free = shutil.disk_usage(partial.path.parent).free + partial.size()
    if size is not None and free < size:
        raise StorageError(
            f"{partial.url}: expected {size:,} bytes of free disk space in {partial.path.parent}, "
            f"found {free:,}"
        )


def _wrong(
    partial: PartialFile, checksum: str | None, check: Callable[[Path], None] | None
) -> str | None:
    """Check a complete file and describe what is wrong; None if nothing is.

    The file is read from disk, so that bytes of earlier attempts are checked, too.
    """
    if checksum is not None:
        return wrong_checksum(partial.path, checksum)
    md5 = partial.edition().md5
    # Content-MD5 is in base64. It catches accidents, not attacks.
    if md5 is not None:
        digest = add_file(hashlib.md5(usedforsecurity=False), partial.path).digest()
        if (found := base64.b64encode(digest).decode()) != md5:
            return f"expected MD5 {shown(md5)}, found {found}"
    try:
        if check is not None:
            check(partial.path)
    except CheckpointError as error:
        return str(error)
    return None
