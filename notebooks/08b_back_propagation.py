# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 8b. Back-propagation, layer by layer
#
# Notebook 8 trained a model with gradients that it took from gptlite. Here you write them yourself:
# every derivative of a GPT-2, from the loss down to the embeddings. Each is first checked by small
# steps, and then held equal to gptlite's own. At the end a tiny model learns from your gradients
# alone.
#
# **Minutes:** 60, and 35 for the exercises. **Needs:** notebooks 4, 5 and 8, and the derivative of
# a function of one number. **Core** of a second week, optional in the first.
#
# Afterwards you can
#
# - write the backward pass of a layer, and say which arrays of the forward pass it needs;
# - check a derivative by small steps, and choose how small the steps are;
# - explain why all the gradients of a model cost only about as much as two more forward passes.
#
# The code beside it is in `gptlite/training/`: `backward.py` (each layer), `block_backward.py` (a
# block), `gradients.py` (the whole model). Open them as they are named below: by the end you will
# have written all three. The article does not cover training.
#
# The [glossary](GLOSSARY.md) explains the field's terms.

# %%
try:
    import gptlite
except ImportError:
    raise ImportError(
        "gptlite is not installed here. In its checkout: pip install -e '.[notebooks]' "
        "(on the package index, the name belongs to another project)"
    ) from None
import math

import matplotlib.pyplot as plt
import numpy as np

from gptlite.views.heat_map import HeatMap
from gptlite.views.table import Table

np.set_printoptions(precision=3, suppress=True)
rng = np.random.default_rng(0)

# %% [markdown]
# ## One number: the chain rule
#
# The smallest model there is: one input $x$, one weight $w$, one bias $b$. It predicts $wx + b$,
# the right answer is $t$, and the loss is the square of the error. Written as single steps, each of
# which makes one new number:
#
# $$u = w x \qquad v = u + b \qquad e = v - t \qquad L = e^2$$
#
# Such a list of steps, drawn with an arrow from each number to the steps that use it, is a
# **computational graph**. The way from the inputs to the loss is the **forward pass**.

# %%
x, w, b, t = 3.0, 2.0, 1.0, 10.0
u = w * x
v = u + b
e = v - t
L = e**2
print(f"u = {u}   v = {v}   e = {e}   L = {L}")

# %% [markdown]
# **Guess first:** if $w$ grows by 0.001, by how much does the loss change, and in which direction?
#
# To find out without trying, ask each step for its own **local derivative**: how much does its
# result move if what goes in moves a little? For $L = e^2$ it is $2e$; for $e = v - t$ and $v = u +
# b$ it is 1; for $u = wx$ it is $x$. The **chain rule** says that along a chain the derivatives
# multiply. So we start at the loss with 1 and walk back, and at each step multiply what has arrived
# from above, the **upstream gradient**, by the local derivative. That is **back-propagation**
# (Rumelhart, Hinton and Williams 1986). The code writes `dw` for $dL/dw$.

# %%
dL = 1.0
de = dL * 2 * e  # through L = e^2
dv = de * 1.0  # through e = v - t
du = dv * 1.0  # through v = u + b
db = dv * 1.0
dw = du * x  # through u = w x
dx = du * w
print(f"dw = {dw}: if w grows by 0.001, the loss changes by about {0.001 * dw:.3f}")
print(f"really: {((w + 0.001) * x + b - t) ** 2 - L:.6f}")


# %%
def draw_chain(forward, backward):
    """Draw the graph of the four steps: values above the arrows, gradients below."""
    ax = plt.subplots(figsize=(9, 2.6), layout="constrained")[1]
    names = ["w", "u = w·x", "v = u + b", "e = v − t", "L = e²"]
    slopes = ["× x", "× 1", "× 1", "× 2e"]
    for i, name in enumerate(names):
        box = {"boxstyle": "round,pad=0.4", "facecolor": "#dbe7f3", "edgecolor": "#084594"}
        ax.text(2 * i, 0, name, ha="center", va="center", bbox=box)
        ax.text(2 * i, 0.55, f"{forward[i]:g}", ha="center", color="#084594")
        ax.text(2 * i, -0.65, f"{backward[i]:g}", ha="center", color="#b3420b")
        if i:
            ahead = {"arrowstyle": "->", "color": "#084594", "shrinkA": 24, "shrinkB": 26}
            back = {"arrowstyle": "->", "color": "#b3420b", "linestyle": "--"}
            ax.annotate("", (2 * i, 0.06), (2 * i - 2, 0.06), arrowprops=ahead)
            ax.annotate("", (2 * i - 1.75, -0.6), (2 * i - 0.3, -0.6), arrowprops=back)
            ax.text(2 * i - 1, -0.5, slopes[i - 1], ha="center", color="#b3420b", fontsize=9)
    ax.set(xlim=(-0.7, 8.7), ylim=(-0.9, 0.9))
    ax.axis("off")
    ax.set_title("above: the forward pass, below: the gradients", loc="left", fontsize=10)


draw_chain([w, u, v, e, L], [dw, du, dv, de, dL])

# %% [markdown]
# The gradient is negative: a larger $w$ gives a smaller loss. A step of **gradient descent** moves
# each parameter against its gradient. Note what the way back needed: numbers of the way forward
# ($e$ and $x$). A program that trains has to keep them.
#
# ## A derivative, checked by small steps
#
# The definition of a derivative is a recipe for checking one: move the input a little both ways,
# and divide the change of the result by the distance. It is slow, it is not exact, and it knows
# nothing of calculus; that is what makes it a good judge. (The field says: a **gradient check** by
# finite differences.)


# %%
def by_steps(loss, x, step=1e-6):
    """Differentiate the number loss(x) by each number in x: an array shaped like x."""
    slopes = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        there, back = x.copy(), x.copy()
        there[i] += step
        back[i] -= step
        slopes[i] = (loss(there) - loss(back)) / (2 * step)
    return slopes


print("by the chain rule:", np.array([dw, db, dx]))
found = by_steps(lambda a: (a[0] * a[2] + a[1] - t) ** 2, np.array([w, b, x]))
print("by small steps:   ", found)

# %% [markdown]
# **Guess first:** the smaller the step, the better?

# %%
steps = 10.0 ** np.arange(-15, 0)  # [steps]
errors = {}
for kind in (np.float64, np.float32):
    at = kind(1.5)
    errors[kind.__name__] = [
        abs(float(np.exp(at + kind(s)) - np.exp(at - kind(s))) / (2 * s) - math.exp(1.5))
        for s in steps
    ]
ax = plt.subplots(figsize=(7, 3), layout="constrained")[1]
for (name, error), style in zip(errors.items(), ("-", "--"), strict=True):
    ax.loglog(steps, np.maximum(error, 1e-12), style, color="#084594", label=name)
ax.set(xlabel="size of the step", ylabel="error of the derivative")
ax.set_title("The derivative of exp(x) at 1.5, by two-sided steps", loc="left", fontsize=10)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
for name, error in errors.items():
    print(f"{name}: best step about 1e{round(math.log10(steps[int(np.argmin(error))]))}")

# %% [markdown]
# No. A long step misses the curve between its ends; a short one divides the difference of two
# almost equal numbers, of which rounding has left only a few digits. float32 has 7 digits and
# cannot check anything to better than about one part in a thousand. gptlite computes in float32
# throughout; so in this notebook the *checks* are made in float64, and the comparison with gptlite
# then in float32.
#
# ## From numbers to arrays
#
# A layer takes arrays and gives arrays. The collection of all its local derivatives, each output by
# each input, is its **Jacobian**. **Guess first:** GPT-2 reads 1,024 tokens; the first layer of its
# feed-forward network makes 3,072 numbers for each from 768. How much memory would the Jacobian
# take, in float32?

# %%
gpt2 = gptlite.GPTConfig.preset("gpt2")
n_in, n_out = gpt2.n_ctx * gpt2.n_embd, gpt2.n_ctx * gpt2.n_inner
print(f"{n_out:,} × {n_in:,} numbers: {4 * n_in * n_out / 1e12:.1f} terabytes, for one layer")

# %% [markdown]
# Nobody ever makes it. The chain rule only needs the *product* of the upstream gradient with the
# Jacobian, and for each kind of layer that product has a short form. To find it is the whole craft,
# and it always has the same frame:
#
# - **in:** `dy`, the upstream gradient: the derivative of the loss by the layer's output `y`, in
#   the shape of `y`;
# - **out:** the derivative of the loss by each of the layer's inputs, in the shape of that input.
#   Parameters are inputs, too.
#
# To check a layer alone we need some loss above it. A weighted sum of the outputs will do, with
# random weights: its upstream gradient is these weights.


# %%
def compare(name, layer, inputs, gradients, dy):
    """Compare gradients with small steps; the loss is the sum of dy times the layer's output."""
    for i, gradient in enumerate(gradients):

        def loss(moved, i=i):
            return (dy * layer(*inputs[:i], moved, *inputs[i + 1 :])).sum()

        slopes = by_steps(loss, inputs[i])
        right = gradient.shape == slopes.shape and np.allclose(gradient, slopes, atol=1e-6)
        print(f"{name}, input {i} {list(inputs[i].shape)}: {'right' if right else 'WRONG'}")


def same(mine, theirs):
    """Say whether a result in float64 is gptlite's in float32, up to rounding."""
    return np.shape(mine) == np.shape(theirs) and np.allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def f32(*arrays):
    """Copy arrays to float32, as gptlite takes them."""
    return [array.astype(np.float32) for array in arrays]


# %% [markdown]
# ## A linear layer
#
# `y = x @ w + b`, with `x [rows, n_in]` and `w [n_in, n_out]`; a row is a position. One entry of
# `w`, in row $i$ and column $j$, multiplies input $i$ of every position and goes into output $j$ of
# that position. So its gradient is a sum over positions: `x[r, i] * dy[r, j]`, summed over `r`. In
# the same way, input $i$ goes into every output $j$, with the weight `w[i, j]`.
#
# **Guess first:** there are three arrays to multiply, `dy [rows, n_out]`, `x [rows, n_in]` and `w
# [n_in, n_out]`. Which products, with which transposed, have the shape of `w`, and which have the
# shape of `x`?


# %%
def linear(x, w, b):
    """[rows, n_in] -> [rows, n_out]."""
    return x @ w + b


def linear_back(dy, x, w):
    """[rows, n_out] -> [rows, n_in], [n_in, n_out], [n_out]."""
    return dy @ w.T, x.T @ dy, dy.sum(axis=0)


x, w, b = rng.normal(size=(5, 3)), rng.normal(size=(3, 4)), rng.normal(size=4)
dy = rng.normal(size=(5, 4))
dx, dw, db = linear_back(dy, x, w)
compare("linear", linear, [x, w, b], [dx, dw, db], dy)

# %% [markdown]
# Only one product fits each time, so the shapes alone all but write the code. Three lines, and most
# of the time that training ever takes is spent in the first two: two products of matrices on the
# way back for one on the way forward. Now open `gptlite/training/backward.py` at `linear_backward`.

# %%
from gptlite.training.backward import linear_backward

theirs = linear_backward(*f32(dy, x, w))
print("the same as gptlite's:", [same(*pair) for pair in zip((dx, dw, db), theirs, strict=True)])

# %% [markdown]
# The bias's gradient is the sum of `dy` over the positions, since the same bias was added at each
# of them. This is a rule of its own: **what is used several times gets the sum of its gradients**.
# It will come back for the residual connections, for keys and values, and for the embeddings.
#
# ## The activation function
#
# GELU works on each number by itself, so its Jacobian is a diagonal, and the way back is a product
# number by number: `dx = dy * slope(x)`. The **activation function** is what keeps two linear
# layers from being one. **Guess first:** what is the slope far to the right, and far to the left?

# %%
C = math.sqrt(2 / math.pi)


def gelu(x):
    """GPT-2's activation function, number by number."""
    return 0.5 * x * (1 + np.tanh(C * (x + 0.044715 * x**3)))


def gelu_slope(x):
    """Its derivative, by the product rule and the chain rule."""
    t = np.tanh(C * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * C * (1 + 3 * 0.044715 * x**2)


x, dy = rng.normal(size=(4, 6)), rng.normal(size=(4, 6))
compare("gelu", gelu, [x], [dy * gelu_slope(x)], dy)

from gptlite.training.backward import gelu_backward

print("the same as gptlite's:", same(dy * gelu_slope(x), gelu_backward(*f32(dy, x))))

# %%
across = np.linspace(-4, 4, 200)
ax = plt.subplots(figsize=(6, 3), layout="constrained")[1]
ax.plot(across, gelu(across), color="#084594", label="gelu(x)")
ax.plot(across, gelu_slope(across), "--", color="#b3420b", label="its slope")
ax.axhline(0, color="#ccc", linewidth=1, zorder=0)
ax.set(xlabel="x", ylim=(-0.5, 2.5))
ax.set_title("What gelu lets through, forwards and backwards", loc="left", fontsize=10)
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# 1 and 0: a unit that is on passes the gradient on as it is, and a unit that is off neither says
# anything nor learns anything from this position.
#
# ## Softmax with cross-entropy
#
# The loss is minus the logarithm of the probability of the right token. Softmax first: raising one
# score raises its own probability and lowers all others, for they have to add up to 1. So its
# Jacobian is no diagonal. With $p$ for the probabilities,
#
# $$\frac{\partial p_i}{\partial s_j} = p_i\,(\delta_{ij} - p_j)$$


# %%
def softmax(s):
    """[..., n] -> probabilities, [..., n]."""
    p = np.exp(s - s.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


scores = np.array([2.0, 1.0, 0.0, -1.0])
p = softmax(scores)
jacobian = np.diag(p) - np.outer(p, p)  # [4, 4]
slopes = np.stack([by_steps(lambda s, i=i: softmax(s)[i], scores) for i in range(4)])
print("by small steps, the same:", np.allclose(jacobian, slopes, atol=1e-6))
names = ["a", "b", "c", "d"]
HeatMap(
    "How the probability of the row's token moves with the column's score", jacobian, names, names
)

# %% [markdown]
# Multiplied by any upstream gradient `dp` this gives a form that is worth remembering, since it
# comes back in attention: `ds = p * (dp - sum(p * dp))`. The mean of `dp`, weighted by `p`, is
# taken off, because adding the same to all scores changes nothing.
#
# Above it stands the loss, $L = -\ln p_r$ for the right token $r$, with $dp_r = -1/p_r$ and 0
# elsewhere. **Guess first:** put the two together. What is left of the fractions?


# %%
def softmax_back(dp, p):
    """Go back through softmax: all [..., n]."""
    return p * (dp - (p * dp).sum(axis=-1, keepdims=True))


right = 1
dp = np.zeros(4)
dp[right] = -1 / p[right]
one_hot = np.eye(4)[right]
print("through both, one by one:", softmax_back(dp, p))
print("probabilities less 1 at r:", p - one_hot)

# %% [markdown]
# Everything cancels: **the probabilities, less 1 at the right token**. Here it is for many
# positions at once; the loss is their mean, so each has the weight 1 over their number. In gptlite
# it is `cross_entropy`, which gives the loss and this derivative together.


# %%
def cross_entropy_loss(logits, targets):
    """[rows, n_vocab], [rows] -> mean loss in nats."""
    return -np.log(softmax(logits)[np.arange(len(targets)), targets]).mean()


def cross_entropy_back(logits, targets):
    """-> [rows, n_vocab]."""
    dlogits = softmax(logits)
    dlogits[np.arange(len(targets)), targets] -= 1
    return dlogits / len(targets)


logits, targets = rng.normal(size=(5, 7)), rng.integers(7, size=5)
mine = cross_entropy_back(logits, targets)  # [rows, n_vocab]
compare("cross-entropy", lambda s: cross_entropy_loss(s, targets), [logits], [mine], dy=1.0)

from gptlite.training.backward import cross_entropy

loss, theirs = cross_entropy(*f32(logits), targets, weight=1 / 5)
print("the same as gptlite's:", same(cross_entropy_loss(logits, targets), loss), same(mine, theirs))

# %% [markdown]
# ## Layer norm
#
# `y = n * gain + shift`, where `n` is the vector less its mean, divided by its standard deviation.
# Gain and shift are easy: a product and a sum for each position, so their gradients are sums over
# positions. The hard part is `n`, for mean and standard deviation depend on *every* number in the
# vector.
#
# There is a way to see the result without any algebra. A layer norm undoes every shift of its input
# and every stretch. So moving the input in those two directions changes nothing, and the gradient
# must have no part in them. **Guess first:** what are these two directions, as vectors of length
# `n_embd`, and so what has to be taken off?


# %%
def norm(x, gain, shift, epsilon=1e-5):
    """[rows, n] -> [rows, n]."""
    centred = x - x.mean(axis=-1, keepdims=True)
    std = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon)
    return centred / std * gain + shift


def norm_back(dy, x, gain, epsilon=1e-5):
    """[rows, n] -> dx [rows, n], dgain [n], dshift [n]."""
    centred = x - x.mean(axis=-1, keepdims=True)
    std = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon)
    n = centred / std
    dn = dy * gain
    dx = dn - dn.mean(axis=-1, keepdims=True) - n * (dn * n).mean(axis=-1, keepdims=True)
    return dx / std, (dy * n).sum(axis=0), dy.sum(axis=0)


x, gain, shift = rng.normal(size=(5, 8)), rng.normal(size=8), rng.normal(size=8)
dy = rng.normal(size=(5, 8))
dx, dgain, dshift = norm_back(dy, x, gain)
compare("layer norm", norm, [x, gain, shift], [dx, dgain, dshift], dy)
print("part of dx along (1, 1, ..., 1):", np.round(dx.sum(axis=-1), 6) + 0.0)
print("part of dx along x:             ", np.round((dx * x).sum(axis=-1), 3) + 0.0)

# %% [markdown]
# The shift is the direction $(1, 1, \dots, 1)$, whose part in `dn` is the mean; the stretch is the
# direction of `n` itself. Both parts are gone from `dx`. (The second is not exactly 0: $\epsilon$,
# added to the variance, makes the norm a little less than blind to stretching.) In `backward.py`
# this is `layer_norm_backward`.

# %%
from gptlite.training.backward import layer_norm_backward

theirs = layer_norm_backward(*f32(dy, x, gain), epsilon=1e-5)
print(
    "the same as gptlite's:",
    [same(*pair) for pair in zip((dx, dgain, dshift), theirs, strict=True)],
)

# %% [markdown]
# ## Embeddings: a row that is used twice
#
# `x = table[ids]` picks rows. On the way back each position hands its gradient to the row it has
# used, and to no other. **Guess first:** the text is `[2, 0, 2]`. What is wrong with `dtable[ids]
# += dx`?

# %%
ids, dx = np.array([2, 0, 2]), np.ones((3, 2))
wrong, right_one = np.zeros((4, 2)), np.zeros((4, 2))
wrong[ids] += dx
np.add.at(right_one, ids, dx)
print("dtable[ids] += dx, first column:       ", wrong[:, 0])
print("np.add.at(dtable, ids, dx), the same:  ", right_one[:, 0])

from gptlite.training.backward import embedding_backward

theirs = np.zeros((4, 2), np.float32)
embedding_backward(*f32(dx), ids, theirs)
print("the same as gptlite's:", same(right_one, theirs))

# %% [markdown]
# NumPy reads the row, adds, and writes it back, once for each *place*, not once for each *use*:
# token 2 lost one of its two gradients. No shape is wrong and nothing is raised; the model only
# learns a little less. Such mistakes are why one checks by small steps. (`embedding_backward` sorts
# the ids and adds up neighbours: the same sum, faster.)
#
# ## Attention
#
# Notebook 4 had it in six lines. Walked backwards, each line by a rule that we have:
#
# | forward | backward | rule |
# |---|---|---|
# | `z = weights @ v` | `dweights = dz @ v.T`, `dv = weights.T @ dz` | product of matrices |
# | `weights = softmax(scores)` | `dscores = weights * (dweights - ...)` | softmax |
# | `scores = mask(...)` | nothing to do: see below | |
# | `scores = q @ k.T / √d` | `dq = dscores @ k / √d`, `dk = dscores.T @ q / √d` | product |
#
# **Guess first:** what is the gradient at a masked score?


# %%
def attend(q, k, v):
    """[..., seq, head_dim] three times -> z [..., seq, head_dim], weights [..., seq, seq]."""
    seq, d = q.shape[-2:]
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(d)  # [..., seq, seq]
    scores = np.where(np.tri(seq, dtype=bool), scores, -np.inf)
    weights = softmax(scores)  # [..., seq, seq]
    return weights @ v, weights


def attend_back(dz, q, k, v, weights):
    """-> dq, dk, dv, each [..., seq, head_dim]."""
    scale = 1 / math.sqrt(q.shape[-1])
    dv = weights.swapaxes(-1, -2) @ dz
    dweights = dz @ v.swapaxes(-1, -2)  # [..., seq, seq]
    dscores = softmax_back(dweights, weights)  # [..., seq, seq]
    return dscores @ k * scale, dscores.swapaxes(-1, -2) @ q * scale, dv


q, k, v, dz = rng.normal(size=(4, 5, 3))  # [seq, head_dim] each
z, weights = attend(q, k, v)
dq, dk, dv = attend_back(dz, q, k, v, weights)
compare("attention", lambda *qkv: attend(*qkv)[0], [q, k, v], [dq, dk, dv], dz)

# %%
dscores = softmax_back(dz @ v.T, weights)  # [seq, seq]
places = [f"position {i}" for i in range(5)]
HeatMap("The gradient at each score", dscores, [f"query {i}" for i in range(5)], places)

# %% [markdown]
# Above the diagonal it is 0: a masked score has the weight 0, and `softmax_back` multiplies by the
# weight. So the mask needs no line of its own on the way back. Each row adds up to 0, as it must:
# raising a whole row changes nothing. And query 0, which can see only itself, learns nothing about
# where to look.
#
# gptlite's is `attend_backward` in `block_backward.py`. It works on all heads of a batch at once,
# and gives the three gradients side by side, as `c_attn` made them.

# %%
from gptlite.training.block_backward import attend_backward


def split(x, n_head):
    """[batch, seq, n_embd] -> [batch, head, seq, head_dim]."""
    batch, seq, n_embd = x.shape
    return x.reshape(batch, seq, n_head, n_embd // n_head).swapaxes(1, 2)


def merge(z):
    """[batch, head, seq, head_dim] -> [batch, seq, n_embd]."""
    batch, n_head, seq, head_dim = z.shape
    return z.swapaxes(1, 2).reshape(batch, seq, n_head * head_dim)


q, k, v, dz = rng.normal(size=(4, 2, 3, 5, 4))  # [batch, head, seq, head_dim] each
z, weights = attend(q, k, v)
mine = np.concatenate([merge(d) for d in attend_back(dz, q, k, v, weights)], axis=-1)
theirs = attend_backward(*f32(merge(dz), q, k, v, weights, merge(z)))
print("[batch, seq, 3 * n_embd]:", theirs.shape, " the same as gptlite's:", same(mine, theirs))


# %% [markdown]
# ## The block
#
# Here is a whole decoder block as a graph, with the shape of what flows along each arrow. Blue is
# the forward pass. Turn every arrow round and you have the backward pass, in which each gradient
# has the shape of the array it belongs to.


# %%
def draw_block(ax, backwards):
    """Draw a decoder block: the residual stream on the left, what is added to it on the right."""
    colour, dash = ("#b3420b", "--") if backwards else ("#084594", "-")
    n, inner = "[batch, seq, n_embd]", "[batch, seq, 4 · n_embd]"
    boxes = [  # height, name, shape of its output
        (1, "layer norm 1", n),
        (2, "c_attn", "[batch, seq, 3 · n_embd]"),
        (3, "split, attend, merge", n),
        (4, "c_proj", n),
        (6, "layer norm 2", n),
        (7, "c_fc", inner),
        (8, "gelu", inner),
        (9, "c_proj", n),
    ]

    def arrow(start, end):
        if backwards:
            start, end = end, start
        style = {"arrowstyle": "->", "color": colour, "linestyle": dash, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", end, start, arrowprops=style)

    for height, name, shape in boxes:
        box = {"boxstyle": "round,pad=0.3", "facecolor": "#dbe7f3", "edgecolor": "#888"}
        ax.text(3, height, name, ha="center", va="center", fontsize=9, bbox=box)
        ax.text(3.15, height + 0.5, shape, va="center", fontsize=7, color=colour)
        if height not in (4, 9):
            arrow((3, height + 0.28), (3, height + 0.72))
    for fork, join in ((0, 5), (5, 10)):
        arrow((0, fork + (0.25 if fork else -0.2)), (0, join - 0.25))
        ax.text(0, join, "+", ha="center", va="center", fontsize=14, color=colour)
        arrow((0.2 if fork else 0, fork + 0.3 if fork else 0.3), (2.2, fork + 0.9))
        arrow((2.3, join - 0.9), (0.25, join - 0.1))
    arrow((0, 10.25), (0, 11))
    names = ("dx", "dmid", "dout") if backwards else ("x", "mid", "out")
    for height, name in zip((-0.4, 5, 11.2), names, strict=True):
        ax.text(-0.3, height, name, ha="right", va="center", fontsize=10, color=colour)
    title = "backward: every arrow turned round" if backwards else "forward"
    ax.set_title(title, loc="left", fontsize=10)
    ax.set(xlim=(-1.5, 6.2), ylim=(-0.9, 11.6))
    ax.axis("off")


figure, axes = plt.subplots(1, 2, figsize=(10, 7), layout="constrained")
draw_block(axes[0], backwards=False)
draw_block(axes[1], backwards=True)

# %% [markdown]
# Where the stream forks, its copy goes up a sub-layer; so on the way back two gradients meet there,
# and are added. Where two arrows meet in a **+**, the gradient goes down both, unchanged. So there
# is a way from the loss to the bottom of the stack that goes through plus signs only, and no layer
# on it can make the gradient vanish: that is what **residual connections** (skip connections) are
# for.
#
# **Guess first:** suppose each of 24 layers had the slope 0.5, one after the other without a
# residual connection. What is left of the gradient at the bottom? And with one, where each layer
# *adds* its result to the stream, if the slopes are small, let us say 0.05 up or down?

# %%
signs = np.where(rng.random(24) < 0.5, -1, 1)
print(f"without: {0.5**24:.1e}")
print(f"with:    {np.prod(1 + 0.05 * signs):.2f}")

# %% [markdown]
# In code: the forward pass of a block, which returns what the backward pass will need, and the
# backward pass, which is the same lines from last to first. `p` holds the block's twelve arrays by
# their short names.


# %%
def on_rows(layer, x, *parameters):
    """Apply a layer for [rows, n] to [batch, seq, n]."""
    y = layer(x.reshape(-1, x.shape[-1]), *parameters)
    return y.reshape(*x.shape[:-1], -1)


def block(x, p, n_head):
    """[batch, seq, n_embd] -> the same, and the arrays to keep."""
    n1 = on_rows(norm, x, p["ln_1.weight"], p["ln_1.bias"])
    qkv = on_rows(linear, n1, p["attn.c_attn.weight"], p["attn.c_attn.bias"])
    q, k, v = (split(part, n_head) for part in np.split(qkv, 3, axis=-1))
    z, weights = attend(q, k, v)
    z = merge(z)
    mid = x + on_rows(linear, z, p["attn.c_proj.weight"], p["attn.c_proj.bias"])
    n2 = on_rows(norm, mid, p["ln_2.weight"], p["ln_2.bias"])
    hidden = on_rows(linear, n2, p["mlp.c_fc.weight"], p["mlp.c_fc.bias"])
    active = gelu(hidden)
    out = mid + on_rows(linear, active, p["mlp.c_proj.weight"], p["mlp.c_proj.bias"])
    return out, (x, n1, q, k, v, weights, z, mid, n2, hidden, active)


def block_back(dout, kept, p):
    """-> the gradient at the block's input, and those of its twelve parameters by name."""
    x, n1, q, k, v, weights, z, mid, n2, hidden, active = kept
    g = {}

    def back_linear(dy, x, name):
        rows = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])
        dx, g[f"{name}.weight"], g[f"{name}.bias"] = linear_back(*rows, p[f"{name}.weight"])
        return dx.reshape(x.shape)

    def back_norm(dy, x, name):
        rows = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])
        dx, g[f"{name}.weight"], g[f"{name}.bias"] = norm_back(*rows, p[f"{name}.weight"])
        return dx.reshape(x.shape)

    dactive = back_linear(dout, active, "mlp.c_proj")
    dhidden = dactive * gelu_slope(hidden)
    dn2 = back_linear(dhidden, n2, "mlp.c_fc")
    dmid = dout + back_norm(dn2, mid, "ln_2")  # two ways down meet: a sum
    dz = back_linear(dmid, z, "attn.c_proj")
    dqkv = attend_back(split(dz, q.shape[1]), q, k, v, weights)
    dn1 = back_linear(np.concatenate([merge(d) for d in dqkv], axis=-1), n1, "attn.c_attn")
    return dmid + back_norm(dn1, x, "ln_1"), g


# %% [markdown]
# A dozen lines forward, and as many back. gptlite's is `block_backward` in `block_backward.py`:
# there the lines of the forward pass stand as comments above those of the way back. It reads the
# arrays from a trace. We compare on a tiny model with random weights.

# %%
from gptlite import GPT, GPTConfig, Trace
from gptlite.training.block_backward import block_backward
from gptlite.training.tape import Gradients

config = GPTConfig(n_vocab=10, n_ctx=8, n_embd=16, n_head=2, n_layer=2)


def new_model():
    """Make an untrained model, always the same: matrices ten times as large as OpenAI's."""
    model = GPT.init(config, seed=0)
    for array in model.parameters.values():
        if array.ndim > 1:
            array *= 10
    return model


def part(arrays, prefix):
    """Take the arrays whose names begin so, by the rest of their names."""
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}


model = new_model()
parameters = {name: array.astype(np.float64) for name, array in model.parameters.items()}
ids = rng.integers(10, size=(3, 8))  # [batch, seq]
trace = Trace()
model(ids, trace=trace)
x, dout = trace["embed"], rng.normal(size=(3, 8, 16))  # [batch, seq, n_embd]

out, kept = block(x.astype(np.float64), part(parameters, "h.0."), n_head=2)
dx, g = block_back(dout, kept, part(parameters, "h.0."))
theirs = Gradients()
their_dx = block_backward(*f32(dout), x, model.blocks[0], "h.0.", trace, theirs)
print("dx:", same(dx, their_dx))
print("all twelve parameters:", all(same(a, theirs[f"h.0.{n}"]) for n, a in g.items()), len(g))

# %% [markdown]
# ## The whole model
#
# Below the blocks are the embeddings, above them the last norm and the output layer, whose matrix
# is the token embedding once more (the weights are **tied**). So `wte` is used twice, and gets two
# gradients, which are added.


# %%
def loss_and_kept(p, ids, targets):
    """Run the model forward: the loss in nats, and all that the way back needs."""
    x = p["wte.weight"][ids] + p["wpe.weight"][: ids.shape[1]]  # [batch, seq, n_embd]
    kept = []
    for i in range(config.n_layer):
        x, of_block = block(x, part(p, f"h.{i}."), config.n_head)
        kept.append(of_block)
    top = norm(x.reshape(-1, config.n_embd), p["ln_f.weight"], p["ln_f.bias"])  # [rows, n_embd]
    logits = top @ p["wte.weight"].T  # [rows, n_vocab]
    return cross_entropy_loss(logits, targets.ravel()), (kept, x, top, logits)


def my_gradients(p, ids, targets):
    """Run the model forward and backward: the loss, and {name: gradient}."""
    loss, (kept, x, top, logits) = loss_and_kept(p, ids, targets)
    g = {}
    dlogits = cross_entropy_back(logits, targets.ravel())  # [rows, n_vocab]
    dtop = dlogits @ p["wte.weight"]  # [rows, n_embd]
    dwte = dlogits.T @ top  # [n_vocab, n_embd]: the first share
    rows = x.reshape(-1, config.n_embd)
    dx, g["ln_f.weight"], g["ln_f.bias"] = norm_back(dtop, rows, p["ln_f.weight"])
    dx = dx.reshape(x.shape)  # [batch, seq, n_embd]
    for i in reversed(range(config.n_layer)):
        dx, of_block = block_back(dx, kept[i], part(p, f"h.{i}."))
        g |= {f"h.{i}.{name}": gradient for name, gradient in of_block.items()}
    np.add.at(dwte, ids, dx)  # the second share
    dwpe = np.zeros_like(p["wpe.weight"])
    dwpe[: ids.shape[1]] = dx.sum(axis=0)
    return loss, g | {"wte.weight": dwte, "wpe.weight": dwpe}


targets = rng.integers(10, size=(3, 8))
loss, gradients = my_gradients(parameters, ids, targets)
print(f"{config.n_params:,} parameters in {len(gradients)} arrays")

# %% [markdown]
# First by small steps. A full check would need two forward passes for each parameter, so three
# numbers of each array are drawn at random. The table shows the first of them.

# %%
rows, right_ones, tried = [], 0, 0
for name, array in parameters.items():
    for n in range(3):
        place = tuple(int(rng.integers(size)) for size in array.shape)
        moved = dict(parameters)

        def at(distance, name=name, place=place, moved=moved):
            moved[name] = parameters[name].copy()
            moved[name][place] += distance
            return loss_and_kept(moved, ids, targets)[0]

        slope = (at(1e-6) - at(-1e-6)) / 2e-6
        mine = gradients[name][place]
        right_ones += bool(abs(slope - mine) < 1e-7 + 1e-4 * abs(mine))
        tried += 1
        if n == 0 and (name.startswith("h.1.") or name[0] in "wl"):
            rows.append([name, str(list(place)), float(mine), float(slope)])
print(f"{right_ones} of {tried} agree")
Table("One number of each array", ["parameter", "place", "by hand", "by steps"], rows, digits=5)

# %% [markdown]
# Then all of them, against `loss_and_gradients` in `gptlite/training/gradients.py`. There
# `language_model_loss` begins, at the logits, and `walk_back` goes the rest of the way.

# %%
from gptlite.training.gradients import loss_and_gradients

their_loss, their_gradients = loss_and_gradients(model, ids, targets)
agreeing = [same(gradients[name], theirs) for name, theirs in their_gradients.items()]
print("the loss:", same(loss, their_loss))
print("the gradients:", f"{sum(agreeing)} of {len(agreeing)} arrays are gptlite's")

# %% [markdown]
# **Guess first:** with small steps alone, how many forward passes would one gradient of this tiny
# model take? And with back-propagation? (The way back through a product of matrices is two products
# of the same size.)

# %%
print(f"small steps:      {2 * config.n_params:,} forward passes")
print("back-propagation: as much work as about 3, for any number of parameters")
print(f"GPT-2 by steps:   {2 * gpt2.n_params:,} forward passes for a single step of training")

# %% [markdown]
# That ratio is why neural networks can be trained at all.
#
# ## Downhill, with your own gradients
#
# A task for the tiny model: go on counting. A row starts anywhere and counts on by 1, 2 or 3, and
# after 9 comes 0. From two neighbours one can tell the step; so attention has to look at the token
# before. The first token says nothing about the step, so the second can only be guessed, one in
# three; everything after that is certain. **Guess first:** what is the lowest loss that any model
# can reach, on average over the eight predictions of a row?


# %%
def counting(rng, rows):
    """Draw rows that count on: inputs and targets, [rows, 8] each."""
    start = rng.integers(10, size=(rows, 1))
    step = rng.integers(1, 4, size=(rows, 1))
    numbers = (start + step * np.arange(9)) % 10  # [rows, 9]
    return numbers[:, :-1], numbers[:, 1:]


floor = math.log(3) / 8
print(counting(rng, 2)[0])
print(f"guessing among ten: {math.log(10):.2f} nats; the floor: ln 3 / 8 = {floor:.2f}")

# %%
p = dict(new_model().parameters)  # float32, as gptlite has them
batches = np.random.default_rng(1)
losses = []
for _ in range(300):
    loss, gradients = my_gradients(p, *counting(batches, 32))
    losses.append(loss)
    for name in p:
        p[name] = p[name] - 0.1 * gradients[name]  # gradient descent, and nothing else

ax = plt.subplots(figsize=(7, 3), layout="constrained")[1]
ax.plot(range(1, 301), losses, color="#084594")
ax.axhline(floor, color="#888", linewidth=1)
ax.text(0, floor + 0.03, "the floor", va="bottom", color="#555")
ax.set(xlabel="step", ylabel="loss, nats per token", ylim=(0, None))
ax.set_title("Your own gradients, descending", loc="left", fontsize=10)
ax.spines[["top", "right"]].set_visible(False)
last = float(np.mean(losses[-20:]))
print(f"first loss above 2: {losses[0] > 2}; mean of the last 20 below 0.3: {last < 0.3}")

# %% [markdown]
# It falls nearly to the floor. The arrays are those of a GPT-2, so gptlite can run them: here is
# what the trained model says, each time with the two numbers before it.

# %%
trained = GPT(config, {name: array.astype(np.float32) for name, array in p.items()})
for begin in ([1, 2], [1, 3], [1, 4], [8, 0]):
    row = list(begin)
    while len(row) < 8:
        row.append(int(trained(row)[0, -1].argmax()))
    print(*begin, "->", *row[2:])

# %% [markdown]
# You have written everything that a deep-learning library does for a GPT-2, except for the search
# for the rules: PyTorch and its relatives keep the graph while the forward pass runs, and apply the
# rule of each step on the way back by themselves (**automatic differentiation**). Plain descent was
# enough for this task. What is put between the gradient and the parameter for harder ones is
# notebook 8c.

# %% [markdown]
# ## Exercises
#
# Each has stars for its difficulty, minutes, a hint, and a cell to work in: put your answer in
# place of the `...`, run the cell, and the check says whether it is right.
#
# Five of these derivatives are functions to write in [notebook 13](13_write_gpt2_yourself.ipynb)
# (part D): there a check says what kind of mistake is in yours.

# %%
from gptlite.exercises import check

# %% [markdown]
# **1. Another activation function.** (★☆☆, 6 min) ReLU is `np.maximum(x, 0)`. Write its way back,
# and compare it with small steps. At which one number do the two differ, and what slope do the
# small steps find there? (It does not matter much: a number is hardly ever exactly that.)
#
# <details><summary>Hint</summary>
#
# Where has the curve a corner? Ask `by_steps` there, with an array of that one number.
#
# </details>


# %%
# solution: answer = (..., ...)
def relu(x):
    """Leave what is positive, and make the rest 0."""
    return np.maximum(x, 0)


x, dy = rng.normal(size=(4, 6)), rng.normal(size=(4, 6))
compare("relu", relu, [x], [dy * (x > 0)], dy)
answer = (0, by_steps(lambda x: relu(x).sum(), np.zeros(1))[0])
# end of solution
check("08b.1", answer)

# %% [markdown] tags=["solution"]
# The slope is 1 on the right and 0 on the left. At 0 it has none: two-sided steps say 0.5, and most
# libraries say 0.

# %% [markdown]
# **2. A norm without the mean.** (★★☆, 10 min) Newer models use RMS norm, `x / sqrt(mean(x**2)) *
# gain`, which subtracts no mean and has no shift. Write its way back and compare it with small
# steps. What is `dx` for `x = [1, 2, 3, 4]`, a gain of ones, and `dy = [1, 0, 0, 0]`?
#
# <details><summary>Hint</summary>
#
# Begin with `norm_back`, in which two terms are taken off. Which of them is for a shift of the
# input, and does RMS norm undo a shift?
#
# </details>


# %%
# solution: answer = [..., ..., ..., ...]
def rms_norm(x, gain):
    """[rows, n] -> [rows, n]."""
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True)) * gain


def rms_norm_back(dy, x, gain):
    """[rows, n] -> dx [rows, n], dgain [n]."""
    rms = np.sqrt((x**2).mean(axis=-1, keepdims=True))
    n, dn = x / rms, dy * gain
    dx = (dn - n * (dn * n).mean(axis=-1, keepdims=True)) / rms
    return dx, (dy * n).sum(axis=0)


x, gain, dy = rng.normal(size=(5, 8)), rng.normal(size=8), rng.normal(size=(5, 8))
compare("RMS norm", rms_norm, [x, gain], rms_norm_back(dy, x, gain), dy)
dx, _ = rms_norm_back(np.eye(4)[:1], np.array([[1.0, 2.0, 3.0, 4.0]]), np.ones(4))
answer = dx[0]
# end of solution
check("08b.2", answer)

# %% [markdown] tags=["solution"]
# RMS norm still undoes a stretch, but no longer a shift: the mean of `dn` is not taken off.

# %% [markdown]
# **3. A number that never learns.** (★☆☆, 5 min) A third of the numbers in each
# `attn.c_attn.bias` has the gradient 0, whatever the text is. Which third, and why?
#
# - (a) The queries': their bias adds the same number to all scores of a row, and softmax only sees
#   differences.
# - (b) The keys': their bias adds the same number to all scores of a row, and softmax only sees
#   differences.
# - (c) The values': a row of weights adds up to 1, so their bias adds the same vector to every
#   position, and the next norm takes it off.
#
# <details><summary>Hint</summary>
#
# Cut `their_gradients["h.0.attn.c_attn.bias"]` into three parts, and look at the largest number of
# each.
#
# </details>

# %%
# solution: answer = "?"
for i in range(config.n_layer):
    thirds = np.split(their_gradients[f"h.{i}.attn.c_attn.bias"], 3)
    print(f"block {i}, below a millionth:", [bool(np.abs(third).max() < 1e-6) for third in thirds])
answer = "b"
# end of solution
check("08b.3", answer)

# %% [markdown] tags=["solution"]
# The keys' bias adds the same vector to every key, so it adds `q · b` to every score of a row; and
# softmax does not see what is added to a whole row. (Rounding leaves a trace of it.)

# %% [markdown]
# **4. Find the mistake.** (★★★, 12 min) Two friends have each written an `attend_back` for heads of
# 16 numbers. One passes the comparison for `dv`, but `dq` and `dk` are four times too large. In the
# other's, of all rows of `dq` only that of the *last* position is right. What has the first left
# out, and what the second?
#
# - (a) The division by the root of `head_dim`, on the way back.
# - (b) The mean that softmax takes off: `- (p * dp).sum(...)`.
# - (c) The mask, in the weights that the way back was given.
# - (d) The transposition of the weights in `dv`.
#
# <details><summary>Hint</summary>
#
# Leave each of them out in turn, and divide what you get by what `attend_back` gives. For which
# position does the mask hide nothing?
#
# </details>

# %%
# solution: answer = ("?", "?")
q, k, v, dz = rng.normal(size=(4, 5, 16))  # [seq, head_dim] each
z, weights = attend(q, k, v)
dq, dk, dv = attend_back(dz, q, k, v, weights)
unscaled = softmax_back(dz @ v.T, weights)  # [seq, seq]
print("four times:", np.allclose(unscaled @ k, 4 * dq), np.allclose(unscaled.T @ q, 4 * dk))
unmasked = attend_back(dz, q, k, v, softmax(q @ k.T / 4))[0]  # [seq, head_dim]
print("rows that are right:", [bool(np.allclose(*rows)) for rows in zip(unmasked, dq, strict=True)])
answer = ("a", "c")
# end of solution
check("08b.4", answer)

# %% [markdown] tags=["solution"]
# The first has left out the division by $\sqrt{16}$, which divides on the way back, too. The second
# lacks the mask: the last position is the only one for which it hides nothing.
