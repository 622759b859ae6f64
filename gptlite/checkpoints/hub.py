"""The files beside the weights in a directory as Hugging Face lays it out.

``config.json`` has the sizes, and options that must be GPT-2's; ``model.safetensors.index.json``
says in which of several files each tensor lies. A ``config.json`` written here makes transformers
open the directory as a GPT2LMHeadModel.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gptlite.checkpoints.gpt1 import MODEL_TYPE, format_gpt1_config, read_gpt1_config
from gptlite.checkpoints.names import GPT1_NAMES, LM_HEAD
from gptlite.checkpoints.sizes import read_size, read_sizes
from gptlite.checkpoints.stored import Contents, Stored
from gptlite.checkpoints.strict_json import MAX_BYTES, parse_object, shown
from gptlite.config import GPTConfig
from gptlite.errors import CheckpointError
from gptlite.files import read_small

CONFIG_FILE = "config.json"
INDEX_SUFFIX = ".index.json"

# Options that would make a different model of the same weights, each with GPT-2's value (which is
# transformers' default). reorder_and_upcast_attn is not listed: it computes the same scores in
# another order, for float16's sake. Nor is dropout, which is off when a model is read.
_FIXED_OPTIONS = {"model_type": "gpt2", "scale_attn_weights": True, "add_cross_attention": False}
# Options that are True or False, under names that the configuration has too.
_SWITCHES = ("scale_attn_by_inverse_layer_idx", "tie_word_embeddings")
# transformers has several names for each form of the GELU; the first is the configuration's.
_ACTIVATIONS = {
    "gelu_new": ("gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate", "gelu_python_tanh"),
    "gelu": ("gelu", "gelu_python"),
}


def read_config(options: Mapping[str, Any], where: str) -> GPTConfig:
    """Read the sizes in a ``config.json``, which must describe a GPT-2 and no relative of it.

    Args:
        where: the file, for error messages.

    Raises:
        CheckpointError: a size is missing or wrong; an option changes the mathematics.
    """
    if options.get("model_type") == MODEL_TYPE:
        return read_gpt1_config(options, where)
    for key, expected in _FIXED_OPTIONS.items():
        found = options.get(key, expected)
        if type(found) is not type(expected) or found != expected:
            raise CheckpointError(
                f"{where}: {key} is {shown(found)}; gptlite has GPT-2's {expected!r} only"
            )
    # Older files have both. transformers goes by n_positions: wpe has that many rows.
    positions = "n_positions" if "n_positions" in options else "n_ctx"
    keys = {
        "n_vocab": "vocab_size",
        "n_ctx": positions,
        "n_embd": "n_embd",
        "n_head": "n_head",
        "n_layer": "n_layer",
    }
    config = read_sizes(options, keys, where)
    more: dict[str, Any] = {"activation_function": _activation(options, where)}
    for key in _SWITCHES:
        more[key] = options.get(key, getattr(config, key))
        if type(more[key]) is not bool:
            raise CheckpointError(
                f"{where}: {key}: expected true or false, found {shown(more[key])}"
            )
    if options.get("n_inner") is not None:
        more["n_inner"] = read_size(options["n_inner"], f"{where}: n_inner")
    for key in ("bos_token_id", "eos_token_id"):
        # transformers' default is 50256, even where there are fewer tokens.
        if type(found := options.get(key)) is int and 0 <= found < config.n_vocab:
            more[key] = found
    epsilon = options.get("layer_norm_epsilon", GPTConfig.layer_norm_epsilon)
    if type(epsilon) not in (int, float):
        raise CheckpointError(
            f"{where}: layer_norm_epsilon: expected a number, found {shown(epsilon)}"
        )
    try:
        return replace(config, layer_norm_epsilon=epsilon, **more)
    except ValueError as error:
        raise CheckpointError(f"{where}: {error}") from None


def _activation(options: Mapping[str, Any], where: str) -> str:
    """Return the configuration's name for the activation function that a ``config.json`` names."""
    found = options.get("activation_function", GPTConfig.activation_function)
    for name, names in _ACTIVATIONS.items():
        if found in names:
            return name
    known = ", ".join(name for names in _ACTIVATIONS.values() for name in names)
    raise CheckpointError(
        f"{where}: activation_function is {shown(found)}; gptlite has {known} only"
    )


def hub_name(name: str, config: GPTConfig) -> str:
    """Return a parameter's name in transformers' GPT2LMHeadModel, or in OpenAIGPTLMHeadModel."""
    if config.post_norm:
        name = {ours: theirs for theirs, ours in GPT1_NAMES.items()}.get(name, name)
    return name if name == LM_HEAD else f"transformer.{name}"


def format_config(config: GPTConfig, dtype: str) -> bytes:
    """Write the ``config.json`` that transformers wants for a GPT2LMHeadModel of these sizes.

    Args:
        dtype: the dtype of the stored weights beside it.
    """
    if config.post_norm:
        return format_gpt1_config(config, dtype)
    options: dict[str, Any] = {
        "architectures": ["GPT2LMHeadModel"],
        **_FIXED_OPTIONS,
        **{key: getattr(config, key) for key in _SWITCHES},
        "activation_function": config.activation_function,
        "vocab_size": config.n_vocab + config.n_padding,
        "n_positions": config.n_ctx,
        "n_ctx": config.n_ctx,  # OpenAI's name, which older readers want
        "n_embd": config.n_embd,
        "n_head": config.n_head,
        "n_layer": config.n_layer,
        "n_inner": None if config.n_inner == 4 * config.n_embd else config.n_inner,
        "layer_norm_epsilon": config.layer_norm_epsilon,
        "bos_token_id": config.bos_token_id,
        "eos_token_id": config.eos_token_id,
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "dtype": dtype,
    }
    return (json.dumps(options, indent=2, sort_keys=True) + "\n").encode("ascii")


def read_sharded(path: Path, read_contents: Callable[[Path], Contents]) -> dict[str, Stored]:
    """List the tensors of a model that is split over several files, from the index of the files.

    Args:
        path: the index: ``model.safetensors.index.json`` or ``pytorch_model.bin.index.json``.
        read_contents: reads the table of contents of one of the files.

    Raises:
        CheckpointError: not an index; a file is missing, or would lie outside the index's folder;
            a tensor is not in the file that the index names.
    """
    weight_map = parse_object(read_small(path, MAX_BYTES), str(path)).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(f, str) for f in weight_map.values()):
        raise CheckpointError(f"{path}: weight_map: expected an object of file names")
    files: dict[str, Mapping[str, Stored]] = {}
    for name in sorted(set(weight_map.values())):
        # A name, not a path: an index must not lead out of its own folder. Nor may it name
        # another index, which could name this one, or use a name that breaks a message in two.
        is_path = not name or name in (".", "..") or any(c in name for c in "/\\:")
        if is_path or not name.isprintable() or name.endswith(INDEX_SUFFIX):
            raise CheckpointError(f"{path}: weight_map: expected a file name, found {shown(name)}")
        if not (path.parent / name).is_file():
            raise CheckpointError(f"{path.parent}: missing {shown(name)}")
        files[name] = read_contents(path.parent / name)
    for tensor, name in weight_map.items():
        if tensor not in files[name]:
            raise CheckpointError(
                f"{path.parent / name}: expected tensor {shown(tensor)} ({path.name} says so), "
                "found none"
            )
    for name, contents in files.items():
        for tensor in contents:
            if weight_map.get(tensor) != name:
                raise CheckpointError(
                    f"{path}: expected an entry that says {shown(tensor)} is in {name}, found none"
                )
    return {tensor: files[name][tensor] for tensor, name in weight_map.items()}
