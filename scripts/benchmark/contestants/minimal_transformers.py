"""Print a prompt and its next token with transformers; arguments: the model's folder, the prompt.

What one writes to do so, and no more: ``start.py`` takes the time of it.
"""

import sys

from transformers import GPT2LMHeadModel, GPT2TokenizerFast

folder, prompt = sys.argv[1:]
tokenizer = GPT2TokenizerFast.from_pretrained(folder)
model = GPT2LMHeadModel.from_pretrained(folder)
inputs = tokenizer(prompt, return_tensors="pt")
ids = model.generate(**inputs, max_new_tokens=1, do_sample=False, pad_token_id=0)
print(tokenizer.decode(ids[0]), flush=True)
