"""The derivative of the loss with respect to every parameter: the forward pass, walked backwards.

The trace that the views draw is the tape: each step reads the arrays that its forward step wrote,
and lets them go when it is done with them, so that their memory serves again.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gptlite.layers import Array
from gptlite.model import GPT
from gptlite.trace import Trace
from gptlite.training.backward import (
    attention_backward,
    cross_entropy,
    embedding_backward,
    gelu_backward,
    layer_norm_backward,
    linear_backward,
)


class Gradients(dict[str, Array]):
    """A gradient for each parameter, by its name: what has been added up so far."""

    def add(self, name: str, gradient: Array) -> None:
        """Add to a parameter's; the first array becomes it, and is changed by the next."""
        if name in self:
            self[name] += gradient
        else:
            self[name] = gradient


# The target of a position whose prediction does not count, as PyTorch has it: padding, prompts.
IGNORED = -100

# What no gradient reads.
UNREAD = ("attn.scores", "attn.out", "mlp.out")


class Tape(Trace):
    """A trace that keeps only what the gradients read."""

    def record(self, prefix: str, name: str, array: Array) -> Array:
        """Keep the array if a gradient reads it, and hand it on."""
        return array if name in UNREAD else super().record(prefix, name, array)

    def pop_mask(self, name: str) -> Array | None:
        """Let go of what an array was multiplied with: nothing here, see ``DropoutTrace``."""
        return None


def loss_and_gradients(
    model: GPT, ids: ArrayLike, targets: ArrayLike, trace: Trace | None = None
) -> tuple[float, dict[str, Array]]:
    """The mean cross-entropy of next-token prediction, and its derivative by every parameter.

    GPT-1 paper, equation 1; Illustrated GPT-2, "The Illustrated Masked Self-Attention": one
    sequence of ``seq`` tokens is ``seq`` examples.

    Args:
        ids: ``[seq]`` or ``[batch, seq]``.
        targets: the right next token at each position, of the same shape; ``IGNORED`` where the
            prediction does not count.
        trace: an empty ``DropoutTrace``, to train with dropout.

    Returns:
        The loss in nats per token, and ``{name: array}`` like ``model.parameters``.

    Raises:
        TypeError: ids or targets are not integers.
        ValueError: the shapes differ, an id or a target is out of range, or no target counts.
        ContextOverflowError: more positions than ``n_ctx``.
    """
    ids, targets = np.atleast_2d(ids), np.atleast_2d(targets)  # [batch, seq]
    n_predictions = int(np.count_nonzero(targets != IGNORED))
    if targets.size and not n_predictions:
        raise ValueError("every target is to be ignored: nothing to learn from")
    gradients = Gradients()
    loss = accumulate_gradients(model, ids, targets, n_predictions, gradients, trace)
    return loss, {name: gradients[name] for name in model.parameters}


def accumulate_gradients(
    model: GPT,
    ids: NDArray[np.integer[Any]],
    targets: NDArray[np.integer[Any]],
    n_predictions: int,
    gradients: Gradients,
    trace: Trace | None = None,
) -> float:
    """Add one shard's share of the gradients to those of the shards before it.

    Args:
        ids, targets: ``[batch, seq]``, a part of the batch.
        n_predictions: predictions in the whole batch, over which the loss is the mean.
        gradients: what each parameter's is added to, once.
        trace: an empty ``DropoutTrace``, to train with dropout.

    Returns:
        The shard's share of the loss, in nats.
    """
    tape = Tape() if trace is None else trace
    top = model.top_of_stack(
        ids, trace=tape
    )  # [batch, seq, n_embd]; refuses ids that are not token ids
    loss, dtop, dwte = language_model_loss(model, top, targets, 1.0 / n_predictions)
    walk_back(model, ids, dtop, dwte, tape, gradients)
    return loss


def language_model_loss(
    model: GPT, top: Array, targets: NDArray[np.integer[Any]], weight: float
) -> tuple[float, Array, Array]:
    """How badly the top of the stack predicts the next tokens (GPT-1 paper, equations 1 and 2).

    Logits are made only where a prediction counts.

    Args:
        top: what ``model.top`` gave, ``[batch, seq, n_embd]``.
        targets: ``[batch, seq]``, ``IGNORED`` where the prediction does not count.
        weight: of each prediction in the loss: 1 over their number, for their mean.

    Returns:
        The loss, in nats, ``dtop [batch, seq, n_embd]``, and ``dwte [n_vocab, n_embd]``, the
        derivative by the embedding in its use at the top.

    Raises:
        TypeError, ValueError: see ``loss_and_gradients``.
    """
    n_vocab = model.config.n_vocab
    if targets.shape != top.shape[:2]:
        raise ValueError(f"targets have shape {list(targets.shape)}, ids {list(top.shape[:2])}")
    if not np.issubdtype(targets.dtype, np.integer):
        raise TypeError(f"targets must be integers, not {targets.dtype}")
    counts = targets != IGNORED  # [batch, seq]
    wanted = targets[counts]  # [predictions]
    outside = wanted[(wanted < 0) | (wanted >= n_vocab)]
    if outside.size:
        raise ValueError(f"target {outside.min()} is outside 0 to {n_vocab - 1}")
    read = top[counts]  # [predictions, n_embd]
    loss, dlogits = cross_entropy(model.unembed(read), wanted, weight)
    dwte = dlogits.T @ read  # [n_vocab, n_embd]
    dtop = np.zeros_like(top)  # [batch, seq, n_embd]
    dtop[counts] = dlogits @ model.parameters["wte.weight"]
    return loss, dtop, dwte


def walk_back(
    model: GPT,
    ids: NDArray[np.integer[Any]],
    dtop: Array,
    dwte: Array,
    tape: Trace,
    gradients: Gradients,
) -> None:
    """From the top of the stack down to the embeddings, whatever the loss was made of up there.

    Args:
        ids: ``[batch, seq]``, what ``model.top`` was given.
        dtop: the derivative of the loss by what it gave, ``[batch, seq, n_embd]``.
        dwte: that by the embedding, if the loss has made logits of it, else 0:
            ``[n_vocab, n_embd]``; added to in place.
        tape: what it recorded; emptied.
        gradients: what each parameter's is added to, once.

    Raises:
        ValueError: the weights are float16.
    """
    if any(array.dtype == np.float16 for array in model.parameters.values()):
        raise ValueError("training needs float32 weights: load the model with dtype='float32'")

    def linear_step(name: str, dy: Array, x: Array) -> Array:
        dx, dweight, dbias = linear_backward(dy, x, model.parameters[f"{name}.weight"])
        gradients.add(f"{name}.weight", dweight)
        gradients.add(f"{name}.bias", dbias)
        return dx

    def norm_step(name: str, dy: Array, x: Array) -> Array:
        weight, epsilon = model.parameters[f"{name}.weight"], model.config.layer_norm_epsilon
        dx, dweight, dbias = layer_norm_backward(dy, x, weight, epsilon)
        gradients.add(f"{name}.weight", dweight)
        gradients.add(f"{name}.bias", dbias)
        return dx

    def pop_mask(name: str) -> Array | None:
        return tape.pop_mask(name) if isinstance(tape, Tape) else None

    def dropout_step(name: str, dy: Array) -> Array:
        mask = pop_mask(name)
        return dy if mask is None else dy * mask

    del tape["ln_f"]  # the loss has read it
    last = model.config.n_layer - 1
    dx = norm_step("ln_f", dtop, tape.pop(f"h.{last}.out"))  # [batch, seq, n_embd]

    for i in reversed(range(model.config.n_layer)):
        at = f"h.{i}."
        # x_out = x_mid + mlp(ln_2(x_mid)): the derivative goes straight on and through the MLP.
        dout = dropout_step(at + "mlp.out", dx)  # [batch, seq, n_embd]
        dfc = linear_step(at + "mlp.c_proj", dout, tape.pop(at + "mlp.gelu"))
        dfc = gelu_backward(dfc, tape.pop(at + "mlp.fc"))  # [batch, seq, 4 * n_embd]
        dnormed = linear_step(at + "mlp.c_fc", dfc, tape.pop(at + "ln_2"))
        dx += norm_step(at + "ln_2", dnormed, tape.pop(at + "mid"))

        # x_mid = x + attention(ln_1(x)), likewise.
        dout = dropout_step(at + "attn.out", dx)  # [batch, seq, n_embd]
        z = tape.pop(at + "attn.z")  # [batch, seq, n_embd]
        dz = linear_step(at + "attn.c_proj", dout, z)  # [batch, seq, n_embd]
        q, k, v, weights = (tape.pop(at + "attn." + name) for name in ("q", "k", "v", "weights"))
        dropped = pop_mask(at + "attn.weights")  # [batch, head, seq, seq]
        dqkv = attention_backward(dz, q, k, v, weights, z, dropped)  # [batch, seq, 3 * n_embd]
        dnormed = linear_step(at + "attn.c_attn", dqkv, tape.pop(at + "ln_1"))
        below = tape.pop(f"h.{i - 1}.out" if i else "embed")  # [batch, seq, n_embd]
        dx += norm_step(at + "ln_1", dnormed, below)

    dx = dropout_step("embed", dx)  # [batch, seq, n_embd]
    embedding_backward(dx.reshape(-1, dx.shape[-1]), ids.reshape(-1), dwte)
    gradients.add("wte.weight", dwte)
    dwpe = np.zeros_like(model.parameters["wpe.weight"])  # [n_ctx, n_embd]
    dwpe[: ids.shape[1]] = dx.sum(axis=0)
    gradients.add("wpe.weight", dwpe)
