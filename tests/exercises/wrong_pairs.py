"""Wrong solutions with two usual mistakes at once, as students write them."""

import math

import numpy as np

from exercises.marks import wrong
from exercises.wrong_blocks import attention, mlp
from gptlite.layers import softmax

# ---- softmax, GELU, layer norm ------------------------------------------------------------------


@wrong("softmax", "First, your columns add up to 1.*Second, exp overflows")
def softmax_of_columns_that_overflows(x):
    e = np.exp(x)
    return e / np.sum(e, axis=-2, keepdims=True)


@wrong("softmax", "First, your numbers add up to 1 along the first axis.*Second, exp overflows")
def softmax_of_the_first_axis_that_overflows(x):
    return np.exp(x) / np.exp(x).sum(axis=0)


@wrong("softmax", "First, all your numbers together.*Second, exp overflows")
def softmax_of_everything_that_overflows(x):
    e = np.e**x
    return e / e.sum()


@wrong("softmax", "First, the sum has lost its axis.*Second, exp overflows")
def softmax_lost_axis_that_overflows(x):
    return np.exp(x) / np.sum(np.exp(x), axis=-1)


@wrong("softmax", "First, the sum has lost its axis.*Second, the maximum of the whole array")
def softmax_lost_axis_of_one_maximum(x):
    e = np.exp(x - np.max(x))
    return e / np.sum(e, axis=-1)


@wrong("gelu", "First, the factor 0.5 is missing.*Second, x is squared")
def gelu_twice_and_squared(x):
    return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x)))


@wrong("gelu", "First, the cubic term is missing.*Second, the factor sqrt")
def gelu_of_tanh_alone(x):
    return x * (1 + np.tanh(x)) / 2


@wrong("layer_norm", "First, epsilon is left out. Second, gain and shift are left out")
def norm_by_heart(x, weight, bias, epsilon=1e-5):
    return (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)


@wrong("layer_norm", "First, epsilon is outside the root.*Second, gain and shift are left out")
def norm_by_heart_with_epsilon(x, weight, bias, epsilon=1e-5):
    return (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + epsilon)


@wrong("layer_norm", "First, the variance is divided by n - 1.*Second, epsilon is outside the root")
def norm_as_torch_std(x, weight, bias, epsilon=1e-5):
    spread = np.std(x, axis=-1, keepdims=True, ddof=1)
    return weight * (x - np.mean(x, axis=-1, keepdims=True)) / (spread + epsilon) + bias


@wrong("layer_norm", "taken over the first axis.*Second, epsilon is left out")
def norm_of_the_first_axis_by_heart(x, weight, bias, epsilon=1e-5):
    return (x - x.mean(0)) / x.std(0) * weight + bias


# ---- attention ----------------------------------------------------------------------------------


@wrong("attention_scores", "First, rows and columns are exchanged.*Second, the scale is left out")
def scores_turned_and_unscaled(q, k):
    return np.einsum("bhqd,bhkd->bhkq", q, k)


@wrong("attention_scores", "First, the scores are masked already.*Second, the scale is left out")
def scores_masked_and_unscaled(q, k):
    scores = q @ k.swapaxes(-1, -2)
    seq, total = scores.shape[-2:]
    return np.where(np.tri(seq, total, total - seq, dtype=bool), scores, np.float32(-1e10))


@wrong("mask_future", "First, the mask is one off: it hides each.*Second, hidden scores are 0")
def mask_itself_with_zeros(scores):
    seq, total = scores.shape[-2:]
    return scores * np.tri(seq, total, total - seq - 1, dtype=np.float32)


@wrong("mask_future", "First, the triangle is counted from the left.*|hidden scores are 0.*left")
def mask_from_the_left_with_zeros(scores):
    return np.tril(scores)


@wrong("mask_future", "First, the mask is one off.*Second, the triangle is counted from the left")
def mask_from_the_left_and_itself(scores):
    return np.where(np.tri(*scores.shape[-2:], -1, dtype=bool), scores, np.float32(-np.inf))


def attended(x, p, n_head, scale=True, mask=True, biases=True):
    """Write attention with parts left out."""
    batch, seq, n_embd = x.shape
    qkv = x @ p["c_attn"]["weight"] + (p["c_attn"]["bias"] if biases else 0)
    q, k, v = (
        part.reshape(batch, seq, n_head, -1).transpose(0, 2, 1, 3)
        for part in np.split(qkv, 3, axis=-1)
    )
    scores = np.einsum("bhqd,bhkd->bhqk", q, k)
    if scale:
        scores = scores / math.sqrt(q.shape[-1])
    if mask:
        scores = np.where(np.tri(seq, dtype=bool), scores, np.float32(-np.inf))
    z = softmax(scores) @ v
    z = z.transpose(0, 2, 1, 3).reshape(batch, seq, n_embd)
    return z @ p["c_proj"]["weight"] + (p["c_proj"]["bias"] if biases else 0)


@wrong("attention", "First, there is no mask. Second, the scores are not scaled")
def attention_bare(x, p, n_head):
    return attended(x, p, n_head, scale=False, mask=False)


@wrong("attention", "First, the bias of c_attn is missing. Second, so is that of c_proj")
def attention_without_biases(x, p, n_head):
    return attended(x, p, n_head, biases=False)


# ---- blocks -------------------------------------------------------------------------------------


@wrong("mlp", "First, there is no activation function.*Second, both biases are missing")
def mlp_of_two_matrices(x, p):
    return x @ p["c_fc"]["weight"] @ p["c_proj"]["weight"]


@wrong("mlp", "First, the activation function is ReLU.*Second, both biases are missing")
def mlp_relu_of_two_matrices(x, p):
    return np.maximum(x @ p["c_fc"]["weight"], 0) @ p["c_proj"]["weight"]


@wrong("decoder_block", "First, the residual connections are missing.*Second, so are the layer")
def block_of_two_calls(x, p, n_head):
    return mlp(attention(x, p["attn"], n_head), p["mlp"])


@wrong("decoder_block", "First, the MLP comes before attention.*Second, the layer norms")
def block_upside_down_without_norms(x, p, n_head):
    x = x + mlp(x, p["mlp"])
    return x + attention(x, p["attn"], n_head)


# ---- choosing, and gradients --------------------------------------------------------------------


@wrong("apply_top_k", "First, the k-th highest logit is dropped.*Second, dropped logits are 0")
def top_k_too_few_and_zeros(logits, k):
    order = np.sort(logits, axis=-1)[:, ::-1]
    return logits * (logits > order[:, [min(k, logits.shape[-1]) - 1]])


@wrong("cross_entropy", "First, it is the sum over the rows.*Second, the sign is missing")
def loss_summed_and_negative(logits, targets):
    shifted = logits - logits.max(-1, keepdims=True)
    logprobs = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    rows = np.arange(len(targets))
    d = np.exp(logprobs)
    d[rows, targets] -= 1
    return float(logprobs[rows, targets].sum()), d / np.float32(len(targets))


@wrong("layer_norm_backward", "First, mean and deviation are treated as.*Second, weight is missing")
def norm_backward_of_constants_without_gain(dy, x, weight, epsilon):
    spread = np.sqrt(x.var(-1, keepdims=True) + epsilon)
    normed = (x - x.mean(-1, keepdims=True)) / spread
    axes = tuple(range(x.ndim - 1))
    return dy / spread, (dy * normed).sum(axes), dy.sum(axes)


@wrong("linear_backward", "First, it is transposed.*Second, it is not summed over the batch")
def linear_turned_and_not_summed(dy, x, weight):
    axes = tuple(range(dy.ndim - 1))
    return dy @ weight.T, np.swapaxes(dy, -1, -2) @ x, dy.sum(axes)
