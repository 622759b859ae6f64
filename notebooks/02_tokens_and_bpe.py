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
# # 2. Tokens, and how byte-pair encoding finds them
#
# A model reads neither words nor letters, but **tokens**: frequent strings of characters, learned
# from texts by **byte-pair encoding** (BPE).
#
# **Minutes:** 25, and 40 for the exercises. **Needs:** notebook 1. **Optional:** the notebooks
# after it need only its first section, and that a token may begin with a space.
#
# Afterwards you can
#
# - learn merges from a line of text by hand, and encode another text with them;
# - say why " robot" and "robot" are different tokens, and why a prompt must not end in a space;
# - predict which texts take many tokens, and what half a character looks like.
#
# It goes with "End of part #1: The GPT-2, Ladies and Gentlemen" of Jay Alammar's [The Illustrated
# GPT-2](https://jalammar.github.io/illustrated-gpt2/), where he owns up to having said "word" for
# "token", and with section 2.2 of the GPT-2 paper. Everything runs offline.
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
from collections import Counter
from itertools import pairwise

from gptlite import Tokenizer, views
from gptlite.download.places import find_tokenizer
from gptlite.generate import GrowingText
from gptlite.tokenizer import BYTE_SYMBOLS, PATTERN
from gptlite.views.curve import Curve
from gptlite.views.table import Table

model, tokenizer = gptlite.load()

# %% [markdown]
# ## Tokens are not words
#
# Article: "End of part #1: The GPT-2, Ladies and Gentlemen"
#
# A model computes with numbers, so a text must become numbers from a fixed list, the
# **vocabulary**. Here is a sentence as the storyteller reads it. A dot is a space; below each token
# stand its id and its bytes (what those are, comes next). **Guess first:** which
# of these words are one token, and which are split into several?

# %%
sentence = "A robot must obey the orders given it"
views.tokens(tokenizer, sentence)

# %% [markdown]
# Most words are one token each. A word that is rare in the texts from which the tokens were learned
# takes two or more: is `·robot` among those? Nothing is ever unknown; a rare word only takes more
# tokens.
#
# Why not simply words, or simply letters?

# %%
rows = [
    ["letters", len(sentence), "very few", "texts become long"],
    ["words", len(sentence.split()), "no end of them", "new words are unknown"],
    ["tokens", len(tokenizer.encode(sentence)), f"{tokenizer.n_vocab:,}, chosen", ""],
]
Table("Three ways to cut", ["cut into", "pieces", "different ones", "drawback"], rows)

# %% [markdown]
# The work of a model grows with the number of pieces, and its context holds only so many of them
# (GPT-2: 1,024). But each different piece needs a row of its own in a table of embeddings (notebook
# 3). Tokens are the middle way: frequent strings whole, rare ones in parts.

# %% [markdown]
# ## The bottom: bytes
#
# The smallest parts are not letters but **bytes**: numbers from 0 to 255. Every file and every web
# page is made of them. **UTF-8** is the rule that turns characters into bytes. An English letter
# becomes one byte: `f` becomes 102, which is 66 in hexadecimal, the notation with two digits for
# each byte. `é` becomes two bytes, c3 a9, and other characters become three or four. So 256 tokens
# are enough to write anything in any script. **Guess:** how many bytes does each of these have?

# %%
rows = [
    [text, len(text), len(text.encode()), text.encode().hex(" ")]
    for text in ("fox", "é", "狐", "🦊")
]
Table("Characters and bytes", ["text", "characters", "bytes", "in hexadecimal"], rows)

# %% [markdown]
# ## Byte-pair encoding by hand
#
# The other tokens are *learned* from a text, by one rule, applied again and again:
#
# > Find the pair of neighbours that occurs most often. Make it a token.
#
# Take a line with a pattern in it. First it is cut into **pieces** (words with the space before
# them, and punctuation; a later section shows how), and no pair may reach across a cut. Each piece
# begins as a row of bytes.

# %%
line = "old gold, cold gold, told of old gold"
pieces = PATTERN.findall(line)
print(pieces)

words = [[bytes([byte]) for byte in piece.encode()] for piece in pieces]  # tokens, piece by piece
print(words[1])

# %% [markdown]
# Step 1: count the pairs. **Guess** the winner before you look.


# %%
def count_pairs(words: list[list[bytes]]) -> Counter[tuple[bytes, bytes]]:
    """Count each pair of neighbours, never across the end of a piece."""
    return Counter(pair for word in words for pair in pairwise(word))


pairs = count_pairs(words)
rows = [[*map(views.token_label, pair), count] for pair, count in pairs.most_common(6)]
Table("The most frequent pairs", ["first", "second", "times"], rows)

# %% [markdown]
# (Two pairs share the first place, for `o l` and `l d` are both in every "old". A tie goes to the
# pair that comes first in the order of the ids, here `l d`. It makes no difference: either way the
# next step makes `old`.)
#
# Step 2: join the winner wherever it stands.


# %%
def join(word: list[bytes], pair: tuple[bytes, bytes]) -> list[bytes]:
    """Apply one merge to the tokens of a piece."""
    joined: list[bytes] = []
    for token in word:
        if joined and (joined[-1], token) == pair:
            joined[-1] += token
        else:
            joined.append(token)
    return joined


print(words[1], "->", join(words[1], (b"l", b"d")))

# %% [markdown]
# Step 3: again, until you have enough. The row at each step is the whole line; a bar stands where
# one piece ends.

# %%
ids = {tokenizer.decode_bytes([i]): i for i in range(256)}  # a vocabulary begins with the bytes
learned, rows = [], []
for number in range(1, 6):
    pairs = count_pairs(words)
    best = min(pairs, key=lambda pair: (-pairs[pair], ids[pair[0]], ids[pair[1]]))
    words = [join(word, best) for word in words]
    new = best[0] + best[1]
    ids[new] = len(ids)
    learned.append(new)
    shown = "|".join(" ".join(map(views.token_label, word)) for word in words)
    rows.append([number, " + ".join(map(views.token_label, best)), pairs[best], ids[new], shown])
Table("Five merges", ["merge", "joins", "times", "new id", "the line"], rows)

# %% [markdown]
# Four merges were enough to find what the line is made of: `ld`, `old`, `gold`, and `·gold` with
# its space. The fifth joins a pair that occurs once: from there on it learns the line by heart.
#
# The five merges, *in this order*, are all that BPE keeps. `Tokenizer.train` does the same on as
# much text as you like, and keeps its counts up to date instead of counting anew. Does it find the
# same tokens?

# %%
trained = Tokenizer.train([line], n_vocab=256 + 5 + 1)  # bytes, merges, <|endoftext|>
print([trained.decode_bytes([i]) for i in range(256, 261)])
print("same as by hand:", [trained.decode_bytes([i]) for i in range(256, 261)] == learned)

# %% [markdown]
# ## Reading a new text: merges are replayed
#
# To encode a text, start from its bytes and apply the merges in the order in which they were
# learned. Words that it has never seen get whatever fits:

# %%
views.bpe_steps(trained, "golden cold")

# %% [markdown]
# The space before `cold` waits in vain: we stopped before any merge joined the two. So `·cold` is
# written with two tokens. Nothing is wrong with that; it is only longer.
#
# Now the storyteller's tokenizer, which learned thousands of merges from megabytes of stories.
# **Guess:** in which order does `·wolves` come together?

# %%
views.bpe_steps(tokenizer, " wolves robot")

# %% [markdown]
# Not from left to right, and not by meaning: by rank, the most frequent pairs of the whole corpus
# come first. Pairs that are everywhere in English, such as a space and a `w`, join early. Parts
# that are still apart in the last row are parts that the corpus gave no reason to join.

# %% [markdown]
# ## Why cut into pieces first
#
# If merges could reach over spaces and punctuation, "dog.", "dog!" and "dog?" would each win a
# token. The GPT-2 paper found that a waste, so GPT-2 cuts first, with this pattern (a regular
# expression, in which `\p{L}` is any letter and `\p{N}` any digit; notice how `'s` and a leading
# space are dealt with):

# %%
print(PATTERN.pattern)
print(PATTERN.findall("It's the dog's 2nd bone, isn't it?   Yes!"))

# %% [markdown]
# ## How many merges?
#
# Each merge makes texts shorter and the table of tokens longer. On a short tale, measured on the
# tale itself and on a sentence it did not learn from:

# %%
tale = (
    "Once upon a time there was an old miller who had three sons and one cat. When the old miller "
    "died, the eldest son took the mill, the second son took the donkey, and the youngest son got "
    "the cat. The youngest son sat down by the mill and was sad. But the cat said to him, Give me "
    "a bag and a pair of boots, and you shall see that a cat is worth more than a mill. The "
    "youngest son had little hope, but he gave the cat a bag and a pair of boots. The cat put on "
    "the boots, put the bag on its back, and went into the wood to catch a rabbit for the king."
)
unseen = "A wolf crept behind the garden wall and listened while two sisters picked sour apples."
sizes = [257, 270, 285, 300, 320, 340, 360, 400, 440]
tokenizers = [Tokenizer.train([tale], n_vocab=size) for size in sizes]
lines = {
    name: (sizes, [len(t.encode(text)) / len(text.encode()) for t in tokenizers])
    for name, text in {"the tale": tale, "unseen": unseen}.items()
}
_ = Curve("Longer tables, shorter texts", lines, "vocabulary", "tokens per byte").plot()

# %% [markdown]
# The first merges help everywhere. Later ones join what only this tale has, and the unseen sentence
# gains nothing from them. So merges are learned from a lot of text: then even the last merge joins
# a pair that occurs many times.

# %% [markdown]
# ## The vocabulary of the storyteller
#
# Ids tell when a token was learned: 0 to 255 are the bytes, 256 is the first merge. **Guess** the
# first merges in English tales.

# %%
first = [views.token_label(tokenizer.decode_bytes([i])) for i in range(256, 286)]
print("first:", " ".join(first))
end = tokenizer.eot  # the id after the last merge
last = [views.token_label(tokenizer.decode_bytes([i])) for i in range(end - 20, end)]
print("last: ", " ".join(last))
long = sorted(range(256, end), key=lambda i: (-len(tokenizer.decode_bytes([i])), i))[:8]
print("long: ", " ".join(views.token_labels(tokenizer, long)))

# %% [markdown]
# Pairs of letters and the smallest words come first; at the end come whole words that are less
# common. You can read from them what the texts were about.

# %%
groups = Counter(len(tokenizer.decode_bytes([i])) for i in range(end))
rows = [[f"{n}", groups[n]] for n in sorted(groups)]
histogram = Table("Tokens by their length in bytes", ["bytes", "tokens"], rows, bar="tokens")
_ = histogram.plot().set_ylabel("length in bytes")

# %% [markdown]
# ## " robot" is not "robot"
#
# A space belongs to the word after it. So a word at the beginning of a line, the same word in the
# middle, and the same word in capitals are different tokens, with different ids. The model is not
# told that these tokens have anything in common; it has to learn that.

# %%
variants = [" dog", "dog", " Dog", "Dog", " DOG", " robot", "robot", "Robot"]
rows = [
    [
        repr(text),
        " ".join(views.token_labels(tokenizer, tokenizer.encode(text))),
        len(tokenizer.encode(text)),
    ]
    for text in variants
]
Table("One word, many tokens", ["text", "tokens", "how many"], rows)

# %% [markdown]
# This has a practical side. A prompt that *ends in a space* has used up the space that the next
# word would bring along. Compare what the model expects (`<|endoftext|>` comes first, as always):

# %%
views.next_token(model([tokenizer.eot, *tokenizer.encode("Once upon a")]), tokenizer, top=4)

# %%
views.next_token(model([tokenizer.eot, *tokenizer.encode("Once upon a ")]), tokenizer, top=4)

# %% [markdown]
# With the space, `·time` cannot come any more, only `time` without a space, which in the training
# texts hardly ever follows a lone space. The model is lost. **Leave no space at the end of a
# prompt.**

# %% [markdown]
# ## Half a character
#
# The storyteller learned no merges for emoji, so a fox is four tokens, and none of them is a
# character. What is half a fox?

# %%
fox = tokenizer.encode("🦊")
print("ids            ", fox)
print("all four       ", tokenizer.decode(fox))
print("the first two  ", repr(tokenizer.decode(fox[:2])))
print("as bytes       ", tokenizer.decode_bytes(fox[:2]))
print(
    "nothing is lost",
    tokenizer.decode_bytes(fox[:2]) + tokenizer.decode_bytes(fox[2:]) == "🦊".encode(),
)

# %% [markdown]
# `decode` must give text, so it shows the replacement character where bytes are no text;
# `decode_bytes` gives the bytes themselves. A program that prints tokens as they come has to wait
# until a character is complete. `gptlite.generate.stream` does so with this small object. It takes
# one token at a time and returns the text that is certain by then:

# %%
text = GrowingText(tokenizer, stop=())
print([text.add(token) for token in tokenizer.encode("a 🦊!")])

# %% [markdown]
# ## What the files look like
#
# A vocabulary is two files: the tokens with their ids, and the merges in order. To keep spaces and
# control characters out of them, OpenAI gave each byte a visible character of its own
# (`BYTE_SYMBOLS` in gptlite, in the order of the ids 0 to 255). If you ever wondered about the `Ġ`
# in front of words: it is a space.

# %%
for byte in b" \n\tA!":
    print(repr(chr(byte)), "is written", BYTE_SYMBOLS[byte])

# %% [markdown]
# ## One token that is no text
#
# `<|endoftext|>` stands between two documents. It has an id of its own, and no merge leads to it,
# so that no text can forge it: typed by a user, it is thirteen ordinary characters. (The article
# writes `<s>` for this token.)

# %%
print("its id       ", tokenizer.eot)
print("typed        ", views.token_labels(tokenizer, tokenizer.encode("<|endoftext|>")))
print("on purpose   ", tokenizer.encode("<|endoftext|>", allowed_special={"<|endoftext|>"}))

# %% [markdown]
# ## GPT-2's own vocabulary
#
# It works in the same way and is larger: 256 bytes, 50,000 merges and `<|endoftext|>` make 50,257
# tokens. (The article says 50,000 words.) gptlite can fetch the two files, 1.5 MB, once:
# `Tokenizer.from_pretrained("gpt2")`. This notebook stays offline: it takes GPT-2's if it is on
# your machine, and otherwise goes on with the storyteller's.

# %%
folder = find_tokenizer()
official = tokenizer if folder is None else Tokenizer.from_pretrained(folder)
whose = "the storyteller's vocabulary" if folder is None else "GPT-2's vocabulary"
print(f"GPT-2's vocabulary is {'not ' if folder is None else ''}on this machine")
print(f"below: {whose}, {official.n_vocab:,} tokens")

# %%
samples = [" robot", "robot", "Robot", " strawberry", "2026", "é", "🦊", " SolidGoldMagikarp"]
rows = []
for text in samples:
    found = official.encode(text)
    rows.append(
        [repr(text), " ".join(views.token_labels(official, found)), ", ".join(map(str, found))]
    )
Table(f"With {whose}", ["text", "tokens", "ids"], rows)

# %% [markdown]
# If you see the storyteller's there, these are GPT-2's:
#
# | text | tokens | ids |
# |---|---|---|
# | `' robot'` | `·robot` | 9379 |
# | `'robot'` | `ro` `bot` | 305, 13645 |
# | `'Robot'` | `Rob` `ot` | 14350, 313 |
# | `' strawberry'` | `·strawberry` | 41236 |
# | `'2026'` | `20` `26` | 1238, 2075 |
# | `'é'` | `é` | 2634 |
# | `'🦊'` | two bytes, one, one | 8582, 99, 232 |
# | `' SolidGoldMagikarp'` | `·SolidGoldMagikarp` | 43453 |
#
# There are three lessons in this. Even with 50,000 merges, "robot" without its space is in two
# parts. A model that sees `·strawberry` as one number does not see its letters: to count the r's it
# must have learned the spelling as a fact. And the vocabulary shows its corpus: the last row is the
# name of a very busy Reddit user.

# %%
if folder is not None:  # the table above, held to the files
    assert [official.encode(text) for text in samples] == [
        *([9379], [305, 13645], [14350, 313], [41236]),
        *([1238, 2075], [2634], [8582, 99, 232], [43453]),
    ]

# %% [markdown]
# ## Whose texts are short?
#
# A vocabulary is good at the kind of text that it was learned from. Here are the numbers of tokens
# for one and the same sentence:

# %%
languages = {
    "English": "The king had three sons and a daughter.",
    "German": "Der König hatte drei Söhne und eine Tochter.",
    "Russian": "У короля было три сына и дочь.",
    "Japanese": "王様には三人の息子と一人の娘がいました。",
}
rows = [[name, len(text), len(official.encode(text))] for name, text in languages.items()]
Table(f"With {whose}", ["language", "characters", "tokens"], rows, bar="tokens")

# %% [markdown]
# All four can be written, thanks to bytes. But a text in Russian or Japanese needs several times as
# many tokens for the same thought: more time, and less of it fits into a context. With GPT-2's
# vocabulary it is 9, 20, 32 and 24 tokens: better, and far from fair. That is one reason why later
# models learned larger vocabularies from more languages.

# %% [markdown]
# ## Exercises
#
# Each has stars for its difficulty, minutes, a hint, and a cell to work in: put your answer in
# place of the `...`, run the cell, and the check says whether it is right. The check asks the
# storyteller itself where an answer depends on it.
#
# The merging of pairs is a function to write in [notebook 13](13_write_gpt2_yourself.ipynb) (A.1).

# %%
import numpy as np

from gptlite.exercises import check

# %% [markdown]
# **1. By hand.** (★☆☆, 5 min) Continue by hand: after our five merges on "old gold, cold gold, told
# of old gold", into which tokens would "told" (without a space) and " told" be cut? Give two lists,
# with · for a space.
#
# <details><summary>Hint</summary>
#
# Which merges can apply inside these words, and in which order were they learned? `trained` can
# confirm it.
#
# </details>

# %%
# solution: answer = [[...], [...]]
answer = [views.token_labels(trained, trained.encode(word)) for word in ("told", " told")]
print(answer)
# end of solution
check("02.1", answer)

# %% [markdown] tags=["solution"]
# `t` and `old`; and `·`, `t`, `old`: no merge that begins with a space or `t` was learned but
# `·gold`.

# %% [markdown]
# **2. Not the fewest.** (★★★, 15 min) BPE does not look for the encoding with the fewest tokens.
# Find one word (with or without the space before it) that the storyteller's BPE cuts into more
# tokens than necessary.
#
# <details><summary>Hint</summary>
#
# Join two tokens of the vocabulary, a word and an ending such as `s`, `ed` or `ing`, and see
# whether `encode` makes three of them.
#
# </details>

# %%
# solution: answer = "?"
known = [tokenizer.decode_bytes([i]) for i in range(tokenizer.n_vocab - 1)]
words = [token.decode() for token in known if token.startswith(b" ") and token[1:].isalpha()]
endings = ["s", "ed", "ing", "er", "ly"]
endings += [token.decode() for token in known if token.isalpha() and token.islower()]


def wasteful():
    """Find a word that two tokens make, and that BPE cuts into more."""
    for ending in endings:
        for word in sorted(words, key=len, reverse=True):
            if len(tokenizer.encode(word + ending)) > 2:
                return word + ending


answer = wasteful()
print(repr(answer), views.token_labels(tokenizer, tokenizer.encode(answer)))
# end of solution
check("02.2", answer)

# %% [markdown] tags=["solution"]
# BPE replays merges by rank and never looks back: once a merge has joined the end of the word with
# the ending, the word itself can no longer be formed.

# %% [markdown]
# **3. Too few.** (★☆☆, 5 min) `Tokenizer.train([line], n_vocab=1000)` gives fewer than 1,000
# tokens. Why?
#
# - (a) A line so short does not contain all 256 bytes.
# - (b) In the end each piece of the line is one token, and no pair is left to join.
# - (c) A pair must occur twice to be joined.
#
# <details><summary>Hint</summary>
#
# Train it, and compare the number of tokens of the line with the number of its pieces,
# `PATTERN.findall(line)`.
#
# </details>

# %%
# solution: answer = "?"
full = Tokenizer.train([line], n_vocab=1000)
print(full.n_vocab, len(full.encode(line)), len(PATTERN.findall(line)))
answer = "b"
# end of solution
check("02.3", answer)

# %% [markdown] tags=["solution"]
# When every piece has become one token, no neighbours are left to join. The longest words of the
# line are then tokens.

# %% [markdown]
# **4. There and back.** (★★☆, 5 min) `encode` and `decode` are inverse in one direction:
# `decode(encode(text)) == text` for every text. Find token ids for which `encode(decode(ids)) !=
# ids`.
#
# <details><summary>Hint</summary>
#
# Many rows of tokens spell the same text; `encode` gives only one of them.
#
# </details>

# %%
# solution: answer = [...]
answer = [tokenizer.encode(letter)[0] for letter in "dog"]
# end of solution
check("02.4", answer)

# %% [markdown] tags=["solution"]
# Any row that the merges would have joined: the ids of `d`, `o`, `g` spell "dog", which is encoded
# in fewer tokens. Only what `encode` gives is what the model has learned from.

# %% [markdown]
# **5. Letter by letter.** (★★☆, 8 min) How many nats is "Once upon a time" worth to the
# storyteller, all in all, if it is spelled letter by letter, after `<|endoftext|>`? Compare with
# the same text as `encode` cuts it.
#
# <details><summary>Hint</summary>
#
# The loss of a token is minus its log-probability at the position before it:
# `log_softmax(model(ids)[0, :-1])`, with `from gptlite.sampling import log_softmax`.
#
# </details>

# %%
# solution: answer = ...
from gptlite.sampling import log_softmax

text = "Once upon a time"
ids_encoded = [tokenizer.eot, *tokenizer.encode(text)]
ids_spelled = [tokenizer.eot, *(tokenizer.encode(letter)[0] for letter in text)]
for row in (ids_encoded, ids_spelled):
    told = log_softmax(model(row)[0, :-1])  # [seq - 1, n_vocab]
    answer = -told[np.arange(len(row) - 1), row[1:]].sum()
    print(f"{len(row) - 1:>3} tokens, {answer:.0f} nats")
# end of solution
check("02.5", answer)

# %% [markdown] tags=["solution"]
# Many times as many: it has seen the text in its own tokens again and again, and hardly ever as
# `O`, `n`, `c`, `e`.
