"""The storyteller's books: their numbers and titles, and how to find or fetch them.

The repository holds no text of any book.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import requests
from tqdm import tqdm

from gptlite.errors import DownloadError
from gptlite.files import write_atomically
from storyteller.preparing import prepare

# Number at Project Gutenberg -> stem of the file's name: 11 is alice-s-...-wonderland-11.txt.
TRAINING_BOOKS: dict[int, str] = {
    11: "alice-s-adventures-in-wonderland",
    12: "through-the-looking-glass",
    21: "aesop-s-fables",
    55: "the-wonderful-wizard-of-oz",
    113: "the-secret-garden",
    146: "a-little-princess",
    225: "at-the-back-of-the-north-wind",
    236: "the-jungle-book",
    271: "black-beauty",
    289: "the-wind-in-the-willows",
    420: "dorothy-and-the-wizard-in-oz",
    479: "little-lord-fauntleroy",
    485: "the-road-to-oz",
    486: "ozma-of-oz",
    500: "the-adventures-of-pinocchio",
    503: "the-blue-fairy-book",
    517: "the-emerald-city-of-oz",
    540: "the-red-fairy-book",
    640: "the-yellow-fairy-book",
    641: "the-violet-fairy-book",
    708: "the-princess-and-the-goblin",
    778: "five-children-and-it",
    836: "the-phoenix-and-the-carpet",
    837: "the-story-of-the-amulet",
    902: "the-happy-prince-and-other-tales",
    955: "the-patchwork-girl-of-oz",
    956: "tik-tok-of-oz",
    959: "the-lost-princess-of-oz",
    1448: "heidi",
    1937: "the-second-jungle-book",
    2441: "the-burgess-animal-book-for-children",
    2557: "old-mother-west-wind",
    2591: "grimms-fairy-tales",
    2781: "just-so-stories",
    3027: "the-orange-fairy-book",
    3074: "the-burgess-bird-book-for-children",
    3282: "the-brown-fairy-book",
    3454: "the-lilac-fairy-book",
    3536: "the-enchanted-castle",
    4698: "whitefoot-the-wood-mouse",
    5110: "the-adventures-of-jerry-muskrat",
    5615: "the-pink-fairy-book",
    5844: "the-adventures-of-johnny-chuck",
    6746: "the-grey-fairy-book",
    7277: "the-green-fairy-book",
    7439: "english-fairy-tales",
    7885: "celtic-fairy-tales",
    11339: "aesop-s-fables--a-new-translation",
    11757: "the-velveteen-rabbit",
    14375: "the-adventures-of-grandfather-frog",
    14838: "the-tale-of-peter-rabbit",
    17250: "mother-west-wind--where--stories",
    19994: "the-aesop-for-children",
    22816: "the-adventures-of-buster-bear",
    27200: "fairy-tales-of-hans-christian-andersen",
    28846: "little-jack-rabbit-s-adventures",
}
VALIDATION_BOOKS: dict[int, str] = {
    16: "peter-pan",
    54: "the-marvelous-land-of-oz",
    1825: "the-adventures-of-reddy-fox",
    2435: "the-crimson-fairy-book",
    7128: "indian-fairy-tales",
}

# Tried in this order; {number} is the book's number.
SOURCES = (
    "https://www.gutenberg.org/cache/epub/{number}/pg{number}.txt",
    "https://gutenberg.pglaf.org/cache/epub/{number}/pg{number}.txt",
)
USER_AGENT = "gptlite (educational; one book at a time)"
TIMEOUT_S = 60
# Project Gutenberg asks programs to leave time between two downloads.
PAUSE_S = 2.0


def find_books(folder: Path) -> dict[int, Path]:
    """Find the books below `folder`, by number: their names end in -NUMBER.txt.

    Raises:
        ValueError: two files have the same number.
    """
    books: dict[int, Path] = {}
    for path in sorted(folder.rglob("*-*.txt")):
        number = path.stem.rpartition("-")[2]
        if not number.isdecimal():
            continue
        if int(number) in books:
            raise ValueError(f"book {number} is there twice: {books[int(number)]} and {path}")
        books[int(number)] = path
    return books


def download(number: int, sources: Iterable[str] = SOURCES) -> str:
    """Fetch the text of a book as Project Gutenberg has it.

    Raises:
        DownloadError: none of the sources has it; the message says what each answered.
    """
    answers = []
    for source in sources:
        url = source.format(number=number)
        try:
            response = requests.get(url, headers={"User-Agent": USER_AGENT}, timeout=TIMEOUT_S)
            response.raise_for_status()
        except requests.HTTPError:
            answers.append(f"{url} answered {response.status_code}")
            continue
        except requests.RequestException as error:
            answers.append(f"{url} could not be reached ({type(error).__name__})")
            continue
        return response.content.decode("utf-8-sig", errors="replace")
    raise DownloadError(f"book {number} could not be fetched: {'; '.join(answers)}")


def gather(
    wanted: dict[int, str],
    found: dict[int, Path],
    folder: Path,
    fetch: Callable[[int], str] = download,
) -> dict[int, Path]:
    """Give the files of the `wanted` books: `found`, or already in `folder`, or else fetched.

    A fetched book is prepared and written to `folder`, so that it is fetched only once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {number: path for number, path in found.items() if number in wanted}
    files |= {n: path for n, path in find_books(folder).items() if n in wanted and n not in files}
    missing = [number for number in wanted if number not in files]
    for position, number in enumerate(tqdm(missing, desc="fetching books", disable=not missing)):
        if position:
            time.sleep(PAUSE_S)
        raw = fetch(number)
        try:
            text = prepare(raw)
        except ValueError as error:
            raise ValueError(f"book {number}: {error}") from None
        files[number] = folder / f"{wanted[number]}-{number}.txt"
        # Half a book must not be found by a later run.
        with write_atomically(files[number]) as file:
            file.write(text.encode())
    return files
