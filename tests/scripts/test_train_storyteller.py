"""The parts of scripts/train_storyteller.py around the training: finding, fetching, preparing."""

import http.server
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import train_storyteller as script
from storyteller import books, mixture, training
from storyteller.clean_tales import ANCHORS
from storyteller.preparing import prepare

from gptlite.errors import DownloadError

MARK = "<|endoftext|>"
RAW = (
    "The Project Gutenberg eBook of The Goat\r\n\r\n"
    "*** START OF THE PROJECT GUTENBERG EBOOK THE GOAT ***\r\n\r\n"
    "Produced by A. Volunteer\r\n\r\n\r\n"
    "THE GOAT\r\n\r\n"
    "    \u201cOh,\u201d said the _old_ goat\u2014\u201cit\u2019s\r\n"
    "a caf\u00e9, a M\u00e4rchen, an \u00c6sop.\u201d\r\n  \r\nThe end.\r\n\r\n"
    "*** END OF THE PROJECT GUTENBERG EBOOK THE GOAT ***\r\nlicence\r\n"
)
PREPARED = 'THE GOAT\n\n"Oh," said the old goat--"it\'s a cafe, a Marchen, an AEsop."\n\nThe end.\n'


@pytest.fixture
def server():
    """A local web server: answers the paths in its dictionary, 404 for all others."""
    pages: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            page = pages.get(self.path)
            self.send_response(404 if page is None else 200)
            self.end_headers()
            self.wfile.write(page or b"")
            agents.append(self.headers["User-Agent"])

        def log_message(self, *_):
            pass

    agents: list[str] = []
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=web.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{web.server_port}", pages, agents
    web.shutdown()
    thread.join()
    web.server_close()


def test_prepare():
    assert prepare(RAW) == PREPARED


@pytest.mark.parametrize("lost", ["*** START OF", "*** END OF"])
def test_prepare_without_the_lines_that_frame_a_book(lost):
    with pytest.raises(ValueError, match="no book"):
        prepare(RAW.replace(lost, "---"))


def test_download_goes_on_to_the_mirror(server):
    address, pages, agents = server
    pages["/mirror/7.txt"] = b"\xef\xbb\xbf" + RAW.encode()
    sources = (f"{address}/main/{{number}}.txt", f"{address}/mirror/{{number}}.txt")
    assert books.download(7, sources) == RAW
    assert agents == [books.USER_AGENT] * 2


def test_download_that_fails_everywhere_names_every_answer(server):
    address, _, _ = server
    sources = (f"{address}/main/{{number}}.txt", f"{address}/mirror/{{number}}.txt")
    with pytest.raises(DownloadError, match=r"book 7 .*main/7\.txt.*404.*mirror/7\.txt.*404"):
        books.download(7, sources)


def test_find_books_reads_the_number_at_the_end_of_the_name(tmp_path):
    for name in ["train/the-goat-7.txt", "train/two-goats-12.txt", "train/notes.txt", "a-b.txt"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    found = books.find_books(tmp_path)
    assert {number: path.name for number, path in found.items()} == {
        7: "the-goat-7.txt",
        12: "two-goats-12.txt",
    }
    (tmp_path / "goat-again-7.txt").write_text("x")
    with pytest.raises(ValueError, match="book 7 is there twice"):
        books.find_books(tmp_path)


def test_gather_fetches_only_what_is_missing_and_only_once(tmp_path, monkeypatch):
    monkeypatch.setattr(books, "PAUSE_S", 0)
    fetched = []

    def fetch(number):
        fetched.append(number)
        return RAW

    here = tmp_path / "the-hen-8.txt"
    found, wanted = {8: here, 99: tmp_path / "not-wanted-99.txt"}, {7: "the-goat", 8: "the-hen"}
    files = books.gather(wanted, found, tmp_path / "books", fetch)
    assert files == {7: tmp_path / "books" / "the-goat-7.txt", 8: here}
    assert files[7].read_text() == PREPARED
    assert books.gather(wanted, found, tmp_path / "books", fetch) == files
    assert fetched == [7]


def test_gather_names_the_book_that_is_no_book(tmp_path):
    with pytest.raises(ValueError, match="book 7: no book"):
        books.gather({7: "the-goat"}, {}, tmp_path, lambda number: "<html>busy</html>")
    assert list(tmp_path.iterdir()) == []


def test_every_training_book_can_be_cleaned_and_no_book_is_in_both_tables():
    assert set(books.TRAINING_BOOKS) == set(ANCHORS)
    assert len(books.TRAINING_BOOKS) == 56
    assert len(books.VALIDATION_BOOKS) == 5
    assert not set(books.TRAINING_BOOKS) & set(books.VALIDATION_BOOKS)


def test_pretrain_arguments():
    arguments = training.pretrain_arguments(
        {"n_layer": 2, "learning_rate": 0.001},
        [Path("c"), Path("c"), Path("d")],
        [Path("a"), Path("b")],
        Path("o"),
        True,
    )
    assert arguments == [
        *["--data", "c", "c", "d", "--validation", "a", "b", "--out", "o"],
        *["--n-layer", "2", "--learning-rate", "0.001", "--resume"],
    ]


def test_a_mixture_reads_some_files_more_often_than_others(tmp_path):
    for name in ("stories/fables", "stories/tinystories-1", "tales/goat-7"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        texts = ["a", "b" * 801, "c", "d", "e"]
        (tmp_path / f"{name}.txt").write_text(f"\n{MARK}\n".join(texts))
    files = mixture.mixture(tmp_path / "stories", tmp_path / "tales", tmp_path, letters=100)
    names = [file.stem for file in files]
    made = ["told-twice", "word-lists"]
    assert names == [*["fables"] * 2, *["tinystories-1"] * 4, *made, "goat-7"]
    # Every third of the short stories, and none of the fables.
    told_twice = (tmp_path / "told-twice.txt").read_text()
    assert told_twice.split(f"\n{MARK}\n") == ["a", "a", "e", "e"]
    lists = (tmp_path / "word-lists.txt").read_text()
    assert set(lists.replace(f"\n{MARK}\n", "")) == set(" abcde")


def test_word_lists_repeat_lists_of_words_and_parts_of_words():
    words = [f"<{n}>" for n in range(300)]
    lists = mixture.word_lists(words, 20_000, seed=0)
    assert 20_000 <= sum(map(len, lists)) < 20_000 + len(max(lists, key=len))
    assert lists == mixture.word_lists(words, 20_000, seed=0)
    drawn, times = [], set()
    for text in lists:
        (n,) = {n for n in (2, 3) if text == text[: len(text) // n] * n}
        times.add(n)
        drawn += text[: len(text) // n].split(" ")
    assert times == {2, 3}
    whole = sum(word in words for word in drawn)
    assert 0.6 * len(drawn) < whole < 0.9 * len(drawn)


def test_what_a_user_can_cause_is_one_line_and_exit_code_2(tmp_path, capsys):
    options = ["--stories", str(tmp_path), "--out", str(tmp_path / "out")]
    code = script.main([*options, "--books", str(tmp_path / "nowhere")])
    error = capsys.readouterr().err
    assert code == 2
    assert error.count("\n") == 1
    assert "nowhere" in error


def test_recipe_is_options_of_the_pretraining_command():
    from gptlite.pretrain.__main__ import parser

    arguments = training.pretrain_arguments(training.RECIPE, [Path("c")], [Path("v")], Path("o"))
    options = vars(parser().parse_args(arguments))
    assert {name: options[name] for name in training.RECIPE} == training.RECIPE


def test_a_length_takes_the_place_of_the_recipe_s_own():
    recipe = {"tokens": 31e6, "batch": 16}
    assert training.shortened(recipe, None, None) == recipe
    assert training.shortened(recipe, 1e6, None) == {"tokens": 1e6, "batch": 16}
    assert training.shortened(recipe, None, 5.0) == {"minutes": 5.0, "batch": 16}


def test_a_run_goes_from_the_books_to_the_card(tmp_path, monkeypatch, capsys):
    import gptlite.pretrain.__main__ as pretrain

    told = []
    monkeypatch.setattr(training, "TRAINING_BOOKS", {})
    monkeypatch.setattr(training, "VALIDATION_BOOKS", {})
    monkeypatch.setattr(training, "mixture", partial(mixture.mixture, letters=100))
    monkeypatch.setattr(pretrain, "main", lambda arguments: told.append(arguments) or 0)
    monkeypatch.setattr(training, "export", lambda trained, package: 5_000_000)
    monkeypatch.setattr(training, "bits_on_texts", lambda *_: {"the books on average": 1.25})
    for split in ("stories/train", "stories/validation", "out/clean"):
        (tmp_path / split).mkdir(parents=True)
        (tmp_path / split / "tinystories-a.txt").write_text(f"One.\n{MARK}\nTwo.")
    card = tmp_path / "package" / "README.md"
    card.parent.mkdir()
    card.write_text("| the books on average | 9.9999 |\n")
    options = ["--out", str(tmp_path / "out"), "--package", str(card.parent), "--resume"]
    options += ["--stories", str(tmp_path / "stories")]
    assert script.main([*options, "--minutes", "2"]) == 0
    [arguments] = told
    read = [Path(name).name for name in arguments[1 : arguments.index("--validation")]]
    assert read == [
        *["tinystories-a.txt"] * 4,
        "told-twice.txt",
        "word-lists.txt",
        "tinystories-a.txt",
    ]
    assert (tmp_path / "out" / "told-twice.txt").read_text() == f"One.\n{MARK}\nOne."
    assert arguments[-3:] == ["--minutes", "2.0", "--resume"]
    assert "--tokens" not in arguments
    assert card.read_text() == "| the books on average | 1.2500 |\n"
    assert "exported" in capsys.readouterr().out
    assert script.main([*options, "--clean-only"]) == 0
    assert len(told) == 1
