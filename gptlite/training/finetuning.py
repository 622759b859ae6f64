"""The second stage: a model that has learned from raw text learns a task.

GPT-1 paper, section 3.2. ``fine_tune`` teaches a classifier its labels,
``fine_tune_language_model`` a model more text; the loop is one. Each epoch takes every example
once, in an order of its own, and ends with a look at the validation examples; the weights of the
best epoch are those that remain.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptlite.layers import Array, softmax
from gptlite.model import GPT
from gptlite.training.classifier import (
    HEAD,
    Classifier,
    Example,
    accumulate_classifier_gradients,
    class_logits,
    classification_loss,
    read_features,
)
from gptlite.training.dropout import DropoutTrace
from gptlite.training.gradients import IGNORED, Gradients, accumulate_gradients
from gptlite.training.optimizer import linear_rate_at
from gptlite.training.step import add_up, cut, update, zero_moments

Ids = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class FineTuning:
    """What a fine-tuned model depends on, besides the model, the examples and the processor.

    The defaults are GPT-1's (section 4.1).

    Attributes:
        epochs: how often every example is seen.
        batch: examples per step, however many rows each has.
        learning_rate: its peak.
        warm_up: share of the steps up to the peak, 0 to 1.
        weight_decay: of matrices.
        clip: the most that the length of all gradients together may be.
        dropout: share of numbers struck out, also of what the classifier's head reads.
        lm_weight: lambda, the weight of the auxiliary objective L1 in a classifier's loss.
        frozen: whether only the head learns: what it reads is then computed once, without dropout,
            and there is nothing that L1 could teach.
        seed: of the order of the examples and the dropout.
        threads: shards computed side by side; the order of their sums depends on it.

    Raises:
        TypeError: what must be an int is not.
        ValueError: a number is out of range, or NaN.
    """

    epochs: int = 3
    batch: int = 32
    learning_rate: float = 6.25e-5
    warm_up: float = 0.002
    weight_decay: float = 0.01
    clip: float = 1.0
    dropout: float = 0.1
    lm_weight: float = 0.5
    frozen: bool = False
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "threads", "seed"):
            number, least = getattr(self, name), int(name != "seed")
            if not isinstance(number, int) or isinstance(number, bool):
                raise TypeError(f"{name} must be an int, not {number!r}")
            if number < least:
                raise ValueError(f"{name} must be at least {least}, not {number}")
        # Written so that NaN, which compares false with everything, is refused.
        for name in ("learning_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("weight_decay", "lm_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), not {self.dropout}")
        if not 0 <= self.warm_up <= 1:
            raise ValueError(f"warm_up must lie in [0, 1], not {self.warm_up}")


class Labelled(NamedTuple):
    """Packed examples and their classes.

    Attributes:
        examples: each a list of rows of token ids, all of the same number of rows.
        labels: classes counted from 0, ``[n]``.
    """

    examples: Sequence[Example]
    labels: Sequence[int]


class Measured(NamedTuple):
    """How a model does on examples it does not learn from.

    Attributes:
        loss: in nats; a classifier's is L2.
        accuracy: share of right answers; None for a language model.
        confusion: how often what is a row was taken for what is a column, ``[n_labels, n_labels]``;
            None for a language model.
    """

    loss: float
    accuracy: float | None = None
    confusion: NDArray[np.int64] | None = None

    @property
    def score(self) -> tuple[float, float]:
        """The greater, the better: accuracy if there is one, and where that is equal the loss."""
        return (self.accuracy or 0.0, -self.loss)


class Epoch(NamedTuple):
    """What came of an epoch.

    Attributes:
        number: counted from 1.
        loss: mean of the batches' losses, each before its step; a classifier's is L3.
        validation: after it; None without validation examples.
        best: whether it is the best so far; the last one, without validation examples.
    """

    number: int
    loss: float
    validation: Measured | None
    best: bool


Report = Callable[[Epoch], None]


def fine_tune(
    classifier: Classifier,
    train: Labelled,
    validation: Labelled | None = None,
    recipe: FineTuning = FineTuning(),
    report: Report | None = None,
) -> list[Epoch]:
    """Teach a classifier its labels, and it keeps the weights of the best epoch.

    Article: "Transfer Learning".

    Args:
        classifier: what ``Classifier.build`` gave; changed in place.
        report: called after each epoch, while the classifier has that epoch's weights.

    Returns:
        The epochs, in order.

    Raises:
        ValueError: no examples, labels that are no classes, examples that differ in their rows.
        ContextOverflowError: a row is longer than ``n_ctx``.
        FloatingPointError: training has diverged.
    """
    for part in (train, validation) if validation is not None else (train,):
        check_labels(part, classifier)
    labels = np.asarray(train.labels)  # [n]
    measure: Callable[[], Measured] | None = None
    if recipe.frozen:
        features = read_features(
            classifier.model, train.examples, recipe.threads
        )  # [n, n_rows, n_embd]
        parameters = {HEAD: classifier.head}
        widths = np.ones(len(labels), np.int64)  # [n]
        if validation is not None:
            unseen = read_features(classifier.model, validation.examples, recipe.threads)
            measure = partial(judge, unseen, classifier, validation.labels)
    else:
        parameters = classifier.parameters
        widths = np.array([sum(map(len, rows)) for rows in train.examples])  # [n]
        if validation is not None:

            def measure() -> Measured:
                seen = read_features(classifier.model, validation.examples, recipe.threads)
                return judge(seen, classifier, validation.labels)

    def shard(chosen: Ids, batch: Ids, rng: np.random.Generator, sums: Gradients) -> float:
        trace = DropoutTrace(recipe.dropout, rng) if recipe.dropout else None
        if recipe.frozen:
            seen = features[chosen]  # [batch, n_rows, n_embd]
            if trace is not None:
                seen *= trace.mask((len(seen), 1, seen.shape[-1]))
            return classification_loss(
                seen, labels[chosen], classifier.head, classifier.choosing, len(batch), sums
            )[0]
        l2, l1 = accumulate_classifier_gradients(
            classifier,
            [train.examples[i] for i in chosen],
            labels[chosen],
            len(batch),
            sum(len(row) - 1 for i in batch for row in train.examples[i]),
            recipe.lm_weight,
            sums,
            trace,
        )
        return l2 + recipe.lm_weight * l1

    return run_epochs(parameters, shard, widths, measure, recipe, report)


def check_labels(part: Labelled, classifier: Classifier) -> None:
    """Refuse labels that are no classes.

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


def judge(features: Array, classifier: Classifier, labels: Sequence[int]) -> Measured:
    """L2, accuracy and confusion matrix of examples of which ``read_features`` has read the rows.

    Args:
        features: ``[n, n_rows, n_embd]``.
    """
    right = np.asarray(labels)  # [n]
    p = softmax(class_logits(features, classifier.head, classifier.choosing))  # [n, n_labels]
    with np.errstate(divide="ignore"):  # a probability may underflow
        loss = -float(np.log(p[np.arange(len(right)), right]).mean(dtype=np.float64))
    confusion = np.zeros((p.shape[1], p.shape[1]), np.int64)  # [n_labels, n_labels]
    np.add.at(confusion, (right, p.argmax(axis=1)), 1)
    return Measured(loss, float(np.trace(confusion) / len(right)), confusion)


def measure(classifier: Classifier, part: Labelled, threads: int = 1) -> Measured:
    """L2, accuracy and confusion matrix of labelled examples."""
    check_labels(part, classifier)
    return judge(read_features(classifier.model, part.examples, threads), classifier, part.labels)


# ---- The loop -----------------------------------------------------------------------------------


# chosen, batch, rng, sums -> loss: adds to the sums the gradients of the chosen of the batch.
ShardOf = Callable[[Ids, Ids, np.random.Generator, Gradients], float]


def run_epochs(
    parameters: Mapping[str, Array],
    shard: ShardOf,
    widths: Ids,
    measure: Callable[[], Measured] | None,
    recipe: FineTuning,
    report: Report | None,
) -> list[Epoch]:
    """Learn for some epochs, with a progress bar, and put back the weights of the best.

    Args:
        parameters: what learns; changed in place.
        widths: tokens of each example, ``[n]``, by which a batch is cut into shards.
        measure: a look at the validation examples.
    """
    from tqdm import tqdm

    n = len(widths)
    n_steps = recipe.epochs * math.ceil(n / recipe.batch)
    warm_up = round(recipe.warm_up * n_steps)
    moments = zero_moments(parameters)
    epochs: list[Epoch] = []
    best: Measured | None = None
    kept: dict[str, Array] = {}
    step = 0
    with (
        ThreadPoolExecutor(recipe.threads) as pool,
        tqdm(total=n_steps, desc="fine-tuning", unit="step", leave=False, disable=None) as bar,
    ):
        for number in range(1, recipe.epochs + 1):
            order = np.random.default_rng([recipe.seed, number]).permutation(n)  # [n]
            losses = []
            for start in range(0, n, recipe.batch):
                batch = order[start : start + recipe.batch]  # [batch]
                work = [
                    partial(shard, chosen, batch, np.random.default_rng([recipe.seed, step, i]))
                    for i, chosen in enumerate(cut(batch, widths, recipe.threads))
                ]
                loss, gradients = add_up(work, pool, recipe.threads)
                step += 1
                rate = linear_rate_at(step, n_steps, warm_up, recipe.learning_rate)
                update(
                    parameters,
                    moments,
                    loss,
                    gradients,
                    step,
                    rate,
                    recipe.weight_decay,
                    recipe.clip,
                    pool,
                )
                losses.append(loss)
                bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
                bar.update()
            seen = measure() if measure is not None else None
            better = seen is None or best is None or seen.score > best.score
            if better and seen is not None:
                best = seen
                if number < recipe.epochs:  # the last epoch's weights are in place
                    kept = {name: array.copy() for name, array in parameters.items()}
                else:
                    kept = {}
            epochs.append(Epoch(number, float(np.mean(losses)), seen, better))
            if report is not None:
                report(epochs[-1])
    for name, array in kept.items():
        parameters[name][...] = array
    return epochs


# ---- Language-model fine-tuning -----------------------------------------------------------------


class Text(NamedTuple):
    """A row of tokens to learn from as a language model.

    Attributes:
        ids: the tokens, one more than ``n_ctx`` at most: the first is given, all others predicted.
        n_given: how many at the beginning are given and not learned, at least 1: a prompt.
    """

    ids: Sequence[int]
    n_given: int = 1

    @property
    def targets(self) -> list[int]:
        """The next token at each position but the last; ``IGNORED`` within the prompt."""
        return [IGNORED] * (self.n_given - 1) + list(self.ids[self.n_given :])


def fine_tune_language_model(
    model: GPT,
    train: Sequence[Text],
    validation: Sequence[Text] | None = None,
    recipe: FineTuning = FineTuning(),
    report: Report | None = None,
) -> list[Epoch]:
    """Go on with next-token prediction on other text, and keep the weights of the best epoch.

    GPT-1 paper, equation 1, and where prompts are given the supervised form that the article draws
    for translation and summaries: only what comes after the prompt is learned.

    Args, Returns, Raises: as for ``fine_tune``; the model is changed in place. Of the recipe
    ``lm_weight`` and ``frozen`` play no part.
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

    def shard(chosen: Ids, batch: Ids, rng: np.random.Generator, sums: Gradients) -> float:
        ids, targets = pad_texts([train[i] for i in chosen])  # [batch, seq]
        n_predictions = sum(len(train[i].ids) - train[i].n_given for i in batch)
        trace = DropoutTrace(recipe.dropout, rng) if recipe.dropout else None
        return accumulate_gradients(model, ids, targets, n_predictions, sums, trace)

    widths = np.array([len(text.ids) - 1 for text in train])  # [n]
    measure = partial(measure_texts, model, validation) if validation is not None else None
    return run_epochs(model.parameters, shard, widths, measure, recipe, report)


def pad_texts(texts: Sequence[Text]) -> tuple[Ids, Ids]:
    """Inputs and targets ``[batch, seq]``, padded on the right."""
    seq = max(len(text.ids) for text in texts) - 1
    ids = np.zeros((len(texts), seq), np.int64)  # [batch, seq]
    targets = np.full_like(ids, IGNORED)  # [batch, seq]
    for i, text in enumerate(texts):
        ids[i, : len(text.ids) - 1] = text.ids[:-1]
        targets[i, : len(text.ids) - 1] = text.targets
    return ids, targets


def measure_texts(model: GPT, texts: Sequence[Text]) -> Measured:
    """Mean loss of the predicted tokens, in nats."""
    nats, n = 0.0, 0
    for text in texts:
        top = model.top(text.ids[:-1])[0, text.n_given - 1 :]  # [predictions, n_embd]
        logits = model.unembed(top)  # [predictions, n_vocab]
        logits -= logits.max(axis=-1, keepdims=True)
        right = logits[np.arange(len(logits)), text.ids[text.n_given :]]  # [predictions]
        losses = np.log(np.exp(logits, out=logits).sum(axis=-1)) - right  # [predictions]
        nats += float(losses.sum(dtype=np.float64))
        n += len(losses)
    return Measured(nats / n)
