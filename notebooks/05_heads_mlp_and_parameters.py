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
# # 5. Heads, the MLP, and every parameter counted
#
# Notebook 4 followed one head. A decoder block has several, then a projection, then a two-layer
# network, and around them some parts that the article does not draw. At the end of this notebook
# you have written all of GPT-2.
#
# **Minutes:** 25, and 50 for the exercises. **Needs:** notebooks 3 and 4. **Core.**
#
# Afterwards you can
#
# - split a vector into heads and merge it again, and say why there are several;
# - write the whole forward pass in plain NumPy, and get the model's own logits;
# - count GPT-2's parameters, and find the 29,184 that the article's table misses.
#
# It goes with the second half of part 2 of [The Illustrated
# GPT-2](https://jalammar.github.io/illustrated-gpt2/), from "GPT-2 Masked Self-Attention" to
# "You've Made It!".
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
import matplotlib.pyplot as plt
import numpy as np

from gptlite import GPTConfig, Trace, views
from gptlite.layers import gelu, softmax
from gptlite.views.curve import Curve
from gptlite.views.heat_map import HeatMap
from gptlite.views.table import Table
from gptlite.views.view import ramp

model, tokenizer = gptlite.load()  # the storyteller, offline
n_embd, n_head, d = model.config.n_embd, model.config.n_head, model.config.head_dim

ids = [tokenizer.eot, *tokenizer.encode("A robot must obey the orders given it")]
tokens = views.token_labels(tokenizer, ids)
trace = Trace()
logits = model(ids, trace=trace)

layer = 2
p = {  # the parameters of one block, by their short names
    name.removeprefix(f"h.{layer}."): array
    for name, array in model.parameters.items()
    if name.startswith(f"h.{layer}.")
}
for name, array in p.items():
    print(f"{name:<20}{list(array.shape)}")

# %% [markdown]
# Twelve arrays make a block: two gains and two biases for the norms, and four matrices with a bias
# each (a matrix with its bias is a **linear layer**). Every block has the same twelve, with numbers
# of its own.
#
# ## One matrix for queries, keys and values
#
# Article: "GPT-2 Masked Self-Attention"
# Article: "GPT-2 Self-attention: 1- Creating queries, keys, and values"
#
# Each token of our sentence is a vector of 256 by now (`<|endoftext|>` in front is one of them).
# **Guess the shape** of what comes out when they are multiplied by `attn.c_attn.weight`.

# %%
x = trace[f"h.{layer}.ln_1"][0]  # [seq, n_embd]
qkv = x @ p["attn.c_attn.weight"] + p["attn.c_attn.bias"]  # [seq, 3 * n_embd]
print(x.shape, "->", qkv.shape)

# %% [markdown]
# It is three times as wide, for it is three answers side by side: 256 numbers of queries, then 256
# of keys, then 256 of values. Three separate matrices would give the same numbers, only more
# slowly. OpenAI's code has one matrix, and its name is in every GPT-2 file since.

# %%
W, b = p["attn.c_attn.weight"], p["attn.c_attn.bias"]
thirds = [slice(0, n_embd), slice(n_embd, 2 * n_embd), slice(2 * n_embd, 3 * n_embd)]
separate = [x @ W[:, third] + b[third] for third in thirds]  # three times [seq, n_embd]
print("three small multiplications:", np.allclose(np.hstack(separate), qkv, atol=1e-4))

# %% [markdown]
# Here is the matrix itself, each cell the mean size of 4 × 4 numbers. Thick lines separate queries,
# keys and values; thin ones separate the heads.

# %%
sizes = np.abs(W).reshape(n_embd // 4, 4, 3 * n_embd // 4, 4).mean(axis=(1, 3))  # [64, 192]
figure, ax = plt.subplots(figsize=(9, 3.4), layout="constrained", dpi=72)
ax.imshow(sizes, cmap=ramp(), vmin=0, aspect="auto")
for column in range(d, 3 * n_embd, d):
    ax.axvline(column / 4 - 0.5, color="#1a1a1a", linewidth=2 if column % n_embd == 0 else 0.5)
middles = [(third.start + n_embd / 2) / 4 for third in thirds]
ax.set_xticks(middles, ["query", "key", "value"])
ax.set_yticks([])
ax.set_ylabel("256 numbers of x")
_ = ax.set_title(f"c_attn of block {layer}: {W.shape[0]} × {W.shape[1]}", loc="left", fontsize=10)

# %% [markdown]
# Look for what stands out: a dark row is a number of `x` that many heads use, a pale stretch is a
# head that uses little. The matrix was not built with any such feature, only with the sizes;
# training put it there.
#
# ## Splitting into heads
#
# Article: "GPT-2 Self-attention: 1.5- Splitting into attention heads"
#
# A head is a slice: head 0 has the first 64 of the 256 numbers, head 1 the next 64, and so on. So
# "splitting" moves no number and computes nothing; the vector is only read as a little table with a
# row for each head. Here it is with numbers that are easy to follow, two tokens of width 6 and 2
# heads:

# %%
toy = np.arange(12).reshape(2, 6)  # [seq, n_embd]: two tokens
print(toy, "\n")
print(toy.reshape(2, 2, 3).swapaxes(0, 1))  # [head, seq, head_dim]

# %% [markdown]
# The `swapaxes` brings the head to the front, since each head works by itself on all tokens. (A
# common slip is to reshape straight to `[head, seq, head_dim]`. The shape is right, but the heads
# get other tokens' numbers: exercise 1.)


# %%
def split(x):
    """[seq, n_embd] -> [head, seq, head_dim]."""
    return x.reshape(len(x), n_head, d).swapaxes(0, 1)


q, k, v = (split(part) for part in np.split(qkv, 3, axis=1))  # [head, seq, head_dim]
print("q, k, v:", q.shape)
for name, mine in {"q": q, "k": k, "v": v}.items():
    print(
        name,
        "is the model's own:",
        np.allclose(mine, trace[f"h.{layer}.attn.{name}"][0], atol=1e-4),
    )

# %% [markdown]
# Every head has a query, key and value of its own: that is **multi-head attention**. Why several
# heads, and not one that is four times as wide? Because a head shares out *one* row of weights: one
# wide head could gather one mixture of values for each token. Four heads gather four, at the same
# time and from different places, the subject of the sentence, say, and the token just before; and
# it costs no more, for their widths add up to the same 256. Notebook 9 looks for a head that has a
# job of its own.
#
# ## Scoring, summing, merging
#
# Article: "GPT-2 Self-attention: 2- Scoring" and "GPT-2 Self-attention: 3- Sum"
#
# Now each head does what notebook 4 did. NumPy's `@` multiplies the last two axes and repeats that
# over the axes before, so the same line serves one head or all. **Guess the shape** of `scores`.

# %%
scores = q @ k.swapaxes(-1, -2) / d**0.5  # [head, seq, seq]
scores = np.where(np.tri(len(ids), dtype=bool), scores, -np.inf)
weights = softmax(scores)  # [head, seq, seq]
z = weights @ v  # [head, seq, head_dim]
print("scores:", scores.shape, " z:", z.shape)

# %% [markdown]
# Article: "GPT-2 Self-attention: 3.5- Merge attention heads"
#
# The findings of the four heads are laid side by side again: splitting, backwards.

# %%
merged = z.swapaxes(0, 1).reshape(len(ids), n_embd)  # [seq, n_embd]
print("merged:", merged.shape)
print("is the model's own:", np.allclose(merged, trace[f"h.{layer}.attn.z"][0], atol=1e-4))

# %% [markdown]
# ## Projecting
#
# Article: "GPT-2 Self-attention: 4- Projecting"
#
# The merged vector has 256 numbers, as the residual stream has, but they are in the heads' own
# order: 64 from each, in whatever code that head uses. `c_proj`, the **output projection**,
# translates them into the stream's code.
#
# There is another way to see it. The first 64 rows of `c_proj` only meet head 0's numbers, the next
# 64 only head 1's. So each head has a projection of its own, and the answers are **added**. "Merge,
# then project" is the same as "project each, then add":

# %%
Wo, bo = p["attn.c_proj.weight"], p["attn.c_proj.bias"]
out = merged @ Wo + bo  # [seq, n_embd]
each = z @ Wo.reshape(n_head, d, n_embd)  # [head, seq, n_embd]
print("shares of the heads:", each.shape)
print("their sum is the same:", np.allclose(each.sum(axis=0) + bo, out, atol=1e-4))
print("is the model's own:   ", np.allclose(out, trace[f"h.{layer}.attn.out"][0], atol=1e-4))

# %% [markdown]
# This is why one can ask what a single head contributes, or cut one out (notebook 9). Here is the
# length of the vector that each head of this block adds, for each token:

# %%
lengths = np.linalg.norm(each, axis=-1)  # [head, seq]
heads = [f"head {i}" for i in range(n_head)]
HeatMap(f"Block {layer}: length of each head's share", lengths, heads, tokens, digits=1)

# %% [markdown]
# ## The MLP
#
# Article: "GPT-2 Fully-Connected Neural Network: Layer #1"
#
# Attention moves information between tokens. The MLP (multi-layer perceptron, or **feed-forward
# network**) does not: it works on each token by itself. It goes out to four times the width, its
# **hidden layer** (1,024 numbers here, 3,072 in GPT-2 small), applies a function to each number,
# and comes back. Why four? Vaswani et al. (2017) had chosen it, and OpenAI kept it.

# %%
x = trace[f"h.{layer}.ln_2"][0]  # [seq, n_embd]
hidden = x @ p["mlp.c_fc.weight"] + p["mlp.c_fc.bias"]  # [seq, 4 * n_embd]
print(x.shape, "->", hidden.shape)

# %% [markdown]
# That function is gelu, the **activation function**, and the point of it is that it is
# **non-linear**: without it two layers would be no more than one, for a product of two matrices is
# a matrix. Gelu is a soft form of "keep what is positive": far to the right it is $x$, far to the
# left it is 0, and in between it dips a little below 0. GPT-2 was trained with an approximation by
# tanh, and you must use the same approximation to get the same numbers.

# %%
line = np.linspace(-4, 4, 161, dtype=np.float32)  # [161]
curves = {"gelu": (line, gelu(line)), "relu: max(x, 0)": (line, np.maximum(line, 0))}
_ = Curve("Two activation functions", curves, "x", "output").plot()

# %% [markdown]
# Article: "GPT-2 Fully-Connected Neural Network: Layer #2 - Projecting to model dimension"

# %%
activated = gelu(hidden)  # [seq, 4 * n_embd]
back = activated @ p["mlp.c_proj.weight"] + p["mlp.c_proj.bias"]  # [seq, n_embd]
print(activated.shape, "->", back.shape)
print("is the model's own:", np.allclose(back, trace[f"h.{layer}.mlp.out"][0], atol=1e-4))
alone = gelu(x[3:4] @ p["mlp.c_fc.weight"] + p["mlp.c_fc.bias"])  # [1, 4 * n_embd]
alone = alone @ p["mlp.c_proj.weight"] + p["mlp.c_proj.bias"]  # [1, n_embd]
print("a token by itself gets the same:", np.allclose(alone, back[3], atol=1e-4))

# %% [markdown]
# Each of the 1,024 hidden numbers, the **neurons** of the MLP, is a small detector: its column in
# `c_fc` says what it looks for, its row in `c_proj` what it adds when it has found it. How many
# find something?

# %%
active = (activated > 0.1).mean(axis=1)  # [seq]
rows = [[token, round(float(share), 2)] for token, share in zip(tokens, active, strict=True)]
Table("Share of hidden numbers above 0.1", ["token", "share"], rows, bar="share", digits=2)

# %% [markdown]
# Only some of them do, for any one token. (The very first one is often a special case.)
#
# ## What the figures leave out
#
# Article: "The Evolution of the Transformer Block" and "The Decoder-Only Block"
#
# In the article's drawings a vector goes into attention, then into the MLP, and out. Three things
# are not drawn, and without them the numbers do not come out:
#
# 1. **Residual connections** (skip connections). Attention and MLP do not replace the vector; they
#    are *added* to it. The vector that runs up through the model is a sum.
# 2. **Layer norms**, before each of the two (pre-norm) and once more at the very top (`ln_f`).
# 3. **Biases**: every matrix has one (the article's last table has them).
#
# Here is the block as it is, with the parts that the drawings leave out in the dark colour:

# %%
views.block_diagram(model.config, layer, lit=["ln_1", "mid", "ln_2", "out", "ln_f"])

# %% [markdown]
# The sum first. Take the embedding, add the answers of all attentions and all MLPs, and you have
# the vector at the top:

# %%
stream = trace["embed"][0].copy()  # [seq, n_embd]
for i in range(model.config.n_layer):
    stream += trace[f"h.{i}.attn.out"][0] + trace[f"h.{i}.mlp.out"][0]
top = trace[f"h.{model.config.n_layer - 1}.out"][0]  # [seq, n_embd]
print("embedding + all answers = top of the stack:", np.allclose(stream, top, atol=1e-3))

# %% [markdown]
# How long is the stream's vector as it goes up? (This is the mean of all tokens but the first,
# which is a special case: it is the resting place for idle attention.) **Guess** before you look.

# %%
blocks = range(model.config.n_layer)


def mean_length(name):
    """Average the length of an array's vectors, over all tokens but the first."""
    return float(np.linalg.norm(trace[name][0, 1:], axis=-1).mean())


stages = ["embed"] + [f"h.{i}.{step}" for i in blocks for step in ("mid", "out")]
names = ["embedding"] + [f"block {i}: + {step}" for i in blocks for step in ("attention", "MLP")]
rows = [[name, mean_length(stage)] for name, stage in zip(names, stages, strict=True)]
_ = Table("Length of the stream", ["after", "length"], rows, bar="length", digits=1).plot()

# %% [markdown]
# A token's embedding is short, and the blocks make it many times longer. So the layers have to read
# vectors of very different lengths, and that is what the norms are for. A layer norm brings every
# vector to mean 0 and variance 1, then multiplies by a learned gain and adds a learned bias. The
# stream itself is not normalised, only the copy that attention or the MLP reads.


# %%
def layer_norm(x, gain, bias):
    """[seq, n_embd] -> [seq, n_embd]; 1e-5 so that we never divide by 0."""
    centred = x - x.mean(axis=-1, keepdims=True)  # [seq, n_embd]
    variance = (centred**2).mean(axis=-1, keepdims=True)  # [seq, 1]
    return centred / np.sqrt(variance + 1e-5) * gain + bias


before = trace[f"h.{layer - 1}.out"][0]  # [seq, n_embd], the stream as it enters the block
normalised = layer_norm(before, p["ln_1.weight"], p["ln_1.bias"])  # [seq, n_embd]
print("is the model's own:", np.allclose(normalised, trace[f"h.{layer}.ln_1"][0], atol=1e-4))

# %% [markdown]
# ## The whole model, by hand
#
# Article: "A journey up the Stack" and "Model Output"
#
# We have all the parts. Here is GPT-2 in one cell, from ids to logits, with nothing but NumPy and
# the arrays in `model.parameters`.


# %%
def attention(x, p):
    """Masked self-attention of all heads: [seq, n_embd] -> [seq, n_embd]."""
    seq = len(x)
    qkv = x @ p["attn.c_attn.weight"] + p["attn.c_attn.bias"]  # [seq, 3 * n_embd]
    q, k, v = (split(part) for part in np.split(qkv, 3, axis=1))  # [head, seq, head_dim]
    scores = q @ k.swapaxes(-1, -2) / d**0.5  # [head, seq, seq]
    weights = softmax(np.where(np.tri(seq, dtype=bool), scores, -np.inf))  # [head, seq, seq]
    merged = (weights @ v).swapaxes(0, 1).reshape(seq, n_embd)  # [seq, n_embd]
    return merged @ p["attn.c_proj.weight"] + p["attn.c_proj.bias"]


def mlp(x, p):
    """Each token by itself: [seq, n_embd] -> [seq, n_embd]."""
    hidden = gelu(x @ p["mlp.c_fc.weight"] + p["mlp.c_fc.bias"])  # [seq, 4 * n_embd]
    return hidden @ p["mlp.c_proj.weight"] + p["mlp.c_proj.bias"]


def block(x, p):
    """One decoder block: [seq, n_embd] -> [seq, n_embd]."""
    x = x + attention(layer_norm(x, p["ln_1.weight"], p["ln_1.bias"]), p)
    return x + mlp(layer_norm(x, p["ln_2.weight"], p["ln_2.bias"]), p)


def gpt(ids, parameters, block=block):
    """Token ids -> logits [seq, n_vocab]."""
    x = parameters["wte.weight"][ids] + parameters["wpe.weight"][: len(ids)]  # [seq, n_embd]
    for i in range(model.config.n_layer):
        at = f"h.{i}."
        x = block(x, {n.removeprefix(at): a for n, a in parameters.items() if n.startswith(at)})
    x = layer_norm(x, parameters["ln_f.weight"], parameters["ln_f.bias"])
    return x @ parameters["wte.weight"].T


one_block = block(before, p)  # [seq, n_embd]
by_hand = gpt(ids, model.parameters)  # [seq, n_vocab]
print("block 2 by hand = trace:      ", np.allclose(one_block, trace["h.2.out"][0], atol=1e-3))
print("all of it by hand = the model:", np.allclose(by_hand, logits[0], atol=1e-3))

# %%
views.next_token(by_hand, tokenizer, top=5)

# %% [markdown]
# You have just written `gptlite/block.py`. Open it beside this cell: `decoder_block`, `attention`
# and `mlp` are nearly the same lines, and `gptlite/model.py` has the embedding and the loop over
# the blocks. They have four things more: a batch of rows, padding, the cache (notebook 6), and the
# trace. Without a cache and without a trace, keys and values are not kept (`no_cache`) and no array
# is recorded (`unrecorded`):

# %%
from gptlite import block as plain
from gptlite.cache import no_cache
from gptlite.trace import unrecorded

parts = model.blocks[layer]  # the same arrays as a tree: parts["mlp"]["c_fc"]["weight"]
batch = before[None]  # [batch, seq, n_embd]
mine = layer_norm(before, p["ln_1.weight"], p["ln_1.bias"])  # [seq, n_embd]
pairs = {
    "attention": (
        attention(mine, p),
        plain.attention(mine[None], parts["attn"], n_head, None, no_cache, unrecorded),
    ),
    "mlp": (mlp(x, p), plain.mlp(x[None], parts["mlp"], unrecorded)),
    "decoder_block": (
        one_block,
        plain.decoder_block(batch, parts, n_head, None, no_cache, unrecorded),
    ),
}
for name, (by_us, by_gptlite) in pairs.items():
    print(f"{name:<14} the same as gptlite's:", np.allclose(by_us, by_gptlite[0], atol=1e-3))

# %% [markdown]
# Now leave out, one after the other, what the drawings leave out, and look at the probability of
# the token that the model finds most likely:

# %%
right = int(logits[0, -1].argmax())


def without(*endings):
    """Give the parameters, some of them at the values that do nothing."""
    return {
        name: np.full_like(array, name.endswith("weight")) if name.endswith(endings) else array
        for name, array in model.parameters.items()
    }


def no_residual(x, p):
    """Compute a block as it is drawn: the answers take the vector's place."""
    x = attention(layer_norm(x, p["ln_1.weight"], p["ln_1.bias"]), p)
    return mlp(layer_norm(x, p["ln_2.weight"], p["ln_2.bias"]), p)


biases = ("c_attn.bias", "c_fc.bias", "c_proj.bias")
results = {
    "the model": by_hand,
    "biases at 0": gpt(ids, without(*biases)),
    "ln_f's gain at 1, its bias at 0": gpt(ids, without("ln_f.weight", "ln_f.bias")),
    "no residual connections": gpt(ids, model.parameters, no_residual),
}
rows = [[name, float(softmax(scores[-1])[right])] for name, scores in results.items()]
Table(f"Probability of {tokenizer.decode([right])!r}", ["", "probability"], rows, bar="probability")

# %% [markdown]
# As a drawing shows it, without residual connections, the model has forgotten its answer. Without
# biases it is even surer of this one token: another number, but no better prediction. Whether a
# model predicts better is seen in the loss of a text, not at one token.
#
# ## Every parameter counted
#
# Article: "You've Made It!"
#
# At its end, part 2 has a table of all weights of GPT-2 small, with a total of 124,410,624. Here is
# the same table, made from the shapes themselves.

# %%
views.parameter_table("gpt2")

# %% [markdown]
# That makes 124,439,808. The article's table is short of that by

# %%
article_total = 124_410_624
missing = GPTConfig.preset("gpt2").n_params - article_total
print(f"{missing:,}")

# %% [markdown]
# Can you find them? Compare the lines of a block. The article prints 7,085,568 for one block; we
# have 7,087,872.

# %%
width = 768
per_block = 7_087_872 - 7_085_568
print("missing in a block:", f"{per_block:,}", "= 3 ×", per_block // 3)
print("c_fc's bias: printed 768, has", f"{4 * width:,}; short by", f"{4 * width - 768:,}")

# %% [markdown]
# `c_fc` goes from 768 to 3,072, so its bias has 3,072 numbers. The table prints 768. That makes
# 2,304 in each of 12 blocks; and the rest?

# %%
print("12 blocks:", f"{12 * per_block:,}", " still missing:", f"{missing - 12 * per_block:,}")
print("ln_f, a gain and a bias of 768:", f"{2 * width:,}")
assert 12 * per_block + 2 * width == missing == 29_184

# %% [markdown]
# `ln_f`, the norm at the top that no figure shows. All 29,184 are found.
#
# Beware of another number: the GPT-2 paper calls the smallest model "117M", and OpenAI's first
# files had that name. OpenAI later wrote that this count was a mistake; the same model is called
# 124M today. The four sizes, counted:

# %%
views.four_sizes()

# %% [markdown]
# Where are they? In GPT-2 small a third is the embedding. In a big model almost all parameters are
# in the blocks, and two thirds of a block are the MLP.

# %%
rows = []
for name in ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"):
    c = GPTConfig.preset(name)
    matrices = {"attention": 4 * c.n_embd**2, "MLP": 8 * c.n_embd**2}
    embeddings = (c.n_vocab + c.n_ctx) * c.n_embd
    shares = [c.n_layer * matrices[part] / c.n_params for part in ("attention", "MLP")]
    rows.append([name, *shares, embeddings / c.n_params])
Table(
    "Share of the parameters",
    ["model", "attention", "MLP", "embeddings"],
    rows,
    "What is left to 1 are biases and norms.",
    shaded=["attention", "MLP", "embeddings"],
)

# %% [markdown]
# ## Exercises
#
# Each has stars for its difficulty, minutes, a hint, and a cell to work in: put your answer in
# place of the `...`, run the cell, and the check says whether it is right. The check asks the
# storyteller itself where an answer depends on it.
#
# The steps of this notebook are functions to write in [notebook 13](13_write_gpt2_yourself.ipynb)
# (A.3 to A.5, and part B): there a check says what kind of mistake is in yours.

# %%
from gptlite.exercises import check

# %% [markdown]
# **1. The wrong reshape.** (★☆☆, 5 min) With the toy of "Splitting into heads": what does
# `toy.reshape(2, 2, 3)` without `swapaxes` give as head 0? Write it down before you run it. Why is
# it wrong?
#
# <details><summary>Hint</summary>
#
# A reshape reads the same numbers in the same order.
#
# </details>

# %%
# solution: answer = [[...], [...]]
answer = toy.reshape(2, 2, 3)[0].tolist()
# end of solution
check("05.1", answer)

# %% [markdown] tags=["solution"]
# It gives all six numbers of the first token, read as if they were two tokens. Right would be the
# first three numbers of each token, `[[0, 1, 2], [6, 7, 8]]`.

# %% [markdown]
# **2. gpt2-xl by hand.** (★★☆, 10 min) 48 blocks, 1,600 wide, 50,257 tokens, 1,024 positions. Count
# its parameters with pencil and paper; the check knows what is most often forgotten.
#
# <details><summary>Hint</summary>
#
# In a block: four matrices, four biases, two norms. Around the blocks: two tables and a norm.
#
# </details>

# %%
# solution: answer = ...
width = 1600
block_size = 12 * width**2 + 13 * width
answer = 48 * block_size + (50_257 + 1_024) * width + 2 * width
print(f"{answer:,}")
# end of solution
check("05.2", answer)

# %% [markdown] tags=["solution"]
# A block has $12 d^2$ in its matrices (3 + 1 + 4 + 4), $9d$ in their biases (3 + 1 + 4 + 1) and
# $4d$ in two norms. Around the blocks there are two tables and `ln_f`.

# %% [markdown]
# **3. A bias without effect.** (★★★, 10 min) Set the *key* part of `c_attn`'s bias to 0 in every
# block, and call `gpt`. The logits do not change. Why not?
#
# - (a) The bias of a trained model is so small that it makes no difference.
# - (b) It adds the same number to every score in a row.
# - (c) The layer norm before it takes any constant out.
#
# <details><summary>Hint</summary>
#
# Multiply out $q \cdot (k + b)$, for one query and all keys.
#
# </details>

# %%
# solution: answer = "?"
changed = {name: array.copy() for name, array in model.parameters.items()}
for i in range(model.config.n_layer):
    changed[f"h.{i}.attn.c_attn.bias"][n_embd : 2 * n_embd] = 0
print(np.allclose(gpt(ids, changed), by_hand, atol=1e-2))
answer = "b"
# end of solution
check("05.3", answer)

# %% [markdown] tags=["solution"]
# The bias $b$ adds the same $q \cdot b$ to every score in a row, and softmax only sees differences
# within a row. So `n_embd` numbers of each block do nothing (in GPT-2 small 768 in each of 12
# blocks).

# %% [markdown]
# **4. The order of heads.** (★★★, 15 min) Exchange heads 0 and 3 of a block: their columns in all
# three thirds of `c_attn`, and their rows in `c_proj`. Give the columns of `c_attn` in their new
# order, an array of `3 * n_embd` numbers. What happens to the block's output?
#
# <details><summary>Hint</summary>
#
# Start with `np.arange(n_embd).reshape(n_head, d)`, and put its rows in another order. The second
# third begins at `n_embd`.
#
# </details>

# %%
# solution: answer = ...
heads_in_order = [3, *range(1, 3), 0, *range(4, n_head)]
order = np.arange(n_embd).reshape(n_head, d)[heads_in_order].reshape(-1)  # [n_embd]
answer = np.concatenate([order + part * n_embd for part in range(3)])  # [3 * n_embd]
exchanged = dict(p)
exchanged["attn.c_attn.weight"] = p["attn.c_attn.weight"][:, answer]
exchanged["attn.c_attn.bias"] = p["attn.c_attn.bias"][answer]
exchanged["attn.c_proj.weight"] = p["attn.c_proj.weight"][order]
print(np.allclose(block(before, exchanged), block(before, p), atol=1e-3))
# end of solution
check("05.4", answer)

# %% [markdown] tags=["solution"]
# Nothing: the heads' answers are added, and a sum has no order. "Head 3" of one model has nothing
# to do with "head 3" of another.

# %% [markdown]
# **5. No activation function.** (★★☆, 8 min) Without gelu, the two matrices of `mlp` could be one.
# How many numbers would that save in a block 768 wide (matrices alone, no biases)?
#
# <details><summary>Hint</summary>
#
# Which shape does `c_fc @ c_proj` have?
#
# </details>

# %%
# solution: answer = ...
product = p["mlp.c_fc.weight"] @ p["mlp.c_proj.weight"]  # [n_embd, n_embd]
shift = p["mlp.c_fc.bias"] @ p["mlp.c_proj.weight"] + p["mlp.c_proj.bias"]  # [n_embd]
two_layers = hidden @ p["mlp.c_proj.weight"] + p["mlp.c_proj.bias"]  # no gelu
print(product.shape, np.allclose(x @ product + shift, two_layers, atol=1e-3))
answer = 2 * 4 * 768**2 - 768**2
# end of solution
check("05.5", answer)

# %% [markdown] tags=["solution"]
# The product of `c_fc` and `c_proj`, $d \times d$: $d^2$ numbers in place of $8d^2$, with the same
# result, and therefore no more power than one layer.
