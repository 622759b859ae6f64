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
# A language model does one thing: it gives every possible next token a probability. With that alone
# a text gets a probability, and a text gets written.
#
# **Minutes:** 20, and 35 for the exercises. **Needs:** some Python, and what a logarithm is.
# **Core.**
#
# Afterwards you can
#
# - say what the output of a model is, `[batch, seq, n_vocab]`, and turn it into probabilities;
# - compute the loss and the perplexity of a text by hand;
# - write the loop by which a model writes, and say what training changes.
#
# It goes with the beginning of Jay Alammar's [The Illustrated
# GPT-2](https://jalammar.github.io/illustrated-gpt2/): "What is a Language Model", "Transformers
# for Language Modeling" and "One Difference From BERT".
#
# Everything runs offline, on the *storyteller*: a small GPT-2 that ships with gptlite, trained on
# stories. The [glossary](GLOSSARY.md) explains the field's terms, which are **bold** where they
# first come up.

# %%
try:
    import gptlite
except ImportError:
    raise ImportError(
        "gptlite is not installed here. In its checkout: pip install -e '.[notebooks]' "
        "(on the package index, the name belongs to another project)"
    ) from None
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np

from gptlite import GPT, GPTConfig, views
from gptlite.generate import generate
from gptlite.layers import softmax
from gptlite.sampling import log_softmax
from gptlite.views.table import Table

model, tokenizer = gptlite.load()


def encoded(text: str) -> list[int]:
    """Encode a text from its beginning: <|endoftext|>, then its tokens."""
    return [tokenizer.eot, *tokenizer.encode(text)]


def next_tokens(text: str, top: int) -> Table:
    """Show the most likely next tokens after a text, and their probabilities."""
    shown = views.next_token(model(encoded(text)), tokenizer, top)
    rows = [[token, probability] for token, _, _, probability in shown.rows]
    return Table(f"After {text!r}", ["token", "probability"], rows, shown.note, bar="probability")


# %% [markdown]
# ## The keyboard on your phone
#
# Article: "What is a Language Model"
#
# While you type, your phone's keyboard offers three words that may come next. That is a language
# model at work. **Guess first:** which three would you offer after "Once upon a"?

# %%
next_tokens("Once upon a", top=3)

# %% [markdown]
# The dot in `·time` is a space: a word in the middle of a sentence brings along the space before
# it. (Why the rows are called *tokens* and not words is the subject of notebook 2.)
#
# Every text in these notebooks begins with a token that the title does not show, `<|endoftext|>`
# (the article's `<s>`): a **special token**, which no word of a text can become. In training it
# stood before every document, so after it the model expects a beginning; without it the same
# sentence would have other numbers.
#
# The model is sure here, as you were. In other places nobody can be sure, and a good model says so
# by spreading its probability:

# %%
next_tokens("The king and the", top=10)

# %% [markdown]
# ## What goes in, what comes out
#
# A model is a function of arrays: here a **neural network**, which multiplies and adds its way from
# the input to the output with numbers that it has learned, its **parameters** or weights. In go the
# ids of the tokens. **Guess the shape** of what comes out, given that the model knows 4,096 tokens,
# and that there are 4 here, `<|endoftext|>` among them.

# %%
ids = encoded("Once upon a")  # [seq]
logits = model(ids)  # [batch, seq, n_vocab]
print(ids)
print(logits.shape)

# %% [markdown]
# One row of scores for *each* position, not only for the last: after `<|endoftext|>`, after `Once`,
# after `Once upon`, after `Once upon a`. Each row has a score for every token in the
# **vocabulary**. (The first axis is the **batch**: texts computed side by side. We gave one.)
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
# You need no neural network to predict the next word. Count in a text which word follows which:

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
# counting fail for another reason: most sequences of five words occur nowhere in the text, however
# much of it you have, so there is nothing to count. GPT-2 *computes* its prediction from up to
# 1,024 tokens, its **context** or context window (the storyteller from some hundreds), even for
# texts that nobody has ever written.
#
# See what more context is worth: the probability of `·door` as the storyteller sees more and more.

# %%
[door] = tokenizer.encode(" door")
rows = []
for seen in ("the", " opened the", "She opened the"):
    after = softmax(model(encoded(seen))[0, -1])  # [n_vocab]
    rows.append([seen.replace(" ", "·"), float(after[door])])
columns = ["the model sees", "probability"]
Table("The probability of ·door", columns, rows, bar="probability")

# %% [markdown]
# ## The probability of a text
#
# Because each row of logits predicts the next token, one call of the model scores a whole text:
# what probability did each token have, given the tokens before it? Multiply these probabilities and
# you have the probability of the text (the *chain rule*). It is a tiny number, so we add logarithms
# instead.
#
# Deep colour: the model expected the token. Pale: a surprise. The probability stands below each
# token; `<|endoftext|>` has none, since nothing comes before it. **Guess first:** which words will
# be the palest?

# %%
ids = encoded("Once upon a time there was a king who had three sons.")
views.text_probabilities(model(ids), ids, tokenizer)

# %% [markdown]
# Pale are the places where a story could go on in many ways, as at `·king`. After "Once upon a"
# hardly any other token was possible.
#
# The line at the bottom is the usual summary. The surprise of one token is minus the logarithm of
# its probability, in **nats**; the mean over the text is the **loss** that training makes small,
# the **cross-entropy**. Its exponential, the **perplexity**, reads like this: the model was as
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
# at `i + 1`, and the last row of logits is compared with nothing here: it predicts the token that
# comes next.
#
# ## A judge of language
#
# Nobody taught the model any grammar. Yet texts that might stand in a book cost fewer nats than
# texts that could not:


# %%
def nats(text: str, model: GPT = model) -> float:
    """Surprise of a whole text: the sum over its tokens."""
    ids = encoded(text)
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
# Each mistake in grammar makes the sentence cost more. The last two sentences have the same
# grammar, and differ in who eats whom. The storyteller does not mind: it even finds it a little
# more likely that the grandmother eats the wolf. A small model learns first how sentences are put
# together, and only later, if ever, who eats whom. Nor does it know facts:

# %%
views.next_token(model(encoded("The capital of France is")), tokenizer, top=5)

# %% [markdown]
# Sensible grammar, no knowledge. It has read some megabytes of stories, where GPT-2 read 40 GB of
# web pages, and it has far fewer parameters to keep what it learned (the last section counts them).
# The machinery you will study is the same.

# %% [markdown]
# ## Auto-regression: a guess becomes input
#
# Article: "One Difference From BERT"
#
# To write, take the prediction, put it at the end of the text, and ask again. That loop is called
# **auto-regression**. (Using a trained model, as opposed to training it, is **inference**.) Here it
# is in full, taking the most likely token each time (**greedy** decoding):

# %%
ids = encoded("Once upon a")
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
# `generate` is this loop with more ways to choose. With `temperature=0` it is greedy as well. It
# reads a prompt as it stands. So we write `<|endoftext|>` in front, and allow it to be that token;
# otherwise these characters are ordinary text, like any others (notebook 2).

# %%
beginning = "<|endoftext|>Once upon a"
written = generate(
    model, tokenizer, beginning, max_new_tokens=8, temperature=0, allowed_special="all"
)
print(repr(written))
print("the same as by hand:", tokenizer.decode(ids) == beginning + written)

# %% [markdown]
# BERT, the other famous transformer of that time, is trained to fill gaps, and looks at the words
# on both sides of a gap. That helps it to understand a finished text, but it cannot simply continue
# one: there is nothing on the right yet. GPT-2 looks only to the left, in training as in writing,
# and that is what makes the loop possible. (Notebook 4 shows the *mask* that sees to this, notebook
# 6 better ways to choose than taking the most likely token.)

# %% [markdown]
# ## Where the examples come from
#
# No person has to label anything: every text is full of questions with their answers. This is
# called **self-supervised learning**.

# %%
views.prefixes(tokenizer, "Once upon a time there was a fox")

# %% [markdown]
# (And one example more: after `<|endoftext|>` alone, the right answer is `Once`.) **Training**
# shows the model millions of such rows and changes its parameters a little each time, so that the
# right answer becomes more likely. Before training they are random. **Guess:** what does an
# untrained model of the same shape say after "Once upon a"?

# %%
untrained = GPT.init(model.config, seed=0)
views.next_token(untrained(encoded("Once upon a")), tokenizer, top=3)

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
Table("The loss", ["model", "nats per token"], rows, bar="nats per token", digits=2)

# %% [markdown]
# ## The two stages of GPT
#
# The first GPT paper (Radford et al. 2018) trained in two stages:
#
# | | stage 1: pre-training | stage 2: fine-tuning |
# |---|---|---|
# | data | raw text, as much as can be had | some labelled examples of a task |
# | question | what is the next token? | what is the label, the answer, the summary? |
# | begins with | random parameters | the parameters of stage 1 |
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
# GPT-2 is a stack of equal **decoder blocks**. OpenAI published four stacks, which differ in how
# many blocks they have and how wide the blocks are. (Such numbers, chosen before training and not
# learned, are called **hyper-parameters**.) Everything else is the same, and gptlite runs each of
# them. Notebook 5 has the table, and counts every parameter. The article sets the models beside a
# phone's keyboard of 78 MB. The storyteller would fit in there:

# %%
small, xl = GPTConfig.preset("gpt2"), GPTConfig.preset("gpt2-xl")
print(f"storyteller  {model.config.n_params:>13,} parameters, {model.config.n_layer} blocks")
print(f"in float16   {2 * model.config.n_params / 1e6:>13.1f} MB, as it ships")
print(f"gpt2         {small.n_params:>13,} parameters, {small.n_layer} blocks")
print(f"gpt2-xl      {xl.n_params:>13,} parameters, {xl.n_layer} blocks")

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
