"""Training the storyteller: its recipe, and the steps from the texts to the package's folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from gptlite.files import write_atomically
from gptlite.texts import read_documents, text_files
from storyteller.books import TRAINING_BOOKS, VALIDATION_BOOKS, find_books, gather
from storyteller.clean_tales import clean_book
from storyteller.mixture import mixture

# What the shipped model was trained with: each entry is an option of `python -m gptlite.pretrain`.
RECIPE: dict[str, int | float] = {
    "n_vocab": 4096,
    "n_ctx": 512,
    "n_embd": 256,
    "n_head": 4,
    "n_layer": 4,
    "tokens": 46e6,
    "batch": 8,
    "learning_rate": 2e-3,
    "weight_decay": 0.1,
    "dropout": 0.0,
    "seed": 0,
}


def clean_all(files: dict[int, Path], folder: Path) -> tuple[int, int]:
    """Write each book, cleaned, to `folder`; return the bytes of all before and after."""
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
    data: Sequence[Path],
    validation: Sequence[Path],
    out: Path,
    resume: bool = False,
) -> list[str]:
    """Write the command line of `python -m gptlite.pretrain`."""
    arguments = ["--data", *map(str, data), "--validation", *map(str, validation)]
    arguments += ["--out", str(out)]
    for name, value in recipe.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    return [*arguments, "--resume"] if resume else arguments


def export(trained: Path, package: Path) -> int:
    """Write the trained model, in float16, and its tokenizer to `package`; return their bytes."""
    from gptlite import GPT, Tokenizer

    GPT.from_pretrained(trained).save_pretrained(package, dtype="float16")
    Tokenizer.from_pretrained(trained).save_pretrained(package)
    return sum(path.stat().st_size for path in package.iterdir() if path.is_file())


def bits_on_texts(
    package: Path, stories: Sequence[Path], books: dict[int, Path], context: int = 256
) -> dict[str, float]:
    """Measure the exported model's bits per byte: on stories, on each book, and the books' mean.

    Args:
        stories: files of stories; each story is read from its own start.
        books: read in windows of ``context`` tokens.
    """
    from gptlite import load
    from gptlite.training.losses import bits_per_byte

    # The model that ships is measured: the one rounded to float16.
    model, tokenizer = load(package)
    told = [text for file in stories for text in read_documents(file).texts]
    measured: dict[str, float] = {}
    for path in tqdm(sorted(books.values()), desc="measuring"):
        text = path.read_text(encoding="utf-8")
        title = path.stem.rsplit("-", 1)[0].replace("-", " ")
        measured[title] = bits_per_byte(model, tokenizer, text, context=context)
    on_average = sum(measured.values()) / len(measured)
    return {
        "short stories": bits_per_byte(model, tokenizer, told),
        **measured,
        "the books on average": on_average,
    }


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


def shortened(
    recipe: dict[str, int | float], tokens: float | None, minutes: float | None
) -> dict[str, int | float]:
    """Give the recipe a length of so many tokens, or of so many minutes, where one is asked for."""
    if tokens is None and minutes is None:
        return recipe
    length = {"minutes": minutes} if tokens is None else {"tokens": tokens}
    return {n: v for n, v in recipe.items() if n not in ("tokens", "minutes")} | length


def run(
    out: Path,
    stories: Path,
    books: Path | None,
    recipe: dict[str, int | float],
    package: Path,
    resume: bool = False,
    clean_only: bool = False,
) -> int:
    """Gather the texts, clean, train, export, measure; return the exit code of the training.

    Args:
        out: the working folder.
        stories: a folder with ``train`` and ``validation``, each with files of stories.
        books: a folder of prepared books; None fetches them all.
        recipe: options of the pre-training.
        package: the folder that the trained model goes to.
        resume: go on with a training in ``out``.
        clean_only: stop when the books are cleaned.

    Raises:
        ValueError, OSError, CheckpointError, DownloadError: the message says what was wrong.
    """
    if books is not None and not books.is_dir():
        raise ValueError(f"--books {books}: there is no such folder")
    unseen_stories = text_files([stories / "validation"])
    text_files([stories / "train"])  # refuse a folder without stories before the slow work
    found = find_books(books) if books is not None else {}
    training = gather(TRAINING_BOOKS, found, out / "books" / "train")
    before, after = clean_all(training, out / "clean")
    print(f"{len(training)} books cleaned: {before:,} -> {after:,} bytes in {out / 'clean'}")
    if clean_only:
        return 0

    validation = gather(VALIDATION_BOOKS, found, out / "books" / "validation")
    unseen = [*unseen_stories, *sorted(validation.values(), key=lambda path: path.name)]
    from gptlite.pretrain.__main__ import main as pretrain

    trained = out / "model"
    data = mixture(stories / "train", out / "clean", out)
    code = pretrain(pretrain_arguments(recipe, data, unseen, trained, resume))
    if code:  # pre-training has said what was wrong
        return code

    n_bytes = export(trained, package)
    print(f"exported to {package}: {n_bytes / 1e6:.1f} MB")
    measured = bits_on_texts(package, unseen_stories, validation)
    for name, bits in measured.items():
        print(f"{bits:.4f} bits per byte  {name}")
    write_on_card(package / "README.md", measured)
    return 0
