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
# # 8. Pre-training from scratch
#
# A language model starts as random numbers and becomes what it is by predicting the next token of
# raw text, over and over. Here you train one, in seconds, on a language whose limit is known.
#
# **Minutes:** 30, and 35 for the exercises. **Needs:** notebooks 1 and 4; what a derivative is.
# **Core.** (Notebooks 8b and 8c open what is taken from gptlite here: the gradients, and the
# optimiser.)
#
# Afterwards you can
#
# - say what the loss of an untrained model must be, and find mistakes in a training program by
#   that;
# - check a gradient by small steps, and write the loop of training;
# - tell learning from learning by heart, and compare models with different vocabularies in bits per
#   byte.
#
# It goes with "The Illustrated Masked Self-Attention" and "What is a Language Model" in [The
# Illustrated GPT-2](https://jalammar.github.io/illustrated-gpt2/).
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

import numpy as np
from IPython.display import HTML
from tqdm import tqdm

from gptlite import GPT, GPTConfig, Tokenizer, views
from gptlite.fast.threads import blas_threads
from gptlite.generate import generate
from gptlite.layers import softmax
from gptlite.sampling import log_softmax
from gptlite.training.gradients import loss_and_gradients
from gptlite.training.losses import bits_per_byte, next_token_losses
from gptlite.training.optimizer import (
    BETA_1,
    BETA_2,
    EPSILON,
    Moments,
    adamw_step,
    global_norm,
    learning_rate_at,
)

# %% [markdown]
# ## A language whose limit we know
#
# Real text has no known limit: nobody can say how well the next word of a book could be predicted
# at best. So we make a language. Every sentence has five places that hold one of eight words, each
# equally likely, whatever stands around it. And there is one rule: `he` or `she` has to fit the
# person at the beginning of the sentence, six tokens back.

# %%
ADJECTIVES = ["old", "young", "brave", "clever", "poor", "proud", "gentle", "lazy"]
PEOPLE = {"king": "he", "prince": "he", "tailor": "he", "boy": "he"}
PEOPLE |= {"queen": "she", "princess": "she", "witch": "she", "girl": "she"}
VERBS = ["saw", "heard", "found", "called", "caught", "loved", "feared", "followed"]
ANIMALS = ["fox", "wolf", "bear", "raven", "hare", "goose", "frog", "cat"]
ENDS = ["laughed", "wept", "sang", "danced", "slept", "smiled", "sneezed", "ran"]


def sentence(rng: np.random.Generator) -> str:
    """Draw one sentence of the toy language."""
    places = [ADJECTIVES, list(PEOPLE), VERBS, ANIMALS, ENDS]
    adjective, person, verb, animal, end = (words[rng.integers(8)] for words in places)
    return f"The {adjective} {person} {verb} the {animal}, and {PEOPLE[person]} {end}.\n"


rng = np.random.default_rng(0)
training_text = "".join(sentence(rng) for _ in range(3000))
validation_text = "".join(sentence(rng) for _ in range(100))
print(training_text[:230])

# %% [markdown]
# **Guess first:** how many bits of surprise are in one sentence, for a reader who knows the
# language perfectly? Five free choices among eight words; everything else, the pronoun too, is
# certain.

# %%
bits_per_sentence = 5 * math.log2(8)
bytes_per_sentence = len(training_text.encode()) / 3000
print(f"{bits_per_sentence:.0f} bits in a sentence of {bytes_per_sentence:.1f} bytes on average")
print(f"the limit: {bits_per_sentence / bytes_per_sentence:.3f} bits per byte")

# %% [markdown]
# A vocabulary is learned from the text (notebook 2 shows how). In this small world every word ends
# up as one token, including its space. (The text is one long document, whose sentences end with a
# line break; so there is no `<|endoftext|>` in it, nor in front of what the model is asked.)

# %%
tokenizer = Tokenizer.train([training_text], 480)
tokens = np.array(tokenizer.encode(training_text))  # [n]
print(f"{tokenizer.n_vocab} tokens in the vocabulary, {len(tokens):,} in the text")
views.tokens(tokenizer, "The old witch saw the fox, and she laughed.\n")

# %% [markdown]
# ## The examples are in the text
#
# Article: "The Illustrated Masked Self-Attention"
#
# Nobody labels anything: learning is **self-supervised**. Each prefix is a question and the token
# after it the answer (notebook 1 has the table), and because of the mask one pass over a sequence
# asks all of them at once: a sequence of 12 tokens is 11 examples.

# %% [markdown]
# ## The loss of a model that knows nothing
#
# Article: "What is a Language Model"
#
# The loss (**cross-entropy**) is minus the logarithm of the probability that the model gave to the
# token that really came next: 0 if the model was certain and right, large if it was surprised. The
# natural logarithm gives nats, base 2 gives bits.
#
# **Guess first:** before any training all tokens are about equally likely. What is the loss then?

# %%
config = GPTConfig(n_vocab=tokenizer.n_vocab, n_ctx=24, n_embd=64, n_head=4, n_layer=2)
model = GPT.init(config, seed=0)

validation = tokenizer.encode(validation_text)
start = next_token_losses(model, validation).mean()
print(f"{config.n_params:,} parameters")
print(f"loss at the start {start:.1f} nats, ln({config.n_vocab}) = {math.log(config.n_vocab):.1f}")

# %% [markdown]
# This is also a cheap test of a training program: a loss at the start far above the logarithm of
# the vocabulary means that the weights begin too large, a loss far below it that the model can see
# the token that it should predict.
#
# ## The gradient, by hand
#
# Learning means changing each parameter a little in the direction that lowers the loss. The
# derivative of the loss with respect to the parameter gives that direction, and gptlite computes
# all the derivatives by walking the forward pass backwards, layer by layer. This is
# **back-propagation**, and notebook 8b writes all of it. (In `gptlite/training/`, `gradients.py`
# walks down the stack, `block_backward.py` through a block, and `backward.py` through each layer.)
# It starts at the logits, where the derivative is famously plain: the probabilities, less 1 at the
# right token. Every token's logit is pushed down by as much as the model believed in the token; the
# right one's is pushed up.

# %%
logits = np.array([2.0, 1.0, 0.0, -1.0], np.float32)  # [n_vocab], four tokens for once
right = 1


def loss_of(logits: np.ndarray) -> float:
    """Minus the log-probability of the right token, in nats."""
    return -float(np.log(softmax(logits)[right]))


by_formula = softmax(logits) - np.eye(4, dtype=np.float32)[right]  # [n_vocab]
step = 1e-2
by_steps = [
    (loss_of(logits + step * unit) - loss_of(logits - step * unit)) / (2 * step)
    for unit in np.eye(4, dtype=np.float32)
]
for name, numbers in {"formula": by_formula, "steps": by_steps}.items():
    print(f"{name:8}", " ".join(f"{n:6.2f}" for n in numbers), f"  sum {sum(numbers):.2f}")

# %% [markdown]
# The same check on the whole model, for all parameters at once: take a small step along the
# gradient and one back, and the loss has to change by as much as the gradient's own length says.


# %%
def batch(rng: np.random.Generator, tokens: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut windows at random places; give them and their next tokens: [rows, n_ctx] each."""
    starts = rng.integers(len(tokens) - config.n_ctx, size=(rows, 1))
    windows = tokens[starts + np.arange(config.n_ctx + 1)]  # [rows, n_ctx + 1]
    return windows[:, :-1], windows[:, 1:]


inputs, targets = batch(rng, tokens, 8)
loss, gradients = loss_and_gradients(model, inputs, targets)
length = global_norm(gradients)  # of all gradients, laid end to end


def loss_after(distance: float) -> float:
    """Measure the loss after a step of that length along the gradient."""
    moved = {n: p + distance / length * gradients[n] for n, p in model.parameters.items()}
    return loss_and_gradients(GPT(config, moved), inputs, targets)[0]


slope = (loss_after(0.005) - loss_after(-0.005)) / 0.01
print(f"measured slope / length of the gradient = {slope / length:.2f}")

# %% [markdown]
# Where does the gradient go? Here is its share in each part of the model, at the start: no part is
# left out. The token embedding gets its share twice: it is the first thing that the tokens meet
# and, as the output embedding, also the last.

# %%
parts = {"wte": "wte", "wpe": "wpe", "block 0": "h.0.", "block 1": "h.1.", "ln_f": "ln_f"}
total = length**2
rows = []
for part, prefix in parts.items():
    squared = sum(float(np.vdot(g, g)) for n, g in gradients.items() if n.startswith(prefix))
    rows.append([part, squared / total])
share = views.table.Table("Where the gradient is", ["part", "share"], rows, bar="share", digits=2)
share

# %% [markdown]
# ## AdamW
#
# Plain gradient descent moves each parameter in proportion to its gradient, which is too much for
# some and too little for others. Adam keeps two running means for each parameter, of the gradient
# and of its square, and divides the first by the root of the second: a parameter whose gradient
# always points the same way moves by the full **learning rate** (the length of a step, a
# hyper-parameter), a parameter whose gradient keeps changing sign hardly moves. The W: weights also
# shrink a little at every step (**weight decay**). Notebook 8c builds it piece by piece.


# %%
def adamw(p, g, mean, square, step, rate, decay):
    """Take one step as in the paper; give the new parameter and its two running means."""
    mean = BETA_1 * mean + (1 - BETA_1) * g
    square = BETA_2 * square + (1 - BETA_2) * g * g
    unbiased_mean = mean / (1 - BETA_1**step)  # corrects for means that began at 0
    unbiased_square = square / (1 - BETA_2**step)
    p = p - rate * decay * p
    return p - rate * unbiased_mean / (np.sqrt(unbiased_square) + EPSILON), mean, square


name = "h.0.mlp.c_fc.weight"
p, g = model.parameters[name], gradients[name]
ours = adamw(p, g, np.zeros_like(p), np.zeros_like(p), step=1, rate=1e-3, decay=0.1)
theirs, moments = p.copy(), Moments(np.zeros_like(p), np.zeros_like(p))
adamw_step(theirs, g, moments, step=1, learning_rate=1e-3, weight_decay=0.1)  # in place
print("the same as gptlite's:", np.allclose(ours[0], theirs, atol=1e-6))
moved = np.abs(ours[0] - p)
print(f"the first step moves each weight by about the learning rate: {np.median(moved):.4f}")

# %% [markdown]
# ## The loop
#
# That is all there is: a batch, its loss and gradients, one step of AdamW; and again. There are two
# precautions: gradients that are too long together are shortened (gradient clipping), and the
# learning rate rises for a few steps (warm-up), then falls to 0 along half a cosine. Every ten
# steps the model is measured on sentences it never learns from, place by place.


# %%
LINE_FEED = tokenizer.encode("\n")
PLACES = {"comma": 6, "animal": 5, "pronoun": 8}


def losses_by_place(model: GPT) -> np.ndarray:
    """Average the loss of unseen sentences at each of their 12 places: [12], in nats."""
    sentences = np.array(validation).reshape(-1, 12)  # [sentence, 12]
    before = np.tile(LINE_FEED, (len(sentences), 1))  # [sentence, 1]
    ids = np.hstack([before, sentences])  # [sentence, 13]
    told = log_softmax(model(ids[:, :-1]))  # [sentence, 12, n_vocab]
    return -np.take_along_axis(told, ids[:, 1:, None], axis=-1)[..., 0].mean(axis=0)  # [12]


def train(model: GPT, tokens: np.ndarray, n_steps: int, rows: int = 16, every: int = 10) -> list:
    """Train in place; give a log of the losses like the one of `python -m gptlite.pretrain`."""
    rng = np.random.default_rng(1)
    moments = {n: Moments(np.zeros_like(p), np.zeros_like(p)) for n, p in model.parameters.items()}
    log = []
    for step in tqdm(range(1, n_steps + 1), disable=None):
        # The matrices are so small that sharing them out over threads costs more than it gains.
        with blas_threads(1):
            loss, gradients = loss_and_gradients(model, *batch(rng, tokens, rows))
        if step == 1 or step % every == 0:
            places = losses_by_place(model)
            line = {"tokens": (step - 1) * rows * config.n_ctx, "loss": loss}
            log.append(line | {"validation_loss": float(places.mean()), "places": places})
        rate = learning_rate_at(step, n_steps, warm_up=20, peak=4e-3)
        clip = min(1.0, 1.0 / global_norm(gradients))
        for name, p in model.parameters.items():
            adamw_step(p, gradients[name], moments[name], step, rate, 0.1, clip)
    return log


# %% [markdown]
# One more thing before it starts, the **initialisation**. OpenAI's code draws the embeddings with a
# standard deviation of 0.02, for vectors of 768 numbers and very many steps. How long they are at
# the start is a hyper-parameter, one of those that are found by trying: with 64 numbers and 300
# steps, the model learns sooner if they begin five times as long. (Exercise 4 tries it without.)


# %%
def new_model() -> GPT:
    """Make an untrained model, always the same."""
    model = GPT.init(config, seed=0)
    for name in ("wte.weight", "wpe.weight"):
        model.parameters[name][:] *= 5
    return model


model, untrained = new_model(), new_model()
log = train(model, tokens, n_steps=300)
floor = 5 * math.log(8) / 12  # nats per token: five free choices in twelve tokens
print(f"loss at the end {log[-1]['validation_loss']:.2f} nats per token")
print(f"the limit of the language {floor:.2f}")

# %%
curve = views.loss_curve(log)
ax = curve.plot()
ax.axhline(floor, color="#888", linewidth=1)
ax.text(0, floor - 0.1, "the limit of the language", color="#555", va="top")
_ = ax.set_ylim(0)
# %% [markdown]
# The curve has the form of every pre-training curve: steep while the model learns which tokens
# there are and which follow which, then flat near the limit. With a book in place of the toy the
# fall never quite ends; with a toy it does, because only chance is left. The two lines lie on top
# of each other, for nothing can be learned by heart from a text that is read about three times.
#
# One curve hides several. Here are three places of the sentence, each by itself. The comma depends
# on little and is learned at once. The animal is a free choice, so its loss comes down to ln 8 and
# stays. The pronoun has to fit a person six tokens back: for a while the model only knows that it
# is one of two, at ln 2, and then, quite suddenly, attention finds the person. Many abilities of
# large models are thought to come in such steps, which the loss as a whole smooths over because
# there are so many of them.

# %%
import matplotlib.pyplot as plt

seen_tokens = [line["tokens"] for line in log]
by_place = np.array([line["places"] for line in log])  # [report, 12]
lines = {name: by_place[:, place].tolist() for name, place in PLACES.items()}
curve = views.curve.Curve(
    "Three places of a sentence",
    {name: (seen_tokens, losses) for name, losses in lines.items()},
    "tokens read",
    "loss, nats",
)
ax = curve.plot()
for height, name in ((math.log(8), "ln 8"), (math.log(2), "ln 2")):
    ax.axhline(height, color="#ccc", linewidth=1)
    ax.text(seen_tokens[-1], height, name, va="bottom", color="#555")
_ = ax.set_ylim(0)
# %% [markdown]
# ## Before and after
#
# (These two texts are sampled, and may differ in a word on another machine.)

# %%
for_reading = {}
for name, which in {"before": untrained, "after": model}.items():
    text = generate(which, tokenizer, "The", 23, temperature=1.0, top_k=0, seed=0)
    for_reading[name] = f"<b>{name}</b><pre>The{text.replace('<', '&lt;')}</pre>"
HTML("".join(for_reading.values()))

# %% [markdown]
# Is every sentence of the trained model a sentence of the language? A grammar is easy to check.

# %%
LANGUAGE = (set(ADJECTIVES), set(PEOPLE), set(VERBS), set(ANIMALS), set(ENDS))


def keeps_the_rules(line: str) -> bool:
    """Say whether a line is a sentence of the toy language, including its pronoun."""
    words = line.replace(",", "").rstrip(".").split(" ")
    if len(words) != 9 or (words[0], words[4], words[6]) != ("The", "the", "and"):
        return False
    free = words[1], words[2], words[3], words[5], words[8]
    known = all(word in words_there for word, words_there in zip(free, LANGUAGE, strict=True))
    return known and PEOPLE[words[2]] == words[7]


for name, which in {"before": untrained, "after": model}.items():
    lines = []
    for seed in range(50):
        line = generate(which, tokenizer, "The", 20, temperature=1.0, top_k=0, seed=seed, stop="\n")
        lines.append("The" + line)
    right_ones = sum(map(keeps_the_rules, lines))
    print(f"{name}: more than nine in ten sentences are right: {right_ones > 45}")

# %% [markdown]
# To get the pronoun right, the model has to look back past the fox to the person. Here are its
# answers after two prefixes that differ in one word, and the loss at each place of a sentence: high
# where the language is free, near zero where it is not.

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 2.2), layout="constrained")
for ax, person in zip(axes, ("prince", "princess"), strict=True):
    prefix = f"The old {person} saw the fox, and"
    table = views.next_token(model(tokenizer.encode(prefix)), tokenizer, top=3)
    table.title = prefix + " ..."
    table.plot(ax)
    ax.set_xlim(0, 1.15)

# %%
losses = losses_by_place(model)  # [12]
labels = [
    "The",
    "adject.",
    "person",
    "verb",
    "the",
    "animal",
    ",",
    "and",
    "he/she",
    "end",
    ".",
    "↵",
]
ax = plt.subplots(figsize=(8, 2.6), layout="constrained")[1]
ax.bar(labels, losses, color="#084594")
ax.axhline(math.log(8), color="#888", linewidth=1)
ax.set(ylabel="loss, nats")
ax.set_title("Where the surprise is (line: ln 8)", loc="left", fontsize=10)
ax.spines[["top", "right"]].set_visible(False)
free = " ".join(f"{loss:.1f}" for loss in losses[[1, 2, 3, 5, 9]])
print(f"ln 8 = {math.log(8):.1f}; the five free places: {free}")
print("the pronoun is nearly certain:", bool(losses[8] < 0.2))

# %% [markdown]
# ## Overfitting one batch
#
# The first thing to try with a new training program: give it one small batch, again and again. A
# model with more parameters than there are tokens must learn it by heart, so the loss must go to
# zero. If it does not, there is a mistake. The test also shows what learning by heart does to the
# loss on text that the model has not seen.

# %%
parrot = new_model()
few = tokens[: 12 * 12 + 1]  # twelve sentences
parrot_log = train(parrot, few, n_steps=200)
seen = float(next_token_losses(parrot, few).mean())
unseen = parrot_log[-1]["validation_loss"]
print(f"the limit of the language         {floor:.1f} nats")
print(f"on the twelve sentences: below half of the limit: {seen < floor / 2}")
print(f"on sentences it never saw: more than twice the limit: {unseen > 2 * floor}")

# %%
ax = views.loss_curve(parrot_log).plot()
ax.axhline(floor, color="#888", linewidth=1)
_ = ax.set_title("Twelve sentences by heart", loc="left", fontsize=10)
# %% [markdown]
# The training loss sinks below the limit of the language. That is impossible for a model that has
# only learned the language: the model knows the sentences themselves. The validation loss turns and
# rises: this is **overfitting**. So a model is measured on text that it never saw, and the
# storyteller's own figures come from texts that were left out.
#
# ## Bits per byte
#
# Nats per token cannot be compared between vocabularies: a larger vocabulary has longer tokens,
# each harder to guess. Bits per byte can, and a compressor would need just that many: the nats of
# the whole text, divided by ln 2 and by its length in bytes.

# %%
import lzma

limit = bits_per_sentence * 100 / len(validation_text.encode())
packed = 8 * len(lzma.compress(validation_text.encode())) / len(validation_text.encode())
figures = {
    "a byte as it is": 8.0,
    "before training": bits_per_byte(untrained, tokenizer, validation_text),
    "a compressor (xz)": packed,
    "after training": bits_per_byte(model, tokenizer, validation_text),
    "the limit": limit,
}
for name, value in figures.items():
    print(f"{name:18} {value:.1f}")

# %% [markdown]
# ## How the storyteller was trained
#
# It was trained in just this way, with more of everything. Its card,
# `gptlite/storyteller/README.md`, has the texts, the hyper-parameters, and its bits per byte on
# texts that it never saw. `scripts/train_storyteller.py` does it all again, and `python -m
# gptlite.pretrain` does it with your own texts. Here is how it does on a few lines of different
# kinds, written for this notebook.

# %%
storyteller, its_tokenizer = gptlite.load()
its = storyteller.config
print(f"{its.n_params:,} parameters, {its.n_vocab:,} tokens, windows of {its.n_ctx} tokens")
TEXTS = {
    "a tale": (
        "Once upon a time there was a poor woodcutter who lived with his wife at the edge of a "
        "great forest. One evening an old woman knocked at the door and begged for a bed."
    ),
    "the news": (
        "The central bank raised interest rates by a quarter of a percentage point on Tuesday, "
        "citing inflation in energy prices, and analysts expect another increase."
    ),
    "a program": (
        "def area(width, height):\n    if width < 0:\n        raise ValueError(width)\n"
        "    return width * height\n"
    ),
}
rows = [[name, bits_per_byte(storyteller, its_tokenizer, text)] for name, text in TEXTS.items()]
views.table.Table(
    "The storyteller's surprise", ["text", "bits per byte"], rows, bar="bits per byte", digits=1
)

# %% [markdown]
# It knows stories, and is lost in anything else: a model is what it has read. GPT-2 read 40 GB of
# web pages.

# %%
ids = [its_tokenizer.eot, *its_tokenizer.encode(TEXTS["a tale"])]
_ = views.text_probabilities(storyteller(ids), ids, its_tokenizer).plot()

# %% [markdown]
# ## Exercises
#
# Each has stars for its difficulty, minutes, a hint, and a cell to work in: put your answer in
# place of the `...`, run the cell, and the check says whether it is right. The check asks the
# storyteller itself where an answer depends on it.

# %%
from gptlite.exercises import check

# %% [markdown]
# **1. The first step.** (★☆☆, 3 min) GPT-2's vocabulary has 50,257 tokens. What should its loss be
# at the first step of training, in nats and in bits?
#
# <details><summary>Hint</summary>
#
# A model that knows nothing finds all tokens equally likely.
#
# </details>

# %%
# solution: answer = (..., ...)
answer = (math.log(50257), math.log2(50257))
# end of solution
check("08.1", answer)

# %% [markdown] tags=["solution"]
# The logarithm of the vocabulary: 10.8 nats, 15.6 bits. Notebook 7 measures it on random weights of
# GPT-2's shape.

# %% [markdown]
# **2. A free pronoun.** (★★☆, 5 min) If the pronoun did not have to fit the person but were `he` or
# `she` with probability one half, what would the limit be, in nats per token?
#
# <details><summary>Hint</summary>
#
# How many free choices has a sentence now, and among how many words is the new one?
#
# </details>

# %%
# solution: answer = ...
answer = (5 * math.log(8) + math.log(2)) / 12
print(f"{answer:.2f} nats in place of {floor:.2f}")
# end of solution
check("08.2", answer)

# %% [markdown] tags=["solution"]
# One more free choice, between two words: `ln 2` is added to each sentence of twelve tokens.

# %% [markdown]
# **3. The answer in the question.** (★★☆, 10 min) A training program has a mistake: the inputs and
# the targets are the same tokens, not shifted by one. What will be seen?
#
# - (a) The loss stays near its first value: there is nothing to learn.
# - (b) The loss falls to nearly 0, below the limit of the language; asked to write, the model
#   repeats its last token for ever.
# - (c) The loss falls to the limit of the language, as with shifted targets.
#
# <details><summary>Hint</summary>
#
# Train a new model for 60 steps with `loss_and_gradients(leaky, inputs, inputs)`, and let it
# continue "The old".
#
# </details>

# %%
# solution: answer = "?"
leaky = GPT.init(config, seed=0)
moments = {n: Moments(np.zeros_like(p), np.zeros_like(p)) for n, p in leaky.parameters.items()}
for step in range(1, 61):
    inputs, _ = batch(rng, tokens, 8)
    loss, gradients = loss_and_gradients(leaky, inputs, inputs)
    for name, p in leaky.parameters.items():
        adamw_step(p, gradients[name], moments[name], step, 3e-3, 0.1)
print("below half of the limit:", loss < floor / 2)
print(repr(generate(leaky, tokenizer, "The old", 5, temperature=0)))
answer = "b"
# end of solution
check("08.3", answer)

# %% [markdown] tags=["solution"]
# The loss falls to zero almost at once, for the model only has to repeat the token that it is
# looking at. Asked to generate, it repeats its last token for ever. A loss far below what is
# possible is always a sign that the answer leaked into the question.

# %% [markdown]
# **4. Short embeddings.** (★★★, 12 min) Train a model whose embeddings start as OpenAI's code draws
# them, not five times as long, for the same 300 steps. One of the places in a sentence is still not
# learned. What is the loss of the pronoun now, in nats? And why, although `ln_1` brings long and
# short vectors to the same length before attention compares them?
#
# <details><summary>Hint</summary>
#
# `train(GPT.init(config, seed=0), tokens, n_steps=300)` gives the log; `PLACES` says which place
# the pronoun has. For the reason: how far does one step of AdamW move a number, and how large are
# the numbers in either model?
#
# </details>

# %%
# solution: answer = ...
short = GPT.init(config, seed=0)
for name, which in {"short": short, "five times as long": new_model()}.items():
    trace = gptlite.Trace()
    which(validation[:8], trace=trace)
    scores = trace["h.0.attn.scores"][0, :, -1]  # [head, seq], the last position's
    print(f"spread of the scores at the start, {name}: {scores.std():.2f}")
answer = train(short, tokens, n_steps=300)[-1]["places"][PLACES["pronoun"]]
print(f"the pronoun: {answer:.1f} nats, ln 2 = {math.log(2):.1f}")
# end of solution
check("08.4", answer)

# %% [markdown] tags=["solution"]
# It stays at ln 2, a coin toss between `he` and `she`. It is tempting to say that short vectors
# give scores near 0; but the scores at the start are equally small in both models, since `ln_1`
# comes first. What differs is the size of a step *beside* the vector. AdamW moves each number by up
# to the learning rate, 0.004, however small the number is: a fifth of 0.02, but a twenty-fifth of
# 0.1. Steps that large keep throwing the short rows about before attention has learned to compare
# them. Two controls say the same: with a fifth of the learning rate for `wte` and `wpe` alone, the
# short embeddings learn the pronoun in the same 300 steps; with five times as much, the long ones
# do not. Nor do three times as many steps help the short ones.

# %% [markdown]
# **5. Below the limit.** (★★☆, 6 min) The limit was computed from the rules of the language. Could
# a model's loss on *unseen* sentences be below it?
#
# - (a) Never, not on a single sentence.
# - (b) Yes, on average too, if the model is large enough.
# - (c) On a few sentences by luck; on average over many, never.
#
# <details><summary>Hint</summary>
#
# What is the loss of a model that knows the true probabilities: on one sentence, and on average?
#
# </details>

# %%
# solution: answer = "?"
told = set(training_text.splitlines())
repeated = sum(line in told for line in validation_text.splitlines())
print(f"{repeated} of 100 are in the training text; expected about {100 * 3000 / 8**5:.0f}")
answer = "c"
# end of solution
check("08.5", answer)

# %% [markdown] tags=["solution"]
# By luck, on a few sentences: the choices there may happen to be the ones that the model thinks a
# little more likely. On average over many sentences never, whatever the model: that is Shannon's
# theorem, the cross-entropy is at least the entropy. A validation loss below the limit means that
# the validation text has leaked into the training text. Here even that can happen by chance, for
# there are only 32,768 sentences.
