"""Wrong softmax, layer norm and GELU, as students write them."""

import math

import numpy as np

from exercises.marks import wrong
from gptlite.layers import layer_norm

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
