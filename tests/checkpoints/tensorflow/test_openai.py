"""A model as OpenAI published GPT-2: hparams.json and a TensorFlow checkpoint."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptlite.checkpoints import read_checkpoint, write_checkpoint
from gptlite.checkpoints.names import openai_name
from gptlite.checkpoints.reading import weights_file
from gptlite.checkpoints.tensorflow.tensorbundle import write_bundle
from gptlite.config import PRESETS, GPTConfig, parameter_shapes
from gptlite.errors import CheckpointError
from gptlite.model import GPT
from tiny_checkpoints import FIXTURES, TINY, expected_of, refusal, same, tiny


def test_a_directory_as_openai_lays_it_out(openai: Path) -> None:
    assert sorted(file.name for file in openai.iterdir()) == [
        "checkpoint",
        "hparams.json",
        "model.ckpt.data-00000-of-00001",
        "model.ckpt.index",
    ]
    hparams = (
        '{\n  "n_vocab": 11,\n  "n_ctx": 6,\n  "n_embd": 8,\n  "n_head": 2,\n  "n_layer": 2\n}\n'
    )
    assert (openai / "hparams.json").read_text() == hparams
    for place in (openai, openai / "model.ckpt.index", openai / "model.ckpt.data-00000-of-00001"):
        config, parameters = read_checkpoint(place)
        assert config == TINY and same(parameters, tiny())
    assert same(GPT.from_pretrained(openai / "model.ckpt").parameters, tiny())


def test_the_optimizer_s_variables_are_ignored_and_counted(
    openai: Path, caplog: pytest.LogCaptureFixture
) -> None:
    variables = {openai_name(name): array for name, array in tiny().items()}
    slots = {f"{name}/Adam": array for name, array in variables.items()}
    write_bundle(openai / "model.ckpt", variables | slots | {"beta1_power": np.float32(0.9)})
    with caplog.at_level(logging.WARNING, "gptlite"):
        assert same(read_checkpoint(openai)[1], tiny())
    assert "29 variables that are no part of a GPT-2" in caplog.text


def test_the_axis_of_one_is_taken_off_and_no_other(openai: Path) -> None:
    config = GPTConfig(n_vocab=3, n_ctx=1, n_embd=1, n_head=1, n_layer=1)
    write_checkpoint(openai, config, tiny(config), format="openai")
    assert same(read_checkpoint(openai)[1], tiny(config))


@pytest.mark.parametrize(
    ("hparams", "message"),
    [
        ({"n_vocab": 11}, "missing n_ctx and n_embd and n_head and n_layer"),
        ({"n_layer": 1}, "expected 1 blocks (n_layer), found variables of 2"),
        ({"n_layer": 3}, "expected 3 blocks (n_layer), found variables of 2"),
        ({"n_layer": 10**15}, "expected 1000000000000000 blocks (n_layer), found variables of 2"),
        ({"n_layer": True}, "n_layer: expected a positive integer, found True"),
        ({"n_embd": 16}, "'model/wte': expected shape [11, 16] or [1, 11, 16], found [11, 8]"),
        ({"n_head": 3}, "n_embd 8 is not a multiple of n_head 3"),
    ],
)
def test_hparams_that_are_wrong(openai: Path, hparams: dict[str, Any], message: str) -> None:
    old = json.loads((openai / "hparams.json").read_text())
    new = hparams if "n_vocab" in hparams else old | hparams
    (openai / "hparams.json").write_text(json.dumps(new))
    assert message in refusal(openai)


def test_hparams_may_say_more(openai: Path) -> None:
    old = json.loads((openai / "hparams.json").read_text())
    (openai / "hparams.json").write_text(json.dumps(old | {"embd_pdrop": 0.1}))
    assert read_checkpoint(openai)[0] == TINY


def test_without_hparams_the_variables_tell_all_but_the_heads(openai: Path) -> None:
    (openai / "hparams.json").unlink()
    assert "give n_head (--n-head), a divisor of 8" in refusal(openai)
    config, parameters = read_checkpoint(openai, n_head=2)
    assert config == TINY and same(parameters, tiny())


def test_an_official_size_needs_no_hparams(openai: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (openai / "hparams.json").unlink()
    monkeypatch.setitem(PRESETS, "gpt2", TINY)
    assert read_checkpoint(openai)[0] == TINY


def test_a_tensor_beside_the_model_s_must_be_there(openai: Path) -> None:
    with pytest.raises(CheckpointError, match=r"index: missing tensor 'score\.weight'"):
        read_checkpoint(openai, beside=["score.weight"])


def test_which_of_several_checkpoints(openai: Path) -> None:
    for suffix in ("index", "data-00000-of-00001"):
        for name in ("model-100", "model-200"):
            shutil.copy(openai / f"model.ckpt.{suffix}", openai / f"{name}.{suffix}")
    assert weights_file(openai).name == "model.ckpt.index"
    for suffix in ("index", "data-00000-of-00001"):
        (openai / f"model.ckpt.{suffix}").unlink()
    assert "expected one TensorFlow checkpoint, found model-100.index, model-200" in refusal(openai)
    (openai / "checkpoint").write_text('model_checkpoint_path: "model-200"\n')
    assert weights_file(openai).name == "model-200.index"
    assert read_checkpoint(openai)[0] == TINY
    # What a Saver that was given an absolute path notes; the directory need not lie there any more.
    (openai / "checkpoint").write_text('model_checkpoint_path: "/where/it was/model-100"\n')
    assert weights_file(openai).name == "model-100.index"
    (openai / "checkpoint").write_text('model_checkpoint_path: "../model-200"\n')
    assert "expected one TensorFlow checkpoint" in refusal(openai)
    (openai / "model-100.index").unlink()
    assert weights_file(openai).name == "model-200.index"


def test_openai_s_format_has_no_place_for_other_options(tmp_path: Path) -> None:
    model = GPT.init(TINY)
    with pytest.raises(ValueError, match="OpenAI's format holds float32 only, not 'float16'"):
        model.save_pretrained(tmp_path / "x", dtype="float16", format="openai")
    with pytest.raises(ValueError, match="format must be one of hub, openai, not 'onnx'"):
        model.save_pretrained(tmp_path / "x", format="onnx")
    other = GPT.init(GPTConfig(5, 4, 4, 2, 1, layer_norm_epsilon=1e-6))
    with pytest.raises(ValueError, match="layer_norm_epsilon is 1e-06"):
        other.save_pretrained(tmp_path / "x", format="openai")


def test_written_by_tensorflow() -> None:
    """A fine-tune as TensorFlow's Saver leaves it, an optimizer's variables among the model's."""
    variables = expected_of("tensorflow")
    config, parameters = read_checkpoint(FIXTURES / "tensorflow")
    assert config == GPTConfig(n_vocab=300, n_ctx=16, n_embd=8, n_head=2, n_layer=2)
    assert list(parameters) == list(parameter_shapes(config))
    for name, array in parameters.items():
        assert array.tobytes() == variables[openai_name(name)].tobytes()
