"""Edits that are wanted most: each is a ``{name: edit}`` for ``Trace``, and they add up with ``|``.

    model(ids, trace=Trace(edits=without_heads(3, [1]) | without_mask(range(6))))

An edit changes the computation, and what follows shows what the array was good for (ablation), or
that it is what makes the difference between two texts (activation patching: Vig et al. 2020, Meng
et al. 2022).
"""

from collections.abc import Collection, Iterable, Sequence

from gptlite.block import attention_scores
from gptlite.layers import Array
from gptlite.trace import Edit, Trace

Edits = dict[str, Edit]


def without_heads(layer: int, heads: Collection[int]) -> Edits:
    """Heads of a block that gather nothing: their weights are all 0."""

    def silenced(weights: Array, trace: Trace) -> Array:
        n_head = weights.shape[1]
        for head in heads:
            if not 0 <= head < n_head:
                raise ValueError(f"head must lie in 0 to {n_head - 1}, not {head}")
            weights[:, head] = 0
        return weights

    return {f"h.{layer}.attn.weights": silenced}


def without_mask(layers: Iterable[int]) -> Edits:
    """Blocks whose every position looks at every other, those to its right included.

    Article: "The Encoder Block" and "Self-Attention (without masking)". Padding is looked at too.
    """

    def edit(layer: int) -> Edit:
        def scores(masked: Array, trace: Trace) -> Array:
            q, k = trace[f"h.{layer}.attn.q"], trace[f"h.{layer}.attn.k"]
            return attention_scores(q, k)  # [batch, head, seq, total]

        return scores

    return {f"h.{layer}.attn.scores": edit(layer) for layer in layers}


def patched(source: Trace, name: str, positions: Sequence[int] | None = None) -> Edits:
    """An array, or some positions of it, as it was in another call.

    Args:
        source: the trace of that call, whose ids have the same shape.
        name: any array whose axis before the last is ``seq``.
        positions: None for all.

    Raises:
        ValueError: the source has no such array; when the model is called, one of another shape.
    """
    if name not in source:
        raise ValueError(f"the source has no array named {name!r}")

    def swapped(array: Array, trace: Trace) -> Array:
        if positions is None or source[name].shape != array.shape:
            return source[name]
        array[..., list(positions), :] = source[name][..., list(positions), :]
        return array

    return {name: swapped}
