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
# # 12. Zero-shot: tasks without training
#
# "Language Models are Unsupervised Multitask Learners" is the title of the GPT-2 paper. Its claim:
# a model that has learned nothing but to predict the next token can be asked to answer, to
# summarise or to translate, if the task is written as text. (The field calls that **zero-shot**:
# there are no examples to learn the task from.)
#
# **Minutes:** 30, and 30 for the exercises. **Needs:** notebook 8. **Optional**; for a class, the
# beginning up to "Entailment" and the last section are enough.
#
# Afterwards you can
#
# - turn any question with several answers into a comparison of probabilities, and say where a
#   prompt ends and an option begins;
# - name the baseline and the control that a claim about a model needs, and the standard error of
#   chance;
# - say why a perplexity has to be given with its stride.
#
# It goes with "Machine Translation" and "Summarization" in [The Illustrated
# GPT-2](https://jalammar.github.io/illustrated-gpt2/), and with section 3 of the paper. The
# storyteller is far smaller than the smallest GPT-2, and has read nothing but stories: expect
# little of it. How little exactly is measured on a page of its own, notebook 12b.
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
import re

import matplotlib.pyplot as plt
import numpy as np

from gptlite import views
from gptlite.fast.threads import blas_threads
from gptlite.sampling import log_softmax
from gptlite.tasks.choice import Choice, accuracy
from gptlite.tasks.score import score
from gptlite.training.losses import loss_windows, next_token_losses
from gptlite.views.table import Table

model, tokenizer = gptlite.load()
storyteller = (model, tokenizer)

# %% [markdown]
# ## A choice is a comparison of probabilities
#
# A language model says how likely each token is after the tokens before it. The probability of a
# whole continuation is the product of these probabilities, its logarithm the sum of their
# logarithms. With that, any question with several answers can be put to the model: which answer
# would it rather go on with?
#
# By hand, for the continuation " there was a king" (prompts are read as they stand here, without
# `<|endoftext|>` in front, for they need not be the beginning of a text):

# %%
prompt, option = "Once upon a time", " there was a king"
before, after = tokenizer.encode(prompt), tokenizer.encode(option)
logprobs = log_softmax(model(before + after)[0])  # [seq, n_vocab]
rows, total = [], 0.0
for place, token in enumerate(after, len(before)):
    logprob = float(logprobs[place - 1, token])  # the logits before it predict it
    total += logprob
    label = views.token_label(tokenizer.decode_bytes([token]))
    rows.append([label, float(np.exp(logprob)), logprob])
Table(f"after {prompt!r}", ["token", "probability", "logarithm"], rows, bar="probability", digits=3)

# %% [markdown]
# `score` does the same for several options at once: the prompt is read once, and all options go
# on from its keys and values (notebook 6).

# %%
options = [" there was a king", " there was a spoon", " spoon a was there"]
found = score(model, tokenizer, prompt, options)
print(f"by hand {total:.3f}")
for text, logprob in zip(options, found, strict=True):
    print(f"{logprob:8.3f} {text!r}")

# %% [markdown]
# **Guess first:** these three have the same number of tokens, or nearly. What if one option is much
# longer than another: which of the two has the advantage?
#
# The shorter one: every further token multiplies by a number below 1. Two ways to compare are
# common: the sum, which is the probability of the option as it stands, and the mean per token
# (`normalise="mean"`). GPT-1 took the mean for answers of different lengths.

# %%
options = [" a king", " a king who had three daughters and a son"]
for normalise in ("sum", "mean"):
    found = score(model, tokenizer, "Once upon a time there was", options, normalise)
    print(f"{normalise:4}", *(f"{number:8.2f}" for number in found))

# %% [markdown]
# ## Where does the prompt end?
#
# There is a trap for every user of such scores. A word in the middle of a text is one token with
# the space before it (notebook 2). If the prompt ends with that space, and the two are encoded
# separately, the model meets a space by itself and then a word without one, which it has hardly
# ever seen. So gptlite encodes prompt and option as one text; the tokens that end within the prompt
# belong to the prompt, all others to the option.

# %%
from gptlite.tasks.score import split

for prompt, option in [("Once upon a", " time"), ("Once upon a ", "time")]:
    before, [after] = split(tokenizer, prompt, [option])
    shown = [tokenizer.decode([token]) for token in after]
    print(f"{score(model, tokenizer, prompt, [option])[0]:7.3f}", shown)
apart = tokenizer.encode("Once upon a ") + tokenizer.encode("time")
logprobs = log_softmax(model(apart)[0])  # [seq, n_vocab]
print(f"{sum(logprobs[i - 1, apart[i]] for i in range(3, len(apart))):7.3f} encoded separately")

# %% [markdown]
# ## Gaps
#
# The Children's Book Test strikes a word out of a story and offers ten to fill the gap. The GPT-2
# paper takes the word that makes itself *and the rest of the sentence* most likely; the smallest
# model found 88 % of the common nouns. Here are 24 gaps of our own, easy ones, with four words
# each.

# %%
from gptlite.tasks.cloze import cloze, fill

GAPS = """
Once upon a time there was a king who had three XXXXX. | daughters stones rivers mornings
The wolf opened his mouth and showed his sharp XXXXX. | teeth shoes door flowers
The princess put the golden crown upon her XXXXX. | head table road supper
The bird flew up and sat upon the branch of a XXXXX. | tree spoon horse letter
He mounted his XXXXX and rode away to the castle. | horse bread window bed
The old woman lit a fire, for it was very XXXXX. | cold green clever loud
The mouse ran away, for she was afraid of the XXXXX. | cat cheese moon grass
They sailed over the XXXXX for many days. | sea kitchen table forest
He was so hungry that he ate all the XXXXX. | bread stones water chairs
The sun went down and it grew XXXXX. | dark young rich hungry
The fisherman threw his XXXXX into the water. | net house mother tree
The giant was so tall that his XXXXX touched the ceiling. | head dinner shoe voice
The boy wept because he had lost his XXXXX. | way sky noon river
She fell asleep, and when she XXXXX it was morning. | awoke fell sang ate
The king was angry and ordered the thief to be put in XXXXX. | prison bread spring water
The dog wagged his XXXXX and barked for joy. | tail hat wing sword
The snow fell, and all the fields were XXXXX. | white hot loud old
The hen sat upon her XXXXX until they were hatched. | eggs horns books rings
The prince drew his XXXXX and killed the dragon. | sword soup bed smile
The queen looked into the XXXXX and saw her own face. | mirror oven basket bread
The bees flew from flower to XXXXX. | flower stone fish door
The bear was fond of XXXXX and put his paw into the hive. | honey gold snow music
He knocked at the XXXXX, and an old man opened it. | door moon horse egg
The shepherd drove his XXXXX home in the evening. | sheep ships stars loaves
"""
gaps = []
for line in GAPS.strip().splitlines():
    text, _, words = line.partition(" | ")
    gaps.append(fill(text, words.split(), answer=0))
text = "The dog wagged his XXXXX and barked for joy."
words = ["tail", "hat", "wing", "sword"]
for word, logprob in zip(words, cloze(model, tokenizer, text, words), strict=True):
    print(f"{logprob:8.2f} {word}")

# %% [markdown]
# **Guess first:** a choice of four is right one time in four by chance. What else has to be beaten
# before you may say that the model read the sentence? Some words are just more frequent than
# others, and the text after the gap may give the word away without the text before it. Both can be
# measured with the same function.

# %%
right, n = {}, len(gaps)
with blas_threads(1):  # arrays this small are faster on one core
    right["the whole sentence"] = round(n * accuracy(model, tokenizer, gaps).by_sum)
    for name, options_of in {
        "without the text before the gap": lambda gap: [f" {option}" for option in gap.options],
        "the word alone": lambda gap: [
            f" {re.split('[ .,]', option)[0]}" for option in gap.options
        ],
    }.items():
        right[name] = sum(
            int(score(model, tokenizer, "", options_of(gap)).argmax() == gap.answer) for gap in gaps
        )
right["chance"] = n // 4
Table(
    f"Gaps filled correctly, of {n}",
    ["with", "right"],
    [list(r) for r in right.items()],
    bar="right",
)

# %% [markdown]
# To know which word fits there, in a story, is just what it was trained for. What the whole
# sentence adds to the two controls is what it has read in it. The rest of this notebook asks for
# more.
#
# ## Copying is not reasoning
#
# Does it use the text before? Somebody is named, and named again:

# %%
NAMES = ["Jack", "Hans", "Peter", "Tom", "Mary", "Heidi", "Robin", "Alice"]
ANIMALS = ["fox", "wolf", "bear", "hare", "cat", "dog", "goose", "frog", "mouse", "lion"]
QUALITIES = ["clever", "brave", "lazy", "proud", "hungry", "old", "kind", "poor"]


def draw(rng: np.random.Generator) -> tuple[list[str], list[str], list[str]]:
    """Draw two names, two animals and two qualities, all different."""
    kinds = (NAMES, ANIMALS, QUALITIES)
    return tuple([str(word) for word in rng.choice(kind, 2, replace=False)] for kind in kinds)


def copying(rng: np.random.Generator) -> Choice:
    """Ask who was fond of the animal: the one who was named."""
    (name, other), (animal, _), _ = draw(rng)
    text = f"{name} had a {animal}. {name} was very fond of it, and one day"
    return Choice(text, (f" {name}", f" {other}"), 0)


def one_rule(rng: np.random.Generator) -> Choice:
    """Ask what follows from one rule."""
    (name, _), (animal, _), (quality, other) = draw(rng)
    text = f"Every {animal} is {quality}. {name} is a {animal}. {name} is"
    return Choice(text, (f" {quality}.", f" {other}."), 0)


def no_rule(rng: np.random.Generator) -> Choice:
    """Ask without the rule: the model's answer anyway."""
    whole = one_rule(rng)
    return whole._replace(prompt=whole.prompt.partition(". ")[2])


def two_rules(rng: np.random.Generator) -> Choice:
    """Ask with two rules; one applies."""
    (name, _), (animal, second), (quality, other) = draw(rng)
    rules = [f"Every {animal} is {quality}.", f"Every {second} is {other}."]
    first = int(rng.integers(2))
    text = f"{rules[first]} {rules[1 - first]} {name} is a {animal}. {name} is"
    return Choice(text, (f" {quality}.", f" {other}."), 0)


results = []


def report(name: str, n_right: int, n: int, chance: float) -> None:
    """Keep a result, with the standard error that chance alone would have."""
    results.append([name, n, n_right / n, chance, (chance * (1 - chance) / n) ** 0.5])


report("gaps", right["the whole sentence"], n, 0.25)
with blas_threads(1):
    for make in (copying, one_rule, no_rule, two_rules):
        rng = np.random.default_rng(0)  # the same names, animals and qualities for all
        items = [make(rng) for _ in range(80)]
        found = accuracy(model, tokenizer, items)
        report(make.__name__.replace("_", " "), round(80 * found.by_sum), 80, 0.5)
        print(f"{found.by_sum:.2f} {make.__name__}: {items[0].prompt!r}")

# %% [markdown]
# The third number is the answer without any rule, so the second less the third says what a rule is
# worth. But the fourth is the one that counts. With two rules, only one of which applies, repeating
# a word that was there is right half of the time; only a model that sees which of the two was said
# *of this animal* does better. A task with a shortcut measures the shortcut, and so the last row is
# needed.
#
# The storyteller nearly always names again who was named, and mostly repeats the quality of the
# only rule. With two rules it comes to the edge of what chance alone would give (a figure below
# shows it), and not further. So it copies; that it reasons is not shown.
#
# ## Entailment
#
# Does a sentence follow from another? GPT-1 showed with this task what fine-tuning is good for,
# with a token between premise and hypothesis. The GPT-2 paper has no zero-shot entailment; the
# prompt here is gptlite's own, akin to GPT-3's: a question, and two words that stand for the
# answers.

# %%
from gptlite.tasks.entail import entail

rng, n_right, n_true = np.random.default_rng(0), 0, 0
with blas_threads(1):
    for i in range(60):
        (name, _), (animal, _), (quality, _) = draw(rng)
        is_true = i % 2 == 0
        hypothesis = f"{name} is {'' if is_true else 'not '}{quality}."
        shares = entail(
            model, tokenizer, f"Every {animal} is {quality}. {name} is a {animal}.", hypothesis
        )
        says_true = shares["entailment"] > 0.5
        n_right += says_true == is_true
        n_true += says_true
report("entailment", n_right, 60, 0.5)
print(f"{n_right} of 60 right; it says True {n_true} times")

# %% [markdown]
# From 23 to 37 right is within two standard errors of chance, and always giving the same answer is
# right in half of the cases. Nothing in stories looks like "True or False? Answer:", so the model
# has had nothing to learn it from. Notebook 11 trains for tasks with labels instead.
#
# ## What chance alone would give
#
# Here are all the choices so far. The grey bar is where chance alone would be nineteen times in
# twenty: two standard errors, `sqrt(p (1 - p) / n)`, on either side. A point in its bar leaves
# nothing to explain; a point beyond it still needs a control.

# %%
rows = [
    [name, n, share, chance, (share - chance) / error] for name, n, share, chance, error in results
]
ax = plt.subplots(figsize=(7, 1 + 0.3 * len(rows)), layout="constrained")[1]
for place, (_, _, share, chance, error) in enumerate(results):
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
# ## Whole answers
#
# So far the answers were given, and the model chose. It can also write them, if the prompt is such
# that an answer must come next. Here is a short tale to ask about, written for this notebook:

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
n_tokens = len(tokenizer.encode(TALE))
print(f"{len(TALE.split())} words, {n_tokens} tokens, and the context holds {model.config.n_ctx}")

# %% [markdown]
# What if it does not fit? Then it matters which part is cut away: before a question gptlite leaves
# out the beginning of the text, so that its end and the question stay; before a summary it leaves
# out the end, for articles put first what matters. (`overflow="error"` refuses instead.)
#
# ### Questions
#
# The prompt is the document, then `Q:` and `A:`; the answer is the text that the model writes on
# that line, greedily. The largest GPT-2 reached 55 F1 on CoQA that way, without one of its 127,000
# questions for training.

# %%
from gptlite.tasks.answer import answer

for question in ["Who sold the bell?", "What did the stranger pay?", "Where was the bell at last?"]:
    told = answer(model, tokenizer, question, TALE)
    print(f"{question} -> {told.text} ({told.logprob:.0f} nats)")

# %% [markdown]
# Are these answers? Or does it go on in the tone of a story, which is all it ever saw? Perhaps it
# knows, and cannot say so: notebook 12b lets it choose between the right answer and a wrong one.
#
# ### Summaries
#
# Article: "Summarization"
#
# The article trains a model on rows of article, delimiter, summary. GPT-2's authors asked without
# training: they wrote `TL;DR:` after the article, drew 100 tokens, each from the two most likely
# ones, and kept three sentences.

# %%
from gptlite.tasks.summarise import summarise

with blas_threads(1):
    for seed in range(2):
        print(f"[{seed}] {summarise(model, tokenizer, TALE, seed=seed)}\n")

# %% [markdown]
# Are these summaries? For that there is a measure, ROUGE, in notebook 12b.
#
# ### Translation
#
# Article: "Machine Translation"
#
# The prompt is a list of examples, one per line, and a sentence with an `=` after it. GPT-2 reached
# 5 BLEU from English to French, having seen 10 MB of French by accident. The storyteller has seen
# none:

# %%
from gptlite.tasks.translate import translate

pairs = [("the cat", "le chat"), ("the dog", "le chien"), ("the house", "la maison")]
print(translate(model, tokenizer, "the king", pairs, max_new_tokens=24))

# %% [markdown]
# A method cannot find what is not in the data: look for a word of French that was not in the
# examples.
#
# ## The fine print of perplexity
#
# Perplexity is the exponential of the mean loss (notebook 8). A text longer than the context is
# read in windows, and the first tokens of each window have little before them. If the windows
# overlap, and only the new tokens of each count, every token has more context, and the figure
# falls, with the same model and the same text. A window moves on by its *stride*; a perplexity
# should be given with its stride.
#
# **Guess first:** with windows of 64 tokens, how much longer does it take at a stride of 16?

# %%
ids = [tokenizer.eot, *tokenizer.encode(TALE)]
rows = []
for stride in (64, 32, 16):
    nats = float(next_token_losses(model, ids, context=64, stride=stride).mean())
    read = sum(len(w.starts) * w.seq for w in loss_windows(len(ids), 64, stride))
    rows.append([str(stride), float(np.exp(nats)), read / (len(ids) - 1)])
Table(
    "Windows of 64 tokens", ["stride", "perplexity", "times read"], rows, bar="perplexity", digits=2
)

# %% [markdown]
# It takes nearly four times as long, and a stride of 32 already has most of the gain. The unit
# matters as well: per token, a model with long tokens looks worse, so models with different
# vocabularies are compared per word or per byte.
#
# ## Exercises
#
# Each has stars for its difficulty, minutes, a hint, and a cell to work in: put your answer in
# place of the `...`, run the cell, and the check says whether it is right. The check asks the
# storyteller itself where an answer depends on it.

# %%
from gptlite.exercises import check

# %% [markdown]
# **1. The space.** (★☆☆, 5 min) By how many nats is " time" (with its space) likelier than "time"
# after "Once upon a"?
#
# <details><summary>Hint</summary>
#
# `score(*storyteller, prompt, options)` gives a log-probability for each option.
#
# </details>

# %%
# solution: mine = ...
with_space, without = (score(*storyteller, "Once upon a", [o])[0] for o in (" time", "time"))
mine = with_space - without
# end of solution
check("12.1", mine)

# %% [markdown] tags=["solution"]
# "Once upon atime" is another text, in which the last word begins differently, and it is far less
# likely.

# %% [markdown]
# **2. Longer options.** (★★☆, 6 min) By the rules of the sum, which is more likely: an option, or
# the same option with something added to its end?
#
# - (a) The shorter one, always.
# - (b) The longer one, if what is added fits well.
# - (c) It depends on the model.
#
# <details><summary>Hint</summary>
#
# Score `[" a king" + " who was old" * i for i in range(4)]` after "There was".
#
# </details>

# %%
# solution: mine = "?"
longer = [" a king" + " who was old" * i for i in range(4)]
print(score(*storyteller, "There was", longer).round(1))
mine = "a"
# end of solution
check("12.2", mine)

# %% [markdown] tags=["solution"]
# The shorter one, always: every added token multiplies the probability by a number below 1. (The
# longer option must begin with the tokens of the shorter one; an addition that changes the tokens
# before it, such as "s" for a plural, makes it another text.)

# %% [markdown]
# **3. Coin or rule.** (★★★, 12 min) With two rules the answers may be right half of the time, and
# still not be a coin's. Count for 100 items of `two_rules`, drawn with `np.random.default_rng(3)`,
# how often the model chooses the quality that was named *last*. (There is no right number: the
# check says what yours means.)
#
# <details><summary>Hint</summary>
#
# `item.prompt.find(option)` says where an option stands in the prompt; `score(...).argmax()` is the
# model's choice.
#
# </details>

# %%
# solution: mine = ...
rng, mine = np.random.default_rng(3), 0
for _ in range(100):
    item = two_rules(rng)
    named = max(range(2), key=lambda i: item.prompt.find(item.options[i]))
    mine += int(score(*storyteller, item.prompt, item.options).argmax() == named)
# end of solution
check("12.3", mine)

# %% [markdown] tags=["solution"]
# Half of the time the quality named last is the right one, so always naming the last gives 50 %,
# too: being at chance does not mean that the answers follow no rule.

# %% [markdown]
# **4. A preference for a word.** (★★☆, 8 min) `entail` compares " True" with " False". What share
# of the probability of the two does " True" get after nothing but "Answer:"? What would you do
# about it?
#
# <details><summary>Hint</summary>
#
# Two log-probabilities: turn them into probabilities, and divide by their sum.
#
# </details>

# %%
# solution: mine = ...
empty = score(*storyteller, "Answer:", [" True", " False"])  # [2]
mine = np.exp(empty[0] - np.logaddexp(*empty))
print(f"{mine:.2f}")
# end of solution
check("12.4", mine)

# %% [markdown] tags=["solution"]
# The model's preference for a word can be measured with a prompt that says nothing, and subtracted
# (the field says: calibration). The rest is due to the premise. That moves the border between the
# two answers; it does not help a model that cannot tell true from false.
