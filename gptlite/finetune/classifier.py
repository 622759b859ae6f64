"""A GPT that classifies: one linear layer reads the last token, and all of it learns.

GPT-1 paper, section 3.2, with its letters: x^1 .. x^m are the tokens of an example, the last of
them ``extract``; h_l^m is what comes out at the top of the stack there; W_y is the new layer.

    P(y | x^1 .. x^m) = softmax(h_l^m W_y)                                        (equation 3)
    L2 = - sum log P(y | x^1 .. x^m), of the labels                               (equation 4)
    L3 = L2 + lambda L1, with L1 that of next-token prediction (equation 1)       (equation 5)

The paper maximises sums; here, as everywhere, means are minimised: L2 over examples, L1 over
predicted tokens. In GPT-2 h_l^m has gone through ``ln_f``.

An example is one row of tokens or several (``tasks/packing.py``). Rows of a batch are padded on the
right to the longest: what comes later changes nothing before it, so no mask is needed.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptlite.config import GPTConfig
from gptlite.fast.threads import blas_threads
from gptlite.layers import Array, softmax
from gptlite.model import GPT
from gptlite.trace import Trace
from gptlite.training.backward import cross_entropy
from gptlite.training.dropout import DropoutTrace
from gptlite.training.gradients import (
    IGNORED,
    Gradients,
    Tape,
    language_model_loss,
    walk_back,
)
from gptlite.training.step import QUIET, cut

Ids = NDArray[np.integer[Any]]
Example = Sequence[Sequence[int]]  # rows of token ids

HEAD = "head.weight"  # W_y among the parameters


class Classifier(NamedTuple):
    """A model and the layer that reads it.

    Attributes:
        model: with the new tokens in its vocabulary.
        head: W_y, ``[n_embd, n_outputs]``.
        choosing: whether the rows of an example are its classes, each scored by the one output;
            else they are added before the head, and its outputs are the classes.
    """

    model: GPT
    head: Array
    choosing: bool = False

    @property
    def parameters(self) -> dict[str, Array]:
        """Those of the model, and W_y."""
        return {**self.model.parameters, HEAD: self.head}

    @classmethod
    def build(
        cls,
        model: GPT,
        n_labels: int,
        n_new_tokens: int = 3,
        choosing: bool = False,
        transferred: int | None = None,
        seed: int = 0,
    ) -> "Classifier":
        """A classifier to fine-tune, made of a copy of a model.

        Everything new is drawn as GPT-1 drew it: normal, standard deviation 0.02.

        Args:
            model: pre-trained; for the arm "from scratch" ``GPT.init(model.config, seed)``.
            n_labels: classes; where ``choosing`` it plays no part, for each row is one.
            n_new_tokens: rows to add to the embedding.
            transferred: blocks kept, from the bottom, beside the embeddings; those above and
                ``ln_f`` are drawn anew. None keeps everything. GPT-1 paper, figure 2, left.

        Raises:
            ValueError: fewer than 2 labels, or ``transferred`` is not 0 to ``n_layer``.
        """
        if n_labels < 2 and not choosing:
            raise ValueError(f"a classifier needs at least 2 labels, not {n_labels}")
        model = with_new_tokens(model, n_new_tokens, seed)
        if transferred is not None:
            keep_blocks(model, transferred, seed)
        rng = np.random.default_rng([seed, 2])
        shape = (model.config.n_embd, 1 if choosing else n_labels)
        head = rng.standard_normal(shape, np.float32)  # [n_embd, n_outputs]
        head *= 0.02
        return cls(model, head, choosing)


def with_new_tokens(model: GPT, n: int, seed: int = 0) -> GPT:
    """A copy of the model whose vocabulary is ``n`` tokens longer (GPT-1 paper, section 3.2)."""
    c = model.config
    config = GPTConfig(c.n_vocab + n, c.n_ctx, c.n_embd, c.n_head, c.n_layer, c.layer_norm_epsilon)
    parameters = {name: array.astype(np.float32) for name, array in model.parameters.items()}
    # Not GPT.init's own stream, in which these numbers would be those of the first tokens.
    new = np.random.default_rng([seed, 1]).standard_normal((n, c.n_embd), np.float32)
    new *= 0.02  # [n, n_embd]
    parameters["wte.weight"] = np.concatenate([parameters["wte.weight"], new])
    return GPT(config, parameters)


def keep_blocks(model: GPT, n: int, seed: int) -> None:
    """Draw all that lies above the first ``n`` blocks anew.

    Raises:
        ValueError: the model has not so many blocks.
    """
    if not 0 <= n <= model.config.n_layer:
        raise ValueError(f"transferred must be 0 to {model.config.n_layer} blocks, not {n}")
    fresh = GPT.init(model.config, seed).parameters
    for name, array in model.parameters.items():
        if name.startswith("ln_f") or (name.startswith("h.") and int(name.split(".")[1]) >= n):
            array[...] = fresh[name]


# ---- The loss and its gradients -----------------------------------------------------------------


class Packed(NamedTuple):
    """Some examples as arrays.

    Attributes:
        ids: ``[rows, seq]``, padded on the right with 0; the rows of an example are neighbours.
        ends: where each row's last token is, ``[rows]``.
        targets: the right next tokens, ``IGNORED`` from each row's last token on, ``[rows, seq]``.
    """

    ids: Ids
    ends: Ids
    targets: Ids


def pad(examples: Sequence[Example]) -> Packed:
    """Lay the rows of some examples side by side.

    Raises:
        ValueError: a row is empty.
    """
    rows = [row for example in examples for row in example]
    ends = np.array([len(row) - 1 for row in rows])  # [rows]
    if ends.min() < 0:
        raise ValueError("a row without tokens: there is nothing to read")
    ids = np.zeros((len(rows), int(ends.max()) + 1), np.int64)  # [rows, seq]
    targets = np.full_like(ids, IGNORED)  # [rows, seq]
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        targets[i, : len(row) - 1] = row[1:]
    return Packed(ids, ends, targets)


def class_logits(features: Array, head: Array, choosing: bool) -> Array:
    """``h_l^m W_y`` of equation 3.

    Args:
        features: h_l^m of every row, ``[batch, n_rows, n_embd]``.
        head: W_y, ``[n_embd, n_outputs]``.

    Returns:
        ``[batch, n_labels]``. Where there are several rows and the task is not to choose among
        them, they are added first (section 3.3, similarity).
    """
    if choosing:
        scores: Array = (features @ head)[..., 0]  # [batch, n_rows]
        return scores
    logits: Array = features.sum(axis=1) @ head  # [batch, n_labels]
    return logits


def classification_loss(
    features: Array,
    labels: Ids,
    head: Array,
    choosing: bool,
    n_examples: int,
    gradients: Gradients,
) -> tuple[float, Array]:
    """L2 (equations 3 and 4), and its derivative by h_l^m; that by W_y is added to ``gradients``.

    Args:
        features: ``[batch, n_rows, n_embd]``.
        labels: ``[batch]``.
        n_examples: in the whole batch, over which the loss is the mean.

    Returns:
        The loss, in nats, and ``dfeatures``, shaped like ``features``.
    """
    logits = class_logits(features, head, choosing)  # [batch, n_labels]
    loss, dlogits = cross_entropy(logits, labels, 1.0 / n_examples)
    if choosing:
        gradients.add(HEAD, np.einsum("brd,br->d", features, dlogits)[:, None])  # [n_embd, 1]
        return loss, dlogits[..., None] * head[:, 0]  # [batch, n_rows, n_embd]
    gradients.add(HEAD, features.sum(axis=1).T @ dlogits)  # [n_embd, n_labels]
    dsum = dlogits @ head.T  # [batch, n_embd]
    return loss, np.broadcast_to(dsum[:, None], features.shape)  # [batch, n_rows, n_embd]


def accumulate_classifier_gradients(
    classifier: Classifier,
    examples: Sequence[Example],
    labels: Ids,
    n_examples: int,
    n_predictions: int,
    lm_weight: float,
    gradients: Gradients,
    trace: Trace | None = None,
) -> tuple[float, float]:
    """Add one shard's share of L3's gradients (equation 5) to those of the shards before it.

    Args:
        examples: a part of the batch; each has the same number of rows.
        labels: ``[batch]``, classes counted from 0.
        n_examples, n_predictions: in the whole batch, over which L2 and L1 are means.
        lm_weight: lambda. Where it is 0, no logits of next tokens are made.
        gradients: what that of each of ``classifier.parameters`` is added to, once.
        trace: an empty ``DropoutTrace``, to train with dropout; what W_y reads is thinned, too.

    Returns:
        The shard's shares of L2 and of L1, in nats. L3 is the first plus lambda times the second.

    Raises:
        TypeError, ValueError: ids or labels are not what they should be.
        ContextOverflowError: a row is longer than ``n_ctx``.
    """
    model, head, choosing = classifier
    packed = pad(examples)
    tape = Tape() if trace is None else trace
    top = model.top_of_stack(packed.ids, trace=tape)  # [rows, seq, n_embd]
    at = np.arange(len(packed.ids)), packed.ends  # of each row the last token
    features = top[at].reshape(len(examples), -1, top.shape[-1])  # [batch, n_rows, n_embd]
    mask: Array | float = 1.0
    if isinstance(tape, DropoutTrace):
        # As in GPT-1's code the rows of an example share theirs: answers are compared as equals.
        mask = tape.mask((len(examples), 1, top.shape[-1]))  # [batch, 1, n_embd]
    features *= mask

    l2, dfeatures = classification_loss(features, labels, head, choosing, n_examples, gradients)
    if lm_weight:
        weight = lm_weight / n_predictions
        weighted, dtop, dwte = language_model_loss(model, top, packed.targets, weight)
        l1 = weighted / lm_weight
    else:
        l1, dtop = 0.0, np.zeros_like(top)  # [rows, seq, n_embd]
        dwte = np.zeros_like(model.parameters["wte.weight"])  # [n_vocab, n_embd]
    dtop[at] += (dfeatures * mask).reshape(-1, top.shape[-1])
    walk_back(model, packed.ids, dtop, dwte, tape, gradients)
    return l2, l1


# ---- Without learning ---------------------------------------------------------------------------


def read_features(model: GPT, examples: Sequence[Example], threads: int = 1) -> Array:
    """h_l^m of every row of every example, ``[n, n_rows, n_embd]``, in shards as in training.

    Raises:
        ValueError: no examples, or they differ in their number of rows.
        ContextOverflowError: a row is longer than ``n_ctx``.
    """
    from tqdm import tqdm

    if not examples or len({len(example) for example in examples}) != 1:
        raise ValueError("expected examples, each with the same number of rows")
    rows = [row for example in examples for row in example]
    features = np.empty((len(rows), model.config.n_embd), np.float32)  # [rows, n_embd]

    def read(some: Ids) -> int:
        packed = pad([[rows[i] for i in some]])
        with QUIET():  # of each thread
            features[some] = model.top_of_stack(packed.ids)[np.arange(len(some)), packed.ends]
        return len(some)

    shards = cut(np.arange(len(rows)), np.array([len(row) for row in rows]), threads)
    with (
        blas_threads(1),
        ThreadPoolExecutor(threads) as pool,
        tqdm(total=len(rows), desc="reading", unit="row", leave=False, disable=None) as bar,
    ):
        for n in pool.map(read, shards):
            bar.update(n)
    return features.reshape(len(examples), -1, model.config.n_embd)


def probabilities(classifier: Classifier, examples: Sequence[Example], threads: int = 1) -> Array:
    """P(y | x^1 .. x^m), ``[n, n_labels]`` (equation 3)."""
    features = read_features(classifier.model, examples, threads)  # [n, n_rows, n_embd]
    return softmax(class_logits(features, classifier.head, classifier.choosing))


def predict(classifier: Classifier, examples: Sequence[Example], threads: int = 1) -> Ids:
    """The most probable class of each example, ``[n]``."""
    classes: Ids = probabilities(classifier, examples, threads).argmax(axis=-1)  # [n]
    return classes
