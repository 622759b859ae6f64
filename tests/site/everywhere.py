"""Prints, as JSON, what must be the same wherever gptlite runs; needs no files."""

import json
import random
import tempfile
import warnings

import numpy as np

import gptlite
from gptlite import DownloadError, GPTConfig, Tokenizer
from gptlite.fast.mapping import map_in_threads
from gptlite.generate import generate
from gptlite.pretrain.trainer import Recipe, Trainer

warnings.simplefilter("error")
LETTERS = random.Random(0)
WORDS = " ".join("".join(LETTERS.choices("thecaid é²Ⅷ東 2.,!\n", k=9)) for _ in range(400))
report = {}

model, tokenizer = gptlite.load()
prompt = "Once upon a time"
report["greedy"] = generate(model, tokenizer, prompt, max_new_tokens=20, temperature=0)
report["sampled"] = generate(model, tokenizer, prompt, max_new_tokens=20, seed=1, top_k=40)
report["logits"] = model(tokenizer.encode(prompt))[0, -1, :20].tolist()
report["ids"] = tokenizer.encode(WORDS)
report["same text"] = tokenizer.decode(report["ids"]) == WORDS
report["many"] = tokenizer.encode_batch([WORDS, "a", ""], threads=3)

learned = Tokenizer.train([WORDS, "the cat and the dog " * 9], 400)
report["merges"] = learned.merges
report["learned ids"] = learned.encode(WORDS)

small = gptlite.GPT.init(GPTConfig(n_vocab=20, n_ctx=8, n_embd=8, n_head=2, n_layer=2))
ids = np.random.default_rng(0).integers(0, 20, (6, 9))
trainer = Trainer(small, Recipe(threads=3))
report["losses"] = [trainer.train_step(trainer.shards(ids[:, :-1], ids[:, 1:])) for _ in range(3)]
report["mapped"] = list(map_in_threads(abs, [-1, 2], 2))

with tempfile.TemporaryDirectory() as folder:
    small.save_pretrained(folder)
    report["saved"] = sorted(gptlite.GPT.from_pretrained(folder).parameters)
    half, _ = gptlite.load(dtype="float16")
    report["half"] = half(tokenizer.encode(prompt))[0, -1, :5].tolist()
try:
    gptlite.load("gpt2")
except DownloadError as failure:
    report["download"] = "nothing is fetched, because" in str(failure)
print(json.dumps(report))
