"""The table of the official models: names, addresses, and what a file must be."""

import dataclasses
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from gptlite.checkpoints.tensorflow.openai import write_openai
from gptlite.checkpoints.tensorflow.sstable import read_table, write_table
from gptlite.checkpoints.tensorflow.tensorbundle import HEADER, build_index, read_index
from gptlite.config import GPT1, PRESETS, GPTConfig
from gptlite.download.official import (
    SOURCES,
    OfficialFile,
    canonical_name,
    check_file,
    most_bytes,
    required_name,
)
from gptlite.errors import CheckpointError
from gptlite.model import GPT

DATA, INDEX = OfficialFile("model.ckpt.data-00000-of-00001"), OfficialFile("model.ckpt.index")


@pytest.mark.parametrize(
    ("name", "aliases"),
    {
        "gpt2": "gpt2 small 124M 117M openai-community/gpt2",
        "gpt2-medium": "gpt2-medium medium 355M 345M openai-community/gpt2-medium",
        "gpt2-large": "gpt2-large large 774M openai-community/gpt2-large",
        "gpt2-xl": "gpt2-xl xl 1558M openai-community/gpt2-xl",
    }.items(),
)
def test_every_name_of_a_model(name: str, aliases: str) -> None:
    for alias in aliases.split():
        assert canonical_name(alias) == required_name(alias) == name


def test_gpt1_has_a_commit_of_the_hub_in_its_name() -> None:
    for alias in ("openai-gpt", "openai-community/openai-gpt"):
        name, at, commit = required_name(alias).partition("@")
        assert (name, at) == ("openai-gpt", "@") and re.fullmatch("[0-9a-f]{40}", commit)
        assert canonical_name(f"{alias}@main") == "openai-gpt@main"
        assert canonical_name(required_name(alias)) == required_name(alias)
    assert 4 * GPT1.n_params < most_bytes(required_name("openai-gpt"), "model.safetensors") < 6e8


@pytest.mark.parametrize("name", ["", "gpt3", "GPT2", "storyteller", "gpt2 ", "1.5B", "gpt2/xl"])
def test_other_names(name: str) -> None:
    assert canonical_name(name) is None
    with pytest.raises(
        ValueError, match=r"unknown model .*gpt2, gpt2-medium, gpt2-large, gpt2-xl, "
    ):
        required_name(name)


def test_the_table() -> None:
    assert list(SOURCES) == list(PRESETS)
    for hub, openai in SOURCES.values():
        assert [file.name for file in hub.files] == [
            *("config.json", "merges.txt", "vocab.json", "model.safetensors")
        ]
        assert [file.name for file in openai.files] == [
            *("hparams.json", "model.ckpt.index", "vocab.bpe", "encoder.json", DATA.name)
        ]
        # The tokenizer is the same everywhere; the hub's files all have a checksum.
        assert hub.files[1][1:] == openai.files[2][1:] == SOURCES["gpt2"][0].files[1][1:]
        assert hub.files[2][1:] == openai.files[3][1:] == SOURCES["gpt2"][0].files[2][1:]
        assert all(re.fullmatch("[0-9a-f]{64}", file.checksum or "") for file in hub.files)
    checksums = {file.checksum for sources in SOURCES.values() for s in sources for file in s.files}
    assert len(checksums - {None}) == 2 + 4 + 4 + 1


def test_the_tokenizer_s_files(shared: Path) -> None:
    for file in SOURCES["gpt2"][1].files[2:4]:
        path = shared / "gpt2-tokenizer" / file.name
        check_file("gpt2", file, path, path.parent)
        hub = next(f for f in SOURCES["gpt2-xl"][0].files if f.checksum == file.checksum)
        check_file("gpt2-xl", hub, path, path.parent)


def test_sizes_of_the_weights_follow_from_the_shapes() -> None:
    for name, (_, openai) in SOURCES.items():
        size = openai.files[-1].size
        assert size in (None, 4 * PRESETS[name].n_params)


def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HF_ENDPOINT", "GPTLITE_OPENAI_URL"):
        monkeypatch.delenv(variable, raising=False)
    hub, openai = SOURCES["gpt2-medium"]
    at = "openai-community/gpt2-medium/resolve/6dcaa7a952f72f9298047fd5137cd6e4f05f41da"
    assert hub.url("vocab.json") == f"https://huggingface.co/{at}/vocab.json"
    host = "https://openaipublic.blob.core.windows.net/gpt-2/models"
    assert openai.url("vocab.bpe") == f"{host}/355M/vocab.bpe"
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    monkeypatch.setenv("GPTLITE_OPENAI_URL", "http://other.example/a//")
    assert hub.url("x") == f"https://mirror.example/{at}/x"
    assert openai.url("x") == "http://other.example/a/355M/x"
    monkeypatch.setenv("HF_ENDPOINT", "")
    assert hub.url("x").startswith("https://huggingface.co/")


# ---- What a file must be ------------------------------------------------------------------------


def refusal(file: OfficialFile, path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        check_file("gpt2", file, path, path.parent)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_size_and_sha256(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    good = hashlib.sha256(b"abc").hexdigest()
    check_file("gpt2", OfficialFile("x", 3, good), path, tmp_path)
    assert refusal(OfficialFile("x", 4, good), path) == f"{path}: expected 4 bytes, found 3"
    other = "0" * 64
    message = f"{path}: expected sha256 {other}, found {good}"
    assert refusal(OfficialFile("x", 3, other), path) == message


TINY = GPTConfig(n_vocab=300, n_ctx=9, n_embd=64, n_head=2, n_layer=1)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A tiny model as OpenAI publishes its own."""
    write_openai(tmp_path, TINY, GPT.init(TINY).parameters)
    return tmp_path


def test_hparams(published: Path) -> None:
    path = published / "hparams.json"
    file = OfficialFile("hparams.json")
    assert "expected the sizes of gpt2, found GPTConfig(n_vocab=300," in refusal(file, path)
    sizes = '"n_vocab": 50257, "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12'
    path.write_text("{" + sizes + ', "more": null}')
    check_file("gpt2", file, path, published)
    path.write_text("<html></html>")
    assert "not valid JSON" in refusal(file, path)


def test_a_bit_that_flipped_in_the_weights_is_found_under_any_name(published: Path) -> None:
    check_file("gpt2", DATA, published / DATA.name, published)
    part = (published / DATA.name).rename(published / "x.part")
    check_file("gpt2", DATA, part, published)
    good = part.read_bytes()
    rng = np.random.default_rng(0)
    for at in [0, len(good) - 1, *rng.integers(0, len(good), 40)]:
        data = bytearray(good)
        data[at] ^= 1 << int(rng.integers(8))
        part.write_bytes(data)
        assert re.search(r"x\.part: tensor 'model/.* expected crc32c", refusal(DATA, part))
    part.write_bytes(good[:-1])
    assert "the file ends within it" in refusal(DATA, part)
    part.write_bytes(good + b"?")
    assert f"expected {len(good):,} bytes (model.ckpt.index says so)" in refusal(DATA, part)


def test_the_index_of_another_model(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index sound by itself: with its own weights beside it, every checksum would be right."""
    index = published / INDEX.name
    assert "expected 12 blocks (n_layer), found variables of 1" in refusal(INDEX, index)
    wider = dataclasses.replace(TINY, n_embd=66)
    monkeypatch.setitem(PRESETS, "gpt2", wider)
    assert "tensor 'model/wte': expected shape [300, 66]" in refusal(INDEX, index)
    monkeypatch.setitem(PRESETS, "gpt2", TINY)
    check_file("gpt2", INDEX, index, published)
    _, records = read_index(index)
    index.write_bytes(build_index([*records.items(), ("model/x", records["model/wte"])]))
    assert "expected 16 variables in 1 shard, found 17 in 1" in refusal(INDEX, index)
    two_shards = [(b"", b"\x08\x02" + HEADER[2:]), *read_table(build_index(records.items()))[1:]]
    index.write_bytes(write_table(two_shards))
    assert "expected 16 variables in 1 shard, found 16 in 2" in refusal(INDEX, index)


def test_a_damaged_index(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "gpt2", TINY)
    check_file("gpt2", INDEX, published / INDEX.name, published)
    good = (published / INDEX.name).read_bytes()
    for data in (b"", good[:-1], good[:50] + b"\xff" + good[51:], b"<html>" * 100):
        (published / INDEX.name).write_bytes(data)
        assert refusal(INDEX, published / INDEX.name).startswith(str(published / INDEX.name))
        assert "model.ckpt.index: " in refusal(DATA, published / DATA.name)


def test_every_file_of_known_size_is_within_its_bound() -> None:
    for name, sources in SOURCES.items():
        for source in sources:
            for file in source.files:
                assert (
                    (file.size or 0)
                    < most_bytes(name, file.name)
                    == most_bytes(f"{name}@main", file.name)
                )
    # Of the larger sizes the weights are not known to the byte: their tensors and masks are.
    for name, config in PRESETS.items():
        masks = config.n_layer * 4 * config.n_ctx**2
        assert 4 * config.n_params + masks < most_bytes(name, "model.safetensors") < 8e9
