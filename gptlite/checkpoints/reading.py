"""From a place on disk to a model: which file holds the weights, the sizes, and the numbers.

formats.py says how the file is read into a table of contents, ``{name: Stored}``; names.py says
which entry is which parameter; here each parameter's array is made once and filled once.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptlite.checkpoints.formats import SUFFIXES, read_contents
from gptlite.checkpoints.hub import CONFIG_FILE, parse_config
from gptlite.checkpoints.names import LM_HEAD, FileTensor, count_blocks, parameter_names
from gptlite.checkpoints.stored import BLOCK, READ_AS, Contents, Shape, Stored, read_into
from gptlite.checkpoints.strict_json import MAX_BYTES, shown
from gptlite.checkpoints.tensorflow.openai import HPARAMS_FILE, parse_hparams
from gptlite.config import PRESETS, GPTConfig, parameter_shapes
from gptlite.errors import CheckpointError
from gptlite.files import read_small, with_progress

Parameters = dict[str, NDArray[np.floating[Any]]]

# A directory is searched for these names in this order, then for a TensorFlow checkpoint, and last
# for a single file with an ending of SUFFIXES.
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
SIZE_PARSERS: Mapping[str, Callable[[bytes, str], GPTConfig]] = {
    CONFIG_FILE: parse_config,
    HPARAMS_FILE: parse_hparams,
}
# TensorFlow notes an absolute path if it was given one; the directory may have moved since.
_LATEST = re.compile(r'model_checkpoint_path: "(?:/(?:[^"/]*/)*)?([^"\\/]+)"')


def read_checkpoint(
    path: str | os.PathLike[str], dtype: str = "float32", beside: Sequence[str] = ()
) -> tuple[GPTConfig, Parameters]:
    """Read the configuration and the parameters of a model on disk.

    Args:
        path: a directory; or a file of weights: safetensors, PyTorch (zip or legacy), llm.c, an
            index of several files, or one of a TensorFlow checkpoint's files.
        dtype: ``"float32"``, or ``"float16"`` to keep matrices in half precision.
        beside: tensors that the file must have besides a GPT-2's (a classifier's head): read as
            float32, whatever their shape.

    Returns:
        config, {name: array}: the parameters of ``config.parameter_shapes``, in that order, each
        in memory of its own; after them the tensors of ``beside``.

    Raises:
        ValueError: any other dtype.
        CheckpointError: a file is missing, cannot be read, is damaged, or is not a GPT-2's.
    """
    if dtype not in ("float32", "float16"):
        raise ValueError(f"dtype must be 'float32' or 'float16', not {dtype!r}")
    path = Path(path)
    try:
        return _read(weights_file(path) if path.is_dir() else path, dtype, beside)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error


def weights_file(directory: Path) -> Path:
    """Find the file of a directory that holds the weights, or that says which files hold them.

    Raises:
        CheckpointError: there is none, or there are several of one kind and nothing says which.
    """
    for name in WEIGHT_FILES:
        if (directory / name).is_file():
            return directory / name
    found = sorted(directory.glob("*.index"))
    # OpenAI's own name; else the checkpoint that TensorFlow's file "checkpoint" calls the latest.
    wanted = [directory / "model.ckpt.index"]
    if (directory / "checkpoint").is_file():
        with open(directory / "checkpoint", "rb") as named:
            text = named.read(4096).decode("utf-8", "replace")
        if latest := _LATEST.match(text):
            wanted.append(directory / f"{latest[1]}.index")
    for file in [*wanted, *(found if len(found) == 1 else [])]:
        if file in found:
            return file
    if found:
        names = ", ".join(file.name for file in found[:5])
        raise CheckpointError(f"{directory}: expected one TensorFlow checkpoint, found {names}")
    # nanoGPT's out/ckpt.pt, llm.c's gpt2_124M.bin: these files may have any name.
    found = sorted(f for f in directory.iterdir() if f.suffix in SUFFIXES and f.is_file())
    if len(found) == 1:
        return found[0]
    expected = ", ".join([*WEIGHT_FILES[::2], "model.ckpt.index"])
    names = ", ".join(file.name for file in found[:5]) or "none"
    raise CheckpointError(
        f"{directory}: expected one of {expected}, or a single file of weights, found {names}"
    )


def _read(path: Path, dtype: str, beside: Sequence[str]) -> tuple[GPTConfig, Parameters]:
    format, contents, config = read_contents(path)
    if config is None:
        config = _sizes_beside(path, contents, format.size_files)
    more: Parameters = {}
    for name in beside:
        if name not in contents:
            raise CheckpointError(f"{path}: missing tensor {shown(name)}")
        more[name] = np.empty(contents[name].shape, np.float32)
        read_into(more[name], name, contents[name])
    contents = {name: stored for name, stored in contents.items() if name not in more}
    matched = format.match_names(_shapes(contents), config, str(path))
    return config, _fill(contents, matched, config, dtype, path) | more


def _sizes_beside(path: Path, contents: Contents, size_files: Sequence[str]) -> GPTConfig:
    """Read the sizes from a file beside the weights; without one, from the shapes of the weights.

    The shapes tell everything but the number of heads. So they are enough only if they are those
    of one of OpenAI's models.
    """
    for name in size_files:
        file = path.with_name(name)
        if file.is_file():
            return SIZE_PARSERS[name](read_small(file, MAX_BYTES), str(file))
    names = parameter_names(_shapes(contents), str(path))
    wte = contents[names["wte.weight"]].shape if "wte.weight" in names else ()
    wpe = contents[names["wpe.weight"]].shape if "wpe.weight" in names else ()
    for preset in PRESETS.values():
        shapes = (preset.n_vocab, preset.n_embd), (preset.n_ctx, preset.n_embd)
        if (wte, wpe) == shapes and count_blocks(names) == preset.n_layer:
            return preset
    raise CheckpointError(f"{path.parent}: missing {size_files[0]}")


def _shapes(contents: Contents) -> dict[str, Shape]:
    return {name: stored.shape for name, stored in contents.items()}


def _fill(
    contents: Contents,
    matched: Mapping[str, FileTensor | None],
    config: GPTConfig,
    dtype: str,
    path: Path,
) -> Parameters:
    """Make each parameter's array and read its numbers straight into it."""
    parameters: Parameters = {}
    shapes = parameter_shapes(config)

    def order(name: str) -> tuple[str, int]:
        tensor = matched[name]
        stored = contents[tensor.name] if tensor else Stored(path, -1, "F32", ())
        return str(stored.path), stored.begin

    # In the order of the file, so that it is read from beginning to end once.
    for name in with_progress(sorted(shapes, key=order), "loading", 4 * config.n_params):
        shape, tensor = shapes[name], matched[name]
        if tensor is None:  # no biases
            parameters[name] = np.zeros(shape, np.float32)
            continue
        array = np.empty(shape, dtype if len(shape) == 2 else np.float32)
        stored = contents[tensor.name]
        # OpenAI's matrices have a leading axis of 1, so the array is reshaped to match.
        read_into(
            array.T if tensor.transposed else array.reshape(stored.shape), tensor.name, stored
        )
        parameters[name] = array
    if head := matched.get(LM_HEAD):
        _check_tied(head.name, contents[head.name], parameters["wte.weight"])
    return {name: parameters[name] for name in shapes}


def _check_tied(name: str, stored: Stored, wte: NDArray[np.floating[Any]]) -> None:
    """Refuse an output embedding that differs from wte. Reads a few rows at a time."""
    n_vocab, n_embd = wte.shape
    step = n_vocab if stored.strides else max(1, BLOCK // n_embd)  # rows at a time
    size = np.dtype(READ_AS.get(stored.dtype, "<f4")).itemsize
    for start in range(0, n_vocab, step):
        tied = wte[start : start + step]  # [rows, n_embd]
        found = np.empty(tied.shape, tied.dtype)  # [rows, n_embd]
        begin = stored.begin + start * n_embd * size
        read_into(found, name, stored._replace(begin=begin, shape=tied.shape, checksum=None))
        # Compared as bits: a NaN would not equal itself.
        if found.tobytes() != tied.tobytes():
            raise CheckpointError(
                f"{stored.path}: tensor {shown(name)}: expected to equal wte.weight (tied), "
                "found other numbers"
            )
