"""A file that may not have arrived whole: its bytes on disk, and the edition they belong to."""

import json
import re
from pathlib import Path
from typing import NamedTuple


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
        """Count the bytes received so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def edition(self) -> Edition:
        """Read the edition of the bytes received so far, if it was noted, and for this address."""
        try:
            about = json.loads(self.about.read_bytes())
            url, found = about.pop("url"), Edition(**about)
            kinds = zip(found, (str, int, str), strict=True)
            if url == self.url and all(value is None or type(value) is t for value, t in kinds):
                return found._replace(etag=strong_etag(found.etag))
        except (OSError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
            pass  # no note, or a damaged one
        return Edition(None, None, None)

    def begin(self, edition: Edition) -> None:
        """Begin an edition: none of its bytes have come yet."""
        # Emptied first: otherwise a kill between the two steps would leave the new note with the
        # old bytes.
        with open(self.path, "wb"):
            pass
        self.about.write_text(json.dumps({"url": self.url, **edition._asdict()}))

    def forget(self) -> None:
        """Remove the bytes and the note."""
        self.path.unlink(missing_ok=True)
        self.about.unlink(missing_ok=True)


def strong_etag(etag: str | None) -> str | None:
    """Return an etag if it promises the same bytes; None for a weak one, or for no etag."""
    return etag if re.fullmatch(r'"[!#-~]*"', etag or "") else None
