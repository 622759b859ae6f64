"""The loss of a classifier and its gradients: for the labels, and for the next tokens as well.

GPT-1 paper, section 3.2, in the notation of classifier.py:

    L2 = - sum log P(y | x^1 .. x^m), of the labels                               (equation 4)
    L3 = L2 + lambda L1                                                           (equation 5)

where L1 is the loss of next-token prediction (equation 1).

The paper maximises sums; here, as everywhere in gptlite, means are minimised: L2 is a mean over
examples, L1 a mean over predicted tokens.
"""

from collections.abc import Sequence

import numpy as np

from gptlite.finetune.classifier import HEAD, Classifier, Rows, class_logits, pad
from gptlite.layers import Array
from gptlite.trace import Trace
from gptlite.training.backward import Ids, cross_entropy
from gptlite.training.dropout import DropoutTrace
from gptlite.training.gradients import language_model_loss, walk_back
from gptlite.training.tape import Gradients, Tape


def classification_loss(
    features: Array,
    labels: Ids,
    head: Array,
    choosing: bool,
    n_examples: int,
    gradients: Gradients,
) -> tuple[float, Array]:
    """Compute L2 (equations 3 and 4), and its gradients.

    Args:
        features: h_l^m of every row, ``[batch, n_rows, n_embd]``.
        labels: the right classes, ``[batch]``.
        head, choosing: see ``Classifier``.
        n_examples: examples in the whole batch; the loss is their mean.
        gradients: the sums; the gradient of W_y is added to them.

    Returns:
        The loss, in nats, and the gradient at h_l^m, ``[batch, n_rows, n_embd]``.
    """
    logits = class_logits(features, head, choosing)  # [batch, n_labels]
    loss, dlogits = cross_entropy(logits, labels, 1.0 / n_examples)  # [batch, n_labels]
    if choosing:
        gradients.add(HEAD, np.einsum("brd,br->d", features, dlogits)[:, None])  # [n_embd, 1]
        return loss, dlogits[..., None] * head[:, 0]  # [batch, n_rows, n_embd]
    gradients.add(HEAD, features.sum(axis=1).T @ dlogits)  # [n_embd, n_labels]
    dsum = dlogits @ head.T  # [batch, n_embd]
    return loss, np.broadcast_to(dsum[:, None], features.shape)  # [batch, n_rows, n_embd]


def accumulate_classifier_gradients(
    classifier: Classifier,
    examples: Sequence[Rows],
    labels: Ids,
    n_examples: int,
    n_predictions: int,
    lm_weight: float,
    gradients: Gradients,
    trace: Trace | None = None,
) -> tuple[float, float]:
    """Add one shard's share of L3's gradients (equation 5) to the sums.

    Args:
        examples: a part of the batch; each example has the same number of rows.
        labels: the right classes, counted from 0, ``[batch]``.
        n_examples, n_predictions: the numbers in the whole batch; L2 and L1 are means over them.
        lm_weight: lambda. If it is 0, no logits of next tokens are computed.
        gradients: the sums; the gradient of each of ``classifier.parameters`` is added once.
        trace: an empty ``DropoutTrace``, to train with dropout, also in the vectors W_y reads.

    Returns:
        The shard's shares of L2 and of L1, in nats. L3 is the first plus lambda times the second.

    Raises:
        TypeError, ValueError: ids are not token ids, or the weights are float16.
        ContextOverflowError: a row is longer than ``n_ctx``.
    """
    model, head, choosing = classifier  # [n_embd, n_outputs], of W_y
    ids, ends, targets = pad(examples)  # [rows, seq], [rows], [rows, seq]
    tape = Tape() if trace is None else trace
    x = model.top_of_stack(ids, trace=tape)  # [rows, seq, n_embd]
    last = np.arange(len(ids)), ends  # [rows], the last token of each row
    features = x[last].reshape(len(examples), -1, x.shape[-1])  # [batch, n_rows, n_embd]
    mask: Array | float = 1.0
    if isinstance(tape, DropoutTrace):
        # The rows of an example share a mask, as in GPT-1's code: answers are compared as equals.
        mask = tape.mask((len(examples), 1, x.shape[-1]))  # [batch, 1, n_embd]
    features *= mask

    # [batch, n_rows, n_embd]
    l2, dfeatures = classification_loss(features, labels, head, choosing, n_examples, gradients)
    if lm_weight:
        weight = lm_weight / n_predictions
        # [rows, seq, n_embd], [wte_rows, n_embd]
        weighted, dx, dhead = language_model_loss(model, x, targets, weight)
        l1 = weighted / lm_weight
    else:
        l1, dx = 0.0, np.zeros_like(x)  # [rows, seq, n_embd]
        dhead = np.zeros_like(model.parameters["wte.weight"])  # [wte_rows, n_embd]
    dx[last] += (dfeatures * mask).reshape(-1, x.shape[-1])
    walk_back(model, ids, dx, dhead, tape, gradients)
    return l2, l1
