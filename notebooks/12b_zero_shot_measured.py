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
# # 12b. Zero-shot, measured
#
# Notebook 12 shows how a task without training is asked. This page shows what the storyteller makes
# of such tasks: four in larger numbers, from books that it never saw, and four tries of our own.
# There are no exercises.
#
# **Minutes:** 20, to read. **Needs:** notebook 12. **Optional**.
#
# Afterwards you can
#
# - name, for each of the GPT papers' zero-shot tasks, the baseline that has to be beaten;
# - read a figure of shares beside chance, with its seeds or its standard error;
# - say what a model a hundred times as large, and more, is better at.
#
# It goes with section 3 of the GPT-2 paper, and with the end of section 5 of the GPT-1 paper.
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
import re
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from gptlite.fast.threads import blas_threads
from gptlite.tasks.choice import Choice, accuracy
from gptlite.views.table import Table

model, tokenizer = gptlite.load()

# %% [markdown]
# ## What was measured, and of which model
#
# A dozen examples of your own say little, and while writing them you know what the model can do. So
# a script, `scripts/demonstrations.py`, made four tasks in larger numbers, from books that the
# storyteller was not trained on, with three seeds that draw the questions. Its results lie beside
# the storyteller in one file, which also says which model it was.

# %%
FOLDER = Path(gptlite.__file__).parent / "storyteller"
results = json.loads((FOLDER / "demonstrations.json").read_text())
demonstrations = results["demonstrations"]
measured = results["environment"].get("model")
shipped = hashlib.sha256((FOLDER / "model.safetensors").read_bytes()).hexdigest()
if measured is None:
    print("the file does not say which model was measured")
else:
    sizes = f"{measured['n_layer']} blocks, {measured['n_embd']} wide"
    print(f"{sizes}: {measured['n_params']:,} parameters; SHA-256 {measured['sha256']}...")
    print("it is the storyteller that ships:", shipped.startswith(measured["sha256"]))

# %% [markdown]
# The tasks are these:
#
# - **Gaps**, as in the Children's Book Test: twenty sentences of a tale, a gap in the next one, and
#   ten nouns, all from the text. Without a model, one takes the most frequent of them, in books or
#   in the text itself.
# - **The next paragraph**: which of two comes next? We take the one that becomes more likely by the
#   text before it *than it is anyway*: the log-probability after the text, less the log-probability
#   after nothing. Otherwise the shorter paragraph would win. The distractor is from another book,
#   or, as a task of its own, from another tale of **the same book**. Without a model, one takes the
#   paragraph that has more words, or rarer ones, in common with the text.
# - **Morals**: ten morals, one of them the fable's own. Sixty fables are Aesop's, from a book that
#   the model was trained on, morals and all; thirty were written for this test. The hint is
#   "Moral:". Again we compare what the text adds.
#
# **Guess first:** the model sees as many of the twenty sentences before a gap as its context holds,
# the last ones. What are they worth to it, compared with the sentence alone?

# %%
TITLES = {
    "cloze": "Gaps: which of ten nouns",
    "next paragraph": "The next paragraph, or one of another book",
    "same book": "The next paragraph, or one of the same book",
    "morals": "Morals: which of ten",
}
HINTS = {None: "", True: ", with hint", False: ", without hint"}
CHANCE = ("chance", "majority")


def ways(name: str) -> dict[str, list[float]]:
    """Collect the ways of a demonstration that need no labels: for each, a share per seed."""
    found: dict[str, list[float]] = {}
    for run in sorted(demonstrations[name]["runs"], key=lambda run: run["seed"]):
        if "labels" not in run:
            way = run["arm"] + HINTS[run.get("hint")]
            found.setdefault(way, []).append(run["accuracy"])
    return found


heights = [len(ways(name)) - 1 for name in TITLES]
layout = {"layout": "constrained", "sharex": True, "height_ratios": heights}
axes = plt.subplots(len(TITLES), 1, figsize=(7, 6.5), **layout)[1]
for ax, (name, title) in zip(axes, TITLES.items(), strict=True):
    found = ways(name)
    [chance] = [way for way in found if way in CHANCE]
    ax.axvline(np.mean(found.pop(chance)), color="#888", linewidth=1)
    for place, of_seeds in enumerate(found.values()):
        ax.barh(place, np.mean(of_seeds), color="#c6dbef", height=0.6)
        ax.plot(of_seeds, [place] * len(of_seeds), ".", color="#084594")
    ax.set_yticks(range(len(found)), found)
    ax.invert_yaxis()
    ax.set_title(title, loc="left", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
axes[-1].set(xlim=(0, 1), xlabel="share of right answers (points: seeds; grey line: chance)")
plt.show()


def verdict(one: str, of_one: list[float], other: str, of_other: list[float]) -> str:
    """Say which of two is better with every seed, or that neither is."""
    first, second = f"{one} ({np.mean(of_one):.2f})", f"{other} ({np.mean(of_other):.2f})"
    if np.greater(of_one, of_other).all():
        return f"{first} is better than {second} with every seed"
    if np.less(of_one, of_other).all():
        return f"{first} is worse than {second} with every seed"
    return f"{first} or {second}? The seeds do not agree"


PAIRS_OF_WAYS = [
    ("cloze", "zero-shot", "most frequent in the text"),
    ("cloze", "zero-shot", "zero-shot, the sentence alone"),
    ("next paragraph", "zero-shot", "words in common"),
    ("same book", "zero-shot", "words in common"),
    *(("morals", f"{which} fables, without hint", "chance") for which in ("seen", "unseen")),
    *(
        ("morals", f"{which} fables, with hint", f"{which} fables, without hint")
        for which in ("seen", "unseen")
    ),
]
for name, one, other in PAIRS_OF_WAYS:
    found = ways(name)
    print(f"{name}: {verdict(one, found[one], other, found[other])}")

# %% [markdown]
# A sentence calls one way better than another only if it is so with every seed. (The cell writes
# them itself, from the file.)
#
# What the sentence alone adds to the most frequent word is grammar and sense; what the text before
# it adds to that is memory. (The smallest GPT-2 found 88 % of the nouns of the real test.)
#
# Rare words come again in a tale, and a model that is hardly better than the words in common has
# shown no more than that it can recognise them. Notebook 11b shows what labels do for the task.
#
# A moral is not a likely continuation; it says what the tale was *about*. Do the fables of the
# training text bring their morals back more often than the new ones do? And with thirty new fables,
# one standard error of chance is five percentage points.
#
# ## Four tries of our own
#
# They are small, and made with the storyteller that ships, when this page was executed.

# %%
tries = []


def report(name: str, n_right: int, n: int, chance: float) -> None:
    """Keep a result, with the standard error that chance alone would have."""
    tries.append([name, n, n_right / n, chance, (chance * (1 - chance) / n) ** 0.5])


# %% [markdown]
# ### Pronouns
#
# Winograd's schemas come in pairs: one word is exchanged, and then the pronoun stands for the other
# person or thing. GPT-1's way: put each candidate in the pronoun's place, and see how likely the
# *rest* of the sentence is per token. (The largest GPT-2 got 71 % of 273 such sentences right.)

# %%
from gptlite.tasks.winograd import winograd

PAIRS = """
the boy, the stone | could not lift the stone because _ was too weak. | weak heavy
the wolf, the lamb | could not catch the lamb because _ was too slow. | slow quick
the cup, the box | did not fit into the box because _ was too large. | large small
the prince, the beggar | gave bread to the beggar because _ was kind. | kind hungry
the king, the servant | thanked the servant because _ had got help from him. | got given
the bear, the hare | ran after the hare because _ was hungry. | hungry frightened
"""
n_right = n_pairs = 0
with blas_threads(1):
    for line in PAIRS.strip().splitlines():
        names, rest, words = line.split(" | ")
        referents, (word, other) = names.split(", "), words.split()
        for answer_is, other_rest in enumerate([rest, rest.replace(word, other)]):
            sentence = f"{referents[0].capitalize()} {other_rest}"
            n_right += int(winograd(model, tokenizer, sentence, referents).argmax() == answer_is)
            n_pairs += 1
report("pronouns", n_right, n_pairs, 0.5)
print(f"{n_right} of {n_pairs} right")

# %% [markdown]
# A dozen is too few to show anything but a great success: ten right, or more.
#
# ### Sentiment
#
# This is GPT-1's way again: put " very" after a review, and compare "positive" with "negative".

# %%
from gptlite.tasks.sentiment import sentiment

GOOD = """
The king was kind, and all his people loved him. It was
The sun shone, and the children danced and sang. It was
The prince married the princess, and they lived happily. It was
The fairy gave the poor girl a beautiful dress. It was
The boy shared his bread with the hungry old man. It was
The soup was hot and sweet. It was
The brave knight saved the child from the dragon. It was
They found the treasure and were rich. It was
"""
BAD = """
The king was cruel, and all his people feared him. It was
The rain fell, and the children wept. It was
The witch turned the prince into a toad. It was
The stepmother gave the poor girl nothing but rags. It was
The boy stole the bread of the hungry old man. It was
The soup was cold and bitter. It was
The dragon burned the village and ate the sheep. It was
They lost their way and were hungry. It was
"""
texts = [
    (text, good) for good, lines in ((1, GOOD), (0, BAD)) for text in lines.strip().splitlines()
]
rows = []
with blas_threads(1):
    for words in (["positive", "negative"], ["good", "bad"], ["happy", "unhappy"]):
        shares = np.array([sentiment(model, tokenizer, text, words)[words[0]] for text, _ in texts])
        n_right = sum(
            int((share > 0.5) == good) for share, (_, good) in zip(shares, texts, strict=True)
        )
        rows.append([f"{words[0]} or {words[1]}", n_right, shares[:8].mean(), shares[8:].mean()])
report("sentiment, good or bad", rows[1][1], 16, 0.5)
columns = ["words", "right of 16", "share of the first in good texts", "in bad ones"]
Table("Sentiment", columns, rows, digits=2)

# %% [markdown]
# Where the shares in good texts and in bad ones are nearly the same, the answer does not depend on
# the text: "positive" and "negative" are words that stories hardly use. With words that the model
# knows the shares may lean the right way; on sixteen texts, up to twelve right answers are within
# the range of chance. Choosing the words that came out best *after* looking, and reporting only
# those, would be cheating.
#
# ### Questions
#
# Notebook 12 lets the storyteller write answers. Perhaps it knows, and cannot say so. Then it
# should at least prefer the right one of two:

# %%
QUESTIONS = """
Peter had a dog and Mary had a cat.
Who had the dog? Peter / Who had the cat? Mary
The fox lived in a hole and the bird lived in a tree.
Where was the fox? in a hole / Where was the bird? in a tree
The king wore a red coat and the queen wore a blue coat.
Which did the king wear? red / Which did the queen wear? blue
Jack went to the mill and Tom went to the sea.
Where did Jack go? to the mill / Where did Tom go? to the sea
The old man ate fish and the boy ate bread.
What did the old man eat? fish / What did the boy eat? bread
Heidi had a ring and Alice had a book.
Who had the ring? Heidi / Who had the book? Alice
"""
items, lines = [], QUESTIONS.strip().splitlines()
for document, both in zip(lines[::2], lines[1::2], strict=True):
    asked, told = zip(*(part.split("? ") for part in both.split(" / ")), strict=True)
    for right_is, question in enumerate(asked):
        prompt = f"{document}\n\nQ: {question}?\nA:"
        items.append(Choice(prompt, tuple(f" {each}" for each in told), right_is))
found = accuracy(model, tokenizer, items)
report("questions, of two answers", round(found.by_mean * found.n), found.n, 0.5)
print(f"{found.by_mean * found.n:.0f} of {found.n} right")

# %% [markdown]
# ### Summaries
#
# How good is a summary? ROUGE-1 compares its words with the words of a summary that a person wrote:
# the shared words, as a share of either summary, averaged (F1, a harmonic mean). It is a crude
# measure, and so it needs baselines: the first three sentences of the text, or any three. And the
# paper's own control is the same prompt without the hint. The tale is that of notebook 12.

# %%
TALE = """
In a village by a river there lived a miller who had a bell. It was a small brass bell, and it
hung over the door of the mill, and whenever the water rose the miller rang it, so that the
people might drive their cows up the hill.

One spring a stranger came to the mill and said, "Sell me your bell. I will give you a purse of
gold." The miller looked at the gold, and he looked at the river, which was low and quiet. "It
has not rained for a month," he thought. "What do I want with a bell?" So he sold it, and the
stranger went away over the bridge.

That night the wind turned, and it began to rain. It rained for three days and three nights. The
river rose over the stones, and over the grass, and up to the door of the mill. The miller ran
to his door and put up his hand to ring, but there was nothing there but a nail.

Then he ran from house to house and knocked at every door. "Wake up, wake up!" he cried. "The
water is coming!" Some woke, and some did not, and before the morning half of the cows were
lost.

When the sun came out the miller took the purse of gold and went to look for the stranger. He
walked for a year, and at last he found him in a great city, ringing the bell in the market to
sell his cakes. "Give me back my bell," said the miller, "and take your gold." But the stranger
laughed and said, "It will cost you two purses now." And the miller had to work for another year
to earn the second purse.

So he came home with his bell, and hung it over the door, and he never sold it again.
"""
TALE = re.sub(r"(?<!\n)\n(?!\n)", " ", TALE.strip())  # lines to paragraphs

from gptlite.tasks.sentences import sentences
from gptlite.tasks.summarise import summarise

REFERENCE = (
    "A miller sold the bell that warned his village of the river, and when the flood came nobody "
    "could be warned. He had to buy it back for twice the price."
)


def rouge_1(text: str) -> float:
    """Measure F1 of the words that a text shares with the reference."""
    ours, theirs = (Counter(re.findall(r"[a-z']+", t.lower())) for t in (text, REFERENCE))
    shared = (ours & theirs).total()
    return 2 * shared / (ours.total() + theirs.total())


rng, all_of_them = np.random.default_rng(0), sentences(TALE)
threes = [sorted(rng.choice(len(all_of_them), 3, replace=False)) for _ in range(200)]
with blas_threads(1):
    rouge = {
        "TL;DR:": [rouge_1(summarise(model, tokenizer, TALE, seed=seed)) for seed in range(3)],
        "no hint": [
            rouge_1(summarise(model, tokenizer, TALE, hint="", seed=seed)) for seed in range(3)
        ],
        "any three sentences": [
            rouge_1(" ".join(all_of_them[i] for i in three)) for three in threes
        ],
        "the first three": [rouge_1(" ".join(all_of_them[:3]))],
    }
rows = [[name, float(np.mean(found)), float(np.std(found))] for name, found in rouge.items()]
Table("ROUGE-1 against a summary by hand", ["", "mean", "spread"], rows, bar="mean", digits=2)

# %% [markdown]
# The first two rows say what the hint is worth, the third what three sentences of the tale are
# worth, chosen blindly. In the paper the hint was worth 6 points, for there it is in the training
# data: people on the web write `TL;DR:` before a summary. And there, too, the first three sentences
# of a news article beat the model, by 10 points of ROUGE (31.6 against 21.4).
#
# ### The choices beside chance
#
# The grey bar is where chance alone would be nineteen times in twenty: two standard errors on
# either side. A point in its bar leaves nothing to explain.

# %%
rows = [
    [name, n, share, chance, (share - chance) / error] for name, n, share, chance, error in tries
]
ax = plt.subplots(figsize=(7, 1 + 0.3 * len(rows)), layout="constrained")[1]
for place, (_, _, share, chance, error) in enumerate(tries):
    ends = [chance - 2 * error, chance + 2 * error]
    ax.plot(ends, [place] * 2, color="#ccc", linewidth=8, solid_capstyle="butt")
    ax.plot(share, place, "o", color="#084594")
ax.set_yticks(range(len(rows)), [f"{name} ({n})" for name, n, *_ in rows])
ax.invert_yaxis()
ax.set(xlim=(0, 1), xlabel="share of right answers")
ax.spines[["top", "right"]].set_visible(False)
above = [name for name, *_, distance in rows if distance > 2]
print("more than two standard errors above chance:", ", ".join(above) or "none")

# %% [markdown]
# ## What size changes
#
# What is left in its bar needs, as a rule, a prompt of a kind that the model has never met. That is
# not a failure of the method, but of a few million parameters and some megabytes of stories. The
# paper's Table 3 shows what more of both does (LAMBADA: the last word of a passage; CBT: gaps in
# children's books, ten words to choose from; all without training):

# %%
PAPER = [["117M", 45.99, 87.65, 83.4], ["345M", 55.48, 92.35, 87.1]]
PAPER += [["762M", 60.12, 93.45, 88.0], ["1542M", 63.24, 93.30, 89.05]]
columns = ["model", "LAMBADA", "CBT, common nouns", "CBT, names"]
Table("GPT-2 paper, Table 3: accuracy in %", columns, PAPER, bar="LAMBADA", digits=2)

# %% [markdown]
# `python -m gptlite.evaluate lambada FILE --model gpt2` measures such figures, from the
# benchmark's own file and the official weights (notebook 7).
