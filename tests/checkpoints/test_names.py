"""Names in files: as others save them, and those that are not a GPT-2's."""

import json
import os
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptlite.checkpoints import read_checkpoint
from gptlite.checkpoints.names import match_names, match_openai_names, openai_name
from gptlite.checkpoints.safetensors import write_tensors
from gptlite.config import GPTConfig, parameter_shapes
from gptlite.errors import CheckpointError
from tiny_checkpoints import TINY, refusal, same, tiny, turned


@pytest.mark.parametrize(
    "prefix", ["transformer.", "model.", "module.", "_orig_mod.", "module._orig_mod.transformer."]
)
def test_prefixes_are_seen_through(hub: Path, prefix: str) -> None:
    write_tensors(hub / "model.safetensors", {prefix + n: a for n, a in tiny().items()})
    _, parameters = read_checkpoint(hub)
    assert {n: a.tobytes() for n, a in parameters.items()} == {
        n: a.tobytes() for n, a in tiny().items()
    }


def test_masks_are_skipped_without_being_read(hub: Path) -> None:
    """A sparse file: the masks take a gigabyte that is nowhere unless someone reads it."""
    n = 16384
    mask = {
        "h.0.attn.bias": {"dtype": "U8", "shape": [1, 1, n, n], "data_offsets": [0, n * n]},
        "h.1.attn.bias": {
            "dtype": "F32",
            "shape": [1, 1, n, n],
            "data_offsets": [n * n, 5 * n * n],
        },
        "h.1.attn.masked_bias": {
            "dtype": "F32",
            "shape": [],
            "data_offsets": [5 * n * n, 5 * n * n + 4],
        },
    }
    data = (hub / "model.safetensors").read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    del header["__metadata__"]
    for item in header.values():
        item["data_offsets"] = [offset + 5 * n * n + 4 for offset in item["data_offsets"]]
    text = json.dumps(header | mask).encode()
    with open(hub / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.seek(5 * n * n + 4, os.SEEK_CUR)
        file.write(data[start:])
    tracemalloc.start()
    _, parameters = read_checkpoint(hub)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert list(parameters) == list(parameter_shapes(TINY))
    assert parameters["wte.weight"].tobytes() == tiny()["wte.weight"].tobytes()


@pytest.mark.parametrize("prefix", ["", "transformer."])
def test_the_output_embedding_may_be_there_twice(hub: Path, prefix: str) -> None:
    tensors = {prefix + n: a for n, a in tiny().items()}
    tensors["lm_head.weight"] = tensors[prefix + "wte.weight"].copy()
    tensors["lm_head.weight"][0, 0] = tensors[prefix + "wte.weight"][0, 0] = np.nan
    write_tensors(hub / "model.safetensors", tensors)
    assert list(read_checkpoint(hub)[1]) == list(parameter_shapes(TINY))


def test_an_output_layer_that_differs_in_one_number_is_the_model_s_own(hub: Path) -> None:
    other = tiny()["wte.weight"].copy()
    other[3, 2] = -other[3, 2]
    write_tensors(hub / "model.safetensors", tiny() | {"lm_head.weight": other})
    config, parameters = read_checkpoint(hub)
    assert config == replace(TINY, tie_word_embeddings=False)
    assert same(parameters, tiny() | {"lm_head.weight": other})
    write_tensors(hub / "model.safetensors", tiny() | {"lm_head.weight": other[1:]})
    assert "'lm_head.weight': expected shape [11, 8], found [10, 8]" in refusal(hub)


def test_transposed_linear_layers_are_recognised_per_file(hub: Path) -> None:
    write_tensors(hub / "model.safetensors", turned(tiny()))
    assert same(read_checkpoint(hub)[1], tiny())
    mixed = turned(tiny()) | {"h.1.mlp.c_fc.weight": tiny()["h.1.mlp.c_fc.weight"]}
    write_tensors(hub / "model.safetensors", mixed)
    assert "'h.1.mlp.c_fc.weight': expected shape [32, 8], found [8, 32]" in refusal(hub)


def test_a_model_without_biases(hub: Path) -> None:
    bare = {n: a for n, a in tiny().items() if not n.endswith(".bias")}
    write_tensors(hub / "model.safetensors", turned(bare))
    expected = {n: a if n in bare else np.zeros_like(a) for n, a in tiny().items()}
    assert same(read_checkpoint(hub)[1], expected)
    write_tensors(hub / "model.safetensors", bare | {"ln_f.bias": tiny()["ln_f.bias"]})
    assert "missing tensor 'h.0.ln_1.bias' and 11 more" in refusal(hub)


def without(name: str) -> dict[str, np.ndarray]:
    return {n: a for n, a in tiny().items() if n != name}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "missing": (without("h.1.ln_2.bias"), "missing tensor 'h.1.ln_2.bias'"),
    "two missing": (
        {n: a for n, a in tiny().items() if "wpe" not in n and "ln_f.weight" not in n},
        "missing tensor 'wpe.weight' and 1 more",
    ),
    "more": (
        tiny() | {"gate.weight": np.ones(2, np.float32)},
        "tensor 'gate.weight' not part of a GPT-2",
    ),
    "a classifier of transformers'": (
        tiny() | {"score.weight": np.ones(2, np.float32)},
        "tensor 'score.weight' not part of a GPT-2: the file holds transformers' "
        "GPT2ForSequenceClassification; to use the language model in it, open it there as a "
        "GPT2LMHeadModel and save that",
    ),
    "shape": (
        tiny() | {"h.1.attn.c_attn.weight": np.ones((24, 8), np.float32)},
        "tensor 'h.1.attn.c_attn.weight': expected shape [8, 24], found [24, 8]",
    ),
    "scalar": (
        tiny() | {"ln_f.weight": np.float32(1)},
        "tensor 'ln_f.weight': expected shape [8], found []",
    ),
    "more words": (
        tiny() | {"wte.weight": np.ones((12, 8), np.float32)},
        "tensor 'wte.weight': expected shape [11, 8], found [12, 8]",
    ),
    "a block less": (
        {n: a for n, a in tiny().items() if not n.startswith("h.1.")},
        "expected 2 blocks (n_layer), found tensors of 1",
    ),
    "a block more": (
        tiny() | {n.replace("h.1.", "h.2."): a for n, a in tiny().items() if "h.1." in n},
        "expected 2 blocks (n_layer), found tensors of 3",
    ),
    "blocks from one": (
        {n.replace("h.1.", "h.2.").replace("h.0.", "h.1."): a for n, a in tiny().items()},
        "missing tensor 'h.0.ln_1.weight' and 11 more",
    ),
    "twice": (
        tiny() | {"module.ln_f.bias": tiny()["ln_f.bias"]},
        "tensors 'ln_f.bias' and 'module.ln_f.bias' are both 'ln_f.bias'",
    ),
    "a bias that is no mask": (
        tiny() | {"h.0.attn.bias": np.ones(24, np.float32)},
        "tensor 'h.0.attn.bias' not part of a GPT-2",
    ),
    "a mask of no block": (
        tiny() | {"attn.bias": np.ones((1, 1, 6, 6), np.float32)},
        "tensor 'attn.bias' not part of a GPT-2",
    ),
    "someone else's": (
        {"tok_emb.weight": np.ones((11, 8), np.float32), "pos_emb": np.ones((6, 8), np.float32)},
        "expected 2 blocks (n_layer), found tensors of 0: tensor 'pos_emb' and 1 more",
    ),
    "none": ({}, "expected 2 blocks (n_layer), found tensors of 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_tensors_that_are_not_the_model_s(hub: Path, case: str) -> None:
    tensors, message = WRONG[case]
    write_tensors(hub / "model.safetensors", tensors)
    assert refusal(hub) == f"{hub / 'model.safetensors'}: {message}"


def test_a_classifier_of_gptlite_s_is_opened_by_another_door(hub: Path) -> None:
    write_tensors(hub / "model.safetensors", tiny() | {"score.weight": np.ones(2, np.float32)})
    (hub / "task.json").write_text("{}")
    assert refusal(hub).endswith(
        "tensor 'score.weight' not part of a GPT-2: the directory holds a classifier, to be opened "
        "with gptlite.finetune.FineTuned.from_pretrained"
    )


@pytest.mark.parametrize("shape", [(), (0,), (1,)])
def test_the_number_that_stood_for_minus_infinity_is_left_out(
    hub: Path, shape: tuple[int, ...]
) -> None:
    number = {"h.1.attn.masked_bias": np.full(shape, -1e4, np.float32)}
    write_tensors(hub / "model.safetensors", tiny() | number)
    assert same(read_checkpoint(hub)[1], tiny())


def test_absurd_sizes_are_refused_before_anything_is_made_for_them() -> None:
    config = GPTConfig(n_vocab=10**18, n_ctx=10**18, n_embd=10**18, n_head=1, n_layer=10**18)
    shapes = {name: array.shape for name, array in tiny().items()}
    with pytest.raises(CheckpointError, match=f"expected {10**18} blocks"):
        match_names(shapes, config, "x")


def test_a_table_of_names_is_no_longer_than_the_file_s() -> None:
    absurd = GPTConfig(n_vocab=10**18, n_ctx=10**18, n_embd=10**18, n_head=1, n_layer=10**18)
    shapes = {name: array.shape for name, array in tiny().items()}
    for match in (match_names, match_openai_names):
        with pytest.raises(CheckpointError, match=str(10**18)):
            match(shapes, absurd, "x")


def test_openai_s_names() -> None:
    names = [openai_name(name) for name in parameter_shapes(TINY)]
    assert names[:2] == ["model/wte", "model/wpe"] and names[-2:] == [
        "model/ln_f/g",
        "model/ln_f/b",
    ]
    block = ["ln_1/g", "ln_1/b", "attn/c_attn/w", "attn/c_attn/b", "attn/c_proj/w", "attn/c_proj/b"]
    block += ["ln_2/g", "ln_2/b", "mlp/c_fc/w", "mlp/c_fc/b", "mlp/c_proj/w", "mlp/c_proj/b"]
    assert names[2:-2] == [f"model/h{i}/{leaf}" for i in range(2) for leaf in block]
