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
# # 11b. Fine-tuning, measured: what reading is worth
#
# The language of notebook 11 was made so that reading helps. Does reading stories help a model of
# stories with anything? This page shows what was measured: tasks from books that the model never
# saw, and one from a closed world. There is nothing to compute here, and there are no exercises.
#
# **Minutes:** 15, to read. **Needs:** notebook 11. **Optional**.
#
# Afterwards you can
#
# - read from a learning curve what reading is worth, in labels;
# - say which of two learners is better, and on what grounds: the baseline, and the seeds;
# - tell a null result from a small one.
#
# It goes with "Transfer Learning" in [The Illustrated
# GPT-2](https://jalammar.github.io/illustrated-gpt2/), and with sections 4 and 5 of the GPT-1
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
import hashlib
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from gptlite.views.table import Table

# %% [markdown]
# ## What was measured, and of which model
#
# Learning all these tasks, again and again, takes hours of processor time. So a script,
# `scripts/demonstrations.py`, did it, and its results lie beside the storyteller in one file, which
# also says which model it was.

# %%
FOLDER = Path(gptlite.__file__).parent / "storyteller"
results = json.loads((FOLDER / "demonstrations.json").read_text())
demonstrations = results["demonstrations"]
measured = results["environment"].get("model")
shipped = hashlib.sha256((FOLDER / "model.safetensors").read_bytes()).hexdigest()
seconds = sum(run["seconds"] for part in demonstrations.values() for run in part["runs"])
print(f"{seconds / 3600:.1f} hours of processor time")
if measured is None:
    print("the file does not say which model was measured")
else:
    sizes = f"{measured['n_layer']} blocks, {measured['n_embd']} wide"
    print(f"{sizes}: {measured['n_params']:,} parameters; SHA-256 {measured['sha256']}...")
    print("it is the storyteller that ships:", shipped.startswith(measured["sha256"]))

# %% [markdown]
# Each task was learned by several models from the same examples: *pre-trained*, the storyteller,
# all of which goes on learning; *from scratch*, the same architecture with random weights, in the
# same steps; *frozen*, where only the head learns, in more and longer steps; and for entailment
# *auxiliary*, the storyteller with the old objective added (L1 of notebook 11).
#
# A point is a seed, which draws the tales or the words, the examples, their order and all new
# weights; a line is the mean. The grey line is the score of always giving the most frequent answer.
#
# Three seeds are few. So the sentences under the figures call one learner better than another only
# if it is so with every seed. (They are written by the cell itself, from the file.)

# %%
ARMS = {
    "pre-trained": "#084594",
    "frozen": "#4292c6",
    "from scratch": "#d94801",
    "auxiliary": "#6a51a3",
}


def shares(name: str, arm: str, what: str = "accuracy") -> dict[int, list[float]]:
    """Collect what was measured of an arm: for each number of labels, a share per seed."""
    found: dict[int, list[float]] = {}
    for run in sorted(demonstrations[name]["runs"], key=lambda run: run["seed"]):
        if run["arm"] == arm:
            found.setdefault(run.get("labels", 0), []).append(run[what])
    return dict(sorted(found.items()))


def most(name: str, arm: str, what: str = "accuracy") -> list[float]:
    """Take an arm's shares with the most labels that it was given."""
    return list(shares(name, arm, what).values())[-1]


def draw(ax: plt.Axes, name: str, title: str, what: str = "accuracy") -> None:
    """Draw the learning curves of a demonstration."""
    sizes = list(shares(name, "pre-trained", what))
    for arm, colour in ARMS.items():
        by_size = shares(name, arm, what)
        for n, of_seeds in by_size.items():
            ax.plot([n] * len(of_seeds), of_seeds, ".", color=colour, alpha=0.5)
        means = {n: np.mean(of_seeds) for n, of_seeds in by_size.items()}
        line = {"color": colour, "marker": "_", "markersize": 12}
        ax.plot(means.keys(), means.values(), **line, label=arm if means else None)
    ax.axhline(np.mean(shares(name, "majority")[0]), color="#888", linewidth=1)
    ax.set(xscale="log", xticks=sizes, xticklabels=[f"{n:,}" for n in sizes], xlabel="labels")
    ax.set(ylim=(0, 1.03), ylabel="share of right answers")
    ax.minorticks_off()
    ax.set_title(title, loc="left", fontsize=10)


def compared(title: str, rows: list[tuple[str, str, str]]) -> Table:
    """Tabulate each arm with the most labels it had: mean and standard deviation over the seeds."""
    cells: list[list[str | int | float]] = []
    for name, what, arm in rows:
        n, of_seeds = list(shares(name, arm, what).items())[-1]
        mean, spread = float(np.mean(of_seeds)), float(np.std(of_seeds, ddof=1))
        cells.append([name if what == "accuracy" else f"{name}, {what}", arm, n, mean, spread])
    return Table(title, ["", "arm", "labels", "right", "spread"], cells, bar="right", digits=2)


def verdict(one: str, of_one: list[float], other: str, of_other: list[float]) -> str:
    """Say which of two is better with every seed, or that neither is."""
    first, second = f"{one} ({np.mean(of_one):.2f})", f"{other} ({np.mean(of_other):.2f})"
    if np.greater(of_one, of_other).all():
        return f"{first} is better than {second} with every seed"
    if np.less(of_one, of_other).all():
        return f"{first} is worse than {second} with every seed"
    return f"{first} or {second}? The seeds do not agree"


# %% [markdown]
# ## Which book
#
# Here are sixty words of a tale, with all names struck out: which of five books are they from?
#
# **Guess first:** how many labels does the model from scratch need to do as well as the storyteller
# does with a hundred?

# %%
axes = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained", sharey=True)[1]
draw(axes[0], "which book", "Which of five books")
axes[0].legend(frameon=False, loc="lower right")
kept = sorted(
    {r["arm"] for r in demonstrations["which book"]["runs"] if r["arm"].endswith("blocks")}
)
for arm in kept:
    [of_seeds] = shares("which book", arm).values()
    axes[1].bar(arm, np.mean(of_seeds), color="#9ecae1")
    axes[1].plot([arm] * len(of_seeds), of_seeds, ".", color="#084594")
axes[1].set_xlabel("blocks that are kept")
axes[1].set_title("100 labels, by the blocks transferred", loc="left", fontsize=10)
plt.show()

reached = np.mean(shares("which book", "pre-trained")[100])
scratch = {n: np.mean(of_seeds) for n, of_seeds in shares("which book", "from scratch").items()}
as_good = [n for n, mean in scratch.items() if mean >= reached]
needs = f"with {as_good[0]} labels" if as_good else f"not even with {max(scratch)} labels"
print(f"pre-trained, with 100 labels: {reached:.2f}; from scratch is as good {needs}")
for n, of_seeds in shares("which book", "pre-trained").items():
    frozen = shares("which book", "frozen")[n]
    print(f"{n} labels:", verdict("pre-trained", of_seeds, "frozen", frozen))

# %% [markdown]
# That is what reading is worth, in labels. And where the frozen body does no worse than the one
# that goes on learning, there is reason to train the head alone: its features are computed once.
#
# On the right you see how much of what can be gained is in the embeddings (0 blocks), and how much
# each further block brings.
#
# ## Which paragraph comes next
#
# GPT-1's multiple choice, in the form of the Story Cloze Test: a paragraph, the one that follows
# it, and a distractor, from another book or, which is harder, from another tale of the same book.
# The figure has the first kind, the table both, with all the labels there are.

# %%
ax = plt.subplots(figsize=(5, 2.8), layout="constrained")[1]
draw(ax, "next paragraph", "The next paragraph, or one of another book")
ax.legend(frameon=False, loc="lower right")
WAYS = ("majority", "from scratch", "pre-trained", "words in common", "zero-shot")
compared(
    "Which paragraph comes next",
    [(name, "accuracy", way) for name in ("next paragraph", "same book") for way in WAYS],
)

# %% [markdown]
# The last two ways need no labels. *Words in common* is a rule without a model: take the paragraph
# that shares more words, or rarer ones, with the text. *Zero-shot* asks the storyteller as it is
# which paragraph becomes more likely by the text than it is anyway (notebook 12).

# %%
for name in ("next paragraph", "same book"):
    print(f"{name}:")
    for one, other in [
        ("pre-trained", "from scratch"),
        ("pre-trained", "zero-shot"),
        ("zero-shot", "words in common"),
    ]:
        print("   ", verdict(one, most(name, one), other, most(name, other)))

# %% [markdown]
# A distractor from another book can be recognised by its people, by its author, and by its subject.
# Two paragraphs of the same book are alike in all of that, and the only question left is whether
# *these two* belong together.
#
# If zero-shot is better than the fine-tuned model, then the storyteller could know, and the labels
# have not taught it to show that: the head reads one vector at the end of a row, and that is not
# where the model shows how likely the row was. It has to learn to compare two texts, and the next
# task shows how many labels that takes.
#
# ## Does it follow?
#
# "Every fox is clever. Jack is a fox." Then "Jack is clever" follows, and "Jack is slow" does not.
# The rules of the test are not in the training examples; on the right, neither are its words, be it
# `fox`, `clever` or `Jack`. No word's place betrays what it is: the two sentences come in either
# order, and rules begin in six ways.
#
# **Guess first:** how many examples does it take to notice that a word is there twice?

# %%
axes = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained", sharey=True)[1]
draw(axes[0], "entailment", "New rules of known words", "unknown rules")
axes[0].legend(frameon=False, loc="lower right")
draw(axes[1], "entailment", "Words without labels", "unknown words")
TESTS = ("unknown rules", "unknown words")
for test in TESTS:
    for arm in ("pre-trained", "from scratch"):
        means = {n: np.mean(x) for n, x in shares("entailment", arm, test).items()}
        enough = [n for n, mean in means.items() if mean > 0.9]
        needs = f"from {enough[0]:,} labels on" if enough else f"never, up to {max(means):,} labels"
        print(f"{test}: right nine times in ten, {arm}: {needs}")
compared(
    "Entailment",
    [
        (name, test, arm)
        for name in ("entailment", "two comparisons")
        for test in TESTS
        for arm in ARMS
        if shares(name, arm, test)
    ],
)

# %% [markdown]
# The whole task is one comparison: to notice that a word is there twice, and in its place. Whoever
# has learned it on words with labels, and has read the other words in stories, may do it on those
# too; a model from scratch knows nothing of a word that was in none of its examples.
#
# With two comparisons (the fox must be a fox *and* clever), either alone gives three right answers
# in four: read those rows against 0.75, not against a half.
#
# And the auxiliary objective? The arm of that name has it, with lambda at the paper's 0.5:

# %%
for test in TESTS:
    both = [most("entailment", arm, test) for arm in ("pre-trained", "auxiliary")]
    print(f"{test}:", verdict("pre-trained", both[0], "auxiliary", both[1]))

# %% [markdown]
# L1 asks at each position for the next word, by the same matrix that embeds words; and in these
# texts the words of the second test never come. So L1 makes each of them less likely at every
# position, which pushes all their embeddings the same way. Without L1 they get no gradient at all.
#
# The paper reports about a model of 117 million parameters: best on 9 of 12 tasks; without
# pre-training 59.9 points on average in place of 74.7; and on RTE, with 2,490 examples of
# entailment, 56.0, below the 61.7 that another model had reached before it.
