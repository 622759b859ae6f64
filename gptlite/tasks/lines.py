"""Files of one example a line, where what is wrong is named with its line."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


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
