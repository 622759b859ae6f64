"""The page for a browser that shows one text in a model: a single HTML file, complete in itself.

The page walks the path of "The Illustrated GPT-2", from token ids to the next token. Its words, its
style and the script that draws its figures are in ``template/``, and all go into the one file.
Python adds the numbers, as a JSON block:

* Arrays of the trace keep the trace's names; a few more stand beside them. The float32 numbers are
  written as base64, so they are the trace's bit for bit; only what is displayed is rounded.
* Vectors are cut to their first ``DIMS`` numbers, and whole blocks and heads of a large model are
  left out (``kept_blocks_and_heads``). The page says which.

Text cannot become code. In the HTML and in the JSON every ``<`` of the text is escaped; the script
writes text only as text; and a Content-Security-Policy names the one style and the one script by
their hashes, and forbids every request.
"""

import html
import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptlite.block import attention_scores
from gptlite.config import GPTConfig
from gptlite.errors import ContextOverflowError
from gptlite.layers import Array, softmax
from gptlite.model import GPT
from gptlite.tokenizer import Tokenizer
from gptlite.trace import Trace
from gptlite.views.stack import lens_logits
from gptlite.views.text import printable, token_label

Arrays = dict[str, NDArray[Any]]  # float32 or int

MAX_TOKENS = 64  # rows of a table of scores that a person can still read
DIMS = 8  # numbers of a vector that are shown
UNITS = 8  # hidden units of the feed-forward network shown at each position
BEST = 5  # tokens that the logit lens shows at each place
BARS = 20  # tokens with a bar under the sliders
BUDGET = 2_400_000  # bytes of the page for the arrays of all the blocks and heads it shows
SCRIPTS = ("sampling.js", "elements.js", "block.js", "answer.js", "page.js")  # in template/


def page(model: GPT, tokenizer: Tokenizer, text: str, name: str = "the storyteller") -> bytes:
    """Write the page about one text: a whole HTML file in UTF-8, the same bytes for the same input.

    Args:
        text: the text that the model reads, at most ``MAX_TOKENS`` tokens.
        name: what the page calls the model.

    Raises:
        ContextOverflowError: the text has more tokens than the model has positions.
        ValueError: the text is empty, has more than ``MAX_TOKENS`` tokens, or a lone surrogate.
    """
    data = page_data(model, tokenizer, text)
    folder = files("gptlite.explain") / "template"
    style = (folder / "page.css").read_text("utf-8")
    script = "\n".join((folder / file).read_text("utf-8") for file in SCRIPTS)
    policy = (
        f"default-src 'none'; style-src '{digest(style)}'; script-src '{digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    whole = Template((folder / "page.html").read_text("utf-8")).substitute(
        policy=policy,
        style=style,
        script=script,
        data=safe_json(data),
        name=html.escape(name),
        text=html.escape(printable(text, kept=" \n\t")),
    )
    return whole.encode()


def digest(source: str) -> str:
    """Hash an inline style or script for a Content-Security-Policy (CSP level 3, section 2.3)."""
    return "sha256-" + b64encode(sha256(source.encode()).digest()).decode()


def safe_json(data: object) -> str:
    r"""Write JSON, in ASCII, that can stand in a ``<script>``.

    It has no ``<``, so it can neither end the script nor begin a comment.

    >>> print(safe_json("</script>"))
    "\u003c/script>"
    """
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


# ---- The numbers --------------------------------------------------------------------------------


def page_data(model: GPT, tokenizer: Tokenizer, text: str) -> dict[str, Any]:
    """Collect the page's tokens and arrays, and say what is left out. Errors: see ``page``."""
    config = model.config
    if config.post_norm:
        raise ValueError("the page draws GPT-2's block, and GPT-1's has its norms in other places")
    ids = tokenizer.encode(text)
    if not ids:
        raise ValueError("the text is empty: give at least one character")
    if len(ids) > config.n_ctx:
        raise ContextOverflowError(
            f"the text has {len(ids)} tokens, and the model has {config.n_ctx} positions"
        )
    if len(ids) > MAX_TOKENS:
        raise ValueError(f"the text has {len(ids)} tokens, and a page shows {MAX_TOKENS} at most")
    trace = Trace()
    model(ids, trace=trace)
    blocks, heads = kept_blocks_and_heads(config, len(ids))
    arrays = embedding_arrays(model, ids, trace)
    for i in blocks:
        arrays |= block_arrays(trace, i, heads, config)
    lens, probabilities = lens_arrays(model, trace)  # [n_layer + 1, seq, best] both
    last = trace["logits"][0, -1]  # [n_vocab]
    bars = np.argsort(-last, kind="stable")[:BARS]  # [bars]
    arrays |= {"lens.ids": lens, "lens.probabilities": probabilities, "logits": last}
    named = {*ids, *lens.ravel().tolist(), *bars.tolist()}
    return {
        "config": asdict(config) | {"head_dim": config.head_dim, "n_params": config.n_params},
        "ids": ids,
        "bytes": [tokenizer.decode_bytes([i]).hex(" ").upper() for i in ids],
        "labels": {str(i): token_label(tokenizer.decode_bytes([i])) for i in sorted(named)},
        "bars": bars.tolist(),
        "blocks": blocks,
        "heads": heads,
        "thinned": thinned(config, blocks, heads),
        "left_out": left_out(config),
        "arrays": {name: json_array(array) for name, array in arrays.items()},
    }


def embedding_arrays(model: GPT, ids: Sequence[int], trace: Trace) -> Arrays:
    """Collect the embeddings of tokens and positions, and their sums: ``[seq, dims]`` each."""
    return {
        "wte": model.parameters["wte.weight"][ids, :DIMS],  # [seq, dims]
        "wpe": model.parameters["wpe.weight"][: len(ids), :DIMS],  # [seq, dims]
        "embed": trace["embed"][0, :, :DIMS],  # [seq, dims]
    }


def block_arrays(trace: Trace, i: int, heads: list[int], config: GPTConfig) -> Arrays:
    """Collect the arrays of one block, under the trace's names.

    Two differ from the trace's: ``h.i.in`` is the residual stream that enters the block, and
    ``h.i.attn.scores`` are the scores before the mask, which the page applies itself to show it.
    """
    at = f"h.{i}."
    block = {name.removeprefix(at): trace[name] for name in trace if name.startswith(at)}
    block["in"] = trace[f"h.{i - 1}.out" if i else "embed"]
    arrays: Arrays = {}
    for name in ("in", "ln_1", "attn.out", "mid", "mlp.out", "out"):
        arrays[name] = block[name][0, :, :DIMS]  # [seq, dims]
        arrays[name + ".length"] = lengths(block[name][0])  # [seq]
    for name in ("attn.q", "attn.k", "attn.v"):
        arrays[name] = block[name][0, heads, :, :DIMS]  # [head, seq, dims]
    scores = attention_scores(block["attn.q"], block["attn.k"])  # [batch, head, seq, seq]
    scores /= i + 1 if config.scale_attn_by_inverse_layer_idx else 1
    arrays["attn.scores"] = scores[0, heads]  # [head, seq, seq]
    arrays["attn.weights"] = block["attn.weights"][0, heads]  # [head, seq, seq]
    z = block["attn.z"][0].reshape(len(scores[0, 0]), config.n_head, -1)  # [seq, head, head_dim]
    arrays["attn.z"] = z.swapaxes(0, 1)[heads, :, :DIMS]  # [head, seq, dims]
    fc, gelu = block["mlp.fc"][0], block["mlp.gelu"][0]  # [seq, n_inner]
    units = np.argsort(-np.abs(gelu), axis=-1, kind="stable")[:, :UNITS]  # [seq, units]
    arrays["mlp.units"] = units
    arrays["mlp.fc"] = np.take_along_axis(fc, units, axis=-1)  # [seq, units]
    arrays["mlp.gelu"] = np.take_along_axis(gelu, units, axis=-1)  # [seq, units]
    return {at + name: array for name, array in arrays.items()}


def lengths(x: Array) -> Array:
    """Compute the Euclidean length of each vector, ``[..., n] -> [...]``."""
    norm: Array = np.linalg.norm(x, axis=-1)  # [...]
    return norm


def lens_arrays(model: GPT, trace: Trace) -> tuple[NDArray[np.int64], Array]:
    """Predict the next token as if the stack ended after each block (nostalgebraist 2020).

    Returns:
        The ids of the ``BEST`` likeliest next tokens and their probabilities, both
        ``[n_layer + 1, seq, best]``: first from the embeddings alone, then after each block.
    """
    from tqdm import tqdm

    names = ["embed", *(f"h.{i}.out" for i in range(model.config.n_layer))]
    ids, probabilities = [], []
    for name in tqdm(names, desc="logit lens", unit="block", delay=2, leave=False, disable=None):
        p = softmax(lens_logits(model, trace[name][0]))  # [seq, n_vocab]
        best = np.argsort(-p, axis=-1, kind="stable")[:, :BEST]  # [seq, best]
        ids.append(best)
        probabilities.append(np.take_along_axis(p, best, axis=-1))  # [seq, best]
    return np.stack(ids), np.stack(probabilities)


def json_array(array: NDArray[Any]) -> dict[str, Any]:
    """Write an array as JSON: its shape, and float32 numbers in base64 or ints as they are."""
    shape = list(array.shape)
    if np.issubdtype(array.dtype, np.integer):
        return {"shape": shape, "int": array.ravel().tolist()}
    return {"shape": shape, "float32": b64encode(array.astype("<f4").tobytes()).decode()}


# ---- What is left out ---------------------------------------------------------------------------


def kept_blocks_and_heads(config: GPTConfig, seq: int) -> tuple[list[int], list[int]]:
    """Pick as many blocks and heads as the page has room for, evenly spread, both ends included.

    >>> kept_blocks_and_heads(GPTConfig.preset("gpt2-xl"), seq=64)
    ([0, 8, 16, 24, 31, 39, 47], [0, 5, 10, 14, 19, 24])
    """
    n_layer, n_head = config.n_layer, config.n_head
    # Bytes for scores, weights, and q, k, v, z of one head: float32, a third longer in base64.
    each = (2 * seq * seq + 4 * seq * DIMS) * 4 * 4 // 3
    while n_layer * n_head * each > BUDGET:
        if n_layer > n_head:
            n_layer -= 1
        else:
            n_head -= 1
    return spread(config.n_layer, n_layer), spread(config.n_head, n_head)


def spread(n: int, keep: int) -> list[int]:
    """Pick ``keep`` of the numbers 0 to n - 1, evenly spread, with both ends if keep is above 1."""
    kept: list[int] = np.linspace(0, n - 1, keep).round().astype(int).tolist()
    return kept


def left_out(config: GPTConfig) -> list[str]:
    """Say what no page shows of a trace, a sentence for each kind of array."""
    said = []
    if config.head_dim > DIMS:
        n_embd, head_dim = config.n_embd, config.head_dim
        said.append(
            f"Only the first {DIMS} numbers of each vector are shown: of {n_embd} in the residual "
            f"stream, of {head_dim} in a head. Lengths are those of whole vectors."
        )
    elif config.n_embd > DIMS:
        said.append(
            f"Only the first {DIMS} of the {config.n_embd} numbers of each vector in the residual "
            "stream are shown. Lengths are those of whole vectors."
        )
    if config.n_inner > UNITS:
        said.append(
            f"Of the {config.n_inner:,} hidden units of the feed-forward network, the {UNITS} "
            "largest at each position are shown."
        )
    if config.n_vocab > BEST:
        said.append(
            f"Of the {config.n_vocab:,} probabilities at each place of the logit lens, the {BEST} "
            "highest are shown. All logits of the last position are in this file, and the sliders "
            f"use them all; the {min(BARS, config.n_vocab)} highest have a bar."
        )
    return said


def thinned(config: GPTConfig, blocks: list[int], heads: list[int]) -> list[str]:
    """Say which blocks and heads of a large model are on the page; nothing for a small one."""
    said = []
    if len(blocks) < config.n_layer:
        said.append(
            f"Of this model’s {config.n_layer} blocks, the page has room for {len(blocks)}: "
            f"{enumeration(blocks)}. The logit lens has them all."
        )
    if len(heads) < config.n_head:
        said.append(
            f"Of the {config.n_head} heads in each block, it has room for {len(heads)}: "
            f"{enumeration(heads)}. What attention adds to the stream is the work of all heads."
        )
    return said


def enumeration(numbers: Sequence[int]) -> str:
    """Write numbers as in a sentence.

    >>> enumeration([0, 3, 7])
    '0, 3 and 7'
    """
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}" if most else last
