"""From a place on disk to a model: which file holds the weights, the sizes, and the numbers.

formats.py says how the file is read into a table of contents, ``{name: Stored}``; names.py says
which entry is which parameter; here each parameter's array is made once and filled once.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptlite.checkpoints.formats import SUFFIXES, Format, read_contents
from gptlite.checkpoints.gpt1 import SHAPES_FILE
from gptlite.checkpoints.hub import CONFIG_FILE, read_config
from gptlite.checkpoints.mingpt import is_mingpt, read_n_head
from gptlite.checkpoints.names import LM_HEAD, FileTensor, count_blocks
from gptlite.checkpoints.sizes import TELLING, sizes_of_shapes
from gptlite.checkpoints.stored import BLOCK, READ_AS, Contents, Shape, Stored, read_into
from gptlite.checkpoints.strict_json import MAX_BYTES, parse_object, shown
from gptlite.checkpoints.tensorflow.openai import HPARAMS_FILE, read_hparams
from gptlite.checks import check_dtype, check_int
from gptlite.config import GPTConfig, parameter_shapes
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
# What programs that train leave beside the weights, under endings of SUFFIXES.
_NO_WEIGHTS = re.compile(
    r"(?:training_args|optimizer|scheduler|scaler|rng_state|random_states)(?:_\d+)?\.\w+"
)
SIZE_READERS: Mapping[str, Callable[[Mapping[str, Any], str], GPTConfig]] = {
    CONFIG_FILE: read_config,
    HPARAMS_FILE: read_hparams,
}
# TensorFlow notes an absolute path if it was given one; the directory may have moved since.
_LATEST = re.compile(r'model_checkpoint_path: "(?:/(?:[^"/]*/)*)?([^"\\/]+)"')


def read_checkpoint(
    path: str | os.PathLike[str],
    dtype: str = "float32",
    n_head: int | None = None,
    beside: Sequence[str] = (),
) -> tuple[GPTConfig, Parameters]:
    """Read the configuration and the parameters of a model on disk.

    Args:
        path: a directory; or a file of weights: safetensors, PyTorch (zip or legacy), llm.c, an
            index of several files, or one of a TensorFlow checkpoint's files.
        dtype: ``"float32"``, or ``"float16"`` to keep matrices in half precision.
        n_head: the number of attention heads, for a model whose files do not say it.
        beside: tensors that the file must have besides a GPT-2's (a classifier's head): read as
            float32, whatever their shape.

    Returns:
        config, {name: array}: the parameters of ``config.parameter_shapes``, in that order, each
        in memory of its own; after them the tensors of ``beside``.

    Raises:
        ValueError: any other dtype.
        TypeError, ValueError: ``n_head`` is not an int, or below 1.
        CheckpointError: a file is missing, cannot be read, is damaged, or is not a GPT-2's; or it
            states another number of heads.
    """
    if n_head is not None:
        check_int("n_head", n_head, least=1)
    check_dtype(dtype)
    path = Path(path)
    try:
        return _read(weights_file(path) if path.is_dir() else path, dtype, n_head, beside)
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
    if (directory / SHAPES_FILE).is_file():
        return directory / SHAPES_FILE
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
    found = sorted(
        file
        for file in directory.iterdir()
        if file.suffix in SUFFIXES and not _NO_WEIGHTS.fullmatch(file.name) and file.is_file()
    )
    if len(found) == 1:
        return found[0]
    expected = ", ".join([*WEIGHT_FILES[::2], "model.ckpt.index"])
    names = ", ".join(file.name for file in found[:5]) or "none"
    raise CheckpointError(
        f"{directory}: expected one of {expected}, or a single file of weights, found {names}"
    )


def _read(
    path: Path, dtype: str, n_head: int | None, beside: Sequence[str]
) -> tuple[GPTConfig, Parameters]:
    format, contents, config = read_contents(path)
    if config is None:
        config = _sizes_beside(path, contents, format, n_head)
    if n_head not in (None, config.n_head):
        raise CheckpointError(f"{path}: n_head is {config.n_head}, as its files say, not {n_head}")
    more: Parameters = {}
    for name in beside:
        if name not in contents:
            raise CheckpointError(f"{path}: missing tensor {shown(name)}")
        more[name] = np.empty(contents[name].shape, np.float32)
        read_into(more[name], name, contents[name])
    contents = {name: stored for name, stored in contents.items() if name not in more}
    matched = format.match_names(_shapes(contents), config, str(path))
    parameters = _fill(contents, matched, config, dtype, path)
    if config.tie_word_embeddings and (head := matched.get(LM_HEAD)):
        stored = contents[head.name]
        if not _is_tied(head.name, stored, parameters["wte.weight"]):
            config = replace(config, tie_word_embeddings=False)
            parameters[LM_HEAD] = np.empty_like(parameters["wte.weight"])
            read_into(parameters[LM_HEAD], head.name, stored)
    return config, parameters | more


def _sizes_beside(path: Path, contents: Contents, format: Format, n_head: int | None) -> GPTConfig:
    """Read the sizes from a file beside the weights; without one, from the shapes of the weights.

    The shapes tell everything but the number of heads, which minGPT's config.json does.
    """
    for name in format.size_files:
        file = path.with_name(name)
        if file.is_file():
            options = parse_object(read_small(file, MAX_BYTES), str(file))
            if name != CONFIG_FILE or not is_mingpt(options):
                return SIZE_READERS[name](options, str(file))
            n_head = read_n_head(options, str(file))
            break
    found = _shapes(contents)
    names = format.parameter_names(found, str(path))
    if not any(name in names for name in TELLING):
        shown_names = ", ".join(shown(name) for name in list(found)[:5])
        raise CheckpointError(
            f"{path}: expected a GPT-2's tensors ({', '.join(TELLING)} and so on), "
            f"found {shown_names or 'none'}{' and others' if len(found) > 5 else ''}"
        )
    shapes = {name: _without_one(found[in_file]) for name, in_file in names.items()}
    return sizes_of_shapes(shapes, count_blocks(names), n_head, str(path))


def _without_one(shape: Shape) -> Shape:
    """Drop the leading axis of 1 that OpenAI's linear layers have."""
    return shape[1:] if len(shape) == 3 and shape[0] == 1 else shape


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
    return {name: parameters[name] for name in shapes}


def _is_tied(name: str, stored: Stored, wte: NDArray[np.floating[Any]]) -> bool:
    """Say whether the output layer is wte again. Reads a few rows at a time."""
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
            return False
    return True
