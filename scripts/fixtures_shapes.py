"""The tiny GPT-2 that the fixtures hold, so that every format holds the same numbers."""

from __future__ import annotations

import numpy as np

SIZES = {"n_vocab": 300, "n_ctx": 16, "n_embd": 8, "n_head": 2, "n_layer": 2}


def parameters() -> dict[str, np.ndarray]:
    """Random parameters, under the ecosystem's names."""
    rng = np.random.default_rng(0)
    d = SIZES["n_embd"]
    block: dict[str, tuple[int, ...]] = {"ln_1.weight": (d,), "ln_1.bias": (d,)}
    block |= {"attn.c_attn.weight": (d, 3 * d), "attn.c_attn.bias": (3 * d,)}
    block |= {"attn.c_proj.weight": (d, d), "attn.c_proj.bias": (d,)}
    block |= {"ln_2.weight": (d,), "ln_2.bias": (d,)}
    block |= {"mlp.c_fc.weight": (d, 4 * d), "mlp.c_fc.bias": (4 * d,)}
    block |= {"mlp.c_proj.weight": (4 * d, d), "mlp.c_proj.bias": (d,)}
    shapes: dict[str, tuple[int, ...]] = {"wte.weight": (SIZES["n_vocab"], d)}
    shapes["wpe.weight"] = (SIZES["n_ctx"], d)
    for i in range(SIZES["n_layer"]):
        shapes |= {f"h.{i}.{leaf}": shape for leaf, shape in block.items()}
    shapes |= {"ln_f.weight": (d,), "ln_f.bias": (d,)}
    return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def openai_parameters() -> dict[str, np.ndarray]:
    """The same as OpenAI's code has them: ``model/h0/attn/c_attn/w``, an axis of 1 on matrices."""
    renamed = {}
    for name, array in parameters().items():
        *path, leaf = name.split(".")
        if path[0] == "h":
            path[:2] = [f"h{path[1]}"]
        letter = "b" if leaf == "bias" else "g" if path[-1].startswith("ln_") else "w"
        if path[0] in ("wte", "wpe"):
            renamed[f"model/{path[0]}"] = array
        else:
            key = "/".join(["model", *path, letter])
            renamed[key] = array[None] if array.ndim == 2 else array
    return renamed
