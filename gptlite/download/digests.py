"""Checksums of whole files: sha256, git's sha1, and what else a digest of hashlib can be."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash


def add_file(digest: "_Hash", path: Path) -> "_Hash":
    """Add a file's bytes to what a digest has seen; gives the digest back.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest


def wrong_checksum(path: Path, expected: str) -> str | None:
    """What is wrong with a file, in words; None if its checksum is the one expected.

    Args:
        expected: in hex; 64 digits of sha256, or 40 of the sha1 by which git knows a file's content
            (Hugging Face's hub has the first for large files and the second for small ones).

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
