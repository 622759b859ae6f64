"""A learner: clipping, the learning rate of each step, and shards of any kind."""

from functools import partial

import numpy as np
import pytest

from gptlite import GPT, GPTConfig
from gptlite.pretrain.trainer import Recipe, Trainer
from gptlite.training.learner import Learner
from gptlite.training.optimizer import global_norm
from gptlite.training.tape import Gradients


@pytest.mark.parametrize("clip", [0.25, 1000.0])
def test_gradients_are_clipped_together(clip):
    """The first step's running mean is a tenth of the clipped gradient."""
    config = GPTConfig(n_vocab=5, n_ctx=4, n_embd=4, n_head=1, n_layer=1)
    trainer = Trainer(GPT.init(config), Recipe(batch=2, clip=clip))
    ids = np.array([[0, 1, 2, 3], [4, 3, 2, 1]])
    _, gradients = trainer.gradients(trainer.shards(ids, ids))
    length = global_norm(gradients)
    assert 0.25 < length < 1000
    trainer.train_step(trainer.shards(ids, ids))
    means = {name: moments.mean for name, moments in trainer.moments.items()}
    assert global_norm(means) == pytest.approx(0.1 * min(length, clip), rel=1e-5)
    for name, mean in means.items():
        np.testing.assert_allclose(mean, 0.1 * gradients[name] * min(1, clip / length), 1e-5, 1e-9)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_learner_learns_whatever_its_shards_compute(threads):
    """A mean of four, the loss being half the squared distance from the numbers 1 to 4."""
    place = np.zeros(1, np.float32)
    asked = []

    def shard(number: int, sums: Gradients) -> float:
        distance = place - number
        sums.add("place", distance / 4)
        return float(distance[0] ** 2) / 8

    def rate_at(step: int) -> float:
        asked.append(step)
        return 0.05

    learner = Learner({"place": place}, rate_at, weight_decay=0.0, clip=10.0, threads=threads)
    losses = [learner.train_step([partial(shard, n) for n in (1, 2, 3, 4)]) for _ in range(200)]
    assert losses[0] == pytest.approx((1 + 4 + 9 + 16) / 8)
    assert place[0] == pytest.approx(2.5, abs=0.01)
    assert losses[-1] == pytest.approx((2.25 + 0.25) * 2 / 8, abs=0.001)
    assert asked == list(range(1, 201))
    assert learner.step == 200
