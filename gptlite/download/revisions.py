"""An official model at a revision outside the table: ``gpt2@main``, or any branch, tag or commit.

The first time it is asked, the hub itself says what the files must be. Its answer is noted beside
the files, so that all of them come from one commit and can be verified without asking again.
"""

import json
import re
from functools import partial
from pathlib import Path
from urllib.parse import urljoin

from gptlite.download.official import OfficialFile, Source, hub_source
from gptlite.download.web import check_status, request, retry
from gptlite.errors import CheckpointError, DownloadError
from gptlite.files import read_small, write_atomically

NOTE = "revision.json"
MAX_NOTE = 100_000  # bytes of a note: the files of a model, each with its checksum
_COMMIT = re.compile("[0-9a-f]{40}")
_ETAG = re.compile('(?:W/)?"?([0-9a-f]{40}|[0-9a-f]{64})"?')  # of a small file, of a large file
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5


def ask_for_revision(name: str) -> Source:
    """Ask the hub what a model's files must be.

    Args:
        name: the canonical name, with the revision: ``"gpt2@main"``.

    Raises:
        DownloadError: the hub cannot be reached, or knows no such revision, or does not name the
            commit and the checksum of each file.
    """
    model, _, revision = name.partition("@")
    source = _at(hub_source(model), revision)
    files = []
    for file in source.files:
        url = source.url(file.name)
        commit, size, checksum = retry(url, partial(_ask_for_file, url), lambda: 0)
        source = _at(source, commit)  # a branch may move on between two requests
        files.append(OfficialFile(file.name, size, checksum))
    return source._replace(files=tuple(files))


def note_revision(folder: Path, source: Source) -> None:
    """Write the hub's answer to the model's folder, which is made if it is not there.

    Raises:
        OSError: the note cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    note = {"commit": source.folder.rpartition("/")[2], "files": source.files}
    with write_atomically(folder / NOTE) as file:
        file.write(json.dumps(note, indent=2).encode("ascii"))


def noted_revision(folder: Path, name: str) -> Source | None:
    """Read the note of the hub's answer; None if there is none, or if it is damaged."""
    hub = hub_source(name)
    try:
        note = json.loads(read_small(folder / NOTE, MAX_NOTE))
        commit, files = note["commit"], tuple(OfficialFile(*file) for file in note["files"])
        are_checksums = all(_ETAG.fullmatch(file.checksum or "") for file in files)
        are_sizes = all(type(file.size) in (int, type(None)) for file in files)
        names = [file.name for file in files]
        if are_checksums and are_sizes and names == [file.name for file in hub.files]:
            return _at(hub, commit)._replace(files=files) if _COMMIT.fullmatch(commit) else None
    except (CheckpointError, OSError, ValueError, LookupError, TypeError, RecursionError):
        pass
    return None


def _at(source: Source, revision: str) -> Source:
    """Return the same source at another revision."""
    return source._replace(folder=f"{source.folder.rpartition('/')[0]}/{revision}")


def _ask_for_file(url: str) -> tuple[str, int | None, str]:
    """Ask for the commit, the bytes and the checksum of a file.

    A redirect within the hub leads to a small file, and is followed. A redirect to another host
    leads to the store of large files, which has headers of its own; it is not followed, because the
    headers wanted are on the redirect itself.
    """
    at = url
    for _ in range(_MOST_REDIRECTS):
        with request("HEAD", at, {}) as response:
            check_status(response, at, (200, *_REDIRECTS))
            headers, is_redirect = response.headers, response.status_code != 200
        to = headers.get("Location", "")
        if not is_redirect or not re.match("/[^/]", to):
            break
        at = urljoin(at, to)
    commit = headers.get("X-Repo-Commit", "")
    etag = headers.get("X-Linked-Etag") or headers.get("ETag", "")
    # The Content-Length of a redirect counts the bytes of the redirect.
    size = headers.get("X-Linked-Size") or (
        "" if is_redirect else headers.get("Content-Length", "")
    )
    checksum = _ETAG.fullmatch(etag)
    if not _COMMIT.fullmatch(commit) or checksum is None:
        raise DownloadError(
            f"{url}: expected a commit (X-Repo-Commit) and a checksum (ETag), "
            f"found {commit[:80]!r} and {etag[:80]!r}"
        )
    return commit, int(size) if re.fullmatch("[0-9]{1,18}", size) else None, checksum[1]
