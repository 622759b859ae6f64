"""llm.c's format: 256 numbers that describe the model, then all parameters, kind by kind.

    int32[256]   magic, version (3: float32, 5: bfloat16), n_ctx, n_vocab, n_layer, n_head, n_embd,
                 rows of wte (n_vocab rounded up); the rest is 0
    wte wpe      then ln_1 of all blocks, c_attn of all blocks and so on, then ln_f

Linear layers are stored transposed, ``[n_out, n_in]``.
"""

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from gptlite.checkpoints.stored import Shape, Stored
from gptlite.config import GPTConfig, parameter_shapes
from gptlite.errors import CheckpointError

MAGIC = 20240326
HEADER_BYTES = 1024
# Without a limit a small file could claim a million tensors. OpenAI's deepest model has 48 layers.
MAX_LAYERS = 1000
KINDS = {3: ("F32", 4), 5: ("BF16", 2)}  # version -> kind of number, bytes of each


def read_contents(path: Path) -> tuple[dict[str, Stored], GPTConfig]:
    """List the tensors of one of llm.c's model files, under the ecosystem's names; read the sizes.

    Raises:
        CheckpointError: the header is not llm.c's, or the file is not as long as it says.
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(HEADER_BYTES)
    if len(data) < HEADER_BYTES:
        raise CheckpointError(f"{path}: expected a header of {HEADER_BYTES} bytes, found {size}")
    magic, version, n_ctx, n_vocab, n_layer, n_head, n_embd, rows = map(
        int, np.frombuffer(data, "<i4", 8)
    )
    if magic != MAGIC:
        raise CheckpointError(f"{path}: expected llm.c's {MAGIC} to begin with, found {magic}")
    if version not in KINDS:
        raise CheckpointError(
            f"{path}: expected version 3 (float32) or 5 (bfloat16), found {version}"
        )
    if not (0 < n_layer <= MAX_LAYERS and 0 < n_vocab <= rows):
        raise CheckpointError(
            f"{path}: expected 1 to {MAX_LAYERS} layers and a vocabulary that fits, found n_layer "
            f"{n_layer}, n_vocab {n_vocab} of {rows} rows"
        )
    try:
        config = GPTConfig(n_vocab, n_ctx, n_embd, n_head, n_layer, n_padding=rows - n_vocab)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from None

    d, kind = n_embd, KINDS[version]
    one_block = parameter_shapes(replace(config, n_layer=1))
    in_all_blocks: dict[str, Shape] = {  # matrices are transposed
        name.removeprefix("h.0."): shape[::-1]
        for name, shape in one_block.items()
        if name.startswith("h.0.")
    }
    per_block = sum(math.prod(shape) for shape in in_all_blocks.values())
    expected = HEADER_BYTES + kind[1] * ((rows + n_ctx + 2) * d + n_layer * per_block)
    if expected != size:
        raise CheckpointError(f"{path}: expected {expected} bytes, found {size}")

    contents: dict[str, Stored] = {}
    end = HEADER_BYTES

    def add(name: str, shape: Shape) -> None:
        nonlocal end
        contents[name] = Stored(path, end, kind[0], shape)
        end += kind[1] * math.prod(shape)

    add("wte.weight", (rows, d))
    add("wpe.weight", (n_ctx, d))
    for leaf, shape in in_all_blocks.items():
        for i in range(n_layer):
            add(f"h.{i}.{leaf}", shape)
    add("ln_f.weight", (d,))
    add("ln_f.bias", (d,))
    return contents, config
