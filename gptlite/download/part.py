"""A file of which only a part may have come: what is there, and of which edition it is."""

import json
import re
from pathlib import Path
from typing import NamedTuple


class Edition(NamedTuple):
    """What a server says about a file as it is now.

    Attributes:
        etag: names the edition, where there is a strong one; without it none is gone on with.
        total: bytes of the whole.
        md5: of the whole, in base64.
    """

    etag: str | None
    total: int | None
    md5: str | None


class Part:
    """What has come of a file, on disk: ``NAME.part``, and beside it of which edition that is."""

    def __init__(self, url: str, path: Path) -> None:
        self.url = url
        self.name = path.name
        self.path = path.with_name(path.name + ".part")
        self.about = path.with_name(path.name + ".part.json")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def edition(self) -> Edition:
        """That of the bytes which are there, if it is known and of this address."""
        try:
            about = json.loads(self.about.read_bytes())
            url, found = about.pop("url"), Edition(**about)
            kinds = zip(found, (str, int, str), strict=True)
            if url == self.url and all(value is None or type(value) is t for value, t in kinds):
                return found._replace(etag=strong_etag(found.etag))
        except (OSError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
            pass  # not there, or damaged
        return Edition(None, None, None)

    def begin(self, edition: Edition) -> None:
        """Nothing of this edition has come yet."""
        # Emptied first: were the note first, a kill between would give it to the old bytes.
        with open(self.path, "wb"):
            pass
        self.about.write_text(json.dumps({"url": self.url, **edition._asdict()}))

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
        self.about.unlink(missing_ok=True)


def strong_etag(etag: str | None) -> str | None:
    """An etag that promises the same bytes; None for a weak one, and for what is none."""
    return etag if re.fullmatch(r'"[!#-~]*"', etag or "") else None
