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
# # 4. Masked self-attention
#
# Self-attention is the one place in a GPT where a token learns anything about the other tokens.
# Here you compute it yourself, and meet the model's own numbers at every step.
#
# **Minutes:** 30, and 40 for the exercises. **Needs:** notebooks 1 and 3; products of matrices.
# **Core.**
#
# Afterwards you can
#
# - write masked self-attention of one head in six lines: queries, keys, values, scores, mask,
#   softmax, sum;
# - say why the scores are divided by a square root, and find that division in the article's
#   figures;
# - test what a head looks at with a control, and say what the mask is good for.
#
# It goes with part 2 of [The Illustrated GPT-2](https://jalammar.github.io/illustrated-gpt2/), up
# to "The Illustrated Masked Self-Attention", and with the sections of part 1 on self-attention. One
# head is enough here; notebook 5 puts the heads together.
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
import numpy as np

from gptlite import GPT, GPTConfig, Trace, views
from gptlite.layers import softmax
from gptlite.views.curve import Curve
from gptlite.views.heat_map import HeatMap

np.set_printoptions(precision=2, suppress=True)
model, tokenizer = gptlite.load()  # the storyteller, offline
model.config

# %% [markdown]
# ## One sentence, four lessons
#
# Article: "The Illustrated Masked Self-Attention"
#
# The article's example is four words long: *robot must obey orders*. In front stands
# `<|endoftext|>`, as before every text that the model was trained on. (If a word is rare in
# stories, as robots are, it may be more than one token: see for yourself.)
#
# A language model is trained to predict the next token. One sentence is several exercises: each
# prefix is a question, and the token after it the answer (notebook 1).

# %%
ids = [tokenizer.eot, *tokenizer.encode(" robot must obey orders")]
tokens = views.token_labels(tokenizer, ids)
print(tokens)

# %% [markdown]
# The article draws these prefixes as a batch of four rows. No such batch is needed. **Guess:** the
# model is called once with all the tokens, and once with only the first three. Where do the two
# calls agree?

# %%
whole = model(ids)  # [1, seq, n_vocab]
first_three = model(ids[:3])  # [1, 3, n_vocab]
print("shapes:", whole.shape, first_three.shape)
print("the same at the first three positions:", np.allclose(whole[:, :3], first_three, atol=1e-4))

# %% [markdown]
# Everywhere the short call has an answer. What stands to the right of a position changes nothing at
# that position, so one pass over the sentence answers all prefixes at once, each as if the rest had
# not been written yet. How can a network that is given the whole sentence look away from the rest
# of it? That is what this notebook is about.
#
# ## Query, key, value
#
# Article: "Self-Attention Process" and "Self-Attention (without masking)"
#
# Think of an archive. Each token files one folder. On the folder's tab stands what kind of thing is
# inside: the **key**. Inside lies a sheet of paper: the **value**. And each token walks in with a
# sticky note that says what it is looking for: the **query**.
#
# A person would pull the one folder whose tab fits best. Attention does not choose: it compares the
# note with *every* tab, and takes from every sheet as much as its tab fits. That is a sum, so it
# can be differentiated, and so it can be learned: what to write on notes, on tabs and on sheets.
#
# Article: "1- Create Query, Key, and Value Vectors"
#
# All three are made from the same vector, the token's own in the residual stream (after a layer
# norm), by three matrices. A block has several sets of such matrices, each set called a **head**,
# and all of them together are **multi-head attention**. We take head 1 of block 1. A `Trace` keeps
# every array of a call; in the drawing the parts that this notebook is about are dark.

# %%
attention_parts = ["q", "k", "v", "scores", "weights", "z"]
views.block_diagram(model.config, layer=1, lit=[f"attn.{part}" for part in attention_parts])

# %%
trace = Trace()
model(ids, trace=trace)
layer, head = 1, 1
x = trace[f"h.{layer}.ln_1"][0]  # [seq, n_embd]: what goes into the attention of this block
d = model.config.head_dim
print("x:", x.shape, " head_dim:", d)

# %% [markdown]
# **Guess** the shape of `q` before you run the next cell. GPT-2 keeps the three matrices of all
# heads side by side in one, `c_attn`; we cut out the columns of our head (notebook 5 shows why they
# lie where they lie).

# %%
weight = model.parameters[f"h.{layer}.attn.c_attn.weight"]  # [n_embd, 3 * n_embd]
bias = model.parameters[f"h.{layer}.attn.c_attn.bias"]  # [3 * n_embd]
n_embd = model.config.n_embd


def columns(part):
    """The columns of our head in c_attn: part 0 makes queries, 1 keys, 2 values."""
    start = part * n_embd + head * d
    return slice(start, start + d)


q, k, v = (x @ weight[:, columns(part)] + bias[columns(part)] for part in range(3))  # [seq, d]
print("q, k, v:", q.shape, k.shape, v.shape)
for name, mine in {"q": q, "k": k, "v": v}.items():
    theirs = trace[f"h.{layer}.attn.{name}"][0, head]  # [seq, head_dim]
    print(name, "is the model's own:", np.allclose(mine, theirs, atol=1e-4))

# %% [markdown]
# ## Scores
#
# Article: "2- Score"
#
# How well does a note fit a tab? Attention takes their **dot product**: multiply number by number,
# and add up. Notebook 3 measured with the cosine how nearly two vectors point the same way; the dot
# product is the cosine times both lengths, so it is large where they point the same way, 0 where
# they have nothing in common, and negative where they point apart. Training decides which queries
# and keys are to point the same way: that is how a head learns what to look for. One pair first:
# the query of the last token with the key of the one before it.

# %%
one_pair = sum(q[-1, i] * k[-2, i] for i in range(d))
print(f"{tokens[-1]} looks at {tokens[-2]}: {one_pair:.1f}")

# %% [markdown]
# All pairs are one multiplication of matrices. **Guess its shape.** In the picture each row is a
# token that looks, each column a token that is looked at.

# %%
products = q @ k.T  # [seq, seq]
HeatMap(f"q · k, {list(products.shape)}", products, tokens, tokens, digits=1)

# %% [markdown]
# ### The square root that the article leaves out
#
# A dot product of 64 numbers is a sum of 64 terms, and such a sum is larger the more terms it has.
# Random vectors show it cleanly: the spread of the sum is the root of the number of terms.

# %%
rng = np.random.default_rng(0)
for n in (4, 16, 64, 256):
    a, b = rng.standard_normal((2, 20_000, n))  # [pairs, n]
    spread = (a * b).sum(axis=1).std()
    print(f"{n:>3} terms: spread of the sum {spread:4.0f}, root of {n} is {n**0.5:.0f}")

# %% [markdown]
# Large scores make a softmax that picks one token and ignores the others, and where it does that
# there is hardly a gradient to learn from. So the scores are divided by $\sqrt{d}$, which makes it
# **scaled dot-product attention** (Vaswani et al. 2017, section 3.2.1), here by 8. The last row of
# our head, with and without:

# %%
scores = products / d**0.5  # [seq, seq]
last_row = np.stack([softmax(products[-1]), softmax(scores[-1])])  # [2, seq]
HeatMap(f"{tokens[-1]} looks at", last_row, ["softmax(q·k)", "softmax(q·k / 8)"], tokens)

# %% [markdown]
# The article never mentions this division, but its figures were made with it. In "The Illustrated
# Masked Self-Attention" there is a table of masked scores and a table of what softmax makes of
# them. Here are the numbers of both, and what softmax makes of the scores as they are printed:

# %%
figure_scores = [[0.19, 0.50], [0.53, 0.98, 0.95], [0.81, 0.86, 0.38, 0.90]]
figure_softmax = [[0.48, 0.52], [0.31, 0.35, 0.34], [0.25, 0.26, 0.23, 0.26]]
for printed_scores, printed_softmax in zip(figure_scores, figure_softmax, strict=True):
    row = np.array(printed_scores)
    plain, divided = softmax(row), softmax(row / 4)
    print("printed", np.array(printed_softmax), " plain", plain.round(2), " / 4:", divided.round(2))
    assert (divided.round(2) == printed_softmax).all()

# %% [markdown]
# Plain softmax misses; softmax of a quarter of the scores hits every printed number. A quarter is
# $1/\sqrt{16}$: the figure belongs to a head of 16 numbers. How sure can we be that it is 4? Only
# divisors in a narrow band reproduce the whole figure:

# %%
divisors = np.arange(1, 8, 0.01)
fits = [
    all(
        (softmax(np.array(s) / divisor).round(2) == w).all()
        for s, w in zip(figure_scores, figure_softmax, strict=True)
    )
    for divisor in divisors
]
print(f"divisors that fit: {divisors[fits].min():.1f} to {divisors[fits].max():.1f}")

# %% [markdown]
# ## The mask
#
# So far every token looks at every token, including the later ones. That is no good for a model
# that must predict the next token: `·must` would see the token after it, the very answer it is
# asked for. The mask lets each position see itself and the positions before it (a *causal* mask).

# %%
mask = np.tri(len(ids), dtype=bool)  # [seq, seq], True where looking is allowed
HeatMap("1 where looking is allowed", mask, tokens, tokens, digits=0)

# %% [markdown]
# *When* is a score struck out? The article says that future tokens are scored as 0. That is the
# result after the softmax; before it the score has to be minus infinity. A 0 there would be a score
# like any other, since $e^0 = 1$:

# %%
row = scores[1]  # the second token looks; it may see only the first two
print("softmax of the two alone:       ", softmax(row[:2]))
print("others at 0 before the softmax: ", softmax(np.where(mask[1], row, 0)))
print("others at -∞ before the softmax:", softmax(np.where(mask[1], row, -np.inf)))

# %% [markdown]
# (GPT-2's code subtracts $10^{10}$ in place of infinity, where the article says "-1 billion"; a
# billion was GPT-1's. gptlite does the same in `mask_future` and shows the number as -∞. A finite
# number has an advantage: infinity minus infinity is not a number.)
#
# Scores, masked scores, weights: the article's three tables, from the model's own arrays.

# %%
views.masking(trace, tokens, layer, head)

# %% [markdown]
# Three things to see in the right-hand table:
#
# - Each row adds up to 1. The weight that a token does not give to one, it must give to another.
# - The first row is 1 and then zeros, whatever the text is: the first token has nobody to look at
#   but itself.
# - Attention scores may well be negative; their attention weights can be good all the same. Only
#   *differences* within a row count (exercise 2).
#
# ## The sum
#
# Article: "3- Sum"
#
# Now the folders are opened: each value is multiplied by its weight, and all are added up. The last
# line is what the head found for the last token.

# %%
views.value_table(trace, tokens, layer, head, query=-1)

# %% [markdown]
# (In the article's table of this kind the weights add up to 1.0013, and the text has 19 % where two
# of the figures have 18 %: they are drawings. Mind, too, that the article counts positions from 1:
# where it has slot 9, arrays have index 8.)
#
# ## All of it, in one function
#
# Six lines, no loop over tokens. The model's own are `attend` and the steps below it in
# `gptlite/block.py`: the same, for all heads of all rows of a batch at once.


# %%
def masked_self_attention(q, k, v):
    """One head: [seq, head_dim] three times -> [seq, head_dim]."""
    seq, d = q.shape
    scores = q @ k.T / d**0.5  # [seq, seq]
    scores = np.where(np.tri(seq, dtype=bool), scores, -np.inf)  # [seq, seq]
    weights = softmax(scores)  # [seq, seq]
    return weights @ v  # [seq, head_dim]


z = masked_self_attention(q, k, v)  # [seq, head_dim]
theirs = trace[f"h.{layer}.attn.z"][0, :, head * d : (head + 1) * d]  # [seq, head_dim]
print("z:", z.shape, " the model's own:", np.allclose(z, theirs, atol=1e-4))

# %% [markdown]
# ## What does *it* look at?
#
# Article: "Self-Attention Recap"
#
# The article's example is the beginning of a law for robots: *A robot must obey the orders given
# it*. To continue, one should know that *it* is the robot, and the article's figure shows a head
# that has understood this: 50 % of the attention of `it` goes to `robot`, 30 % to `a`. Those
# numbers were chosen to explain the idea. Here are real ones: the row of `it` in each of the
# storyteller's heads. (`<|endoftext|>` in front is the article's `<s>`.)

# %%
law = "A robot must obey the orders given it"
law_ids = [tokenizer.eot, *tokenizer.encode(law)]
law_tokens = views.token_labels(tokenizer, law_ids)
law_trace = Trace()
model(law_ids, trace=law_trace)
heads = [(i, j) for i in range(model.config.n_layer) for j in range(model.config.n_head)]
rows = np.stack([law_trace[f"h.{i}.attn.weights"][0, j, -1] for i, j in heads])  # [heads, seq]
HeatMap(
    "The row of ·it, head by head",
    rows,
    [f"block {i}, head {j}" for i, j in heads],
    law_tokens,
    low=0.0,
    high=1.0,
)

# %%
robot = list(range(2, law_tokens.index("·must")))  # where the robot's token stands, or its tokens
on_robot = rows[:, robot].sum(axis=1)  # [heads]
best = heads[int(on_robot.argmax())]
favourites = [law_tokens[i] for i in rows.argmax(axis=1)]
print(f"on the robot, mean of the heads: {on_robot.mean():.2f}")
print(f"the most: {on_robot.max():.2f}, in block {best[0]}, head {best[1]}")
print(f"where the {len(heads)} heads look most:")
for token in sorted(set(favourites), key=lambda token: (-favourites.count(token), token)):
    print(f"    {token:<14}{favourites.count(token):>3}")

# %% [markdown]
# One head looks at the robot most of all. Have we found the head of the figure? Before we say so:
# two controls. **First**, does it look at the robot *because of* `it`? We put other words in its
# place.


# %%
def looks(sentence, layer, head):
    """Show what the last token of a sentence looks at: the labels, and a weight for each."""
    sentence_ids = [tokenizer.eot, *tokenizer.encode(sentence)]
    trace = Trace()
    model(sentence_ids, trace=trace)
    weights = trace[f"h.{layer}.attn.weights"][0, head, -1]  # [seq]
    return views.token_labels(tokenizer, sentence_ids), weights


words = ["it", "him", "them", "to", "up", "and"]
rows = np.stack([looks(f"A robot must obey the orders given {word}", *best)[1] for word in words])
HeatMap(
    f"Block {best[0]}, head {best[1]}: the last token's row",
    rows,
    words,
    [*law_tokens[:-1], "itself"],
    low=0.0,
    high=1.0,
)

# %% [markdown]
# If this head were about pronouns, `it`, `him` and `them` would look at the robot, and the other
# words would not. **Second**, a sentence in which *it* is clearly something other than the hero:

# %%
apple_tokens, apple_row = looks("The king took the apple and ate it", *best)
HeatMap(f"Block {best[0]}, head {best[1]}", apple_row[None], ["·it"], apple_tokens, low=0, high=1)

# %% [markdown]
# Neither picture need be judged by eye:

# %%
looking = rows[:, robot].sum(axis=1)  # [words]
print(f"on the robot: from pronouns {looking[:3].mean():.2f}, others {looking[3:].mean():.2f}")
for name in ("·king", "·apple"):
    print(f"in the second sentence, on {name}: {apple_row[apple_tokens.index(name)]:.2f}")

# %% [markdown]
# A head that finds out what *it* means passes both controls: pronouns look at the robot, other
# words do not, and `it` looks at the apple more than at the king. The storyteller's best candidate
# fails the first. The word that looks at the robot most is `to`, which stands for nothing, and `up`
# does so not much less than `it`. That makes the second worth little: the apple is also the noun
# that stands nearest. This head seems to look for a noun that the sentence is about, whatever word
# is last. That is useful in stories, but it is not "finding out what *it* means": the storyteller
# has no head like the one of the figure, and the one sentence we began with would have fooled us.
#
# Two things in these pictures are true of models of any size:
#
# - **A place for "nothing found".** Each row must add up to 1, so a head that has no use for
#   anything here must still put its weight somewhere. Many put it on the first token, which every
#   position can see. This is called an **attention sink**, and was found in much larger models too
#   (Xiao et al. 2023).
# - **A weight is not a reason.** It says how much of a value is taken, not what the value holds or
#   what later blocks make of it. From block 1 on, the "value of a token" already contains things
#   gathered from other tokens. To know what a head is *for*, you have to change it and see what
#   follows: notebook 9.
#
# Here are all heads with their full triangles, a row for each block. A dark first column is a sink;
# dark cells on the diagonal are tokens that look at themselves, dark cells just below it are tokens
# that look at the one before; other dark columns are words that everyone after them looks at.

# %%
_ = views.attention_grid(law_trace, law_tokens).plot()
# %% [markdown]
# ## Taking the mask away
#
# Article: "The Encoder Block" and "The Decoder Block"
#
# An encoder block, as in BERT, has no mask: there every position looks at all the others. A decoder
# block has one. We turn the second into the first.
#
# `views.without_mask` is an edit: a trace with this edit changes the scores on their way, in the
# blocks that are named. First, the test from the beginning: change the last token, and look at the
# logits of the tokens before it.

# %%
everywhere = views.without_mask(range(model.config.n_layer))
other = [*ids[:-1], tokenizer.encode(" dinner")[0]]
for name, edits in {"with the mask": {}, "without": everywhere}.items():
    one = model(ids, trace=Trace(edits))[0, :-1]  # [seq - 1, n_vocab]
    two = model(other, trace=Trace(edits))[0, :-1]  # [seq - 1, n_vocab]
    print(
        f"{name}: earlier positions unmoved by the last token: {np.allclose(one, two, atol=1e-4)}"
    )

# %% [markdown]
# **Guess:** without the mask, every position can see the token that it is asked for. Will the
# storyteller now predict a text better, or worse?

# %%
story = "Once upon a time there was a poor man who lived in a little house near the wood."
story_ids = [tokenizer.eot, *tokenizer.encode(story)]
views.text_probabilities(model(story_ids), story_ids, tokenizer)

# %%
unmasked_logits = model(story_ids, trace=Trace(everywhere))  # [1, seq, n_vocab]
views.text_probabilities(unmasked_logits, story_ids, tokenizer)

# %% [markdown]
# Worse. The answer is in view, but the storyteller never learned to copy it: in training there was
# nothing to see there. It only finds its mixtures of values spoiled by tokens that it did not
# expect.
#
# So a trained model has no use for the forbidden half. What about a model that *learns* without a
# mask? The cleanest test is a text that cannot be predicted at all: random digits. An honest model
# can do no better than $\ln 10 = 2.30$ nats per token. We train two very small ones (one block, two
# heads, 32 wide) from scratch, one of them with the mask taken away while it learns.

# %%
from gptlite.fast.threads import blas_threads
from gptlite.training.gradients import loss_and_gradients
from gptlite.training.optimizer import Moments, adamw_step

tiny = GPTConfig(n_vocab=10, n_ctx=16, n_embd=32, n_head=2, n_layer=1)
no_mask = views.without_mask([0])


def trained(edits, n_steps=120):
    """Train a model on random digits; give the model, and its loss at each step."""
    model, rng, losses = GPT.init(tiny, seed=0), np.random.default_rng(1), []
    moments = {
        name: Moments(np.zeros_like(p), np.zeros_like(p)) for name, p in model.parameters.items()
    }
    for step in range(1, n_steps + 1):
        digits = rng.integers(10, size=(32, 17))  # [batch, seq + 1]
        trace = Trace(edits)
        loss, gradients = loss_and_gradients(model, digits[:, :-1], digits[:, 1:], trace)
        losses.append(loss)
        for name, parameter in model.parameters.items():
            adamw_step(parameter, gradients[name], moments[name], step, 0.01, weight_decay=0.0)
    return model, losses


with blas_threads(1):  # arrays this small are faster on one
    honest, honest_losses = trained({})
    cheat, cheat_losses = trained(no_mask)

# %%
steps = range(1, len(honest_losses) + 1)
curves = {"with the mask": (steps, honest_losses), "without": (steps, cheat_losses)}
_ = Curve("Learning random digits", curves, "step", "loss, nats per token").plot()
# %% [markdown]
# The loss without the mask collapses. It ends not at 0 but near $\ln 10 / 16 = 0.14$: of 16
# positions, 15 can look up their answer, and the last one cannot, for its answer is not in the
# input. Where does the model look? One column to the right, of course. (The last row shown looks at
# the ninth position, which is not in the picture.)

# %%
digits = np.random.default_rng(2).integers(10, size=17)  # [seq + 1]
cheat_trace = Trace(no_mask)
cheat(digits[:-1], trace=cheat_trace)
ahead = cheat_trace["h.0.attn.weights"][0].mean(axis=0)[:8, :8]  # [8, 8], the mean of two heads
names = [str(digit) for digit in digits[:8]]
_ = HeatMap("The cheat's attention, first 8 positions", ahead, names, names, digits=1).plot()

# %% [markdown]
# And what is such a model worth? When it writes, there *is* no next token to look at. We ask both
# for each next digit with nothing to the right, as in generating, on digits neither has seen.


# %%
def mean_loss(model, edits):
    """Measure nats per digit over 100 rows of 16."""
    rows = np.random.default_rng(3).integers(10, size=(100, 17))  # [batch, seq + 1]
    probabilities = softmax(model(rows[:, :-1], trace=Trace(edits)))  # [batch, seq, 10]
    right = np.take_along_axis(probabilities, rows[:, 1:, None], axis=-1)  # [batch, seq, 1]
    return -np.log(right).mean()


print(f"guessing blindly:                         {np.log(10):.1f}")
print(f"trained with the mask, the future hidden: {mean_loss(honest, {}):.1f}")
print("trained without, the future in view, below 0.3:", bool(mean_loss(cheat, no_mask) < 0.3))
print("trained without, the future hidden, above 4:   ", bool(mean_loss(cheat, {}) > 4))

# %% [markdown]
# A perfect score in training, and worse than blind guessing in use: it is sure, and wrong. (BERT
# has no mask, and does not write either; it is trained to fill gaps that are hidden from it in the
# input, which is the other way to keep the answer out of sight.)
#
# ## Exercises
#
# Each has stars for its difficulty, minutes, a hint, and a cell to work in: put your answer in
# place of the `...`, run the cell, and the check says whether it is right. The check asks the
# storyteller itself where an answer depends on it.
#
# The steps of this notebook are functions to write in [notebook 13](13_write_gpt2_yourself.ipynb)
# (A.2, A.6 and A.7): there a check says what kind of mistake is in yours.

# %%
from gptlite.exercises import check

# %% [markdown]
# **1. Shapes.** (★☆☆, 4 min) Which shapes do `law_trace["h.0.attn.q"]`, `["h.0.attn.scores"]` and
# `["h.0.attn.z"]` have? Write down three tuples before you look.
#
# <details><summary>Hint</summary>
#
# The first two have an axis for the heads. How many positions are there, with `<|endoftext|>`?
#
# </details>

# %%
# solution: answer = [(...,), (...,), (...,)]
answer = [law_trace[f"h.0.attn.{name}"].shape for name in ("q", "scores", "z")]
print(answer)
# end of solution
check("04.1", answer)

# %% [markdown] tags=["solution"]
# `[batch, head, seq, head_dim]`, `[batch, head, seq, total]` and `[batch, seq, n_embd]`, with one
# position more than the law has tokens.

# %% [markdown]
# **2. Only differences count.** (★★☆, 6 min) Two scores have the weights 0.6 and 0.4. What is the
# first weight after 5 has been added to both scores? And what is it after both have been multiplied
# by 5?
#
# <details><summary>Hint</summary>
#
# The difference of the two scores is $\ln(0.6 / 0.4)$, and nothing else about them is known, or
# needed.
#
# </details>

# %%
# solution: answer = (..., ...)
pair = np.log(np.array([0.6, 0.4], np.float32))  # [2], scores with these weights
answer = (softmax(pair + 5)[0], softmax(pair * 5)[0])
# end of solution
check("04.2", answer)

# %% [markdown] tags=["solution"]
# Adding changes nothing: $e^{s+5} = e^5 e^s$, and the factor is divided out. Multiplying sharpens:
# the greatest score takes more. The division by $\sqrt{d}$ is such a factor, and so is the
# sampler's temperature (notebook 6).

# %% [markdown]
# **3. Drop the square root.** (★★☆, 10 min) Give the storyteller scores that are not divided by
# $\sqrt{d}$, in all blocks. What is its mean loss on `story_ids` now, in nats?
#
# <details><summary>Hint</summary>
#
# An edit that is a number multiplies the array, as in `Trace({"h.0.attn.scores": 2.0})`: by what,
# to undo a division? The loss of a token is minus its log-probability, from the logits of the
# position before it.
#
# </details>

# %%
# solution: answer = ...
from gptlite.sampling import log_softmax


def loss_of(edits):
    """Measure the mean loss of the story, in nats, with edits of the computation."""
    logits = model(story_ids, trace=Trace(edits))[0, :-1]  # [seq - 1, n_vocab]
    return -log_softmax(logits)[np.arange(len(logits)), story_ids[1:]].mean()


sharp = {f"h.{i}.attn.scores": d**0.5 for i in range(model.config.n_layer)}
answer = loss_of(sharp)
print(f"{loss_of({}):.2f} -> {answer:.2f}")
# end of solution
check("04.3", answer)

# %% [markdown] tags=["solution"]
# The scores have to be multiplied by the root of `head_dim`. The loss rises, for the model learned
# with the division; a model that had learned without it would have made its queries smaller, if it
# had got that far.

# %% [markdown]
# **4. Without order.** (★★☆, 10 min) Shuffle the rows of `q`, `k` and `v` in the same way, and
# compute attention again. Is the result the old one, only shuffled in the same way: (1) without a
# mask, `softmax(q @ k.T / d**0.5) @ v`; (2) with it, `masked_self_attention(q, k, v)`?
#
# <details><summary>Hint</summary>
#
# `order = np.random.default_rng(0).permutation(len(q))` and `q[order]`. Compare with `z[order]`.
#
# </details>

# %%
# solution: answer = (..., ...)  # True or False, twice
order = np.random.default_rng(0).permutation(len(q))  # [seq]
unmasked = softmax(q @ k.T / d**0.5) @ v
shuffled = softmax(q[order] @ k[order].T / d**0.5) @ v[order]
masked = masked_self_attention(q[order], k[order], v[order])
answer = (
    np.allclose(shuffled, unmasked[order], atol=1e-4),
    np.allclose(masked, z[order], atol=1e-2),
)
# end of solution
check("04.4", answer)

# %% [markdown] tags=["solution"]
# Without a mask the result is only shuffled in the same way: each token gathers the same mixture.
# With the mask it is not, since the mixture depends on which tokens stand to the left. Order comes
# in by the mask and, above all, by the position embeddings.

# %% [markdown]
# **5. Heads that look left.** (★★☆, 10 min) Which head of the storyteller gives the most weight to
# the token just before, on average over `story_ids`? Give block and head.
#
# <details><summary>Hint</summary>
#
# The weights of one head are a square; those on the token before lie just below its diagonal:
# `np.diagonal(square, offset=-1)`.
#
# </details>

# %%
# solution: answer = (..., ...)
story_trace = Trace()
model(story_ids, trace=story_trace)
before = {
    (i, j): np.diagonal(story_trace[f"h.{i}.attn.weights"][0, j], offset=-1).mean()
    for i, j in heads
}
answer = max(before, key=before.get)
print(f"block and head {answer}: {before[answer]:.2f}")
# end of solution
check("04.5", answer)

# %% [markdown] tags=["solution"]
# The weights just below the diagonal, averaged for each head. Such heads are how the model knows
# which token came before, and pairs of heads can do more with it: notebook 9.
