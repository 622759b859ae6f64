"""One text, its trace, and every view of both: what the tests of views look at."""

from gptlite import KVCache, Trace, load, views

MODEL, TOKENIZER = load()
TEXT = "A robot must obey the orders"
IDS = TOKENIZER.encode(TEXT)
TRACE = Trace()
LOGITS = MODEL(IDS, trace=TRACE)
TOKENS = views.token_labels(TOKENIZER, IDS)
SEQ = len(IDS)
HOSTILE = [
    "<script>alert(1)</script>",
    "</td></table><img src=x onerror=alert(1)>",
    '" onmouseover="x',
    "' & &amp; &#60;",
    "line\nfeed\rreturn\ttab",
    "🤗é日本\u2028\u202e\x00\x1b[31m",
    "$x^2$ \\alpha",
    "",
]


def all_views(tokens, text):
    """One of each kind, with these labels and this text."""
    cache = KVCache(MODEL.config)
    MODEL(IDS, cache=cache)
    ids = TOKENIZER.encode(text)
    log = [{"tokens": 10 * i, "loss": 5 / i, "validation_loss": 6 / i} for i in range(1, 90)]
    return {
        "tokens": views.tokens(TOKENIZER, text),
        "bpe_steps": views.bpe_steps(TOKENIZER, text),
        "prefixes": views.prefixes(TOKENIZER, text),
        "next_token": views.next_token(LOGITS, TOKENIZER),
        "sampling_steps": views.sampling_steps(LOGITS, TOKENIZER, 0.7, 20, 0.9),
        "text_probabilities": views.text_probabilities(MODEL(ids or [0]), ids or [0], TOKENIZER),
        "attention_map": views.attention_map(TRACE, tokens, 1, 2),
        "attention_grid": views.attention_grid(TRACE, tokens),
        "masking": views.masking(TRACE, tokens, 0, 3),
        "value_table": views.value_table(TRACE, tokens, 3, 0),
        "qkv_split": views.qkv_split(TRACE, tokens, 2),
        "input_encoding": views.input_encoding(MODEL, TOKENIZER, IDS),
        "logit_lens": views.logit_lens(MODEL, TOKENIZER, TRACE, tokens),
        "neighbours": views.neighbours(MODEL, TOKENIZER, " king"),
        "block_diagram": views.block_diagram(MODEL.config, 2, ["attn.scores"]),
        "cache_step": views.cache_step(cache, tokens, SEQ - 1),
        "parameter_table": views.parameter_table(MODEL),
        "four_sizes": views.four_sizes(),
        "loss_curve": views.loss_curve(log),
    }
