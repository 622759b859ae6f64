"""One file from its address to its place, under its name only when all of it was checked.

What has come of it is kept beside its place as ``NAME.part``, and in ``NAME.part.json`` which
edition of it the server sent. A download that was cut off, killed or interrupted goes on from
there, if the server still has the same edition. The complete file is checked (by its checksum where
one is known, else by what is in it) and only then renamed.
"""

import base64
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptlite.download.digests import add_file, wrong_checksum
from gptlite.download.lock import locked
from gptlite.download.part import Edition, Part, strong_etag
from gptlite.download.web import (
    TryAgainError,
    answer,
    check_status,
    insist,
    is_set,
    offline,
    reason,
)
from gptlite.errors import CheckpointError, DownloadError

if TYPE_CHECKING:
    import requests

# What a broken connection can lose of what had come.
CHUNK = 1 << 16

_log = logging.getLogger("gptlite")


class StorageError(DownloadError):
    """A file cannot be kept on this machine, wherever it comes from."""


def fetch_file(
    url: str,
    path: Path,
    size: int | None = None,
    checksum: str | None = None,
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
        checksum: of the whole, in hex, where known (``digests.wrong_checksum``).
        check: called instead with the path of the complete file where there is no checksum; raises
            CheckpointError if that is not the file wanted.

    Raises:
        DownloadError: it cannot be had, or what came is not what was expected, also not when it was
            fetched a second time; or it cannot be kept (StorageError). Names the address.
    """
    if variable := offline():
        raise DownloadError(f"{url}: not fetched, because {variable} is set")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.parent / ".lock"):
            if path.is_file():
                if size in (None, path.stat().st_size):  # another process was faster
                    return
                path.unlink()
            part = Part(url, path)
            for last in (False, True):
                insist(url, partial(_attempt, part, size), part.size)
                wrong = _wrong(part, checksum, check)
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


def _attempt(part: Part, size: int | None) -> None:
    """One request, whose answer is added to what is there; returns when the file is complete."""
    have, edition = part.size(), part.edition()
    if have == edition.total:  # an earlier attempt was killed when all had come
        return
    headers = {}
    if edition.etag is None or (edition.total is not None and have > edition.total):
        have = 0
    elif have:
        headers = {"Range": f"bytes={have}-", "If-Range": edition.etag}
    # The address is asked anew each time: what it redirects to is often good for minutes only.
    with answer("GET", part.url, headers) as response:
        nothing_left = response.status_code == 416 and _range(response) == (None, have)
        if have and nothing_left and size in (None, have):
            return  # all had come, of a file whose length was not told rightly
        have, total = _begin(response, part, have, edition, size)
        _receive(response, part, have, total, size)


def _begin(
    response: "requests.Response", part: Part, have: int, edition: Edition, size: int | None
) -> tuple[int, int | None]:
    """Judge an answer by its head; what of the file is there now, and how much it is in all.

    What is there is given up only for the file itself, never for an error.
    """
    if response.status_code == 416:  # it is shorter now
        part.forget()
        raise TryAgainError("status 416 (range not satisfiable)")
    check_status(response, part.url, (200, 206))
    kind = response.headers.get("Content-Type", "")
    if kind.lower().startswith(("text/html", "application/xhtml")):
        raise DownloadError(f"{part.url}: expected a file, found a web page ({kind[:80]})")
    found = _edition_of(response)
    if response.status_code == 206:
        first, total = _range(response)
        same = found.etag in (None, edition.etag) and edition.total in (None, total)
        if not have or first != have or total is None or not same or _is_encoded(response):
            part.forget()
            raise TryAgainError(f"expected the bytes from {have} on, found others")
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
    response: "requests.Response", part: Part, have: int, total: int | None, size: int | None
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
    if limit is not None and have > limit:
        part.forget()
        raise TryAgainError(f"expected {limit:,} bytes, found more")
    if limit is not None and have < limit:
        raise TryAgainError(f"expected {limit:,} bytes, the connection ended after {have:,}")


def _chunks(response: "requests.Response") -> Iterator[bytes]:
    import requests
    from urllib3.exceptions import HTTPError

    try:
        yield from response.iter_content(CHUNK)
    except (requests.RequestException, HTTPError, OSError) as error:
        raise TryAgainError(reason(error)) from error


def _write(file: Any, chunk: bytes) -> None:
    """All of it: one call may take less than it is given."""
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]


def _edition_of(response: "requests.Response") -> Edition:
    headers = response.headers
    if _is_encoded(response):
        # Sent compressed though it was asked not to be: its length and name are not the file's.
        return Edition(None, None, None)
    length = headers.get("Content-Length", "").strip()
    return Edition(
        strong_etag(headers.get("ETag")),
        int(length) if re.fullmatch("[0-9]{1,18}", length) else None,
        headers.get("Content-MD5"),
    )


def _is_encoded(response: "requests.Response") -> bool:
    return response.headers.get("Content-Encoding", "identity").lower() != "identity"


def _check_size(part: Part, total: int | None, size: int | None) -> None:
    if None not in (total, size) and total != size:
        raise DownloadError(f"{part.url}: expected {size:,} bytes, the server has {total:,}")


def _check_room(part: Part, size: int | None) -> None:
    """Refuse to begin what the disk has no room for; what is there of it counts as room."""
    free = shutil.disk_usage(part.path.parent).free + part.size()
    if size is not None and free < size:
        raise StorageError(
            f"{part.url}: expected {size:,} bytes of free disk space in {part.path.parent}, "
            f"found {free:,}"
        )


def _wrong(part: Part, checksum: str | None, check: Callable[[Path], None] | None) -> str | None:
    """What is wrong with a complete file; read from the disk, so also what came long ago is."""
    if checksum is not None:
        return wrong_checksum(part.path, checksum)
    md5 = part.edition().md5
    # As Content-MD5 has it: in base64. It finds accidents, and is not asked for more.
    if md5 is not None:
        digest = add_file(hashlib.md5(usedforsecurity=False), part.path).digest()
        if (found := base64.b64encode(digest).decode()) != md5:
            return f"expected MD5 {md5}, found {found}"
    try:
        if check is not None:
            check(part.path)
    except CheckpointError as error:
        return str(error)
    return None
