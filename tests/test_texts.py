"""The text files that a user names."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptlite import texts
from gptlite.texts import Count, Documents

MARK = "<|endoftext|>"


def test_text_files(tmp_path):
    for name in ("b.txt", "a.txt", "c.md", "one.md"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder.txt").mkdir()
    found = texts.text_files([tmp_path / "one.md", str(tmp_path)])
    assert [path.name for path in found] == ["one.md", "a.txt", "b.txt"]


def test_paths_without_a_text(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such file or directory"):
        texts.text_files([tmp_path / "nowhere"])
    (tmp_path / "notes.md").write_text("x")
    with pytest.raises(FileNotFoundError, match=r"no \.txt or \.jsonl file in this folder"):
        texts.text_files([tmp_path])


def test_the_fables_that_ship(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert texts.text_files(["fables"]) == [texts.FABLES]
    found = texts.read_documents(texts.FABLES)
    assert (len(found.texts), found.n_empty, found.n_inside) == (81, 0, 0)
    assert 30_000 < sum(map(len, found.texts)) < 60_000
    assert all(text.isascii() and 80 < len(text.split()) < 140 for text in found.texts)
    (tmp_path / "fables").mkdir()  # what a user has there comes first
    (tmp_path / "fables" / "mine.txt").write_text("x")
    assert [path.name for path in texts.text_files(["fables"])] == ["mine.txt"]


def test_read_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("é\r\n\u2028".encode())
    assert texts.read_text(path) == "é\r\n\u2028"
    path.write_bytes(b"good\xff")
    with pytest.raises(ValueError, match=r"a\.txt: not UTF-8 at byte 4$"):
        texts.read_text(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"a\.txt: the file is empty$"):
        texts.read_text(path)
    path.write_bytes("\ufeffé\ufeff".encode())
    assert texts.read_text(path) == "é\ufeff"  # a byte order mark is no text
    path.write_bytes("\ufeff".encode())
    with pytest.raises(ValueError, match=r"a\.txt: the file is empty$"):
        texts.read_text(path)


# ---- Documents ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "documents", "n_empty", "n_inside"),
    [
        ("One.\n", ["One.\n"], 0, 0),  # no mark: as it is
        ("\n \n", ["\n \n"], 0, 0),
        (f"One.\n{MARK}\nTwo.\n", ["One.", "Two."], 0, 0),
        (f"{MARK}\nOne.\n\nStill one.\n{MARK}\n", ["One.\n\nStill one."], 0, 0),
        (f"One.\n\n{MARK}\n\nTwo.\n{MARK}", ["One.", "Two."], 0, 0),
        (f"One.\r\n{MARK}\r\nTwo.\r\n", ["One.", "Two."], 0, 0),
        (f"One.\n{MARK}\n{MARK}\n \n{MARK}\nTwo.", ["One.", "Two."], 2, 0),
        (f"One. {MARK}\n{MARK} Two.\n", [f"One. {MARK}\n{MARK} Two.\n"], 0, 2),
        (f"One. {MARK}\n{MARK}\n Two.", [f"One. {MARK}", " Two."], 0, 1),
        (f"{MARK}\n{MARK}\n", [], 1, 0),
    ],
)
def test_lines_that_are_a_mark_part_documents(text, documents, n_empty, n_inside):
    assert texts.split_documents(text) == Documents(documents, n_empty, n_inside)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=2))
def test_documents_that_were_joined_come_apart_again(documents):
    documents = [f"{text.strip()}." for text in documents]
    assert texts.split_documents(f"\n{MARK}\n".join(documents)).texts == documents


def test_read_documents(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(f"One.\n{MARK}\nTwo.\n".encode())
    assert texts.read_documents(path) == Documents(["One.", "Two."], 0, 0)
    for nothing in (f"{MARK}\n", " \n\n"):
        path.write_bytes(nothing.encode())
        with pytest.raises(ValueError, match=r"a\.txt: there is no text in it$"):
            texts.read_documents(path)


@pytest.mark.parametrize("ending", ["jsonl", "ndjson", "JSONL"])
def test_a_row_of_json_lines_is_a_document(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    rows = [f"One.\n{MARK}\nStill one.\n", "", "Two \u2028."]
    lines = "".join(json.dumps({"id": 1, "text": row}) + "\n\n" for row in rows)
    path.write_text("\ufeff" + lines, encoding="utf-8")
    assert texts.read_documents(path) == Documents([rows[0], rows[2]], 1, 1)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"story": "x"}', "line 2: expected a column \"text\", found 'story'$"),
        ("{}", 'line 2: expected a column "text", found no column$'),
        ('{"text": 3}', 'line 2: "text" must be a text, not 3$'),
        ('["x"]', "line 2: expected a JSON object"),
        ("x", "line 2: not JSON"),
        ('{"text": "\\ud800"}', "line 2: a lone surrogate"),
    ],
)
def test_rows_without_a_text(tmp_path, row, message):
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"text": "One."}}\n{row}\n')
    with pytest.raises(ValueError, match=message):
        texts.read_documents(path)


def test_a_count_of_what_was_found():
    count = Count()
    count.add(Documents(["é", "two"], n_empty=1, n_inside=0), 4)
    assert (
        str(count) == "1 file, 2 documents (1 empty ones skipped), 5 bytes, 4 tokens (0.800 a byte)"
    )
    assert count.warning() == ""
    count.add(Documents(["x" * 5000], n_empty=0, n_inside=2), 1000)
    assert str(count).startswith("2 files, 3 documents (1 empty ones skipped), 5,005 bytes, 1,004 ")
    assert "within a line 2 times, as plain text" in count.warning()
