"""The random models that the tests compute with."""

import numpy as np

from gptlite import GPT, GPTConfig


def random_model(config: GPTConfig, seed: int = 0, noise: float = 0.3) -> GPT:
    """Make a model with every parameter, gains and biases too, away from its initial value.

    Args:
        noise: standard deviation of what is added to each initial value.
    """
    model = GPT.init(config, seed)
    rng = np.random.default_rng(seed + 1)
    for array in model.parameters.values():
        array += rng.standard_normal(array.shape, np.float32) * noise
    return model
