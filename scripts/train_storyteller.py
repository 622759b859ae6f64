"""Train the storyteller, the model that ships with gptlite, from the same books again.

    python scripts/train_storyteller.py --out build/storyteller --books DIR

One command does all of it: it finds the books (or fetches them from Project Gutenberg by number),
cleans the training books, trains a tokenizer and a model with gptlite's own pre-training, writes
the model in float16 to gptlite/storyteller and measures its bits per byte on books it never saw.

The repository holds no text of any book: only the numbers and titles below.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import requests
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
# From a clone the package need not be installed.
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from gptlite.errors import CheckpointError, DownloadError  # noqa: E402
from gptlite.files import write_atomically  # noqa: E402

from clean_tales import clean_book  # noqa: E402  # isort: skip

# What the shipped model was trained with: each entry is an option of `python -m gptlite.pretrain`.
RECIPE: dict[str, int | float] = {
    "n_vocab": 4096,
    "n_ctx": 256,
    "n_embd": 256,
    "n_head": 4,
    "n_layer": 6,
    "tokens": 31e6,
    "batch": 16,
    "learning_rate": 1.2e-3,
    "weight_decay": 0.1,
    "dropout": 0.0,
    "seed": 0,
}

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
USER_AGENT = "gptlite (educational; scripts/train_storyteller.py)"
TIMEOUT_S = 60
# Project Gutenberg asks programs to leave time between two downloads.
PAUSE_S = 2.0


def find_books(folder: Path) -> dict[int, Path]:
    """The books in `folder` and the folders in it, by number: their names end in -NUMBER.txt.

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
    """The text of a book as Project Gutenberg has it.

    Raises:
        DownloadError: none of the sources has it; the message says what each answered.
    """
    answers = []
    for source in sources:
        url = source.format(number=number)
        try:
            response = requests.get(url, headers={"User-Agent": USER_AGENT}, timeout=TIMEOUT_S)
            response.raise_for_status()
        except requests.RequestException as error:
            answers.append(f"{url}: {' '.join(str(error).split())}")
            continue
        return response.content.decode("utf-8-sig", errors="replace")
    raise DownloadError(f"book {number} could not be fetched: {'; '.join(answers)}")


def story_lines(raw: str) -> str:
    """What stands between Project Gutenberg's header and footer.

    Raises:
        ValueError: the line that ends the header or the one that begins the footer is missing.
    """
    start = re.search(r"^\s*\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG.*$", raw, re.M | re.I)
    end = re.search(r"^\s*\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG", raw, re.M | re.I)
    if start is None or end is None or end.start() < start.end():
        raise ValueError("no book: the lines *** START OF and *** END OF are not there")
    return raw[start.end() : end.start()]


_ASCII = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u02bc", "'"),
        **dict.fromkeys("\u201c\u201d\u201e", '"'),
        **dict.fromkeys("\u2014\u2015", "--"),
        **dict.fromkeys("\u2010\u2011\u2012\u2013", "-"),
        "\u2026": "...",
        "\u00a0": " ",
        "\u00a3": "L",
        "\u00c6": "AE",
        "\u00e6": "ae",
        "\u0152": "OE",
        "\u0153": "oe",
        "\u00df": "ss",
        "\u00d8": "O",
        "\u00f8": "o",
        "\u00d0": "D",
        "\u00f0": "d",
    }
)


def to_ascii(text: str) -> str:
    """Straight quotes, -- for a dash, letters without accents: as in the prepared books."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_ASCII))
    return decomposed.encode("ascii", errors="ignore").decode("ascii")


# Who made the electronic text; stands before the title page.
_CREDIT = re.compile(r"(?:Produced|E-?text prepared|This e-?(?:text|book) was|Transcribed) ", re.I)


def prepare(raw: str) -> str:
    """A book as Project Gutenberg has it -> paragraphs on one line each, a blank line between two.

    The prepared text is ASCII and has neither header, footer and credits nor the underscores that
    mark italics. Raises ValueError as `story_lines` does.
    """
    text = to_ascii(story_lines(raw)).replace("\r\n", "\n").replace("_", "")
    paragraphs = [" ".join(paragraph.split()) for paragraph in re.split(r"\n[ \t]*\n", text)]
    paragraphs = [paragraph for paragraph in paragraphs if paragraph]
    while paragraphs and _CREDIT.match(paragraphs[0]):
        del paragraphs[0]
    return "\n\n".join(paragraphs) + "\n"


def gather(
    wanted: dict[int, str],
    found: dict[int, Path],
    folder: Path,
    fetch: Callable[[int], str] = download,
) -> dict[int, Path]:
    """The files of the `wanted` books: those `found`, those in `folder`, and the rest fetched.

    A book that is fetched is prepared and written to `folder`, so that it is fetched only once.
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


def clean_all(files: dict[int, Path], folder: Path) -> tuple[int, int]:
    """Write each book, cleaned, to `folder`; returns the bytes of all before and after."""
    folder.mkdir(parents=True, exist_ok=True)
    before = after = 0
    for number, path in sorted(files.items(), key=lambda item: item[1].name):
        text = path.read_text(encoding="utf-8")
        cleaned = clean_book(text, number)
        (folder / path.name).write_text(cleaned, encoding="utf-8", newline="\n")
        before += len(text.encode())
        after += len(cleaned.encode())
    return before, after


def pretrain_arguments(
    recipe: dict[str, int | float],
    data: Path,
    validation: Sequence[Path],
    out: Path,
    resume: bool = False,
) -> list[str]:
    """The command line of `python -m gptlite.pretrain`."""
    arguments = ["--data", str(data), "--validation", *map(str, validation), "--out", str(out)]
    for name, value in recipe.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    return [*arguments, "--resume"] if resume else arguments


def export(trained: Path, package: Path) -> int:
    """Write the trained model, in float16, and its tokenizer to `package`; returns their bytes."""
    from gptlite import GPT, Tokenizer

    GPT.from_pretrained(trained).save_pretrained(package, dtype="float16")
    Tokenizer.from_pretrained(trained).save_pretrained(package)
    return sum(path.stat().st_size for path in package.iterdir() if path.is_file())


def measure(package: Path, files: dict[int, Path], context: int = 256) -> dict[str, float]:
    """Bits per byte of the exported model on each book, by title, and their mean over the books."""
    from gptlite import load
    from gptlite.training.losses import bits_per_byte

    # What is measured is what ships: the model as it was rounded to float16.
    model, tokenizer = load(package)
    measured: dict[str, float] = {}
    for path in tqdm(sorted(files.values()), desc="measuring"):
        text = path.read_text(encoding="utf-8")
        title = path.stem.rsplit("-", 1)[0].replace("-", " ")
        measured[title] = bits_per_byte(model, tokenizer, text, context=context)
    return {**measured, "on average": sum(measured.values()) / len(measured)}


def write_on_card(card: Path, measured: dict[str, float]) -> None:
    """Put the measured bits per byte into the table of the model card, where there is one."""
    if not card.exists():
        return
    text = card.read_text(encoding="utf-8")
    for name, bits in measured.items():
        row = rf"^\| {re.escape(name)} \| [\d.]+ \|$"
        text, n = re.subn(row, f"| {name} | {bits:.4f} |", text, flags=re.MULTILINE)
        if n != 1:
            raise ValueError(f"{card}: expected one row for {name!r}, found {n}")
    with write_atomically(card) as file:
        file.write(text.encode())


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description="Train the model that ships with gptlite again.")
    parser.add_argument("--books", type=Path, metavar="DIR", help="folder of prepared books")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="working folder")
    parser.add_argument(
        "--package",
        type=Path,
        default=ROOT / "gptlite" / "storyteller",
        metavar="DIR",
        help="where the trained model goes (default: gptlite/storyteller)",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--tokens", type=float, help="train on so many tokens, not the recipe's")
    length.add_argument("--minutes", type=float, help="train for so long, not the recipe's tokens")
    parser.add_argument("--resume", action="store_true", help="go on with a training in --out")
    parser.add_argument("--clean-only", action="store_true", help="stop when books are cleaned")
    return parser.parse_args(argv)


def run(options: argparse.Namespace) -> int:
    """Books, cleaning, training, export, measurement; returns the exit code of the training."""
    if options.books is not None and not options.books.is_dir():
        raise ValueError(f"--books {options.books}: there is no such folder")
    out: Path = options.out
    found = find_books(options.books) if options.books is not None else {}
    training = gather(TRAINING_BOOKS, found, out / "books" / "train")
    before, after = clean_all(training, out / "clean")
    print(f"{len(training)} books cleaned: {before:,} -> {after:,} bytes in {out / 'clean'}")
    if options.clean_only:
        return 0

    validation = gather(VALIDATION_BOOKS, found, out / "books" / "validation")
    unseen = sorted(validation.values(), key=lambda path: path.name)
    recipe = dict(RECIPE)
    if options.tokens is not None or options.minutes is not None:
        recipe = {
            name: value for name, value in RECIPE.items() if name not in ("tokens", "minutes")
        }
        name = "tokens" if options.tokens is not None else "minutes"
        recipe[name] = getattr(options, name)
    from gptlite.pretrain.__main__ import main as pretrain

    trained = out / "model"
    code = pretrain(pretrain_arguments(recipe, out / "clean", unseen, trained, options.resume))
    if code:  # pre-training has said what was wrong
        return code

    n_bytes = export(trained, options.package)
    print(f"exported to {options.package}: {n_bytes / 1e6:.1f} MB")
    measured = measure(options.package, validation)
    for name, bits in measured.items():
        print(f"{bits:.4f} bits per byte  {name}")
    write_on_card(options.package / "README.md", measured)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = parse(argv)
    try:
        return run(options)
    except (ValueError, OSError, CheckpointError, DownloadError) as error:
        print(f"train_storyteller: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
