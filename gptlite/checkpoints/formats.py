"""The table of formats: how a file of weights is recognised, and what reads it.

A format is a module that makes a table of contents, ``{name: Stored}``, and a line in ``FORMATS``.
The two largest readers, TensorFlow's and PyTorch's, are imported only when such a file is met.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from gptlite.checkpoints import gpt1, llmc, safetensors
from gptlite.checkpoints.hub import CONFIG_FILE, INDEX_SUFFIX, read_sharded
from gptlite.checkpoints.names import (
    FileTensor,
    match_names,
    match_openai_names,
    openai_parameter_names,
    parameter_names,
)
from gptlite.checkpoints.stored import Contents, Shape, refuse_pointer
from gptlite.checkpoints.tensorflow.openai import HPARAMS_FILE
from gptlite.checkpoints.warning import warn
from gptlite.config import GPTConfig
from gptlite.errors import CheckpointError

HEAD_BYTES = 16  # the beginning of a file: enough to tell the formats apart
LLMC_MAGIC = llmc.MAGIC.to_bytes(4, "little")
TENSORFLOW_SUFFIX = re.compile(r"\.(?:index|meta|data-[0-9]{5}-of-[0-9]{5})$")
TORCH_SUFFIXES = (".bin", ".pt", ".pth")
TORCH_MAGIC = (b"PK\3\4", b"\x80\2")  # a zip; a pickle of protocol 2


class Format(NamedTuple):
    """One format of files of weights.

    Attributes:
        name: what people call it.
        matches: (path, first bytes of the file) -> True if the file is of this format. Formats are
            asked in the order of the table.
        read_contents: path -> the table of contents, and the model's sizes if the file states them.
        suffixes: endings of this format's file names, if the rest of the name is free.
        size_files: files that may hold the sizes if the weights' file does not state them; the
            first of these that lies beside it is read.
        match_names: (shapes of the tensors, config, path for error messages) -> which tensor is
            which parameter.
        parameter_names: (shapes of the tensors, path for error messages) -> parameter names to
            names in the file, before anything is known about the sizes.
    """

    name: str
    matches: Callable[[Path, bytes], bool]
    read_contents: Callable[[Path], tuple[Contents, GPTConfig | None]]
    suffixes: tuple[str, ...] = ()
    size_files: tuple[str, ...] = (CONFIG_FILE, HPARAMS_FILE)
    match_names: Callable[[Mapping[str, Shape], GPTConfig, str], dict[str, FileTensor | None]] = (
        match_names
    )
    parameter_names: Callable[[Mapping[str, Shape], str], dict[str, str]] = parameter_names


def read_contents(path: Path) -> tuple[Format, Contents, GPTConfig | None]:
    """Recognise the format of a file of weights, and read its table of contents.

    Args:
        path: a file of weights, or an index that names several such files.

    Returns:
        The format, the table, and the model's sizes if the file states them.

    Raises:
        CheckpointError: no format of the table, a Git LFS pointer, or a damaged file.
        OSError: the file cannot be read.
    """
    format = format_of(path)
    return format, *format.read_contents(path)


def format_of(path: Path) -> Format:
    """Recognise a file's format. Arguments and errors are those of ``read_contents``."""
    refuse_pointer(path)
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    for format in (SHARDED, *FORMATS):
        if format.matches(path, head):
            return format
    *others, last = [format.name for format in reversed(FORMATS)]
    raise CheckpointError(
        f"{path}: expected a file of weights ({', '.join(others)} or {last}), "
        f"found one that begins with {head[:8]!r}"
    )


def _is_llmc(path: Path, head: bytes) -> bool:
    # A safetensors file may begin with the same four bytes, but goes on with four zeros.
    return head.startswith(LLMC_MAGIC) and any(head[4:8])


def _is_tensorflow(path: Path, head: bytes) -> bool:
    # model.ckpt is a checkpoint of TensorFlow's first version, which the reader refuses by name,
    # unless a PyTorch program gave its own file that name.
    is_v1 = path.suffix == ".ckpt" and not head.startswith(TORCH_MAGIC)
    return is_v1 or TENSORFLOW_SUFFIX.search(path.name) is not None


def _is_torch(path: Path, head: bytes) -> bool:
    # A safetensors file begins with a length, which may look like anything, and then with a brace.
    # A file that is neither is taken for what its name says, so that the error fits the name.
    return (head.startswith(TORCH_MAGIC) or path.suffix in TORCH_SUFFIXES) and head[8:9] != b"{"


def _is_safetensors(path: Path, head: bytes) -> bool:
    return path.suffix == ".safetensors" or len(head) <= 8 or head[8:9] == b"{"


def _read_tensorflow(path: Path) -> tuple[Contents, None]:
    from gptlite.checkpoints.tensorflow.tensorbundle import read_contents

    return read_contents(path.parent / TENSORFLOW_SUFFIX.sub("", path.name)), None


def _read_torch(path: Path) -> tuple[Contents, GPTConfig | None]:
    from gptlite.checkpoints.pytorch.contents import read_contents
    from gptlite.checkpoints.pytorch.nanogpt import read_model_args

    contents, extra = read_contents(path)
    return contents, read_model_args(extra, str(path))


def _match_openai_names(
    found: Mapping[str, Shape], config: GPTConfig, where: str
) -> dict[str, FileTensor | None]:
    """Match OpenAI's names, and tell the user how many variables of a training run are ignored."""
    matched = match_openai_names(found, config, where)
    if ignored := len(found) - len(matched):
        warn(
            f"{where}: {ignored} variables that are no part of a GPT-2 (an optimizer's, say) are "
            "ignored"
        )
    return matched


FORMATS = (
    Format("llm.c", _is_llmc, llmc.read_contents),
    Format(
        "TensorFlow",
        _is_tensorflow,
        _read_tensorflow,
        size_files=(HPARAMS_FILE, CONFIG_FILE),
        match_names=_match_openai_names,
        parameter_names=openai_parameter_names,
    ),
    Format("GPT-1's pieces", lambda path, _: path.name == gpt1.SHAPES_FILE, gpt1.read_contents),
    Format("PyTorch", _is_torch, _read_torch, suffixes=TORCH_SUFFIXES),
    Format(
        "safetensors",
        _is_safetensors,
        lambda path: (safetensors.read_contents(path), None),
        suffixes=(".safetensors",),
    ),
)
# Not a format of its own: a table of files, each of which has its format.
SHARDED = Format(
    "an index",
    lambda path, _: path.name.endswith(INDEX_SUFFIX),
    lambda path: (read_sharded(path, lambda file: read_contents(file)[1]), None),
)
SUFFIXES = tuple(suffix for format in FORMATS for suffix in format.suffixes)
