"""Wrong solutions of the forward pass, as students write them; and the words each should meet."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from gptlite.alphabet import BYTE_SYMBOLS
from gptlite.layers import layer_norm, linear, softmax

# By exercise and name, so that a module which is read twice counts once: function, words.
WRONG: dict[tuple[str, str], tuple[Callable[..., Any], str]] = {}


def wrong(exercise: str, words: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add a function to the list."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        WRONG[exercise, function.__name__] = function, words
        return function

    return add


# ---- merged -------------------------------------------------------------------------------------


def join_pair(row, i):
    """Join the tokens at i and i + 1."""
    new = list(row)
    new[i : i + 2] = ["".join(new[i : i + 2])]
    return new


@wrong("merged", "begins with characters")
def merged_of_characters(piece, rank):
    row = [c if c != " " else "Ġ" for c in piece]
    rows = [row]
    while True:
        best, place = None, None
        for i in range(len(row) - 1):
            r = rank.get((row[i], row[i + 1]))
            if r is not None and (best is None or r < best):
                best, place = r, i
        if place is None:
            return rows
        row = join_pair(row, place)
        rows.append(row)


def symbols(piece):
    """Spell a piece in the alphabet of the vocabulary."""
    return [BYTE_SYMBOLS[b] for b in piece.encode("utf-8")]


@wrong("merged", "joins the leftmost pair")
def merged_from_the_left(piece, rank):
    row = symbols(piece)
    rows = [row]
    i = 0
    while i < len(row) - 1:
        if (row[i], row[i + 1]) in rank:
            row = join_pair(row, i)
            rows.append(row)
            i = 0
        else:
            i += 1
    return rows


@wrong("merged", "highest rank")
def merged_last_first(piece, rank):
    rows = [symbols(piece)]
    while True:
        row = rows[-1]
        pairs = [(a, b) for a, b in pairwise(row) if (a, b) in rank]
        if not pairs:
            return rows
        pairs.sort(key=lambda pair: -rank[pair])
        for i in range(len(row) - 1):
            if (row[i], row[i + 1]) == pairs[0]:
                rows.append(join_pair(row, i))
                break


@wrong("merged", "stops after the first merge")
def merged_once(piece, rank):
    row = symbols(piece)
    ranked = sorted(
        (rank[row[i], row[i + 1]], i) for i in range(len(row) - 1) if (row[i], row[i + 1]) in rank
    )
    return [row, join_pair(row, ranked[0][1])] if ranked else [row]


@wrong("merged", "the first row is missing")
def merged_without_bytes(piece, rank):
    row, rows = symbols(piece), []
    while True:
        ranked = sorted((rank.get(p, 10**9), i) for i, p in enumerate(pairwise(row)))
        if not ranked or ranked[0][0] == 10**9:
            return rows
        row = join_pair(row, ranked[0][1])
        rows.append(row)


@wrong("merged", "the same list was appended")
def merged_into_one_list(piece, rank):
    row = symbols(piece)
    rows = [row]
    while True:
        ranked = sorted((rank.get(p, 10**9), i) for i, p in enumerate(pairwise(row)))
        if not ranked or ranked[0][0] == 10**9:
            return rows
        i = ranked[0][1]
        row[i] += row.pop(i + 1)
        rows.append(row)


@wrong("merged", "returns the last row alone")
def merged_to_the_end(piece, rank):
    row = symbols(piece)
    while True:
        ranked = sorted((rank.get(p, 10**9), i) for i, p in enumerate(pairwise(row)))
        if not ranked or ranked[0][0] == 10**9:
            return row
        row = join_pair(row, ranked[0][1])


# ---- split_heads --------------------------------------------------------------------------------


@wrong("split_heads", "heads hold other tokens' numbers")
def split_in_one_go(x, n_head):
    b, s, d = x.shape
    return np.reshape(x, (b, n_head, s, d // n_head))


@wrong("split_heads", "heads should come before the positions")
def split_without_swapping(x, n_head):
    return np.stack(np.split(x, n_head, axis=2), axis=2)


@wrong("split_heads", "every n-th number")
def split_interleaved(x, n_head):
    return np.stack([x[:, :, h::n_head] for h in range(n_head)], axis=1)


@wrong("split_heads", "last two axes are exchanged")
def split_and_turned(x, n_head):
    width = x.shape[-1] // n_head
    heads = [x[..., h * width : (h + 1) * width] for h in range(n_head)]
    return np.array([np.transpose(head, (0, 2, 1)) for head in heads]).swapaxes(0, 1)


@wrong("split_heads", "batch should stay in front")
def split_heads_in_front(x, n_head):
    return np.array(np.split(x, n_head, axis=-1))


# ---- attention_scores ---------------------------------------------------------------------------


@wrong("attention_scores", "scale is left out")
def scores_unscaled(q, k):
    return np.einsum("bhqd,bhkd->bhqk", q, k)


@wrong("attention_scores", "scale is squared")
def scores_over_head_dim(q, k):
    return np.einsum("bhqd,bhkd->bhqk", q, k) / k.shape[3]


@wrong("attention_scores", "should be divided by it")
def scores_times_root(q, k):
    return np.matmul(q * math.sqrt(q.shape[-1]), np.transpose(k, (0, 1, 3, 2)))


@wrong("attention_scores", "number of heads")
def scores_root_of_heads(q, k):
    _, n, _, _ = q.shape
    return np.matmul(q, np.transpose(k, (0, 1, 3, 2))) / math.sqrt(n)


@wrong("attention_scores", "number of queries")
def scores_root_of_queries(q, k):
    return np.matmul(q, np.transpose(k, (0, 1, 3, 2))) / math.sqrt(len(q[0, 0]))


@wrong("attention_scores", "that of n_embd")
def scores_root_of_width(q, k):
    _, heads, _, d = q.shape
    return np.einsum("...qd,...kd->...qk", q, k) / math.sqrt(heads * d)


@wrong("attention_scores", "rows and columns are exchanged")
def scores_turned(q, k):
    return np.einsum("bhqd,bhkd->bhkq", q, k) / math.sqrt(k.shape[-1])


@wrong("attention_scores", r"`\.T` reverses all of them")
def scores_all_axes_reversed(q, k):
    return q @ k.T / math.sqrt(q.shape[-1])


# ---- mask_future --------------------------------------------------------------------------------


def by_place(scores, is_hidden):
    """Copy scores, and hide place by place."""
    out, (seq, total) = scores.copy(), scores.shape[-2:]
    for i in range(seq):
        for j in range(total):
            if is_hidden(i, j, total - seq):
                out[..., i, j] = -np.inf
    return out


@wrong("mask_future", "hides each position from itself")
def mask_itself_too(scores):
    return by_place(scores, lambda i, j, cached: j >= i + cached)


@wrong("mask_future", "still sees the next one")
def mask_one_late(scores):
    return by_place(scores, lambda i, j, cached: j > i + cached + 1)


@wrong("mask_future", "wrong half is hidden")
def mask_the_past(scores):
    return by_place(scores, lambda i, j, cached: j < i + cached)


@wrong("mask_future", "forgets the positions in the cache")
def mask_from_the_left(scores):
    return by_place(scores, lambda i, j, cached: j > i)


@wrong("mask_future", "triangle is square")
def mask_square(scores):
    seq = scores.shape[-2]
    mask = np.zeros((seq, seq), np.float32)
    mask[np.triu_indices(seq, 1)] = -1e10
    return scores + mask


@wrong("mask_future", "hidden scores are 0")
def mask_by_zeros(scores):
    seq, total = scores.shape[-2:]
    return np.tril(scores, total - seq)


@wrong("mask_future", "lowered by 10 only")
def mask_too_weak(scores):
    seq, total = scores.shape[-2:]
    return (scores - 10 * np.triu(np.ones((seq, total)), total - seq + 1)).astype(np.float32)


@wrong("mask_future", "minus infinity was multiplied by a 0")
def mask_infinity_times_zero(scores):
    seq, total = scores.shape[-2:]
    return scores + np.triu(np.ones((seq, total), np.float32), total - seq + 1) * -np.inf


@wrong("mask_future", "mask alone")
def mask_without_scores(scores):
    seq, total = scores.shape[-2:]
    return np.zeros_like(scores) + np.triu(np.full((seq, total), -1e9), total - seq + 1)


# ---- softmax ------------------------------------------------------------------------------------


@wrong("softmax", "columns add up to 1")
def softmax_of_columns(x):
    e = np.exp(x - x.max())
    return e / np.sum(e, axis=-2, keepdims=True)


@wrong("softmax", "along the first axis")
def softmax_of_the_first_axis(x):
    p = np.exp(x - np.max(x, axis=0))
    return p / p.sum(axis=0)


@wrong("softmax", "all your numbers together")
def softmax_of_everything(x):
    e = np.exp(x - np.amax(x))
    return e / e.sum()


@wrong("softmax", "nothing makes them add up to 1")
def softmax_not_normalised(x):
    return np.exp(x)


@wrong("softmax", "divided by their sum as they are")
def softmax_without_exp(x):
    return x / np.sum(x, axis=-1)[..., None]


@wrong("softmax", "overflows for a score of 1000")
def softmax_that_overflows(x):
    e = np.e**x
    return e / np.sum(e, axis=-1)[..., np.newaxis]


@wrong("softmax", "maximum of the whole array")
def softmax_one_maximum(x):
    e = np.exp(x - x.max())
    return e / e.sum(axis=-1)[..., None]


@wrong("softmax", "minus too many")
def softmax_upside_down(x):
    x = -x
    e = np.exp(x - np.max(x, axis=-1)[..., None])
    return e / np.sum(e, axis=-1)[..., None]


@wrong("softmax", "keepdims=True")
def softmax_lost_axis(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    total = np.sum(e, axis=-1)
    return e / total


# ---- layer_norm ---------------------------------------------------------------------------------


def normed(x, mean, spread, weight, bias):
    """Apply the second half of a layer norm."""
    return weight * ((x - mean) / spread) + bias


@wrong("layer_norm", "taken over the positions")
def norm_of_positions(x, weight, bias, epsilon=1e-5):
    m = np.mean(x, axis=-2, keepdims=True)
    return normed(
        x, m, np.sqrt(np.mean((x - m) ** 2, axis=-2, keepdims=True) + epsilon), weight, bias
    )


@wrong("layer_norm", "one mean and one variance for the whole array")
def norm_of_everything(x, weight, bias, epsilon=1e-5):
    m = np.mean(x)
    return normed(x, m, np.sqrt(np.mean((x - m) ** 2) + epsilon), weight, bias)


@wrong("layer_norm", "variance's mean is over the wrong axis")
def norm_variance_axis(x, weight, bias, epsilon=1e-5):
    m = np.mean(x, axis=-1, keepdims=True)
    v = np.std(x, axis=-2, keepdims=True) ** 2
    return normed(x, m, np.sqrt(v + epsilon), weight, bias)


@wrong("layer_norm", "Bessel")
def norm_of_a_sample(x, weight, bias, epsilon=1e-5):
    n = x.shape[-1]
    m = x.sum(axis=-1, keepdims=True) / n
    v = ((x - m) ** 2).sum(axis=-1, keepdims=True) / (n - 1)
    return normed(x, m, (v + epsilon) ** 0.5, weight, bias)


@wrong("layer_norm", "epsilon is outside the root")
def norm_epsilon_outside(x, weight, bias, epsilon=1e-5):
    return normed(
        x, x.mean(-1, keepdims=True), np.std(x, -1, keepdims=True) + epsilon, weight, bias
    )


@wrong("layer_norm", "epsilon is left out")
def norm_without_epsilon(x, weight, bias, epsilon=1e-5):
    return normed(x, x.mean(-1, keepdims=True), np.std(x, -1, keepdims=True), weight, bias)


@wrong("layer_norm", "divides by the variance")
def norm_by_variance(x, weight, bias, epsilon=1e-5):
    c = x - x.mean(-1, keepdims=True)
    return c / ((c * c).mean(-1, keepdims=True) + epsilon) * weight + bias


@wrong("layer_norm", "RMS norm")
def norm_root_mean_square(x, weight, bias, epsilon=1e-5):
    return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + epsilon) * weight + bias


@wrong("layer_norm", "gain is left out")
def norm_without_gain(x, weight, bias, epsilon=1e-5):
    return layer_norm(x, np.ones_like(weight), bias, epsilon)


@wrong("layer_norm", "shift is left out")
def norm_without_shift(x, weight, bias, epsilon=1e-5):
    return layer_norm(x, weight, np.zeros_like(bias), epsilon)


# ---- gelu ---------------------------------------------------------------------------------------


@wrong("gelu", "exact GELU")
def gelu_by_erf(x):
    return (x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))).astype(np.float32)


@wrong("gelu", "sigmoid form")
def gelu_by_sigmoid(x):
    sigmoid = 1 / (1 + np.exp(-1.702 * x))
    return x * sigmoid


@wrong("gelu", "ReLU")
def gelu_as_relu(x):
    return x * (x > 0)


@wrong("gelu", "factor 0.5 is missing")
def gelu_twice(x):
    return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


@wrong("gelu", "should be cubed")
def gelu_squared(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * np.square(x))))


@wrong("gelu", "its square root should")
def gelu_no_root(x):
    return x / 2 * (1 + np.tanh((2 / math.pi) * (x + 0.044715 * np.power(x, 3))))


@wrong("gelu", "Mind the brackets")
def gelu_brackets(x):
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * x + 0.044715 * np.power(x, 3)))


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
