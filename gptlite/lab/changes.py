"""The page's changes as edits of a trace: cut, scale, patch, unmask; several may meet one array."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from gptlite.config import GPTConfig
from gptlite.lab.request import Reading, factor, get, whole
from gptlite.layers import Array
from gptlite.trace import Change, Edit, Trace, Unmasked, edited, trace_names
from gptlite.views.edits import Edits, patched, without_heads, without_mask

TraceOf = Callable[[Reading], Trace]  # the arrays of another text, unchanged


def edits_of(config: GPTConfig, changes: Sequence[str], trace_of: TraceOf) -> Edits:
    """Translate the changes of a request, in their order, into edits for one ``Trace``.

    Args:
        changes: each as JSON: see engine.py.
        trace_of: gives the trace of the text that a patch is taken from.

    Raises:
        ValueError: a change is of no known kind, or names no part, array or position.
    """
    edits: Edits = {}
    for change in changes:
        for name, edit in one_change(config, json.loads(change), trace_of).items():
            edits[name] = chained(name, edits[name], edit) if name in edits else edit
    return edits


def one_change(config: GPTConfig, change: dict[str, Any], trace_of: TraceOf) -> Edits:
    """Translate one change."""
    kind = get(change, "change", str)
    if kind == "scale":
        return scaled(config, change)
    if kind == "unmask":
        layers = range(config.n_layer)
        one = change.get("layer") is not None
        return without_mask([layer_of(config, change)] if one else layers)
    if kind == "patch":
        return patch(config, change, trace_of)
    raise ValueError(f"no change is called {kind!r}: there are scale, patch and unmask")


def scaled(config: GPTConfig, change: dict[str, Any]) -> Edits:
    """Multiply a part by a factor; 0 cuts it out."""
    times, part = factor(change), get(change, "part", str)
    if part == "array":
        return {array_name(config, change): times}
    layer = layer_of(config, change)
    if part == "head":
        head = whole(change, "head", config.n_head, "a block")
        if times == 0:
            return without_heads(layer, [head])
        return {f"h.{layer}.attn.weights": scaled_head(head, times)}
    parts = {
        "attention": ("attn.out",),
        "mlp": ("mlp.out",),
        "block": ("attn.out", "mlp.out"),
    }
    if part not in parts:
        raise ValueError(f"no part is called {part!r}: there are head, array, {', '.join(parts)}")
    return {f"h.{layer}.{name}": times for name in parts[part]}


def scaled_head(head: int, times: float) -> Change:
    """Multiply the attention weights of one head, and with them what it gathers."""

    def edit(weights: Array, trace: Trace) -> Array:
        weights[:, head] *= times
        return weights

    return edit


def patch(config: GPTConfig, change: dict[str, Any], trace_of: TraceOf) -> Edits:
    """Put in what another text has in the same array at the same position."""
    name, position = array_name(config, change), get(change, "position", int)
    other = trace_of(Reading(get(change, "text", str), get(change, "eot", bool, True)))
    seq = other["embed"].shape[1]
    if not 0 <= position < seq:
        raise ValueError(f"the other text has no position {position}: it has {seq} tokens")
    swap = patched(other, name, [position])[name]
    assert callable(swap)

    def edit(array: Array, trace: Trace) -> Array:
        here = array.shape[-2]
        if position >= here:
            raise ValueError(f"the text has no position {position}: it has {here} tokens")
        if other[name].shape[-1] != array.shape[-1]:
            raise ValueError(
                f"{name} has a column for each token, and the texts have {here} and {seq}: "
                "patch another array, or take a text with as many tokens"
            )
        result: Array = swap(array, trace)
        return result

    return {name: edit}


def layer_of(config: GPTConfig, change: dict[str, Any]) -> int:
    """Get the block that a change is in."""
    return whole(change, "layer", config.n_layer, "the model")


def array_name(config: GPTConfig, change: dict[str, Any]) -> str:
    """Get the array that a change names.

    Raises:
        ValueError: the trace has no array of that name.
    """
    name: str = get(change, "name", str)
    if name not in trace_names(config.n_layer):
        raise ValueError(f"no array is called {name!r}")
    return name


def chained(name: str, first: Edit, second: Edit) -> Edit:
    """Join two edits of one array: the second is given what the first made."""
    one = first.edit if isinstance(first, Unmasked) else first
    two = second.edit if isinstance(second, Unmasked) else second

    def both(array: Array, trace: Trace) -> Array:
        return edited(name, edited(name, array, one, trace), two, trace)

    unmasked = isinstance(first, Unmasked) or isinstance(second, Unmasked)
    return Unmasked(both) if unmasked else both
