"""The files beside the weights on the hub: config.json, and the index of several files."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptlite.checkpoints import read_checkpoint
from gptlite.config import GPTConfig
from gptlite.model import GPT
from models import random_model
from tiny_checkpoints import TINY, refusal, same, tiny, write_index


def change_config(directory: Path, **changes: Any) -> None:
    """Set keys of config.json; a key that becomes ``...`` is taken away."""
    options = json.loads((directory / "config.json").read_text()) | changes
    kept = {key: value for key, value in options.items() if value is not ...}
    (directory / "config.json").write_text(json.dumps(kept))


# ---- config.json ---------------------------------------------------------------------------------


def test_every_field_of_the_configuration_is_kept(tmp_path: Path) -> None:
    config = GPTConfig(n_vocab=7, n_ctx=3, n_embd=6, n_head=3, n_layer=1, layer_norm_epsilon=3e-7)
    GPT.init(config).save_pretrained(tmp_path)
    assert read_checkpoint(tmp_path)[0] == config


def test_the_configuration_as_transformers_wants_it(hub: Path) -> None:
    assert json.loads((hub / "config.json").read_text()) == {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "vocab_size": 11,
        "n_positions": 6,
        "n_ctx": 6,
        "n_embd": 8,
        "n_head": 2,
        "n_layer": 2,
        "n_inner": None,
        "layer_norm_epsilon": 1e-5,
        "bos_token_id": None,  # these two become known when a tokenizer does
        "eos_token_id": None,
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
        "tie_word_embeddings": True,
        "dtype": "float32",
    }


def test_options_that_change_nothing_are_let_be(hub: Path) -> None:
    change_config(
        hub,
        activation_function="gelu_pytorch_tanh",  # PyTorch's own gelu_new
        n_inner=32,
        reorder_and_upcast_attn=True,
        attn_pdrop=0.1,
        task_specific_params={"text-generation": {"do_sample": True}},
        summary_type="cls_index",
        architectures=["GPT2Model"],
        transformers_version="5.0.0",
        torch_dtype="bfloat16",
    )
    assert read_checkpoint(hub)[0] == TINY


def test_options_left_out_are_gpt2_s(hub: Path) -> None:
    needed = {"vocab_size": 11, "n_ctx": 6, "n_embd": 8, "n_head": 2, "n_layer": 2}
    (hub / "config.json").write_text(json.dumps(needed))
    assert read_checkpoint(hub)[0] == TINY


@pytest.mark.parametrize("n_ctx", [..., 3, 1024])
def test_positions_are_counted_by_n_positions(hub: Path, n_ctx: Any) -> None:
    change_config(hub, n_ctx=n_ctx)
    assert read_checkpoint(hub)[0] == TINY


CONFIG_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"activation_function": "relu"}, "activation_function is 'relu'; gptlite has gelu_new, gelu_"),
    ({"activation_function": None}, "activation_function is None"),
    ({"activation_function": ["gelu"]}, "activation_function is ['gelu']"),
    ({"scale_attn_weights": False}, "scale_attn_weights is False; gptlite has GPT-2's True only"),
    ({"scale_attn_weights": 1}, "scale_attn_weights is 1"),
    ({"scale_attn_by_inverse_layer_idx": 1}, "inverse_layer_idx: expected true or false, found 1"),
    ({"add_cross_attention": True}, "add_cross_attention is True"),
    ({"tie_word_embeddings": None}, "tie_word_embeddings: expected true or false, found None"),
    ({"tie_word_embeddings": False}, "missing tensor 'lm_head.weight'"),
    ({"model_type": "llama"}, "model_type is 'llama'"),
    ({"n_inner": 15}, "'h.0.mlp.c_fc.weight': expected shape [8, 15], found [8, 32]"),
    ({"n_inner": "32"}, "n_inner: expected a positive integer, found '32'"),
    ({"n_inner": 0}, "n_inner: expected a positive integer, found 0"),
    ({"n_inner": True}, "n_inner: expected a positive integer, found True"),
    ({"n_embd": ...}, "missing n_embd"),
    ({"vocab_size": ..., "n_head": ...}, "missing vocab_size and n_head"),
    ({"n_ctx": ..., "n_positions": ...}, "missing n_ctx"),
    ({"n_layer": "2"}, "n_layer: expected a positive integer, found '2'"),
    ({"n_layer": 2.0}, "n_layer: expected a positive integer, found 2.0"),
    ({"n_layer": True}, "n_layer: expected a positive integer, found True"),
    ({"n_layer": None}, "n_layer: expected a positive integer, found None"),
    ({"n_layer": 0}, "n_layer: expected a positive integer, found 0"),
    ({"n_layer": [2]}, "n_layer: expected a positive integer, found [2]"),
    ({"n_layer": 10**18}, "expected 1000000000000000000 blocks"),
    ({"n_layer": 10**4000}, "not valid JSON: an integer of 4001 digits"),
    ({"vocab_size": -11}, "vocab_size: expected a positive integer, found -11"),
    ({"n_positions": -6}, "n_positions: expected a positive integer, found -6"),
    ({"n_positions": 7}, "tensor 'wpe.weight': expected shape [7, 8], found [6, 8]"),
    ({"n_head": 3}, "n_embd 8 is not a multiple of n_head 3"),
    ({"layer_norm_epsilon": "1e-5"}, "layer_norm_epsilon: expected a number, found '1e-5'"),
    ({"layer_norm_epsilon": None}, "layer_norm_epsilon: expected a number, found None"),
    ({"layer_norm_epsilon": True}, "layer_norm_epsilon: expected a number, found True"),
    ({"layer_norm_epsilon": 0}, "layer_norm_epsilon"),
    ({"layer_norm_epsilon": -1e-5}, "layer_norm_epsilon"),
    ({"layer_norm_epsilon": float("nan")}, "NaN is not a JSON number"),
]


@pytest.mark.parametrize(("changes", "message"), CONFIG_REFUSED)
def test_a_configuration_that_is_not_gpt2_s(
    hub: Path, changes: dict[str, Any], message: str
) -> None:
    change_config(hub, **changes)
    text = refusal(hub)
    assert text.startswith(str(hub)) and message in text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"[]", "expected a JSON object, found []"),
        (b"null", "expected a JSON object, found None"),
        (b'"gpt2"', "expected a JSON object, found 'gpt2'"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"n_embd": 4, "n_embd": 4}', "key 'n_embd' is given twice"),
        (b"<html>\n</html>", "not valid JSON"),
    ],
)
def test_a_configuration_that_is_no_json_object(hub: Path, data: bytes, message: str) -> None:
    (hub / "config.json").write_bytes(data)
    text = refusal(hub)
    assert text.startswith(f"{hub / 'config.json'}: ") and message in text


VARIANTS: list[dict[str, Any]] = [
    {"n_inner": 20},
    {"activation_function": "gelu"},
    {"scale_attn_by_inverse_layer_idx": True},
    {"tie_word_embeddings": False},
    {"bos_token_id": 3, "eos_token_id": 4},
]


@pytest.mark.parametrize("changes", VARIANTS)
def test_what_differs_from_gpt2_is_written_and_read_again(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    config = replace(TINY, **changes)
    model = random_model(config)
    model.save_pretrained(tmp_path)
    options = json.loads((tmp_path / "config.json").read_text())
    assert {key: options[key] for key in changes} == changes
    found, parameters = read_checkpoint(tmp_path)
    assert asdict(found) == asdict(config)  # those that are not compared, too
    assert same(parameters, dict(model.parameters))
    half = GPT.from_pretrained(tmp_path, dtype="float16")
    assert all(
        a.dtype == ("float16" if a.ndim == 2 else "float32") for a in half.parameters.values()
    )
    spread = np.ptp(model([1, 5, 10]))
    assert np.abs(half([1, 5, 10]) - model([1, 5, 10])).max() < 2e-3 * spread


@pytest.mark.parametrize("changes", VARIANTS[:4])
def test_what_openai_s_format_has_no_place_for_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    [(name, value)] = changes.items()
    model = random_model(replace(TINY, **changes))
    with pytest.raises(ValueError, match=f"^{name} is {value}: OpenAI's format has no place for"):
        model.save_pretrained(tmp_path / "out", format="openai")
    assert not (tmp_path / "out").exists()


# ---- Several files -------------------------------------------------------------------------------


def test_a_model_in_several_files(sharded: Path) -> None:
    assert same(read_checkpoint(sharded)[1], tiny())
    assert same(read_checkpoint(sharded / "model.safetensors.index.json")[1], tiny())


def test_an_index_does_not_lead_in_a_circle(sharded: Path) -> None:
    write_index(sharded, {"wte.weight": "model.safetensors.index.json"})
    assert "expected a file name, found 'model.safetensors.index.json'" in refusal(sharded)


@pytest.mark.parametrize(
    "name", ["../a", "/a", "sub/a", "..", ".", "", "a\0", "C:a", "sub\\a", "a\n"]
)
def test_an_index_does_not_lead_out_of_its_folder(sharded: Path, name: str) -> None:
    write_index(sharded, {"wte.weight": name})
    assert "weight_map: expected a file name, found" in refusal(sharded)


def test_an_index_that_is_wrong(sharded: Path) -> None:
    names = list(tiny())
    right = {n: "a.safetensors" if n in names[:9] else "b.safetensors" for n in names}
    for wrong, message in [
        (None, "weight_map: expected an object of file names"),
        ({"wte.weight": 3}, "weight_map: expected an object of file names"),
        (right | {"wte.weight": "c.safetensors"}, "missing 'c.safetensors'"),
        (right | {"wte.weight": "b.safetensors"}, "expected tensor 'wte.weight'"),
        ({n: f for n, f in right.items() if n != "ln_f.bias"}, "expected an entry that says 'ln_f"),
    ]:
        write_index(sharded, wrong)
        assert message in refusal(sharded)
