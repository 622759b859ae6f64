"""GPT-1's two forms: OpenAI's ten pieces, and the hub's names and config.json.

OpenAI published one row of numbers, cut into ``params_0.npy`` to ``params_9.npy`` without regard to
where a tensor ends, and ``params_shapes.json``, the shapes of all tensors in the order of the row.
The names are nowhere: here they are, in that order.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gptlite.checkpoints.sizes import read_sizes
from gptlite.checkpoints.stored import Shape, Stored
from gptlite.checkpoints.strict_json import MAX_BYTES, shown
from gptlite.config import GPTConfig
from gptlite.errors import CheckpointError
from gptlite.files import read_small

SHAPES_FILE = "params_shapes.json"
MAX_PIECES = 1000
HEADER_BYTES = 1024
# The beginning of a file by np.save: version 1.0, two bytes of length, a dict, spaces, a line feed.
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '<f4', 'fortran_order': False, "
    rb"'shape': \((\d{1,18}),\), \} *\n",
    re.DOTALL,
)

OUTSIDE = ("wpe.weight", "wte.weight")
IN_BLOCK = (
    *("attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight", "attn.c_proj.bias"),
    *("ln_1.weight", "ln_1.bias"),
    *("mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias"),
    *("ln_2.weight", "ln_2.bias"),
)

MODEL_TYPE = "openai-gpt"
ACTIVATION = "gelu"  # in transformers' GPT-1 this is GPT-2's own, the tanh form


def read_contents(path: Path) -> tuple[dict[str, Stored], None]:
    """List the tensors of OpenAI's pieces, under GPT-2's names.

    Args:
        path: ``params_shapes.json``; the pieces lie beside it.

    Raises:
        CheckpointError: the shapes are not GPT-1's, a piece is missing or no row of float32, or the
            pieces do not hold as many numbers as the shapes ask for.
        OSError: a file cannot be read.
    """
    shapes = _read_shapes(path)
    n_layer, more = divmod(len(shapes) - len(OUTSIDE), len(IN_BLOCK))
    if n_layer < 1 or more:
        raise CheckpointError(
            f"{path}: expected {len(OUTSIDE)} shapes and {len(IN_BLOCK)} for each block, "
            f"found {len(shapes)}"
        )
    names = [*OUTSIDE, *(f"h.{i}.{leaf}" for i in range(n_layer) for leaf in IN_BLOCK)]
    pieces = _read_pieces(path)
    contents: dict[str, Stored] = {}
    for name, shape in zip(names, shapes, strict=True):
        contents[name] = _take(pieces, shape, path, name)
    if pieces:
        left = sum(math.prod(piece.shape) for piece in pieces)
        raise CheckpointError(f"{path.parent}: {left} numbers more than {path.name} asks for")
    return contents, None


def _read_shapes(path: Path) -> list[Shape]:
    """Read the shapes; the leading 1 of matrices, which are convolutions one wide, is dropped."""
    try:
        found = json.loads(read_small(path, MAX_BYTES))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(found, list):
        raise CheckpointError(f"{path}: expected a list of shapes, found {shown(found)}")
    shapes: list[Shape] = []
    for shape in found:
        if not isinstance(shape, list) or not shape or not all(type(n) is int for n in shape):
            raise CheckpointError(f"{path}: expected a shape, found {shown(shape)}")
        if not all(0 < n < 1 << 31 for n in shape):
            raise CheckpointError(f"{path}: expected positive sizes, found {shown(shape)}")
        shapes.append(tuple(shape[1:] if len(shape) == 3 and shape[0] == 1 else shape))
    return shapes


def _read_pieces(path: Path) -> list[Stored]:
    """List the pieces of the row, each as a tensor of one axis."""
    pieces: list[Stored] = []
    while (file := path.with_name(f"params_{len(pieces)}.npy")).is_file():
        with open(file, "rb") as opened:
            head = _HEADER.match(opened.read(HEADER_BYTES))
            n_bytes = opened.seek(0, 2)
        if head is None:
            raise CheckpointError(f"{file}: expected one row of float32 as NumPy saves it")
        shape = (int(head[1]),)
        if n_bytes - head.end() != 4 * shape[0]:
            raise CheckpointError(
                f"{file}: expected {4 * shape[0]} bytes of numbers, found {n_bytes - head.end()}"
            )
        begin = head.end()
        pieces.append(Stored(file, begin, "F32", shape))
        if len(pieces) > MAX_PIECES:
            raise CheckpointError(f"{path.parent}: more than {MAX_PIECES} pieces")
    if not pieces:
        raise CheckpointError(f"{path.parent}: missing params_0.npy")
    return pieces


def _take(pieces: list[Stored], shape: Shape, path: Path, name: str) -> Stored:
    """Take a tensor from the front of the pieces, which get shorter by as much."""
    parts: list[Stored] = []
    wanted = math.prod(shape)
    while wanted:
        if not pieces:
            raise CheckpointError(
                f"{path.parent}: the pieces end within {name}, {wanted} numbers short"
            )
        piece = pieces.pop(0)
        n = min(wanted, piece.shape[0])
        if n:
            parts.append(piece._replace(shape=(n,)))
        if n < piece.shape[0]:
            pieces.insert(0, piece._replace(begin=piece.begin + 4 * n, shape=(piece.shape[0] - n,)))
        wanted -= n
    rest: Stored | None = None
    for part in reversed(parts[1:]):
        length = part.shape[0] + (rest.shape[0] if rest else 0)
        rest = part._replace(shape=(length,), rest=rest)
    return parts[0]._replace(shape=shape, rest=rest)


# ---- The hub's config.json ----------------------------------------------------------------------


def read_gpt1_config(options: Mapping[str, Any], where: str) -> GPTConfig:
    """Read the sizes in transformers' ``config.json`` of a GPT-1.

    Raises:
        CheckpointError: a size is missing or wrong; an option changes the mathematics.
    """
    activation = options.get("afn", ACTIVATION)
    if activation != ACTIVATION:
        raise CheckpointError(f"{where}: afn is {shown(activation)}; gptlite has 'gelu' only")
    keys = {"n_vocab": "vocab_size", "n_ctx": "n_positions", "n_embd": "n_embd"}
    keys |= {"n_head": "n_head", "n_layer": "n_layer"}
    config = read_sizes(options, keys, where)
    epsilon = options.get("layer_norm_epsilon", GPTConfig.layer_norm_epsilon)
    try:
        return replace(config, post_norm=True, layer_norm_epsilon=epsilon)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{where}: {error}") from None


def format_gpt1_config(config: GPTConfig, dtype: str) -> bytes:
    """Write the ``config.json`` that transformers wants for an OpenAIGPTLMHeadModel.

    Raises:
        ValueError: the model differs from GPT-1 in something for which transformers has no option.
    """
    gpt1 = GPTConfig(n_embd=config.n_embd, n_head=config.n_head)
    for name in ("n_inner", "activation_function", "scale_attn_by_inverse_layer_idx"):
        if (found := getattr(config, name)) != (expected := getattr(gpt1, name)):
            raise ValueError(f"{name} is {found}: a GPT-1 in the hub's format has {expected} only")
    options = {
        "architectures": ["OpenAIGPTLMHeadModel"],
        "model_type": MODEL_TYPE,
        "afn": ACTIVATION,
        "vocab_size": config.n_vocab + config.n_padding,
        "n_positions": config.n_ctx,
        "n_embd": config.n_embd,
        "n_head": config.n_head,
        "n_layer": config.n_layer,
        "layer_norm_epsilon": config.layer_norm_epsilon,
        "tie_word_embeddings": config.tie_word_embeddings,
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "dtype": dtype,
    }
    return (json.dumps(options, indent=2, sort_keys=True) + "\n").encode("ascii")
