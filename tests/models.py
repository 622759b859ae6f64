"""The random models and classifiers that the tests compute with."""

import numpy as np

from gptlite import GPT, GPTConfig
from gptlite.finetune.classifier import Classifier


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


def random_classifier(
    config: GPTConfig, n_labels: int = 3, choosing: bool = False, seed: int = 0, noise: float = 0.3
) -> Classifier:
    """Make a classifier of a random model, with a random head and random new tokens."""
    model = random_model(config, seed, noise)
    classifier = Classifier.build(model, n_labels, choosing=choosing, seed=seed)
    rng = np.random.default_rng(seed)
    for array in (classifier.head, classifier.model.wte[config.n_vocab :]):
        array += rng.standard_normal(array.shape, np.float32) * noise
    return classifier
