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
# # 11. Fine-tuning: the second stage
#
# Raw text is plenty, labelled examples are few. GPT-1's idea (Radford et al. 2018): learn from raw
# text first, then let the same model learn the task.
#
# **Minutes:** 30, and 35 for the exercises. **Needs:** notebook 8. **Core** of a second week.
#
# Afterwards you can
#
# - write any task as one row of tokens, and read the answer off its last vector;
# - compute GPT-1's two losses by hand;
# - plan a comparison that shows what pre-training is worth: which models, which labels, which
#   seeds.
#
# It goes with "Transfer Learning", "Machine Translation" and "Summarization" in [The Illustrated
# GPT-2](https://jalammar.github.io/illustrated-gpt2/), and with sections 3.2 and 3.3 of the GPT-1
# paper.
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

from gptlite import GPT, GPTConfig, Tokenizer
from gptlite.pretrain.trainer import Recipe, Trainer, train

# %% [markdown]
# ## Stage one: raw text
#
# The toy language of notebook 8, with more people: sixteen of them, and each is followed by `he`
# or by `she` at the end of the sentence. Nobody says what the two words mean. (As there, sentences
# end with a line break, and the text has no `<|endoftext|>`.)

# %%
ADJECTIVES = ["old", "young", "brave", "clever", "poor", "proud", "gentle", "lazy"]
MEN = ["king", "prince", "tailor", "boy", "miller", "monk", "uncle", "wizard"]
WOMEN = ["queen", "princess", "witch", "girl", "nurse", "nun", "aunt", "fairy"]
VERBS = ["saw", "heard", "found", "called", "caught", "loved", "feared", "followed"]
ANIMALS = ["fox", "wolf", "bear", "raven", "hare", "goose", "frog", "cat"]
ENDS = ["laughed", "wept", "sang", "danced", "slept", "smiled", "sneezed", "ran"]


def beginning(rng: np.random.Generator, people: list[str]) -> tuple[str, str, str]:
    """Draw the first part of a sentence; give it, the person in it, and the animal."""
    places = [ADJECTIVES, people, VERBS, ANIMALS]
    adjective, person, verb, animal = (words[rng.integers(len(words))] for words in places)
    return f"The {adjective} {person} {verb} the {animal}", person, animal


def sentence(rng: np.random.Generator) -> str:
    """Draw a whole sentence of the language."""
    first, person, _ = beginning(rng, MEN + WOMEN)
    pronoun = "he" if person in MEN else "she"
    return f"{first}, and {pronoun} {ENDS[rng.integers(8)]}.\n"


rng = np.random.default_rng(0)
raw_text = "".join(sentence(rng) for _ in range(3000))
tokenizer = Tokenizer.train([raw_text], 480)
print(raw_text[:180])

# %% [markdown]
# Notebook 8 shows how a model learns from such text; here it is again in four lines.

# %%
config = GPTConfig(n_vocab=tokenizer.n_vocab, n_ctx=24, n_embd=64, n_head=4, n_layer=2)


def untrained(seed: int) -> GPT:
    """Draw random weights, with embeddings as long as in notebook 8."""
    model = GPT.init(config, seed)
    for name in ("wte.weight", "wpe.weight"):
        model.parameters[name][:] *= 5
    return model


pretrained = untrained(0)
trainer = Trainer(pretrained, Recipe(batch=16, n_steps=300, learning_rate=4e-3, warm_up=20))
losses: list[float] = []
tokens = np.array(tokenizer.encode(raw_text), np.uint16)
train(trainer, tokens, 50, lambda trainer, loss, speed: losses.append(loss))
print("loss, nats per token:", "the first 50 steps above 2:", losses[0] > 2)
print("the last 50 steps below 1.1:", losses[-1] < 1.1)

# %% [markdown]
# ## A task that the text never mentions
#
# Article: "Transfer Learning"
#
# Is the person of a sentence a man or a woman? The labelled examples have no pronoun in them, and
# only half of the people. The test is about the other half.
#
# **Guess first:** how often can a model be right about a `witch` if the labels only ever spoke of
# kings and queens? For a model that knows nothing else, the word is a number like any other. But
# one of our models has read that witches and queens both go with `she`.

# %%
from gptlite.finetune.learners import Labelled
from gptlite.finetune.packing import pack_classification

LABELS = ["man", "woman"]
TOLD, UNTOLD = MEN[:4] + WOMEN[:4], MEN[4:] + WOMEN[4:]


def labelled(seed: int, n: int, people: list[str]) -> Labelled:
    """Pack some examples; give them with the numbers of their labels."""
    rng = np.random.default_rng(seed)
    drawn = [beginning(rng, people) for _ in range(n)]
    rows = [pack_classification(tokenizer, text, config.n_ctx) for text, _, _ in drawn]
    return Labelled(rows, [int(person in WOMEN) for _, person, _ in drawn])


test = labelled(1000, 200, UNTOLD)
few = labelled(0, 8, TOLD)
for [row], label in zip(few.examples[:3], few.labels, strict=False):
    print(LABELS[label], "-", tokenizer.decode(row[1:-1]))

# %% [markdown]
# ## Every task is a row of tokens
#
# No layer is added for the form of a task. Three tokens are new: *start*, *delimiter* (the paper
# writes `$`) and *extract*, at which the answer will be read. They get the three ids after the
# vocabulary, so no text can contain them. This is figure 1 of the paper:

# %%
from gptlite.finetune.packing import pack_choices, pack_entailment, pack_similarity


def shown(row: list[int]) -> str:
    """Show a row, with names for the new tokens."""
    n = tokenizer.n_vocab
    names = {n: "[start]", n + 1: "[$]", n + 2: "[extract]"}
    return " ".join(names.get(i) or repr(tokenizer.decode([i])) for i in row)


packed = {
    "classification": pack_classification(tokenizer, "The old king", 32),
    "entailment": pack_entailment(tokenizer, "The king sang", "he sang", 32),
    "similarity": pack_similarity(tokenizer, "The king", "The queen", 32),
    "multiple choice": pack_choices(tokenizer, "The witch sang, and", [" he", " she"], 32),
}
for task, rows in packed.items():
    print(task)
    for row in rows:
        print("   ", shown(row))

# %% [markdown]
# Entailment has an order, similarity has none: so a pair is read both ways, and the vectors at the
# two extracts are added. Each answer of a multiple choice has a row of its own, and all are scored.
#
# ## The answer is read at the last token
#
# The paper's equation 3: `P(y | x) = softmax(h W_y)`, where `h` is the vector at the top of the
# stack at *extract*, the only place that has seen the whole row, and `W_y` is a matrix with a
# column for each label, the **classification head**. That matrix and three rows of the
# embedding are all that is new.

# %%
from gptlite.finetune.classifier import Classifier, probabilities
from gptlite.layers import softmax

classifier = Classifier.build(pretrained, n_labels=2, seed=0)
[row] = few.examples[0]
h = classifier.model.top_of_stack(row)[0, -1]  # [n_embd]
by_hand = softmax(h @ classifier.head)  # [n_labels]
print("h", h.shape, " W_y", classifier.head.shape, " P", by_hand.shape)
print("as gptlite has it:", np.allclose(by_hand, probabilities(classifier, [[row]])[0], atol=1e-6))
new = classifier.head.size + 3 * config.n_embd
print(f"new numbers: {new}, of {sum(p.size for p in classifier.parameters.values()):,}")

# %% [markdown]
# ## Two losses at once
#
# L2 is minus the logarithm of the right label's probability (equation 4). The paper adds the old
# loss of next-token prediction on the same rows, L1, times lambda: `L3 = L2 + lambda L1` (equation
# 5), with a lambda of 0.5. The paper hopes that the model will generalise better and learn faster;
# exercise 4 has a look.
#
# Rows of a batch are padded on the right. With the causal mask no token before the padding sees it,
# so padding needs no mask of its own; it only must not count in L1. A target of -100 says so, here
# and in PyTorch. The logits of next tokens, the most expensive arrays of all, are made only where a
# token is predicted.

# %%
from gptlite.finetune.classifier import pad

short = [pack_classification(tokenizer, "The king", 32), pack_classification(tokenizer, "The", 32)]
ids, ends, targets = pad(short)
for name, array in {"ids": ids, "targets": targets, "ends": ends[None]}.items():
    print(f"{name}\n{array}")

# %%
from gptlite.finetune.classifier_gradients import accumulate_classifier_gradients
from gptlite.training.gradients import IGNORED
from gptlite.training.tape import Gradients

lm_weight = 0.5
sums = Gradients()
labels = np.array([0, 1])
n_predictions = int((targets != IGNORED).sum())
l2, l1 = accumulate_classifier_gradients(
    classifier, short, labels, len(short), n_predictions, lm_weight, sums
)

top = classifier.model.top_of_stack(ids)  # [rows, seq, n_embd]
told = softmax(top[[0, 1], ends] @ classifier.head)  # [rows, n_labels]
l2_by_hand = -np.log(told[[0, 1], labels]).mean()
nats = -np.log(softmax(classifier.model.unembed(top)))  # [rows, seq, n_vocab]
counts = targets != IGNORED  # [rows, seq]
l1_by_hand = nats[counts, targets[counts]].mean()
print("L2 by hand:", np.allclose(l2, l2_by_hand, atol=1e-4))
print("L1 by hand:", np.allclose(l1, l1_by_hand, atol=1e-4))
print("a gradient for every parameter, W_y and the new rows too:", len(sums))

# %% [markdown]
# ## Eight labels
#
# There are three ways to learn the task from the same examples: the pre-trained model, all of which
# goes on learning; the same model with its body frozen, so that only `W_y` learns; and the same
# architecture from random numbers. Each has three seeds, which draw the examples and their order,
# the new weights and the dropout.

# %%
from dataclasses import replace

from gptlite.finetune.epochs import FineTuning
from gptlite.finetune.learners import fine_tune, measure_classifier

RECIPE = FineTuning(epochs=60, batch=8, learning_rate=1e-3, warm_up=0.1)


def accuracy(start: GPT, n: int, seed: int, recipe: FineTuning = RECIPE, **options: int) -> float:
    """Fine-tune on n examples; give the share of right answers about people without labels."""
    examples = labelled(seed, n, TOLD)
    recipe = replace(recipe, seed=seed, epochs=max(1, recipe.epochs * 8 // n))
    classifier = Classifier.build(start, n_labels=2, seed=seed, **options)
    fine_tune(classifier, examples, None, recipe)
    return measure_classifier(classifier, test).accuracy or 0.0


SEEDS, SIZES = range(3), [8, 32, 96]
FROZEN = replace(RECIPE, frozen=True, learning_rate=1e-2)
found: dict[str, list[list[float]]] = {"pre-trained": [], "frozen body": [], "from scratch": []}
for n in SIZES:
    found["pre-trained"].append([accuracy(pretrained, n, seed) for seed in SEEDS])
    found["frozen body"].append([accuracy(pretrained, n, seed, FROZEN) for seed in SEEDS])
    found["from scratch"].append([accuracy(untrained(seed + 1), n, seed) for seed in SEEDS])

majority = max(np.bincount(test.labels)) / len(test.labels)
means = {arm: np.mean(of_sizes, axis=1) for arm, of_sizes in found.items()}  # [size]
print(f"always the more common answer: {majority:.2f}")
print("pre-trained, right more than 80 times in 100:", bool((means["pre-trained"] > 0.8).all()))
print(
    "from scratch, never right much more than half the time:",
    bool(means["from scratch"].max() < 0.7),
)

# %%
ax = plt.subplots(figsize=(7, 3.2), layout="constrained")[1]
colours = {"pre-trained": "#084594", "frozen body": "#4292c6", "from scratch": "#d94801"}
for arm, of_sizes in found.items():
    ax.plot(SIZES, means[arm], color=colours[arm], label=arm)
    for n, of_seeds in zip(SIZES, of_sizes, strict=True):
        ax.plot([n] * 3, of_seeds, ".", color=colours[arm], alpha=0.5)
ax.axhline(majority, color="#888", linewidth=1)
ax.set(xscale="log", xticks=SIZES, xticklabels=SIZES, xlabel="labelled examples", ylim=(0.2, 1.03))
ax.set_ylabel("share of right answers")
ax.minorticks_off()
ax.set_title("Right answers about people without labels (points: seeds)", loc="left", fontsize=10)
_ = ax.legend(frameon=False)

# %% [markdown]
# From scratch there is no way from the people with labels to the others, and more labels of the
# same people cannot make one: labels are not what is missing. (Some of its points are far below the
# line. The test has only eight people, and a model that has never read about them gives each some
# label at random, so a seed may be far off on either side.) The pre-trained model needs eight
# labels. Its knowledge was never labelled: in order to predict `he` or `she`, it had to learn who
# is which.
#
# The frozen body is in between. Everything that the head can read at *extract* was put there for
# another purpose, and the new tokens keep their random numbers. It has one advantage: the features
# are computed once for all epochs (an epoch is one pass over the examples), so it costs next to
# nothing.
#
# ## What each layer is worth
#
# Where in the model is this knowledge? Keep the embeddings and the first blocks, and draw the rest
# anew (figure 2 of the paper, left). Using a part of what was learned elsewhere is **transfer
# learning**.

# %%
worth = [
    [accuracy(pretrained, 8, seed, transferred=kept) for seed in SEEDS]
    for kept in range(config.n_layer + 1)
]
names = ["embeddings", "+ block 0", "+ block 1"]
ax = plt.subplots(figsize=(5, 2.6), layout="constrained")[1]
ax.bar(names, np.mean(worth, axis=1), color="#9ecae1")
for i, of_seeds in enumerate(worth):
    ax.plot([i] * 3, of_seeds, ".", color="#084594")
ax.axhline(majority, color="#888", linewidth=1)
ax.set(ylim=(0.2, 1.03), ylabel="share of right answers")
ax.set_title("Eight labels, by the layers transferred", loc="left", fontsize=10)
ax.spines[["top", "right"]].set_visible(False)
print("all of it, right more than 80 times in 100:", bool(np.mean(worth[-1]) > 0.8))

# %% [markdown]
# ## The task as text
#
# Article: "Machine Translation" and "Summarization"
#
# There is another way, which needs neither a head nor new tokens: write the task as text, first a
# prompt, then the text that is to follow, and the model learns to go on. That is GPT-2's way of
# thinking, and the article's figures of translation and summaries show it with a delimiter between
# the two. The prompt is read and not learned: its targets are -100.

# %%
from gptlite.finetune.completions import Completion, pack_completion
from gptlite.finetune.learners import TextRow, fine_tune_language_model
from gptlite.generate import generate

HINT = " In short:"


def summary(rng: np.random.Generator, people: list[str]) -> Completion:
    """Draw a sentence with a hint after it, and its summary."""
    text, person, animal = beginning(rng, people)
    return Completion(f"{text}.{HINT}", f" {person}, {animal}")


rng = np.random.default_rng(1)
pairs = [summary(rng, MEN + WOMEN) for _ in range(480)]
texts = [TextRow(*pack_completion(tokenizer, pair, config.n_ctx)) for pair in pairs]
for token, target in zip(texts[0].ids, texts[0].targets, strict=False):
    learned = "" if target == IGNORED else f"-> {tokenizer.decode([target])!r}"
    print(f"{tokenizer.decode([token])!r:12} {learned}")

# %%
summariser = GPT(config, {name: array.copy() for name, array in pretrained.parameters.items()})
recipe = FineTuning(epochs=12, batch=16, learning_rate=2e-3, warm_up=0.1, dropout=0.0)
fine_tune_language_model(summariser, texts, None, recipe)

rng = np.random.default_rng(2)
right = 0
unseen = [summary(rng, MEN + WOMEN) for _ in range(40)]
for prompt, expected in unseen:
    right += generate(summariser, tokenizer, prompt, 8, temperature=0) == expected
print("of 40 new sentences, more than 36 summaries are right:", right > 36)
prompt, expected = unseen[0]
print(prompt + generate(summariser, tokenizer, prompt, 8, temperature=0))

# %% [markdown]
# ## With the storyteller, and with your own data
#
# The same works for any model that gptlite opens, including OpenAI's. From a terminal:
#
#     python -m gptlite.finetune --task entailment --data train.csv --validation held-out.csv \
#         --out my-classifier --learning-rate 5e-4
#
# The columns are `premise`, `hypothesis` and `label`; `--help` lists the columns of the other
# tasks. With `--objective lm` the command trains on more text, or on prompts and completions. The
# result of a task opens again as a `FineTuned`, with its tokenizer and labels:

# %%
import tempfile

from gptlite.finetune import FineTuned

model, its_tokenizer = gptlite.load()
premises = [f"The {person} is {word}." for person in MEN + WOMEN for word in ADJECTIVES[:4]]
pairs_of_texts = [
    (p, p.replace("The", "A") if i % 2 else "It rains.") for i, p in enumerate(premises)
]
rows = [pack_entailment(its_tokenizer, p, h, n_ctx=24) for p, h in pairs_of_texts]
classifier = Classifier.build(model, n_labels=2)
frozen = FineTuning(epochs=60, batch=16, learning_rate=1e-2, frozen=True)
fine_tune(classifier, Labelled(rows, [i % 2 for i in range(len(rows))]), None, frozen)
fine_tuned = FineTuned(classifier, its_tokenizer, "entailment", ["no", "yes"], n_ctx=24)
with tempfile.TemporaryDirectory() as directory:
    fine_tuned.save_pretrained(directory)
    opened = FineTuned.from_pretrained(directory)
print(
    opened.predict([("The miller is old.", "A miller is old."), ("The nun is poor.", "It rains.")])
)

# %% [markdown]
# The language of this notebook was made so that reading helps. Whether reading stories helps the
# storyteller with tasks from books that it never saw is measured on a page of its own: notebook
# 11b.
#
# ## Exercises
#
# Each has stars for its difficulty, minutes, a hint, and a cell to work in: put your answer in
# place of the `...`, run the cell, and the check says whether it is right. The check asks the
# storyteller itself where an answer depends on it.

# %%
from gptlite.exercises import check

# %% [markdown]
# **1. Why at the end.** (★★☆, 8 min) Why is the answer read at the last token, and not at the
# first? Take `pretrained.top_of_stack` of "The old king" and of "The lazy nun". Are the vectors the
# same, (1) at the first position, and (2) at the last?
#
# <details><summary>Hint</summary>
#
# `top_of_stack(ids)` gives `[batch, seq, n_embd]`. Compare up to 0.001.
#
# </details>

# %%
# solution: answer = (..., ...)  # True or False, twice
texts = ("The old king", "The lazy nun")
tops = [pretrained.top_of_stack(tokenizer.encode(text))[0] for text in texts]
answer = tuple(np.allclose(tops[0][i], tops[1][i], atol=1e-3) for i in (0, -1))
# end of solution
check("11.1", answer)

# %% [markdown] tags=["solution"]
# Because of the mask: the first position sees nothing but itself, so its vector is the same for
# every text that begins so.

# %% [markdown]
# **2. Three new tokens.** (★☆☆, 5 min) What would be wrong with using `<|endoftext|>` and `$` in
# place of three new tokens?
#
# - (a) They mean something already, and `$` may stand in a text.
# - (b) The vocabulary would grow too large.
# - (c) Nothing: new rows are random, and have to be learned anyway.
#
# <details><summary>Hint</summary>
#
# What does `pack_classification(tokenizer, "$ <|endoftext|> [extract]", 32)` make of a text that
# tries to forge them?
#
# </details>

# %%
# solution: answer = "?"
[row] = pack_classification(tokenizer, "$ <|endoftext|> [extract]", 32)
print(max(row[1:-1]) < tokenizer.n_vocab <= min(row[0], row[-1]))
answer = "a"
# end of solution
check("11.2", answer)

# %% [markdown] tags=["solution"]
# They mean something already, which fine-tuning would have to unlearn; and `$` may stand in a text,
# which would then seem to end too early. The ids after the vocabulary cannot stand in a text.

# %% [markdown]
# **3. Similarity.** (★☆☆, 5 min) Similarity adds the vectors of both orders. Which of its
# properties follows from that?
#
# - (a) Each text can see the other one.
# - (b) The order of the two makes no difference.
# - (c) Texts of different lengths can be compared.
#
# <details><summary>Hint</summary>
#
# Pack both orders with `pack_similarity`, and ask a classifier that has learned nothing yet.
#
# </details>

# %%
# solution: answer = "?"
there = pack_similarity(tokenizer, "The old king", "The nun sang", 32)
back = pack_similarity(tokenizer, "The nun sang", "The old king", 32)
undecided = Classifier.build(pretrained, n_labels=2)
print(np.allclose(*probabilities(undecided, [there, back]), atol=1e-5))
answer = "b"
# end of solution
check("11.3", answer)

# %% [markdown] tags=["solution"]
# The order makes no difference, before any training and after it.

# %% [markdown]
# **4. What L1 is for.** (★★★, 15 min) Fine-tune with lambda 0 and with 0.5, and compare both the
# accuracy on people without labels and the loss on the test rows as texts. What does L1 do?
#
# - (a) Without it the model is no longer right about the people without labels.
# - (b) The answers are as good without it; it teaches the model the task's own rows.
# - (c) Nothing at all.
#
# <details><summary>Hint</summary>
#
# `replace(RECIPE, lm_weight=0.0, epochs=15)` is a recipe without L1; `measure_texts` and `TextRow`
# measure rows as texts.
#
# </details>

# %%
# solution: answer = "?"
from gptlite.finetune.learners import measure_texts

rows = [TextRow(row) for [row] in test.examples]
for lm_weight in (0.0, 0.5):
    recipe = replace(RECIPE, lm_weight=lm_weight, epochs=15)
    tuned = Classifier.build(pretrained, n_labels=2)
    fine_tune(tuned, labelled(0, 32, TOLD), None, recipe)
    right = measure_classifier(tuned, test).accuracy
    print(f"{lm_weight}: right {right > 0.8}, loss {measure_texts(tuned.model, rows).loss:.0f}")
answer = "b"
# end of solution
check("11.4", answer)

# %% [markdown] tags=["solution"]
# The answers are just as good: the paper too found that L1 helps on large data sets and not on
# small ones (table 5). L1 teaches the model the task's own rows, which end where raw text never
# does.
