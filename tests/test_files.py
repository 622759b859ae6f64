"""Files that are there whole or not at all, and never in the place of something else."""

import errno
import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gptlite.errors import CheckpointError
from gptlite.files import expect_file, read_small, write_atomically


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


# ---- Several writers, and what they leave --------------------------------------------------------


def test_threads_that_write_one_file_leave_one_content(tmp_path):
    path, contents = tmp_path / "file", [bytes([n]) * 50_000 for n in range(8)]

    def write(content):
        for _ in range(20):
            with write_atomically(path) as file:
                file.write(content[:100])
                file.write(content[100:])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, contents))
    finally:
        sys.setswitchinterval(interval)
    assert path.read_bytes() in contents and os.listdir(tmp_path) == ["file"]


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    code = (
        "import sys; from gptlite.files import write_atomically\n"
        "with write_atomically(sys.argv[1]) as file:\n"
        "    file.write(b'half'); file.flush(); print(end='x', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    others = [".file.12.tmp", ".other.12.tmp", ".file.12.tmp.txt", ".file.x.tmp"]
    for name in others:
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (0, 0))
    os.mkfifo(tmp_path / ".file.13.tmp")
    (tmp_path / ".file.14.tmp").symlink_to(tmp_path / "nowhere")
    with subprocess.Popen(command, **pipes) as writer:
        writer.stdout.read(1)
        (half,) = tmp_path.glob(".file.*-*.tmp")
        os.utime(half, (0, 0))
        with write_atomically(path) as file:
            file.write(b"whole")
        assert half.exists()  # somebody is writing it
        writer.kill()
        writer.wait()
    for moment in (30, 90):
        assert half.exists()
        os.utime(half, (time.time() - moment,) * 2)
        with write_atomically(path) as file:
            file.write(b"again")
    left = [*others[1:], ".file.13.tmp", ".file.14.tmp", "file"]
    assert sorted(os.listdir(tmp_path)) == sorted(left)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_a_disk_that_is_full_is_said_of_the_file(tmp_path, number):
    path = tmp_path / "file"
    with pytest.raises(OSError, match=f": '{path}'") as caught, write_atomically(path):
        raise OSError(number, os.strerror(number))
    assert caught.value.errno == number and os.listdir(tmp_path) == []


def test_an_error_of_something_else_is_not_said_of_the_file(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(FileNotFoundError, match="'elsewhere'"), write_atomically(path):
        raise FileNotFoundError(errno.ENOENT, "No such file", "elsewhere")
    with pytest.raises(OSError, match="no number") as caught, write_atomically(path):
        raise OSError("no number")
    assert caught.value.filename is None
    with pytest.raises(FileNotFoundError, match=f"'{path}/x'"), write_atomically(path / "x"):
        raise AssertionError("it was opened")


# ---- Small files --------------------------------------------------------------------------------


def test_a_small_file_is_read_up_to_its_bound(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_small(path, 5) == b"12345"
    with pytest.raises(CheckpointError, match=r"file: expected at most 4 bytes, found 5$"):
        read_small(path, 4)
    with open(path, "wb") as file:
        file.truncate(1 << 40)  # which takes up no room on the disk
    with pytest.raises(CheckpointError, match=r"expected at most 4 bytes, found 1,099,511,627,776"):
        read_small(path, 4)
    with pytest.raises(FileNotFoundError):
        read_small(tmp_path / "nothing", 4)


def test_what_might_never_end_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, "/dev/zero"):
        with pytest.raises(OSError, match="expected a file, found something else"):
            read_small(path, 4)
