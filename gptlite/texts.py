"""Text files that a user names, read as UTF-8, and the documents in them.

A file may hold several documents, parted by lines that are exactly ``<|endoftext|>``: the
convention of TinyStories, nanoGPT and gpt-2-simple. A file without such a line is one document. In
JSON lines (``.jsonl``) each row is a document, the column ``text``. The model reads
``<|endoftext|>`` before each document: it says that what stands before belongs to another text.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gptlite.alphabet import EOT
from gptlite.files import first_ten, json_lines, naming_line

ENDINGS = (".txt", ".jsonl", ".ndjson")  # of the files that a folder is searched for
JSON_ENDINGS = ENDINGS[1:]
MARK = re.compile(rf"^{re.escape(EOT)}\r?$", re.MULTILINE)  # a line that parts two documents
# Fables that ship with gptlite (CC0), named ``fables`` where a path is expected.
FABLES = Path(__file__).parent / "fables" / "fables.txt"
BYTE_ORDER_MARK = "\ufeff"


class Documents(NamedTuple):
    """The documents of a file.

    Attributes:
        texts: the documents, without the lines that part them.
        n_empty: how many more were empty, and are left out.
        n_inside: how many times ``<|endoftext|>`` stands within a line, where it is plain text.
    """

    texts: list[str]
    n_empty: int
    n_inside: int


@dataclass
class Count:
    """A count of what text files hold; ``str()`` says it in a line.

    Attributes:
        files, documents, bytes: how many there are; the bytes are those of the documents.
        tokens: how many they were encoded to, ``<|endoftext|>`` before each document included.
        empty, inside: the sums of ``Documents.n_empty`` and ``Documents.n_inside``.
    """

    files: int = 0
    documents: int = 0
    bytes: int = 0
    tokens: int = 0
    empty: int = 0
    inside: int = 0

    def add(self, documents: Documents, n_tokens: int) -> None:
        """Count one more file, whose documents were encoded to ``n_tokens`` tokens."""
        self.files += 1
        self.documents += len(documents.texts)
        self.bytes += sum(len(text.encode()) for text in documents.texts)
        self.tokens += n_tokens
        self.empty += documents.n_empty
        self.inside += documents.n_inside

    def __str__(self) -> str:
        """Say what was found.

        >>> print(Count(files=1, documents=300, bytes=241_769, tokens=59_000, empty=2))
        1 file, 300 documents (2 empty ones skipped), 241,769 bytes, 59,000 tokens (0.244 a byte)
        """
        skipped = f" ({self.empty} empty ones skipped)" if self.empty else ""
        return (
            f"{number_of(self.files, 'file')}, {number_of(self.documents, 'document')}{skipped}, "
            f"{self.bytes:,} bytes, {self.tokens:,} tokens ({self.tokens / self.bytes:.3f} a byte)"
        )

    def warning(self) -> str:
        """Say that marks within lines are plain text; "" if there are none."""
        if not self.inside:
            return ""
        return (
            f"warning: {EOT} stands within a line {number_of(self.inside, 'time')}, as plain text: "
            "only on a line of its own does it part two documents"
        )


def number_of(n: int, thing: str) -> str:
    """Write a number and what it counts: "1 file", "2,000 files"."""
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def text_files(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Find the files: each path itself, or a directory's text files in order of name.

    "fables" is the name of the fables that ship with gptlite, unless there is such a path.

    Raises:
        FileNotFoundError: a path does not exist, or a directory holds no text file.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found = sorted(
                file for file in path.iterdir() if file.suffix in ENDINGS and file.is_file()
            )
            if not found:
                raise FileNotFoundError(
                    f"{path}: no {' or '.join(ENDINGS[:2])} file in this folder"
                )
            files += found
        elif path.is_file():
            files.append(path)
        elif path == Path("fables"):
            files.append(FABLES)
        else:
            raise FileNotFoundError(f"{path}: no such file or directory")
    return files


def read_text(path: Path) -> str:
    """Read a file's text, and leave its line endings as they are; a byte order mark is no text.

    Raises:
        ValueError: the file is empty, or not UTF-8; the message says where.
        OSError: the file cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8").removeprefix(BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 at byte {error.start}") from None
    if not text:
        raise ValueError(f"{path}: the file is empty")
    return text


def split_documents(text: str) -> Documents:
    r"""Split a text at its lines ``<|endoftext|>``; without one it is one document, as it is.

    The line endings beside a mark belong to no document. Two marks with nothing between them make
    an empty document; a mark at the start or the end of the text makes none.

    >>> split_documents("One.\n<|endoftext|>\n<|endoftext|>\nTwo: <|endoftext|>\n<|endoftext|>\n")
    Documents(texts=['One.', 'Two: <|endoftext|>'], n_empty=1, n_inside=1)
    """
    parts = MARK.split(text)
    n_marks = len(parts) - 1
    if not n_marks:
        return Documents([text], 0, text.count(EOT))
    parts = [part.strip("\r\n") for part in parts]
    full = [part for part in parts if part.strip()]
    n_empty = sum(not part.strip() for part in parts[1:-1])
    return Documents(full, n_empty, text.count(EOT) - n_marks)


def read_documents(path: Path) -> Documents:
    """Read the documents of a file.

    Raises:
        ValueError: there is no text in the file, the file is not UTF-8, or a row of JSON lines has
            no ``text``; the message says where.
        OSError: the file cannot be read.
    """
    if path.suffix.lower() in JSON_ENDINGS:
        documents = read_rows(path)
    else:
        documents = split_documents(read_text(path))
    if not any(text.strip() for text in documents.texts):
        raise ValueError(f"{path}: there is no text in it")
    return documents


def read_rows(path: Path) -> Documents:
    """Read the column ``text`` of JSON lines, a document a row.

    Raises:
        ValueError, OSError: see ``read_documents``.
    """
    texts = []
    for number, row in json_lines(path):
        with naming_line(path, number):
            if "text" not in row:
                found = first_ten(row) if row else "no column"
                raise ValueError(f'expected a column "text", found {found}')
            if not isinstance(row["text"], str):
                raise ValueError(f'"text" must be a text, not {row["text"]!r:.40}')
        texts.append(row["text"])
    full = [text for text in texts if text.strip()]
    return Documents(full, len(texts) - len(full), sum(text.count(EOT) for text in texts))
