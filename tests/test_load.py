"""Model and tokenizer together: from one place, or with GPT-2's tokenizer."""

import importlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gptlite
from gptlite import GPT, CheckpointError, DownloadError, GPTConfig, Tokenizer
from gptlite.checkpoints.safetensors import write_tensors
from models import random_model

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


def test_a_tokenizer_with_more_tokens_than_the_model_has_rows(tmp_path: Path) -> None:
    GPT.init(GPTConfig(259, 4, 2, 1, 1)).save_pretrained(tmp_path)
    Tokenizer.train(["the cat and the dog"], 260).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="the vocabulary has 260 tokens, the model 259"):
        gptlite.load(tmp_path)


@pytest.mark.parametrize("rows", [300, 320])
def test_rows_without_a_token_are_never_chosen_and_are_written_again(
    rows: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Padded as ``resize_token_embeddings(pad_to_multiple_of=64)`` does, or by an odd number."""
    whole = random_model(GPTConfig(rows, 8, 4, 2, 1))
    whole.parameters["wte.weight"][260:] *= 50  # likelier than any token
    whole.save_pretrained(tmp_path / "padded")
    Tokenizer.train(["the cat and the dog"], 260).save_pretrained(tmp_path / "padded")
    model, tokenizer = gptlite.load(tmp_path / "padded")
    warned = [record.getMessage() for record in caplog.records]
    assert len(warned) == (rows == 300)
    assert all("has 260 tokens, the model 300" in message for message in warned)
    assert (model.config.n_vocab, model.config.n_padding) == (260, rows - 260)
    logits = model([65, 66])
    assert logits.shape == (1, 2, 260)
    np.testing.assert_allclose(logits, whole([65, 66])[..., :260], rtol=1e-6)
    with pytest.raises(ValueError, match="token id 260 is outside 0 to 259"):
        model([260])
    for form in ("hub", "openai"):
        model.save_pretrained(tmp_path / form, format=form)
        tokenizer.save_pretrained(tmp_path / form, format=form)
        again, _ = gptlite.load(tmp_path / form)
        assert again.config == model.config
        assert list(again.parameters) == list(whole.parameters)
        for name, array in whole.parameters.items():
            assert again.parameters[name].tobytes() == array.tobytes()
    written = json.loads((tmp_path / "hub" / "config.json").read_text())
    assert written["vocab_size"] == rows


@pytest.mark.parametrize(
    ("read", "written"),
    [
        ({}, (259, 259)),
        ({"bos_token_id": 3, "eos_token_id": 3}, (259, 259)),
        ({"bos_token_id": 3, "eos_token_id": 7}, (3, 259)),
        ({"bos_token_id": None, "eos_token_id": 7}, (259, 259)),
        ({"bos_token_id": 50256, "eos_token_id": 50256}, (259, 259)),
    ],
)
def test_the_tokens_that_begin_and_end_a_text_are_the_tokenizer_s(
    read: dict[str, Any], written: tuple[int, int], tmp_path: Path
) -> None:
    GPT.init(GPTConfig(260, 4, 2, 1, 1)).save_pretrained(tmp_path)
    Tokenizer.train(["the cat and the dog"], 260).save_pretrained(tmp_path)
    options = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(options | read))
    gptlite.load(tmp_path)[0].save_pretrained(tmp_path)
    options = json.loads((tmp_path / "config.json").read_text())
    assert (options["bos_token_id"], options["eos_token_id"]) == written


def test_a_vocabulary_without_an_end_of_text_names_none_in_the_model_s_files(
    tmp_path: Path,
) -> None:
    GPT.init(GPTConfig(3, 4, 2, 1, 1)).save_pretrained(tmp_path)
    Tokenizer({"a": 0, "b": 1, "\n": 2}, None).save_pretrained(tmp_path)
    model, tokenizer = gptlite.load(tmp_path)
    assert not tokenizer.has_eot
    model.save_pretrained(tmp_path)
    options = json.loads((tmp_path / "config.json").read_text())
    assert options["bos_token_id"] is None and options["eos_token_id"] is None


DOORS = {
    "generate": ["a"],
    "explain": ["a", "-o", "page.html"],
    "tasks": ["summarise", "a"],
    "evaluate": ["perplexity", "texts.txt"],
    "finetune": ["--objective", "lm", "--data", "texts.txt", "--out", "out"],
    "convert": ["MODEL", "out"],
}


@pytest.mark.parametrize("door", DOORS)
def test_every_command_takes_the_number_of_heads(
    door: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A state dict as makemore saves it, and a tokenizer: no file says how many heads."""
    (tmp_path / "texts.txt").write_text("the cat and the dog " * 9)
    monkeypatch.chdir(tmp_path)
    arrays = random_model(GPTConfig(260, 64, 8, 2, 1)).parameters
    write_tensors(tmp_path / "model.safetensors", arrays)
    Tokenizer.train(["the cat and the dog"], 260).save_pretrained(tmp_path)
    module = importlib.import_module(f"gptlite.{door}{'' if door == 'convert' else '.__main__'}")
    given = ["model.safetensors" if word == "MODEL" else word for word in DOORS[door]]
    given += [] if door == "convert" else ["--model", "model.safetensors"]
    assert module.main(given) == 2
    assert "give n_head (--n-head), a divisor of 8" in capsys.readouterr().err
    assert module.main([*given, "--n-head", "3"]) == 2
    assert "n_embd 8 is not a multiple of n_head 3" in capsys.readouterr().err
    if door in ("generate", "convert", "explain", "evaluate"):
        assert module.main([*given, "--n-head", "2"]) == 0


@pytest.mark.parametrize("door", DOORS)
def test_in_every_command_a_folder_that_is_called_like_a_model_is_the_one_meant(
    door: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each has a vocabulary of its own: the texts, the ids and the files written tell it apart."""
    (tmp_path / "texts.txt").write_text("the cat and the dog " * 9)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GPTLITE_OFFLINE", "1")
    tokenizer = Tokenizer.train(["the cat and the dog"], 260)
    module = importlib.import_module(f"gptlite.{door}{'' if door == 'convert' else '.__main__'}")
    opened: list[tuple[GPT, Tokenizer]] = []

    def load(*args: Any, **options: Any) -> tuple[GPT, Tokenizer]:
        opened.append(load_anything(*args, **options))
        return opened[-1]

    load_anything = gptlite.load
    monkeypatch.setattr(gptlite, "load", load)
    for n_layer, name in enumerate(["gpt2", "storyteller", "openai-gpt", "small"], 1):
        config = GPTConfig(260, 64, 8, 2, n_layer, eos_token_id=259)
        random_model(config).save_pretrained(name)
        tokenizer.save_pretrained(name)
        given = [f"{name}-out" if word == "out" else word for word in DOORS[door]]
        given = [name if word == "MODEL" else word for word in given]
        given += [] if door == "convert" else ["--model", name]
        assert module.main([*given, "--tokenizer", name]) in (0, 2)
        said = capsys.readouterr().err
        assert said.count(f"gptlite: {name} is the folder here") == 2  # the model, the tokenizer
        assert len(opened) == n_layer, said
        assert opened[-1][0].config == config
        assert opened[-1][1].n_vocab == 260


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
