"""A disk without room, interruptions, and several processes at once."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gptlite.download import fetching
from gptlite.download.fetching import StorageError, fetch_file
from servers import DATA, SHA, Server, failure, names, success, wait_until

pytestmark = pytest.mark.usefixtures("waits")

# ---- The disk ------------------------------------------------------------------------------------


def test_a_full_disk(server: Server, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(path.parent.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3999))
    for size in (len(DATA), None):
        text = failure(server, path, size)
        assert "expected 4,000 bytes of free disk space" in text and "found 3,999" in text
    assert names(path.parent) == set()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=4000))
    server.faults += [{"cut": 1000}, {"status": 404}]
    failure(server, path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3000))
    assert success(server, path) == ["bytes=1000-"]  # what is there needs no room again


def test_a_disk_that_fills_up_later(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(file: Any, chunk: bytes, real: Callable[..., None] = fetching._write) -> None:
        if file.tell() >= 2000:
            raise OSError(28, "No space left on device")
        real(file, chunk)

    with monkeypatch.context() as patch:
        patch.setattr(fetching, "_write", write)
        with pytest.raises(StorageError, match=r"cannot be written to .*No space left"):
            fetch_file(f"{server.url}/x", path, len(DATA), SHA)
    assert names(path.parent) == set()  # what had come would keep the disk full
    assert success(server, path) == [None]


def test_a_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be written"):
        fetch_file(f"{server.url}/x", tmp_path / "file" / "x", len(DATA), SHA)
    assert not server.seen


def test_ctrl_c_keeps_what_has_come(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(file: Any, chunk: bytes, real: Callable[..., None] = fetching._write) -> None:
        if file.tell() >= 2000:
            raise KeyboardInterrupt
        real(file, chunk)

    with monkeypatch.context() as patch:
        patch.setattr(fetching, "_write", write)
        with pytest.raises(KeyboardInterrupt):
            fetch_file(f"{server.url}/x", path, len(DATA), SHA)
    assert names(path.parent) == {"x.part", "x.part.json"}
    assert success(server, path) == ["bytes=2000-"]


# ---- Several processes ---------------------------------------------------------------------------


def start(server: Server, path: Path) -> "subprocess.Popen[str]":
    code = (
        "import sys; from pathlib import Path; from gptlite.download import fetching as d; "
        "d.CHUNK = 100; d.fetch_file(sys.argv[1], Path(sys.argv[2]), 4000, sys.argv[3])"
    )
    command = [sys.executable, "-c", code, f"{server.url}/x", str(path), SHA]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_killed_in_the_middle(server: Server, path: Path) -> None:
    server.faults += [{"stall": 2000}]
    part = path.parent / "x.part"
    with start(server, path) as process:
        wait_until(lambda: part.exists() and part.stat().st_size == 2000)
        process.kill()
        process.communicate()
    assert names(path.parent) == {"x.part", "x.part.json"}
    assert success(server, path) == ["bytes=2000-"]  # the lock has gone with the process


def test_two_processes_at_once(server: Server, path: Path) -> None:
    server.faults += [{"stall": 2000}]
    with start(server, path) as first:
        wait_until(lambda: (path.parent / "x.part").exists())
        with start(server, path) as second:
            line = second.stderr.readline() if second.stderr else ""
            assert "waiting for another process" in line
            assert not path.exists()
            server.go_on.set()
            for process in (first, second):
                assert process.communicate()[1] == "" and process.returncode == 0
    assert path.read_bytes() == DATA
    assert len(server.seen) == 1


def test_threads_wait_for_one_another(server: Server, path: Path) -> None:
    server.faults += [{"stall": 2000}]
    threads = [
        threading.Thread(target=fetch_file, args=(f"{server.url}/x", path, 4000, SHA))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(server.seen) == 1)
    server.go_on.set()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == DATA and len(server.seen) == 1
