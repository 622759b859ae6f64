"""A file that may not have arrived whole: its bytes on disk, and the edition they belong to."""

import json
import os
import re
from pathlib import Path
from typing import IO, NamedTuple

from gptlite.errors import CheckpointError
from gptlite.files import read_small, write_atomically

MAX_NOTE = 10_000  # bytes of a note
# What reading a note raises where there is none, or a damaged one.
DAMAGE = (
    *(CheckpointError, OSError, ValueError, LookupError, AttributeError, TypeError),
    RecursionError,
)


class Edition(NamedTuple):
    """A file as a server has it now.

    Attributes:
        etag: the name of this edition, if it has a strong one; without one nothing is resumed.
        total: the size of the whole file in bytes.
        md5: the MD5 of the whole file, in base64.
    """

    etag: str | None
    total: int | None
    md5: str | None


class PartialFile:
    """The bytes of a file received so far, on disk: ``NAME.part``.

    Beside them ``NAME.part.json`` notes the edition that they belong to.
    """

    def __init__(self, url: str, path: Path) -> None:
        self.url = url
        self.name = path.name
        self.path = path.with_name(path.name + ".part")
        self.about = path.with_name(path.name + ".part.json")

    def size(self) -> int:
        """Count the bytes received so far. A link in the file's place is removed."""
        if self.path.is_symlink():
            self.forget()
        return self.path.stat().st_size if self.path.exists() else 0

    def open_to_append(self) -> IO[bytes]:
        """Open the file to add bytes at its end.

        Raises:
            OSError: the file cannot be written, or is a link, which could lead anywhere.
        """
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        flags |= getattr(os, "O_BINARY", 0)  # on Windows
        return os.fdopen(os.open(self.path, flags, 0o666), "ab", buffering=0)

    def edition(self) -> Edition:
        """Read the edition of the bytes received so far, if it was noted, and for this address."""
        try:
            about = json.loads(read_small(self.about, MAX_NOTE))
            url, found = about.pop("url"), Edition(**about)
            kinds = zip(found, (str, int, str), strict=True)
            if url == self.url and all(value is None or type(value) is t for value, t in kinds):
                return found._replace(etag=strong_etag(found.etag))
        except DAMAGE:
            pass
        return Edition(None, None, None)

    def begin(self, edition: Edition) -> None:
        """Begin an edition: none of its bytes have come yet."""
        # Emptied first: otherwise a kill between the two steps would leave the new note with the
        # old bytes.
        self.path.unlink(missing_ok=True)
        with open(self.path, "xb"):
            pass
        with write_atomically(self.about) as file:
            file.write(json.dumps({"url": self.url, **edition._asdict()}).encode())

    def forget(self) -> None:
        """Remove the bytes and the note."""
        self.path.unlink(missing_ok=True)
        self.about.unlink(missing_ok=True)


def strong_etag(etag: str | None) -> str | None:
    """Return an etag if it promises the same bytes; None for a weak one, or for no etag."""
    return etag if re.fullmatch(r'"[!#-~]*"', etag or "") else None
