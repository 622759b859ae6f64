"""The storyteller's texts: stories, old tales, lists of words; and how often each is read."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from gptlite.files import write_atomically
from gptlite.texts import read_documents, text_files

MARK = "\n<|endoftext|>\n"
# How often a pass reads a file of stories, by the beginning of its name. The tales, old and hard,
# are nearly as many bytes as the stories: read once, they are about a fifth of what is read.
TIMES = {"tinystories": 4, "": 2}
# Every third of the short stories is also told twice, one copy after the other: where a text
# repeats itself word for word, a model may learn to copy (induction).
SHORT, EVERY = 800, 3
# It hardly learns that from stories, most of whose words can be guessed. It learns it from lists
# of words drawn at random, where nothing but looking back helps: so many letters in a pass. Short
# lists teach it better than long ones.
LISTS = 12_000_000


def mixture(stories: Path, tales: Path, made: Path, letters: int = LISTS) -> list[Path]:
    """List the files of a pass, some of them several times; two of them are written.

    Args:
        stories: a folder of stories.
        tales: a folder of cleaned books.
        made: the folder for the two files: stories told twice, and lists of words.
        letters: how long the lists are, all together.

    Raises:
        FileNotFoundError: a folder is missing, or holds no text.
        ValueError: see ``read_documents``.
    """
    files: list[Path] = []
    short: list[str] = []
    words: set[str] = set()
    for file in text_files([stories]):
        prefix = next(prefix for prefix in TIMES if file.name.startswith(prefix))
        files += [file] * TIMES[prefix]
        texts = read_documents(file).texts
        words.update(word for text in texts for word in re.findall("[A-Za-z]+", text))
        if prefix:
            short += [text for text in texts if len(text) <= SHORT][::EVERY]
    written = {
        "told-twice.txt": twice(short),
        "word-lists.txt": word_lists(sorted(words), letters, seed=0),
    }
    for name, texts in written.items():
        with write_atomically(made / name) as out:
            out.write(MARK.join(texts).encode())
    return [*files, *(made / name for name in written), *text_files([tales])]


def twice(texts: Iterable[str]) -> list[str]:
    """Put each text after itself.

    >>> twice(["one", "two"])
    ['one', 'one', 'two', 'two']
    """
    return [text for each in texts for text in (each, each)]


def word_lists(words: Sequence[str], letters: int, seed: int) -> list[str]:
    """Write short lists of words and parts of words in random order, each list two or three times.

    Args:
        words: what is drawn from, each as likely as the others.
        letters: the lists end when they are so long, all together.
    """
    rng, lists, written = random.Random(seed), [], 0
    while written < letters:
        one = "".join(some_word(words, rng) for _ in range(rng.randint(8, 40)))
        lists.append(one * rng.choice((2, 2, 3)))
        written += len(lists[-1])
    return lists


def some_word(words: Sequence[str], rng: random.Random) -> str:
    """Draw a word, with its space; or a few letters of a word, as tokens within words are."""
    word = rng.choice(words)
    if rng.random() < 0.75:
        return " " + word
    start = rng.randrange(len(word))
    space = " " if rng.random() < 0.4 else ""
    return space + word[start : start + rng.randint(1, 6)]
