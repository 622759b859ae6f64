"""From a model to files: as Hugging Face lays them out, or as OpenAI published its own."""

import os
from collections.abc import Mapping
from pathlib import Path

from gptlite.alphabet import FILES
from gptlite.checkpoints.hub import CONFIG_FILE, format_config
from gptlite.checkpoints.reading import WEIGHT_FILES
from gptlite.checkpoints.safetensors import write_tensors
from gptlite.checkpoints.tensorflow.openai import write_openai
from gptlite.config import GPTConfig
from gptlite.files import write_atomically
from gptlite.layers import Array
from gptlite.model import GPT

FORMATS = ("hub", "openai")


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
        ValueError: the parameters are not those of ``config``; another dtype or format; a number
            too large for float16. No file has been touched then.
        FileExistsError: see ``check_place``; likewise.
        OSError: a file cannot be written.
    """
    check_form(dtype, format)
    check_place(directory, format)
    directory = Path(directory)
    model = GPT(config, parameters)  # checks names, shapes and dtype
    directory.mkdir(parents=True, exist_ok=True)
    if format == "openai":
        write_openai(directory, config, model.parameters)
        return
    write_tensors(directory / "model.safetensors", model.parameters, dtype)
    with write_atomically(directory / CONFIG_FILE) as file:
        file.write(format_config(config, dtype))


def check_form(dtype: str, format: str) -> None:
    """Refuse what no model could be written as.

    Raises:
        ValueError: another format, or a dtype that it does not hold.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, not {format!r}")
    if format == "openai" and dtype != "float32":
        raise ValueError(f"OpenAI's format holds float32 only, not {dtype!r}")


def check_place(
    directory: str | os.PathLike[str], format: str, with_tokenizer: bool = False
) -> None:
    """Refuse a directory whose other files would be read in place of those to be written.

    What is written as the hub has it is read before everything else; OpenAI's files are not.

    Args:
        with_tokenizer: whether a tokenizer will be written there too.

    Raises:
        FileExistsError: there is such a file.
    """
    if format != "openai":
        return
    hiding: list[tuple[str, ...]] = [(name,) for name in WEIGHT_FILES]
    if with_tokenizer:
        hiding.append(FILES["hub"])
    for names in hiding:
        if all((Path(directory) / name).is_file() for name in names):
            found = " and ".join(names)
            raise FileExistsError(
                f"{directory}: holds {found}, which would be read in place of what is to be "
                "written: choose another directory, or remove it"
            )
