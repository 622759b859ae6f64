"""The cache: keys and values of the positions already read, so that none is computed twice.

A position's key and value depend only on the tokens up to that position, and those do not change
as the text goes on. So a new token needs its own query, key and value, and the keys and values of
all the tokens before it: nothing else from the past is ever needed.
"""

from gptlite.checks import check_int, check_kind
from gptlite.config import GPTConfig
from gptlite.fast.memory import reserved
from gptlite.layers import Array


class KVCache:
    """Keys and values of every block, for up to ``n_ctx`` positions.

    Article: "Evaluation Time: Processing One Token at a Time".

    Attributes:
        keys, values: ``[n_layer, batch, head, n_ctx, head_dim]``; the first ``length`` positions
            are in use.
        length: number of positions held. Setting it lower forgets the last ones.
    """

    def __init__(self, config: GPTConfig, batch: int = 1) -> None:
        check_kind("config", config, GPTConfig)
        check_int("batch", batch, least=1)
        shape = (config.n_layer, batch, config.n_head, config.n_ctx, config.head_dim)
        self.keys = reserved(shape)  # [n_layer, batch, head, n_ctx, head_dim]
        self.values = reserved(shape)  # [n_layer, batch, head, n_ctx, head_dim]
        self.config = config
        self.batch = batch
        self.length = 0

    def copy(self) -> "KVCache":
        """Copy what is held, so that two texts can go on from the same beginning."""
        copy = KVCache(self.config, self.batch)
        copy.keys[..., : self.length, :] = self.keys[..., : self.length, :]
        copy.values[..., : self.length, :] = self.values[..., : self.length, :]
        copy.length = self.length
        return copy

    def append(self, layer: int, k: Array, v: Array) -> tuple[Array, Array]:
        """Store the new keys and values of one block, and return all there are so far.

        ``[batch, head, seq, head_dim] -> [batch, head, total, head_dim]``, for both.
        """
        start, total = self.length, self.length + k.shape[2]
        self.keys[layer, :, :, start:total] = k
        self.values[layer, :, :, start:total] = v
        keys = self.keys[layer, :, :, :total]  # [batch, head, total, head_dim]
        values = self.values[layer, :, :, :total]  # [batch, head, total, head_dim]
        return keys, values


def no_cache(k: Array, v: Array) -> tuple[Array, Array]:
    """Stand in for ``append`` where there is no cache: the new positions are all there are."""
    return k, v
