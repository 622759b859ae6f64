"""Files: written whole or not at all, and read no further than they should go."""

import json
import os
import re
import sys
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from errno import EDQUOT, EEXIST, EFBIG, EINVAL, EIO, EISDIR, ENOSPC
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from gptlite.errors import CheckpointError
from gptlite.lock import is_there, try_lock

LARGE = 1_000_000_000  # bytes; smaller files are read or written within two seconds
WRITING = (ENOSPC, EDQUOT, EFBIG, EIO)  # what writing may fail with; Python does not name the file

YOUNG = 60  # seconds in which a file that is being written is written to again

_numbers = count()


@contextmanager
def write_atomically(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for binary writing that appears under ``path`` only if the block succeeds.

    The bytes go to a temporary file in the same folder, which is flushed to the disk (fsync) and
    then renamed to ``path`` in one step. If the block raises, ``path`` is as it was before and the
    temporary file is gone. If several threads or processes write to one path, each writes to a
    temporary file of its own, and the last to end gives ``path`` its content.

    Temporary files that a killed process left for ``path`` are removed.

    Raises:
        OSError: the folder is missing or cannot be written, the disk is full, or ``path`` is
            something other than a file (see ``expect_file``). The error names ``path``.
    """
    path = Path(path)
    expect_file(path)
    remove_leftovers(path)
    temporary: Path | None = None
    try:
        file, temporary = open_temporary(path)
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if sys.platform != "win32":  # while it is locked
                os.replace(temporary, path)
        if sys.platform == "win32":  # where no open file is renamed
            os.replace(temporary, path)
    except OSError as error:
        own = error.errno in WRITING if error.filename is None else error.filename == str(temporary)
        if not own:
            raise
        # Name the path that was asked for, not the temporary one.
        raise type(error)(error.errno, error.strerror, str(path)) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def open_temporary(path: Path) -> tuple[BinaryIO, Path]:
    """Create the temporary file for a path, and lock it: nobody takes it for a leftover.

    Raises:
        OSError: the file cannot be created. The error names ``path``.
    """
    while True:
        temporary = path.with_name(f".{path.name}.{os.getpid()}-{next(_numbers)}.tmp")
        try:
            file = open(temporary, "xb")  # noqa: SIM115
        except OSError as error:
            if error.errno == EEXIST:  # left by a process with the same number
                continue
            raise type(error)(error.errno, error.strerror, str(path)) from None
        if sys.platform == "win32":  # where an open file cannot be removed anyway
            return file, temporary
        # Another writer may take it for a leftover before it is locked.
        if try_lock(file) is not False and is_there(file, temporary):
            return file, temporary
        file.close()
        temporary.unlink(missing_ok=True)


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files of a path whose writers were killed: those that nobody has locked.

    What is not certainly a leftover stays. Locks are not always seen from another machine, so a
    file that was written to a moment ago stays as well.
    """
    name = re.compile(rf"\.{re.escape(path.name)}\.[0-9]+(-[0-9]+)?\.tmp")
    try:
        with os.scandir(path.parent) as entries:
            found = [
                Path(entry.path)
                for entry in entries
                if name.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
            ]
    except OSError:
        return  # writing will say why
    for leftover in found:
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime < YOUNG:
                continue
            if sys.platform == "win32":  # where an open file cannot be removed
                leftover.unlink()
                continue
            with open(leftover, "rb") as file:
                if try_lock(file):
                    leftover.unlink()


def made_folder(directory: str | os.PathLike[str]) -> Path:
    """Create a folder, and those above it, where they are not there.

    Raises:
        ValueError: the folder has no name. OSError: it cannot be created; the error names it.
    """
    expect_name(directory)
    path = Path(directory)
    if os.path.lexists(path) and not path.is_dir():
        raise FileExistsError(EEXIST, "expected a folder, found something else", str(path))
    path.mkdir(parents=True, exist_ok=True)
    return path


def expect_name(directory: str | os.PathLike[str]) -> None:
    """Raise ValueError for ``""``, by which pathlib means the current folder, and nobody else."""
    if not os.fspath(directory):
        raise ValueError("the folder to write to must have a name")


def expect_file(path: str | os.PathLike[str]) -> None:
    """Refuse a path where a new file would replace something other than a file.

    Raises:
        IsADirectoryError: the path is a folder.
        FileExistsError: the path is a device, a pipe or a socket, or a name in ``/dev``.
    """
    path = Path(path)
    if path.is_dir():  # "" too: it is the current folder
        raise IsADirectoryError(EISDIR, "expected the name of a file, found a folder", str(path))
    # /dev/stdout may lead to a file, through a shell's ">", but is still not the name of a file.
    if (path.exists() and not path.is_file()) or path.absolute().parent == Path("/dev"):
        found = "expected the name of a file, found a device, pipe or socket"
        raise FileExistsError(EEXIST, found, str(path))


def read_small(path: str | os.PathLike[str], most: int) -> bytes:
    """Read a whole file that should be small, and no more than its bound.

    Args:
        most: the most bytes that a file of this kind may have.

    Raises:
        CheckpointError: the file is larger.
        OSError: the file cannot be read, or is a folder, a device, a pipe or a socket, which might
            never end.
    """
    expect_regular(path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        data = b"" if size > most else file.read(size + 1)
        if len(data) > size:  # it grows, or its size is not known beforehand
            data += file.read(most + 1 - len(data))
    if (found := max(size, len(data))) > most:
        raise CheckpointError(f"{path}: expected at most {most:,} bytes, found {found:,}")
    return data


def expect_regular(path: str | os.PathLike[str]) -> None:
    """Refuse to read what is there but is not a file: a pipe would keep its reader waiting.

    Raises:
        OSError: a folder, a device, a pipe or a socket.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(EINVAL, "expected a file, found something else", os.fspath(path))


def with_progress(names: Collection[str], what: str, n_bytes: int) -> Iterable[str]:
    """Yield the names one by one, with a progress bar on stderr if the bytes will take seconds."""
    if n_bytes < LARGE:
        return names
    from tqdm import tqdm

    return tqdm(names, desc=what, unit="tensor", disable=None)


# ---- Lines --------------------------------------------------------------------------------------


@contextmanager
def naming_line(path: str | os.PathLike[str], number: int) -> Iterator[None]:
    """Begin the message of a ValueError with the file and the line number."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}, line {number}: {error}") from None


def text_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """Read the lines that are not blank, each with its number, counted from 1.

    Raises:
        ValueError: a line is not UTF-8, or all lines are blank. OSError: the file cannot be read.
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


def first_ten(names: Iterable[object]) -> str:
    """List the first ten names, for a message.

    >>> print(first_ten(["a", "b"]))
    'a', 'b'
    """
    shown = [repr(name) for name in names]
    return ", ".join([*shown[:10], "..."] if len(shown) > 10 else shown) or "none"


def json_list(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Read a JSON list of objects.

    Raises:
        ValueError: the file is not such a list, or is not UTF-8. OSError: it cannot be read.
    """
    try:
        items = json.loads(Path(path).read_bytes().decode("utf-8-sig"))
        json.dumps(items, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON: {error}") from None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError(f"{path}: expected a JSON list of objects, [{{...}}, ...]")
    return items


def json_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read a JSON object from each line that is not blank, with the line's number.

    Raises:
        ValueError: a line is not one JSON object, or has a lone surrogate, which UTF-8 cannot
            encode; or all lines are blank. OSError: the file cannot be read.
    """
    for number, line in text_lines(path):
        with naming_line(path, number):
            try:
                row = json.loads(line)
                json.dumps(row, ensure_ascii=False).encode("utf-8")
            except UnicodeEncodeError as error:  # "\ud800": half a character
                lone = error.object[error.start]
                raise ValueError(f"a lone surrogate, {lone!r}, which is not UTF-8") from None
            except (ValueError, RecursionError) as error:
                raise ValueError(f"not JSON: {error}") from None
            if not isinstance(row, dict):
                raise ValueError(f"expected a JSON object, {{...}}, found {line[:40]!r}")
        yield number, row
