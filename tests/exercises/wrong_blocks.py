"""Wrong attention, feed-forward networks and blocks, as students write them."""

import math

import numpy as np

from exercises.marks import wrong
from gptlite.layers import layer_norm, linear, softmax

# ---- attention, mlp, decoder_block --------------------------------------------------------------


def gelu(x):
    """Apply GPT-2's activation function."""
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def attention(x, p, n_head, hide=True, scale=True, add_heads=True, order=(0, 1, 2)):
    """Compute attention head by head, with some of its mistakes to choose from."""
    out = np.zeros_like(x)
    batch, seq, width = x.shape
    d = width // n_head
    for b in range(batch):
        thirds = np.split(x[b] @ p["c_attn"]["weight"] + p["c_attn"]["bias"], 3, axis=1)
        q, k, v = (thirds[i] for i in order)
        for h in range(n_head):
            mine = slice(h * d, h * d + d)
            s = q[:, mine] @ k[:, mine].T
            if scale:
                s = s / math.sqrt(d)
            if hide:
                s[np.triu_indices(seq, 1)] = -1e9
            out[b, :, mine] = softmax(s) @ v[:, mine]
    return out @ p["c_proj"]["weight"] + p["c_proj"]["bias"] if add_heads else out


@wrong("attention", "there is no mask")
def attention_open(x, p, n_head):
    return attention(x, p, n_head, hide=False)


@wrong("attention", "scores are not scaled")
def attention_unscaled(x, p, n_head):
    return attention(x, p, n_head, scale=False)


@wrong("attention", "c_proj, is missing")
def attention_not_projected(x, p, n_head):
    return attention(x, p, n_head, add_heads=False)


@wrong("attention", "thirds of c_attn's result are taken as k, q, v")
def attention_keys_first(x, p, n_head):
    return attention(x, p, n_head, order=(1, 0, 2))


@wrong("attention", "one wide head")
def attention_one_head(x, p, n_head):
    return attention(x, p, 1)


@wrong("attention", "merged by a reshape alone")
def attention_badly_merged(x, p, n_head):
    (b, s, w), heads = x.shape, []
    for third in np.split(linear(x, **p["c_attn"]), 3, axis=-1):
        heads.append(third.reshape(b, s, n_head, -1).transpose(0, 2, 1, 3))
    scores = np.einsum("bhqd,bhkd->bhqk", heads[0], heads[1]) / math.sqrt(w // n_head)
    scores[..., ~np.tri(s, dtype=bool)] = -np.inf
    return linear((softmax(scores) @ heads[2]).reshape(b, s, w), **p["c_proj"])


@wrong("mlp", "no activation function")
def mlp_flat(x, p):
    return linear(linear(x, **p["c_fc"]), **p["c_proj"])


@wrong("mlp", "activation function is ReLU")
def mlp_relu(x, p):
    h = linear(x, **p["c_fc"])
    h[h < 0] = 0
    return linear(h, **p["c_proj"])


@wrong("mlp", "bias of c_fc is missing")
def mlp_without_bias(x, p):
    return linear(gelu(linear(x, p["c_fc"]["weight"])), **p["c_proj"])


@wrong("mlp", "that sum belongs to the decoder block")
def mlp_with_the_stream(x, p):
    return linear(gelu(linear(x, **p["c_fc"])), **p["c_proj"]) + x


def mlp(x, p):
    """Apply the feed-forward network."""
    return linear(gelu(linear(x, **p["c_fc"])), **p["c_proj"])


@wrong("decoder_block", "both residual connections are missing")
def block_without_stream(x, p, n_head):
    x = attention(layer_norm(x, **p["ln_1"]), p["attn"], n_head)
    return mlp(layer_norm(x, **p["ln_2"]), p["mlp"])


@wrong("decoder_block", "residual connection around attention")
def block_replaces(x, p, n_head):
    x = attention(layer_norm(x, **p["ln_1"]), p["attn"], n_head)
    return x + mlp(layer_norm(x, **p["ln_2"]), p["mlp"])


@wrong("decoder_block", "residual connection around the MLP")
def block_ends_in_mlp(x, p, n_head):
    x = x + attention(layer_norm(x, **p["ln_1"]), p["attn"], n_head)
    x = layer_norm(x, **p["ln_2"])
    return mlp(x, p["mlp"])


@wrong("decoder_block", "post-norm")
def block_norms_after(x, p, n_head):
    x = layer_norm(attention(x, p["attn"], n_head) + x, **p["ln_1"])
    return layer_norm(mlp(x, p["mlp"]) + x, **p["ln_2"])


@wrong("decoder_block", "normed vectors are carried on")
def block_overwrites_x(x, p, n_head):
    x = layer_norm(x, **p["ln_1"])
    x = x + attention(x, p["attn"], n_head)
    x = layer_norm(x, **p["ln_2"])
    x = x + mlp(x, p["mlp"])
    return x


@wrong("decoder_block", "as it was before attention")
def block_in_parallel(x, p, n_head):
    a = attention(layer_norm(x, **p["ln_1"]), p["attn"], n_head)
    b = mlp(layer_norm(x, **p["ln_2"]), p["mlp"])
    return a + b + x


@wrong("decoder_block", "ln_1 is used for both")
def block_one_norm(x, p, n_head):
    x = x + attention(layer_norm(x, **p["ln_1"]), p["attn"], n_head)
    return x + mlp(layer_norm(x, **p["ln_1"]), p["mlp"])
