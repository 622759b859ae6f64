"""Mistakes that any function may have, as students make them."""

import math

import numpy as np

from exercises.marks import wrong


@wrong("softmax", "returns None")
def softmax_returns_nothing(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    e / e.sum(axis=-1, keepdims=True)


@wrong("softmax", "`x` is not what it was")
def softmax_in_place(x):
    x -= x.max(axis=-1, keepdims=True)
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)


@wrong("attention_scores", "float64")
def scores_in_float64(q, k):
    wide = np.array(q, dtype=float)
    return np.einsum("bhqd,bhkd->bhqk", wide, k) / math.sqrt(q.shape[-1])


@wrong("gelu", "it raises NameError on line [0-9]+ of its cell.*has the cell that defines it")
def gelu_of_unknown(x):
    return x * phi(x)  # noqa: F821


@wrong("layer_norm", "it takes .x., but is called with 4 arguments")
def norm_of_x_alone(x):
    return x


@wrong("split_heads", r"expected the shape \[2, 3, 5, 7\], found \[2, 5\]")
def split_to_numbers(x, n_head):
    return x.mean(axis=-1)


@wrong("mlp", "100% of the numbers differ, first at .*All of them are 3 times")
def mlp_too_large(x, p):
    h = x @ p["c_fc"]["weight"] + p["c_fc"]["bias"]
    h = 0.5 * h * (1 + np.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
    return 3 * (h @ p["c_proj"]["weight"] + p["c_proj"]["bias"])


@wrong("softmax", "is NaN .not a number., first at")
def softmax_nan_now_and_then(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    p[p < 0.01] = np.nan
    return p
