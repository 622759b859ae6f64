"""Model and tokenizer together: from one place, or with GPT-2's tokenizer."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import gptlite
from gptlite import GPT, CheckpointError, DownloadError, GPTConfig, Tokenizer

WIDE = GPTConfig(n_vocab=50257, n_ctx=4, n_embd=2, n_head=1, n_layer=1)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of GPT-2's vocabulary without a tokenizer, on a machine without downloads."""
    monkeypatch.setenv("GPTLITE_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("GPTLITE_OFFLINE", "1")
    GPT.init(WIDE).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_model_of_gpt_2_s_vocabulary_takes_gpt_2_s_tokenizer(
    alone: Path, tmp_path: Path, shared: Path
) -> None:
    with pytest.raises(DownloadError, match="GPTLITE_OFFLINE is set"):
        gptlite.load(alone)
    folder = tmp_path / "own" / "gpt2"
    folder.mkdir(parents=True)
    for name, official in {"vocab.json": "encoder.json", "merges.txt": "vocab.bpe"}.items():
        shutil.copy(shared / "gpt2-tokenizer" / official, folder / name)
    for place in (alone, alone / "model.safetensors"):
        model, tokenizer = gptlite.load(place)
        assert model.config == WIDE
        assert tokenizer.encode("hello world") == [31373, 995]
    assert Tokenizer.from_pretrained("124M").encode("hello world") == [31373, 995]


def test_a_tokenizer_json_beside_the_weights_is_theirs(tmp_path: Path) -> None:
    """What transformers 5 saves, and that alone."""
    GPT.init(GPTConfig(275, 4, 2, 1, 1)).save_pretrained(tmp_path)
    fixture = Path(__file__).parent / "fixtures" / "tokenizer" / "new" / "tokenizer.json"
    shutil.copy(fixture, tmp_path)
    for place in (tmp_path, tmp_path / "model.safetensors"):
        assert gptlite.load(place)[1].encode("the cat") == Tokenizer.from_pretrained(
            fixture.parent
        ).encode("the cat")


def test_another_vocabulary_has_no_other_tokenizer(tmp_path: Path) -> None:
    GPT.init(GPTConfig(300, 4, 2, 1, 1)).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"expected vocab\.json and merges\.txt"):
        gptlite.load(tmp_path)


def test_a_tokenizer_of_another_model(tmp_path: Path) -> None:
    GPT.init(GPTConfig(300, 4, 2, 1, 1)).save_pretrained(tmp_path)
    Tokenizer.train(["the cat and the dog"], 260).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="the vocabulary has 260 tokens, the model 300"):
        gptlite.load(tmp_path)


def test_half_precision(tmp_path: Path) -> None:
    model, _ = gptlite.load(dtype="float16")
    assert model.parameters["wte.weight"].dtype == "float16"
    with pytest.raises(ValueError, match="'float32' or 'float16', not 'float64'"):
        gptlite.load(dtype="float64")


def test_training_wants_float32() -> None:
    from gptlite.training.gradients import loss_and_gradients

    model, _ = gptlite.load(dtype="float16")
    with pytest.raises(ValueError, match="training needs float32 weights"):
        loss_and_gradients(model, [1, 2], [2, 3])


def test_a_folder_that_may_not_be_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    GPT.init(GPTConfig(300, 4, 2, 1, 1)).save_pretrained(tmp_path)
    stat = os.stat

    def denied(path: Any, **options: Any) -> os.stat_result:
        if Path(path).parent == tmp_path:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", denied)  # root may read everything
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        gptlite.load(tmp_path)
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        Tokenizer.from_pretrained(tmp_path)
