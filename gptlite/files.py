"""Files large and small: written so that a reader never meets half of one, with a progress bar."""

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from errno import EEXIST, EISDIR
from pathlib import Path
from typing import BinaryIO

LARGE = 1_000_000_000  # bytes; what is smaller is read or written in less than two seconds


@contextmanager
def write_atomically(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for binary writing that appears under ``path`` only when the block ends well.

    The bytes go to a temporary name in the same folder, are flushed to the disk (fsync), and are
    then renamed over ``path`` in one step. If the block raises, ``path`` is as it was before and
    the temporary file is gone.

    Raises:
        OSError: the folder is missing or cannot be written, or ``path`` is there and no file: see
            ``expect_file``; names ``path``.
    """
    path = Path(path)
    expect_file(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            file = open(temporary, "wb")  # noqa: SIM115
        except OSError as error:  # about the name that was asked for
            raise type(error)(error.errno, error.strerror, str(path)) from None
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def expect_file(path: str | os.PathLike[str]) -> None:
    """Refuse a path at which something else than a file is, which a file would take the place of.

    Raises:
        IsADirectoryError: it is a folder.
        FileExistsError: it is a device, a pipe or a socket, or a name in ``/dev``.
    """
    path = Path(path)
    if path.is_dir():  # "" too: it is the folder one is in
        raise IsADirectoryError(EISDIR, "expected the name of a file, found a folder", str(path))
    # /dev/stdout may lead to a file, where a shell has sent it, and still is not a file's name.
    if (path.exists() and not path.is_file()) or path.absolute().parent == Path("/dev"):
        found = "expected the name of a file, found a device, pipe or socket"
        raise FileExistsError(EEXIST, found, str(path))


def with_progress(names: Collection[str], what: str, n_bytes: int) -> Iterable[str]:
    """The names as they are, with a progress bar on stderr where the bytes will take seconds."""
    if n_bytes < LARGE:
        return names
    from tqdm import tqdm

    return tqdm(names, desc=what, unit="tensor", disable=None)
