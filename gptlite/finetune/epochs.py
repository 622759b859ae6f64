"""The loop of fine-tuning: epochs of batches, and the weights of the best epoch.

Each epoch takes every example once, in an order of its own, and ends with a measurement of the
validation examples. learners.py says what an example is, and how its loss is computed.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptlite.checks import check_int, check_range
from gptlite.layers import Array
from gptlite.training.backward import Ids
from gptlite.training.learner import Learner
from gptlite.training.optimizer import linear_rate_at
from gptlite.training.shards import QUIET, Shard, cut_batch
from gptlite.training.tape import Gradients


@dataclass(frozen=True)
class FineTuning:
    """The recipe: the numbers that a fine-tuned model depends on.

    The result depends on the starting model, the examples and the processor as well. The defaults
    are GPT-1's (section 4.1). Where the paper says nothing, pre-training's numbers hold: AdamW's
    beta_2 is 0.99, where the authors' code had Adam's usual 0.999.

    Attributes:
        epochs: how many times every example is seen.
        batch: examples per step, however many rows each has.
        learning_rate: the peak of the learning rate.
        warm_up: share of the steps up to the peak, 0 to 1.
        weight_decay: how strongly AdamW shrinks matrices.
        clip: the greatest length that all gradients together may have.
        dropout: share of numbers dropped, also in the vectors that a classifier's head reads.
        lm_weight: lambda, the weight of the auxiliary objective L1 in a classifier's loss.
        frozen: True if only a classifier's head learns. The vectors that it reads are then computed
            once, without dropout inside the model, and L1 plays no part.
        seed: fixes the order of the examples and the dropout.
        threads: shards computed side by side; how a batch is cut into shards depends on it.

    Raises:
        TypeError: a number has the wrong type.
        ValueError: a number is out of range, or not finite.
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
        for name in ("epochs", "batch", "threads"):
            check_int(name, getattr(self, name), least=1)
        check_int("seed", self.seed, least=0)
        check_range("learning_rate", self.learning_rate, 0, math.inf, "()")
        check_range("clip", self.clip, 0, math.inf, "()")
        check_range("weight_decay", self.weight_decay, 0, math.inf)
        check_range("dropout", self.dropout, 0, 1, "[)")
        check_range("lm_weight", self.lm_weight, 0, math.inf)
        check_range("warm_up", self.warm_up, 0, 1)


GPT_1 = FineTuning()


class Measured(NamedTuple):
    """A model's loss and accuracy on examples that it does not learn from.

    Attributes:
        loss: in nats; for a classifier, L2.
        accuracy: share of right answers; None for a language model.
        confusion: how often the label of a row was taken for the label of a column,
            ``[n_labels, n_labels]``; None for a language model.
    """

    loss: float
    accuracy: float | None = None
    confusion: NDArray[np.int64] | None = None

    @property
    def score(self) -> tuple[float, float]:
        """A pair that is greater for a better model: accuracy, if any, then the smaller loss."""
        return (self.accuracy or 0.0, -self.loss)


class Epoch(NamedTuple):
    """The measurements of an epoch.

    Attributes:
        number: the epoch's number, counted from 1.
        loss: mean of the batches' losses, each before its step; for a classifier, L3.
        validation: measured after the epoch; None without validation examples.
        best: True if it is the best epoch so far; without validation examples every epoch is.
    """

    number: int
    loss: float
    validation: Measured | None
    best: bool


Report = Callable[[Epoch], None]

# chosen, batch, rng, sums -> loss: adds the gradients of the chosen examples of the batch to the
# sums, and returns their share of the batch's loss.
ShardLoss = Callable[[Ids, Ids, np.random.Generator, Gradients], float]


class ExampleLearner(Learner):
    """A learner that learns from numbered examples.

    Attributes:
        n_steps: steps in all epochs together.
    """

    def __init__(
        self,
        parameters: Mapping[str, Array],
        shard_loss: ShardLoss,
        widths: Ids,
        recipe: FineTuning,
    ) -> None:
        """Begin with moments of 0.

        Args:
            parameters: the arrays that learn, ``{name: array}``; changed in place.
            shard_loss: computes the loss of a part of a batch.
            widths: how many tokens each example has, ``[n]``; used to cut a batch into shards.
        """
        n_steps = recipe.epochs * math.ceil(len(widths) / recipe.batch)
        warm_up = round(recipe.warm_up * n_steps)

        def rate_at(step: int) -> float:
            return linear_rate_at(step, n_steps, warm_up, recipe.learning_rate)

        super().__init__(parameters, rate_at, recipe.weight_decay, recipe.clip, recipe.threads)
        self.shard_loss = shard_loss
        self.widths = widths
        self.recipe = recipe
        self.n_steps = n_steps

    def shards(self, batch: Ids) -> list[Shard]:
        """Cut the batch of the next step into shards.

        Args:
            batch: the numbers of the examples, ``[batch]``.
        """
        seed, threads = self.recipe.seed, self.recipe.threads
        return [
            partial(self.shard_loss, chosen, batch, np.random.default_rng([seed, self.step, i]))
            for i, chosen in enumerate(cut_batch(batch, self.widths, threads))
        ]


def run_epochs(
    learner: ExampleLearner, validate: Callable[[], Measured] | None, report: Report | None
) -> list[Epoch]:
    """Train for all epochs, with a progress bar, and put back the weights of the best epoch.

    Args:
        validate: measures the validation examples; None if there are none.
        report: called after each epoch, while the epoch's weights are in place.

    Raises:
        FloatingPointError: training has diverged.
    """
    from tqdm import tqdm

    recipe, parameters, n = learner.recipe, learner.parameters, len(learner.widths)
    epochs: list[Epoch] = []
    best: Measured | None = None
    kept: dict[str, Array] = {}
    with tqdm(
        total=learner.n_steps, desc="fine-tuning", unit="step", leave=False, disable=None
    ) as bar:
        for number in range(1, recipe.epochs + 1):
            order = np.random.default_rng([recipe.seed, number]).permutation(n)  # [n]
            losses = []
            for start in range(0, n, recipe.batch):
                shards = learner.shards(order[start : start + recipe.batch])
                losses.append(learner.train_step(shards))
                bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
                bar.update()
            measured = validated(learner, validate, order[-1:])
            better = measured is None or best is None or measured.score > best.score
            if better and measured is not None:
                best = measured
                if number == recipe.epochs:
                    kept.clear()  # the best weights are in place
                else:
                    for name, array in parameters.items():
                        np.copyto(kept.setdefault(name, np.empty_like(array)), array)
            epochs.append(Epoch(number, float(np.mean(losses)), measured, better))
            if report is not None:
                report(epochs[-1])
    for name, array in kept.items():
        parameters[name][...] = array
    return epochs


def validated(
    learner: ExampleLearner, validate: Callable[[], Measured] | None, one: Ids
) -> Measured | None:
    """Measure the validation examples after an epoch, if there are any, and refuse ruined weights.

    A batch's loss is computed before its step, so no loss shows what an epoch's last step did.
    Without validation examples the loss of one example is computed once more.

    Args:
        one: the number of that example, ``[1]``.

    Raises:
        FloatingPointError: training has diverged.
    """
    with QUIET():
        measured = validate() if validate is not None else None
        loss = learner.gradients(learner.shards(one))[0] if measured is None else measured.loss
    ruined = [name for name, array in learner.parameters.items() if not np.isfinite(array).all()]
    if ruined or not math.isfinite(loss):
        found = f"{ruined[0]} is not finite" if ruined else f"the loss is {loss}"
        raise FloatingPointError(
            f"after step {learner.step} {found}: training has diverged; try a smaller learning rate"
        )
    return measured
