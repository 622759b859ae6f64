"""The text files that a user names."""

import pytest

from gptlite import texts


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
    with pytest.raises(FileNotFoundError, match=r"no \.txt file in this directory"):
        texts.text_files([tmp_path])


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
