"""A model as OpenAI published GPT-2: hparams.json beside a TensorFlow checkpoint's files."""

import json
from collections.abc import Mapping
from pathlib import Path

from gptlite.checkpoints.names import openai_name
from gptlite.checkpoints.sizes import read_sizes
from gptlite.config import GPTConfig
from gptlite.files import write_atomically
from gptlite.layers import Array

HPARAMS_FILE = "hparams.json"
CHECKPOINT = "model.ckpt"  # .index, .data-00000-of-00001
SIZES = ("n_vocab", "n_ctx", "n_embd", "n_head", "n_layer")
UNSTATED = (
    *("layer_norm_epsilon", "n_inner", "activation_function"),
    *("scale_attn_by_inverse_layer_idx", "post_norm", "tie_word_embeddings"),
)


def read_hparams(options: Mapping[str, object], where: str) -> GPTConfig:
    """Read the sizes in an ``hparams.json``; anything else in it is ignored.

    Args:
        where: the file, for error messages.

    Raises:
        CheckpointError: a size is missing or wrong.
    """
    return read_sizes(options, {name: name for name in SIZES}, where)


def check_openai(config: GPTConfig) -> None:
    """Refuse a model that differs from GPT-2 in something for which hparams.json has no place.

    Raises:
        ValueError: there is such a difference; the message names it.
    """
    gpt2 = GPTConfig(n_embd=config.n_embd, n_head=config.n_head)
    for name in UNSTATED:
        if (found := getattr(config, name)) != (expected := getattr(gpt2, name)):
            and_so = "" if name != "tie_word_embeddings" else ", nor for lm_head.weight"
            raise ValueError(
                f"{name} is {found}: OpenAI's format has no place for any other than {expected}"
                f"{and_so} (the format hub has)"
            )


def write_openai(directory: Path, config: GPTConfig, parameters: Mapping[str, Array]) -> None:
    """Write ``hparams.json`` and ``model.ckpt.*``, which OpenAI's own code and TensorFlow open.

    The model is one that ``check_openai`` lets pass.

    Raises:
        OSError: a file cannot be written.
    """
    from gptlite.checkpoints.tensorflow.tensorbundle import write_bundle

    variables: dict[str, Array] = {}
    for name, array in parameters.items():
        # OpenAI's linear layers are convolutions of width 1: [1, n_in, n_out].
        is_linear = array.ndim == 2 and not name.startswith("w")
        variables[openai_name(name)] = array[None] if is_linear else array
    write_bundle(directory / CHECKPOINT, variables)
    sizes = {name: getattr(config, name) for name in SIZES}
    sizes["n_vocab"] += config.n_padding
    for name, text in {
        HPARAMS_FILE: json.dumps(sizes, indent=2) + "\n",
        # TensorFlow's tf.train.latest_checkpoint looks here.
        "checkpoint": f'model_checkpoint_path: "{CHECKPOINT}"\n'
        f'all_model_checkpoint_paths: "{CHECKPOINT}"\n',
    }.items():
        with write_atomically(directory / name) as file:
            file.write(text.encode("ascii"))
