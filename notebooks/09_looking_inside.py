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
# A trained model is a pile of numbers that nobody wrote. What do its parts do? Here you look, cut
# parts out, exchange them, and control what you believe to have found.
#
# **Minutes:** 30, and 60 for the exercises. **Needs:** notebooks 4 and 5. **Core** of a second
# week, optional in the first.
#
# Afterwards you can
#
# - measure what a head is worth by **ablation**, and what it carries by **activation patching**;
# - think of a control that would show you wrong;
# - say what induction is, and wire a head by hand that does it.
#
# It goes with "A journey up the Stack" and "Self-Attention Recap" in [The Illustrated
# GPT-2](https://jalammar.github.io/illustrated-gpt2/), and beyond them. The code finds the heads
# that the text speaks of, so the notebook can be run with another model: change `gptlite.load()`.
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

from gptlite import GPT, GPTConfig, Trace, views
from gptlite.config import parameter_shapes
from gptlite.sampling import log_softmax
from gptlite.views.heat_map import HeatMap
from gptlite.views.table import Table

model, tokenizer = gptlite.load()
n_layer, n_head = model.config.n_layer, model.config.n_head
BLOCKS = [f"block {i}" for i in range(n_layer)]
HEADS = [f"head {i}" for i in range(n_head)]


def encoded(text: str) -> list[int]:
    """Encode a text from its beginning: <|endoftext|>, as in training, then its tokens."""
    return [tokenizer.eot, *tokenizer.encode(text)]


def largest(table: np.ndarray) -> tuple[int, int]:
    """Find the block and the head with the largest number in a table [n_layer, n_head]."""
    block, head = np.unravel_index(int(np.argmax(table)), np.shape(table))
    return int(block), int(head)


# %% [markdown]
# ## A trace holds everything
#
# Article: "A journey up the Stack"
#
# Give the model an empty `Trace`, and it fills it with every array that it makes on its way (the
# field says: its **activations**). The drawing has the names of one block's arrays.
#
# **Guess first:** the prompt has seven tokens, `<|endoftext|>` among them; the model is 256 wide
# with 4 heads. What are the shapes of a block's queries, its attention weights, and the inside of
# its MLP?

# %%
middle = n_layer // 2
views.block_diagram(model.config, layer=middle)

# %%
PROMPT = "The king was so angry that"
ids = encoded(PROMPT)
tokens = views.token_labels(tokenizer, ids)
trace = Trace()
logits = model(ids, trace=trace)

shown = ["embed", *(name for name in trace if name.startswith(f"h.{middle}.")), "ln_f", "logits"]
Table(
    f"{len(trace)} arrays; those of block {middle}",
    ["name", "shape"],
    [[name, str(list(trace[name].shape))] for name in shown],
)

# %% [markdown]
# The stream `h.i.out` goes on from block to block, and every block only adds to it. Notebook 3
# compared it with the token embeddings at each height (the logit lens). Here we ask what the parts
# add.
#
# ## What do the heads look at?
#
# Article: "Self-Attention Recap"
#
# The article shows one head in which the word *it* looks at the words that it stands for. Here is
# every head of every block on one short sentence: rows are the tokens that look, columns, in the
# same order, the tokens that they look at.

# %%
short = encoded("The fox saw the crow, and the fox laughed.")
short_trace = Trace()
model(short, trace=short_trace)
axes = views.attention_grid(short_trace, views.token_labels(tokenizer, short)).plot()
figure = axes[0, 0].figure
figure.set_size_inches(9, 2.4 * n_layer)
for ax in axes[:, 1:].flat:
    ax.set_yticks([])

# %% [markdown]
# Many heads of a small model look out of focus. Some look one or two tokens back, some spread their
# weight over everything before, a few look at one particular token. Such pictures suggest a lot. To
# know, one has to measure on a longer text, and then to intervene.
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
tale = encoded(TALE)
tale_trace = Trace()
model(tale, trace=tale_trace)


def weights_of(trace: Trace) -> np.ndarray:
    """Stack the attention weights of all blocks: [n_layer, batch, head, seq, seq]."""
    return np.stack([trace[f"h.{i}.attn.weights"] for i in range(n_layer)])


weights = weights_of(tale_trace)[:, 0]  # [n_layer, head, seq, seq]
here = np.arange(20, len(tale))  # positions with enough before them
share = [weights[:, :, here, here - back].mean(axis=-1) for back in range(4)]  # 4 x [layer, head]
even = (4 / (here + 1)).mean()  # if a head spread its weight over everything so far
print(f"even weights would put {even:.2f} on the last four tokens")
HeatMap("Weight on the last four tokens", sum(share), BLOCKS, HEADS, low=0.0, high=1.0)

# %% [markdown]
# Numbers near that of even weights: these heads do not care how near a token is. Numbers near 1:
# these look at little else.
#
# ## Cutting a head out
#
# A head that looks somewhere need not matter, and one whose picture says nothing may matter a lot.
# So cut it out, which is called **ablation**: with `views.without_heads` a head gathers nothing,
# and the loss on the tale tells what it was good for. There is one call for each head.


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
worst = largest(harm)
print(f"the head that is missed most: block {worst[0]}, head {worst[1]}, {harm.max():.2f} nats")
print(f"a head in the middle of the order: {np.median(harm):.3f} nats")
HeatMap("Rise of the loss without a head, nats per token", harm, BLOCKS, HEADS)

# %% [markdown]
# Most heads can be spared: the others make up for them, and the loss rises by little. What is the
# one doing that is missed most? Where does its weight go?

# %%
row = weights[worst][100, :101]  # the weights of position 100, [101]
even = 1 / 101
print(f"its greatest weight at position 100: {row.max():.2f}; spread evenly each is {even:.2f}")
entropy = -(row * np.log(row)).sum()
print(f"it spreads as widely as {np.exp(entropy):.0f} equal weights would, of 101")

# %% [markdown]
# A head that spreads its weight widely looks at nothing in particular: it takes something like the
# average of all words so far, and from that the blocks above can tell what kind of text this is. In
# a picture one would pass it by. It is the measurement that found it.
#
# Two cautions. Zero is an odd thing to replace a head's answer with: a model that never saw zero
# there may stumble over the surprise rather than the loss. And one text is only one text. A finding
# needs several texts, and another kind of experiment.
#
# ## Where is the king? Activation patching
#
# What does the storyteller say after `The king was so angry that`, *he* or *she*? And after `The
# queen ...`? At the last token, `that`, king and queen are four tokens back. How does it know?

# %%
other = encoded("The queen was so angry that")
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
HeatMap(
    "The stream of the queen's sentence, put into the king's",
    np.array(moved),
    ["embed", *BLOCKS],
    [*tokens[:2], "king/queen", *tokens[3:]],
    "1: the answer becomes the queen's.",
    low=0.0,
    high=1.0,
)

# %% [markdown]
# Read it from the top, the way the model goes. At first the information stays where the word
# stands, and the positions in between know nothing of it. Higher up it reaches the last position;
# from there on the place of the word no longer matters.
#
# Only attention moves anything from one position to another. So which head was it? At the last
# position, put in the answer of one head alone. With heads 64 wide, head `j` has the numbers `64 *
# j` to `64 * j + 63` of `attn.z`.


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
best = largest(by_head)
print(f"the most by one head: {np.max(by_head):.2f}, by block {best[0]}, head {best[1]}")
HeatMap("One head from the queen's sentence", np.array(by_head), BLOCKS, HEADS, low=0.0, high=1.0)

# %% [markdown]
# A head that does it alone has 1 here. In the storyteller two heads of one block share the work,
# nearly half and half, and no other has a part in it. Does the head with the largest number look
# where it should?

# %%
last = trace[f"h.{best[0]}.attn.weights"][0, best[1], -1]  # [seq]
rows = [[token, float(weight)] for token, weight in zip(tokens, last, strict=True)]
title = f"Attention of ·that in block {best[0]}, head {best[1]}"
Table(title, ["token", "weight"], rows, bar="weight")

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
    his_ids, her_ids = (encoded(sentence.format(name)) for name in (his, her))
    hers = Trace()
    to = preference(model(her_ids, trace=hers))
    start = preference(model(his_ids))
    now = preference(model(his_ids, trace=Trace(edits=head_from(hers, layer, head))))
    return (now - start) / (to - start)


work = np.array([[work_of_head(s, *pair, *best) for pair in PAIRS] for s in SENTENCES])
columns = ["/".join(pair) for pair in PAIRS]
print(f"more than half of the work: in {(work > 0.5).sum()} of {work.size} pairs")
print(f"the rise of the loss on the tale without this head: {harm[best]:.2f} nats per token")
title = f"The work of block {best[0]}, head {best[1]}"
HeatMap(title, work, SENTENCES, columns, low=0.0, high=1.0)

# %% [markdown]
# It seldom does most of the work, but every time a share of it, from a fifth to more than a
# half: the head has a job. It fetches from the subject what the pronoun needs, and it does not do
# so alone. (Had it worked for some pairs and not at all for others, the first pair would have been
# half an accident: that is what the twenty are for.) It is still no proof that this is *all* the
# head does; and pronouns are a small part of a text, so the tale as a whole hardly misses it.
#
# ## Induction: has this text been here before?
#
# Larger models have heads that do the following: look for an earlier place where the current token
# stood, and copy the token that came after it. `... Rumpelstiltskin ... Rumpel` → `stiltskin`. They
# are called induction heads, appear early in training, and are thought to be behind much of what a
# model can learn from its prompt (in-context learning; Olsson et al. 2022).
#
# The test is text without any meaning: random tokens, then the same again. Nothing but induction
# can predict the second half. (Such rows are not texts, so they have no `<|endoftext|>` in front.)
# A head's induction score says how much weight it puts on the token *after* the earlier copy of the
# current one.


# %%
def repeated(rng: np.random.Generator, n_vocab: int, n: int, batch: int) -> np.ndarray:
    """Draw rows of n different random tokens, each row twice over: [batch, 2 * n]."""
    half = np.stack([rng.permutation(n_vocab)[:n] for _ in range(batch)])
    return np.hstack([half, half])


def losses_of(model: GPT, ids: np.ndarray, edits: dict | None = None) -> np.ndarray:
    """Average over the batch the loss of each token but the first: [seq - 1]."""
    told = log_softmax(model(ids, trace=Trace(edits))[:, :-1])  # [batch, seq - 1, n_vocab]
    return -np.take_along_axis(told, ids[:, 1:, None], axis=-1)[..., 0].mean(axis=0)


def induction_scores(weights: np.ndarray) -> np.ndarray:
    """Turn a repeated text's weights [n_layer, batch, head, seq, seq] into [n_layer, head]."""
    n = weights.shape[-1] // 2
    second = np.arange(n, 2 * n - 1)
    return weights[..., second, second - n + 1].mean(axis=(1, -1))


N = 25
rng = np.random.default_rng(0)
text = repeated(rng, tokenizer.eot, N, batch=32)  # any token but <|endoftext|>
random_trace = Trace()
model(text, trace=random_trace)
scores = induction_scores(weights_of(random_trace))
copying = largest(scores)
print(f"the highest: {scores.max():.2f}, block {copying[0]}, head {copying[1]}")
print(f"even weights: {np.mean(1 / np.arange(N + 1, 2 * N)):.2f}")
HeatMap("Induction score on random tokens", scores, BLOCKS, HEADS, low=0.0, high=1.0)

# %% [markdown]
# A head that does nothing but induction has a score near 1; one with several jobs has less. Does
# the loss tell the same story?

# %%
losses = losses_of(model, text)  # [2 * N - 1]
first, second = losses[: N - 1].mean(), losses[N:].mean()
print(f"first time {first:.1f}, second time {second:.1f} nats per token")

# %% [markdown]
# If the second time is cheaper, is that induction? There is another explanation: the model may just
# find tokens more likely if they were there before, in whatever order. A control tells the two
# apart: the second half has the same tokens, shuffled.

# %%
shuffled = np.hstack([text[:, :N], rng.permuted(text[:, :N], axis=1)])
fresh = np.hstack([text[:, :N], repeated(rng, tokenizer.eot, N, batch=32)[:, :N]])
halves = {"the same": text, "the same, shuffled": shuffled, "other tokens": fresh}
second_half = {name: float(losses_of(model, ids)[N:].mean()) for name, ids in halves.items()}
for name, loss in second_half.items():
    print(f"second half {name:20} {loss:.1f}")
order = second_half["the same, shuffled"] - second_half["the same"]
print("what the right order is worth:", round(order, 1) + 0.0, "nats per token")

# %% [markdown]
# What the order is worth is what induction is worth. Near 0, a model does no induction: it has
# noticed that words come again, but not what follows them. The storyteller gains several nats: it
# copies what followed the last time. Models learn that where their texts repeat themselves. In
# stories the words just before mostly say more than any repetition, and as long as it read nothing
# else the storyteller had no head with a score above that of even weights. So it was also given
# lists of words, told over and over, in which there is nothing else to go by (its card has the
# figures).
#
# And is it the head with the highest score that does it? Cut it out, and then, for a control, each
# other head of its block.

# %%
block, head = copying
for j in range(model.config.n_head):
    cost = losses_of(model, text, views.without_heads(block, [j]))[N:].mean() - second
    name = "the head with the highest score" if j == head else "another one"
    print(f"without head {j} of block {block}, {name}: {cost:+.2f} nats per token")

# %% [markdown]
# If several heads shared the work, each loss would be small, for the others would go on. Here one
# head does most of it: without it nearly all is lost that the right order was worth, and without
# any other head of its block little or nothing.
#
# (Is it the same head on text that is less strange to the model? That is exercise 3.)
#
# ## An induction head, built by hand
#
# A trained head does several things at once, and none of them cleanly. One that does nothing but
# induction can be made by hand, for it is simple enough to write the weights down. The stream has
# three parts of 40 numbers: *which token*, *which position*, and, empty at first, *which token came
# before*.
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
ablated = losses_of(copier, riddle, views.without_heads(0, [0]))

ax = plt.subplots(figsize=(8, 3), layout="constrained")[1]
lines = {
    "built by hand": (losses_of(copier, riddle) / np.log(n), "-"),
    "built by hand, without its first head": (ablated / np.log(n), "--"),
    "storyteller": (losses / np.log(tokenizer.n_vocab), ":"),
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
# - A picture of attention weights is a question, not an answer: the head that matters most need not
#   be the one with the clearest picture.
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
# `loss_of(encoded(...), edits)` measures. `views.without_heads(i, range(n_head))` is the edit for
# attention; for an MLP, multiply its output, `h.i.mlp.out`, by 0.
#
# </details>

# %%
# solution: answer = (..., ...)
miller = encoded(
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
# **2. The last position.** (★★★, 15 min) What an MLP adds at the last position was not patched
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
# **3. Induction on familiar words.** (★★☆, 10 min) Stories are not made of random tokens. Take
# "Tiddy Mun was a strange man, and Yallery Brown was his friend.", twice, each time with
# `<|endoftext|>` in front, and measure the induction scores on that. Which head has the highest?
# Give block and head.
#
# <details><summary>Hint</summary>
#
# With `once = encoded(...)`: `model(once + once, trace=twice)`, then
# `induction_scores(weights_of(twice))`. `largest` finds block and head.
#
# </details>

# %%
# solution: answer = (..., ...)
once = encoded("Tiddy Mun was a strange man, and Yallery Brown was his friend.")
twice = Trace()
model(once + once, trace=twice)
scores = induction_scores(weights_of(twice))  # [n_layer, n_head]
answer = largest(scores)
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
# `best` is that head. `views.without_heads(i, [j])` is the edit, and `preference` measures both
# sentences, `ids` and `other`.
#
# </details>

# %%
# solution: answer = ...
edits = views.without_heads(best[0], [best[1]])
cut = [preference(model(text, trace=Trace(edits=edits))) for text in (ids, other)]
answer = cut[1] - cut[0]
print(f"{queen - king:.1f} apart with all heads, {answer:.1f} without {best}")
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
