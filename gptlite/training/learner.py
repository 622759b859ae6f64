"""One step of learning, in pre-training and in fine-tuning alike: gradients, clipping, AdamW."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gptlite.command import uninterrupted
from gptlite.fast.mapping import map_in_threads
from gptlite.fast.threads import blas_threads
from gptlite.layers import Array
from gptlite.training.optimizer import Moments, adamw_step, global_norm
from gptlite.training.shards import QUIET, Shard, add_up
from gptlite.training.tape import Gradients


class Learner:
    """Parameters in training, with AdamW's moments and the number of steps done.

    A batch comes as its shards (shards.py), functions that each compute a part of it: the learner
    need not know what an example is, or how its loss is computed.

    Attributes:
        parameters: the arrays that learn, ``{name: array}``; changed in place.
        moments: AdamW's running means, by the same names.
        step: the number of steps done.
        threads: how many shards are computed side by side.
    """

    def __init__(
        self,
        parameters: Mapping[str, Array],
        rate_at: Callable[[int], float],
        weight_decay: float,
        clip: float,
        threads: int,
    ) -> None:
        """Begin with moments of 0.

        Args:
            rate_at: returns the learning rate of a step, counted from 1.
            weight_decay: how strongly AdamW shrinks matrices.
            clip: the greatest length that all gradients together may have.
            threads: how many shards are computed side by side.
        """
        self.parameters = parameters
        self.rate_at = rate_at
        self.weight_decay = weight_decay
        self.clip = clip
        self.threads = threads
        self.step = 0
        self.moments = {
            name: Moments(np.zeros_like(array), np.zeros_like(array))
            for name, array in parameters.items()
        }

    def gradients(self, shards: Sequence[Shard]) -> tuple[float, Gradients]:
        """Compute the loss of a batch, in nats, and the gradient of every parameter."""
        return add_up(shards, self.threads)

    def train_step(self, shards: Sequence[Shard]) -> float:
        """Learn from one batch; return the loss it had before, in nats.

        Raises:
            FloatingPointError: the loss or the gradients are not finite: training has diverged.
                In that case nothing has been changed.
        """
        loss, gradients = self.gradients(shards)
        step = self.step + 1
        # One thread: with another number of threads BLAS sums in another order.
        with blas_threads(1):
            norm = global_norm(gradients)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise FloatingPointError(
                f"step {step}: the loss is {loss}, the length of the gradients {norm}: "
                "training has diverged; try a smaller learning rate"
            )
        rate = self.rate_at(step)
        scale = min(1.0, self.clip / max(norm, 1e-12))

        def change(name: str) -> None:
            array, gradient = self.parameters[name], gradients[name]  # [...]
            adamw_step(array, gradient, self.moments[name], step, rate, self.weight_decay, scale)

        # Half done, a step would leave a model that is neither the old nor the new.
        with uninterrupted(), QUIET():
            list(map_in_threads(change, self.parameters, self.threads))
            self.step = step
        return loss
