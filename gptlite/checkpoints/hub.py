"""A checkpoint as Hugging Face lays it out: a directory with config.json and model.safetensors.

What is written here opens in transformers as a GPT2LMHeadModel. The tokenizer's files lie in the
same directory and are the tokenizer's business.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gptlite.checkpoints import safetensors
from gptlite.checkpoints.names import LM_HEAD, match_names
from gptlite.checkpoints.strict_json import parse_object, shown
from gptlite.config import GPTConfig
from gptlite.errors import CheckpointError
from gptlite.files import write_atomically
from gptlite.layers import Array
from gptlite.model import GPT

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"

# Options that would make another model of the same weights, and the one value that is GPT-2's (and
# transformers' default). Not among them: reorder_and_upcast_attn, which computes the same scores in
# another order to spare float16, and everything about dropout, which is off when a model is read.
_FIXED_OPTIONS = {
    "model_type": "gpt2",
    "activation_function": "gelu_new",
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}


def read_checkpoint(
    path: str | os.PathLike[str],
) -> tuple[GPTConfig, dict[str, Array]]:
    """The configuration and the parameters of a model on disk.

    Args:
        path: a directory, or its file of weights (``.safetensors``) when that has another name.

    Returns:
        config, {name: float32 array}: those of ``config.parameter_shapes``, in that
        order, each in memory of its own.

    Raises:
        CheckpointError: a file is missing, cannot be read, is damaged, or is not a GPT-2's.
    """
    path = Path(path)
    directory, weights = (path, path / WEIGHTS_FILE) if os.path.isdir(path) else (path.parent, path)
    missing = [file.name for file in (directory / CONFIG_FILE, weights) if not os.path.isfile(file)]
    if missing:
        raise CheckpointError(f"{directory}: missing {' and '.join(missing)}")
    try:
        config = parse_config((directory / CONFIG_FILE).read_bytes(), str(directory / CONFIG_FILE))
        return config, _read_weights(weights, config)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error


def write_checkpoint(
    directory: str | os.PathLike[str],
    config: GPTConfig,
    parameters: Mapping[str, Array],
    dtype: str = "float32",
) -> None:
    """Write ``config.json`` and ``model.safetensors``; the directory is made if it is not there.

    Args:
        parameters: {name: float32 array}, exactly those of ``config.parameter_shapes(config)``.
        dtype: ``"float32"``, or ``"float16"`` for half the size and 11 of the 24 bits of precision.

    Raises:
        ValueError: the parameters are not those of ``config``; another dtype; a number too large
            for float16. No file has been touched then.
        OSError: a file cannot be written.
    """
    directory = Path(directory)
    model = GPT(config, parameters)  # checks names, shapes and dtype
    directory.mkdir(parents=True, exist_ok=True)
    safetensors.write_tensors(directory / WEIGHTS_FILE, model.parameters, dtype)
    with write_atomically(directory / CONFIG_FILE) as file:
        file.write(format_config(config, dtype))


def parse_config(data: bytes, path: str) -> GPTConfig:
    """The sizes in a ``config.json``, which must describe a GPT-2 and no relative of it.

    Raises:
        CheckpointError: not JSON; a size is missing or wrong; an option asks for other mathematics.
    """
    options = parse_object(data, path)
    for key, expected in _FIXED_OPTIONS.items():
        found = options.get(key, expected)
        if type(found) is not type(expected) or found != expected:
            raise CheckpointError(
                f"{path}: {key} is {shown(found)}; gptlite has GPT-2's {expected!r} only"
            )
    # Older files have both. transformers goes by n_positions: so many rows has wpe.
    positions = "n_positions" if "n_positions" in options else "n_ctx"
    keys = {
        "n_vocab": "vocab_size",
        "n_ctx": positions,
        "n_embd": "n_embd",
        "n_head": "n_head",
        "n_layer": "n_layer",
    }
    missing = [key for key in keys.values() if key not in options]
    if missing:
        raise CheckpointError(f"{path}: missing {' and '.join(missing)}")
    for key in keys.values():
        if type(options[key]) is not int or options[key] < 1:
            raise CheckpointError(
                f"{path}: {key}: expected a positive integer, found {shown(options[key])}"
            )
    sizes = {field: options[key] for field, key in keys.items()}
    if options.get("n_inner") not in (None, 4 * sizes["n_embd"]):
        raise CheckpointError(
            f"{path}: n_inner is {shown(options['n_inner'])}; gptlite has GPT-2's 4 * n_embd only"
        )
    epsilon = options.get("layer_norm_epsilon", GPTConfig.layer_norm_epsilon)
    if type(epsilon) not in (int, float):
        raise CheckpointError(
            f"{path}: layer_norm_epsilon: expected a number, found {shown(epsilon)}"
        )
    try:
        return GPTConfig(**sizes, layer_norm_epsilon=epsilon)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from None


def format_config(config: GPTConfig, dtype: str) -> bytes:
    """The ``config.json`` that transformers wants for a GPT2LMHeadModel of these sizes.

    Args:
        dtype: what the weights beside it are stored as.
    """
    options: dict[str, Any] = {
        "architectures": ["GPT2LMHeadModel"],
        **_FIXED_OPTIONS,
        "vocab_size": config.n_vocab,
        "n_positions": config.n_ctx,
        "n_ctx": config.n_ctx,  # OpenAI's name, which older readers want
        "n_embd": config.n_embd,
        "n_head": config.n_head,
        "n_layer": config.n_layer,
        "n_inner": None,
        "layer_norm_epsilon": config.layer_norm_epsilon,
        # <|endoftext|> is GPT-2's last token, and begins a text as it ends one.
        "bos_token_id": config.n_vocab - 1,
        "eos_token_id": config.n_vocab - 1,
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "dtype": dtype,
    }
    return (json.dumps(options, indent=2, sort_keys=True) + "\n").encode("ascii")


def _read_weights(path: Path, config: GPTConfig) -> dict[str, Array]:
    with open(path, "rb") as file:
        entries = safetensors.read_header(file)
        shapes = {name: entry.shape for name, entry in entries.items()}
        names = match_names(shapes, config, str(path))
        tensors = {}
        # In the order of the file, so that it is read from beginning to end once.
        for name in sorted(names, key=lambda name: entries[names[name]].begin):
            in_file = names[name]
            tensors[name] = safetensors.read_tensor(file, in_file, entries[in_file])
    if LM_HEAD in names:
        # Compared as bits: a NaN would not equal itself.
        head, wte = tensors.pop(LM_HEAD), tensors["wte.weight"]
        if not np.array_equal(head.view(np.uint32), wte.view(np.uint32)):
            raise CheckpointError(
                f"{path}: tensor {shown(names[LM_HEAD])}: expected to equal wte.weight (tied), "
                "found other numbers"
            )
        del names[LM_HEAD]
    return {name: tensors[name] for name in names}
