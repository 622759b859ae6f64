"""scripts/fetch_book.py: a book to train on, or a line that says what to do without a network."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import fetch_book

from gptlite.errors import DownloadError

RAW = (
    "*** START OF THE PROJECT GUTENBERG EBOOK THE GOAT ***\r\n\r\n"
    "\u201cOh,\u201d said\r\nthe goat.\r\n\r\n"
    "*** END OF THE PROJECT GUTENBERG EBOOK THE GOAT ***\r\n"
)


def test_a_book_is_fetched_and_prepared(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fetch_book, "download", {11: RAW}.__getitem__)
    monkeypatch.chdir(tmp_path)
    assert fetch_book.main(["11"]) == 0
    assert (tmp_path / "book-11.txt").read_text() == '"Oh," said the goat.\n'
    assert capsys.readouterr().out == "book-11.txt: 21 bytes\n"
    assert fetch_book.main(["11"]) == 2  # nothing is overwritten
    assert "book-11.txt is there already" in capsys.readouterr().err
    assert fetch_book.main(["11", "-o", "other.txt"]) == 0


def test_without_a_network_the_fables_are_named(tmp_path, monkeypatch, capsys):
    def unreachable(number: int) -> str:
        raise DownloadError(f"book {number} could not be fetched")

    monkeypatch.setattr(fetch_book, "download", unreachable)
    assert fetch_book.main(["11", "-o", str(tmp_path / "a.txt")]) == 2
    printed, said = capsys.readouterr()
    assert printed == ""
    assert said.startswith("fetch_book.py: error: book 11 could not be fetched; without a network")
    assert "--data fables" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [[], ["alice"], ["11", "12"]])
def test_what_is_no_number(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        fetch_book.main(wrong)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("fetch_book.py: error: ")
