"""Formats: told by name and first bytes; and the one file of weights in a directory."""

import shutil
from pathlib import Path

import pytest

from gptlite.checkpoints import formats, read_checkpoint, safetensors
from gptlite.checkpoints.formats import SUFFIXES, Format, format_of
from gptlite.checkpoints.llmc import MAGIC
from gptlite.checkpoints.safetensors import write_tensors
from gptlite.checkpoints.stored import Contents
from gptlite.download.locate import locate
from tiny_checkpoints import refusal, same, tiny


def test_a_place_where_nothing_is(tmp_path: Path) -> None:
    expected = "model.safetensors, pytorch_model.bin, model.ckpt.index"
    expected += ", or a single file of weights"
    assert refusal(tmp_path) == f"{tmp_path}: expected one of {expected}, found none"


@pytest.mark.parametrize("name", ["x.safetensors", "ckpt.pt", "gpt2_124M.bin"])
def test_the_one_file_of_weights_in_a_directory(name: str, hub: Path) -> None:
    expected = read_checkpoint(hub)[1]
    (hub / "model.safetensors").rename(hub / name)
    (hub / "log.txt").write_text("step 1")
    (hub / "more.pt").mkdir()
    assert same(read_checkpoint(hub)[1], expected)
    (hub / "another.bin").write_bytes(b"")
    assert refusal(hub).endswith(f"found {', '.join(sorted(['another.bin', name]))}")
    shutil.copy(hub / name, hub / "model.safetensors")
    assert same(read_checkpoint(hub)[1], expected)


@pytest.mark.parametrize(
    "name",
    [
        *("training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth", "rng_state_0.pth"),
        *("optimizer.bin", "scheduler.bin", "scaler.pt", "optimizer_0.bin", "random_states_0.pt"),
    ],
)
def test_what_a_trainer_leaves_is_not_taken_for_weights(name: str, hub: Path) -> None:
    (hub / name).write_bytes(b"PK")
    (hub / "model.safetensors").rename(hub / "pytorch.bin")
    assert same(read_checkpoint(hub)[1], tiny())
    (hub / "pytorch.bin").unlink()
    assert refusal(hub).endswith("found none")


@pytest.mark.parametrize("name", ["x.bin", "x.pt", "x.safetensors", "x", "x.index", "x.txt"])
@pytest.mark.parametrize("data", [b"", b"\0", b"hello" * 100, b"<html></html>", b"{}", bytes(2000)])
def test_a_file_that_is_no_checkpoint(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert str(tmp_path) in refusal(tmp_path / name)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("hello")
    assert locate(tmp_path / "model.txt") == tmp_path / "model.txt"
    assert "model.txt: expected at least 8 bytes, found 5" in refusal(tmp_path / "model.txt")


def test_a_file_of_something_else_is_called_that(hub: Path) -> None:
    message = "config.json: expected a file of weights (safetensors, PyTorch, GPT-1's pieces, "
    message += "TensorFlow or llm.c)"
    assert message in refusal(hub / "config.json")


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 548105171\n" % 0


@pytest.mark.parametrize(
    "name", ["model.safetensors", "pytorch_model.bin", "x.pt", "gpt2_124M.bin", "model.ckpt.index"]
)
def test_a_pointer_of_git_lfs_is_called_that(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(POINTER)
    expected = f"{tmp_path / name}: expected a file of weights, found a Git LFS pointer to one"
    for place in (tmp_path, tmp_path / name):
        assert refusal(place) == f"{expected} ('git lfs pull' fetches it)"


@pytest.mark.parametrize("name", ["config.json", "hparams.json"])
def test_a_pointer_in_place_of_a_small_file(name: str, hub: Path, openai: Path) -> None:
    folder = hub if name == "config.json" else openai
    (folder / name).write_bytes(POINTER)
    expected = f"{folder / name}: expected JSON, found a Git LFS pointer to it"
    assert refusal(folder) == f"{expected} ('git lfs pull' fetches it)"


def test_a_pointer_among_several_files(sharded: Path, openai: Path) -> None:
    for file in (sharded / "b.safetensors", openai / "model.ckpt.data-00000-of-00001"):
        file.write_bytes(POINTER)
        assert refusal(file.parent).startswith(f"{file}: expected a file of weights, found a Git")


def test_tensorflow_s_first_version_is_called_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").write_bytes(b"\0" * 100)
    assert "V1 checkpoint" in refusal(tmp_path / "model.ckpt")


def test_a_format_is_a_reader_and_a_line_in_the_table(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_contents(path: Path) -> tuple[Contents, None]:
        contents = safetensors.read_contents(path)
        return {name.removeprefix("new."): stored for name, stored in contents.items()}, None

    weights = hub / "model.safetensors"
    write_tensors(weights, {f"new.{name}": array for name, array in tiny().items()})
    assert "expected 2 blocks (n_layer), found tensors of 0" in refusal(hub)
    new = Format("new", lambda path, head: b"new." in path.read_bytes(), read_contents)
    monkeypatch.setattr(formats, "FORMATS", (new, *formats.FORMATS))
    assert same(read_checkpoint(hub)[1], tiny())
    (hub / "x.txt").write_bytes(b"another kind of file")
    assert "llm.c or new), found one that begins with b'another '" in refusal(hub / "x.txt")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_format_claims_a_suffix(suffix: str) -> None:
    assert sum(suffix in format.suffixes for format in formats.FORMATS) == 1


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("x", MAGIC.to_bytes(4, "little") + b"\3\0\0\0", "llm.c"),
        ("x.bin", MAGIC.to_bytes(4, "little") + b"\5\0\0\0", "llm.c"),
        ("x", MAGIC.to_bytes(4, "little") + bytes(4) + b"{", "safetensors"),
        ("model.ckpt-7.index", b"anything", "TensorFlow"),
        ("model.ckpt.data-00000-of-00001", b"anything", "TensorFlow"),
        ("model.ckpt", b"anything", "TensorFlow"),
        ("model.ckpt", b"PK\3\4", "PyTorch"),
        ("x", b"\x80\2\x8a\n", "PyTorch"),
        ("x.pth", b"anything", "PyTorch"),
        ("x.pt", bytes(8) + b"{", "safetensors"),
        ("x.safetensors", b"anything at all", "safetensors"),
        ("x", b"short", "safetensors"),
    ],
)
def test_formats_are_told_by_name_and_first_bytes(
    name: str, head: bytes, expected: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(head)
    assert format_of(tmp_path / name).name == expected
