"""``python -m gptlite.convert``: one model, the formats there are."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import gptlite
from gptlite import GPT, GPTConfig, Tokenizer
from gptlite.convert import main

TINY = GPTConfig(
    n_vocab=260, n_ctx=6, n_embd=8, n_head=2, n_layer=2, bos_token_id=259, eos_token_id=259
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    GPT.init(TINY, seed=1).save_pretrained(tmp_path / "model")
    Tokenizer.train(["the cat and the dog"], 260).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_there_and_back(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    openai, hub = str(tmp_path / "openai"), str(tmp_path / "hub")
    assert main([str(model), openai, "--format", "openai"]) == 0
    assert main([openai, hub]) == 0
    assert capsys.readouterr().out == f"{openai}\n{hub}\n"
    assert sorted(file.name for file in Path(openai).iterdir()) == [
        *("checkpoint", "encoder.json", "hparams.json"),
        *("model.ckpt.data-00000-of-00001", "model.ckpt.index", "vocab.bpe"),
    ]
    for name in ("config.json", "model.safetensors", "vocab.json", "merges.txt"):
        assert (Path(hub) / name).read_bytes() == (model / name).read_bytes()
    loaded, tokenizer = gptlite.load(openai)
    assert np.array_equal(loaded([1, 2]), GPT.init(TINY, seed=1)([1, 2]))
    assert tokenizer.n_vocab == 260


def test_half_the_size(model: Path, tmp_path: Path) -> None:
    assert main([str(model), str(tmp_path / "half"), "--dtype", "float16"]) == 0
    sizes = [(d / "model.safetensors").stat().st_size for d in (model, tmp_path / "half")]
    assert sizes[1] < 0.6 * sizes[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["nowhere/model", "out"], "nowhere/model: no such directory or file"),
        (["gpt5", "out"], "unknown model 'gpt5'"),
        (["gpt5", "out", "--format", "openai", "--dtype", "float16"], "float32 only"),
    ],
)
def test_what_cannot_be_converted(
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(options) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and message in printed.err and printed.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "names",
    [
        ["model.safetensors"],
        ["model.safetensors.index.json"],
        ["pytorch_model.bin"],
        ["pytorch_model.bin.index.json"],
        ["vocab.json", "merges.txt"],
    ],
)
def test_what_would_be_read_in_place_of_openai_s_files(
    names: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said before any work: the model is not even looked for."""
    for name in names:
        (tmp_path / name).write_text("old")
    assert main(["nowhere/model", str(tmp_path), "--format", "openai"]) == 2
    printed = capsys.readouterr().err
    assert f"{tmp_path}: holds {' and '.join(names)}, which would be read in place of" in printed
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(names)
    assert main(["nowhere/model", str(tmp_path), "--format", "openai", "--overwrite"]) == 2
    assert "would be read in place of" in capsys.readouterr().err
    # In the hub's form it is written over them, or is read before them.
    assert main(["nowhere/model", str(tmp_path), "--overwrite"]) == 2
    assert "nowhere/model: no such directory" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["vocab.json", "config.json", "old.pt"])
def test_what_openai_s_files_are_read_before(model: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("old")
    (out / "model.safetensors").mkdir()  # no file, so no weights
    assert main([str(model), str(out), "--format", "openai", "--overwrite"]) == 0
    loaded, tokenizer = gptlite.load(out)
    assert np.array_equal(loaded([1, 2]), GPT.init(TINY, seed=1)([1, 2]))
    assert tokenizer.n_vocab == 260


def test_what_the_hub_s_files_are_read_before(model: Path, tmp_path: Path) -> None:
    """Another model of other sizes, in every other form."""
    out = tmp_path / "out"
    old = GPT.init(GPTConfig(n_vocab=257, n_ctx=3, n_embd=4, n_head=1, n_layer=1))
    old.save_pretrained(out, format="openai")
    Tokenizer.train([], 257).save_pretrained(out, format="openai")
    for name in ("model.safetensors.index.json", "pytorch_model.bin", "old.pt"):
        (out / name).write_text("old")
    (out / "model-00001-of-00002.safetensors").write_text("old")
    assert main([str(model), str(out), "--overwrite"]) == 0
    loaded, tokenizer = gptlite.load(out)
    assert loaded.config == TINY and tokenizer.n_vocab == 260
    assert np.array_equal(loaded([1, 2]), GPT.init(TINY, seed=1)([1, 2]))


@pytest.mark.parametrize("format", ["hub", "openai"])
@pytest.mark.parametrize("name", ["tokenizer.json", "special_tokens_map.json", "added_tokens.json"])
def test_another_tokenizer_s_files_would_be_read_with_those_written(
    model: Path, tmp_path: Path, format: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("old")
    assert main([str(model), str(out), "--format", format]) == 2
    assert f"{out}: holds {name}, which would be read" in capsys.readouterr().err
    assert [file.name for file in out.iterdir()] == [name]


def test_options_that_are_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["storyteller", "out", "--format", "onnx"])
    assert caught.value.code == 2
    assert "invalid choice: 'onnx'" in capsys.readouterr().err


def test_what_is_there_is_not_replaced(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run of pre-training, say, which could not be resumed with another model in it."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "state.npz").write_text("mine")
    monkeypatch.chdir(run)
    for format in ("hub", "openai"):
        for place, message in ((str(run), f"{run} is not empty"), ("", "must have a name")):
            assert main([str(model), place, "--format", format]) == 2
            printed = capsys.readouterr()
            assert message in printed.err and printed.err.count("\n") == 1 and not printed.out
    assert [file.name for file in run.iterdir()] == ["state.npz"]
    assert main([str(model), str(run), "--overwrite"]) == 0
    assert gptlite.load(run)[0].config == TINY and (run / "state.npz").read_text() == "mine"


def test_a_disk_without_room(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=4 * TINY.n_params - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert main([str(model), str(tmp_path / "out")]) == 2
    expected = f"expected {4 * TINY.n_params:,} bytes of free disk space"
    assert expected in capsys.readouterr().err and not (tmp_path / "out").exists()
    assert main([str(model), str(tmp_path / "out"), "--dtype", "float16"]) == 0
