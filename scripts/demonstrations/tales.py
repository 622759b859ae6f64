"""Tales that the storyteller never saw: its five validation books, cut into tales and paragraphs.

Examples are split by tale and never by paragraph: two paragraphs of one tale share its people, so
that a model could know the one by the other.

The books are read from the folder of test data; no text of theirs is in the repository.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from storyteller.books import TRAINING_BOOKS, VALIDATION_BOOKS, find_books
from storyteller.clean_tales import is_source_note, remove_marks

ROOT = Path(__file__).resolve().parents[2]


class Tale(NamedTuple):
    """A tale of a collection, or a chapter of a longer story.

    Attributes:
        book: its number at Project Gutenberg.
        paragraphs: in order, without the heading.
    """

    book: int
    paragraphs: tuple[str, ...]


class Layout(NamedTuple):
    """The marks between a book's tales, as patterns of whole paragraphs.

    Attributes:
        first: where the first tale begins; the last such paragraph counts, for those before it
            stand in the list of contents.
        heading: of every tale.
        after: what follows the last tale; None where it ends the file.
        single_quotes: whether people speak in single quotes.
    """

    first: str
    heading: str
    after: str | None = None
    single_quotes: bool = False


# A few words that begin with a capital and end without a mark: "The Hairy Man".
TITLE = r"[A-Z][^\"?]{3,60}[^.,:;!?\"')\]-]"
LAYOUTS = {
    16: Layout("Chapter 1 .*", r"Chapter \d+ .*", "THE END"),
    # The number before a heading is its page's.
    54: Layout(
        "In the Country of the Gillikins, .*",
        r"\d+ (?!.*[Ll]ine-[Aa]rt)[A-Z][^\"?;.]{5,45}|83 Gen\. .*|135 Mr\. .*|219 Dr\. .*",
        "The End",
    ),
    1825: Layout(r"I\. .*", r"[XVI]+\.? .*"),
    2435: Layout("Lovely Ilonka", f"{TITLE}|To Your Good Health!", single_quotes=True),
    7128: Layout(
        "The Lion and the Crane",
        rf"{TITLE}|(?:Raja Rasalu|Why the Fish Laughed|How the [RW][^.]*)\.",
        "Notes and References",
    ),
}
# Paragraphs that a printed page adds to the story.
_NOT_THE_STORY = re.compile(r"[\d*. ]*|.*[Ll]ine-[Aa]rt [Dd]rawing.*|\[[^\]]*\]|\([^)]*\)|[^a-z]*")
_PAGE_NUMBER = re.compile(r"\d+ ")
_END = re.compile(r".*[.!?:;\-]['\")]*")


def data_folder() -> Path:
    """Give the folder of test data: ``GPTLITE_TEST_DATA``, or ``../shared`` beside the checkout.

    Raises:
        FileNotFoundError: the tales are not in it.
    """
    folder = Path(os.environ.get("GPTLITE_TEST_DATA", ROOT.parent / "shared"))
    if not (folder / "corpora" / "tales").is_dir():
        raise FileNotFoundError(f"no tales in {folder} (set GPTLITE_TEST_DATA)")
    return folder


def read_books(numbers: Iterable[int]) -> dict[int, str]:
    """Read the prepared texts of some books, by number.

    Raises:
        FileNotFoundError: one is missing.
    """
    folder = data_folder() / "corpora" / "tales"
    found = find_books(folder)
    if missing := [number for number in numbers if number not in found]:
        raise FileNotFoundError(f"{folder}: no book ends in -{missing[0]}.txt")
    return {number: found[number].read_text(encoding="utf-8") for number in numbers}


def unseen_tales() -> list[Tale]:
    """Read the tales of the five books that the storyteller was not trained on.

    Raises:
        FileNotFoundError: see ``read_books``.
        ValueError: see ``cut_into_tales``.
    """
    books = read_books(VALIDATION_BOOKS)
    return [tale for number, text in books.items() for tale in cut_into_tales(text, number)]


def cut_into_tales(text: str, number: int, layout: Layout | None = None) -> list[Tale]:
    """Cut one book into its tales.

    Raises:
        ValueError: the first tale, or what follows the last, is not there.
    """
    layout = layout or LAYOUTS[number]
    paragraphs = [paragraph.strip() for paragraph in text.split("\n\n")]
    starts = [i for i, p in enumerate(paragraphs) if re.fullmatch(layout.first, p)]
    if not starts:
        raise ValueError(f"book {number}: no paragraph is {layout.first!r}")
    paragraphs = paragraphs[starts[-1] :]
    if layout.after is not None:
        ends = [i for i, p in enumerate(paragraphs) if re.fullmatch(layout.after, p)]
        if not ends:
            raise ValueError(f"book {number}: no paragraph is {layout.after!r}")
        paragraphs = paragraphs[: ends[0]]
    tales: list[list[str]] = [[]]
    for paragraph in paragraphs:
        if re.fullmatch(layout.heading, paragraph):
            tales.append([])
            continue
        paragraph = remove_marks(paragraph)
        if is_source_note(paragraph) or _NOT_THE_STORY.fullmatch(paragraph):
            continue
        if layout.single_quotes:
            paragraph = with_double_quotes(paragraph)
        words = _PAGE_NUMBER.sub("", paragraph, count=1)
        # A page may end within a sentence.
        goes_on = words != paragraph or words[0].islower()
        if goes_on and tales[-1] and not is_whole(tales[-1][-1]):
            tales[-1][-1] += " " + words
        else:
            tales[-1].append(words)
    return [Tale(number, tuple(tale)) for tale in tales if tale]


def is_whole(paragraph: str) -> bool:
    """Say whether a paragraph ends as a sentence does."""
    return _END.fullmatch(paragraph) is not None


def with_double_quotes(text: str) -> str:
    r"""Put speech in double quotes; leave apostrophes as they are.

    >>> with_double_quotes("'That's a goat,' said the miller's wife.")
    '"That\'s a goat," said the miller\'s wife.'
    """
    return re.sub(r"(?<!\w)'(?=[\w\"])|(?<=[.,!?;\-])'(?!\w)", '"', text)


def split_tales(tales: Sequence[Tale], share: float, seed: int) -> tuple[list[Tale], list[Tale]]:
    """Split off tales to learn from, with at least that share of every book's paragraphs."""
    rng = np.random.default_rng([seed, 0])
    first: list[Tale] = []
    second: list[Tale] = []
    for book in dict.fromkeys(tale.book for tale in tales):
        of_book = [tale for tale in tales if tale.book == book]
        wanted = share * sum(len(tale.paragraphs) for tale in of_book)
        taken = 0
        for i in rng.permutation(len(of_book)):
            (first if taken < wanted else second).append(of_book[i])
            taken += len(of_book[i].paragraphs)
    return first, second


def words_of(text: str) -> list[str]:
    """Find the words of a text in lower case; parts joined by an apostrophe are one word."""
    return re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower())


_SENTENCE_BREAK = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"')]))\s+(?=[\"'(]*[A-Z])")
# A full stop after these ends no sentence.
_ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Dr|St|Gen)|\b[A-Z])\.$")


def sentences_of(text: str) -> list[str]:
    """Cut a paragraph into sentences; quotation marks stay with the sentence they close.

    >>> sentences_of('"Go!" said Mr. Fox. "I shall not." It rained.')
    ['"Go!" said Mr. Fox.', '"I shall not."', 'It rained.']
    """
    sentences: list[str] = []
    for piece in _SENTENCE_BREAK.split(text):
        if sentences and _ABBREVIATION.search(sentences[-1]):
            sentences[-1] += " " + piece
        else:
            sentences.append(piece)
    return sentences


def training_counts() -> Counter[str]:
    """Count the words in the books that the storyteller was trained on."""
    counts: Counter[str] = Counter()
    for text in read_books(TRAINING_BOOKS).values():
        counts.update(words_of(text))
    return counts
