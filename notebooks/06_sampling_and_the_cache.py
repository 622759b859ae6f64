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
# # 6. Sampling, and the cache of keys and values
#
# A model gives probabilities; a text is made of decisions. The first half of this notebook is about
# choosing the next token, the second about the cache, which makes the loop fast.
#
# **Minutes:** 30, and 40 for the exercises. **Needs:** notebooks 4 and 5. **Core.**
#
# Afterwards you can
#
# - say what temperature, top-k and top-p do to the probabilities, and choose among them;
# - show why always taking the most likely token does not give a likely text;
# - write a step with a cache of keys and values, and count the multiplications that it saves.
#
# It goes with "One Difference From BERT", "Crash Course in Brain Surgery: Looking Inside GPT-2",
# "Model Output" and "Evaluation Time: Processing One Token at a Time" of [The Illustrated
# GPT-2](https://jalammar.github.io/illustrated-gpt2/).
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
import time

import matplotlib.pyplot as plt
import numpy as np

from gptlite import GPTConfig, KVCache, Trace, views
from gptlite.fast.threads import blas_threads
from gptlite.generate import generate, generate_tokens, stream
from gptlite.layers import softmax
from gptlite.sampling import Sampler
from gptlite.views.curve import Curve
from gptlite.views.table import Table

model, tokenizer = gptlite.load()  # the storyteller, offline
BEGIN = "<|endoftext|>"  # a text begins with it, as in training (notebook 1)


def encoded(text):
    """Encode a text from its beginning: <|endoftext|>, then its tokens."""
    return [tokenizer.eot, *tokenizer.encode(text)]


# %% [markdown]
# ## The loop
#
# Article: "One Difference From BERT"
#
# One call of the model says something about *one* next token. To get a text, choose a token, append
# it to the input, and call again: auto-regression. Notebook 1 wrote the loop, with the simplest
# choice, the most likely token. `gptlite.generate.stream` is the same loop. (Its heart is
# `auto_regress` in `gptlite/generate/loop.py`: read, choose, append, and again.) It gives each
# piece of text as soon as it is certain; `temperature=0` means: always the most likely token.

# %%
beginning = BEGIN + "Once upon a time there"
greedy_options = {"temperature": 0, "allowed_special": "all"}  # <|endoftext|> is read as a token
pieces = stream(model, tokenizer, beginning, max_new_tokens=5, **greedy_options)
print(list(pieces))

# %% [markdown]
# Article: "Crash Course in Brain Surgery: Looking Inside GPT-2"
#
# Without a prompt the model still needs something to start from: then `<|endoftext|>` (the
# article's `<s>`) stands alone, and what follows it is a beginning. The same token ends a text:
# gptlite stops there. The article says so of GPT-2 too, but OpenAI's own `sample.py` runs for a
# fixed length and goes on past it.

# %%
views.next_token(model([tokenizer.eot]), tokenizer, top=8)

# %% [markdown]
# The texts that it learned from begin like this.

# %% [markdown]
# ## Greedy runs in circles
#
# Always taking the most likely token (**greedy decoding**): that sounds like the best text. Let it
# run for 100 tokens, from four beginnings. Some texts end in a circle, a phrase that comes round
# again and again; we look at the one with the longest such phrase.

# %%
beginnings = [
    "Once upon a time there was a",
    "The old man",
    "A little girl",
    "The fox said to the crow",
]
greedy = Sampler(temperature=0, top_k=0)
with blas_threads(1):  # four rows of one token are too little work for more
    steps = list(generate_tokens(model, [encoded(text) for text in beginnings], greedy, 100))
written = np.stack([step.ids for step in steps], axis=1).tolist()  # [text][step]


def period(ids):
    """Find the shortest phrase in which a text ends three times over; 0 if there is none."""
    lengths = range(1, len(ids) // 3 + 1)
    return next((n for n in lengths if ids[-n:] == ids[-2 * n : -n] == ids[-3 * n : -2 * n]), 0)


print("in circles at the end:", sum(period(ids) > 0 for ids in written), "of", len(written))
most = max(range(len(written)), key=lambda row: period(written[row]))
loop_ids = written[most]
print(beginnings[most] + tokenizer.decode(loop_ids))

# %% [markdown]
# The same words, again and again. Was it at least sure of what it said? Look at the probability of
# each token it chose.

# %%
chances = [float(np.exp(step.logprobs[most])) for step in steps]  # [step]
curve = {"greedy": (range(1, len(chances) + 1), chances)}
_ = Curve("Probability of each chosen token", curve, "step", "probability").plot()

# %% [markdown]
# Where a text goes in circles, the curve is a saw: the same phrase, round after round, with nearly
# the same probabilities. And how low the teeth reach! Here is the last round:

# %%
length = period(loop_ids) or 8
turn = slice(len(loop_ids) - length, None)
rows = [
    [label, chance]
    for label, chance in zip(
        views.token_labels(tokenizer, loop_ids[turn]), chances[turn], strict=True
    )
]
Table("One round", ["token", "probability"], rows, bar="probability", digits=2)

# %%
print(f"sampled, one such round has a chance of 10^{np.log10(chances[turn]).sum():.0f}")

# %% [markdown]
# So the model does not insist on this phrase: by its own probabilities it would not say it over and
# over. The most likely *token* at each step does not make a likely *text*. It is the rule that
# keeps it in the circle: nothing is left to chance, so when the text looks as it did one round ago,
# the same choices follow. (In larger models the probabilities also climb from round to round, as
# Holtzman et al. 2020 show in their figure 4.)
#
# ## Sampling, and the long tail
#
# Article: "Model Output"
#
# The other extreme: **sample** each token, that is, draw it at random with its own probability.
# Then a token with 1 % comes up once in a hundred times, as it should. But look at how many
# unlikely tokens there are:

# %%
prompt = "Once upon a time there was a"
logits = model(encoded(prompt))  # [1, seq, n_vocab]
views.next_token(logits, tokenizer, top=10)

# %%
probabilities = np.sort(softmax(logits[0, -1]))[::-1]  # [n_vocab], falling
for k in (1, 10, 40, 400):
    rest = probabilities[k:].sum()
    print(f"below the top {k:>3}: {len(probabilities) - k:,} tokens share {rest:.2f}")

# %% [markdown]
# Thousands of tokens have next to no probability each, and a good deal together. In a text of 100
# tokens some of them will be sampled; most are misfits, and the model must go on from there. So one
# keeps away from the tail. There are three **sampling parameters** for that, and they apply in this
# order:
#
# 1. **temperature** divides the logits. Below 1 the differences grow, and likely tokens become more
#    likely; above 1 the differences shrink.
# 2. **top-k** keeps the k most likely tokens.
# 3. **top-p**, or **nucleus sampling**, keeps the fewest tokens that together have the probability
#    p.

# %%
views.sampling_steps(logits, tokenizer, temperature=0.7, top_k=8, top_p=0.8)

# %% [markdown]
# (The article speaks of a model with "top_k = 40". It is not a property of the model: the same
# model can be used with any setting. And `top_k = 1` is greedy.)
#
# ### Temperature
#
# At temperature $T$ the probabilities are those of softmax$(\text{logits}/T)$. One number says how
# uncertain the choice is: as uncertain as one among how many equally likely tokens? (This is $e$ to
# the **entropy**.) **Guess** both ends: $T \to 0$, and $T \to \infty$.


# %%
def choices(probabilities):
    """Count the equally likely tokens that are as unsure: e to the entropy."""
    p = probabilities[probabilities > 0]
    return float(np.exp(-(p * np.log(p)).sum()))


last = logits[0, -1]  # [n_vocab]
temperatures = [0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0]
unsure = [choices(softmax(last / temperature)) for temperature in temperatures]
ax = Curve(
    "Uncertainty", {"": (temperatures, unsure)}, "temperature", "equally likely choices"
).plot()
ax.set_yscale("log")

# %%
for temperature in (0.1, 0.8, 1.0, 2.0):
    print(f"T = {temperature}: {choices(softmax(last / temperature)):,.0f} choices")

# %% [markdown]
# ### Top-k or top-p?
#
# Top-k always keeps the same number. But a model is sometimes sure and sometimes not. Top-p keeps
# few tokens where the model is sure and many where it is not:

# %%
rows = []
for text in ("Once upon a", "She shook her", "The old man", "Once upon a time there was a"):
    last = model(encoded(text))[:, -1]  # [1, n_vocab]
    kept = [
        int(np.isfinite(sampler.filter(last, [[]])).sum())
        for sampler in (Sampler(1.0, 40, 1.0), Sampler(1.0, 0, 0.9))
    ]
    rows.append([text, float(softmax(last).max()), *kept])
Table(
    "Tokens left to sample from",
    ["after", "most likely token", "top-k 40", "top-p 0.9"],
    rows,
    f"After 'Once upon a' top-k 40 lets in 39 tokens besides the one that has {rows[0][1]:.2f}.",
    digits=2,
)

# %% [markdown]
# ### What comes out
#
# Here are the same beginning and the same seed, with five settings.

# %%
settings = {
    "greedy": {"temperature": 0.0, "top_k": 0, "top_p": 1.0},
    "T 0.7, top-k 40": {"temperature": 0.7, "top_k": 40, "top_p": 1.0},
    "top-p 0.9": {"temperature": 1.0, "top_k": 0, "top_p": 0.9},
    "T 1, all tokens": {"temperature": 1.0, "top_k": 0, "top_p": 1.0},
    "T 2, all tokens": {"temperature": 2.0, "top_k": 0, "top_p": 1.0},
}
for name, setting in settings.items():
    text = generate(
        model, tokenizer, BEGIN + "The old man", 16, seed=19, allowed_special="all", **setting
    )
    print(f"{name:<16} The old man{text!r}")

# %% [markdown]
# One sample proves little. So we sample, for each setting, 8 texts of 120 tokens and measure two
# numbers: how many different triples of neighbouring tokens a text has, as a share of all its
# triples (1 is "never repeats itself"), and how surprised the model itself is by what was sampled,
# in nats per token.


# %%
def measured(setting):
    """Measure the share of different triples, and the model's own mean surprise."""
    prompts = [encoded("The old man")] * 8
    steps = list(generate_tokens(model, prompts, Sampler(**setting), 120, seed=0))
    texts = np.stack([step.ids for step in steps], axis=1)  # [batch, 120]
    distinct = [len(set(zip(t, t[1:], t[2:], strict=False))) / 118 for t in texts.tolist()]
    surprise = -np.mean([step.logprobs.mean() for step in steps])
    return float(np.mean(distinct)), float(surprise)


with blas_threads(1):  # eight rows of one token are too little work for more
    results = {name: measured(setting) for name, setting in settings.items()}
_, axes = plt.subplots(1, 2, figsize=(10, 2.2), layout="constrained")
for at, name in enumerate(["different triples", "surprise, nats per token"]):
    rows = [[setting, pair[at]] for setting, pair in results.items()]
    Table(name, ["setting", name], rows, bar=name, digits=2).plot(axes[at])
    axes[at].set_xlabel("")
surprises = [surprise for _, surprise in results.values()]
print("each setting surprises more than the one above it:", surprises == sorted(surprises))
print("greedy: most triples are repetitions:", results["greedy"][0] < 0.5)

# %% [markdown]
# And texts by people? A model that has learned its language is as surprised by a new text of the
# kind it has read as by the tokens that it samples itself with all settings open, and so far more
# than by tokens at cautious settings: people do not write the most likely word (Holtzman et al.
# 2020). But a surprise in a book still makes sense, and a surprise in a sample often does not. So a
# small model is better kept on a short leash: a temperature of 0.7 and the top 40 are gptlite's
# defaults.
#
# ## The cache
#
# Article: "Evaluation Time: Processing One Token at a Time"
#
# The loop of notebook 1 is wasteful. At each step the whole text goes through the model again,
# though only one token is new. And because of the mask, the old positions' vectors do not change:
# they could not see the new token anyway (notebook 4).
#
# What does a new token need from the old ones? Only what attention reads: their **keys** and
# **values**, in each block. So these are kept. The new token makes one query, one key and one value
# in each block; the key and the value join the others in the cache (the field says: **KV cache**),
# and the query looks at all of them. In the drawing, what is kept is dark.

# %%
views.block_diagram(model.config, layer=0, lit=["attn.k", "attn.v"])

# %%
words = encoded("A robot must obey the orders given it")
cache = KVCache(model.config)
for i, token in enumerate(words):
    trace = Trace()
    one = model([token], cache=cache, trace=trace)[0, 0]  # [n_vocab]
    again = model(words[: i + 1])[0, -1]  # [n_vocab]: everything once more, no cache
    q, k = (
        trace["h.0.attn.q"][0, 0],
        trace["h.0.attn.k"][0, 0],
    )  # [seq, head_dim], [total, head_dim]
    agree = np.allclose(one, again, atol=1e-3)
    print(f"{tokenizer.decode([token]):>14}: q {q.shape}, k {k.shape}, same logits: {agree}")

# %% [markdown]
# The same logits, from one token at a time. (A cache keeps keys and values, not the tokens' ids;
# and since GPT-2's positions are counted from the start, it must know how many there have been:
# `cache.length`.)
#
# Here is the work of all steps, a row for each. Dark: keys and values are computed in this step.
# Pale: they are read from the cache. White: the position is not there yet. **Guess first:** how do
# the dark cells of the two pictures grow with the length of the text?

# %%
n = len(words)
pictures = {"without a cache": 2 * np.tri(n), "with a cache": np.tri(n) + np.eye(n)}  # [step, seq]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained", sharey=True)
for ax, (title, work) in zip(axes, pictures.items(), strict=True):
    ax.pcolormesh(work[::-1], cmap="Blues", vmin=0, vmax=2.5, edgecolors="white")
    ax.set_xticks(np.arange(n) + 0.5, views.token_labels(tokenizer, words), rotation=60)
    ax.set_yticks(np.arange(n) + 0.5, [f"step {step}" for step in range(n, 0, -1)])
    ax.set_title(title, loc="left", fontsize=10)

# %% [markdown]
# Without a cache a whole triangle is computed, with it only the diagonal. A step need not be one
# token: a prompt goes in all at once, which is one step with many new positions.

# %%
cache = KVCache(model.config)
model(words[:5], cache=cache)
before = cache.length
model(words[5:6], cache=cache)
print("positions in the cache:", before, "->", cache.length)

# %% [markdown]
# ## How much work it saves, exactly
#
# Count the multiplications of one call with `new` tokens that can look at `total` positions:
#
# - each new token meets every matrix of every block once: $12 d^2$ numbers per block (3 + 1 + 4 + 4
#   squares of the width $d$);
# - its query meets `total` keys, its weights meet `total` values: $2 d \cdot$ `total` per block;
# - the last position meets every token's embedding once.


# %%
def multiplications(config, new, total):
    """Count those of one call that asks for the last position's logits only."""
    d = config.n_embd
    per_token = config.n_layer * (12 * d * d + 2 * d * total)
    return new * per_token + d * config.n_vocab


# %% [markdown]
# A formula is easily wrong. So count once more, from the arrays that the model really multiplied:
# each number of a product of `[a, b]` and `[b, c]` took `b` multiplications.

# %%
trace = Trace()
model(words, trace=trace, logits_to_keep=1)
counted = 0
for name, weight in model.parameters.items():
    if name.startswith("h.") and weight.ndim == 2:
        counted += len(words) * weight.size  # [seq, n_in] @ [n_in, n_out]
for i in range(model.config.n_layer):
    counted += trace[f"h.{i}.attn.scores"].size * model.config.head_dim  # q @ k.T
    counted += trace[f"h.{i}.attn.z"].size * len(words)  # weights @ v
counted += trace["logits"].size * model.config.n_embd
print(f"{counted:,}")
assert counted == multiplications(model.config, len(words), len(words))

# %% [markdown]
# Now take a whole text of n tokens; the first is given. Without a cache, step t computes t
# positions; with it, one.


# %%
def whole_text(config, n, cached):
    """Count the multiplications that add n - 1 tokens to one."""
    return sum(multiplications(config, 1 if cached else t, t) for t in range(1, n))


rows = []
for n in (2, 4, 16, 64, 256):
    without, with_cache = (whole_text(model.config, n, cached) for cached in (False, True))
    rows.append([str(n), without, with_cache, without / with_cache])
Table(
    "Multiplications for a text",
    ["tokens", "without cache", "with cache", "ratio"],
    rows,
    f"The storyteller's context ends at {model.config.n_ctx}.",
    digits=1,
)

# %%
lengths = list(range(2, 257, 2))
lines = {
    name: (lengths, [whole_text(model.config, n, cached) / 1e9 for n in lengths])
    for name, cached in {"without cache": False, "with cache": True}.items()
}
_ = Curve("Work for a text", lines, "tokens", "multiplications, billions").plot()

# %% [markdown]
# Without a cache the work grows with the *square* of the length, for it is 1 + 2 + 3 + ...
# positions (the small part of it in attention even grows with the cube). With a cache it grows
# nearly in proportion. The cache does not make everything linear: each new token still looks at all
# before it, a term that grows with the length. When does that term matter? When $2 d \cdot$ `total`
# is as large as $12 d^2$, that is, at `total` = $6d$: 1,536 positions for the storyteller, 4,608
# for GPT-2 small, beyond the context of either.
#
# Multiplications are not seconds. Here are times, measured on the machine that ran this notebook:
# how long the next token takes, for different lengths of the text before it.

# %%
sentence = tokenizer.encode("The old man and the fox went into the wood together. ")
text_ids = [tokenizer.eot, *sentence * 30][:256]


def milliseconds(call):
    """Time the best of seven runs."""
    times = []
    for _ in range(7):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def next_with_cache(cache, n):
    """Add the n-th position to a cache that holds n - 1."""
    cache.length = n - 1  # what lies beyond is overwritten
    model(text_ids[n - 1 : n], cache=cache, logits_to_keep=1)


cache = KVCache(model.config)
model(text_ids, cache=cache)
lengths = list(range(16, 257, 16))
with blas_threads(1):  # one core for both, so that they compare
    slow = [milliseconds(lambda n=n: model(text_ids[:n], logits_to_keep=1)) for n in lengths]
    fast = [milliseconds(lambda n=n: next_with_cache(cache, n)) for n in lengths]
lines = {"all again": (lengths, slow), "with cache": (lengths, fast)}
_ = Curve("Time for the next token", lines, "tokens so far", "milliseconds").plot()
print("at 256 tokens, faster with the cache:", fast[-1] < slow[-1])

# %% [markdown]
# The step with a cache hardly gets slower with the length. But compare the figure with the count:

# %%
whole, step = (multiplications(model.config, new, 256) for new in (256, 1))
print(f"at 256 tokens a step with the cache takes 1/{whole / step:.0f} of the multiplications")

# %% [markdown]
# The step takes a larger share than that of the time. A step of one token is not short of
# arithmetic: it has to read every weight from memory to use it once, and Python has to go through
# all the same lines. Notebook 10 is about what follows from the first.
#
# ## What the cache costs
#
# It costs two vectors of `n_embd` numbers for each block and position. With the full context, in
# float32:

# %%
rows = []
for name in ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"):
    c = GPTConfig.preset(name)
    size = 2 * c.n_layer * c.n_ctx * c.n_embd * 4
    rows.append([name, size, 4 * c.n_params, size / (4 * c.n_params)])
Table(
    "The cache of 1,024 positions",
    ["model", "cache, bytes", "weights, bytes", "cache / weights"],
    rows,
    "For each text: a batch of eight needs eight caches and still one set of weights.",
    digits=2,
)

# %% [markdown]
# And when the text outgrows the context? The cache cannot simply drop its oldest token: keys and
# values were computed with the positions they had. gptlite (`overflow="slide"`) forgets the older
# half, reads the newer half again from position 0, and goes on.
#
# ## Exercises
#
# Each has stars for its difficulty, minutes, a hint, and a cell to work in: put your answer in
# place of the `...`, run the cell, and the check says whether it is right. The check asks the
# storyteller itself where an answer depends on it.
#
# The loop, top-k and top-p are functions to write in [notebook 13](13_write_gpt2_yourself.ipynb)
# (part C), where your own GPT-2 tells a story.

# %%
from gptlite.exercises import check

# %% [markdown]
# **1. Greedy, three ways.** (★☆☆, 6 min) Continue `BEGIN + "The fox"` by 10 tokens with `generate`,
# in three ways that should all be greedy: by `temperature`, by `top_k`, by a tiny `top_p`. Give the
# list of the three texts.
#
# <details><summary>Hint</summary>
#
# `top_k=0` switches that filter off. With `allowed_special="all"`, `generate` reads `BEGIN` as a
# token.
#
# </details>

# %%
# solution: answer = ["...", "...", "..."]
answer = [
    generate(model, tokenizer, BEGIN + "The fox", 10, seed=0, allowed_special="all", **options)
    for options in ({"temperature": 0}, {"top_k": 1}, {"top_k": 0, "top_p": 1e-6})
]
# end of solution
check("06.1", answer)

# %% [markdown] tags=["solution"]
# Each leaves one token to draw from, the most likely one.

# %% [markdown]
# **2. Probabilities and counts.** (★★☆, 10 min) Draw the token after "The old man" 2,000 times with
# `Sampler`, at temperature 1 and from all tokens. What share of the draws is `·was`? (The check
# knows its probability, and how far chance may go.)
#
# <details><summary>Hint</summary>
#
# The logits are the last row of `model(encoded("The old man"))`. `sampler(logits, ids, rngs)` draws
# one token for each row: repeat the row 2,000 times, with `[[]] * 2000` for the ids and one
# generator for all rows.
#
# </details>

# %%
# solution: answer = ...
last = model(encoded("The old man"))[:, -1]  # [1, n_vocab]
rng = np.random.default_rng(0)
sampler = Sampler(temperature=1.0, top_k=0)
drawn = sampler(np.repeat(last, 2000, axis=0), [[]] * 2000, [rng] * 2000)  # [2000]
was = tokenizer.encode(" was")[0]
answer = (drawn == was).mean()
print(f"{answer:.3f} drawn, {softmax(last)[0, was]:.3f} expected")
# end of solution
check("06.2", answer)

# %% [markdown] tags=["solution"]
# With a batch of 2,000 equal rows one call of the sampler is enough. The count has a standard error
# of $\sqrt{p(1-p)/2000}$, about 0.01.

# %% [markdown]
# **3. No queries.** (★☆☆, 4 min) The cache holds keys and values. Why not queries?
#
# - (a) They would take too much memory.
# - (b) A query is used in its own position's row only; later positions read keys and values.
# - (c) Queries change as the text goes on.
#
# <details><summary>Hint</summary>
#
# In a call with a cache, which shapes do `trace["h.0.attn.q"]` and `trace["h.0.attn.k"]` have?
#
# </details>

# %%
# solution: answer = "?"
cache, trace = KVCache(model.config), Trace()
model(words[:6], cache=cache)
model(words[6:7], cache=cache, trace=trace)
print(trace["h.0.attn.q"].shape, trace["h.0.attn.k"].shape)
answer = "b"
# end of solution
check("06.3", answer)

# %% [markdown] tags=["solution"]
# A query is used in the row of its own position only, to compute that position's mixture. Once that
# is done, nothing needs it again. In a call with a cache there is one query and `total` keys.

# %% [markdown]
# **4. A false economy.** (★★★, 12 min) Somebody keeps the cache of "The old man said", takes the
# last token back by lowering `cache.length`, and adds " laughed" instead. Are the logits right? And
# are they, if the key and the value of the *first word*, "The", are exchanged for those of "A"?
#
# <details><summary>Hint</summary>
#
# Compare with the logits of a call without a cache. The first word stands at position 1, after
# `<|endoftext|>`: `cache.keys[:, :, :, 1]`. On what do the keys of block 1 depend?
#
# </details>

# %%
# solution: answer = (..., ...)  # True or False, twice
old, new = encoded("The old man said"), encoded("The old man laughed")
kept = KVCache(model.config)
model(old, cache=kept)
kept.length = len(old) - 1
taken_back = np.allclose(
    model(new[len(old) - 1 :], cache=kept)[0, -1], model(new)[0, -1], atol=1e-3
)

first, patched = KVCache(model.config), KVCache(model.config)
model(encoded("A"), cache=first)
model(old[:-1], cache=patched)
patched.keys[:, :, :, 1] = first.keys[:, :, :, 1]
patched.values[:, :, :, 1] = first.values[:, :, :, 1]
right = model([*encoded("A"), *old[2:]])[0, -1]
exchanged = np.allclose(model(old[-1:], cache=patched)[0, -1], right, atol=1e-2)
answer = (taken_back, exchanged)
# end of solution
check("06.4", answer)

# %% [markdown] tags=["solution"]
# Taking back the end is right: no earlier token has seen it. Exchanging the beginning is wrong from
# block 1 on: the later tokens have gathered from the old token, so their own keys and values are
# out of date.

# %% [markdown]
# **5. Penalise repetition.** (★★☆, 8 min) `repetition_penalty` makes every token that has occurred
# less likely. Continue `prompt` greedily by 80 tokens with a penalty of 1.3, as the greedy texts
# above were made, and give the 80 ids. What could go wrong with this remedy?
#
# <details><summary>Hint</summary>
#
# Take the cell of "Greedy runs in circles", with `encoded(prompt)` as its only text, and give its
# `Sampler` one setting more.
#
# </details>

# %%
# solution: answer = [...]
penalised = Sampler(temperature=0, top_k=0, repetition_penalty=1.3)
steps = list(generate_tokens(model, [encoded(prompt)], penalised, 80))
answer = [int(step.ids[0]) for step in steps]
print(tokenizer.decode(answer))
plain = written[beginnings.index(prompt)][:80]
print(len(set(plain)), "different tokens without the penalty,", len(set(answer)), "with it")
# end of solution
check("06.5", answer)

# %% [markdown] tags=["solution"]
# It does not run in circles, but the remedy cannot tell a phrase from a comma: words that a text
# needs again and again are pushed down too.
