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
# # 9. Looking inside
#
# A trained model is a pile of numbers that nobody wrote. What do its parts do? You will see
#
# - every array of a call in a trace, and what the model would say after each block (the logit
#   lens);
# - how to find out what a head does: look at its weights, cut it out, or put in its answer from
#   elsewhere;
# - one head of the storyteller that carries one fact, he or she, and how we know;
# - induction, a trick of larger models that the storyteller has not learned, and a head built by
#   hand that can do it.
#
# It goes with "A journey up the Stack" and "Self-Attention Recap" in [The Illustrated
# GPT-2](https://jalammar.github.io/illustrated-gpt2/), and beyond them.
#
# To run it, in a checkout: `pip install -e '.[notebooks]'`.

# %%
# In a checkout of gptlite: pip install -e '.[notebooks]'
import matplotlib.pyplot as plt
import numpy as np

import gptlite
from gptlite import GPT, GPTConfig, Trace, views
from gptlite.config import parameter_shapes
from gptlite.sampling import log_softmax
from gptlite.views.heat_map import HeatMap
from gptlite.views.table import Table

model, tokenizer = gptlite.load()
n_layer, n_head = model.config.n_layer, model.config.n_head
BLOCKS = [f"block {i}" for i in range(n_layer)]
HEADS = [f"head {i}" for i in range(n_head)]

# %% [markdown]
# ## A trace holds everything
#
# Article: "A journey up the Stack"
#
# Give the model an empty `Trace`, and it fills it with every array that it makes on its way.
#
# **Guess first:** the prompt has six tokens, the model is 256 wide with 4 heads. What are the
# shapes of a block's queries, its attention weights, and the inside of its MLP?

# %%
PROMPT = "The king was so angry that"
ids = tokenizer.encode(PROMPT)
tokens = views.token_labels(tokenizer, ids)
trace = Trace()
logits = model(ids, trace=trace)

shown = ["embed", *(name for name in trace if name.startswith("h.4.")), "ln_f", "logits"]
Table(
    f"{len(trace)} arrays; those of block 4",
    ["name", "shape"],
    [[name, str(list(trace[name].shape))] for name in shown],
)

# %% [markdown]
# The stream `h.i.out` goes on from block to block, and every block only adds to it. So at any
# height it can be compared with the token embeddings, as if the stack ended there. That is the
# logit lens.

# %%
views.logit_lens(model, tokenizer, trace, tokens)

# %% [markdown]
# At the bottom each token says itself: the output embedding is the input embedding. The first block
# already knows which tokens come after which: `so` is followed by `much`. Further up the guesses
# begin to fit the sentence.
#
# ## What do the heads look at?
#
# Article: "Self-Attention Recap"
#
# The article shows one head in which the word *it* looks at the words that it stands for. Here is
# every head of every block on one short sentence: rows are the tokens that look, columns the tokens
# that they look at.

# %%
short = tokenizer.encode("The fox saw the crow, and the fox laughed.")
short_trace = Trace()
model(short, trace=short_trace)
axes = views.attention_grid(short_trace, views.token_labels(tokenizer, short)).plot()
figure = axes[0, 0].figure
figure.set_size_inches(7, 8)
for ax in axes.flat:
    ax.set_yticks([])

# %% [markdown]
# Most heads of a small model look out of focus: some look one or two tokens back, others spread
# their weight over everything before; in the higher blocks a few look at one particular token. Such
# pictures suggest a lot. To know, one has to measure on a longer text, and then to intervene.
#
# This is a tale written for the purpose.

# %%
TALE = """
Once upon a time there was a miller who had a daughter, and the daughter had a little grey cat.
The cat could talk, but it never said anything except at night. One night the cat said to the
girl: "There is a fox in the mill, and the fox is eating the miller's bread." The girl took a
candle and went down the stairs, and there sat the fox, and he was so frightened that he dropped
the bread and ran away into the forest. Then the girl gave the bread to the cat, and the cat was
so pleased that she danced upon the table until the sun rose. In the morning the miller asked
who had eaten his bread, and the girl told him the whole story; but the cat said nothing at all,
because it was day.
""".strip().replace("\n", " ")
tale = tokenizer.encode(TALE)
tale_trace = Trace()
model(tale, trace=tale_trace)


def weights_of(trace: Trace) -> np.ndarray:
    """Stack the attention weights of all blocks: [n_layer, batch, head, seq, seq]."""
    return np.stack([trace[f"h.{i}.attn.weights"] for i in range(n_layer)])


weights = weights_of(tale_trace)[:, 0]  # [n_layer, head, seq, seq]
here = np.arange(20, len(tale))  # positions with enough before them
share = [weights[:, :, here, here - back].mean(axis=-1) for back in range(4)]  # 4 x [layer, head]
near = HeatMap("Weight on the last four tokens", sum(share), BLOCKS, HEADS, low=0.0, high=1.0)
near

# %% [markdown]
# In the lower two blocks the heads care little about nearness; in the middle some look at little
# else. (Spread evenly over everything before, four tokens would get about 0.05.)
#
# ## Cutting a head out
#
# A head that looks somewhere need not matter, and one whose picture says nothing may matter a lot.
# So cut it out (the field says: ablation): with `views.without_heads` a head gathers nothing, and
# the loss on the tale tells what it was good for. There is one call for each of the 24 heads.


# %%
def loss_of(ids: list[int], edits: dict | None = None) -> float:
    """Measure the mean loss on a text, in nats per token, with edits of the computation."""
    told = log_softmax(model(ids, trace=Trace(edits=edits))[0, :-1])  # [seq - 1, n_vocab]
    return -float(told[np.arange(len(ids) - 1), ids[1:]].mean())


whole = loss_of(tale)
harm = np.array(
    [
        [loss_of(tale, views.without_heads(i, [j])) - whole for j in range(n_head)]
        for i in range(n_layer)
    ]
)  # [n_layer, n_head]
print(f"loss with all heads: {whole:.2f} nats per token")
ablation = HeatMap("Rise of the loss without a head", harm, BLOCKS, HEADS)
ablation

# %%
_ = ablation.plot()

# %% [markdown]
# Most heads can be spared: the others make up for them, and the loss rises by a few hundredths of a
# nat, at most by a tenth or so. One cannot be spared: head 2 of block 1. What is it doing? Where
# does its weight go?

# %%
middle = weights[1, 2, 100, :101]  # the weights of position 100, [101]
even = 1 / 101
print(f"its greatest weight at position 100: {middle.max():.2f}; spread evenly each is {even:.2f}")
entropy = -(middle * np.log(middle)).sum()
print(f"it spreads as widely as {np.exp(entropy):.0f} equal weights would, of 101")

# %% [markdown]
# It looks at nothing in particular: it takes something like the average of all words so far, and
# from that the blocks above can tell what kind of text this is. A picture would have made us pass
# it by.
#
# Two cautions. Zero is an odd thing to replace a head's answer with: a model that never saw zero
# there may stumble over the surprise rather than the loss. And one text is only one text. A finding
# needs several texts, and another kind of experiment.
#
# ## Where is the king? Activation patching
#
# After `The king was so angry that` the storyteller says *he*, after `The queen ...` it says
# *she*. At the last token, `that`, king and queen are four tokens back. How does it know?

# %%
other = tokenizer.encode("The queen was so angry that")
other_trace = Trace()
other_logits = model(other, trace=other_trace)

figure, axes = plt.subplots(1, 2, figsize=(8.5, 2.2), layout="constrained")
for ax, name, scores in zip(axes, ("king", "queen"), (logits, other_logits), strict=True):
    table = views.next_token(scores, tokenizer, top=4)
    table.title = f"The {name} was so angry that"
    table.plot(ax)
    ax.set_xlim(0, 0.9)

# %% [markdown]
# One number says how much the model prefers one to the other: the logit of *she* less that of *he*.
# Now run the king's sentence, but at one place, one position after one block, put in the stream
# from the queen's sentence. If the answer turns, the information that makes the difference was
# there. We show how far it turns: 0 is the king's answer, 1 the queen's.

# %%
he, she = tokenizer.encode(" he")[0], tokenizer.encode(" she")[0]


def preference(logits: np.ndarray) -> float:
    """Measure how much the model prefers "she" at the last position, in logits."""
    return float(logits[0, -1, she] - logits[0, -1, he])


king, queen = preference(logits), preference(other_logits)
print(f"she less he: king {king:.1f}, queen {queen:.1f}")


def turned(edits: dict) -> float:
    """Measure how far these edits turn the king's sentence to the queen's answer."""
    return (preference(model(ids, trace=Trace(edits=edits))) - king) / (queen - king)


stops = ["embed", *(f"h.{i}.out" for i in range(n_layer))]
moved = [
    [turned(views.patched(other_trace, name, [position])) for position in range(len(ids))]
    for name in stops
]
patching = HeatMap(
    "The stream of the queen's sentence, put into the king's",
    np.array(moved),
    ["embed", *BLOCKS],
    ["The", "king/queen", *tokens[2:]],
    "1: the answer becomes the queen's.",
    low=0.0,
    high=1.0,
)
patching

# %%
_ = patching.plot()

# %% [markdown]
# Read it from the top, the way the model goes. Up to block 3 the knowledge stays where the word
# stands, at position 1. The positions in between know nothing of it. Some of it reaches the last
# position in blocks 2 and 3; nearly all of it in block 4, and from there on position 1 no longer
# matters.
#
# Only attention moves anything from one position to another. So which head was it? At the last
# position, put in the answer of one head alone. Head `j` has the numbers `64 * j` to `64 * j + 63`
# of `attn.z`.


# %%
def head_from(source: Trace, layer: int, head: int) -> dict:
    """Put in what one head gathered for the last position in another call."""
    width = model.config.head_dim
    mine = slice(head * width, (head + 1) * width)

    def put_in(z: np.ndarray, trace: Trace) -> np.ndarray:
        z[:, -1, mine] = source[f"h.{layer}.attn.z"][:, -1, mine]
        return z  # [batch, seq, n_embd]

    return {f"h.{layer}.attn.z": put_in}


by_head = [[turned(head_from(other_trace, i, j)) for j in range(n_head)] for i in range(n_layer)]
HeatMap("One head from the queen's sentence", np.array(by_head), BLOCKS, HEADS, low=0.0, high=1.0)

# %% [markdown]
# One head of 24, head 0 of block 4, does four fifths of it alone. And it looks where it should:

# %%
last = trace["h.4.attn.weights"][0, 0, -1]  # [seq]
rows = [[token, float(weight)] for token, weight in zip(tokens, last, strict=True)]
Table("Attention of ·that in block 4, head 0", ["token", "weight"], rows, bar="weight")

# %% [markdown]
# Is that a habit or an accident? We try twenty other pairs of sentences: four pairs of persons,
# five sentences. **Guess first:** in how many of them will this head do most of the work?

# %%
PAIRS = [("king", "queen"), ("prince", "princess"), ("boy", "girl"), ("man", "woman")]
SENTENCES = [
    "The {} was so angry that",
    "When the {} came home,",
    "The {} was very happy, for",
    "The old {} said that",
    "The {} was tired, because",
]


def work_of_head(sentence: str, his: str, her: str, layer: int, head: int) -> float:
    """Measure how far one head turns the answer from his sentence towards hers."""
    his_ids, her_ids = (tokenizer.encode(sentence.format(name)) for name in (his, her))
    hers = Trace()
    to = preference(model(her_ids, trace=hers))
    start = preference(model(his_ids))
    now = preference(model(his_ids, trace=Trace(edits=head_from(hers, layer, head))))
    return (now - start) / (to - start)


work = np.array([[work_of_head(s, *pair, 4, 0) for pair in PAIRS] for s in SENTENCES])
columns = ["/".join(pair) for pair in PAIRS]
HeatMap("The work of block 4, head 0", work, SENTENCES, columns, low=0.0, high=1.0)

# %% [markdown]
# Every time. A part with a job is hardly ever clearer than this: block 4, head 0 fetches from the
# subject what the pronoun needs. It is still no proof that this is *all* it does, and in the tale
# above the loss rose by only 0.03 nats without it: pronouns are a small part of a text.
#
# ## Induction: has this text been here before?
#
# Larger models have heads that do the following: look for an earlier place where the current token
# stood, and copy the token that came after it. `... Rumpelstiltskin ... Rumpel` → `stiltskin`. They
# are called induction heads, appear early in training, and are thought to be behind much of what a
# model can learn from its prompt (in-context learning; Olsson et al. 2022).
#
# The test is text without any meaning: random tokens, then the same again. Nothing but induction
# can predict the second half. A head's induction score says how much weight it puts on the token
# *after* the earlier copy of the current one.


# %%
def repeated(rng: np.random.Generator, n_vocab: int, n: int, batch: int) -> np.ndarray:
    """Draw rows of n different random tokens, each row twice over: [batch, 2 * n]."""
    half = np.stack([rng.permutation(n_vocab)[:n] for _ in range(batch)])
    return np.hstack([half, half])


def losses_of(model: GPT, ids: np.ndarray) -> np.ndarray:
    """Average over the batch the loss of each token but the first: [seq - 1]."""
    told = log_softmax(model(ids)[:, :-1])  # [batch, seq - 1, n_vocab]
    return -np.take_along_axis(told, ids[:, 1:, None], axis=-1)[..., 0].mean(axis=0)


def induction_scores(weights: np.ndarray) -> np.ndarray:
    """Turn a repeated text's weights [n_layer, batch, head, seq, seq] into [n_layer, head]."""
    n = weights.shape[-1] // 2
    second = np.arange(n, 2 * n - 1)
    return weights[..., second, second - n + 1].mean(axis=(1, -1))


N = 25
rng = np.random.default_rng(0)
text = repeated(rng, 4095, N, batch=32)
random_trace = Trace()
model(text, trace=random_trace)
scores = induction_scores(weights_of(random_trace))
HeatMap("Induction score on random tokens", scores, BLOCKS, HEADS, low=0.0, high=1.0)

# %% [markdown]
# An induction head would have a score near 1. Even weights would give about 0.03. The highest score
# here is that of head 0 of block 5, and it is hardly above even weights. Does the loss say the
# same?

# %%
losses = losses_of(model, text)  # [2 * N - 1]
first, second = losses[: N - 1].mean(), losses[N:].mean()
print(f"first time {first:.1f}, second time {second:.1f} nats per token")

# %% [markdown]
# A little lower. So a little induction after all? There is another explanation: the model may just
# find tokens more likely if they were there before, in whatever order. A control tells the two
# apart: the second half has the same tokens, shuffled.

# %%
shuffled = np.hstack([text[:, :N], rng.permuted(text[:, :N], axis=1)])
fresh = np.hstack([text[:, :N], repeated(rng, 4095, N, batch=32)[:, :N]])
halves = {"the same": text, "the same, shuffled": shuffled, "other tokens": fresh}
second_half = {name: float(losses_of(model, ids)[N:].mean()) for name, ids in halves.items()}
for name, loss in second_half.items():
    print(f"second half {name:20} {loss:.1f}")
order = second_half["the same, shuffled"] - second_half["the same"]
print(f"what the right order is worth: less than 0.1 nats: {abs(order) < 0.1}")

# %% [markdown]
# The order is worth nothing. On random tokens **the storyteller does no induction**: it has noticed
# that words come again, but not what follows them. That is no failure of the experiment. A model of
# this size, trained on stories where the words before say more than any repetition, had little
# reason to learn it.
#
# (On text that is less strange to the model the same head does a little better: exercise 3.)
#
# ## An induction head, built by hand
#
# What would it look like if a model had one? We can make one, for it is simple enough to write
# the weights down. The stream has three parts of 40 numbers: *which token*, *which position*,
# and, empty at first, *which token came before*.
#
# - Block 0: every position asks for the position before its own, and copies that one's token into
#   *which token came before*.
# - Block 1: every position asks, with its own token, for a position whose *token before* is the
#   same; it copies the token there into *which token*, the part that is compared with the output
#   embedding.
#
# Neither head can do it alone: the second works on what the first wrote.

# %%
n = 40  # tokens, and positions
config = GPTConfig(n_vocab=n, n_ctx=n, n_embd=3 * n, n_head=1, n_layer=2)
weights_by_hand = {
    name: np.full(shape, ".ln_" in name or name == "ln_f.weight", np.float32)
    for name, shape in parameter_shapes(config).items()
}
for name, array in weights_by_hand.items():
    if name.endswith("bias"):
        array[:] = 0
which_token, which_position, token_before = (slice(i * n, (i + 1) * n) for i in range(3))
one = np.eye(n, dtype=np.float32)
weights_by_hand["wte.weight"][:, which_token] = one
weights_by_hand["wpe.weight"][:, which_position] = one


def wire(layer: int, asks: slice, answers: slice, back: int, writes: slice, loud: float) -> None:
    """Write a head: what it asks with, what answers, and where it puts the token found."""
    c_attn = weights_by_hand[f"h.{layer}.attn.c_attn.weight"]  # [3 * n, 9 * n]
    query, key, value = (slice(i * 3 * n, i * 3 * n + n) for i in range(3))
    c_attn[asks, query] = 4 * np.eye(n, k=-back)
    c_attn[answers, key] = one
    c_attn[which_token, value] = one
    weights_by_hand[f"h.{layer}.attn.c_proj.weight"][:n, writes] = loud * one


wire(0, asks=which_position, answers=which_position, back=1, writes=token_before, loud=0.3)
wire(1, asks=which_token, answers=token_before, back=0, writes=which_token, loud=4.0)
copier = GPT(config, weights_by_hand)

# %%
riddle = repeated(np.random.default_rng(1), n, n // 2, batch=32)  # [32, 40]
copier_trace = Trace()
copier(riddle, trace=copier_trace)
labels = [str(i) for i in riddle[0]]
maps = [
    HeatMap(
        title, copier_trace[f"h.{i}.attn.weights"][0, 0], labels, labels, low=0, high=1, small=True
    )
    for i, title in enumerate(["block 0: the token before", "block 1: what came after it"])
]
figure, axes = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
for ax, view in zip(axes, maps, strict=True):
    view.plot(ax)
    ax.set_yticks([])
    ax.set_xlabel("looks at")
    ax.set_ylabel("position, downwards")

# %% [markdown]
# The line just below the diagonal on the left is the head for the token before; the line on the
# right that starts half-way down is induction. Now the loss, position by position, of both models,
# each divided by the cost of blind guessing (the logarithm of its vocabulary). Above 1 is worse
# than blind: sure, and wrong.

# %%
without_first = Trace(edits=views.without_heads(0, [0]))
told = log_softmax(copier(riddle, trace=without_first)[:, :-1])
ablated = -np.take_along_axis(told, riddle[:, 1:, None], axis=-1)[..., 0].mean(axis=0)

ax = plt.subplots(figsize=(8, 3), layout="constrained")[1]
lines = {
    "built by hand": (losses_of(copier, riddle) / np.log(n), "-"),
    "built by hand, without its first head": (ablated / np.log(n), "--"),
    "storyteller": (losses / np.log(4096), ":"),
}
for name, (line, style) in lines.items():
    halves_passed = np.arange(1, len(line) + 1) / ((len(line) + 1) / 2)
    ax.plot(halves_passed, line, style, color="#084594", label=name)
ax.axvline(1, color="#ccc")
ax.set(xlabel="repetitions of the text", ylabel="loss / blind guess", ylim=(0, None))
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)

mean_scores = [
    float(induction_scores(copier_trace[f"h.{i}.attn.weights"][None])[0, 0]) for i in (0, 1)
]
print("induction scores of the two heads:", " ".join(f"{score:.2f}" for score in mean_scores))
print(f"loss the second time: {losses_of(copier, riddle)[n // 2 + 1 :].mean():.2f} nats")

# %% [markdown]
# Without its first head the second one's score and the copying are gone, although the second head
# itself is untouched: the smallest example of a circuit, two parts that do something together.
#
# ## What we know now
#
# - A picture of attention weights is a question, not an answer: the head that matters most looked
#   like nothing.
# - Cutting a part out says whether it matters; putting in its answer from elsewhere says what it
#   carries.
# - A control, like the shuffled half, keeps you from finding what you are looking for.
#
# ## Exercises
#
# Each has stars for its difficulty, minutes, a hint, and a cell to work in: put your answer in
# place of the `...`, run the cell, and the check says whether it is right. The check asks the
# storyteller itself where an answer depends on it.

# %%
from gptlite.exercises import check

# %% [markdown]
# **1. What cannot be spared.** (★★☆, 12 min) Cut out all heads of one block at a time, then each
# MLP, and measure the loss on "Once upon a time there was a miller who had a daughter, and the
# daughter had a little grey cat." Which block's attention, and which block's MLP, can the
# storyteller spare least? Give two block numbers.
#
# <details><summary>Hint</summary>
#
# `views.without_heads(i, range(n_head))` is the edit for attention; for an MLP, multiply its
# output, `h.i.mlp.out`, by 0.
#
# </details>

# %%
# solution: answer = (..., ...)
miller = tokenizer.encode(
    "Once upon a time there was a miller who had a daughter, and the daughter had a little grey "
    "cat."
)
attentions = [loss_of(miller, views.without_heads(i, range(n_head))) for i in range(n_layer)]
mlps = [loss_of(miller, {f"h.{i}.mlp.out": 0}) for i in range(n_layer)]
answer = (int(np.argmax(attentions)), int(np.argmax(mlps)))
print("attention", np.round(attentions, 1), " MLP", np.round(mlps, 1))
# end of solution
check("09.1", answer)

# %% [markdown] tags=["solution"]
# As a rule the first MLP is the one that can be spared least: it seems to do much of the work of a
# table of which token follows which, on which everything above relies.

# %% [markdown]
# **2. The last position.** (★★★, 15 min) The MLP's answer at the last position was not patched
# above. Patch `h.i.attn.out` and `h.i.mlp.out` at the last position, for all blocks, from the
# queen's sentence into the king's. Which of these arrays turns the answer furthest? Give its name.
#
# <details><summary>Hint</summary>
#
# `turned(views.patched(other_trace, name, [-1]))` measures one of them.
#
# </details>

# %%
# solution: answer = "..."
at_end = {
    name: turned(views.patched(other_trace, name, [-1]))
    for i in range(n_layer)
    for name in (f"h.{i}.attn.out", f"h.{i}.mlp.out")
}
answer = max(at_end, key=at_end.get)
for name, share in at_end.items():
    print(f"{name:12} {share:5.2f}")
# end of solution
check("09.2", answer)

# %% [markdown] tags=["solution"]
# What one position hands to another goes through attention; an MLP works on its own position alone.
# A negative share pushes the other way: that part comes later, and in the patched run it sees a
# stream to which it would answer differently.

# %% [markdown]
# **3. Induction on familiar words.** (★★☆, 10 min) The storyteller never saw anything like random
# tokens. Take "Tiddy Mun was a strange man, and Yallery Brown was his friend.", twice, and measure
# the induction scores on that. Which head has the highest? Give block and head.
#
# <details><summary>Hint</summary>
#
# `model(once + once, trace=twice)`, then `induction_scores(weights_of(twice))`. `np.unravel_index`
# turns a place in a flat array into block and head.
#
# </details>

# %%
# solution: answer = (..., ...)
once = tokenizer.encode("Tiddy Mun was a strange man, and Yallery Brown was his friend.")
twice = Trace()
model(once + once, trace=twice)
scores = induction_scores(weights_of(twice))  # [n_layer, n_head]
answer = np.unravel_index(scores.argmax(), scores.shape)
print(f"{scores.max():.1f} against {1 / (1.5 * len(once)):.2f}")
# end of solution
check("09.3", answer)

# %% [markdown] tags=["solution"]
# Compare its score with what even weights would give before you call it an induction head: several
# times as much is a beginning, near 1 is the thing itself.

# %% [markdown]
# **4. Without that head.** (★★★, 15 min) Take the head that turned the answer furthest in "One head
# from the queen's sentence", and cut it out. How far apart are the two sentences now: the
# preference for *she* after the queen, less that after the king, in logits? Guess first.
#
# <details><summary>Hint</summary>
#
# `by_head` has the numbers. `views.without_heads(i, [j])` is the edit, and `preference` measures
# both sentences.
#
# </details>

# %%
# solution: answer = ...
layer, head = np.unravel_index(np.argmax(by_head), np.shape(by_head))
edits = views.without_heads(layer, [head])
cut = [preference(model(text, trace=Trace(edits=edits))) for text in (ids, other)]
answer = cut[1] - cut[0]
print(f"{queen - king:.1f} apart with all heads, {answer:.1f} without ({layer}, {head})")
# end of solution
check("09.4", answer)

# %% [markdown] tags=["solution"]
# The two answers come closer to each other: the model falls back on what is likely without knowing
# who is meant. As far as it does not fall all the way, other heads carry the rest.

# %% [markdown]
# **5. Twice before.** (★★☆, 8 min) The head built by hand has a weakness. What does it predict when
# the current token came twice before, followed by different tokens?
#
# - (a) What followed the last time.
# - (b) What followed the first time.
# - (c) Both followers, about equally.
#
# <details><summary>Hint</summary>
#
# Call `copier` with a row such as `[30, 7, 1, 9, 7, 2, 31, 7]`, and look at the probabilities of 1
# and 2.
#
# </details>

# %%
# solution: answer = "?"
told = np.exp(log_softmax(copier([30, 7, 1, 9, 7, 2, 31, 7])[0, -1]))  # [n]
print(told[[1, 2]].round(1))
answer = "c"
# end of solution
check("09.5", answer)

# %% [markdown] tags=["solution"]
# Both places answer equally loudly, so it copies the average of the two followers: each gets about
# half of the probability. A trained model can do better, for instance by comparing more than one
# token.
