"""Views of masked self-attention, step by step as in the article, from the arrays of a trace.

All show the first row of the batch. ``tokens`` are the labels (``token_labels``) of all positions
that can be attended to, including those in a cache.
"""

from collections.abc import Sequence

from gptlite.checks import check_kind
from gptlite.layers import Array
from gptlite.trace import Trace
from gptlite.views.heat_map import HeatMap
from gptlite.views.panels import Panels
from gptlite.views.table import Cell, Table


def block_array(trace: Trace, layer: int, step: str) -> Array:
    """Get an array of a block, for the first row of the batch.

    Raises:
        TypeError: not a trace. ValueError: the trace has no such block.
    """
    check_kind("trace", trace, Trace)
    name = f"h.{layer}.{step}"
    if name not in trace:
        held = sum(name.endswith(".attn.q") for name in trace)
        raise ValueError(f"the trace has no {name}: it holds {held} blocks, counted from 0")
    array: Array = trace[name][0]
    return array


def head_array(trace: Trace, layer: int, head: int, step: str) -> Array:
    """Get an array of one head, ``[seq or total, head_dim or total]``.

    Raises:
        ValueError: the trace has no such block or head.
    """
    heads = block_array(trace, layer, step)  # [head, ...]
    if not 0 <= head < len(heads):
        raise ValueError(f"head must lie in 0 to {len(heads) - 1}, not {head}")
    array: Array = heads[head]
    return array


def position_labels(tokens: Sequence[str], seq: int, total: int) -> tuple[list[str], list[str]]:
    """Return the labels of the new positions, and those of all positions.

    Raises:
        TypeError: ``tokens`` are not labels. ValueError: there are not as many as positions.
    """
    if isinstance(tokens, str) or not all(isinstance(token, str) for token in tokens):
        raise TypeError("tokens must be a list of labels, as token_labels(tokenizer, ids) gives")
    if len(tokens) != total:
        raise ValueError(f"expected {total} tokens, one for each position, found {len(tokens)}")
    return list(tokens[-seq:]), list(tokens)


def attention_map(trace: Trace, tokens: Sequence[str], layer: int, head: int) -> HeatMap:
    """Show who looks at whom in one head: a row of weights for each position, summing to 1.

    Article: "Self-Attention Recap".
    """
    weights = head_array(trace, layer, head, "attn.weights")  # [seq, total]
    title = f"Block {layer}, head {head}: attention weights {list(weights.shape)}"
    note = "Each row is a token that looks, each column a token it looks at."
    names = position_labels(tokens, *weights.shape)
    return HeatMap(title, weights, *names, note, low=0.0, high=1.0)


def attention_grid(trace: Trace, tokens: Sequence[str]) -> Panels:
    """Show every head of every block, small: a row of pictures for each block.

    Article: "Self-Attention Recap"; the figure there is one row of one of these pictures.
    """
    blocks = sum(name.endswith(".attn.weights") for name in trace)
    rows = []
    for layer in range(blocks):
        heads = block_array(trace, layer, "attn.weights")  # [head, seq, total]
        names = position_labels(tokens, *heads.shape[1:])
        rows.append(
            [
                HeatMap(
                    f"block {layer}, head {head}", weights, *names, low=0.0, high=1.0, small=True
                )
                for head, weights in enumerate(heads)
            ]
        )
    return Panels("Attention weights, block by block, head by head", rows)


def masking(trace: Trace, tokens: Sequence[str], layer: int, head: int) -> Panels:
    """Show the scores of one head as they are, then masked, then after softmax.

    Article: "The Illustrated Masked Self-Attention", and "2- Score". The article leaves out that
    the dot products are first divided by the square root of ``head_dim``.
    """
    q = head_array(trace, layer, head, "attn.q")  # [seq, head_dim]
    k = head_array(trace, layer, head, "attn.k")  # [total, head_dim]
    scores = q @ k.T * q.shape[-1] ** -0.5  # [seq, total]
    masked = head_array(trace, layer, head, "attn.scores")  # [seq, total]
    weights = head_array(trace, layer, head, "attn.weights")  # [seq, total]
    names = position_labels(tokens, *weights.shape)
    low, high = float(scores.min()), float(scores.max())
    views = [
        HeatMap(f"scores: q · k / √{q.shape[-1]}", scores, *names, low=low, high=high),
        HeatMap("masked: -∞ to the right", masked, *names, low=low, high=high),
        HeatMap("softmax: rows sum to 1", weights, *names, low=0.0, high=1.0),
    ]
    return Panels(f"Block {layer}, head {head}: from scores to weights", [views])


def value_table(
    trace: Trace, tokens: Sequence[str], layer: int, head: int, query: int = -1, width: int = 3
) -> Table:
    """Show how attention mixes the values for one position: each times its weight, and the sum.

    Article: "Self-Attention Process" and "3- Sum".

    Args:
        query: the position that looks; -1 for the last.
        width: how many numbers of each vector to show.
    """
    weights = head_array(trace, layer, head, "attn.weights")  # [seq, total]
    v = head_array(trace, layer, head, "attn.v")  # [total, head_dim]
    looking, names = position_labels(tokens, *weights.shape)
    if not -len(weights) <= query < len(weights):
        raise ValueError(f"query must be a position of the call, 0 to {len(weights) - 1}")
    mixed = weights[query][:, None] * v  # [total, head_dim]
    width = min(width, v.shape[-1])
    rows: list[list[Cell]] = [
        [name, float(weight), *value[:width].tolist(), *part[:width].tolist()]
        for name, weight, value, part in zip(names, weights[query], v, mixed, strict=True)
    ]
    total = mixed.sum(axis=0)  # [head_dim]
    sums = [float(weights[query].sum()), *[None] * width, *total[:width].tolist()]
    rows.append(["sum", *sums])
    columns = ["token", "weight"]
    columns += [f"value[{i}]" for i in range(width)]
    columns += [f"weight × value[{i}]" for i in range(width)]
    title = f"Block {layer}, head {head}: what {looking[query]} gathers"
    note = f"The first {width} of {v.shape[-1]} numbers; the last row is the head's share of z."
    return Table(title, columns, rows, note, shaded=["weight"])


def qkv_split(trace: Trace, tokens: Sequence[str], layer: int, position: int = -1) -> Panels:
    """Show query, key and value of one position, split into heads: a row for each head.

    Article: "GPT-2 Self-attention: 1- Creating queries, keys, and values" and "GPT-2
    Self-attention: 1.5- Splitting into attention heads".

    Args:
        position: one of the call's positions; -1 for the last.

    Raises:
        ValueError: the trace has no such block, or there is no such position.
    """
    looking, _ = position_labels(tokens, *head_array(trace, layer, 0, "attn.weights").shape)
    if not -len(looking) <= position < len(looking):
        raise ValueError(f"position must be one of the call, 0 to {len(looking) - 1}")
    if position >= 0:
        position -= len(looking)  # count from the end: keys and values begin with the cache's
    views = []
    for name, step in {"query": "attn.q", "key": "attn.k", "value": "attn.v"}.items():
        part = block_array(trace, layer, step)[:, position]  # [head, head_dim]
        heads = [f"head {i}" for i in range(len(part))]
        columns = [str(i) for i in range(part.shape[-1])]
        views.append(HeatMap(f"{name} {list(part.shape)}", part, heads, columns, small=True))
    n_embd = views[0].values.size
    title = f"Block {layer}, {tokens[position]}: c_attn's {3 * n_embd} numbers, split"
    return Panels(title, [[view] for view in views])
