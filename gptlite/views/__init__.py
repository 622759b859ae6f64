"""Pictures of the inside of a model: text, HTML and drawings made from a trace's own arrays.

    from gptlite import Trace, load, views

    model, tokenizer = load()
    ids = tokenizer.encode("A robot must obey")
    trace = Trace()
    logits = model(ids, trace=trace)
    tokens = views.token_labels(tokenizer, ids)
    views.attention_map(trace, tokens, layer=2, head=1)  # shows itself in a notebook
    views.next_token(logits, tokenizer).plot()           # with matplotlib

Most functions make a figure of the article, and cite its section.
"""

from gptlite.views.attention import attention_grid, attention_map, masking, qkv_split, value_table
from gptlite.views.edits import patched, without_heads, without_mask
from gptlite.views.learning import loss_curve
from gptlite.views.machine import block_diagram
from gptlite.views.memory import cache_step
from gptlite.views.prediction import next_token, sampling_steps, text_probabilities
from gptlite.views.sizes import four_sizes, parameter_table
from gptlite.views.stack import input_encoding, logit_lens, neighbours
from gptlite.views.text import bpe_steps, prefixes, token_label, token_labels, tokens

__all__ = [
    "attention_grid",
    "attention_map",
    "block_diagram",
    "bpe_steps",
    "cache_step",
    "four_sizes",
    "input_encoding",
    "logit_lens",
    "loss_curve",
    "masking",
    "neighbours",
    "next_token",
    "parameter_table",
    "patched",
    "prefixes",
    "qkv_split",
    "sampling_steps",
    "text_probabilities",
    "token_label",
    "token_labels",
    "tokens",
    "value_table",
    "without_heads",
    "without_mask",
]
