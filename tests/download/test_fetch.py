"""An official model: found on this machine, or fetched from the first source that has it."""

import errno
import re
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gptlite
from gptlite.download import __main__ as door
from gptlite.download.fetch import fetch_model, fetch_tokenizer, verify_model
from gptlite.download.fetching import StorageError, fetch_file
from gptlite.download.official import SOURCES, required_name
from gptlite.download.places import hub_home, model_folder
from gptlite.errors import CheckpointError, DownloadError
from gptlite.model import GPT
from servers import REVISION, SERVED, SHA, Server, break_source, files_of, names

pytestmark = pytest.mark.usefixtures("waits")


def test_load_fetches_once(hosts: Server, tmp_path: Path, capsys: Any) -> None:
    model, tokenizer = gptlite.load("gpt2")
    assert capsys.readouterr().out == ""
    expected = GPT.from_pretrained(tmp_path / "published" / "hub")
    for name, array in expected.parameters.items():
        assert np.array_equal(model.parameters[name], array)
    assert tokenizer.n_vocab == 260
    hub, _ = SOURCES["gpt2"]
    assert [at.rpartition("/")[2] for at in hosts.paths] == files_of(hub)  # the weights last
    assert names(model_folder("gpt2")) == set(files_of(hub))
    for alias in ("gpt2", "small", "124M", "117M", "openai-community/gpt2"):
        gptlite.load(alias)
    assert len(hosts.paths) == 4
    assert capsys.readouterr() == ("", "")
    assert verify_model("gpt2") == model_folder("gpt2")


@pytest.mark.parametrize("how", ["unreachable", "damaged", "gone", "page"])
def test_the_second_source(
    hosts: Server, how: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "unreachable":
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
    elif how == "damaged":
        break_source(hosts, "hub", "model.safetensors")
    elif how == "gone":
        hosts.faults += [{}, {}, {"status": 404}]
    else:
        hosts.faults += [{"body": b"<html>", "headers": {"Content-Type": "text/html"}}]
    model, tokenizer = gptlite.load("gpt2")
    assert (model.config, tokenizer.n_vocab) == (SERVED, 260)
    _, openai = SOURCES["gpt2"]
    here = {name for name in names(model_folder("gpt2")) if ".part" not in name}
    assert here >= set(files_of(openai)) and "model.safetensors" not in here
    errors = capsys.readouterr().err
    hub_answered = how in ("damaged", "gone")  # a line is printed when a file begins to come
    assert ("fetched from Hugging Face" in errors) == hub_answered
    assert ("fetched from OpenAI" in errors and "/config.json: " in errors) or hub_answered
    assert verify_model("gpt2") == model_folder("gpt2")


@pytest.mark.parametrize("file", ["hparams.json", ".index", ".data-00000-of-00001", "vocab.bpe"])
def test_no_source_is_right(hosts: Server, file: str) -> None:
    first = break_source(hosts, "hub", "vocab.json")
    second = break_source(hosts, "openai", file)
    if file == "hparams.json":  # still JSON, of another size
        hosts.files[second] = hosts.files[second].replace(b'"n_layer": 1', b'"n_layer": 2')
    with pytest.raises(DownloadError) as caught:
        fetch_model("gpt2")
    assert first in str(caught.value) and second in str(caught.value)
    assert second.rpartition("/")[2] not in names(model_folder("gpt2"))
    with pytest.raises(CheckpointError, match=r"gpt2: expected in .*found in none"):
        verify_model("gpt2")


def test_a_full_disk_is_full_for_every_source(
    hosts: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=500)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StorageError, match="free disk space") as caught:
        fetch_model("gpt2")
    assert "openai/" not in str(caught.value)


def test_hugging_face_s_cache_is_used_and_not_touched(hosts: Server, capsys: Any) -> None:
    hub, _ = SOURCES["gpt2"]
    place = hub_home() / "models--gpt2" / "snapshots" / REVISION
    place.mkdir(parents=True)
    for file in hub.files:
        (place / file.name).write_bytes(hosts.files[f"/hub/{hub.folder}/{file.name}"])

    def state() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in hub_home().rglob("*")}

    before = state()
    gptlite.load("gpt2")
    assert fetch_tokenizer() == verify_model("gpt2") == place
    assert str(place) in capsys.readouterr().err
    assert not hosts.paths and state() == before and not model_folder("gpt2").exists()
    (place / "model.safetensors").write_bytes(bytes(hub.files[-1].size or 0))
    with pytest.raises(CheckpointError, match=r"model\.safetensors: expected sha256"):
        verify_model("gpt2")


@pytest.mark.parametrize("how", ["load", "command"])
def test_hugging_face_s_cache_without_a_tokenizer(
    hosts: Server, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, _ = SOURCES["gpt2"]
    place = hub_home() / "models--gpt2" / "snapshots" / REVISION
    place.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (place / name).write_bytes(hosts.files[f"/hub/{hub.folder}/{name}"])
    if how == "load":
        model, tokenizer = gptlite.load("gpt2")
        assert (model.config, tokenizer.n_vocab) == (SERVED, 260)
    else:
        assert door.main(["gpt2"]) == 0
    assert [at.rpartition("/")[2] for at in hosts.paths] == ["merges.txt", "vocab.json"]
    assert names(place) == {"config.json", "model.safetensors"}
    assert verify_model("gpt2") == place
    monkeypatch.setenv("GPTLITE_OFFLINE", "1")
    assert gptlite.load("gpt2")[1].n_vocab == 260
    (place / "config.json").write_bytes(bytes(hub.files[0].size or 0))
    with pytest.raises(CheckpointError, match=r"config\.json: expected sha256"):
        verify_model("gpt2")


def test_verify_finds_what_has_changed_since(hosts: Server) -> None:
    break_source(hosts, "hub", "config.json")
    folder = fetch_model("gpt2")
    for file in SOURCES["gpt2"][1].files:
        good = (folder / file.name).read_bytes()
        bad = bytearray(good)
        bad[len(bad) // 2] ^= 1
        (folder / file.name).write_bytes(bad)
        with pytest.raises(CheckpointError, match=r"gpt2.[a-z.]*.*delete that file, and it is fet"):
            verify_model("gpt2")
        (folder / file.name).unlink()
        assert fetch_model("gpt2") == folder and (folder / file.name).read_bytes() == good
    assert verify_model("gpt2") == folder


def test_a_model_without_a_tokenizer_gets_gpt2_s(
    hosts: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    GPT.init(SERVED).save_pretrained(tmp_path / "mine")
    with monkeypatch.context() as patch:
        patch.setenv("GPTLITE_OFFLINE", "1")
        with pytest.raises(DownloadError, match=r"^the tokenizer of gpt2: expected in .*OFFLINE"):
            gptlite.load(tmp_path / "mine")
    _, tokenizer = gptlite.load(tmp_path / "mine")
    assert tokenizer.n_vocab == 260
    assert "gptlite: the tokenizer of gpt2 is fetched from Hug" in capsys.readouterr().err
    assert names(model_folder("gpt2")) == {"vocab.json", "merges.txt"}
    gptlite.load(tmp_path / "mine")
    assert len(hosts.paths) == 2
    fetch_model("gpt2")  # which need not fetch these again
    assert len(hosts.paths) == 4


@pytest.mark.parametrize("variable", ["GPTLITE_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
@pytest.mark.parametrize("value", ["1", "on", "Yes", "TRUE"])
def test_offline(
    hosts: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    opened: list[str] = []
    monkeypatch.setenv(variable, value)
    with monkeypatch.context() as patch:
        for name in ("socket", "create_connection", "getaddrinfo"):
            patch.setattr(socket, name, lambda *_, name=name, **__: opened.append(name))
        for place in (tmp_path / "home" / "gpt2", tmp_path / "hf" / "hub" / "models--gpt2"):
            with pytest.raises(DownloadError, match=variable) as caught:
                gptlite.load("gpt2")
            assert str(place) in str(caught.value)
        with pytest.raises(DownloadError, match=variable):
            fetch_tokenizer()
        with pytest.raises(DownloadError, match=variable):
            fetch_file(f"{hosts.url}/x", tmp_path / "x", 4000, SHA)
    assert not opened and not hosts.paths
    assert not (tmp_path / "home").exists()
    monkeypatch.setenv(variable, "0")
    assert fetch_model("gpt2") == model_folder("gpt2")
    monkeypatch.setenv(variable, value)
    assert fetch_model("gpt2") == model_folder("gpt2")


def test_a_page_in_a_browser_fetches_nothing(
    hosts: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "emscripten")
    for name in ("ssl", "requests"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it is an ImportError
    for load in (
        lambda: gptlite.load("gpt2"),
        lambda: gptlite.load("gpt2@main"),
        fetch_tokenizer,
        lambda: fetch_file(f"{hosts.url}/x", tmp_path / "x", 4000, SHA),
    ):
        with pytest.raises(DownloadError, match="because Python in a browser has no network"):
            load()
    assert not hosts.paths


# ---- Without a network ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["no name", "no way"])
def test_without_a_network_one_line_says_so_at_once(
    how: str, waits: list[float], capfd: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(*_: Any, **__: Any) -> Any:
        if how == "no name":
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443))]

    def connect(*_: Any) -> None:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket.socket, "connect", connect)
    assert door.main(["gpt2"]) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and not caplog.records
    assert err.startswith("gptlite download: error: gpt2: expected in ")
    assert "there is no network: huggingface.co: " in err and len(err) < 900
    assert "openaipublic.blob.core.windows.net: " in err
    assert err.count("name resolution" if how == "no name" else "Network is unreachable") == 2
    assert waits == [0.5, 0.5]
    for name in ("gpt2@main", required_name("openai-gpt")):  # the hub is asked for their files
        with pytest.raises(DownloadError) as caught:
            fetch_model(name)
        place = re.escape(str(model_folder(name)))
        said = rf"{name}: expected in {place}, .*; and there is no network: huggingface\.co: .*"
        assert re.fullmatch(said, str(caught.value))


def test_a_network_that_is_lost_on_the_way_is_waited_for(
    hosts: Server, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of the file has come: there was a network, and there will be one again."""
    looked_up, real = [], socket.getaddrinfo

    def look_up(*args: Any, **options: Any) -> Any:
        looked_up.append(args)
        if 2 <= len(looked_up) <= 5:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    hosts.faults += [{"cut": 200}]
    assert fetch_model("gpt2") == model_folder("gpt2")
    assert waits == [1, 1, 2, 4, 8]


# ---- Passwords ----------------------------------------------------------------------------------


def test_a_password_is_used_and_told_to_nobody(
    hosts: Server, capsys: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{hosts.url}/hub".replace("://", "://me:s%65cret%40@")
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.setenv(
        "GPTLITE_OPENAI_URL", f"{hosts.url.replace('127.0.0.1', 'localhost')}/openai"
    )
    hosts.faults += [{"cut": 10}, {"status": 404}, {"status": 404}]
    with pytest.raises(DownloadError) as caught:
        fetch_model("gpt2")
    kept = [path.read_text() for path in model_folder("gpt2").glob("*.json")]
    assert len(kept) == 1 and hosts.seen[0]["Authorization"] == "Basic bWU6c2VjcmV0QA=="
    for text in (str(caught.value), capsys.readouterr().err, caplog.text, *kept):
        assert text and "cret" not in text and "me:" not in text
    assert "Authorization" not in hosts.seen[2]  # another host
