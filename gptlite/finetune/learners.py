"""Fine-tuning: a model that has learned from raw text learns a task, or reads more text.

GPT-1 paper, section 3.2. ``fine_tune`` teaches a classifier its labels, and
``fine_tune_language_model`` trains a model on more text. epochs.py has the loop for both.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import NamedTuple

import numpy as np

from gptlite.fast.mapping import map_in_threads
from gptlite.fast.threads import blas_threads
from gptlite.finetune.classifier import HEAD, Classifier, Rows, class_logits, read_features
from gptlite.finetune.classifier_gradients import (
    accumulate_classifier_gradients,
    classification_loss,
)
from gptlite.finetune.epochs import (
    GPT_1,
    Epoch,
    ExampleLearner,
    FineTuning,
    Measured,
    Report,
    run_epochs,
)
from gptlite.layers import Array
from gptlite.model import GPT
from gptlite.training.backward import Ids
from gptlite.training.dropout import DropoutTrace
from gptlite.training.gradients import IGNORED, accumulate_gradients
from gptlite.training.losses import losses_of
from gptlite.training.shards import QUIET
from gptlite.training.tape import Gradients


class Labelled(NamedTuple):
    """Packed examples and their classes.

    Attributes:
        examples: the rows of token ids of each example; all examples have equally many rows.
        labels: the right classes, counted from 0, ``[n]``.
    """

    examples: Sequence[Rows]
    labels: Sequence[int]


def fine_tune(
    classifier: Classifier,
    train: Labelled,
    validation: Labelled | None = None,
    recipe: FineTuning = GPT_1,
    report: Report | None = None,
) -> list[Epoch]:
    """Teach a classifier its labels, and give it the weights of its best epoch.

    Article: "Transfer Learning".

    Args:
        classifier: the result of ``Classifier.build``; changed in place.
        validation: examples to measure after each epoch. Without them the last epoch is the best.
        report: called after each epoch, while the classifier has that epoch's weights.

    Returns:
        The epochs, in order.

    Raises:
        ValueError: no examples, labels that are not classes, or different numbers of rows.
        ContextOverflowError: a row is longer than ``n_ctx``.
        FloatingPointError: training has diverged.
    """
    for part in (train, validation) if validation is not None else (train,):
        check_labels(part, classifier)

    def read(part: Labelled) -> Array:
        return read_features(classifier.model, part.examples, recipe.threads)  # [n, n_rows, n_embd]

    validate: Callable[[], Measured] | None = None
    if recipe.frozen:  # the vectors that the head reads never change
        learner = head_learner(classifier, read(train), train.labels, recipe)
        if validation is not None:
            validate = partial(measure_head, classifier, read(validation), validation.labels)
    else:
        learner = classifier_learner(classifier, train, recipe)
        if validation is not None:
            validate = partial(measure_classifier, classifier, validation, recipe.threads)
    return run_epochs(learner, validate, report)


def classifier_learner(
    classifier: Classifier, train: Labelled, recipe: FineTuning
) -> ExampleLearner:
    """Make the learner of a whole classifier: everything learns, from L3 (equation 5)."""
    labels = np.asarray(train.labels)  # [n]
    widths = np.array([sum(map(len, rows)) for rows in train.examples])  # [n], tokens

    def shard_loss(chosen: Ids, batch: Ids, rng: np.random.Generator, sums: Gradients) -> float:
        l2, l1 = accumulate_classifier_gradients(
            classifier,
            [train.examples[i] for i in chosen],
            labels[chosen],
            n_examples=len(batch),
            # A row predicts all of its tokens but the first.
            n_predictions=sum(len(row) - 1 for i in batch for row in train.examples[i]),
            lm_weight=recipe.lm_weight,
            gradients=sums,
            trace=DropoutTrace(recipe.dropout, rng) if recipe.dropout else None,
        )
        return l2 + recipe.lm_weight * l1

    return ExampleLearner(classifier.parameters, shard_loss, widths, recipe)


def head_learner(
    classifier: Classifier, features: Array, labels: Sequence[int], recipe: FineTuning
) -> ExampleLearner:
    """Make the learner of a head: only W_y learns, from L2 (equation 4); L1 does not depend on W_y.

    Args:
        features: h_l^m of every example's rows, ``[n, n_rows, n_embd]``; they never change.
    """
    right = np.asarray(labels)  # [n]
    _, head, choosing = classifier  # [n_embd, n_outputs], of W_y

    def shard_loss(chosen: Ids, batch: Ids, rng: np.random.Generator, sums: Gradients) -> float:
        seen = features[chosen]  # [batch, n_rows, n_embd]
        if recipe.dropout:
            # [batch, 1, n_embd]
            mask = DropoutTrace(recipe.dropout, rng).mask((len(seen), 1, seen.shape[-1]))
            seen *= mask
        return classification_loss(seen, right[chosen], head, choosing, len(batch), sums)[0]

    widths = np.ones_like(right)  # [n], all alike: no tokens are read
    return ExampleLearner({HEAD: head}, shard_loss, widths, recipe)


def check_labels(part: Labelled, classifier: Classifier) -> None:
    """Refuse labels that are not classes.

    Raises:
        ValueError: see ``fine_tune``.
    """
    examples, labels = part
    if not examples or len(examples) != len(labels):
        raise ValueError(f"expected examples and a label each, not {len(examples)}, {len(labels)}")
    if len({len(example) for example in examples}) != 1:
        raise ValueError("expected the same number of rows in each example")
    n_labels = len(examples[0]) if classifier.choosing else classifier.head.shape[1]
    for i, label in enumerate(labels):
        if not 0 <= label < n_labels:
            raise ValueError(f"example {i}: label {label} is outside 0 to {n_labels - 1}")


def measure_head(classifier: Classifier, features: Array, labels: Sequence[int]) -> Measured:
    """Measure L2, accuracy and confusion matrix of examples whose features are known.

    Args:
        features: the result of ``read_features``, ``[n, n_rows, n_embd]``.
        labels: the right classes, ``[n]``.
    """
    right = np.asarray(labels)  # [n]
    logits = class_logits(features, classifier.head, classifier.choosing)  # [n, n_labels]
    n_labels = logits.shape[1]
    confusion = np.zeros((n_labels, n_labels), np.int64)  # [n_labels, n_labels]
    np.add.at(confusion, (right, logits.argmax(axis=1)), 1)
    loss = float(losses_of(logits, right).mean(dtype=np.float64))
    return Measured(loss, float(np.trace(confusion) / len(right)), confusion)


def measure_classifier(classifier: Classifier, part: Labelled, threads: int = 1) -> Measured:
    """Measure L2, accuracy and confusion matrix of labelled examples."""
    check_labels(part, classifier)
    features = read_features(classifier.model, part.examples, threads)  # [n, n_rows, n_embd]
    return measure_head(classifier, features, part.labels)


# ---- Language-model fine-tuning -----------------------------------------------------------------


class TextRow(NamedTuple):
    """A row of tokens to learn from as a language model.

    Attributes:
        ids: the tokens, at most ``n_ctx + 1``: the first is given, all others are predicted.
        n_given: tokens at the beginning that are given and not learned, at least 1: a prompt.
    """

    ids: Sequence[int]
    n_given: int = 1

    @property
    def targets(self) -> list[int]:
        """The next token at each position but the last; ``IGNORED`` within the prompt."""
        return [IGNORED] * (self.n_given - 1) + list(self.ids[self.n_given :])


def fine_tune_language_model(
    model: GPT,
    train: Sequence[TextRow],
    validation: Sequence[TextRow] | None = None,
    recipe: FineTuning = GPT_1,
    report: Report | None = None,
) -> list[Epoch]:
    """Go on with next-token prediction on other text, and keep the weights of the best epoch.

    GPT-1 paper, equation 1. Where prompts are given, this is the supervised form that the article
    draws for translation and summaries: only the tokens after the prompt are learned.

    Args:
        model: changed in place.
        train: the rows to learn from.
        validation: rows to measure after each epoch. Without them the last epoch is the best.
        recipe: its ``lm_weight`` and ``frozen`` play no part.
        report: called after each epoch, while the model has that epoch's weights.

    Returns:
        The epochs, in order.

    Raises:
        ValueError: no rows, or a row without a token to predict.
        ContextOverflowError: a row has more than ``n_ctx + 1`` tokens.
        FloatingPointError: training has diverged.
    """
    for part in (train, validation) if validation is not None else (train,):
        if not part:
            raise ValueError("no texts to learn from")
        for i, text in enumerate(part):
            if not 1 <= text.n_given < len(text.ids):
                raise ValueError(
                    f"text {i}: {text.n_given} of its {len(text.ids)} tokens are given: at least 1 "
                    "must be, and 1 must be left to predict"
                )

    def shard_loss(chosen: Ids, batch: Ids, rng: np.random.Generator, sums: Gradients) -> float:
        ids, targets = pad_texts([train[i] for i in chosen])  # [batch, seq]
        n_predictions = sum(len(train[i].ids) - train[i].n_given for i in batch)
        trace = DropoutTrace(recipe.dropout, rng) if recipe.dropout else None
        return accumulate_gradients(model, ids, targets, n_predictions, sums, trace)

    widths = np.array([len(text.ids) - 1 for text in train])  # [n], tokens
    validate = None
    if validation is not None:
        validate = partial(measure_texts, model, validation, recipe.threads)
    learner = ExampleLearner(model.parameters, shard_loss, widths, recipe)
    return run_epochs(learner, validate, report)


def pad_texts(texts: Sequence[TextRow]) -> tuple[Ids, Ids]:
    """Lay rows side by side: inputs and targets, ``[batch, seq]``, padded on the right."""
    seq = max(len(text.ids) for text in texts) - 1
    ids = np.zeros((len(texts), seq), np.int64)  # [batch, seq]
    targets = np.full_like(ids, IGNORED)  # [batch, seq]
    for i, text in enumerate(texts):
        ids[i, : len(text.ids) - 1] = text.ids[:-1]
        targets[i, : len(text.ids) - 1] = text.targets
    return ids, targets  # [batch, seq]


def measure_texts(model: GPT, texts: Sequence[TextRow], threads: int = 1) -> Measured:
    """Measure the mean loss of the predicted tokens, in nats."""
    from tqdm import tqdm

    def nats(text: TextRow) -> float:
        targets = np.asarray(text.ids[text.n_given :])  # [predictions]
        x = model.top_of_stack(text.ids[:-1])  # [1, seq, n_embd]
        logits = model.unembed(x[0, text.n_given - 1 :])  # [predictions, n_vocab]
        losses = losses_of(logits, targets)  # [predictions], nats
        return float(losses.sum(dtype=np.float64))

    with (
        QUIET(),
        blas_threads(1),
        tqdm(total=len(texts), desc="measuring", unit="text", leave=False, disable=None) as bar,
        closing(map_in_threads(nats, texts, threads)) as sums,
    ):
        total = 0.0
        for of_text in sums:
            total += of_text
            bar.update()
    return Measured(total / sum(len(text.ids) - text.n_given for text in texts))
