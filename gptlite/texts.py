"""Text files that a user names, read as UTF-8."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path


def text_files(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Find the files: each path itself, or a directory's ``*.txt`` files in order of name.

    Raises:
        FileNotFoundError: a path does not exist, or a directory holds no text file.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found = sorted(file for file in path.glob("*.txt") if file.is_file())
            if not found:
                raise FileNotFoundError(f"{path}: no .txt file in this directory")
            files += found
        elif path.is_file():
            files.append(path)
        else:
            raise FileNotFoundError(f"{path}: no such file or directory")
    return files


def read_text(path: Path) -> str:
    """Read a file's text, and leave its line endings as they are.

    Raises:
        ValueError: the file is empty, or not UTF-8; the message says where.
        OSError: the file cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 at byte {error.start}") from None
    if not text:
        raise ValueError(f"{path}: the file is empty")
    return text


def read_texts(files: Iterable[Path]) -> Iterator[str]:
    """Read the files' texts one at a time, so that a corpus need not fit in memory."""
    return map(read_text, files)
