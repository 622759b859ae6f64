"""A model as OpenAI published GPT-2: hparams.json beside a TensorFlow checkpoint's files."""

import json
from collections.abc import Mapping
from pathlib import Path

from gptlite.checkpoints.names import openai_name
from gptlite.checkpoints.sizes import read_sizes
from gptlite.checkpoints.strict_json import parse_object
from gptlite.config import GPTConfig
from gptlite.files import write_atomically
from gptlite.layers import Array

HPARAMS_FILE = "hparams.json"
CHECKPOINT = "model.ckpt"  # .index, .data-00000-of-00001
SIZES = ("n_vocab", "n_ctx", "n_embd", "n_head", "n_layer")


def parse_hparams(data: bytes, where: str) -> GPTConfig:
    """Read the sizes in an ``hparams.json``; anything else in it is ignored.

    Args:
        where: the file, for error messages.

    Raises:
        CheckpointError: not JSON; a size is missing or wrong.
    """
    return read_sizes(parse_object(data, where), {name: name for name in SIZES}, where)


def write_openai(directory: Path, config: GPTConfig, parameters: Mapping[str, Array]) -> None:
    """Write ``hparams.json`` and ``model.ckpt.*``, which OpenAI's own code and TensorFlow open.

    Raises:
        ValueError: an epsilon other than GPT-2's, for which hparams.json has no place.
        OSError: a file cannot be written.
    """
    from gptlite.checkpoints.tensorflow.tensorbundle import write_bundle

    if config.layer_norm_epsilon != GPTConfig.layer_norm_epsilon:
        raise ValueError(
            f"layer_norm_epsilon is {config.layer_norm_epsilon}: hparams.json has no place for "
            f"any other than {GPTConfig.layer_norm_epsilon}"
        )
    variables: dict[str, Array] = {}
    for name, array in parameters.items():
        # OpenAI's linear layers are convolutions of width 1: [1, n_in, n_out].
        is_linear = array.ndim == 2 and not name.startswith("w")
        variables[openai_name(name)] = array[None] if is_linear else array
    write_bundle(directory / CHECKPOINT, variables)
    sizes = {name: getattr(config, name) for name in SIZES}
    for name, text in {
        HPARAMS_FILE: json.dumps(sizes, indent=2) + "\n",
        # TensorFlow's tf.train.latest_checkpoint looks here.
        "checkpoint": f'model_checkpoint_path: "{CHECKPOINT}"\n'
        f'all_model_checkpoint_paths: "{CHECKPOINT}"\n',
    }.items():
        with write_atomically(directory / name) as file:
            file.write(text.encode("ascii"))
