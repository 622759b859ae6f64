"""The most used edits: each is a ``{name: edit}`` for ``Trace``, and ``|`` joins several.

    model(ids, trace=Trace(edits=without_heads(3, [1]) | without_mask(range(6))))

An edit changes the computation from one array on. The result shows what the array was good for
(ablation), or whether the array makes the difference between two texts (activation patching: Vig
et al. 2020, Meng et al. 2022).
"""

from collections.abc import Collection, Iterable, Sequence

from gptlite.block import attention_scores
from gptlite.checks import check_kind
from gptlite.layers import Array
from gptlite.trace import Edit, Trace, Unmasked

Edits = dict[str, Edit]


def without_heads(layer: int, heads: Collection[int]) -> Edits:
    """Silence heads of a block: their attention weights are all 0, so they gather nothing.

    Raises:
        TypeError: ``heads`` is a single number.
    """
    check_kind("heads", heads, Collection)

    def silenced(weights: Array, trace: Trace) -> Array:
        n_head = weights.shape[1]
        for head in heads:
            if not 0 <= head < n_head:
                raise ValueError(f"head must lie in 0 to {n_head - 1}, not {head}")
            weights[:, head] = 0
        return weights

    return {f"h.{layer}.attn.weights": silenced}


def without_mask(layers: Iterable[int]) -> Edits:
    """Unmask blocks: in them every position looks at every other, even to its right.

    Article: "The Encoder Block" and "Self-Attention (without masking)". Padding is unmasked too.

    Raises:
        TypeError: ``layers`` is a single number.
    """
    check_kind("layers", layers, Iterable)

    def edit(layer: int) -> Edit:
        def scores(masked: Array, trace: Trace) -> Array:
            q, k = trace[f"h.{layer}.attn.q"], trace[f"h.{layer}.attn.k"]
            return attention_scores(q, k)  # [batch, head, seq, total]

        return Unmasked(scores)

    return {f"h.{layer}.attn.scores": edit(layer) for layer in layers}


def patched(source: Trace, name: str, positions: Sequence[int] | None = None) -> Edits:
    """Patch an array, or some of its positions, with the array of another call.

    Args:
        source: the trace of that call, whose ids must have the same shape as in this call; with
            ``positions``, the texts may differ in length.
        name: any array whose axis before the last is ``seq``.
        positions: the positions to patch, which both texts have; None for all.

    Raises:
        ValueError: the source has no such array; or, when the model is called, the source's array
            has a different shape, or one of the arrays has no such position.
    """
    if name not in source:
        raise ValueError(f"the source has no array named {name!r}")

    def swapped(array: Array, trace: Trace) -> Array:
        other = source[name]  # [...]
        if positions is None or other.shape[:-2] + other.shape[-1:] != (
            array.shape[:-2] + array.shape[-1:]
        ):
            return other
        seq = min(array.shape[-2], other.shape[-2])
        for position in positions:
            if not -seq <= position < seq:
                raise ValueError(f"position must lie in 0 to {seq - 1}, not {position}")
        array[..., list(positions), :] = other[..., list(positions), :]
        return array

    return {name: swapped}
