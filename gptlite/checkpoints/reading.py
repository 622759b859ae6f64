"""From a place on disk to a model: which format lies there, its sizes, and its numbers.

Each format's file makes a table of contents, ``{name: Stored}``; ``names.py`` says which entry is
which parameter; here each parameter's array is made once and filled once. The two largest readers
are imported only where such a file is met.
"""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptlite.checkpoints import llmc, safetensors
from gptlite.checkpoints.hub import parse_config, read_sharded
from gptlite.checkpoints.names import (
    LM_HEAD,
    Source,
    count_blocks,
    match_names,
    match_openai_names,
    parameter_names,
)
from gptlite.checkpoints.sizes import read_sizes
from gptlite.checkpoints.stored import BLOCK, READ_AS, Contents, Stored, read_into, refuse_pointer
from gptlite.checkpoints.strict_json import shown
from gptlite.checkpoints.tensorflow.openai import parse_hparams
from gptlite.config import PRESETS, GPTConfig, parameter_shapes
from gptlite.errors import CheckpointError
from gptlite.files import with_progress

Parameters = dict[str, NDArray[np.floating[Any]]]

# What a directory is searched for, in this order; then for a TensorFlow checkpoint, and at last for
# one file that ends as files of weights do.
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
TORCH_SUFFIXES = (".bin", ".pt", ".pth")
FREE_SUFFIXES = (".safetensors", *TORCH_SUFFIXES)
_TENSORFLOW = re.compile(r"\.(?:index|meta|data-[0-9]{5}-of-[0-9]{5})$")
# TensorFlow notes an absolute path where it was given one; the directory may have moved since.
_LATEST = re.compile(r'model_checkpoint_path: "(?:/(?:[^"/]*/)*)?([^"\\/]+)"')
_LLMC_MAGIC = llmc.MAGIC.to_bytes(4, "little")


def read_checkpoint(
    path: str | os.PathLike[str], dtype: str = "float32", beside: Sequence[str] = ()
) -> tuple[GPTConfig, Parameters]:
    """The configuration and the parameters of a model on disk.

    Args:
        path: a directory; or a file of weights: safetensors, PyTorch (zip or legacy), llm.c, an
            index of several files, or one of a TensorFlow checkpoint's.
        dtype: ``"float32"``, or ``"float16"`` to keep matrices in half precision.
        beside: tensors that the file must have besides a GPT-2's (a classifier's head): read too,
            as float32, whatever their shape. Not of TensorFlow checkpoints.

    Returns:
        config, {name: array}: those of ``config.parameter_shapes``, in that order, each in memory
        of its own; after them those of ``beside``.

    Raises:
        ValueError: another dtype.
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
    """The file of a directory that holds the weights, or the table of them.

    Raises:
        CheckpointError: there is none, or several of one kind and no choice among them.
    """
    for name in WEIGHT_FILES:
        if (directory / name).is_file():
            return directory / name
    found = sorted(directory.glob("*.index"))
    # OpenAI's own name; else what TensorFlow's file "checkpoint" calls the latest.
    wanted = [directory / "model.ckpt.index"]
    if (directory / "checkpoint").is_file():
        text = (directory / "checkpoint").read_bytes()[:4096].decode("utf-8", "replace")
        if latest := _LATEST.match(text):
            wanted.append(directory / f"{latest[1]}.index")
    for file in [*wanted, *(found if len(found) == 1 else [])]:
        if file in found:
            return file
    if found:
        names = ", ".join(file.name for file in found[:5])
        raise CheckpointError(f"{directory}: expected one TensorFlow checkpoint, found {names}")
    # nanoGPT's out/ckpt.pt, llm.c's gpt2_124M.bin: their names are free.
    found = sorted(f for f in directory.iterdir() if f.suffix in FREE_SUFFIXES and f.is_file())
    if len(found) == 1:
        return found[0]
    expected = ", ".join([*WEIGHT_FILES[::2], "model.ckpt.index"])
    names = ", ".join(file.name for file in found[:5]) or "none"
    raise CheckpointError(
        f"{directory}: expected one of {expected}, or a single file of weights, found {names}"
    )


def _read(path: Path, dtype: str, beside: Sequence[str]) -> tuple[GPTConfig, Parameters]:
    directory = path.parent
    if _TENSORFLOW.search(path.name):
        from gptlite.checkpoints.tensorflow import tensorbundle

        contents: Contents = tensorbundle.read_contents(
            path.parent / _TENSORFLOW.sub("", path.name)
        )
        config = _config_beside(directory, ["hparams.json", "config.json"])
        if config is None:
            raise CheckpointError(f"{directory}: missing hparams.json")
        sources = match_openai_names(_shapes(contents), config, str(path))
        ignored = len(contents) - len(sources)
        if ignored:
            logging.getLogger("gptlite").warning(
                "%s: %d variables that are no part of a GPT-2 (an optimizer's, say) are ignored",
                path,
                ignored,
            )
        return config, _fill(contents, sources, config, dtype, path)

    contents, config = _contents(path)
    config = config or _config_beside(directory, ["config.json", "hparams.json"])
    config = config or _preset_of(contents, path)
    more: Parameters = {}
    for name in beside:
        if name not in contents:
            raise CheckpointError(f"{path}: missing tensor {shown(name)}")
        more[name] = np.empty(contents[name].shape, np.float32)
        read_into(more[name], name, contents[name])
    contents = {name: stored for name, stored in contents.items() if name not in more}
    sources = match_names(_shapes(contents), config, str(path))
    return config, _fill(contents, sources, config, dtype, path) | more


def _contents(path: Path) -> tuple[Contents, GPTConfig | None]:
    """The table of contents of a file, whose first bytes say what it is; and its sizes, if any."""
    if path.name.endswith(".index.json"):
        return read_sharded(path, lambda file: _contents(file)[0]), None
    refuse_pointer(path)
    with open(path, "rb") as file:
        head = file.read(16)
    if head.startswith(_LLMC_MAGIC) and any(head[4:8]):
        return llmc.read_contents(path)
    # A safetensors file begins with a length, which may look like anything, and then with a brace.
    # What is neither is taken for what its name says, so that the complaint is about that.
    is_torch = head.startswith((b"PK\3\4", b"\x80\2"))
    if path.suffix == ".ckpt" and not is_torch:  # TensorFlow's first version, which is refused
        from gptlite.checkpoints.tensorflow import tensorbundle

        return tensorbundle.read_contents(path), None
    if (is_torch or path.suffix in TORCH_SUFFIXES) and head[8:9] != b"{":
        from gptlite.checkpoints.pytorch import contents as pytorch

        contents, extra = pytorch.read_contents(path)
        model_args = extra.get("model_args")
        return (
            _nanogpt(contents, model_args, path)
            if isinstance(model_args, dict)
            else (contents, None)
        )
    if path.suffix != ".safetensors" and len(head) > 8 and head[8:9] != b"{":
        raise CheckpointError(
            f"{path}: expected a file of weights (safetensors, PyTorch, TensorFlow or llm.c), "
            f"found one that begins with {head[:8]!r}"
        )
    return safetensors.read_contents(path), None


def _nanogpt(
    contents: dict[str, Stored], model_args: Mapping[str, object], path: Path
) -> tuple[Contents, GPTConfig]:
    """nanoGPT's checkpoint has its sizes within, and rows that pad GPT-2's vocabulary.

    nanoGPT bends with the exact GELU since June 2023, with GPT-2's tanh form before; the file does
    not say which. The two differ by less than 0.0005; here it is always the tanh form.
    """
    keys = {
        "n_vocab": "vocab_size",
        "n_ctx": "block_size",
        "n_embd": "n_embd",
        "n_head": "n_head",
        "n_layer": "n_layer",
    }
    config = read_sizes(model_args, keys, f"{path}: model_args")
    padded, true = 50304, PRESETS["gpt2"].n_vocab  # the next multiple of 64
    if config.n_vocab == padded:
        config = replace(config, n_vocab=true)
        for name, stored in contents.items():
            if len(stored.shape) == 2 and stored.shape[0] == padded:
                contents[name] = stored._replace(shape=(true, *stored.shape[1:]))
    return contents, config


def _config_beside(directory: Path, names: list[str]) -> GPTConfig | None:
    """The sizes that the first of these files states, if one is there."""
    parsers = {"config.json": parse_config, "hparams.json": parse_hparams}
    for name in names:
        if (directory / name).is_file():
            return parsers[name]((directory / name).read_bytes(), str(directory / name))
    return None


def _preset_of(contents: Contents, path: Path) -> GPTConfig:
    """The sizes of weights that come without any, where their shapes are an official size's.

    Only the number of heads cannot be told from the shapes: of any other model it must be stated.
    """
    names = parameter_names(_shapes(contents), str(path))
    wte = contents[names["wte.weight"]].shape if "wte.weight" in names else ()
    wpe = contents[names["wpe.weight"]].shape if "wpe.weight" in names else ()
    for preset in PRESETS.values():
        shapes = (preset.n_vocab, preset.n_embd), (preset.n_ctx, preset.n_embd)
        if (wte, wpe) == shapes and count_blocks(names) == preset.n_layer:
            return preset
    raise CheckpointError(f"{path.parent}: missing config.json")


def _shapes(contents: Contents) -> dict[str, tuple[int, ...]]:
    return {name: stored.shape for name, stored in contents.items()}


def _fill(
    contents: Contents,
    sources: Mapping[str, Source | None],
    config: GPTConfig,
    dtype: str,
    path: Path,
) -> Parameters:
    """Make each parameter's array and read its numbers straight into it."""
    parameters: Parameters = {}
    shapes = parameter_shapes(config)

    def order(name: str) -> tuple[str, int]:
        source = sources[name]
        stored = contents[source.name] if source else Stored(path, -1, "F32", ())
        return str(stored.path), stored.begin

    # In the order of the file, so that it is read from beginning to end once.
    for name in with_progress(sorted(shapes, key=order), "loading", 4 * config.n_params):
        shape, source = shapes[name], sources[name]
        if source is None:  # no biases
            parameters[name] = np.zeros(shape, np.float32)
            continue
        array = np.empty(shape, dtype if len(shape) == 2 else np.float32)
        stored = contents[source.name]
        # The shape in the file may have an axis of 1 before it: OpenAI's.
        read_into(
            array.T if source.transposed else array.reshape(stored.shape), source.name, stored
        )
        parameters[name] = array
    if head := sources.get(LM_HEAD):
        _check_tied(head.name, contents[head.name], parameters["wte.weight"])
    return {name: parameters[name] for name in shapes}


def _check_tied(name: str, stored: Stored, wte: NDArray[np.floating[Any]]) -> None:
    """Refuse an output embedding that is not the input embedding; read by and by."""
    n_vocab, n_embd = wte.shape
    step = n_vocab if stored.strides else max(1, BLOCK // n_embd)  # rows at a time
    size = np.dtype(READ_AS.get(stored.dtype, "<f4")).itemsize
    for start in range(0, n_vocab, step):
        tied = wte[start : start + step]  # [rows, n_embd]
        part = np.empty(tied.shape, tied.dtype)  # [rows, n_embd]
        begin = stored.begin + start * n_embd * size
        read_into(part, name, stored._replace(begin=begin, shape=tied.shape, checksum=None))
        # Compared as bits: a NaN would not equal itself.
        if part.tobytes() != tied.tobytes():
            raise CheckpointError(
                f"{stored.path}: tensor {shown(name)}: expected to equal wte.weight (tied), "
                "found other numbers"
            )
