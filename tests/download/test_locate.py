"""The door: names, paths, and anything else."""

import importlib
import os
import re
from pathlib import Path
from typing import Any

import pytest

import gptlite
from gptlite.checkpoints import write_checkpoint
from gptlite.download.locate import locate, locate_vocabulary
from gptlite.download.places import model_folder
from gptlite.errors import CheckpointError
from servers import Server
from tiny_checkpoints import TINY, tiny

pytestmark = pytest.mark.usefixtures("waits")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "model", TINY, tiny())
    return tmp_path / "model"


def test_the_storyteller_is_the_default() -> None:
    assert locate() == locate(None) == locate("storyteller")
    assert locate().parts[-2:] == ("gptlite", "storyteller")
    assert locate().is_absolute()


def test_directories_and_files_are_themselves(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = saved / "model.safetensors"
    assert locate(saved) == locate(str(saved)) == saved
    assert locate(weights) == locate(str(weights)) == weights
    monkeypatch.chdir(saved.parent)
    assert locate("model") == locate(Path("model")) == Path("model")
    monkeypatch.setenv("HOME", str(saved.parent))
    assert locate("~/model") == saved


@pytest.mark.parametrize("name", ["small", "gpt2", "large", "124M", "gpt2@main"])
def test_a_directory_wins_over_a_known_name_and_that_is_said(
    name: str,
    hosts: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What ``pretrain --out small`` wrote is what ``--model small`` opens."""
    monkeypatch.chdir(tmp_path)
    write_checkpoint(tmp_path / name, TINY, tiny())
    for door in (locate, locate_vocabulary):
        assert door(name) == Path(name)
        said = capsys.readouterr().err
        assert said.startswith(f"gptlite: {name} is the folder here, not OpenAI's (that is openai-")
        assert said.count("\n") == 1
        assert door(f"./{name}") == door(Path(name)) == Path(name)
        assert capsys.readouterr().err == ""
    assert gptlite.GPT.from_pretrained(name).config == TINY
    assert hosts.paths == []


def test_the_name_that_is_said_leads_to_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A clone of the hub's repository lies in a folder that is called like it, too."""
    monkeypatch.chdir(tmp_path)
    folders = ["openai-gpt", "openai-community/gpt2", "gpt2", "117M", "124M"]
    for folder in folders:
        Path(folder).mkdir(parents=True)
        assert locate(folder) == Path(folder)
    said = [re.search(r"\(that is (.*)\)$", line) for line in capsys.readouterr().err.splitlines()]
    found = [match and match[1] for match in said]
    assert found == ["openai-community/openai-gpt", "gpt2", "117M", "124M", "small"]
    Path("small").mkdir()
    assert locate("small") == Path("small")
    assert capsys.readouterr().err == "gptlite: small is the folder here, not OpenAI's\n"


def test_what_is_there_but_holds_no_model_is_not_called_missing(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    for name, what in {"link": "a link that", "loop": "a link that", "pipe": "something"}.items():
        with pytest.raises(CheckpointError, match=rf"{name}: expected a directory .*found {what}"):
            locate(str(tmp_path / name))


def test_one_s_own_storyteller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = locate()
    monkeypatch.chdir(shipped.parent)  # where the folder of that name is the one that ships
    assert locate("storyteller") == shipped and capsys.readouterr().err == ""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "storyteller").mkdir()
    assert locate("storyteller") == Path("storyteller")
    assert "storyteller is the folder here" in capsys.readouterr().err
    assert locate() == shipped


@pytest.mark.parametrize("name", ["gpt5", "", "story teller", "a\nb", "x" * 5000, "a\0b"])
def test_an_unknown_name(name: str) -> None:
    with pytest.raises(ValueError, match=r"unknown model .*'storyteller'.*directory") as caught:
        locate(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "./model",
        "nowhere/model",
        "~/no such model",
        "..x",
        "model.safetensors",
        "ckpt.pt",
        "gpt2.bin",
        "a/\0",
    ],
)
def test_a_path_where_nothing_is(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="no such directory or file"):
        locate(path)


def test_a_path_object_is_never_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="model: no such directory or file"):
        locate(Path("model"))


@pytest.mark.parametrize("thing", [3, b"model", ["model"]])
def test_what_is_neither_name_nor_path(thing: Any) -> None:
    with pytest.raises(TypeError):
        locate(thing)


def test_a_file_of_a_known_name_is_not_meant(
    hosts: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpt2").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert gptlite.download.locate("gpt2") == model_folder("gpt2")
    assert gptlite.download.locate("./gpt2") == Path("gpt2")
    with pytest.raises(ValueError, match=r"unknown model 'gpt5': expected .*gpt2, .*gpt2-xl"):
        gptlite.load("gpt5")


@pytest.mark.parametrize(
    ("given", "canonical"),
    [("345M", "gpt2-medium"), ("openai-community/gpt2-xl", "gpt2-xl"), ("small@main", "gpt2@main")],
)
def test_a_name_is_canonical_behind_the_door(
    given: str, canonical: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fetch(name: str) -> Path:
        asked.append(name)
        return tmp_path

    door = importlib.import_module("gptlite.download.locate")
    monkeypatch.setattr(door, "fetch_model", fetch)
    monkeypatch.setattr(door, "fetch_tokenizer", fetch)
    assert locate(given) == locate_vocabulary(given) == tmp_path
    assert asked == [canonical, canonical]
