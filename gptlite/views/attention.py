"""Views of masked self-attention, step by step as the article takes it, from the arrays of a trace.

All show the first row of the batch. ``tokens`` are the labels of all positions that can be attended
to (``token_labels``), those in a cache included.
"""

from collections.abc import Sequence

from gptlite.layers import Array
from gptlite.trace import Trace
from gptlite.views.heat_map import HeatMap
from gptlite.views.panels import Panels
from gptlite.views.table import Cell, Table


def of_block(trace: Trace, layer: int, step: str) -> Array:
    """An array of a block, less the batch axis.

    Raises:
        ValueError: the trace has no such block.
    """
    name = f"h.{layer}.{step}"
    if name not in trace:
        held = sum(name.endswith(".ln_1") for name in trace)
        raise ValueError(f"the trace has no {name}: it holds {held} blocks, counted from 0")
    array: Array = trace[name][0]
    return array


def of_head(trace: Trace, layer: int, head: int, step: str) -> Array:
    """An array of one head, ``[seq or total, head_dim or total]``.

    Raises:
        ValueError: the trace has no such block or head.
    """
    heads = of_block(trace, layer, step)  # [head, ...]
    if not 0 <= head < len(heads):
        raise ValueError(f"head must lie in 0 to {len(heads) - 1}, not {head}")
    array: Array = heads[head]
    return array


def labels(tokens: Sequence[str], seq: int, total: int) -> tuple[list[str], list[str]]:
    """The labels of the new positions, and of all.

    Raises:
        ValueError: there are not as many tokens as positions.
    """
    if len(tokens) != total:
        raise ValueError(f"expected {total} tokens, one for each position, found {len(tokens)}")
    return list(tokens[-seq:]), list(tokens)


def attention_map(trace: Trace, tokens: Sequence[str], layer: int, head: int) -> HeatMap:
    """Who looks at whom, in one head: a row of weights for each position, each summing to 1.

    Article: "Self-Attention Recap".
    """
    weights = of_head(trace, layer, head, "attn.weights")  # [seq, total]
    title = f"Block {layer}, head {head}: attention weights {list(weights.shape)}"
    note = "Each row is a token that looks, each column one it looks at."
    return HeatMap(title, weights, *labels(tokens, *weights.shape), note, low=0.0, high=1.0)


def attention_grid(trace: Trace, tokens: Sequence[str]) -> Panels:
    """Every head of every block, small: a row of pictures for each block.

    Article: "Self-Attention Recap", whose figure is one row of one of these.
    """
    blocks = sum(name.endswith(".attn.weights") for name in trace)
    rows = []
    for layer in range(blocks):
        heads = of_block(trace, layer, "attn.weights")  # [head, seq, total]
        names = labels(tokens, *heads.shape[1:])
        rows.append(
            [
                HeatMap(f"{layer}.{head}", weights, *names, low=0.0, high=1.0, small=True)
                for head, weights in enumerate(heads)
            ]
        )
    return Panels("Attention weights, block by block, head by head", rows)


def masking(trace: Trace, tokens: Sequence[str], layer: int, head: int) -> Panels:
    """Scores, masked scores, and what softmax makes of them.

    Article: "The Illustrated Masked Self-Attention", and "2- Score". The article leaves out that
    the products are divided by the root of ``head_dim`` first.
    """
    q = of_head(trace, layer, head, "attn.q")  # [seq, head_dim]
    k = of_head(trace, layer, head, "attn.k")  # [total, head_dim]
    scores = q @ k.T * q.shape[-1] ** -0.5  # [seq, total]
    masked = of_head(trace, layer, head, "attn.scores")  # [seq, total]
    weights = of_head(trace, layer, head, "attn.weights")  # [seq, total]
    names = labels(tokens, *weights.shape)
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
    """How one position's answer is mixed: each token's value times its weight, and the sum.

    Article: "Self-Attention Process" and "3- Sum".

    Args:
        query: the position that looks; -1 for the last.
        width: how many numbers of the vectors to show.
    """
    weights = of_head(trace, layer, head, "attn.weights")  # [seq, total]
    v = of_head(trace, layer, head, "attn.v")  # [total, head_dim]
    looking, names = labels(tokens, *weights.shape)
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
    """Query, key and value of one position, as the heads share them out: a row for each head.

    Article: "GPT-2 Self-attention: 1- Creating queries, keys, and values" and "GPT-2
    Self-attention: 1.5- Splitting into attention heads".

    Args:
        position: of the call; -1 for the last.

    Raises:
        ValueError: the trace has no such block, or there is no such position.
    """
    looking, _ = labels(tokens, *of_head(trace, layer, 0, "attn.weights").shape)
    if not -len(looking) <= position < len(looking):
        raise ValueError(f"position must be one of the call, 0 to {len(looking) - 1}")
    if position >= 0:
        position -= len(looking)  # from the end: keys and values have the cache's before them
    views = []
    for name, step in {"query": "attn.q", "key": "attn.k", "value": "attn.v"}.items():
        part = of_block(trace, layer, step)[:, position]  # [head, head_dim]
        heads = [f"head {i}" for i in range(len(part))]
        columns = [str(i) for i in range(part.shape[-1])]
        views.append(HeatMap(f"{name} {list(part.shape)}", part, heads, columns, small=True))
    n_embd = views[0].values.size
    title = f"Block {layer}, {tokens[position]}: c_attn's {3 * n_embd} numbers, split"
    return Panels(title, [[view] for view in views])
