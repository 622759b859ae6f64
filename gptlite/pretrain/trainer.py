"""Pre-training: the recipe, a model in training, its state on disk, and the loop over batches.

A run lives in one directory. Everything that the next step depends on is in its ``state.npz``,
which is written in one piece. So a run that was killed can go on from there, and ends with the
model that it would have ended with, bit for bit.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptlite.checkpoints.npz import read_arrays, write_arrays
from gptlite.checks import check_int, check_range
from gptlite.config import GPTConfig, parameter_shapes
from gptlite.errors import CheckpointError
from gptlite.files import write_atomically
from gptlite.layers import Array
from gptlite.model import GPT
from gptlite.pretrain.clock import Clock
from gptlite.pretrain.data import batch_at
from gptlite.training.backward import Ids
from gptlite.training.dropout import DropoutTrace
from gptlite.training.gradients import accumulate_gradients
from gptlite.training.learner import Learner
from gptlite.training.optimizer import Moments, learning_rate_at
from gptlite.training.shards import SHARD_TOKENS, Shard
from gptlite.training.tape import Gradients

STATE_FILE = "state.npz"
REPORT_SECONDS = 30.0


@dataclass(frozen=True)
class Recipe:
    """The numbers that a run's result depends on.

    The result depends on the model's sizes, the tokens and the processor as well.

    Attributes:
        batch: sequences of ``n_ctx`` tokens per step.
        n_steps: steps in all; the learning rate reaches 0 with the last.
        learning_rate: the peak of the learning rate.
        warm_up: steps up to the peak.
        weight_decay: how strongly AdamW shrinks matrices.
        clip: the greatest length that all gradients together may have.
        dropout: share of numbers dropped; 0 for none.
        seed: fixes the initial weights, the order of the batches and the dropout.
        threads: shards computed side by side; how a batch is cut into shards depends on it.

    Raises:
        TypeError: a number has the wrong type.
        ValueError: a number is out of range, or not finite.
    """

    batch: int = 16
    n_steps: int = 1000
    learning_rate: float = 1e-3
    warm_up: int = 100
    weight_decay: float = 0.1
    clip: float = 1.0
    dropout: float = 0.0
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("batch", "n_steps", "warm_up", "threads"):
            check_int(name, getattr(self, name), least=1)
        check_int("seed", self.seed, least=0)
        check_range("learning_rate", self.learning_rate, 0, inf, "()")
        check_range("clip", self.clip, 0, inf, "()")
        check_range("weight_decay", self.weight_decay, 0, inf)
        check_range("dropout", self.dropout, 0, 1, "[)")


class Trainer(Learner):
    """A learner that has a model, and a state that can be saved.

    Attributes:
        clock: for a run that is given a time, which plans its steps in place of the recipe.
    """

    def __init__(self, model: GPT, recipe: Recipe, clock: Clock | None = None) -> None:
        def rate_at(step: int) -> float:
            return learning_rate_at(step, self.n_steps, recipe.warm_up, recipe.learning_rate)

        super().__init__(
            model.parameters, rate_at, recipe.weight_decay, recipe.clip, recipe.threads
        )
        self.model = model
        self.recipe = recipe
        self.clock = clock

    @property
    def n_steps(self) -> int:
        """Steps in all: the recipe's, or as many as the clock expects."""
        return self.recipe.n_steps if self.clock is None else self.clock.n_steps

    @property
    def tokens_per_step(self) -> int:
        """Tokens in a batch."""
        return self.recipe.batch * self.model.config.n_ctx

    def shards(self, inputs: Ids, targets: Ids) -> list[Shard]:
        """Cut the batch of the next step into shards of whole rows.

        Args:
            inputs, targets: ``[batch, n_ctx]``.
        """
        recipe, step = self.recipe, self.step
        rows = max(1, min(SHARD_TOKENS // inputs.shape[1], len(inputs) // recipe.threads))

        def shard(start: int, sums: Gradients) -> float:
            part, trace = slice(start, start + rows), None
            if recipe.dropout:
                rng = np.random.default_rng([recipe.seed, step, start])
                trace = DropoutTrace(recipe.dropout, rng)
            return accumulate_gradients(
                self.model, inputs[part], targets[part], targets.size, sums, trace
            )

        return [partial(shard, start) for start in range(0, len(inputs), rows)]

    def save_state(self, directory: Path) -> None:
        """Write everything that the next step depends on, in one piece."""
        arrays: dict[str, NDArray[Any]] = {}
        for name, array in self.model.parameters.items():
            arrays[f"parameter/{name}"] = array
            arrays[f"mean/{name}"], arrays[f"square/{name}"] = self.moments[name]
        about = {
            "step": self.step,
            "config": asdict(self.model.config),
            "recipe": asdict(self.recipe),
            "clock": None if self.clock is None else asdict(self.clock),
        }
        text = json.dumps(about, default=np.generic.item)  # NumPy's numbers, as plain ones
        with write_atomically(directory / STATE_FILE) as file:
            write_arrays(file, {"about": np.array(text), **arrays})

    @classmethod
    def from_state(cls, directory: Path) -> "Trainer":
        """Go on where ``save_state`` left off.

        Raises:
            CheckpointError: the file is missing or damaged. OSError: it cannot be read.
        """
        path = directory / STATE_FILE
        try:
            arrays = read_arrays(path)
            about = json.loads(str(arrays["about"]))
            config, recipe = GPTConfig(**about["config"]), Recipe(**about["recipe"])
            parts: dict[str, dict[str, Array]] = {"parameter": {}, "mean": {}, "square": {}}
            for part, of_names in parts.items():
                for name, shape in parameter_shapes(config).items():
                    of_names[name] = array = arrays[f"{part}/{name}"]  # [...]
                    if array.shape != shape or array.dtype != np.float32:
                        found = f"{array.dtype} {list(array.shape)}"
                        raise ValueError(f"{part}/{name}: expected {list(shape)}, found {found}")
            clock = Clock(**about["clock"]) if about.get("clock") else None
            trainer = cls(GPT(config, parts["parameter"]), recipe, clock)
            trainer.moments = {
                name: Moments(parts["mean"][name], parts["square"][name]) for name in parts["mean"]
            }
            trainer.step = int(about["step"])
            if not 0 <= trainer.step <= trainer.n_steps:
                raise ValueError(f"step {trainer.step} of {trainer.n_steps}")
        except FileNotFoundError:
            raise CheckpointError(f"{path}: no such file: nothing to resume") from None
        except (CheckpointError, OSError):
            raise
        except (LookupError, TypeError, ValueError, RecursionError, ArithmeticError) as error:
            raise CheckpointError(
                f"{path}: not a training state ({type(error).__name__}: {error})"
            ) from error
        return trainer


def seconds_per_step(trainer: Trainer, tokens: Ids, most: float = 5.0) -> float:
    """Measure the time of a step on this machine: the median of a few.

    These steps change the model: give the trainer one that may be wasted.

    Args:
        tokens: the corpus, ``[tokens]``.
        most: seconds after which no further step is taken; there are at most five.
    """
    times: list[float] = []
    while len(times) < 5 and sum(times) < most:
        began = time.perf_counter()
        train_one(trainer, tokens)
        times.append(time.perf_counter() - began)
    return float(np.median(times[1:] or times))  # the first also warms up


def train_one(trainer: Trainer, tokens: Ids) -> float:
    """Take the next step; return the loss that its batch had before, in nats per token.

    Args:
        tokens: the corpus, ``[tokens]``.
    """
    recipe = trainer.recipe
    # [batch, n_ctx]
    batch = batch_at(trainer.step, tokens, recipe.batch, trainer.model.config.n_ctx, recipe.seed)
    return trainer.train_step(trainer.shards(*batch))


def train(
    trainer: Trainer,
    tokens: Ids,
    every: int,
    report: Callable[[Trainer, float, float], None],
    seconds: float = REPORT_SECONDS,
) -> None:
    """Train to the last step, with a progress bar.

    Ctrl-C comes through between two steps, when the trainer is whole.

    Args:
        tokens: the corpus, ``[tokens]``.
        every: steps between reports; the last report comes with the last step.
        report: called with the trainer, the mean loss since the last report, in nats per token,
            and the tokens per second.
        seconds: after so many there is a report, however few steps there were. Where reports
            themselves are slow they come less often, so that they take a tenth of the time.
    """
    from tqdm import tqdm

    n = trainer.tokens_per_step
    losses: list[float] = []
    with tqdm(
        desc="training",
        total=trainer.n_steps * n,
        initial=trainer.step * n,
        unit="token",
        unit_scale=True,
        disable=None,
    ) as bar:
        began = ticked = time.perf_counter()
        wait = seconds
        while trainer.step < trainer.n_steps:
            losses.append(train_one(trainer, tokens))
            now = time.perf_counter()
            if trainer.clock is not None:
                trainer.clock.tick(now - ticked, trainer.step)
                bar.total = trainer.n_steps * n
            ticked = now
            bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
            bar.update(n)
            last = trainer.step == trainer.n_steps
            if last or trainer.step % every == 0 or now - began >= wait:
                report(trainer, float(np.mean(losses)), len(losses) * n / (now - began))
                losses.clear()
                began = time.perf_counter()
                wait = max(seconds, 9 * (began - now))
