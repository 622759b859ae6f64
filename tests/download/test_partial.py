"""Bytes that an earlier attempt left: resumed, or given up."""

from pathlib import Path

import pytest

from gptlite.download.partial import PartialFile
from servers import DATA, Server, failure, success

pytestmark = pytest.mark.usefixtures("waits")


def test_a_complete_part_is_only_checked(server: Server, path: Path) -> None:
    """Killed between the last byte and the new name."""
    server.faults += [{"cut": 1000}, {"status": 404}]
    failure(server, path)
    with open(path.parent / "x.part", "ab") as file:
        file.write(DATA[1000:])
    assert success(server, path) == []


def test_a_complete_part_whose_length_was_not_told(server: Server, path: Path) -> None:
    path.parent.mkdir()
    (path.parent / "x.part").write_bytes(DATA)
    about = f'{{"url": "{server.url}/x", "etag": "\\"one\\"", "total": null, "md5": null}}'
    (path.parent / "x.part.json").write_text(about)
    assert success(server, path) == ["bytes=4000-"]


@pytest.mark.parametrize(
    "about",
    [
        *("", "{", "[]", "null", '{"url": 3}', '{"url": "%s/x", "more": 1}'),
        '{"url": "%s/y", "etag": "\\"one\\"", "total": 4000, "md5": null}',
        '{"url": "%s/x", "etag": "\\"o\\nne\\"", "total": 4000, "md5": null}',
        '{"url": "%s/x", "etag": "\\"one\\"", "total": 4e3, "md5": null}',
    ],
)
def test_a_note_that_is_damaged_or_of_another_address(
    server: Server, path: Path, about: str
) -> None:
    server.faults += [{"cut": 1000}, {"status": 404}]
    failure(server, path)
    (path.parent / "x.part.json").write_text(about.replace("%s", server.url))
    assert success(server, path) == [None]


def test_a_damaged_beginning_is_found(server: Server, path: Path) -> None:
    """The checksum is of the whole file, including what came long ago."""
    server.faults += [{"cut": 1000}, {"status": 404}]
    failure(server, path)
    (path.parent / "x.part").write_bytes(b"?" + DATA[1:1000])
    assert success(server, path) == ["bytes=1000-", None]


def test_a_part_that_is_too_long(server: Server, path: Path) -> None:
    server.faults += [{"cut": 1000}, {"status": 404}]
    failure(server, path)
    (path.parent / "x.part").write_bytes(DATA + b"?")
    assert success(server, path) == [None]


def test_a_link_is_not_followed(server: Server, path: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    for name in ("x.part", "x.part.json"):
        mine.write_text("mine")
        path.parent.mkdir(exist_ok=True)
        (path.parent / name).symlink_to(mine)
        assert success(server, path) == [None]
        assert mine.read_text() == "mine"
        path.unlink()
    partial = PartialFile("", path)
    partial.path.symlink_to(mine)
    with pytest.raises(OSError, match="x\\.part"):
        partial.open_to_append()
