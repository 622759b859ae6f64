"""Windows, and Python in a browser, as far as another system can pretend to be them."""

import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from gptlite import Tokenizer
from gptlite.download.official import canonical_name
from gptlite.files import write_atomically
from gptlite.lock import try_lock
from gptlite.outputs import output_file, output_folder
from gptlite.texts import read_documents
from vocabularies import SMALL, STORY


class Windows:
    """A file system as Windows has it: what is open is neither renamed nor removed nor replaced."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.locked: set[int] = set()
        monkeypatch.setattr(sys, "platform", "win32")
        locks = types.SimpleNamespace(LK_NBLCK=2, locking=self.locking)
        monkeypatch.setitem(sys.modules, "msvcrt", locks)
        monkeypatch.setitem(sys.modules, "fcntl", None)
        replace, unlink = os.replace, Path.unlink

        def refuse_open(*paths: Any) -> None:
            opened = {os.path.realpath(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")}
            for path in paths:
                if os.path.realpath(path) in opened:
                    raise PermissionError(13, "it is open", os.fspath(path))

        def replacing(source: Any, target: Any) -> None:
            refuse_open(source, target)
            replace(source, target)

        def unlinking(path: Path, missing_ok: bool = False) -> None:
            refuse_open(path)
            unlink(path, missing_ok=missing_ok)

        monkeypatch.setattr(os, "replace", replacing)
        monkeypatch.setattr(Path, "unlink", unlinking)

    def locking(self, number: int, mode: int, n_bytes: int) -> None:
        node = os.fstat(number).st_ino
        if node in self.locked:
            raise PermissionError(13, "locked by another")
        self.locked.add(node)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Windows:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc to see open files in")
    return Windows(monkeypatch)


@pytest.mark.usefixtures("windows")
def test_files_are_written_where_nothing_open_is_renamed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for content in (b"one", b"two"):
        with write_atomically(path) as file:
            file.write(content)
        assert path.read_bytes() == content and os.listdir(tmp_path) == ["x"]
    with pytest.raises(KeyError), write_atomically(path) as file:
        raise KeyError
    assert path.read_bytes() == b"two" and os.listdir(tmp_path) == ["x"]
    with open(path, "rb"), pytest.raises(PermissionError) as caught, write_atomically(path) as file:
        file.write(b"three")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"two" and os.listdir(tmp_path) == ["x"]


def test_locks_are_those_of_windows(windows: Windows, tmp_path: Path) -> None:
    out, page = tmp_path / "out", tmp_path / "page"
    refused = pytest.raises(ValueError, match="another process is writing there")
    with output_folder(out, "whole"), refused, output_folder(out, "whole"):
        raise AssertionError("it was taken")
    refused = pytest.raises(ValueError, match="another process is writing it")
    with output_file(page), refused, output_file(page):
        raise AssertionError("it was taken")
    assert windows.locked


def test_a_python_without_locks_writes_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with open(tmp_path / "lock", "wb") as file:
        assert try_lock(file) is None
    SMALL.save_pretrained(tmp_path)
    with output_folder(tmp_path / "out", "whole"), output_file(tmp_path / "page"):
        pass
    assert Tokenizer.from_pretrained(tmp_path).encode(STORY) == SMALL.encode(STORY)


def test_files_that_an_editor_gave_the_line_ends_of_windows(tmp_path: Path) -> None:
    SMALL.save_pretrained(tmp_path)
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert Tokenizer.from_pretrained(tmp_path).merges == SMALL.merges
    (tmp_path / "a.txt").write_bytes(b"One.\r\n<|endoftext|>\r\nTwo.\r\n")
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "One."}\r\n\r\n{"text": "Two."}\r\n')
    for name in ("a.txt", "a.jsonl"):
        assert [text.strip() for text in read_documents(tmp_path / name).texts] == ["One.", "Two."]


@pytest.mark.parametrize("revision", ["v1.", "v1..", "Main", "con", "a:b", "a\\b", "..", "nul.txt"])
def test_a_revision_is_a_folder_of_its_own_everywhere(revision: str) -> None:
    """Windows drops a full stop at the end of a name: another revision would be taken for it."""
    name = canonical_name(f"gpt2@{revision}")
    assert name in (None, f"gpt2@{revision}")
    assert (name is None) == (revision in ("v1.", "v1..", "a:b", "a\\b", ".."))
