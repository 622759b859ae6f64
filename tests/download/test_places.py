"""Folders that are searched: gptlite's own, and Hugging Face's cache, which is only read."""

import os
import sys
from pathlib import Path

import pytest

from gptlite.download.official import SOURCES, OfficialFile
from gptlite.download.places import (
    download_home,
    find_bare_model,
    find_model,
    find_tokenizer,
    hub_home,
    model_folder,
    searched,
)

PINNED = SOURCES["gpt2"][0].folder[-40:]
CURRENT = "0123456789abcdef" * 2 + "01234567"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No downloads of the machine's own, and files of a few bytes."""
    for variable in (
        *("GPTLITE_HOME", "LOCALAPPDATA", "XDG_CACHE_HOME"),
        *("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME"),
    ):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for name, sources in SOURCES.items():
        small = tuple(
            source._replace(
                files=tuple(OfficialFile(file.name, len(file.name)) for file in source.files)
            )
            for source in sources
        )
        monkeypatch.setitem(SOURCES, name, small)


def put(folder: Path, names: list[str]) -> Path:
    """Stand-ins of the right size."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(name)
    return folder


HUB, OPENAI = ([file.name for file in source.files] for source in SOURCES["gpt2"])


# ---- Where --------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has a place of its own")
def test_the_download_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert download_home() == tmp_path / ".cache" / "gptlite"
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "windows"))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert download_home() == tmp_path / ".cache" / "gptlite"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert download_home() == tmp_path / "xdg" / "gptlite"
    monkeypatch.setenv("GPTLITE_HOME", "~/own")
    assert download_home() == tmp_path / "own"
    assert model_folder("gpt2-xl") == tmp_path / "own" / "gpt2-xl"
    monkeypatch.setenv("GPTLITE_HOME", "")
    assert download_home() == tmp_path / "xdg" / "gptlite"


def test_the_download_folder_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert download_home() == tmp_path / "local" / "gptlite"


def test_hugging_face_s_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub_home() == tmp_path / ".cache" / "huggingface" / "hub"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert hub_home() == tmp_path / "xdg" / "huggingface" / "hub"
    monkeypatch.setenv("HF_HOME", "$HOME/a")
    assert hub_home() == tmp_path / "a" / "hub"
    monkeypatch.setenv("HUGGINGFACE_HUB_CACHE", "~/b")
    assert hub_home() == tmp_path / "b"
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "c"))
    assert hub_home() == tmp_path / "c"


# ---- What ---------------------------------------------------------------------------------------


def test_nothing(tmp_path: Path) -> None:
    assert find_model("gpt2") is None and find_tokenizer() is None
    assert not list(tmp_path.iterdir())
    assert [place.name for place in searched("gpt2")] == [
        *("gpt2", "models--openai-community--gpt2", "models--gpt2")
    ]


@pytest.mark.parametrize("names", [HUB, OPENAI, HUB + OPENAI])
def test_a_model_is_there_when_every_file_of_a_source_is(names: list[str]) -> None:
    folder = put(model_folder("gpt2"), names)
    assert find_model("gpt2") == find_tokenizer() == folder
    assert find_model("gpt2-medium") is None
    for name in names if names != HUB + OPENAI else []:
        (folder / name).unlink()
        assert find_model("gpt2") is None
        (folder / f"{name}.part").write_text(name)
        assert find_model("gpt2") is None
        (folder / name).mkdir()
        assert find_model("gpt2") is None
        (folder / name).rmdir()
        (folder / name).write_text(name[1:])
        assert find_model("gpt2") is None
        (folder / name).write_text(name)
        assert find_model("gpt2") == folder


@pytest.mark.parametrize("repository", ["models--openai-community--gpt2", "models--gpt2"])
@pytest.mark.parametrize("how", ["main", "main elsewhere", "pinned", "bad main"])
def test_a_model_in_hugging_face_s_cache(repository: str, how: str) -> None:
    place = hub_home() / repository
    folder = put(place / "snapshots" / (CURRENT if how == "main" else PINNED), HUB)
    main = {"main": CURRENT, "main elsewhere": CURRENT, "bad main": "../../x"}.get(how)
    if main is not None:
        (place / "refs").mkdir()
        (place / "refs" / "main").write_text(main)
    assert find_model("gpt2") == find_tokenizer() == folder
    own = put(model_folder("gpt2"), OPENAI)
    assert find_model("gpt2") == own


@pytest.mark.skipif(sys.platform == "win32", reason="there it has copies")
def test_its_files_are_links_which_may_be_broken() -> None:
    place = hub_home() / "models--openai-community--gpt2"
    blobs = put(place / "blobs", HUB)
    folder = put(place / "snapshots" / PINNED, [])
    for name in HUB:
        (folder / name).symlink_to(Path("../../blobs") / name)
    assert find_model("gpt2") == folder
    (blobs / "model.safetensors").rename(blobs / "model.safetensors.incomplete")
    assert find_model("gpt2") is None
    assert find_tokenizer() == folder


def test_hugging_face_s_cache_without_safetensors() -> None:
    names = ["config.json", "pytorch_model.bin", "vocab.json"]
    put(hub_home() / "models--gpt2" / "snapshots" / PINNED, names)
    assert find_model("gpt2") is None and find_tokenizer() is None


def test_hugging_face_s_cache_without_a_tokenizer() -> None:
    """Whoever has loaded only the model with its library has these two files."""
    names = ["config.json", "model.safetensors"]
    folder = put(hub_home() / "models--gpt2" / "snapshots" / PINNED, names)
    assert find_bare_model("gpt2") == folder
    assert find_model("gpt2") is None and find_tokenizer() is None
    (folder / "config.json").write_text("")
    assert find_bare_model("gpt2") is None
    put(folder, [*names, "vocab.json"])  # half a tokenizer would be taken for the model's own
    assert find_bare_model("gpt2") is None
    put(model_folder("gpt2"), names)
    assert find_bare_model("gpt2") is None


def test_a_tokenizer_of_any_size_will_do() -> None:
    folder = put(model_folder("gpt2-xl"), ["encoder.json"])
    assert find_tokenizer() is None
    put(folder, ["merges.txt"])  # the other half, but of the other source
    assert find_tokenizer() is None
    put(folder, ["vocab.bpe"])
    assert find_tokenizer() == folder


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX's permissions")
def test_a_cache_that_may_not_be_read_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put(model_folder("gpt2"), HUB)

    def denied(path: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    assert find_model("gpt2") == folder
    monkeypatch.setattr(os, "stat", denied)  # root may read everything
    assert find_model("gpt2") is None
