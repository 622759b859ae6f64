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
# # 13. Write GPT-2 yourself
#
# Thirteen small functions, and at the end your own GPT-2 tells the storyteller's story, token for
# token. Then five derivatives, with which it could learn.
#
# - **Minutes:** about 220 in all; 70 for part A, 40 for part B, 40 for part C, 75 for part D, which
#   is optional. **Core** of a term, optional in a week.
# - **Needs:** notebooks 2, 4, 5 and 6 for parts A to C; notebook 8 for part D.
# - **How it works:** each function has its name, its arguments with their shapes, and one line that
#   says what it does. Write the body in place of the `...`, run the cell, then the check below it.
#   The check compares with made-up arrays of odd sizes, and with what the storyteller itself
#   computes. If something is wrong, it says what kind of mistake it is, as far as it can tell.
#
# Three rules: everything is float32; no argument is changed in place; every function is a few
# lines, most are one to five. Look things up in the earlier notebooks as you like. In the field's
# notation, `[..., n]` is any number of axes and then one of length n.
#
# Afterwards you can
#
# - write every step of GPT-2 in NumPy, from the bytes of a text to the next token;
# - tell from an array of odd sizes what kind of mistake is in a step;
# - write the derivatives of the layers, with which it learns.
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
from itertools import pairwise

import numpy as np

from gptlite.alphabet import BYTE_SYMBOLS
from gptlite.exercises import check, my_gpt
from gptlite.layers import linear

model, tokenizer = gptlite.load()

# %% [markdown]
# ## A. The steps
#
# ### A.1 Merges (★★☆, 15 min)
#
# A piece of text begins as a row of bytes, each as the symbol that stands for it in the vocabulary.
# Of all neighbours that form a pair in `rank`, the pair with the lowest rank joins; again and
# again, until there is none.


# %%
def merged(piece, rank):
    """Encode one piece: return its row of bytes, then the row after each merge.

    piece: its bytes; rank: {(left, right): rank}. Returns a list of lists of str.
    """
    row = [BYTE_SYMBOLS[byte] for byte in piece]
    # solution:
    rows = [row]
    while waiting := [pair for pair in pairwise(row) if pair in rank]:
        first = min(waiting, key=rank.get)
        at = list(pairwise(row)).index(first)
        row = [*row[:at], row[at] + row[at + 1], *row[at + 2 :]]
        rows.append(row)
    return rows
    # end of solution


# %%
check(merged)

# %% [markdown]
# ### A.2 Softmax (★☆☆, 8 min)
#
# Scores may be as large as 1000, and `np.exp(1000)` is infinite in float32. What can be subtracted
# from a row so that the result stays the same?


# %%
def softmax(x):
    """Turn scores into probabilities over the last axis: [..., n] -> [..., n]."""
    # solution:
    p = np.exp(x - x.max(axis=-1, keepdims=True))  # [..., n]
    return p / p.sum(axis=-1, keepdims=True)
    # end of solution


# %%
check(softmax)

# %% [markdown]
# ### A.3 Layer normalisation (★★☆, 10 min)


# %%
def layer_norm(x, weight, bias, epsilon=1e-5):
    """Shift each vector to mean 0 and scale it to variance 1; then multiply by weight, add bias.

    x: [..., n_embd]; weight, bias: [n_embd]; epsilon is added to the variance.
    """
    # solution:
    centred = x - x.mean(axis=-1, keepdims=True)  # [..., n_embd]
    variance = (centred**2).mean(axis=-1, keepdims=True)  # [..., 1]
    return centred / np.sqrt(variance + epsilon) * weight + bias
    # end of solution


# %%
check(layer_norm)

# %% [markdown]
# ### A.4 GELU (★☆☆, 5 min)
#
# $\frac{1}{2} x \left(1 + \tanh\left(\sqrt{2/\pi}\,(x + 0.044715\,x^3)\right)\right)$


# %%
def gelu(x):
    """Apply GPT-2's activation function, the Gaussian error linear unit: [..., n] -> [..., n]."""
    # solution:
    return 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))
    # end of solution


# %%
check(gelu)

# %% [markdown]
# ### A.5 Heads (★★☆, 10 min)
#
# Head 0 gets the first `head_dim` numbers of each vector, head 1 the next, and so on.


# %%
def split_heads(x, n_head):
    """Part each vector among the heads: [batch, seq, n_embd] -> [batch, head, seq, head_dim]."""
    # solution:
    batch, seq, n_embd = x.shape
    return x.reshape(batch, seq, n_head, n_embd // n_head).swapaxes(1, 2)
    # end of solution


# %%
check(split_heads)

# %% [markdown]
# ### A.6 Scores (★☆☆, 6 min)


# %%
def attention_scores(q, k):
    """Compare each query with each key: their dot product over the square root of head_dim.

    q: [batch, head, seq, head_dim]; k: [batch, head, total, head_dim].
    Returns [batch, head, seq, total].
    """
    # solution:
    return q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5
    # end of solution


# %%
check(attention_scores)

# %% [markdown]
# ### A.7 The mask (★★★, 15 min)
#
# The `seq` queries belong to the *last* `seq` of all `total` positions; those before them are in
# the cache. (gptlite's own function changes the scores in place, which saves memory. Yours should
# not.)


# %%
def mask_future(scores):
    """Hide from each position those after it: [..., seq, total] -> [..., seq, total].

    Hidden scores become very low (-1e10, say), all others stay.
    """
    # solution:
    seq, total = scores.shape[-2:]
    seen = np.tri(seq, total, total - seq, dtype=bool)  # [seq, total]
    return np.where(seen, scores, np.float32(-1e10))
    # end of solution


# %%
check(mask_future)

# %% [markdown]
# ## B. The block
#
# From here on, call your own functions. `p` is a small tree of parameters, as in `model.blocks[0]`:
# `p["c_attn"]["weight"]`, `p["c_attn"]["bias"]`. `linear(x, weight, bias)` is given; so
# `linear(x, **p["c_attn"])` is one layer, and `layer_norm(x, **p["ln_1"])` a norm with its gain,
# shift and epsilon.
#
# ### B.1 Attention (★★★, 25 min)
#
# `c_attn` makes queries, keys and values of all heads at once, in this order: its result has
# `3 * n_embd` columns. `c_proj` is the layer after the heads have been merged.


# %%
def attention(x, p, n_head):
    """Let each position gather from those before it: [batch, seq, n_embd], in and out.

    p: {"c_attn": {"weight", "bias"}, "c_proj": {"weight", "bias"}}.
    """
    # solution:
    q, k, v = (split_heads(part, n_head) for part in np.split(linear(x, **p["c_attn"]), 3, axis=-1))
    weights = softmax(mask_future(attention_scores(q, k)))  # [batch, head, seq, seq]
    z = (weights @ v).swapaxes(1, 2).reshape(x.shape)  # [batch, seq, n_embd]
    return linear(z, **p["c_proj"])
    # end of solution


# %%
check(attention)

# %% [markdown]
# ### B.2 The feed-forward network (★☆☆, 5 min)


# %%
def mlp(x, p):
    """Work on each position by itself: a layer, gelu, a layer. [..., n_embd], in and out.

    p: {"c_fc": {"weight", "bias"}, "c_proj": {"weight", "bias"}}.
    """
    # solution:
    return linear(gelu(linear(x, **p["c_fc"])), **p["c_proj"])
    # end of solution


# %%
check(mlp)

# %% [markdown]
# ### B.3 The decoder block (★★☆, 10 min)
#
# Two sub-layers, each behind a layer norm, each adding its result to the residual stream.


# %%
def decoder_block(x, p, n_head):
    """Run one decoder block: [batch, seq, n_embd], in and out.

    p: {"ln_1", "attn", "ln_2", "mlp"}, each a tree.
    """
    # solution:
    x = x + attention(layer_norm(x, **p["ln_1"]), p["attn"], n_head)
    return x + mlp(layer_norm(x, **p["ln_2"]), p["mlp"])
    # end of solution


# %%
check(decoder_block)

# %% [markdown]
# ## C. Writing
#
# ### C.1 The loop (★★☆, 10 min)
#
# `model(ids)` gives logits, `[1, seq, n_vocab]`. Choose the most likely token each time.


# %%
def auto_regress(model, ids, n_new, end):
    """Read, choose, append, and again: return the new tokens, n_new of them at most.

    ids: a list of token ids. The token `end` ends the text, and is not returned.
    """
    # solution:
    text, new = list(ids), []
    for _ in range(n_new):
        chosen = int(model(text)[0, -1].argmax())
        if chosen == end:
            break
        text.append(chosen)
        new.append(chosen)
    return new
    # end of solution


# %%
check(auto_regress)

# %% [markdown]
# ### C.2 Your own GPT-2
#
# Now the storyteller runs on your functions: your `merged` cuts the prompt into tokens, your
# `decoder_block` and `layer_norm` carry it up the stack, your `auto_regress` writes. `globals()`
# hands over all that this notebook defines.

# %%
my_gpt(globals())

# %% [markdown]
# The weights are the storyteller's; every line that used them is yours. With
# `gptlite.load("gpt2")` the same functions run OpenAI's model.
#
# ### C.3 Top-k (★★☆, 8 min)


# %%
def apply_top_k(logits, k):
    """Keep the k highest logits of each row, and any equal to the k-th; the others become -inf.

    logits: [batch, n_vocab], like the result; k may be larger than n_vocab.
    """
    # solution:
    k = min(k, logits.shape[-1])
    kth = np.sort(logits, axis=-1)[:, [-k]]  # [batch, 1]
    return np.where(logits < kth, np.float32(-np.inf), logits)
    # end of solution


# %%
check(apply_top_k)

# %% [markdown]
# ### C.4 Top-p (★★★, 15 min)


# %%
def apply_top_p(logits, p):
    """Keep the fewest tokens that together have probability p; the others become -inf.

    logits: [batch, n_vocab], like the result. The token that crosses p is kept.
    """
    # solution:
    order = np.argsort(-logits, axis=-1)  # [batch, n_vocab], the most likely first
    shares = np.take_along_axis(softmax(logits), order, axis=-1)  # [batch, n_vocab]
    before = np.cumsum(shares, axis=-1) - shares  # [batch, n_vocab]
    kept = np.zeros(logits.shape, bool)  # [batch, n_vocab]
    np.put_along_axis(kept, order, before < p, axis=-1)
    return np.where(kept, logits, np.float32(-np.inf))
    # end of solution


# %%
check(apply_top_p)

# %% [markdown]
# ## D. Five derivatives (optional)
#
# `dy` is the derivative of the loss with respect to a layer's output, in the output's shape. Each
# function returns the derivatives with respect to the layer's inputs, each in its input's shape.
#
# ### D.1 A linear layer (★★☆, 10 min)
#
# `y = x @ weight + bias`


# %%
def linear_backward(dy, x, weight):
    """Go back through a linear layer.

    dy: [..., n_out]; x: [..., n_in]; weight: [n_in, n_out].
    Returns dx [..., n_in], dweight [n_in, n_out], dbias [n_out].
    """
    # solution:
    rows, drows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    return dy @ weight.T, rows.T @ drows, drows.sum(axis=0)
    # end of solution


# %%
check(linear_backward)

# %% [markdown]
# ### D.2 The loss (★★☆, 10 min)
#
# Softmax, then minus the logarithm of the right column, averaged over the rows. The logits may be
# some hundreds.


# %%
def cross_entropy(logits, targets):
    """Compute the mean loss in nats, and its derivative.

    logits: [rows, n_vocab]; targets: [rows], the right column of each row.
    Returns the loss, a number, and dlogits [rows, n_vocab].
    """
    # solution:
    rows = np.arange(len(targets))  # [rows]
    shifted = logits - logits.max(axis=-1, keepdims=True)  # [rows, n_vocab]
    logs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))  # [rows, n_vocab]
    dlogits = np.exp(logs)  # [rows, n_vocab]
    dlogits[rows, targets] -= 1
    return -logs[rows, targets].mean(), dlogits / len(targets)
    # end of solution


# %%
check(cross_entropy)

# %% [markdown]
# ### D.3 The embedding (★★☆, 8 min)
#
# `x = wte[ids]`: a token may occur at several positions.


# %%
def embedding_backward(dx, ids, n_vocab):
    """Go back through the look-up of tokens.

    dx: [..., n_embd]; ids: [...], the token at each position. Returns dwte [n_vocab, n_embd].
    """
    # solution:
    dwte = np.zeros((n_vocab, dx.shape[-1]), np.float32)  # [n_vocab, n_embd]
    np.add.at(dwte, ids, dx)
    return dwte
    # end of solution


# %%
check(embedding_backward)

# %% [markdown]
# ### D.4 Layer normalisation (★★★, 20 min)
#
# Mean and deviation depend on every number of the vector. The norm undoes any shift and any stretch
# of its input: so `dx` has no part along either.


# %%
def layer_norm_backward(dy, x, weight, epsilon=1e-5):
    """Go back through layer_norm.

    dy, x: [..., n_embd]; weight: [n_embd].
    Returns dx [..., n_embd], dweight [n_embd], dbias [n_embd].
    """
    # solution:
    centred = x - x.mean(axis=-1, keepdims=True)  # [..., n_embd]
    std = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon)  # [..., 1]
    normed = centred / std  # [..., n_embd]
    d = dy * weight  # [..., n_embd]
    shift = d.mean(axis=-1, keepdims=True)  # [..., 1]
    stretch = (d * normed).mean(axis=-1, keepdims=True)  # [..., 1]
    leading = tuple(range(x.ndim - 1))
    dweight, dbias = (dy * normed).sum(axis=leading), dy.sum(axis=leading)  # [n_embd]
    return (d - shift - normed * stretch) / std, dweight, dbias
    # end of solution


# %%
check(layer_norm_backward)

# %% [markdown]
# ### D.5 Attention (★★★, 25 min)
#
# `z = weights @ v` and `weights = softmax(q @ k.T / sqrt(head_dim))`, masked. You may take the
# weights as given: where the mask hides, they are 0.


# %%
def attend_backward(dz, q, k, v, weights):
    """Go back through scores, softmax and sum.

    dz, q, k, v: [batch, head, seq, head_dim]; weights: [batch, head, seq, seq], after the softmax.
    Returns dq, dk, dv, each [batch, head, seq, head_dim].
    """
    # solution:
    dv = weights.swapaxes(-1, -2) @ dz  # [batch, head, seq, head_dim]
    dweights = dz @ v.swapaxes(-1, -2)  # [batch, head, seq, seq]
    inner = (dweights * weights).sum(axis=-1, keepdims=True)  # [batch, head, seq, 1]
    dscores = weights * (dweights - inner) / q.shape[-1] ** 0.5  # [batch, head, seq, seq]
    return dscores @ k, dscores.swapaxes(-1, -2) @ q, dv
    # end of solution


# %%
check(attend_backward)

# %% [markdown]
# That is all of GPT-2, and all the calculus it takes to train it. Three things to do now:
#
# - run your functions on `gptlite.load("gpt2")`, if its weights are on this machine;
# - put `apply_top_k` and `apply_top_p` into your loop, and draw from what they leave;
# - read `gptlite/block.py` and `gptlite/training/backward.py`: you have written both.
