"""From a model to files: laid out as on Hugging Face's hub, or as OpenAI published GPT-2."""

import os
from collections.abc import Mapping
from pathlib import Path

from gptlite.alphabet import FILES
from gptlite.checkpoints.added_tokens import CONFIG_FILE as TOKENIZER_CONFIG
from gptlite.checkpoints.hub import CONFIG_FILE, format_config, hub_name
from gptlite.checkpoints.reading import WEIGHT_FILES
from gptlite.checkpoints.safetensors import write_tensors
from gptlite.checkpoints.tensorflow.openai import check_openai, write_openai
from gptlite.checkpoints.vocabulary import check_vocabulary_place
from gptlite.checks import check_dtype, checked_parameters
from gptlite.config import GPTConfig, parameter_shapes
from gptlite.files import made_folder, write_atomically
from gptlite.layers import Array

LAYOUTS = ("hub", "openai")  # the formats that are written; reading knows more


def write_checkpoint(
    directory: str | os.PathLike[str],
    config: GPTConfig,
    parameters: Mapping[str, Array],
    dtype: str = "float32",
    format: str = "hub",
) -> None:
    """Write a model's weights and sizes; the directory is made if it is not there.

    Args:
        parameters: {name: array}, exactly those of ``config.parameter_shapes(config)``.
        dtype: ``"float32"``, or ``"float16"`` for half the size and 11 of the 24 bits of precision.
        format: ``"hub"`` for ``config.json`` and ``model.safetensors``; ``"openai"`` for
            ``hparams.json`` and a TensorFlow checkpoint, always float32.

    Raises:
        ValueError: the parameters are not those of ``config``; any other dtype or format; a number
            too large for float16; a model that OpenAI's format has no place for; no name.
        FileExistsError: see ``check_place``. After this error or ValueError, no file has changed.
        OSError: a file cannot be written.
    """
    check_format(dtype, format)
    check_place(directory, format)
    parameters = checked_parameters(parameter_shapes(config), parameters)
    if format == "openai":
        check_openai(config)
    about = format_config(config, dtype)
    directory = made_folder(directory)
    if format == "openai":
        write_openai(directory, config, parameters)
        return
    if config.post_norm or not config.tie_word_embeddings:  # otherwise no name needs a prefix
        parameters = {hub_name(name, config): array for name, array in parameters.items()}
    write_tensors(directory / "model.safetensors", parameters, dtype)
    with write_atomically(directory / CONFIG_FILE) as file:
        file.write(about)


def check_format(dtype: str, format: str) -> None:
    """Refuse a format and a dtype that no model can be written in.

    Raises:
        ValueError: any other format, or a dtype that the format does not hold.
    """
    check_dtype(dtype)
    if format not in LAYOUTS:
        raise ValueError(f"format must be one of {', '.join(LAYOUTS)}, not {format!r}")
    if format == "openai" and dtype != "float32":
        raise ValueError(f"OpenAI's format holds float32 only, not {dtype!r}")


def check_place(
    directory: str | os.PathLike[str], format: str, with_tokenizer: bool = False
) -> None:
    """Refuse a directory with files that would be read in place of the files to be written.

    The hub's weights are read before all others, so only OpenAI's can be hidden.

    Args:
        with_tokenizer: True if a tokenizer will be written there too.

    Raises:
        FileExistsError: the directory holds such files.
    """
    if with_tokenizer:
        check_vocabulary_place(directory, (*FILES[format], TOKENIZER_CONFIG))
    for name in WEIGHT_FILES if format == "openai" else ():
        if (Path(directory) / name).is_file():
            raise FileExistsError(
                f"{directory}: holds {name}, which would be read in place of what is to be "
                "written: choose another directory, or remove it"
            )
