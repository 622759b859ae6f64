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
# # 7. The official weights
#
# In 2019 OpenAI published GPT-2 in four sizes: the trained parameters, in files that anyone may
# download. This notebook opens such files, and their predecessor GPT-1.
#
# **Minutes:** 20, and 30 for the exercises. **Needs:** notebook 5. **Optional:** no later notebook
# needs it.
#
# Afterwards you can
#
# - say what changed from GPT-1 to GPT-2, and what that does to the stream and to the gradients;
# - open a file of weights: what its arrays are called, which shapes they have, how large it is;
# - say how a file is checked before it is believed, and why the length is not enough.
#
# It goes with "Transformers for Language Modeling" and "You've Made It!" in [The Illustrated
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
import hashlib
import inspect
import math
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from gptlite import GPT, CheckpointError, GPTConfig, views
from gptlite.block import decoder_block
from gptlite.checkpoints.names import openai_name
from gptlite.config import PRESETS, parameter_shapes
from gptlite.download.official import SOURCES, canonical_name
from gptlite.download.places import find_model
from gptlite.generate import generate
from gptlite.gpt1 import post_norm_block
from gptlite.layers import softmax
from gptlite.training.gradients import loss_and_gradients
from gptlite.views.table import Table

# %% [markdown]
# This notebook downloads nothing. If OpenAI's smallest model is on this machine already, it is
# used; if not, a model of the same shape with random numbers takes its place, which is enough for
# everything but the text. To have the real one, run once, in a shell,
# `python -m gptlite.download gpt2` (548 MB), and then this notebook again.

# %%
is_real = find_model("gpt2") is not None
if is_real:
    model, tokenizer = gptlite.load("gpt2")
    print("OpenAI's gpt2 is on this machine: the weights are real.")
else:
    model = GPT.init(GPTConfig.preset("gpt2"), seed=0)
    print("gpt2 is not on this machine: RANDOM weights of its shape are used instead.")

# %% [markdown]
# ## Four sizes
#
# Article: "Transformers for Language Modeling"
#
# The sizes differ in the number of blocks and in the width of the stream; the number of heads grows
# with the width. Notebook 5 has the table (`views.four_sizes()` prints it) and counts every
# parameter.
#
# **Guess first:** from the smallest to the largest, four times as many blocks and about twice the
# width. How many times as many parameters?

# %%
n_params = sum(array.size for array in model.parameters.values())
largest = PRESETS["gpt2-xl"].n_params
print(f"{n_params:,} parameters in memory; gpt2-xl has {largest / n_params:.1f} times as many")

# %% [markdown]
# A block has four matrices whose sizes all grow with the square of the width, 12 times the square
# in all; so the blocks grow by 4 × 2² or so, while the embeddings only double.

# %% [markdown]
# ## From GPT-1 to GPT-2
#
# GPT-2's parent is GPT-1, of 2018: `gptlite.load("openai-gpt")`. Both are stacks of twelve decoder
# blocks, 768 wide, with the same attention and the same MLP. What changed in the block is where the
# layer norms stand. Here are both functions, as gptlite has them, without their docstrings:


# %%
def body(function):
    lines = inspect.getsource(function).splitlines()
    after_docstring = [i for i, line in enumerate(lines) if line.strip().endswith('"""')][-1]
    code = lines[after_docstring + 1 :]
    return [line.strip().partition("  #")[0] for line in code]


for function in (post_norm_block, decoder_block):
    print(function.__name__, *body(function), sep="\n    ", end="\n\n")

# %% [markdown]
# GPT-1 adds and then normalises: the stream itself goes through two norms in every block
# (**post-norm**, as in the transformer of 2017). GPT-2 normalises what a branch reads and leaves
# the stream alone (**pre-norm**), so that one more norm is needed at the top, `ln_f`.
#
# **Guess first:** what does that do to the size of the numbers in the stream, from block to block?
# And to the gradients with which training begins? Two models with random weights, alike but for
# the place of their norms, show it:

# %%
sizes = {"n_vocab": 500, "n_ctx": 64, "n_embd": 128, "n_head": 4, "n_layer": 12}
ids = np.random.default_rng(0).integers(500, size=(4, 64))  # [batch, seq]
stream, slope = {}, {}
for name, post_norm in (("GPT-1", True), ("GPT-2", False)):
    stack = GPT.init(GPTConfig(**sizes, post_norm=post_norm), seed=0)
    trace = gptlite.Trace()
    stack(ids, trace=trace)
    _, gradients = loss_and_gradients(stack, ids[:, :-1], ids[:, 1:])
    stream[name] = [float(trace[f"h.{i}.out"].std()) for i in range(12)]
    matrices = [gradients[f"h.{i}.mlp.c_proj.weight"] for i in range(12)]
    slope[name] = [float(np.linalg.norm(matrix)) for matrix in matrices]
columns = ["block", "stream, GPT-1", "GPT-2", "gradient, GPT-1", "of GPT-2"]
rows = [
    [i, stream["GPT-1"][i], stream["GPT-2"][i], slope["GPT-1"][i], slope["GPT-2"][i]]
    for i in range(12)
]
Table("Before any training", columns, rows, digits=3)

# %% [markdown]
# In GPT-1 every block hands on numbers of size 1; the little that a branch adds counts little, and
# its gradients (here of each block's last matrix) are small. In GPT-2 nothing normalises the stream
# itself: each block adds its share, and the stream grows. A branch reads the stream enlarged to
# size 1 and adds to small numbers, so its gradients are more than twenty times as large. They come
# back down a row of sums, which pass them on unchanged; in GPT-1 they come through 24 norms. With
# twelve blocks both can be trained. The deeper the stack, the more it matters: post-norm stacks
# need a careful warm-up of the learning rate (Xiong et al. 2020), and GPT-2 and GPT-3 are pre-norm.
#
# The rest of the way from GPT-1 to GPT-2 is data and size:

# %%
gpt1 = GPTConfig(n_vocab=40478, n_ctx=512, post_norm=True)
gpt2 = PRESETS["gpt2"]
rows = [
    ["parameters", f"{gpt1.n_params:,}", f"{gpt2.n_params:,}"],
    ["layer norms", "after each sum", "before each branch, and one at the top"],
    ["context", f"{gpt1.n_ctx} tokens", f"{gpt2.n_ctx:,} tokens"],
    ["vocabulary", f"{gpt1.n_vocab:,}: lower case, </w> ends a word", f"{gpt2.n_vocab:,}: bytes"],
    ["end of a text", "has no token", "<|endoftext|>"],
    ["trained on", "7,000 unpublished books", "8 million pages of the web"],
]
Table("GPT-1 and the smallest GPT-2", ["", "GPT-1", "GPT-2"], rows)

# %% [markdown]
# Both side by side, with the same beginning, if they are on this machine (`python -m
# gptlite.download openai-gpt` fetches GPT-1, some 480 MB). GPT-1 goes on as the novels do that it
# has read, in lower case; it has no token that would end a text.

# %%
for name in ("openai-gpt", "gpt2"):
    if find_model(canonical_name(name)) is None:
        print(f"{name} is not on this machine")
    else:
        either, its_tokenizer = gptlite.load(name)
        print(f"{name}:", generate(either, its_tokenizer, "The robot said", 30, temperature=0))

# %% [markdown]
# ## Names and shapes
#
# Article: "You've Made It!"
#
# A file of weights is a list of named arrays, and nothing else: no program, no drawing of the
# network. Two families of names are around. OpenAI's TensorFlow checkpoints say
# `model/h0/attn/c_attn/w`; the files on Hugging Face's hub say `h.0.attn.c_attn.weight`, and so
# does gptlite. Here is one block, and the arrays outside the blocks.

# %%
shapes = parameter_shapes(PRESETS["gpt2"])
once = [name for name in shapes if name.startswith("h.0.") or not name.startswith("h.")]
Table(
    "gpt2: block 0, and what is there once",
    ["on the hub, and in gptlite", "in OpenAI's files", "shape"],
    [[name, openai_name(name), views.sizes.shape_text(shapes[name])] for name in once],
    f"{len(shapes)} arrays in all: 12 for each of 12 blocks, and 4.",
)

# %% [markdown]
# Three things that surprise people who open such a file:
#
# - There is no output matrix. The logits are products with `wte`, the input embedding (tied
#   weights).
# - `c_attn` makes query, key and value in one multiplication: its 2,304 columns are 3 × 768.
# - A layer is stored as `[n_in, n_out]`, so that `x @ weight` is all there is to it. PyTorch's
#   own linear layers have it the other way round, and files from nanoGPT or llm.c are therefore
#   transposed as they are read. All of that can be seen in the shapes, which are the same for
#   real weights and random ones.

# %%
expected = {name: list(shape) for name, shape in shapes.items()}
found = {name: list(array.shape) for name, array in model.parameters.items()}
print("every array has the shape its name promises:", found == expected)
print("all are float32:", {str(array.dtype) for array in model.parameters.values()} == {"float32"})

# %% [markdown]
# The numbers tell whether weights are real or random. Random ones form a bell, with the width they
# were drawn with, 0.02. Training widens the bell and gives it long tails, a few weights that matter
# a lot: see the storyteller's.

# %%
storyteller = gptlite.load()[0]
name = "h.0.attn.c_attn.weight"
both = {"storyteller, trained": storyteller, f"gpt2, {'real' if is_real else 'random'}": model}
ax = plt.subplots(figsize=(7, 2.8), layout="constrained")[1]
for (label, which), style in zip(both.items(), ("-", ":"), strict=True):
    ax.hist(
        which.parameters[name].ravel(),
        bins=np.linspace(-0.5, 0.5, 201),
        density=True,
        histtype="step",
        linestyle=style,
        color="#084594",
        label=label,
    )
ax.set(yscale="log", xlabel=name, ylabel="density")
ax.spines[["top", "right"]].set_visible(False)
_ = ax.legend(frameon=False)

# %% [markdown]
# ## How large are the files?
#
# **Guess first:** OpenAI's file `model.ckpt.data-00000-of-00001` for the smallest model holds the
# numbers one after the other, in float32, without gaps. How many bytes long is it?

# %%
hub, openai = SOURCES["gpt2"]
on_openai, on_hub = openai.files[-1], hub.files[-1]
print(f"{on_openai.name}: {on_openai.size:,} bytes; 4 × {n_params:,} = {4 * n_params:,}")
print(f"{on_hub.name}: {on_hub.size:,} bytes")

# %% [markdown]
# The hub's file of the very same weights is 50 MB longer. What else is in it? For each of 12 blocks
# somebody saved the causal mask as well, the triangle of 1,024 × 1,024 zeros and ones, as float32.
# It is not a weight, nothing was learned there, and gptlite skips it. The little that is left is
# the table of contents.

# %%
masks = 12 * 1024 * 1024 * 4
rest = on_hub.size - 4 * n_params - masks
Table(
    on_hub.name,
    ["part", "bytes"],
    [["weights", 4 * n_params], ["12 masks", masks], ["table of contents", rest]],
    bar="bytes",
)

# %% [markdown]
# ## Memory
#
# Article: "What is a Language Model"
#
# A number takes four bytes in float32, two in float16. (The article says 500 MB for the smallest,
# and more than 6.5 GB for the largest: the numbers of the largest alone take 6.23.)

# %%
rows = [
    [name, 4 * config.n_params / 1e9, 2 * config.n_params / 1e9] for name, config in PRESETS.items()
]
Table(
    "Weights in memory", ["model", "float32, GB", "float16, GB"], rows, bar="float32, GB", digits=2
)

# %% [markdown]
# `gptlite.load("gpt2-xl", dtype="float16")` keeps the matrices in half precision and computes in
# float32 all the same: each matrix is widened, piece by piece, as it is used. That saves memory and
# costs time. What does it do to the answer? A float16 has 11 binary digits, so each weight is off
# by up to one part in two thousand. The storyteller's file is in float16 anyway, so we round the
# GPT-2 at hand.


# %%
def in_half(model: GPT) -> GPT:
    """Make the same model with its matrices in float16."""
    halved = {
        name: array.astype(np.float16) if array.ndim == 2 else array
        for name, array in model.parameters.items()
    }
    return GPT(model.config, halved)


# "Alan Turing theorized that computers would one day become", in GPT-2's tokens: as published,
# without <|endoftext|> in front, which all our own texts have.
PROMPT = [36235, 39141, 18765, 1143, 326, 9061, 561, 530, 1110, 1716]
half = in_half(model)
held = [sum(a.nbytes for a in m.parameters.values()) / 1e9 for m in (model, half)]
print(f"{held[0]:.2f} GB and {held[1]:.2f} GB")
logits = model(PROMPT)[0]  # [seq, n_vocab]
difference = np.abs(half(PROMPT)[0] - logits).max() / np.ptp(logits)
print(f"the logits differ by less than a hundredth of their range: {difference < 0.01}")

# %% [markdown]
# ## Where weights come from, and why to check them
#
# Half a gigabyte comes over a network from somebody else's machine. It may be cut short, damaged,
# exchanged, or made to do harm. gptlite knows two places, and what the files there must be:

# %%
rows = [
    [source.owner, file.name, f"{file.size:,}" if file.size else "", (file.checksum or "")[:12]]
    for source in SOURCES["gpt2"]
    for file in source.files
]
Table(
    "gpt2, from either of two sources",
    ["owner", "file", "bytes", "sha256 begins"],
    rows,
    "The vocabulary is the same file under two names. Where no checksum is published, what is "
    "in the file is checked.",
)

# %% [markdown]
# A sha256 is 64 hexadecimal digits that stand for a whole file. Nobody knows how to make another
# file with the same digits, and the smallest change gives entirely different digits:

# %%
for text in (b"Once upon a time", b"Once upon a time."):
    print(hashlib.sha256(text).hexdigest()[:32], "...", text.decode())

# %% [markdown]
# A download is written under another name, checked whole, and only then gets its own. So a file
# that is there is complete. OpenAI's checkpoints come with a second safety net: a checksum
# (CRC-32C) of every tensor. To see it at work we write a small model in OpenAI's form, and change
# one bit of its 32,512 bytes.

# %%
tiny = GPT.init(GPTConfig(n_vocab=64, n_ctx=32, n_embd=16, n_head=2, n_layer=2))
with tempfile.TemporaryDirectory() as folder:
    tiny.save_pretrained(folder, format="openai")
    for path in sorted(Path(folder).iterdir()):
        print(f"{path.name:31} {path.stat().st_size:>6,} bytes")
    again = GPT.from_pretrained(folder)
    same = all((again.parameters[n] == tiny.parameters[n]).all() for n in tiny.parameters)
    print("read back, every number the same:", same)

    data = Path(folder) / "model.ckpt.data-00000-of-00001"
    damaged = bytearray(data.read_bytes())
    damaged[1000] ^= 1
    data.write_bytes(damaged)
    try:
        GPT.from_pretrained(folder)
    except CheckpointError as error:
        print("CheckpointError:", str(error).replace(folder, "").lstrip("/"))

# %% [markdown]
# The third danger is a file that *does* something. PyTorch's older files are Python pickles,
# which are programs: to load one is to run it. gptlite reads them as data, understands the few
# instructions that describe an array, and refuses all others.
#
# ## What it says
#
# Article: "Crash Course in Brain Surgery: Looking Inside GPT-2"
#
# With random weights every token is about as likely as any other, and the loss is the logarithm
# of the vocabulary: the start of every training (notebook 8). The two lines below are for the
# random model; with the real one the loss is far lower.

# %%
probabilities = softmax(logits)  # [seq, n_vocab]
targets = PROMPT[1:]
loss = -np.log(probabilities[np.arange(len(targets)), targets]).mean()
if is_real:
    print(f"loss {loss:.2f} nats per token")
else:
    print(f"loss {loss:.0f} nats per token; ln(50,257) = {math.log(50257):.0f}")
    print(f"the most likely token has a probability below 1 %: {probabilities[-1].max() < 0.01}")

# %% [markdown]
# And what does the real one say? These continuations were published by other projects that run the
# same weights and take the most likely token each time (greedy). Any program that computes GPT-2
# must give them to the letter; `pytest -m weights` holds gptlite to these and more. (They were made
# without `<|endoftext|>` in front of the prompt, and so are ours below.)

# %%
PUBLISHED = {
    "Alan Turing theorized that computers would one day become": (
        "picoGPT",
        " the most powerful machines on the planet.\n\nThe computer is a machine that can perform "
        "complex calculations, and it can perform these calculations in a way that is very "
        "similar to the human brain.\n",
    ),
    "I enjoy walking with my cute dog": (
        "Hugging Face's blog",
        ", but I'm not sure if I'll ever be able to walk with my dog. I'm not sure if I'll ever "
        "be able to walk with my dog.\n\nI'm not sure if I'll",
    ),
    "The dog": (
        "transformers' tests",
        " was found in a field near the intersection of West and West Streets.\n\nThe dog",
    ),
}
for prompt, (source, continuation) in PUBLISHED.items():
    print(f"[{source}] {prompt} ->{continuation.rstrip()}\n")

# %% [markdown]
# The next cell makes them anew where the real weights are, and is silent where they are not.

# %%
if is_real:
    for prompt, (_, continuation) in PUBLISHED.items():
        n_new = len(tokenizer.encode(continuation))
        told = generate(model, tokenizer, prompt, n_new, temperature=0)
        print("as published:", told == continuation, "|", prompt)

# %% [markdown]
# All three are good English, and two go in circles or nearly: that is what always taking the most
# likely token leads to, in a model of any size (notebook 6). None of it is knowledge you may rely
# on.
#
# One forward pass gives a choice after *every* position. These choices are published as well, for
# the prompt about Turing and one token more. Greedy, the model would have gone on quite differently
# after most of the prefixes:

# %%
CHOICES = [11, 11, 1143, 326, 262, 714, 307, 1110, 307, 262, 749]
WORDS = ["Alan", " Turing", " theor", "ized", " that", " computers", " would", " one", " day"]
WORDS += [" become", " the"]
GIST = [",", ",", "ized", " that", " the", " could", " be", " day", " be", " the", " most"]
labels = [views.token_label(word.encode()) for word in WORDS]
choices = [views.token_label(word.encode()) for word in GIST]
rows = [list(row) for row in zip(labels, choices, map(str, CHOICES), strict=True)]
view = Table("The most likely next token", ["after", "is", "id"], rows)
if is_real:
    assert model([*PROMPT, 262])[0].argmax(axis=-1).tolist() == CHOICES
view

# %% [markdown]
# ## Exercises
#
# Each has stars for its difficulty, minutes, a hint, and a cell to work in: put your answer in
# place of the `...`, run the cell, and the check says whether it is right. The check asks the
# storyteller itself where an answer depends on it.

# %%
from gptlite.exercises import check

# %% [markdown]
# **1. Wider or higher.** (★★☆, 6 min) Take the parameters of the blocks alone, as many as gpt2 has.
# By which factor do they grow if (1) the width is doubled, and (2) the number of blocks is doubled?
#
# <details><summary>Hint</summary>
#
# A block has about $12 d^2$ numbers.
#
# </details>


# %%
# solution: answer = (..., ...)
def in_blocks(width, n_blocks):
    """Count the parameters of a stack of blocks."""
    return n_blocks * (12 * width**2 + 13 * width)


answer = (in_blocks(1536, 12) / in_blocks(768, 12), in_blocks(768, 24) / in_blocks(768, 12))
# end of solution
check("07.1", answer)

# %% [markdown] tags=["solution"]
# About four, and two: matrices grow with the square of the width. So the largest model, 2.1 times
# as wide and four times as high as the smallest, has about 17 times as many numbers in its blocks.

# %% [markdown]
# **2. What fits.** (★☆☆, 5 min) Which of the four sizes can a machine with 4 GB of free memory hold
# in float32, and which in float16? Give two lists of names, smallest first.
#
# <details><summary>Hint</summary>
#
# `PRESETS` has the four sizes by name; a GB is 10⁹ bytes.
#
# </details>

# %%
# solution: answer = [[...], [...]]
answer = [
    [name for name, c in PRESETS.items() if bytes_per_number * c.n_params < 4e9]
    for bytes_per_number in (4, 2)
]
# end of solution
check("07.2", answer)

# %% [markdown] tags=["solution"]
# In float32 up to gpt2-large, with 3.1 GB, if little else is needed; in float16 gpt2-xl too.

# %% [markdown]
# **3. Another table of contents.** (★★☆, 6 min) The file on the hub for gpt2-medium has
# 1,519,984,962 bytes. How many of them are its table of contents?
#
# <details><summary>Hint</summary>
#
# As for the smallest model: take away the weights, and one mask for each block.
#
# </details>

# %%
# solution: answer = ...
medium = SOURCES["gpt2-medium"][0].files[-1]
answer = medium.size - 4 * PRESETS["gpt2-medium"].n_params - 24 * 1024 * 1024 * 4
print(f"{answer:,} bytes against {rest:,}")
# end of solution
check("07.3", answer)

# %% [markdown] tags=["solution"]
# Take away the weights and 24 masks: the rest is about twice as long as the smallest model's table,
# for twice as many arrays.

# %% [markdown]
# **4. Heads.** (★★☆, 5 min) All four models have heads of the same width. What is it? And is it, or
# the number of heads, in the shape of any array, True or False?
#
# <details><summary>Hint</summary>
#
# Divide the width by the number of heads. Compare `parameter_shapes` of two configurations that
# differ in `n_head` alone.
#
# </details>

# %%
# solution: answer = (..., ...)
[width] = {config.head_dim for config in PRESETS.values()}
other = GPTConfig(n_vocab=64, n_ctx=32, n_embd=16, n_head=4, n_layer=2)
answer = (width, parameter_shapes(other) != parameter_shapes(tiny.config))
# end of solution
check("07.4", answer)

# %% [markdown] tags=["solution"]
# 64 numbers, the width divided by the heads. No array shows it: `c_attn` has `3 d` columns however
# they are shared out. So the number of heads has to be given in `config.json` or `hparams.json`
# (*hparams* is short for hyper-parameters); with another number the file would load, and the model
# would talk nonsense.

# %% [markdown]
# **5. One bit.** (★★☆, 6 min) Why is it not enough that a file has the right length? Flip bit 30 of
# the float32 number 0.1 (the sign is bit 31). What number comes out?
#
# <details><summary>Hint</summary>
#
# `array.view(np.uint32)` reads the same bits as whole numbers; `^` flips bits.
#
# </details>

# %%
# solution: answer = ...
bits = np.array([0.1], np.float32).view(np.uint32)  # [1]
answer = float((bits ^ np.uint32(1 << 30)).view(np.float32)[0])
print(f"{answer:.1e}")
# end of solution
check("07.5", answer)

# %% [markdown] tags=["solution"]
# One wrong bit in half a gigabyte leaves the length as it is. In the sign of one weight it would
# hardly be noticed; in its exponent it turns 0.1 into 10³⁷, and every answer into nonsense.
