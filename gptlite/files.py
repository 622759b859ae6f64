"""Files: written whole or not at all, and read line by line, so that an error can name its line."""

import json
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from errno import EEXIST, EISDIR
from pathlib import Path
from typing import Any, BinaryIO

LARGE = 1_000_000_000  # bytes; smaller files are read or written within two seconds


@contextmanager
def write_atomically(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for binary writing that appears under ``path`` only if the block succeeds.

    The bytes go to a temporary file in the same folder, which is flushed to the disk (fsync) and
    then renamed to ``path`` in one step. If the block raises, ``path`` is as it was before and the
    temporary file is gone.

    Raises:
        OSError: the folder is missing or cannot be written, or ``path`` is something other than a
            file (see ``expect_file``). The error names ``path``.
    """
    path = Path(path)
    expect_file(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            file = open(temporary, "wb")  # noqa: SIM115
        except OSError as error:  # name the path that was asked for, not the temporary one
            raise type(error)(error.errno, error.strerror, str(path)) from None
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


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
