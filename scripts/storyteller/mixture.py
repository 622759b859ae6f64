"""The storyteller's texts: short stories and old tales, and how often each is read in a pass."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gptlite.files import write_atomically
from gptlite.texts import read_documents, text_files

MARK = "\n<|endoftext|>\n"
# How often a pass reads a file of stories, by the beginning of its name. The tales, old and hard,
# are nearly as many bytes as the stories: read once, they are about a fifth of what is read.
TIMES = {"tinystories": 4, "": 2}
# Every third of the short stories is also told twice, one copy after the other. Nothing else in
# these texts repeats itself word for word, so nothing else would teach a model to copy (induction).
SHORT, EVERY = 800, 3


def mixture(stories: Path, tales: Path, told_twice: Path) -> list[Path]:
    """List the files of a pass, some of them several times; the stories told twice are written.

    Args:
        stories: a folder of stories.
        tales: a folder of cleaned books.
        told_twice: the file to write.

    Raises:
        FileNotFoundError: a folder is missing, or holds no text.
        ValueError: see ``read_documents``.
    """
    files: list[Path] = []
    short: list[str] = []
    for file in text_files([stories]):
        prefix = next(prefix for prefix in TIMES if file.name.startswith(prefix))
        files += [file] * TIMES[prefix]
        if prefix:
            short += [text for text in read_documents(file).texts if len(text) <= SHORT][::EVERY]
    with write_atomically(told_twice) as out:
        out.write(MARK.join(twice(short)).encode())
    return [*files, told_twice, *text_files([tales])]


def twice(texts: Iterable[str]) -> list[str]:
    """Put each text after itself.

    >>> twice(["one", "two"])
    ['one', 'one', 'two', 'two']
    """
    return [text for each in texts for text in (each, each)]
