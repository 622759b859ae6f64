"""The loop of fine-tuning: epochs of batches, and the weights of the best epoch.

Each epoch takes every example once, in an order of its own, and ends with a look at the validation
examples. What the examples are, and how their loss is made, is for ``finetuning.py`` to say.
"""

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptlite.layers import Array
from gptlite.training.gradients import Gradients
from gptlite.training.optimizer import linear_rate_at
from gptlite.training.step import QUIET, Ids, add_up, cut, update, zero_moments


@dataclass(frozen=True)
class FineTuning:
    """What a fine-tuned model depends on, besides the model, the examples and the processor.

    The defaults are GPT-1's (section 4.1). What the paper does not say is as in pre-training here:
    AdamW's beta_2 is 0.99, where the authors' code had Adam's usual 0.999.

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
        threads: shards computed side by side; how a batch is cut into them depends on it.

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


GPT_1 = FineTuning()


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
        best: whether it is the best so far; without validation examples every one is.
    """

    number: int
    loss: float
    validation: Measured | None
    best: bool


Report = Callable[[Epoch], None]


# chosen, batch, rng, sums -> loss: adds to the sums the gradients of the chosen of the batch, and
# gives their share of its loss.
ShardLoss = Callable[[Ids, Ids, np.random.Generator, Gradients], float]


class Learner:
    """Parameters on their way: AdamW's moments, and the number of steps done.

    Args:
        parameters: what learns, ``{name: array}``; changed in place.
        shard_loss: the loss of a part of a batch.
        widths: tokens of each example, ``[n]``, by which a batch is cut into shards.
    """

    def __init__(
        self,
        parameters: Mapping[str, Array],
        shard_loss: ShardLoss,
        widths: Ids,
        recipe: FineTuning,
    ) -> None:
        self.parameters = parameters
        self.shard_loss = shard_loss
        self.widths = widths
        self.recipe = recipe
        self.n_steps = recipe.epochs * math.ceil(len(widths) / recipe.batch)
        self.step = 0
        self.moments = zero_moments(parameters)
        self._pool = ThreadPoolExecutor(recipe.threads)

    def gradients(self, batch: Ids) -> tuple[float, Gradients]:
        """Loss in nats and gradients of a batch, its shards in threads.

        Args:
            batch: which examples, ``[batch]``.
        """
        seed, threads = self.recipe.seed, self.recipe.threads
        shards = [
            partial(self.shard_loss, chosen, batch, np.random.default_rng([seed, self.step, i]))
            for i, chosen in enumerate(cut(batch, self.widths, threads))
        ]
        return add_up(shards, self._pool, threads)

    def train_step(self, batch: Ids) -> float:
        """Learn from one batch; gives the loss it had before, in nats.

        Raises:
            FloatingPointError: the loss or the gradients are not finite: training has diverged.
        """
        recipe, step = self.recipe, self.step + 1
        warm_up = round(recipe.warm_up * self.n_steps)
        loss, gradients = self.gradients(batch)
        update(
            self.parameters,
            self.moments,
            loss,
            gradients,
            step,
            linear_rate_at(step, self.n_steps, warm_up, recipe.learning_rate),
            recipe.weight_decay,
            recipe.clip,
            self._pool,
        )
        self.step = step
        return loss


def run_epochs(
    learner: Learner, look: Callable[[], Measured] | None, report: Report | None
) -> list[Epoch]:
    """Learn for all epochs, with a progress bar, and put back the weights of the best.

    Args:
        look: at the validation examples.
        report: called after each epoch, while its weights are in place.

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
                losses.append(learner.train_step(order[start : start + recipe.batch]))
                bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
                bar.update()
            seen = look_at(learner, look, order[-1:])
            better = seen is None or best is None or seen.score > best.score
            if better and seen is not None:
                best = seen
                if number == recipe.epochs:
                    kept.clear()  # they are in place
                else:
                    for name, array in parameters.items():
                        np.copyto(kept.setdefault(name, np.empty_like(array)), array)
            epochs.append(Epoch(number, float(np.mean(losses)), seen, better))
            if report is not None:
                report(epochs[-1])
    for name, array in kept.items():
        parameters[name][...] = array
    return epochs


def look_at(learner: Learner, look: Callable[[], Measured] | None, one: Ids) -> Measured | None:
    """What an epoch has made of the validation examples, if there are any.

    A batch's loss is that before its step, so an epoch's last step may ruin what no loss has shown:
    where nothing is validated, one example is looked at once more.

    Args:
        one: that example, ``[1]``.

    Raises:
        FloatingPointError: training has diverged.
    """
    with QUIET():
        seen = look() if look is not None else None
        loss = learner.gradients(one)[0] if seen is None else seen.loss
    ruined = [name for name, array in learner.parameters.items() if not np.isfinite(array).all()]
    if ruined or not math.isfinite(loss):
        found = f"{ruined[0]} is not finite" if ruined else f"the loss is {loss}"
        raise FloatingPointError(
            f"after step {learner.step} {found}: training has diverged; try a smaller learning rate"
        )
    return seen
