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
# # 1. What is a language model?
#
# You will see
#
# - that a language model does one thing: it gives every possible next token a probability;
# - how context sharpens that guess, and what a model that only counts pairs of words misses;
# - how a whole text gets a probability, and where a model is surprised;
# - how guessing the next token, again and again, writes a text;
# - what training changes, and the four sizes of GPT-2.
#
# It goes with the beginning of Jay Alammar's
# [The Illustrated GPT-2](https://jalammar.github.io/illustrated-gpt2/): "What is a Language
# Model", "Transformers for Language Modeling" and "One Difference From BERT".
#
# Everything runs offline, on the *storyteller*: a small GPT-2 that ships with gptlite, trained on
# old children's books. Install gptlite from its checkout, with what notebooks need:
# `pip install -e '.[notebooks]'`

# %%
# Once, in a shell, from the folder of the checkout: pip install -e '.[notebooks]'
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np

import gptlite
from gptlite import GPT, GPTConfig, views
from gptlite.generate import generate
from gptlite.layers import softmax
from gptlite.sampling import log_softmax
from gptlite.views.table import Table

model, tokenizer = gptlite.load()

# %% [markdown]
# ## The keyboard on your phone
#
# Article: "What is a Language Model"
#
# While you type, your phone's keyboard offers three words that may come next. That is a language
# model at work. **Guess first:** which three would you offer after "Once upon a"?

# %%
views.next_token(model(tokenizer.encode("Once upon a")), tokenizer, top=3)

# %% [markdown]
# The dot in `·time` is a space: a word in the middle of a sentence brings along the space before
# it. (Why the rows are called *tokens* and not words is the subject of notebook 2.)
#
# The model is sure here, as you were. In other places nobody can be sure, and a good model says so
# by spreading its probability:

# %%
views.next_token(model(tokenizer.encode("The king and the")), tokenizer)

# %%
_ = views.next_token(model(tokenizer.encode("The king and the")), tokenizer).plot()

# %% [markdown]
# ## What goes in, what comes out
#
# A model is a function of arrays: here a **neural network**, which multiplies and adds its way from
# the input to the output with numbers that it has learned, its **parameters** or weights. In go the
# numbers of the tokens. **Guess the shape** of what comes out, given that the model knows 4,096
# tokens and this text has 3.

# %%
ids = tokenizer.encode("Once upon a")  # [seq]
logits = model(ids)  # [batch, seq, n_vocab]
print(ids)
print(logits.shape)

# %% [markdown]
# One row of scores for *each* position, not only for the last: after `Once`, after `Once upon`,
# after `Once upon a`. Each row has a score for every token in the vocabulary. (The first axis is
# the batch: texts computed side by side. We gave one.)
#
# The scores are called **logits**. They can be any number. `softmax` turns a row of them into
# probabilities: all positive, with the sum 1.

# %%
probabilities = softmax(logits[0, -1])  # [n_vocab]
best = probabilities.argmax()
print("highest logit      ", logits[0, -1].max().round(1))
print("its probability    ", probabilities[best].round(2))
print("its token          ", repr(tokenizer.decode([best])))
print("sum of all         ", probabilities.sum().round(3))
print("lowest is above 0  ", bool(probabilities.min() > 0))

# %% [markdown]
# The last line matters: to a language model nothing is impossible, only unlikely.

# %% [markdown]
# ## The simplest language model counts
#
# You need no neural network to guess the next word. Count in a text which word follows which:

# %%
TALE = (
    "the fox saw the hen . the hen saw the fox . the fox was hungry . the hen was not . "
    "the hen ran home . the fox ran after the hen . the hen was home . the fox was hungry ."
)
follows = defaultdict(Counter)
for word, following in pairwise(TALE.split()):
    follows[word][following] += 1

rows = [
    [word, following, count, count / follows[word].total()]
    for word in ("the", "fox", "was")
    for following, count in follows[word].most_common()
]
Table("Which word follows which", ["after", "comes", "times", "probability"], rows)

# %% [markdown]
# This is a language model too, a *bigram* model. Let it write, always taking the most likely word:

# %%
words = ["the"]
for _ in range(14):
    words.append(follows[words[-1]].most_common(1)[0][0])
print(" ".join(words))

# %% [markdown]
# It sees one word and has forgotten all before it, so it runs in a circle. Longer memories by
# counting fail for another reason: most rows of five words occur nowhere in the text, however much
# of it you have, so there is nothing to count. GPT-2 *computes* its guess from up to 1,024 tokens
# (the storyteller from up to 256), even for texts that nobody has ever written.
#
# See what more context is worth: the probability of `·door` as the storyteller sees more and more.

# %%
[door] = tokenizer.encode(" door")
rows = []
for seen in ("the", " opened the", "She opened the"):
    after = softmax(model(tokenizer.encode(seen))[0, -1])  # [n_vocab]
    rows.append([seen.replace(" ", "·"), float(after[door])])
columns = ["the model sees", "probability"]
context = Table("The probability of ·door", columns, rows, bar="probability")
context

# %%
_ = context.plot()

# %% [markdown]
# ## The probability of a text
#
# Because each row of logits guesses the next token, one call of the model grades a whole text: what
# probability did each token have, given the tokens before it? Multiply these probabilities and you
# have the probability of the text (the *chain rule*). It is a tiny number, so we add logarithms
# instead.
#
# We put the token `<|endoftext|>` in front: it stands between documents in the training text, so
# after it the model expects a beginning. Deep colour: the model saw it coming. Pale: a surprise.
# The probability stands below each token. **Guess first:** which words will be the palest?

# %%
ids = [tokenizer.eot, *tokenizer.encode("Once upon a time there was a king who had three sons.")]
graded = views.text_probabilities(model(ids), ids, tokenizer)
graded

# %%
_ = graded.plot()

# %% [markdown]
# Nothing says which story begins, so `Once` and `·king` are surprises; `·upon a time` is not.
#
# The line at the bottom is the usual summary. The surprise of one token is minus the logarithm of
# its probability, in *nats*; the mean over the text is the **loss** that training makes small (the
# field says: cross-entropy). Its exponential, the **perplexity**, reads like this: the model was as
# unsure, on average, as if it had to choose among that many equally likely tokens. Here is the same
# number by hand:

# %%
log_probabilities = log_softmax(model(ids)[0, :-1])  # [seq - 1, n_vocab]
surprises = -log_probabilities[np.arange(len(ids) - 1), ids[1:]]  # [seq - 1]
print("tokens predicted", len(surprises))
print("nats per token  ", surprises.mean().round(3))
print("perplexity      ", np.exp(surprises.mean()).round(1))

# %% [markdown]
# There are two things to notice in the code: the logits of position `i` are compared with the token
# at `i + 1`, and the last row of logits grades nothing here: it is the guess at the token that
# comes next.
#
# ## A judge of language
#
# Nobody told the model any grammar. Yet texts that might stand in a book cost fewer nats than texts
# that could not:


# %%
def nats(text: str, model: GPT = model) -> float:
    """Surprise of a whole text: the sum over its tokens."""
    ids = [tokenizer.eot, *tokenizer.encode(text)]
    log_probabilities = log_softmax(model(ids)[0, :-1])  # [seq - 1, n_vocab]
    return float(-log_probabilities[np.arange(len(ids) - 1), ids[1:]].sum())


texts = [
    "The king was angry.",
    "The king were angry.",
    "The king angry was.",
    "She gave him the apple.",
    "She gave he the apple.",
    "The wolf ate the grandmother.",
    "The grandmother ate the wolf.",
]
Table("The surprise of a sentence", ["text", "nats"], [[t, nats(t)] for t in texts], digits=1)

# %% [markdown]
# It knows that a king *was*, and that one gives something to *him*. But look at the last two rows:
# it finds the grandmother eating the wolf no stranger than the other way round. A model of this
# size learns how sentences are put together, but little about who eats whom. Nor does it know
# facts:

# %%
views.next_token(model(tokenizer.encode("The capital of France is")), tokenizer, top=5)

# %% [markdown]
# Sensible grammar, no knowledge. It has read 18.5 MB of tales, where GPT-2 read 40 GB of web pages,
# and has 21 times fewer numbers to keep what it learned. The machinery you will study is the same.

# %% [markdown]
# ## Auto-regression: a guess becomes input
#
# Article: "One Difference From BERT"
#
# To write, take the guess, put it at the end of the text, and ask again. That loop is called
# **auto-regression**. (Using a trained model, as opposed to training it, is called **inference** in
# the field.) Here it is in full, taking the most likely token each time (*greedy*):

# %%
ids = tokenizer.encode("Once upon a")
rows = []
for step in range(8):
    after = softmax(model(ids)[0, -1])  # [n_vocab]
    chosen = int(after.argmax())
    label = views.token_label(tokenizer.decode_bytes([chosen]))
    rows.append([step + 1, tokenizer.decode(ids), label, float(after[chosen])])
    ids.append(chosen)
Table(
    "The loop", ["step", "the model reads", "and adds", "probability"], rows, shaded=["probability"]
)

# %% [markdown]
# `generate` is this loop with more ways to choose. With `temperature=0` it is greedy as well:

# %%
written = generate(model, tokenizer, "Once upon a", max_new_tokens=8, temperature=0)
print(repr(written))
print("the same as by hand:", tokenizer.decode(ids) == "Once upon a" + written)

# %% [markdown]
# BERT, the other famous transformer of that time, is trained to fill gaps, and looks at the words
# on both sides of a gap. That helps it to understand a finished text, but it cannot simply continue
# one: there is nothing on the right yet. GPT-2 looks only to the left, in training as in writing,
# and that is what makes the loop possible. (Notebook 4 shows the *mask* that sees to this, notebook
# 6 better ways to choose than taking the most likely token.)

# %% [markdown]
# ## Where the examples come from
#
# No person has to label anything: every text is full of questions with their answers. (The field
# says: self-supervised learning.)

# %%
views.prefixes(tokenizer, "Once upon a time there was a fox")

# %% [markdown]
# Training shows the model millions of such rows and nudges its parameters so that the right answer
# becomes a little more likely each time. Before training they are random. **Guess:** what does an
# untrained model of the same shape say after "Once upon a"?

# %%
untrained = GPT.init(model.config, seed=0)
views.next_token(untrained(tokenizer.encode("Once upon a")), tokenizer, top=3)

# %% [markdown]
# All 4,096 tokens are about equally likely. A guess among `n` equally likely tokens costs `log(n)`
# nats:

# %%
text = "Once upon a time there was a king who had three sons."
count = len(tokenizer.encode(text))
rows = [
    ["all 4,096 equally likely", float(np.log(model.config.n_vocab))],
    ["untrained", nats(text, untrained) / count],
    ["trained", nats(text) / count],
]
stages = Table("Nats per token", ["model", "nats"], rows, bar="nats", digits=2)
stages

# %%
_ = stages.plot()

# %% [markdown]
# ## The two stages of GPT
#
# The first GPT paper (Radford et al. 2018) trained in two stages:
#
# | | stage 1: pre-training | stage 2: fine-tuning |
# |---|---|---|
# | data | raw text, as much as can be had | some labelled examples of a task |
# | question | what is the next token? | what is the label, the answer, the summary? |
# | begins with | random numbers | the numbers of stage 1 |
# | costs | nearly everything | little |
#
# What stage 1 learns about language is of use for nearly every task in stage 2. The GPT-2 paper
# (2019) went on to ask how far stage 1 goes *alone*: if a text ends in "TL;DR:", the most likely
# next tokens are a summary; the task is put into the text. All models in these notebooks, the
# storyteller and OpenAI's, have been through stage 1 only.

# %% [markdown]
# ## Four sizes
#
# Article: "Transformers for Language Modeling"
#
# GPT-2 is a stack of equal *decoder blocks*. OpenAI published four stacks, which differ in how many
# blocks they have and how wide the blocks are. (Such numbers, chosen before training and not
# learned, are called **hyper-parameters**.) All else is the same, and gptlite runs each of them.

# %%
sizes = views.four_sizes()
sizes

# %%
_ = sizes.plot()

# %% [markdown]
# If you compare with what you have read elsewhere:
#
# - The paper says 117M, 345M, 762M and 1,542M. OpenAI later noted that these counts were wrong; the
#   numbers above are sums over the real arrays (notebook 5 adds them up). Hence two names for one
#   model: "117M" and "124M".
# - The article gives the largest model more than 6.5 GB. Its numbers alone, four bytes each, are
#   6.23 GB, and it has 12.5 times as many as the smallest.
# - The article sets this beside a phone's keyboard of 78 MB. The storyteller would fit in there:

# %%
small, xl = GPTConfig.preset("gpt2"), GPTConfig.preset("gpt2-xl")
print(f"storyteller  {model.config.n_params:>13,} numbers, {model.config.n_layer} blocks")
print(f"in float16   {2 * model.config.n_params / 1e6:>13.1f} MB, as it ships")
print(f"gpt2-xl      {xl.n_params / small.n_params:>13.1f} times gpt2")

# %% [markdown]
# ## Exercises
#
# Each has stars for its difficulty, minutes, a hint, and a cell to work in: put your answer in
# place of the `...`, run the cell, and the check says whether it is right. The check asks the
# storyteller itself where an answer depends on it.

# %%
from gptlite.exercises import check

# %% [markdown]
# **1. Perplexity.** (★★☆, 5 min) At half of the places of a text a model is torn between two
# equally likely tokens; at the other half it finds all tokens of the storyteller's vocabulary
# equally likely. What is its perplexity on this text?
#
# <details><summary>Hint</summary>
#
# Perplexity is $e$ to the mean surprise in nats. How many nats is each kind of place worth?
#
# </details>

# %%
# solution: answer = ...
surprise = (np.log(2) + np.log(model.config.n_vocab)) / 2  # nats per token
answer = np.exp(surprise)
# end of solution
check("01.1", answer)

# %% [markdown] tags=["solution"]
# Nats are averaged, so perplexities are multiplied: it is the square root of twice the vocabulary,
# far below the mean of 2 and all tokens. The untrained model above has nearly the perplexity of the
# vocabulary, since its random numbers prefer some tokens only slightly.

# %% [markdown]
# **2. Out of the circle.** (★☆☆, 10 min) The bigram model runs in circles because it always takes
# the most likely word. Draw each word by its probability instead, with `np.random.default_rng(0)`,
# and print a few lines of 15 words. What do you see?
#
# - (a) It still runs in circles.
# - (b) It leaves the circle; each word fits the one before it, but the line as a whole wanders.
# - (c) It leaves the circle, and its lines make sense as a whole.
#
# <details><summary>Hint</summary>
#
# `follows[word]` counts what comes after a word. `rng.choice(words, p=shares)` draws one.
#
# </details>

# %%
# solution: answer = "?"
rng = np.random.default_rng(0)
for _ in range(3):
    words = ["the"]
    for _ in range(14):
        following = follows[words[-1]]
        shares = np.array(list(following.values())) / following.total()
        words.append(str(rng.choice(list(following), p=shares)))
    print(" ".join(words))
answer = "b"
# end of solution
check("01.2", answer)

# %% [markdown] tags=["solution"]
# It leaves the circle, but its sentences wander, since each word depends on one word only.

# %% [markdown]
# **3. Sure.** (★☆☆, 8 min) Find a text of at least three words after which the storyteller gives
# one token a probability above 0.9. The check puts `<|endoftext|>` in front, as where a text
# begins.
#
# <details><summary>Hint</summary>
#
# Fixed phrases do it: which words can only be followed by one other?
#
# </details>

# %%
# solution: answer = ...
answer = "Once upon a"
sure = softmax(model([tokenizer.eot, *tokenizer.encode(answer)])[0, -1])
print(sure.max() > 0.9)
# end of solution
check("01.3", answer)

# %% [markdown] tags=["solution"]
# Fixed phrases do it. `<|endoftext|>` in front matters: it says that a text begins here, and so the
# phrase with which texts begin is likelier than in the middle of one.

# %% [markdown]
# **4. Order.** (★★☆, 8 min) By which factor does the storyteller's perplexity grow if the words of
# a sentence are put in alphabetical order? Guess first; then measure it with `there was a little
# boy who lived with his grandmother in a cottage`.
#
# <details><summary>Hint</summary>
#
# `nats` gives the sum over the tokens, and perplexity is $e$ to the mean.
#
# </details>

# %%
# solution: answer = ...
sentence = "there was a little boy who lived with his grandmother in a cottage"
mixed = " ".join(sorted(sentence.split()))
perplexities = [np.exp(nats(t) / len(tokenizer.encode(t))) for t in (sentence, mixed)]
answer = perplexities[1] / perplexities[0]
# end of solution
check("01.4", answer)

# %% [markdown] tags=["solution"]
# A text is likely above all because of the order of its words: the same words, sorted, are many
# times as perplexing.

# %% [markdown]
# **5. Memory.** (★☆☆, 3 min) How many gigabytes (of 10⁹ bytes) do the weights of gpt2-xl take in
# float32, and how many in float16?
#
# <details><summary>Hint</summary>
#
# A float32 has 32 bits. `xl.n_params` counts the numbers.
#
# </details>

# %%
# solution: answer = (..., ...)
answer = (4 * xl.n_params / 1e9, 2 * xl.n_params / 1e9)
# end of solution
check("01.5", answer)

# %% [markdown] tags=["solution"]
# Four bytes for each number, or two: 6.23 GB and 3.12 GB.
