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
# # 3. Embeddings, and the journey up the stack
#
# A token comes in as a vector, travels up the stack of blocks, and goes out as a prediction. This
# notebook follows it, and leaves out what happens inside a block (notebooks 4 and 5).
#
# **Minutes:** 25, and 40 for the exercises. **Needs:** notebook 1; vectors, and what it means to
# multiply a vector with a matrix. **Core.**
#
# Afterwards you can
#
# - make the vectors that enter the stack, from a token's row and a position's row, and say what
#   each is for;
# - explain what a block does to the residual stream;
# - read the model's prediction off the stream at any height (the **logit lens**).
#
# It goes with "A Deeper Look Inside" of Jay Alammar's [The Illustrated
# GPT-2](https://jalammar.github.io/illustrated-gpt2/): "Input Encoding", "A journey up the Stack"
# and "Model Output". Everything runs offline, on the storyteller.
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

from gptlite import Trace, views
from gptlite.layers import layer_norm, softmax
from gptlite.sampling import log_softmax
from gptlite.views.curve import Curve
from gptlite.views.table import Table
from gptlite.views.view import ramp

model, tokenizer = gptlite.load()
wte = model.parameters["wte.weight"]  # [n_vocab, n_embd]: which token
wpe = model.parameters["wpe.weight"]  # [n_ctx, n_embd]: which position
last_block = f"h.{model.config.n_layer - 1}.out"  # the trace's name for what leaves the top block

# %% [markdown]
# ## A row for each token
#
# Article: "A Deeper Look Inside" and "Input Encoding"
#
# A token id is a name, not a quantity: token 722 is not "more" than token 721. So the first thing
# that a model does is look the id up in a table, `wte` (*weights of the token embeddings*), and go
# on with the row it finds, the token's **embedding**. **Guess the shapes** of the table and of a
# row.

# %%
[king] = tokenizer.encode(" king")
print("the table  ", wte.shape)
print("one row    ", wte[king].shape)
print("its start  ", wte[king][:6].round(2))

# %% [markdown]
# The 256 numbers were random once. Training moved them, like all other parameters, so that the next
# token is predicted better. No single number means anything that has a name; what can be read is
# which rows are *alike*.
#
# ## Neighbours
#
# The usual measure is the **cosine** of the angle between two vectors: 1 if they point the same
# way, 0 if they have nothing in common. Between random vectors of 256 numbers it has a spread of
# $1/\sqrt{256}$, or 0.06, and so it is nearly always within three times that, 0.2, of 0. **Guess**
# which tokens are next to `·king`, in a model that has read stories:

# %%
views.neighbours(model, tokenizer, " king", top=8)

# %%
views.neighbours(model, tokenizer, " three", top=8)

# %%
_ = views.neighbours(model, tokenizer, " said", top=8).plot()

# %% [markdown]
# Nobody told it that these words belong together. Words that can take each other's place have the
# same words around them, so the same vector serves both. Look for `·King` among the neighbours of
# `·king`: the model had to learn that they are one word, too. Not every row looks so nice. Try
# words of your own:

# %%
views.neighbours(model, tokenizer, " cat", top=5)

# %% [markdown]
# ## A map of words
#
# We cannot draw in 256 dimensions. **Principal component analysis** (PCA) finds the two directions
# in which some vectors differ most, and looks at them from there. It takes three lines: subtract
# the mean, `np.linalg.svd`, project.

# %%
groups = {
    "numbers": "two three four five six seven eight nine ten",
    "family": "mother father sister brother son daughter wife husband",
    "colours": "red blue white black green brown",
    "animals": "fox wolf lion bear dog rabbit horse cow",
    "speaking": "said cried asked replied answered whispered",
    "places": "castle palace house cottage city tower",
}


# Only words that are one token have one row.
groups = {
    name: " ".join(word for word in line.split() if len(tokenizer.encode(" " + word)) == 1)
    for name, line in groups.items()
}


def principal_components(groups: dict[str, str]) -> tuple[np.ndarray, float]:
    """Place the words in two dimensions, ``[words, 2]``; give the share of differences shown."""
    words = [word for line in groups.values() for word in line.split()]
    vectors = wte[[tokenizer.encode(" " + word)[0] for word in words]]  # [words, n_embd]
    centred = vectors - vectors.mean(axis=0)  # [words, n_embd]
    _, spread, directions = np.linalg.svd(centred, full_matrices=False)
    share = (spread[:2] ** 2).sum() / (spread**2).sum()
    return centred @ directions[:2].T, float(share)


flat, share = principal_components(groups)
print("words on the map:", flat.shape)
print(f"share of the differences that it shows: {share:.0%}")

# %%
shades = ["#084594", "#d55e00", "#009e73", "#000000", "#a0307a", "#8a6d00"]
colours = dict(zip(groups, shades, strict=True))
nouns = {name: groups[name] for name in ("family", "animals", "places")}
figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
for ax, drawn, title in zip(
    axes, (groups, nouns), ("all words", "three groups alone"), strict=True
):
    points = iter(principal_components(drawn)[0])
    for name, line in drawn.items():
        for word in line.split():
            across, up = next(points)
            ax.plot(across, up, ".", color=colours[name], markersize=8 if drawn is groups else 3)
            if drawn is nouns:
                ax.text(across, up, word, color=colours[name], fontsize=8)
        ax.plot([], [], "s", color=colours[name], label=name)
    ax.margins(0.15)
    ax.set(xticks=[], yticks=[])
    ax.set_title(f"Token embeddings: {title}", loc="left", fontsize=10)
    ax.legend(fontsize=8)

# %% [markdown]
# On the left, where each group has a colour, some groups are islands and others overlap. The map on
# the right is made for three of them alone, and takes apart what touched: words that are close on a
# map may be far apart in the other 254 dimensions. (Left and right, up and down may be swapped on
# your machine: a direction and its opposite serve equally well.)

# %% [markdown]
# ## A row for each position
#
# Attention, the part of the model that mixes positions, does not know which token came first unless
# it is told. So there is a second table, `wpe` (*weights of the position embeddings*), with a row
# for each position; the two rows are **added**. (The article speaks of "positional encoding"; in
# GPT-2 it is a learned table, not the sine waves of the first transformer. It also counts from 1;
# arrays count from 0.)

# %%
ids = [tokenizer.eot, *tokenizer.encode("the dog saw the cat")]  # <|endoftext|> comes first
views.input_encoding(model, tokenizer, ids)

# %% [markdown]
# Each word has its own row of `wte` (`the` and `·the` are two tokens). The rows of `wpe` do not ask
# what the token is, only where it stands. The sum is all that the stack gets to see:

# %%
x = wte[ids] + wpe[: len(ids)]  # [seq, n_embd]
trace = Trace()
model(ids, trace=trace)
print("embed:", trace["embed"].shape)
print("the same as by hand:", np.allclose(trace["embed"][0], x))

# %% [markdown]
# How alike are the rows of `wpe`? Every fourth position against every other:

# %%
unit = wpe / np.linalg.norm(wpe, axis=1, keepdims=True)  # [n_ctx, n_embd]
some = unit[::4]  # [n_ctx / 4, n_embd]
figure, ax = plt.subplots(figsize=(4.6, 3.8), layout="constrained")
n_ctx = model.config.n_ctx
extent = (0, n_ctx, n_ctx, 0)
picture = ax.imshow(some @ some.T, cmap=ramp(signed=True), vmin=-1, vmax=1, extent=extent)
figure.colorbar(picture, label="cosine")
ax.set_title("Position embeddings, each against each", loc="left", fontsize=10)
_ = ax.set(xlabel="position", ylabel="position")

# %%
lengths = np.linalg.norm(wpe, axis=1)  # [n_ctx]
rows = [
    [str(p), float(lengths[p]), float(unit[p] @ unit[10])]
    for p in (0, 1, 2, 5, 10, 20, 50, 100, 200)
]
Table("Some positions", ["position", "length", "cosine with position 10"], rows, digits=2)

# %% [markdown]
# The red band along the diagonal: positions that are near have similar rows. Where the map is blue,
# two rows point in opposite directions. Nobody asked for that order; the rows were random, and
# training found it useful to know roughly where a token stands. Position 0 is a special case: it
# always holds `<|endoftext|>`, and nothing comes before it.
#
# ## What if there were no positions?
#
# A trace can change arrays on their way (`edits`). Put in embeddings without `wpe`, or with the
# rows of `wpe` in reverse order, and see how much worse the model predicts a text. **Guess** which
# is worse, no information or wrong information.

# %%
text = (
    "Once upon a time there was a little boy who lived with his grandmother in a cottage at the "
    "edge of the forest. One day he went out into the forest to look for wood, and there he met an "
    "old man with a long white beard."
)
ids = [tokenizer.eot, *tokenizer.encode(text)]


def nats_per_token(embed: np.ndarray) -> float:
    """Measure the surprise at the text, if the stack starts from other vectors."""
    logits = model(ids, trace=Trace(edits={"embed": embed[None]}))  # [1, seq, n_vocab]
    log_probabilities = log_softmax(logits[0, :-1])  # [seq - 1, n_vocab]
    return float(-log_probabilities[np.arange(len(ids) - 1), ids[1:]].mean())


rows = [
    ["token + position", nats_per_token(wte[ids] + wpe[: len(ids)])],
    ["no position", nats_per_token(wte[ids])],
    ["positions reversed", nats_per_token(wte[ids] + wpe[: len(ids)][::-1])],
]
columns = ["the stack starts from", "nats per token"]
Table("The loss without positions", columns, rows, bar="nats per token", digits=2)

# %% [markdown]
# The model does use the position: without it the surprise is far larger, and positions that lie
# mislead it. (To find all tokens equally likely would cost `log(4096)` = 8.32 nats.)

# %% [markdown]
# ## The residual stream
#
# Article: "A journey up the Stack"
#
# Now the vectors go up through the blocks. All blocks are built alike, each has its own parameters.
# The figures of the article show a vector passing *through* a block. In the code it passes *by*: a
# block reads a copy, computes something, and **adds** it, twice. Such a path past a layer is called
# a **residual connection** (or skip connection), and the vector that runs up along it is the
# **residual stream**, `x`.
#
#     x = x + attention(ln_1(x))    # look at other positions
#     x = x + mlp(ln_2(x))          # work on what was found
#
# Here `mlp` is a small network of two layers that works on each position by itself, a
# **feed-forward network** (notebook 5 is about it). In the drawing the stream is the long line on
# the side; one block is drawn in full, and the parts have the names by which a trace keeps their
# arrays.

# %%
views.block_diagram(model.config, layer=0)

# %% [markdown]
# A trace keeps every array on the way. These belong to one block:

# %%
text = "Once upon a time there was a king who had three"
ids = [tokenizer.eot, *tokenizer.encode(text)]
trace = Trace()
logits = model(ids, trace=trace)
for name, array in trace.items():
    if name.startswith("h.0."):
        print(f"{name:18} {array.shape}")

# %% [markdown]
# Since a block only adds, the vector at the top is the embedding plus everything that attention and
# MLP added in all the blocks. Notebook 5 checks that, and measures how much each of them adds. Here
# is where the vector of the last position points as it goes up:

# %%
heights = range(model.config.n_layer + 1)
stops = ["embed", *(f"h.{i}.out" for i in range(model.config.n_layer))]
start, end = trace["embed"][0, -1], trace[last_block][0, -1]  # [n_embd]


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """1 where two vectors point the same way."""
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


journey = Curve(
    "Direction of the last position's vector",
    {
        "to where it started": (heights, [cosine(trace[name][0, -1], start) for name in stops]),
        "to where it ends": (heights, [cosine(trace[name][0, -1], end) for name in stops]),
    },
    "blocks passed",
    "cosine",
)
_ = journey.plot()

# %% [markdown]
# It comes in as "this is the token *three*" and goes out as "the next token is ...". The first
# block turns it nearly at a right angle to where it came from; the others turn it, one after the
# other, towards where it goes.

# %% [markdown]
# ## Layer normalisation
#
# Article: "End of part #1: The GPT-2, Ladies and Gentlemen"
#
# The author says there that he left layer normalisation out. It stands before every attention,
# before every MLP, and once more at the top (`ln_f`). The stream becomes longer on its way, and the
# parts that read it should not have to care. So each vector is first moved to mean 0 and scaled to
# standard deviation 1, and then, number by number, multiplied by a learned gain, and a learned bias
# is added (notebook 5 does it in five lines). Only the *direction* of the stream counts for the
# parts that read it: make the stream ten times longer, and the norm undoes it.

# %%
gain, bias = model.parameters["ln_f.weight"], model.parameters["ln_f.bias"]  # [n_embd] each
epsilon = model.config.layer_norm_epsilon
top = trace[last_block][0, -1]  # [n_embd]
once = layer_norm(top, gain, bias, epsilon)  # [n_embd]
longer = layer_norm(10 * top, gain, bias, epsilon)  # [n_embd]
print("the same as ln_f in the trace:        ", np.allclose(once, trace["ln_f"][0, -1], atol=1e-4))
print("ten times longer, same after the norm:", np.allclose(longer, once, atol=1e-3))

# %% [markdown]
# ## Back to tokens: the same table
#
# Article: "Model Output"
#
# At the top we have a vector of 256 numbers and want a score for each of 4,096 tokens. GPT-2 takes
# the **dot product** with *each token's embedding*: multiply number by number, and add up. (That is
# the cosine, times the lengths of both vectors.) The table of the input serves again, turned on its
# side (**tied weights**, or weight tying; the field calls this last step the output layer, or
# unembedding). A token scores high if the vector points its way. **Guess the shape:**

# %%
scores = trace["ln_f"][0] @ wte.T  # [seq, n_vocab]
print(trace["ln_f"][0].shape, "@", wte.T.shape, "->", scores.shape)
print("these are the logits:", np.allclose(scores, logits[0], atol=1e-3))

# %%
views.next_token(scores, tokenizer, top=6)

# %% [markdown]
# The article calls these scores probabilities in one place; they are logits, and softmax comes
# after them. And `ln_f`, which the article does not draw, stands between the top block and the
# table.

# %% [markdown]
# ## Asking halfway: the logit lens
#
# Since the vector has the same 256 numbers at every height, nothing keeps us from treating it as if
# the stack ended *there*: normalise it, compare it with the table, look at the winner
# (nostalgebraist 2020). By hand, after block 2:

# %%
halfway = layer_norm(trace["h.2.out"][0], gain, bias, epsilon) @ wte.T  # [seq, n_vocab]
guesses = halfway.argmax(axis=-1)  # [seq]
print(views.token_labels(tokenizer, guesses.tolist()))

# %% [markdown]
# And now at every height. Columns are positions, rows are heights; each cell has the token that
# would come next. **Guess** what stands in the first row, before any block.

# %%
lens = views.logit_lens(model, tokenizer, trace, views.token_labels(tokenizer, ids))
lens

# %% [markdown]
# - **Before any block** a position says *its own token*: its vector is that token's row of the
#   table (and a position's), and nothing is more like a row than itself.
# - **After the first block or two** the token itself is gone, and what commonly follows it stands
#   there.
# - **Higher up** context comes in. Compare how early `·time` stands after "Once upon a", and how
#   late the last column settles.
#
# One token on its way up: where does the winner of the last position stand among 4,096, before it
# wins?

# %%
winner = int(logits[0, -1].argmax())
rows = []
for name in stops:
    at = layer_norm(trace[name][0, -1], gain, bias, epsilon) @ wte.T  # [n_vocab]
    rank = 1 + int((at > at[winner]).sum())
    rows.append([name, rank, float(softmax(at)[winner])])
title = f"{views.token_labels(tokenizer, [winner])[0]}, on its way up"
Table(title, ["", "rank", "probability"], rows, bar="probability")

# %% [markdown]
# The lens is a rough tool: the lower blocks were never trained to be read in this way, so a poor
# guess halfway up does not show that the model "does not know yet". What you can see is that the
# answer is not computed in one place. It gathers in the stream, block by block. How the blocks find
# it is the subject of the next two notebooks.

# %% [markdown]
# ## Exercises
#
# Each has stars for its difficulty, minutes, a hint, and a cell to work in: put your answer in
# place of the `...`, run the cell, and the check says whether it is right. The check asks the
# storyteller itself where an answer depends on it.

# %%
from gptlite.exercises import check

# %% [markdown]
# **1. One-hot.** (★☆☆, 6 min) Looking up a row is often written as a product: a vector, *one-hot*,
# times `wte`. Make the vector that fetches the row of `·king`, whose id is `king`. Why does nobody
# compute it that way?
#
# <details><summary>Hint</summary>
#
# One number for each token of the vocabulary. Which of them must the product strike out?
#
# </details>

# %%
# solution: answer = ...
answer = np.zeros(len(wte), np.float32)  # [n_vocab]
answer[king] = 1
assert np.allclose(answer @ wte, wte[king])
# end of solution
check("03.1", answer)

# %% [markdown] tags=["solution"]
# It is 1 at the token's id and 0 elsewhere: the zeros strike out all rows but one. The product
# multiplies all numbers of the table to fetch a single row of it.

# %% [markdown]
# **2. The riddle.** (★★☆, 10 min) The famous riddle: which tokens are nearest to king - man +
# woman? Give the labels of the first *three*, by cosine, before you believe what you have read
# about the riddle.
#
# <details><summary>Hint</summary>
#
# The cosine is the dot product over both lengths. `np.argsort(-cosines)[:3]` gives the ids,
# `views.token_labels` their labels.
#
# </details>

# %%
# solution: answer = ["...", "...", "..."]
[man], [woman] = tokenizer.encode(" man"), tokenizer.encode(" woman")
mixed = wte[king] - wte[man] + wte[woman]  # [n_embd]
cosines = wte @ mixed / (np.linalg.norm(wte, axis=1) * np.linalg.norm(mixed))  # [n_vocab]
answer = views.token_labels(tokenizer, np.argsort(-cosines)[:3].tolist())
print(answer)
# end of solution
check("03.2", answer)

# %% [markdown] tags=["solution"]
# The riddle is usually told with the words of the question left out, which would else come first.
# And before one admires the answer, one should see which token is nearest to `·king` without any
# arithmetic.

# %% [markdown]
# **3. One table for two.** (★☆☆, 5 min) How many numbers does it save GPT-2 (small) that the output
# table is the input table? And what share of the whole model is that, as a number between 0 and 1?
#
# <details><summary>Hint</summary>
#
# `gptlite.GPTConfig.preset("gpt2")` has `n_vocab`, `n_embd` and `n_params`.
#
# </details>

# %%
# solution: answer = (..., ...)
small = gptlite.GPTConfig.preset("gpt2")
table = small.n_vocab * small.n_embd
answer = (table, table / small.n_params)
# end of solution
check("03.3", answer)

# %% [markdown] tags=["solution"]
# One table of 50,257 x 768, 38,597,376 numbers: the model would have 31 % more.

# %% [markdown]
# **4. One block fewer.** (★★☆, 8 min) Switch off the last block (with `edits`, multiply what its
# attention and its MLP add by 0). The row of which block in the logit lens does the model say now?
#
# <details><summary>Hint</summary>
#
# `Trace(edits={"h.0.attn.out": 0})` multiplies that array by 0. The lens has a row for the
# embedding, then one for each block: `lens.texts[i + 1]` is that of block i.
#
# </details>

# %%
# solution: answer = ...
last = model.config.n_layer - 1
shorter = Trace(edits={f"h.{last}.attn.out": 0, f"h.{last}.mlp.out": 0})
said = model(ids, trace=shorter)[0].argmax(axis=-1)  # [seq]
labels = views.token_labels(tokenizer, said.tolist())
answer = next(i for i in range(model.config.n_layer) if labels == lens.texts[i + 1])
# end of solution
check("03.4", answer)

# %% [markdown] tags=["solution"]
# The row of the block below the last: the lens *is* the model with the blocks above left out.

# %% [markdown]
# **5. Without positions.** (★★★, 12 min) Is the model blind to order without `wpe`? Give it "the
# dog saw the cat and" and "the cat saw the dog and", each after `<|endoftext|>`, with the tokens'
# rows alone for an embedding. Is the last position the same in both, (1) after block 0, and (2) at
# the top?
#
# <details><summary>Hint</summary>
#
# An edit may be an array: `Trace(edits={"embed": wte[ids][None]})`. Compare `trace["h.0.out"][0,
# -1]` of both calls, up to 0.001 or so.
#
# </details>

# %%
# solution: answer = (..., ...)  # True or False, twice
orders = []
for animals in ("dog saw the cat", "cat saw the dog"):
    unplaced = [tokenizer.eot, *tokenizer.encode(f"the {animals} and")]
    orders.append(Trace(edits={"embed": wte[unplaced][None]}))
    model(unplaced, trace=orders[-1])
first, second = orders
top = f"h.{model.config.n_layer - 1}.out"
answer = tuple(
    np.allclose(first[name][0, -1], second[name][0, -1], atol=1e-3) for name in ("h.0.out", top)
)
# end of solution
check("03.5", answer)

# %% [markdown] tags=["solution"]
# After block 0 the two agree: the last position sees the same set of tokens. At the top they
# differ: the mask lets each position see only those to its left, so the vectors in between already
# depend on the order, and block 1 reads those. The mask alone tells something about the order.
