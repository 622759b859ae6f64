"""Dropout: in training, numbers are struck out at random so that none can be relied on alone.

Srivastava et al. 2014. GPT-2's places (GPT-1 paper, section 4.1, "residual, embedding, and
attention dropouts"): the sum of the embeddings, the attention weights, and what each half of a
block adds to the residual stream. The model knows nothing of it: a trace may change what it hands
on.
"""

import numpy as np

from gptlite.layers import Array
from gptlite.training.gradients import Tape

PLACES = ("embed", "attn.weights", "attn.out", "mlp.out")


class DropoutTrace(Tape):
    """A tape that hands on some arrays with part of their numbers struck out.

    ``masks`` holds what each was multiplied with: 0 with probability ``rate``, else
    ``1 / (1 - rate)``, so that sums keep their expected size.

    Raises:
        ValueError: the rate is not in [0, 1).
    """

    def __init__(self, rate: float, rng: np.random.Generator) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"dropout must lie in [0, 1), not {rate}")
        self.rate = rate
        self.rng = rng

    def record(self, prefix: str, name: str, array: Array) -> Array:
        """Where dropout has its places, keep and hand on a thinned copy."""
        if name not in PLACES:
            return super().record(prefix, name, array)
        mask = self.masks[prefix + name] = self.mask(array.shape)
        thinned = array * mask
        # The gradient of softmax needs the weights as softmax made them.
        super().record(prefix, name, array if name == "attn.weights" else thinned)
        return thinned

    def mask(self, shape: tuple[int, ...]) -> Array:
        """A mask of that shape, drawn anew."""
        mask = (self.rng.random(shape, np.float32) >= self.rate).astype(np.float32)
        mask *= 1.0 / (1.0 - self.rate)
        return mask
