"""The trace of a call: every named intermediate array, to look at or to change.

``model(ids, trace=Trace())`` keeps them all. The views draw the same arrays, and the gradients are
computed from them (``training/gradients.py``). A trace with edits changes the computation as it
runs: cut out a head, or put in what another text had at that place, and see what follows.
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptlite.checks import as_array, check_arguments, check_kind
from gptlite.layers import Array

Record = Callable[[str, Array], Array]  # name, array -> the array to go on with

# The arrays that a decoder block makes, in order; in a trace "h.i." stands before each name.
BLOCK_STEPS = (
    *("ln_1", "attn.q", "attn.k", "attn.v", "attn.scores", "attn.weights", "attn.z", "attn.out"),
    *("mid", "ln_2", "mlp.fc", "mlp.gelu", "mlp.out", "out"),
)
# GPT-1's: "ln_1" and "out" are the normed sums "mid" and "sum" (gpt1.py).
POST_NORM_STEPS = (
    *("attn.q", "attn.k", "attn.v", "attn.scores", "attn.weights", "attn.z", "attn.out"),
    *("mid", "ln_1", "mlp.fc", "mlp.gelu", "mlp.out", "sum", "out"),
)


HIDDEN = -5e9  # scores below are masked (``block.MASKED``), once or twice


class Trace(dict[str, Array]):
    """Every named intermediate array of one call, in the order in which they were made.

    ==================================  =====================================================
    ``embed``                           ``[batch, seq, n_embd]``, token plus position
    for each block i:
    ``h.i.ln_1``                        ``[batch, seq, n_embd]``
    ``h.i.attn.q``                      ``[batch, head, seq, head_dim]``
    ``h.i.attn.k``, ``h.i.attn.v``      ``[batch, head, total, head_dim]``
    ``h.i.attn.scores``                 ``[batch, head, seq, total]``, scaled and masked
    ``h.i.attn.weights``                ``[batch, head, seq, total]``, after softmax
    ``h.i.attn.z``                      ``[batch, seq, n_embd]``, the heads merged
    ``h.i.attn.out``                    ``[batch, seq, n_embd]``
    ``h.i.mid``                         ``[batch, seq, n_embd]``, the stream after attention
    ``h.i.ln_2``                        ``[batch, seq, n_embd]``
    ``h.i.mlp.fc``, ``h.i.mlp.gelu``    ``[batch, seq, 4 * n_embd]``
    ``h.i.mlp.out``                     ``[batch, seq, n_embd]``
    ``h.i.out``                         ``[batch, seq, n_embd]``, the stream after the block
    ``ln_f``                            ``[batch, kept, n_embd]``
    ``logits``                          ``[batch, kept, n_vocab]``, see ``GPT.__call__``
    ==================================  =====================================================

    Args:
        edits: what to change on the way, ``{name: edit}``: a number multiplies the array, an array
            takes its place, a function is given the array and the trace so far and returns the
            array to go on with. The trace holds the changed array. Keys and values in a cache stay
            as they were computed. Whatever is done to scores, what the mask hides stays hidden,
            unless the edit is an ``Unmasked``. ``gptlite.views.edits`` has the most useful edits.

    >>> from gptlite import GPT, GPTConfig
    >>> model = GPT.init(GPTConfig(n_vocab=11, n_ctx=8, n_embd=4, n_head=2, n_layer=2))
    >>> silent = Trace(edits={"h.1.attn.out": 0, "h.1.mlp.out": 0})  # skip the last block
    >>> _ = model([3, 1, 4], trace=silent)
    >>> bool((silent["h.1.out"] == silent["h.0.out"]).all())
    True
    """

    def __init__(self, edits: "Mapping[str, Edit] | None" = None) -> None:
        super().__init__()
        check_kind("edits", {} if edits is None else edits, Mapping)
        self.edits = dict(edits or {})

    def __repr__(self) -> str:
        wide = max(map(len, self), default=0)
        shapes = [f"    {name:{wide}}  {list(array.shape)}" for name, array in self.items()]
        return "\n".join([f"Trace: {len(self)} arrays", *shapes])

    def __missing__(self, name: object) -> Array:
        near = get_close_matches(str(name), self, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it holds {len(self)} arrays"
        raise KeyError(f"the trace has no array named {name!r}: {hint}")

    def begin(self, n_layer: int, post_norm: bool = False) -> None:
        """Begin a call of a model with ``n_layer`` blocks: forget the arrays of an earlier call.

        Args:
            post_norm: True for GPT-1's blocks.

        Raises:
            ValueError: an edit names no array of the model.
        """
        if self.edits and (unknown := self.edits.keys() - set(trace_names(n_layer, post_norm))):
            name = min(unknown, key=str)
            raise ValueError(f"no array is named {name!r}: see Trace for the names there are")
        self.clear()

    def record(self, prefix: str, name: str, array: Array) -> Array:
        """Keep an array under ``prefix + name``, and pass it on to the computation."""
        name = prefix + name
        if name in self.edits:
            edit = self.edits[name]
            if isinstance(edit, Unmasked):
                array = edited(name, array, edit.edit, self)  # [...]
            else:
                changed = edited(name, array, edit, self)  # [...]
                is_scores = name.endswith("attn.scores")
                array = still_masked(array, changed) if is_scores else changed  # [...]
        self[name] = array
        return array


class Unmasked(NamedTuple):
    """An edit of scores that may show what the mask hides: later positions, and padding."""

    edit: "Change"


# A factor, the new array, or a function of the array and the trace so far.
Change = float | NDArray[Any] | Callable[[Array, Trace], NDArray[Any]]
Edit = Change | Unmasked


def trace_names(n_layer: int, post_norm: bool = False) -> list[str]:
    """List the names of a trace's arrays, in the order in which they are made."""
    steps = POST_NORM_STEPS if post_norm else BLOCK_STEPS
    blocks = [f"h.{i}.{step}" for i in range(n_layer) for step in steps]
    return ["embed", *blocks, "ln_f", "logits"]


def edited(name: str, array: Array, edit: Change, trace: Trace) -> Array:
    """Apply an edit to an array: the result has the array's shape, in float32.

    Raises:
        TypeError: the edit is a function that does not take an array and a trace.
        ValueError: the result has another shape, or is not made of real numbers.
    """
    if callable(edit):
        check_arguments(f"edit of {name}", edit, "the array", "the trace")
        result = as_array(f"edit of {name}", edit(array.copy(), trace))  # [...]
    else:
        result = as_array(f"edit of {name}", edit)
        if not result.ndim and result.dtype.kind in "fiub":
            result = array * np.float32(result)  # [...]
    if result.shape != array.shape or result.dtype.kind not in "fiub":
        found = f"{result.dtype} {list(result.shape)}"
        raise ValueError(f"edit of {name}: expected float32 {list(array.shape)}, found {found}")
    return result.astype(np.float32)  # [...]


def still_masked(masked: Array, scores: Array) -> Array:
    """Hide in edited scores what the mask hid in the scores before.

    Args:
        masked: the scores before the edit, ``[batch, head, seq, total]``, like the result.
        scores: the scores after it.
    """
    hidden = masked <= HIDDEN  # [batch, head, seq, total]
    # However low the edit made what can be seen, what is hidden is far lower.
    lowest = np.min(scores, where=~hidden, initial=0)
    with np.errstate(over="ignore"):
        floor = np.minimum(masked, 2 * lowest + HIDDEN)  # [batch, head, seq, total]
    return np.where(hidden, floor, scores).astype(np.float32)  # [batch, head, seq, total]


def unrecorded(name: str, array: Array) -> Array:
    """Pass an array on, and keep nothing."""
    return array


def recorder(trace: Trace | None, prefix: str = "") -> Record:
    """Make the function that a part of the model calls with each array: ``record("mid", x)``.

    Without a trace it is ``unrecorded``.
    """
    return unrecorded if trace is None else partial(trace.record, prefix)
