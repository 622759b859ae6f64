"""``python -m gptlite.convert``: one model, the formats there are."""

from pathlib import Path

import numpy as np
import pytest

import gptlite
from gptlite import GPT, GPTConfig, Tokenizer
from gptlite.convert import main

TINY = GPTConfig(n_vocab=260, n_ctx=6, n_embd=8, n_head=2, n_layer=2)


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


def test_options_that_are_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["storyteller", "out", "--format", "onnx"])
    assert caught.value.code == 2
    assert "invalid choice: 'onnx'" in capsys.readouterr().err
