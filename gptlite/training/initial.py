"""The weights of an untrained model."""

import numpy as np

from gptlite.checks import check_int, check_kind
from gptlite.config import GPTConfig, parameter_shapes
from gptlite.layers import Array


def initial_parameters(config: GPTConfig, seed: int = 0) -> dict[str, Array]:
    """Draw the weights of an untrained model as OpenAI's code draws them.

    They are normal with standard deviation 0.02 (0.01 for positions); biases are 0, gains 1.
    Matrices that write to the residual stream are scaled by ``1/sqrt(2 * n_layer)``, so that the
    stream does not grow with depth (GPT-2 paper, section 2.3).

    Returns:
        ``{name: array}`` with the names and shapes of ``config.parameter_shapes``.

    Raises:
        TypeError, ValueError: not a ``GPTConfig``, or the seed is not an int of at least 0.
    """
    check_kind("config", config, GPTConfig)
    check_int("seed", seed, least=0)
    rng = np.random.default_rng(seed)
    parameters: dict[str, Array] = {}
    for name, shape in parameter_shapes(config).items():
        if name.endswith("bias"):
            parameters[name] = np.zeros(shape, np.float32)  # [n]
        elif len(shape) == 1:
            parameters[name] = np.ones(shape, np.float32)  # [n]
        else:
            std = 0.01 if name == "wpe.weight" else 0.02
            if name.endswith("c_proj.weight"):
                std /= (2 * config.n_layer) ** 0.5
            parameters[name] = rng.standard_normal(shape, np.float32)  # [n_in, n_out]
            parameters[name] *= std
    return parameters
