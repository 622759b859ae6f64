"""Checksums of whole files: sha256, git's sha1, or any other digest of hashlib."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash


def add_file(digest: "_Hash", path: Path) -> "_Hash":
    """Update a digest with a file's bytes, and return the digest.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest


def wrong_checksum(path: Path, expected: str) -> str | None:
    """Compare a file's checksum with the expected one: None if equal, else the difference in words.

    Args:
        expected: the checksum in hex: 64 digits of sha256, or 40 of the sha1 that git gives a file
            (Hugging Face's hub has sha256 for large files and sha1 for small ones).

    Raises:
        OSError: the file cannot be read.
    """
    if len(expected) == 64:
        kind, digest = "sha256", hashlib.sha256()
    else:
        header = b"blob %d\0" % path.stat().st_size
        kind, digest = "git sha1", hashlib.sha1(header, usedforsecurity=False)
    found = add_file(digest, path).hexdigest()
    return None if found == expected else f"expected {kind} {expected}, found {found}"
