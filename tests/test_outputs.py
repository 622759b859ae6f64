"""Places to write to: what is there stays, unless it is a command's own or is to be replaced."""

import errno
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from gptlite.files import write_atomically
from gptlite.lock import locked
from gptlite.outputs import LOCK, check_file, check_folder, check_room, output_file, output_folder


def test_a_new_folder_and_an_empty_one_will_do(tmp_path: Path) -> None:
    for place in (tmp_path / "new" / "er", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with output_folder(place, "whole") as out:
            assert out == place and os.listdir(out) == [LOCK]
            (out / "whole").touch()
        assert os.listdir(place) == ["whole"]


def test_a_folder_with_anything_in_it_will_not(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    refused = pytest.raises(ValueError, match=f"{tmp_path} is not empty: choose another folder")
    with refused, output_folder(tmp_path, "whole"):
        raise AssertionError("it was taken")
    assert os.listdir(tmp_path) == ["notes.txt"]
    with output_folder(tmp_path, "whole", overwrite=True):
        (tmp_path / "whole").touch()
    assert sorted(os.listdir(tmp_path)) == ["notes.txt", "whole"]


def test_what_fails_before_it_has_written_leaves_nothing(tmp_path: Path) -> None:
    for place in (tmp_path / "new" / "er", tmp_path):
        with pytest.raises(KeyError), output_folder(place, "whole"):
            raise KeyError
        assert os.listdir(tmp_path) == []


def test_an_unfinished_folder_is_gone_on_with_and_a_whole_one_is_not(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyError), output_folder(out, "whole"):
        (out / "first").touch()
        raise KeyError
    assert sorted(os.listdir(out)) == [LOCK, "first"]
    with pytest.raises(KeyboardInterrupt), output_folder(out, "whole"):
        (out / "whole").touch()
        raise KeyboardInterrupt
    with pytest.raises(ValueError, match="is not empty"), output_folder(out, "whole"):
        raise AssertionError("it was taken")


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "import sys; from gptlite.outputs import output_folder\n"
        "with output_folder(sys.argv[1], 'whole'):\n"
        "    print(end='x', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdin
        other.stdout.read(1)
        for overwrite in (False, True):
            refused = pytest.raises(ValueError, match=f"{out}: another process is writing there")
            with refused, output_folder(out, "whole", overwrite):
                raise AssertionError("it was taken")
        (out / "first").touch()
        other.kill()
        other.wait()
    with output_folder(out, "whole"):  # the lock has gone with the process
        pass
    assert os.listdir(out) == ["first"]


def test_one_writer_of_a_file_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    code = (
        "import sys; from gptlite.outputs import output_file\nwith output_file(sys.argv[1]): pass"
    )
    other = [sys.executable, "-c", code, str(path)]
    with output_file(path):
        failed = subprocess.run(other, capture_output=True, text=True)
        assert f"ValueError: {path}: another process is writing it" in failed.stderr
        assert os.listdir(tmp_path) == [".results.json.lock"]
    assert os.listdir(tmp_path) == []
    with pytest.raises(KeyError), output_file(path):
        raise KeyError
    (tmp_path / ".results.json.lock").touch()  # left by a process that was killed
    with output_file(path):
        pass
    assert os.listdir(tmp_path) == []
    with (
        pytest.raises(FileNotFoundError, match="missing"),
        output_file(tmp_path / "missing" / "results.json"),
    ):
        raise AssertionError("it was taken")


def test_where_python_has_no_locks_a_folder_is_written_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("fcntl", "msvcrt"):
        monkeypatch.setitem(sys.modules, module, None)  # importing it is an ImportError
    with output_folder(tmp_path / "new", "whole") as out:
        (out / "whole").touch()
    with write_atomically(tmp_path / "file") as file:
        file.write(b"x")
    assert (tmp_path / "file").read_bytes() == b"x"
    with locked(tmp_path / "lock"):
        pass


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="expected a file to lock"), output_folder(tmp_path, "whole"):
        raise AssertionError("it was taken")
    assert not (tmp_path / "elsewhere").exists()


def test_a_place_without_a_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="must have a name"):
            check_folder("", "whole", overwrite)
        with pytest.raises(IsADirectoryError, match="expected the name of a file"):
            check_file("", b"mark", overwrite)


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for place in (tmp_path / "file", tmp_path / "file" / "below" / "it", tmp_path / "link"):
        with pytest.raises(OSError, match=f": '{place}'"):
            check_folder(place, "whole")


def test_a_file_is_replaced_by_its_own_kind_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    check_file(path, b"mark")
    path.touch()
    check_file(path, b"mark")  # nothing is lost
    path.write_bytes(b"<!-- mark -->" + bytes(9999))
    check_file(path, b"mark")
    path.write_bytes(b"# Read me")
    with pytest.raises(ValueError, match="file holds something else: choose another name"):
        check_file(path, b"mark")
    check_file(path, b"mark", overwrite=True)
    with pytest.raises(IsADirectoryError):
        check_file(tmp_path, b"mark", overwrite=True)


def test_room_is_asked_for_where_the_folder_will_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def usage(path: Path) -> object:
        asked.append(path)
        return namedtuple("Usage", "free")(1000)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    check_room(tmp_path / "new" / "er", 1000)
    message = "expected 1,001 bytes of free disk space, found 1,000: 'out'"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match=message) as caught:
        check_room("out", 1001)
    assert caught.value.errno == errno.ENOSPC and asked == [tmp_path, tmp_path]
