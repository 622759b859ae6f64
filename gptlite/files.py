"""Files: written so that a reader never meets half of one, and read line by line.

What is wrong in a file of one example a line is named with its line.
"""

import json
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from errno import EEXIST, EISDIR
from pathlib import Path
from typing import Any, BinaryIO

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


# ---- One example a line -------------------------------------------------------------------------


@contextmanager
def naming_line(path: str | os.PathLike[str], number: int) -> Iterator[None]:
    """Put the file and the line before what a ValueError says."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}, line {number}: {error}") from None


def text_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, each with its number, counted from 1.

    Raises:
        ValueError: a line is not UTF-8, or all are blank. OSError: the file cannot be read.
    """
    found = False
    for number, line in enumerate(
        Path(path).read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1
    ):
        if not line.strip():
            continue
        with naming_line(path, number):
            text = line.removesuffix(b"\r").decode("utf-8")
        found = True
        yield number, text
    if not found:
        raise ValueError(f"{path}: an empty file: expected one example a line")


def json_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON object of each line that is not blank, with the line's number.

    Raises:
        ValueError: a line is not one JSON object, or has a lone surrogate, which no text in UTF-8
            has; or all are blank. OSError: as above.
    """
    for number, line in text_lines(path):
        with naming_line(path, number):
            try:
                row = json.loads(line)
                json.dumps(row, ensure_ascii=False).encode("utf-8")
            except UnicodeEncodeError as error:  # "\ud800": half a character
                lone = error.object[error.start]
                raise ValueError(f"a lone surrogate, {lone!r}, which no UTF-8 has") from None
            except (ValueError, RecursionError) as error:
                raise ValueError(f"not JSON: {error}") from None
            if not isinstance(row, dict):
                raise ValueError(f"expected a JSON object, {{...}}, found {line[:40]!r}")
        yield number, row
