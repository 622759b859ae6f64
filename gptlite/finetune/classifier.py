"""A GPT that classifies: one linear layer reads the vector of the last token.

GPT-1 paper, section 3.2, in its notation: x^1 .. x^m are the tokens of an example, and x^m is
``extract``; h_l^m is the vector at the top of the stack at x^m; W_y is the new layer.

    P(y | x^1 .. x^m) = softmax(h_l^m W_y)                                        (equation 3)

In GPT-2 h_l^m has gone through ``ln_f``. An example is one row of tokens or several (packing.py).
The rows of a batch are padded on the right to the longest: later positions change nothing at
earlier ones, so no mask is needed. classifier_gradients.py has the losses.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gptlite.fast.mapping import map_in_threads
from gptlite.fast.threads import blas_threads
from gptlite.layers import Array, softmax
from gptlite.model import GPT
from gptlite.training.backward import Ids
from gptlite.training.gradients import IGNORED
from gptlite.training.shards import QUIET, cut_batch

Rows = Sequence[Sequence[int]]  # an example: rows of token ids

HEAD = "head.weight"  # W_y among the parameters


class Classifier(NamedTuple):
    """A model and the layer that reads it.

    Attributes:
        model: a GPT with the new tokens in its vocabulary.
        head: W_y, ``[n_embd, n_outputs]``.
        choosing: True if the rows of an example are its classes, and the one output scores each.
            Otherwise the vectors of the rows are added, and each output is a class.
    """

    model: GPT
    head: Array
    choosing: bool = False

    def __repr__(self) -> str:
        return f"Classifier({self.model!r}, {self.head.shape[1]} outputs)"

    @property
    def parameters(self) -> dict[str, Array]:
        """The model's parameters, and W_y."""
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
        """Make a classifier to fine-tune from a copy of a model.

        Everything new is drawn from GPT-1's distribution: normal, standard deviation 0.02.

        Args:
            model: pre-trained; for the arm "from scratch" ``GPT.init(model.config, seed)``.
            n_labels: number of classes; unused if ``choosing``, where each row is a class.
            n_new_tokens: rows to add to the embedding.
            transferred: blocks to keep, from the bottom, besides the embeddings; the blocks above
                and ``ln_f`` are drawn anew. None keeps everything. GPT-1 paper, figure 2, left.

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
    """Copy the model, with ``n`` more tokens in its vocabulary (GPT-1 paper, section 3.2)."""
    n_vocab, n_embd = model.config.n_vocab, model.config.n_embd
    config = replace(model.config, n_vocab=n_vocab + n, n_padding=0)
    parameters = {name: array.astype(np.float32) for name, array in model.parameters.items()}
    # A stream other than GPT.init's, which would repeat the numbers of its first tokens.
    rng = np.random.default_rng([seed, 1])
    tables = [name for name in ("wte.weight", "lm_head.weight") if name in parameters]
    for name in tables:
        new = rng.standard_normal((n, n_embd), np.float32)  # [n, n_embd]
        new *= 0.02
        tokens = parameters[name][:n_vocab]  # [n_vocab, n_embd]
        parameters[name] = np.concatenate([tokens, new])  # [wte_rows, n_embd]
    return GPT(config, parameters)


def keep_blocks(model: GPT, n: int, seed: int) -> None:
    """Draw everything above the first ``n`` blocks anew.

    Raises:
        ValueError: the model does not have that many blocks.
    """
    if not 0 <= n <= model.config.n_layer:
        raise ValueError(f"transferred must be 0 to {model.config.n_layer} blocks, not {n}")
    fresh = GPT.init(model.config, seed).parameters
    for name, array in model.parameters.items():
        if name.startswith(("ln_f", "lm_head")) or (
            name.startswith("h.") and int(name.split(".")[1]) >= n
        ):
            array[...] = fresh[name]


# ---- From rows to logits ------------------------------------------------------------------------


class Padded(NamedTuple):
    """Some examples as arrays.

    Attributes:
        ids: ``[rows, seq]``, padded on the right with 0; the rows of an example are neighbours.
        ends: the position of each row's last token, ``[rows]``.
        targets: the right next tokens, ``IGNORED`` from each row's last token on, ``[rows, seq]``.
    """

    ids: Ids
    ends: Ids
    targets: Ids


def pad(examples: Sequence[Rows]) -> Padded:
    """Lay the rows of some examples side by side, padded on the right.

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
    return Padded(ids, ends, targets)


def class_logits(features: Array, head: Array, choosing: bool) -> Array:
    """Compute ``h_l^m W_y`` of equation 3.

    Args:
        features: h_l^m of every row, ``[batch, n_rows, n_embd]``.
        head: W_y, ``[n_embd, n_outputs]``.
        choosing: see ``Classifier``. If the task is not to choose among the rows, the vectors of
            several rows are added (section 3.3, similarity).

    Returns:
        ``[batch, n_labels]``.
    """
    if choosing:
        scores: Array = (features @ head)[..., 0]  # [batch, n_rows]
        return scores
    logits: Array = features.sum(axis=1) @ head  # [batch, n_labels]
    return logits


def read_features(model: GPT, examples: Sequence[Rows], threads: int = 1) -> Array:
    """Compute h_l^m of every row of every example, in shards as in training.

    Returns:
        ``[n, n_rows, n_embd]``.

    Raises:
        ValueError: there are no examples, or they differ in their number of rows.
        ContextOverflowError: a row is longer than ``n_ctx``.
    """
    from tqdm import tqdm

    if not examples or len({len(example) for example in examples}) != 1:
        raise ValueError("expected examples, each with the same number of rows")
    rows = [row for example in examples for row in example]
    features = np.empty((len(rows), model.config.n_embd), np.float32)  # [rows, n_embd]

    def read(some: Ids) -> int:
        padded = pad([[rows[i] for i in some]])
        features[some] = model.top_of_stack(padded.ids)[np.arange(len(some)), padded.ends]
        return len(some)

    widths = np.array([len(row) for row in rows])  # [rows]
    shards = cut_batch(np.arange(len(rows)), widths, threads)
    with (
        QUIET(),
        blas_threads(1),
        tqdm(total=len(rows), desc="reading", unit="row", leave=False, disable=None) as bar,
        closing(map_in_threads(read, shards, threads)) as numbers,
    ):
        for n_read in numbers:
            bar.update(n_read)
    return features.reshape(len(examples), -1, model.config.n_embd)  # [n, n_rows, n_embd]


def probabilities(classifier: Classifier, examples: Sequence[Rows], threads: int = 1) -> Array:
    """Compute P(y | x^1 .. x^m) of every example, ``[n, n_labels]`` (equation 3)."""
    features = read_features(classifier.model, examples, threads)  # [n, n_rows, n_embd]
    logits = class_logits(features, classifier.head, classifier.choosing)  # [n, n_labels]
    return softmax(logits)  # [n, n_labels]


def predict(classifier: Classifier, examples: Sequence[Rows], threads: int = 1) -> Ids:
    """Find the most probable class of each example, ``[n]``."""
    classes: Ids = probabilities(classifier, examples, threads).argmax(axis=-1)  # [n]
    return classes
