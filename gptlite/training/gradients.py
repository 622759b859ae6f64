"""The gradient of every parameter: the forward pass of model.py, walked backwards.

``walk_back`` goes from the top of the stack down to the embeddings, through each block
(block_backward.py), and there through each layer (backward.py). This is back-propagation
(Rumelhart, Hinton and Williams 1986), by hand.
"""

import numpy as np
from numpy.typing import ArrayLike

from gptlite.checks import as_array
from gptlite.fast.underflow import rounds_to_zero
from gptlite.layers import Array
from gptlite.model import GPT
from gptlite.trace import Trace
from gptlite.training.backward import Ids, cross_entropy, embedding_backward
from gptlite.training.block_backward import block_backward, layer_norm_step
from gptlite.training.gpt1_backward import post_norm_block_backward
from gptlite.training.tape import Gradients, Tape, record_backward

# The target of a position whose prediction does not count (padding, a prompt), as in PyTorch.
IGNORED = -100


def loss_and_gradients(
    model: GPT, ids: ArrayLike, targets: ArrayLike, trace: Trace | None = None
) -> tuple[float, dict[str, Array]]:
    """Compute the mean cross-entropy of next-token prediction, and its gradients.

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
        ValueError: the shapes differ, an id or a target is out of range, or no target counts; or
            the weights are float16.
        ContextOverflowError: more positions than ``n_ctx``.
    """
    ids, targets = as_array("token ids", ids), as_array("targets", targets)  # [..., seq]
    ids, targets = np.atleast_2d(ids), np.atleast_2d(targets)  # [batch, seq]
    n_predictions = int(np.count_nonzero(targets != IGNORED))
    if targets.size and not n_predictions:
        raise ValueError("every target is to be ignored: nothing to learn from")
    gradients = Gradients()
    loss = accumulate_gradients(model, ids, targets, n_predictions, gradients, trace)
    return loss, {name: gradients[name] for name in model.parameters}


@rounds_to_zero
def accumulate_gradients(
    model: GPT,
    ids: Ids,
    targets: Ids,
    n_predictions: int,
    gradients: Gradients,
    trace: Trace | None = None,
) -> float:
    """Add one shard's share of the gradients to the sums, and return its share of the loss.

    Args:
        ids, targets: ``[batch, seq]``, a part of the batch.
        n_predictions: predictions in the whole batch; the loss is their mean.
        gradients: the sums that each parameter's gradient is added to, once.
        trace: an empty ``DropoutTrace``, to train with dropout.

    Returns:
        The shard's share of the loss, in nats.
    """
    tape = Tape() if trace is None else trace
    x = model.top_of_stack(ids, trace=tape)  # [batch, seq, n_embd]
    # [batch, seq, n_embd], [wte_rows, n_embd]
    loss, dx, dhead = language_model_loss(model, x, targets, 1.0 / n_predictions)
    walk_back(model, ids, dx, dhead, tape, gradients)
    return loss


def language_model_loss(
    model: GPT, x: Array, targets: Ids, weight: float
) -> tuple[float, Array, Array]:
    """Say how badly the top of the stack predicts the next tokens (GPT-1 paper, equations 1 and 2).

    Logits are computed only where a prediction counts.

    Args:
        x: the result of ``model.top_of_stack``, ``[batch, seq, n_embd]``.
        targets: ``[batch, seq]``, ``IGNORED`` where the prediction does not count.
        weight: the weight of each prediction; 1 over their number makes it their mean.

    Returns:
        The loss, in nats; ``dx [batch, seq, n_embd]``; and ``dhead [wte_rows, n_embd]``, the
        gradient of the output layer, which is 0 in the rows that stand for no token.

    Raises:
        TypeError, ValueError: see ``loss_and_gradients``.
    """
    n_vocab = model.config.n_vocab
    if targets.shape != x.shape[:2]:
        raise ValueError(f"targets have shape {list(targets.shape)}, ids {list(x.shape[:2])}")
    if not np.issubdtype(targets.dtype, np.integer):
        raise TypeError(f"targets must be integers, not {targets.dtype}")
    counts = targets != IGNORED  # [batch, seq]
    wanted = targets[counts]  # [predictions]
    outside = wanted[(wanted < 0) | (wanted >= n_vocab)]  # [wrong]
    if outside.size:
        raise ValueError(f"target {outside.min()} is outside 0 to {n_vocab - 1}")
    read = x[counts]  # [predictions, n_embd]
    loss, dlogits = cross_entropy(model.unembed(read), wanted, weight)  # [predictions, n_vocab]
    dhead = np.zeros(model.parameters["wte.weight"].shape, np.float32)  # [wte_rows, n_embd]
    np.matmul(dlogits.T, read, out=dhead[:n_vocab])
    dx = np.zeros_like(x)  # [batch, seq, n_embd]
    dx[counts] = dlogits @ model.lm_head
    return loss, dx, dhead


def walk_back(
    model: GPT, ids: Ids, dx: Array, dhead: Array, tape: Trace, gradients: Gradients
) -> None:
    """Go back through ``model.top_of_stack``, from the top of the stack down to the embeddings.

    Any loss may stand at the top: the next tokens', a classifier's, or both.

    Args:
        ids: the token ids that went up the stack, ``[batch, seq]``.
        dx: the gradient at the top of the stack, ``[batch, seq, n_embd]``; overwritten.
        dhead: the gradient of the output layer, ``[wte_rows, n_embd]``: 0 if the loss made no
            logits. Where that layer is the embedding, the gradient of the rows that were read is
            added to it.
        tape: what the forward pass recorded; emptied here.
        gradients: the sums that each parameter's gradient is added to, once.

    Raises:
        ValueError: the weights are float16.
    """
    if any(array.dtype == np.float16 for array in model.parameters.values()):
        raise ValueError("training needs float32 weights: load the model with dtype='float32'")
    n_layer = model.config.n_layer
    inputs = ["embed", *(f"h.{i}.out" for i in range(n_layer))]  # of each block, and of ln_f
    del tape["ln_f"]  # the loss has read it
    x = tape.pop(inputs[-1])  # [batch, seq, n_embd]
    if model.ln_f:
        dx = layer_norm_step(dx, x, model.ln_f, "ln_f", gradients)  # [batch, seq, n_embd]
    back = post_norm_block_backward if model.config.post_norm else block_backward
    for i in reversed(range(n_layer)):
        x = tape.pop(inputs[i])  # [batch, seq, n_embd]
        # [batch, seq, n_embd]
        dx = back(dx, x, model.blocks[i], f"h.{i}.", tape, gradients)

    dx = record_backward(tape, "embed", dx)  # [batch, seq, n_embd]
    dwte = dhead  # [wte_rows, n_embd]
    if not model.config.tie_word_embeddings:
        gradients.add("lm_head.weight", dhead)
        dwte = np.zeros_like(dhead)  # [wte_rows, n_embd]
    embedding_backward(dx.reshape(-1, dx.shape[-1]), ids.reshape(-1), dwte)
    gradients.add("wte.weight", dwte)
    dwpe = np.zeros_like(model.wpe)  # [n_ctx, n_embd]
    dwpe[: ids.shape[1]] = dx.sum(axis=0)
    gradients.add("wpe.weight", dwpe)
