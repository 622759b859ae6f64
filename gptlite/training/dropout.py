"""Dropout: in training, numbers are dropped at random so that none can be relied on alone.

Srivastava et al. 2014. GPT-2 has it in three places (GPT-1 paper, section 4.1, "residual,
embedding, and attention dropouts"): the sum of the embeddings, the attention weights, and what each
sub-layer adds to the residual stream. The model knows nothing about dropout: a trace may change
what it passes on.
"""

import math

import numpy as np
from numpy.typing import NDArray

from gptlite.checks import check_range
from gptlite.layers import Array
from gptlite.training.tape import Tape

PLACES = ("embed", "attn.weights", "attn.out", "mlp.out")


class DropoutTrace(Tape):
    """A tape that passes on some arrays with some of their numbers dropped.

    Each number is multiplied by 0 with probability ``rate``, else by ``1 / (1 - rate)``, so that
    sums keep their expected size.

    Attributes:
        kept: which numbers were kept, by the array's name: a bit for each, eight to a byte, and the
            array's shape. As float32 the masks of the attention weights would take as much memory
            as the weights themselves: 0.6 GB for a row of 1024 tokens in GPT-2 small.

    Raises:
        ValueError: the rate is not in [0, 1).
    """

    def __init__(self, rate: float, rng: np.random.Generator) -> None:
        super().__init__()
        check_range("dropout", rate, 0, 1, "[)")
        self.rate = rate
        self.rng = rng
        self.kept: dict[str, tuple[NDArray[np.uint8], tuple[int, ...]]] = {}

    def record(self, prefix: str, name: str, array: Array) -> Array:
        """Pass on a thinned copy, and keep it, in the places where dropout acts."""
        if name not in PLACES:
            return super().record(prefix, name, array)  # [...]
        mask = self.mask(array.shape)  # [...]
        self.kept[prefix + name] = np.packbits(mask != 0), array.shape  # [bytes]
        thinned = array * mask  # [...]
        # The gradient of softmax needs the weights as softmax made them.
        super().record(prefix, name, array if name == "attn.weights" else thinned)
        return thinned

    def mask(self, shape: tuple[int, ...]) -> Array:
        """Draw a mask of that shape: 0 where a number is dropped, else ``1 / (1 - rate)``."""
        return self.scaled(self.rng.random(shape, np.float32) >= self.rate)  # [...]

    def pop_mask(self, name: str) -> Array:
        """Return the mask that an array was multiplied by, and free its bits."""
        bits, shape = self.kept.pop(name)  # [bytes]
        kept = np.unpackbits(bits, count=math.prod(shape)).reshape(shape)  # [...]
        return self.scaled(kept.view(np.bool_))  # [...]

    def scaled(self, kept: NDArray[np.bool_]) -> Array:
        """Make the mask that keeps these numbers."""
        mask = kept.astype(np.float32)  # [...]
        mask *= 1.0 / (1.0 - self.rate)
        return mask
