"""Files that are there whole or not at all, and never in the place of something else."""

import os
import stat
from pathlib import Path

import pytest

from gptlite.files import expect_file, write_atomically


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with write_atomically(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    with pytest.raises(KeyError), write_atomically(path) as file:
        file.write(b"half")
        raise KeyError
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == ["file"]


def test_a_pipe_stays_a_pipe(tmp_path):
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        refused = pytest.raises(FileExistsError, match=f"a device, pipe or socket: '{path}'")
        with refused, write_atomically(path):
            raise AssertionError("it was opened")
    assert stat.S_ISFIFO(pipe.lstat().st_mode) and link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe"]


def test_a_folder_stays_a_folder(tmp_path):
    refused = pytest.raises(IsADirectoryError, match=f"found a folder: '{tmp_path}'")
    with refused, write_atomically(tmp_path):
        raise AssertionError("it was opened")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["null", "stdout", "no-such-device"])
def test_names_of_devices_are_refused(name, monkeypatch):
    """Asked only, never written to: a test that fails must not take a device from the machine."""
    with pytest.raises(FileExistsError, match="found a device, pipe or socket"):
        expect_file(f"/dev/{name}")
    monkeypatch.chdir("/dev")
    with pytest.raises(FileExistsError, match="found a device, pipe or socket"):
        expect_file(name)


def test_a_file_and_a_name_that_is_free_are_right(tmp_path):
    expect_file(tmp_path / "new")
    Path(tmp_path / "old").touch()
    expect_file(tmp_path / "old")
