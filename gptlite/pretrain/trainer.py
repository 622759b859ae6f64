"""The training loop: batch, gradients, AdamW, and now and then a look at how it goes.

A run lives in one directory. Everything that the next step depends on is in its ``state.npz``,
written in one piece, so a run that was killed goes on from there and gives bit for bit what it
would have given.
"""

import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptlite.config import GPTConfig, parameter_shapes
from gptlite.errors import CheckpointError
from gptlite.files import write_atomically
from gptlite.layers import Array
from gptlite.model import GPT
from gptlite.pretrain.data import Ids, batch_at
from gptlite.training.dropout import DropoutTrace
from gptlite.training.gradients import Gradients, accumulate_gradients
from gptlite.training.optimizer import Moments, learning_rate_at
from gptlite.training.step import SHARD_TOKENS, add_up, update, zero_moments

STATE_FILE = "state.npz"


@dataclass(frozen=True)
class Recipe:
    """What a run's result depends on, besides the model's sizes, the tokens and the processor.

    Attributes:
        batch: sequences of ``n_ctx`` tokens per step.
        n_steps: steps in all; the learning rate reaches 0 with the last.
        learning_rate: its peak.
        warm_up: steps up to the peak.
        weight_decay: of matrices.
        clip: the most that the length of all gradients together may be.
        dropout: share of numbers struck out, 0 for none.
        seed: of the initial weights, the order of the batches and the dropout.
        threads: shards computed side by side; how a batch is cut into them depends on it.

    Raises:
        TypeError: what must be an int is not.
        ValueError: a number is out of range, or NaN.
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
        for name in ("batch", "n_steps", "warm_up", "threads", "seed"):
            number, least = getattr(self, name), int(name != "seed")
            if not isinstance(number, int) or isinstance(number, bool):
                raise TypeError(f"{name} must be an int, not {number!r}")
            if number < least:
                raise ValueError(f"{name} must be at least {least}, not {number}")
        # Written so that NaN, which compares false with everything, is refused.
        for name in ("learning_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay must be at least 0, not {self.weight_decay}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), not {self.dropout}")


class Trainer:
    """A model on its way: weights, AdamW's moments, and the number of steps done."""

    def __init__(self, model: GPT, recipe: Recipe) -> None:
        self.model = model
        self.recipe = recipe
        self.step = 0
        self.moments = zero_moments(model.parameters)
        self._pool = ThreadPoolExecutor(recipe.threads)

    def gradients(self, inputs: Ids, targets: Ids) -> tuple[float, Gradients]:
        """Mean loss in nats and gradients of a batch ``[batch, n_ctx]``, its shards in threads."""
        recipe = self.recipe
        rows = max(1, min(SHARD_TOKENS // inputs.shape[1], len(inputs) // recipe.threads))

        def shard(start: int, sums: Gradients) -> float:
            part, trace = slice(start, start + rows), None
            if recipe.dropout:
                rng = np.random.default_rng([recipe.seed, self.step, start])
                trace = DropoutTrace(recipe.dropout, rng)
            return accumulate_gradients(
                self.model, inputs[part], targets[part], targets.size, sums, trace
            )

        shards = [partial(shard, start) for start in range(0, len(inputs), rows)]
        return add_up(shards, self._pool, recipe.threads)

    def train_step(self, inputs: Ids, targets: Ids) -> float:
        """Learn from one batch; gives the loss it had before, in nats per token.

        Raises:
            FloatingPointError: the loss or the gradients are not finite: training has diverged.
        """
        recipe, step = self.recipe, self.step + 1
        loss, gradients = self.gradients(inputs, targets)
        update(
            self.model.parameters,
            self.moments,
            loss,
            gradients,
            step,
            learning_rate_at(step, recipe.n_steps, recipe.warm_up, recipe.learning_rate),
            recipe.weight_decay,
            recipe.clip,
            self._pool,
        )
        self.step = step
        return loss

    def save_state(self, directory: Path) -> None:
        """Write all that the next step depends on, in one piece."""
        arrays: dict[str, NDArray[Any]] = {}
        for name, array in self.model.parameters.items():
            arrays[f"parameter/{name}"] = array
            arrays[f"mean/{name}"], arrays[f"square/{name}"] = self.moments[name]
        about = {
            "step": self.step,
            "config": asdict(self.model.config),
            "recipe": asdict(self.recipe),
        }
        with write_atomically(directory / STATE_FILE) as file:
            np.savez(file, about=np.array(json.dumps(about)), **arrays)  # type: ignore[arg-type]

    @classmethod
    def from_state(cls, directory: Path) -> "Trainer":
        """Go on where ``save_state`` left off.

        Raises:
            CheckpointError: the file is missing or damaged.
        """
        path = directory / STATE_FILE
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                arrays = {key: archive[key] for key in archive.files}
            about = json.loads(str(arrays["about"]))
            config, recipe = GPTConfig(**about["config"]), Recipe(**about["recipe"])
            parts: dict[str, dict[str, Array]] = {"parameter": {}, "mean": {}, "square": {}}
            for part, of_names in parts.items():
                for name, shape in parameter_shapes(config).items():
                    of_names[name] = array = arrays[f"{part}/{name}"]
                    if array.shape != shape or array.dtype != np.float32:
                        found = f"{array.dtype} {list(array.shape)}"
                        raise ValueError(f"{part}/{name}: expected {list(shape)}, found {found}")
            trainer = cls(GPT(config, parts["parameter"]), recipe)
            trainer.moments = {
                name: Moments(parts["mean"][name], parts["square"][name]) for name in parts["mean"]
            }
            trainer.step = int(about["step"])
            if not 0 <= trainer.step <= recipe.n_steps:
                raise ValueError(f"step {trainer.step} of {recipe.n_steps}")
        except FileNotFoundError:
            raise CheckpointError(f"{path}: no such file: nothing to resume") from None
        # Every exception there is: damaged bytes come out of zipfile, NumPy's parser of headers and
        # JSON as a dozen kinds, tokenize.TokenError, EOFError and NotImplementedError among them.
        except Exception as error:
            raise CheckpointError(
                f"{path}: not a training state ({type(error).__name__}: {error})"
            ) from error
        return trainer


def seconds_per_step(trainer: Trainer, tokens: Ids, trials: int = 4) -> float:
    """What a step takes here: the median of a few. They change the model: give it one to waste."""
    recipe, n_ctx = trainer.recipe, trainer.model.config.n_ctx
    times = []
    for _ in range(trials + 1):
        began = time.perf_counter()
        trainer.train_step(*batch_at(trainer.step, tokens, recipe.batch, n_ctx, recipe.seed))
        times.append(time.perf_counter() - began)
    return float(np.median(times[1:]))  # the first also warms up


def run(
    trainer: Trainer,
    tokens: Ids,
    every: int,
    report: Callable[[Trainer, float, float], None],
) -> None:
    """Train to the recipe's last step, with a progress bar.

    Args:
        tokens: ``[n]``.
        every: steps between reports, of which the last comes with the last step.
        report: called with the trainer, the mean loss since the last report in nats per token, and
            the tokens per second.
    """
    from tqdm import tqdm

    recipe, n_ctx = trainer.recipe, trainer.model.config.n_ctx
    tokens_per_step = recipe.batch * n_ctx
    losses: list[float] = []
    with tqdm(
        desc="training",
        total=recipe.n_steps * tokens_per_step,
        initial=trainer.step * tokens_per_step,
        unit="token",
        unit_scale=True,
        disable=None,
    ) as bar:
        began = time.perf_counter()
        while trainer.step < recipe.n_steps:
            batch = batch_at(trainer.step, tokens, recipe.batch, n_ctx, recipe.seed)
            losses.append(trainer.train_step(*batch))
            bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
            bar.update(tokens_per_step)
            if trainer.step % every == 0 or trainer.step == recipe.n_steps:
                speed = len(losses) * tokens_per_step / (time.perf_counter() - began)
                report(trainer, float(np.mean(losses)), speed)
                losses.clear()
                began = time.perf_counter()
