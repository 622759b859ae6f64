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
# # 10. Why decoding is bound by memory
#
# A model writes one token at a time, and for each token it has to read all of its weights. So it is
# the memory, not the arithmetic, that sets the pace.
#
# **Minutes:** 25, and 35 for the exercises. **Needs:** notebook 6. **Optional:** it is about
# machines more than about models, and no later notebook needs it.
#
# Afterwards you can
#
# - estimate from a machine's memory bandwidth how fast it can write with a given model;
# - say why a prompt is read faster than an answer is written, and why several texts cost little
#   more than one;
# - write **speculative decoding**, and say why it does not change the text.
#
# It goes with "Evaluation Time: Processing One Token at a Time" in [The Illustrated
# GPT-2](https://jalammar.github.io/illustrated-gpt2/), which explains the cache.
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
from collections import Counter
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np

from gptlite import GPT, GPTConfig, KVCache, views
from gptlite.config import PRESETS
from gptlite.fast.threads import blas_threads
from gptlite.views.table import Table
from gptlite.views.token_row import TokenRow

# %% [markdown]
# Times differ from machine to machine and from run to run, so in this notebook they stand in
# figures only. Yours will have other numbers and, if nothing else keeps the machine busy, the
# same shape.
#
# ## The bill for one token
#
# Article: "Evaluation Time: Processing One Token at a Time"
#
# With the cache, writing a token means sending one vector up the stack. It meets every matrix
# once: each number of a matrix is read from memory, multiplied once, and not needed again until
# the next token.
#
# **Guess first:** how many multiplications does a token of GPT-2 small take, with its 124 million
# parameters?


# %%
def bill(config: GPTConfig, total: int) -> dict[str, int]:
    """Count the cost of one new token that looks back on `total` positions, itself included."""
    d, n_layer = config.n_embd, config.n_layer
    matrices = n_layer * 12 * d * d + config.n_vocab * d  # c_attn, c_proj, the MLP; wte
    return {
        "weights read": config.n_params - (config.n_ctx - 1) * d,  # of wpe one row
        "keys and values read": n_layer * 2 * total * d,
        "multiplications": matrices + n_layer * 2 * total * d,  # query x key, weight x value
    }


rows = []
for name, config in PRESETS.items():
    cost = bill(config, total=512)
    read = 4 * (cost["weights read"] + cost["keys and values read"])
    rows.append([name, read // 10**6, cost["multiplications"] // 10**6])
Table(
    "One token, half the context behind it, in float32",
    ["model", "megabytes read", "million multiplications"],
    rows,
)

# %% [markdown]
# There is about one multiplication for every four bytes, for every size. That ratio is called the
# arithmetic intensity, and it decides what takes the time. A core today multiplies some tens of
# billions of pairs per second, but its memory delivers only ten to twenty billion bytes per second,
# which is a few billion numbers. So the arithmetic waits for the memory nine tenths of the time.
#
# ## Measured: a vector times a matrix is as fast as reading it
#
# We compare a bare product of one vector and a matrix with the plainest things that can be done
# with a matrix: copying it, or adding it up. The matrix has 151 MB, more than fits into any cache,
# and as much as five blocks of GPT-2 small. Everything runs on one core, so that other programs
# disturb little.


# %%
def seconds(work: Callable[[], object], trials: int = 5) -> float:
    """Time the shortest of a few trials: the machine when nothing else disturbs it."""
    times = []
    with blas_threads(1):
        for _ in range(trials):
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
    return min(times)


rng = np.random.default_rng(0)
matrix = rng.standard_normal((3072, 12288), np.float32)  # [n_in, n_out]
copied = np.zeros_like(matrix)
vector = rng.standard_normal((1, 3072), np.float32)  # [1, n_in]
times = {
    "copy the matrix": seconds(lambda: np.copyto(copied, matrix)),
    "add it up": seconds(lambda: matrix.sum()),
    "vector × matrix": seconds(lambda: vector @ matrix),
}

ax = plt.subplots(figsize=(7, 1.9), layout="constrained")[1]
bars = ax.barh(list(times), [1e3 * t for t in times.values()], color="#084594")
ax.bar_label(bars, [f"{1e3 * t:.1f} ms" for t in times.values()], padding=3)
ax.invert_yaxis()
ax.set_xlabel("milliseconds")
ax.set_title(f"A matrix of {matrix.nbytes / 1e6:.0f} MB", loc="left", fontsize=10)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# The product takes about as long as adding the matrix up. It does 38 million multiplications
# besides the reading, and they come for free. (A copy has to write as well, so it moves at least
# twice the bytes.) No trick in the arithmetic could make this product faster. Only fewer bytes
# could.
#
# ## More vectors, the same matrix
#
# If the time goes into reading the matrix, then a second vector that meets it on the same occasion
# should cost next to nothing.
#
# **Guess first:** one vector takes one unit of time. How many units do 16 take?

# %%
COUNTS = [1, 2, 4, 8, 16, 32, 64, 128]
together = []
for count in COUNTS:
    vectors = rng.standard_normal((count, 3072), np.float32)  # [count, n_in]
    together.append(seconds(lambda vectors=vectors: vectors @ matrix, trials=4))

ax = plt.subplots(figsize=(6.5, 3.2), layout="constrained")[1]
ax.plot(COUNTS, np.array(together) / together[0], "o-", color="#084594", label="measured")
ax.plot(COUNTS, COUNTS, ":", color="#084594", label="one by one")
ax.set(xscale="log", yscale="log", xlabel="vectors at once", ylabel="time / time of one vector")
ax.set_xticks(COUNTS, [str(count) for count in COUNTS])
ax.set_yticks([1, 10, 100], ["1", "10", "100"])
ax.spines[["top", "right"]].set_visible(False)
_ = ax.legend(frameon=False)

# %% [markdown]
# Here NumPy departs from the theory for a moment, and we should be honest about that. For two
# vectors the library switches from a matrix-*vector* to a matrix-*matrix* routine, which first
# rearranges the matrix into blocks that suit the processor: the matrix is read, written and read
# again. That step up is a fixed price. *After* it the curve is nearly flat: sixteen vectors take
# hardly longer than two. Only then does arithmetic take over, and the line slowly turns to follow
# the dotted one. Libraries written for this one purpose avoid the step, and there eight vectors
# cost hardly more than one. gptlite makes it lower for up to six: it takes the matrix a block at a
# time, and multiplies each vector by the block while the block is still in the processor's cache
# (`gptlite/fast/products.py`).
#
# ## Prompts and answers
#
# That is why reading a prompt (prefill) and writing an answer (decode) are different kinds of work,
# though both are the same function. A prompt of 500 tokens goes through each matrix as 500 vectors
# at once. The number of multiplications per byte read says which kind of work it is.

# %%
small = PRESETS["gpt2"]
rows = []
for name, n_tokens, batch in [
    ("writing, one text", 1, 1),
    ("writing, eight texts", 1, 8),
    ("checking five guesses", 5, 1),
    ("reading a prompt of 500", 500, 1),
]:
    cost = bill(small, total=500)
    multiplications = n_tokens * batch * cost["multiplications"]
    read = 4 * (cost["weights read"] + batch * cost["keys and values read"])
    rows.append([name, n_tokens * batch, multiplications / read])
Table(
    "GPT-2 small: multiplications per byte read",
    ["work", "tokens in one pass", "per byte"],
    rows,
    "With a few per byte the memory is the limit, with a hundred the arithmetic.",
    bar="per byte",
    digits=1,
)

# %% [markdown]
# Here is the whole model, with random weights of GPT-2 small's shape (the time does not depend on
# the numbers): the time of one pass over 1 to 64 tokens, and the time per token.

# %%
model = GPT.init(small)
PASSES = [1, 2, 4, 8, 16, 32, 64]
took = []
for n_tokens in PASSES:
    ids = np.zeros(n_tokens, np.int64)
    took.append(seconds(lambda ids=ids: model(ids)))

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
left.plot(PASSES, 1e3 * np.array(took), "o-", color="#084594")
left.set_title("one pass", fontsize=10)
right.plot(PASSES, 1e3 * np.array(took) / PASSES, "o-", color="#084594")
right.set_title("per token", fontsize=10)
for ax in (left, right):
    ax.set(xscale="log", xlabel="tokens in the pass", ylabel="milliseconds", ylim=(0, None))
    ax.set_xticks(PASSES, [str(n) for n in PASSES])
    ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# There are two ways to use this. One is to write several texts side by side (`--num-samples 8`, or
# a server with many users). Each text still waits as long for its next token, but more texts get
# theirs. The other makes *one* text faster, and comes below. A third way is to have fewer bytes:
# float16 halves them, and libraries with products of 8 or 4 bits halve them again. (In NumPy
# float16 weights have to be widened first, so gptlite's float16 saves memory and no time.)
#
# ## The cache has its price too
#
# Keys and values are read again for every token, and unlike weights they cannot be shared between
# texts: each text has its own.

# %%
rows = []
for name, config in PRESETS.items():
    per_token = 4 * 2 * config.n_layer * config.n_embd
    full = per_token * config.n_ctx
    rows.append([name, per_token // 1000, full // 10**6, 4 * config.n_params / full])
Table(
    "Keys and values in float32",
    [
        "model",
        "kilobytes per token",
        "megabytes, context full",
        "texts that weigh as much as the model",
    ],
    rows,
    digits=0,
)

# %% [markdown]
# With seven to ten full contexts the caches are as large as the weights, and with more of them most
# of the reading is for the caches. That is why later models share keys and values between heads.
# (Notebook 6 has a picture of what a step computes and what it reads from the cache.)

# %% [markdown]
# ## Speculation
#
# Writing is slow because a token must be known before the next can be computed. But *checking* is
# reading: if somebody guesses the next four tokens, one pass over all of them says what the model
# would have chosen after each. As long as the guess was right, several tokens come out of one pass
# (**speculative decoding**). Where it first goes wrong, the model's own choice is there
# already, and the rest is thrown away. **The text is the one that would have been written anyway**;
# only a bad guess costs a little. (Several tokens in one pass are added up in a different order
# than one by one, so logits may differ in their last digit. Only where two tokens are practically
# equal could that change a choice.)
#
# Who guesses? A smaller model (Leviathan et al. 2023; Chen et al. 2023), or, with no model at all,
# the text itself: what came next the last time the last few words occurred?


# %%
storyteller, tokenizer = gptlite.load()


def look_up(ids: list[int], most: int, longest: int = 3) -> list[int]:
    """Guess up to `most` tokens: those that followed the last few tokens the time before."""
    for length in range(longest, 0, -1):
        tail = ids[-length:]
        for start in range(len(ids) - length - 1, -1, -1):
            if ids[start : start + length] == tail:
                return ids[start + length : start + length + most]
    return []


ids = [tokenizer.eot, *tokenizer.encode("The fox said to the crow. The fox")]
guess = look_up(ids, most=4)
print("after 'The fox' the guess is:", views.token_labels(tokenizer, guess))

# %% [markdown]
# Checking asks one thing of the cache: it must be able to forget. The keys and values of wrong
# guesses are left behind by setting its length back; the next pass writes over them.


# %%
def speculate(prompt: list[int], n_new: int, most: int) -> tuple[list[int], list[tuple[int, int]]]:
    """Decode greedily with guesses; give the new tokens, and for each pass (guessed, gained)."""
    ids = list(prompt)
    cache = KVCache(storyteller.config)
    storyteller(ids[:-1], cache=cache, logits_to_keep=1)  # the prompt, all but its last token
    passes = []
    while len(ids) < len(prompt) + n_new:
        guess = look_up(ids, most)
        logits = storyteller([ids[-1], *guess], cache=cache)[0]  # [1 + guess, n_vocab]
        chosen = logits.argmax(axis=-1).tolist()  # what greedy decoding takes after each
        right = 0
        while right < len(guess) and guess[right] == chosen[right]:
            right += 1
        ids += chosen[: right + 1]  # the right guesses, and one token more
        cache.length = len(ids) - 1  # the last has not been read yet
        passes.append((len(guess), right + 1))
    return ids[len(prompt) : len(prompt) + n_new], passes


def greedy(prompt: list[int], n_new: int) -> list[int]:
    """Decode greedily, one token per pass."""
    ids, unread = list(prompt), prompt
    cache = KVCache(storyteller.config)
    for _ in range(n_new):
        logits = storyteller(unread, cache=cache, logits_to_keep=1)[0, -1]  # [n_vocab]
        unread = [int(logits.argmax())]
        ids += unread
    return ids[len(prompt) :]


PORRIDGE = (
    "Who has eaten my porridge? said the big bear. "
    "Who has eaten my porridge? said the middle bear. Who"
)
prompt = [tokenizer.eot, *tokenizer.encode(PORRIDGE)]  # as every text in training
slow = greedy(prompt, 80)
quick, passes = speculate(prompt, 80, most=4)
print("token for token the same:", quick == slow)
print(f"{len(slow)} tokens in {len(passes)} passes instead of {len(slow)}")

# %% [markdown]
# Here you see which tokens came together: each shade is one pass.

# %%
shades, remarks = [], []
for number, (guessed, gained) in enumerate(passes):
    for _ in range(gained):
        shades.append(0.12 if number % 2 else 0.35)
        remarks.append(f"pass {number + 1}: {guessed} guessed, {gained} gained")
n = len(quick)
told = TokenRow(
    "The tokens of each pass", views.token_labels(tokenizer, quick), shades[:n], remarks[:n]
)
_ = told.plot()

# %% [markdown]
# Where the small model goes round in circles, the text is easy to guess: speculation is at its
# best. On text that never repeats, nearly every guess is wrong. Code, translations, summaries
# and answers that quote their prompt are in between, and there speculation is used.
#
# How much time does it save? As much as the passes that it saves, as long as checking five tokens
# costs little more than writing one. On hardware where that holds, text comes two or three times as
# fast. In NumPy the step between one vector and two eats up much of the gain: whether it pays here
# depends on the machine.

# %%
gained = Counter(gain for _, gain in passes)
ax = plt.subplots(figsize=(5, 2.2), layout="constrained")[1]
bars = ax.bar([str(k) for k in range(1, 6)], [gained[k] for k in range(1, 6)], color="#084594")
ax.bar_label(bars)
ax.set(xlabel="tokens gained in one pass", ylabel="passes")
ax.spines[["top", "right"]].set_visible(False)
print(f"{len(quick) / len(passes):.1f} tokens per pass on average")

# %% [markdown]
# ## Exercises
#
# Each has stars for its difficulty, minutes, a hint, and a cell to work in: put your answer in
# place of the `...`, run the cell, and the check says whether it is right. The check asks the
# storyteller itself where an answer depends on it.

# %%
from gptlite.exercises import check

# %% [markdown]
# **1. A laptop.** (★★☆, 6 min) A laptop reads 50 GB per second from memory. How many tokens per
# second can GPT-2 xl write on it at best, in float32? And with 4 bits per weight?
#
# <details><summary>Hint</summary>
#
# All weights are read once for each token: `bill(PRESETS["gpt2-xl"], total=1)["weights read"]`.
#
# </details>

# %%
# solution: answer = (..., ...)
weights = bill(PRESETS["gpt2-xl"], total=1)["weights read"]
answer = (50e9 / (4 * weights), 50e9 / (weights / 2))
# end of solution
check("10.1", answer)

# %% [markdown] tags=["solution"]
# The bandwidth divided by the bytes read for each token: about 8, and about 64. Nothing but
# bandwidth was needed to know.

# %% [markdown]
# **2. Training.** (★★☆, 5 min) Is training bound by memory, too?
#
# - (a) Yes: it reads all weights, and writes them too.
# - (b) Yes, and more so, since the gradients have to be read as well.
# - (c) No: each weight is used for thousands of tokens in one pass.
#
# <details><summary>Hint</summary>
#
# A batch of 16 rows of 256 tokens: how many multiplications is each weight used in, for the four
# bytes that it takes to read?
#
# </details>

# %%
# solution: answer = "?"
tokens_in_a_batch = 16 * 256
print(f"{tokens_in_a_batch / 4:,.0f} multiplications for each byte of weights")
answer = "c"
# end of solution
check("10.2", answer)

# %% [markdown] tags=["solution"]
# No. Training reads like a prompt: thousands of tokens go through each matrix in one pass, hundreds
# of multiplications for each byte. It is bound by arithmetic. That is also why training profits
# from processors with more arithmetic, and decoding hardly does.

# %% [markdown]
# **3. What guesses are worth.** (★★☆, 8 min) Four tokens are guessed, and each guess is right with
# probability 0.8, independently. How many tokens does a pass bring on average?
#
# <details><summary>Hint</summary>
#
# A guess counts only if all guesses before it are right. One token comes in any case.
#
# </details>

# %%
# solution: answer = ...
answer = sum(0.8**k for k in range(5))
# end of solution
check("10.3", answer)

# %% [markdown] tags=["solution"]
# One for sure, and one more for each prefix of the guess that is right: $1 + p + p^2 + p^3 + p^4$.

# %% [markdown]
# **4. Nothing to look up.** (★☆☆, 6 min) Ask for speculation on a text with nothing to look up:
# allow no guesses (`most=0`), for 20 tokens after `prompt`. How many passes does it take? Is the
# text the same?
#
# <details><summary>Hint</summary>
#
# `speculate(prompt, 20, most=0)` returns the tokens and a list with an entry for each pass.
#
# </details>

# %%
# solution: answer = ...
same, passes_without = speculate(prompt, 20, most=0)
print("the same text:", same == slow[:20])
answer = len(passes_without)
# end of solution
check("10.4", answer)

# %% [markdown] tags=["solution"]
# With no guess every pass brings one token, so there are as many passes as tokens: no worse than
# without speculation.

# %% [markdown]
# **5. Drawing and guessing.** (★★★, 8 min) Can speculation be exact when tokens are *drawn*, not
# taken greedily?
#
# - (a) No: what is drawn cannot be foreseen.
# - (b) Yes: the same text with a fixed seed, or at least the same distribution.
# - (c) Only if the temperature is near 0.
#
# <details><summary>Hint</summary>
#
# Suppose the random number for each place is fixed beforehand.
#
# </details>

# %%
# solution: answer = "?"
answer = "b"
# end of solution
check("10.5", answer)

# %% [markdown] tags=["solution"]
# Yes, in two ways. With a fixed seed you can draw the token that the model would have drawn after
# each guessed token, with the same random number for each place, and keep the guesses as long as
# they agree: the same text again. Or you accept a guess with the right probability, and otherwise
# draw from the probability that is left over; that gives not the same text, but the same
# distribution (Leviathan et al. 2023).
