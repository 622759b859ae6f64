"""GPT-2: token ids in, scores for the next token out.

The ids become vectors, which go up a stack of decoder blocks (block.py). At the top each vector is
compared with every token's embedding: the resulting scores are the logits. Shapes are in the
notation of block.py; ``n_vocab`` is the number of tokens that the model knows.

Radford et al. 2019 (GPT-2), section 2.3; Alammar, "The Illustrated GPT-2".
"""

import os
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gptlite.block import Weights, decoder_block
from gptlite.cache import KVCache, no_cache
from gptlite.call import checked_call
from gptlite.checks import check_kind, checked_parameters
from gptlite.config import GPTConfig, parameter_shapes
from gptlite.fast.underflow import rounds_to_zero
from gptlite.gpt1 import post_norm_block
from gptlite.layers import Array, layer_norm, linear
from gptlite.trace import Trace, recorder
from gptlite.tree import parameter_tree


class GPT:
    """A GPT-2: its sizes and its weights.

    Attributes:
        config: the sizes.
        parameters: ``{name: array}`` in the order of the forward pass, named as in Hugging Face's
            files. The mapping is read-only; the arrays in it may be changed in place.
        blocks: the same arrays, as one tree per block: ``blocks[0]["ln_1"]["weight"]``.
        wte, wpe: the embeddings of tokens, ``[n_vocab, n_embd]``, and of positions,
            ``[n_ctx, n_embd]``.
        ln_f: gain, shift and epsilon of the last layer norm; empty for GPT-1.
        block: the function that runs a block: ``block.decoder_block``, or ``gpt1.post_norm_block``.
        lm_head: the output layer, ``[n_vocab, n_embd]``: ``wte`` again, or a matrix of its own.
    """

    def __init__(self, config: GPTConfig, parameters: Mapping[str, Array]) -> None:
        """Take the arrays as they are, without copying. Matrices may be float16 (fast/memory.py).

        Raises:
            TypeError: not a ``GPTConfig``, or not a mapping.
            ValueError: a parameter is missing, unknown, or not of the expected shape and kind.
        """
        check_kind("config", config, GPTConfig)
        self.config = config
        self.parameters = MappingProxyType(checked_parameters(parameter_shapes(config), parameters))
        parts = parameter_tree(config, self.parameters)
        self.blocks: list[Weights] = [parts["h"][str(i)] for i in range(config.n_layer)]
        self.wte: Array = parts["wte"]["weight"][: config.n_vocab]  # [n_vocab, n_embd]
        self.wpe: Array = parts["wpe"]["weight"]  # [n_ctx, n_embd]
        self.ln_f: Weights = parts.get("ln_f", {})
        self.block = post_norm_block if config.post_norm else decoder_block
        lm_head = parts.get("lm_head", parts["wte"])
        self.lm_head: Array = lm_head["weight"][: config.n_vocab]  # [n_vocab, n_embd]

    def __repr__(self) -> str:
        return f"GPT({self.config}, {self.config.n_params:,} parameters)"

    def __reduce__(self) -> tuple[Any, ...]:  # for pickle and copy, which know no mapping proxy
        return type(self), (self.config, dict(self.parameters))

    @rounds_to_zero
    def __call__(
        self,
        ids: ArrayLike,
        cache: KVCache | None = None,
        trace: Trace | None = None,
        attention_mask: ArrayLike | None = None,
        logits_to_keep: int | None = None,
    ) -> Array:
        """Compute the logits: for each position, a score for every token that may come next.

        Article: "What is a Language Model" and "A Deeper Look Inside". Ids may stand for anything
        that comes in finitely many kinds. Article: "Music Generation".

        Args:
            ids: token ids, int ``[seq]`` or ``[batch, seq]``.
            cache: the positions computed before, which ``ids`` continue; the new positions are
                added to the cache.
            trace: where to keep every intermediate array.
            attention_mask: ``[batch, total]``, 1 for tokens and 0 for the padding on their left;
                positions are counted from the first token of each row.
            logits_to_keep: for how many of the last positions to compute logits; None for all.

        Returns:
            Logits, float32 ``[batch, kept, n_vocab]``; ``kept`` is ``logits_to_keep`` or ``seq``.

        Raises:
            TypeError, ValueError, ContextOverflowError: see ``call.checked_call``; also, an edit
                of the trace names no array or gives another shape.
        """
        # [batch, kept, n_embd]
        x = self.top_of_stack(ids, cache, trace, attention_mask, logits_to_keep)
        logits = recorder(trace)("logits", self.unembed(x))  # [batch, kept, n_vocab]
        if cache is not None:  # last: an interrupted call leaves the cache as it was
            cache.length += np.shape(ids)[-1]
        return logits

    @rounds_to_zero
    def top_of_stack(
        self,
        ids: ArrayLike,
        cache: KVCache | None = None,
        trace: Trace | None = None,
        attention_mask: ArrayLike | None = None,
        keep: int | None = None,
    ) -> Array:
        """Send the ids up the stack of blocks: a whole call except for the logits.

        Arguments and errors are those of a call; ``keep`` is its ``logits_to_keep``. The new
        positions are stored in the cache, but its ``length`` stays: a call is not over here.

        Returns:
            The vectors at the top, normed, of the last ``keep`` positions:
            ``[batch, kept, n_embd]``.
        """
        call = checked_call(self.config, ids, cache, trace, attention_mask, keep)
        record = recorder(trace)
        x = record("embed", self.embed(call.ids, call.positions))  # [batch, seq, n_embd]
        for i, p in enumerate(self.blocks):
            remember = no_cache if cache is None else partial(cache.append, i)
            record_block = recorder(trace, f"h.{i}.")
            # [batch, seq, n_embd]
            x = self.block(x, p, self.config.n_head, call.padding, remember, record_block)
        if keep is not None:
            x = x[:, -keep:]  # [batch, kept, n_embd]
        return record("ln_f", self.last_norm(x))  # [batch, kept, n_embd]

    def last_norm(self, x: Array) -> Array:
        """Apply the layer norm at the top of the stack, ``[..., n_embd]``; GPT-1 has none."""
        return layer_norm(x, **self.ln_f) if self.ln_f else x  # [..., n_embd]

    def embed(self, ids: NDArray[Any], positions: NDArray[Any]) -> Array:
        """Add a vector for the token and one for its position: ``[batch, seq, n_embd]``.

        Article: "Input Encoding". Each position has a learned row in ``wpe``, where the transformer
        of 2017 used sine waves.

        Args:
            ids: ``[batch, seq]``.
            positions: ``[seq]`` or ``[batch, seq]``.
        """
        x: Array = self.wte[ids] + self.wpe[positions]  # [batch, seq, n_embd]
        return x

    def unembed(self, x: Array) -> Array:
        """Compare each vector with every token's embedding: ``[..., n_embd] -> [..., n_vocab]``.

        Article: "Model Output". In GPT-2 the input embedding serves again as the output layer: the
        weights are tied.
        """
        return linear(x, self.lm_head.T)  # [..., n_vocab]

    @classmethod
    def init(cls, config: GPTConfig, seed: int = 0) -> "GPT":
        """Make an untrained model with the weights of ``training.initial.initial_parameters``."""
        from gptlite.training.initial import initial_parameters

        return cls(config, initial_parameters(config, seed))

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str] | None = None,
        dtype: str = "float32",
        n_head: int | None = None,
    ) -> "GPT":
        """Load a trained model. Arguments and errors: see ``gptlite.load``."""
        from gptlite.checkpoints import read_checkpoint
        from gptlite.download import locate

        return cls(*read_checkpoint(locate(name_or_path), dtype, n_head))

    def save_pretrained(
        self, directory: str | os.PathLike[str], dtype: str = "float32", format: str = "hub"
    ) -> None:
        """Write weights and sizes. Arguments and errors: see ``checkpoints.write_checkpoint``."""
        from gptlite.checkpoints import write_checkpoint

        write_checkpoint(directory, self.config, self.parameters, dtype, format)
