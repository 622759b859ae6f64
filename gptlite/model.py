"""GPT-2: token ids in, scores for the next token out.

``GPT.__call__`` embeds the ids, sends them up a stack of decoder blocks and compares what comes out
at the top with every token's embedding. A block is masked self-attention and then a two-layer
network (MLP), each reading a normed copy of the residual stream ``x`` and adding its answer to it.

Shapes, on every line that makes an array:

    batch     sequences computed side by side
    seq       positions computed in this call
    total     positions that can be attended to: those in the cache, then the ``seq`` new ones
    head      attention heads; head * head_dim = n_embd
    n_embd    width of the residual stream
    n_vocab   tokens

Radford et al. 2019 (GPT-2), section 2.3; Alammar, "The Illustrated GPT-2".
"""

import math
import os
from collections.abc import Callable, Mapping
from functools import partial
from mmap import ACCESS_COPY, mmap
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gptlite.config import GPTConfig, parameter_shapes
from gptlite.errors import ContextOverflowError
from gptlite.layers import Array, gelu, layer_norm, linear, matmul, softmax
from gptlite.trace import Record, Trace, unrecorded

Weights = Mapping[str, Array]
Append = Callable[[Array, Array], tuple[Array, Array]]  # new k, v -> k, v of all positions

# GPT-2's own "minus infinity" for scores that must not count. Being finite, it gives no NaN in rows
# of padding, which may look at nothing.
MASKED = -1e10

# Queries whose scores are made together where nobody keeps them: so few that the scores of all
# heads stay in the processor's cache. It saves a fifth of the time of a prompt of 1,024 tokens.
QUERIES = 64


class KVCache:
    """Keys and values of the positions already computed, so that none is computed twice.

    Article: "Evaluation Time: Processing One Token at a Time". The room for ``n_ctx`` positions is
    reserved at once; a step writes its own positions and copies nothing.

    Attributes:
        keys, values: ``[n_layer, batch, head, n_ctx, head_dim]``; ``length`` positions are valid.
        length: number of positions held.
    """

    def __init__(self, config: GPTConfig, batch: int = 1) -> None:
        if batch < 1:
            raise ValueError(f"a cache needs a batch of at least 1, not {batch}")
        shape = (config.n_layer, batch, config.n_head, config.n_ctx, config.head_dim)
        self.keys = reserved(shape)  # [n_layer, batch, head, n_ctx, head_dim]
        self.values = reserved(shape)  # [n_layer, batch, head, n_ctx, head_dim]
        self.config = config
        self.batch = batch
        self.length = 0

    def append(self, layer: int, k: Array, v: Array) -> tuple[Array, Array]:
        """Write one block's new positions, ``[batch, head, seq, head_dim]``; give views of all.

        Returns:
            Keys and values, ``[batch, head, total, head_dim]``.
        """
        start, total = self.length, self.length + k.shape[2]
        self.keys[layer, :, :, start:total] = k
        self.values[layer, :, :, start:total] = v
        return self.keys[layer, :, :, :total], self.values[layer, :, :, :total]


def reserved(shape: tuple[int, ...]) -> Array:
    """An array that takes up memory only where it has been written, page by page.

    ``np.empty`` asks for pages of 2 MB, of which the first token would touch every one: 629 MB of
    gpt2-xl's cache, of which it needs 10.
    """
    memory = mmap(-1, 4 * math.prod(shape), access=ACCESS_COPY)
    return np.frombuffer(memory, np.float32).reshape(shape)


# ---- Masked self-attention ----------------------------------------------------------------------


def split_heads(x: Array, n_head: int) -> Array:
    """``[batch, seq, n_embd] -> [batch, head, seq, head_dim]``, a view.

    Article: "GPT-2 Self-attention: 1.5- Splitting into attention heads".
    """
    batch, seq, n_embd = x.shape
    return x.reshape(batch, seq, n_head, n_embd // n_head).swapaxes(1, 2)


def queries_keys_values(x: Array, p: Weights, n_head: int) -> tuple[Array, Array, Array]:
    """One multiplication by ``c_attn`` makes query, key and value of every head of every position.

    Article: "1- Create Query, Key, and Value Vectors" and "GPT-2 Self-attention: 1- Creating
    queries, keys, and values".

    Returns:
        Three views ``[batch, head, seq, head_dim]``.
    """
    qkv = linear(x, p["attn.c_attn.weight"], p["attn.c_attn.bias"])  # [batch, seq, 3 * n_embd]
    n_embd = x.shape[-1]
    q, k, v = (qkv[..., i * n_embd : (i + 1) * n_embd] for i in range(3))  # [batch, seq, n_embd]
    return split_heads(q, n_head), split_heads(k, n_head), split_heads(v, n_head)


def causal_mask(seq: int, total: int) -> NDArray[np.bool_]:
    """Which positions each new one may look at: itself and those before it.

    Article: "The Decoder Block" and "The Illustrated Masked Self-Attention". Counted from the lower
    right corner: the last new position is the last of all, whatever came before from a cache.

    Returns:
        ``[seq, total]``, True where looking is allowed.

    >>> causal_mask(2, 4).astype(int).tolist()
    [[1, 1, 1, 0], [1, 1, 1, 1]]
    """
    return np.tri(seq, total, total - seq, dtype=bool)


def additive_mask(seq: int, total: int, attention_mask: NDArray[np.bool_] | None) -> Array | None:
    """What to add to the scores: 0 where looking is allowed, ``MASKED`` elsewhere.

    Article: "The Illustrated Masked Self-Attention".

    Args:
        attention_mask: ``[batch, total]``, False at padding.

    Returns:
        ``[seq, total]`` or ``[batch, 1, seq, total]``; None where nothing is masked, as when a
        single new position looks back on all the others.
    """
    if attention_mask is None and seq == 1:
        return None
    allowed = causal_mask(seq, total)  # [seq, total]
    if attention_mask is not None:
        allowed = allowed & attention_mask[:, None, None, :]  # [batch, 1, seq, total]
    return np.where(allowed, np.float32(0), np.float32(MASKED))


def attention_scores(q: Array, k: Array, mask: Array | None) -> Array:
    """How much each new position wants of each position: query times key, scaled, masked.

    Article: "2- Score" and "GPT-2 Self-attention: 2- Scoring". Without ``1/sqrt(head_dim)``
    (Vaswani et al. 2017, section 3.2.1), which the article leaves out, the softmax of long vectors'
    products would all but pick one position.

    Args:
        q: ``[batch, head, seq, head_dim]``.
        k: ``[batch, head, total, head_dim]``.
        mask: what ``additive_mask`` gave, or its last columns where the first are zeros; None lets
            every position look at all.

    Returns:
        ``[batch, head, seq, total]``.
    """
    # Scaling the queries is less work than scaling the scores.
    scores: Array = (q * q.shape[-1] ** -0.5) @ k.swapaxes(-1, -2)  # [batch, head, seq, total]
    if mask is not None:
        scores[..., -mask.shape[-1] :] += mask
    return scores


def weighted_values(weights: Array, v: Array) -> Array:
    """Each position's mixture of values, the heads side by side again.

    Article: "3- Sum", "GPT-2 Self-attention: 3- Sum" and "GPT-2 Self-attention: 3.5- Merge
    attention heads".

    Args:
        weights: ``[batch, head, seq, total]``.
        v: ``[batch, head, total, head_dim]``.

    Returns:
        ``[batch, seq, n_embd]``.
    """
    batch, n_head, seq, _ = weights.shape
    z = np.empty((batch, seq, n_head * v.shape[-1]), v.dtype)  # [batch, seq, n_embd]
    # Every head writes its product into its own columns, which merges them without a copy.
    np.matmul(weights, v, out=split_heads(z, n_head))
    return z


def attention(
    x: Array,
    p: Weights,
    config: GPTConfig,
    mask: Array | None,
    append: Append | None,
    record: Record,
) -> Array:
    """Masked self-attention: each position gathers what it needs from those before it.

    Article: "Self-Attention Recap", "Self-Attention Process", "GPT-2 Masked Self-Attention" and
    "GPT-2 Self-attention: 4- Projecting"; with ``mask`` None every position looks at all.
    Article: "The Encoder Block" and "Self-Attention (without masking)".
    ``[batch, seq, n_embd] -> [batch, seq, n_embd]``.
    """
    q, k, v = queries_keys_values(x, p, config.n_head)  # [batch, head, seq, head_dim]
    if append is not None:
        k, v = append(k, v)  # [batch, head, total, head_dim]
    q, k, v = record("attn.q", q), record("attn.k", k), record("attn.v", v)
    seq, total = q.shape[2], k.shape[2]
    z = np.empty_like(x)  # [batch, seq, n_embd]
    step = QUERIES if record is unrecorded else seq
    for start in range(0, seq, step):
        end = min(start + step, seq)
        # The keys after these are hidden from all of these queries: no scores are made for them.
        seen = total if mask is None else total - seq + end
        # Those before the queries are hidden from none, if there is no padding.
        open_to_all = 0 if mask is None or mask.ndim > 2 else total - seq + start
        rows = None if mask is None else mask[..., start:end, open_to_all:seen]
        scores = attention_scores(q[:, :, start:end], k[:, :, :seen], rows)
        scores = record("attn.scores", scores)  # [batch, head, queries, seen]
        in_place = scores if record is unrecorded else None  # overwritten where nobody keeps them
        weights = record("attn.weights", softmax(scores, out=in_place))  # as the scores
        z[:, start:end] = weighted_values(weights, v[:, :, :seen])
    z = record("attn.z", z)
    # Projecting: the heads' findings, mixed.
    out = linear(z, p["attn.c_proj.weight"], p["attn.c_proj.bias"])  # [batch, seq, n_embd]
    return record("attn.out", out)


# ---- The rest of the block, and the stack -------------------------------------------------------


def mlp(x: Array, p: Weights, record: Record) -> Array:
    """Each position by itself: out to four times the width, a bend, and back.

    Article: "GPT-2 Fully-Connected Neural Network: Layer #1" and "GPT-2 Fully-Connected Neural
    Network: Layer #2 - Projecting to model dimension".
    ``[batch, seq, n_embd] -> [batch, seq, n_embd]``.
    """
    fc = linear(x, p["mlp.c_fc.weight"], p["mlp.c_fc.bias"])  # [batch, seq, 4 * n_embd]
    fc = record("mlp.fc", fc)
    in_place = fc if record is unrecorded else None  # overwritten where nobody keeps it
    bent = record("mlp.gelu", gelu(fc, out=in_place))  # [batch, seq, 4 * n_embd]
    out = linear(bent, p["mlp.c_proj.weight"], p["mlp.c_proj.bias"])  # [batch, seq, n_embd]
    return record("mlp.out", out)


def decoder_block(
    x: Array,
    p: Weights,
    config: GPTConfig,
    mask: Array | None,
    append: Append | None,
    record: Record,
) -> Array:
    """One decoder block: the stream, plus attention's answer, plus the MLP's answer.

    Article: "The Evolution of the Transformer Block", "The Decoder-Only Block" and "A journey up
    the Stack".
    ``[batch, seq, n_embd] -> [batch, seq, n_embd]``.
    """
    # Every array: [batch, seq, n_embd].
    epsilon = config.layer_norm_epsilon
    normed = record("ln_1", layer_norm(x, p["ln_1.weight"], p["ln_1.bias"], epsilon))
    x = record("mid", x + attention(normed, p, config, mask, append, record))
    normed = record("ln_2", layer_norm(x, p["ln_2.weight"], p["ln_2.bias"], epsilon))
    return record("out", x + mlp(normed, p, record))


class GPT:
    """A GPT-2: its sizes and its weights.

    Attributes:
        config: the sizes.
        parameters: ``{name: array}`` in the order of the forward pass, named as in the ecosystem's
            files. The mapping is read-only; the arrays in it may be changed in place.
    """

    def __init__(self, config: GPTConfig, parameters: Mapping[str, Array]) -> None:
        """Take the arrays as they are, without a copy.

        Args:
            config: the sizes.
            parameters: float32 arrays; matrices may be float16, which halves the memory and costs
                time: each is widened to float32 as it is used.

        Raises:
            ValueError: a parameter is missing, unknown, or not of the expected shape and kind.
        """
        shapes = parameter_shapes(config)
        if parameters.keys() != shapes.keys():
            names = sorted(parameters.keys() ^ shapes.keys())
            raise ValueError(f"parameters missing or unknown: {', '.join(names[:5])}")
        for name, shape in shapes.items():
            array = parameters[name]
            half = array.dtype == np.float16 and len(shape) == 2
            if array.shape != shape or not (half or array.dtype == np.float32):
                found = f"{array.dtype} {list(array.shape)}"
                raise ValueError(f"{name}: expected float32 {list(shape)}, found {found}")
        self.config = config
        self.parameters: Mapping[str, Array] = MappingProxyType({n: parameters[n] for n in shapes})
        # The same arrays block by block, so that a block's code need not know its number.
        self.blocks: list[Weights] = []
        for at in (f"h.{i}." for i in range(config.n_layer)):
            names = [name for name in shapes if name.startswith(at)]
            self.blocks.append({name.removeprefix(at): parameters[name] for name in names})

    def __call__(
        self,
        ids: ArrayLike,
        cache: KVCache | None = None,
        trace: Trace | None = None,
        attention_mask: ArrayLike | None = None,
        logits_to_keep: int | None = None,
    ) -> Array:
        """Scores for the token after each position.

        Article: "What is a Language Model" and "A Deeper Look Inside". Ids may stand for anything
        of which there is a finite number. Article: "Music Generation".

        Args:
            ids: token ids, int ``[seq]`` or ``[batch, seq]``.
            cache: positions computed before, which ``ids`` continue; the new ones are added to it.
            trace: where to keep every intermediate array.
            attention_mask: ``[batch, total]``, 1 for tokens and 0 for padding on their left;
                positions are counted from the first token of each row.
            logits_to_keep: compute the scores of only so many last positions.

        Returns:
            Logits, float32 ``[batch, seq, n_vocab]``.

        Raises:
            TypeError: ids are not integers.
            ValueError: no ids, an id out of range, a shape that does not fit the cache or mask, or
                an edit that names no array or gives another shape.
            ContextOverflowError: more positions than ``n_ctx``.
        """
        if logits_to_keep is not None and logits_to_keep < 1:
            raise ValueError(f"logits_to_keep must be at least 1, not {logits_to_keep}")
        x = self.top(ids, cache, trace, attention_mask, logits_to_keep)  # [batch, seq, n_embd]
        logits = self.unembed(x)  # [batch, seq, n_vocab]
        return logits if trace is None else trace.record("", "logits", logits)

    def top(
        self,
        ids: ArrayLike,
        cache: KVCache | None = None,
        trace: Trace | None = None,
        attention_mask: ArrayLike | None = None,
        keep: int | None = None,
    ) -> Array:
        """What comes out at the top of the stack, normed: a call as far as it goes without logits.

        Args, Raises: as for a call; ``keep`` is its ``logits_to_keep``.

        Returns:
            ``[batch, seq, n_embd]``, seq cut to the last ``keep`` positions.
        """
        ids = self._checked(ids, cache)  # [batch, seq]
        batch, seq = ids.shape
        total = seq if cache is None else cache.length + seq
        padding, positions = None, np.arange(total)  # [total]
        if attention_mask is not None:
            padding = np.asarray(attention_mask).astype(bool)  # [batch, total]
            if padding.shape != (batch, total):
                found = list(padding.shape)
                raise ValueError(f"attention_mask: expected shape {[batch, total]}, found {found}")
            positions = np.maximum(padding.cumsum(axis=1) - 1, 0)  # [batch, total]
        mask = additive_mask(seq, total, padding)  # [seq, total] or [batch, 1, seq, total]

        if trace is not None:
            trace.check(self.config.n_layer)
        record = unrecorded if trace is None else partial(trace.record, "")
        x = record("embed", self.embed(ids, positions[..., -seq:]))  # [batch, seq, n_embd]
        for i, block in enumerate(self.blocks):
            of_block = unrecorded if trace is None else partial(trace.record, f"h.{i}.")
            append = None if cache is None else partial(cache.append, i)
            x = decoder_block(x, block, self.config, mask, append, of_block)
        if cache is not None:
            cache.length = total
        if keep is not None:
            x = x[:, -keep:]  # [batch, seq, n_embd], seq cut to its end
        gain, shift = self.parameters["ln_f.weight"], self.parameters["ln_f.bias"]
        return record("ln_f", layer_norm(x, gain, shift, self.config.layer_norm_epsilon))

    def embed(self, ids: NDArray[Any], positions: NDArray[Any]) -> Array:
        """Which token, plus which position: the vector that starts up the stack.

        Article: "Input Encoding". GPT-2's positions are learned (a row of ``wpe`` each), not waves.

        Args:
            ids: ``[batch, seq]``.
            positions: ``[seq]`` or ``[batch, seq]``, counted from 0.

        Returns:
            ``[batch, seq, n_embd]``.
        """
        x: Array = self.parameters["wte.weight"][ids]  # [batch, seq, n_embd]
        if x.dtype == np.float16:
            x = x.astype(np.float32)  # [batch, seq, n_embd]
        x += self.parameters["wpe.weight"][positions]
        return x

    def unembed(self, x: Array) -> Array:
        """Compare a vector with every token's embedding: ``[..., n_embd] -> [..., n_vocab]``.

        Article: "Model Output". The input embedding serves again (tied weights).
        """
        wte = self.parameters["wte.weight"]  # [n_vocab, n_embd]
        logits = matmul(x.reshape(-1, x.shape[-1]), wte.T)  # [rows, n_vocab]
        return logits.reshape(*x.shape[:-1], wte.shape[0])

    def _checked(self, ids: ArrayLike, cache: KVCache | None) -> NDArray[np.integer[Any]]:
        """The ids as ``[batch, seq]``, or the error that names what is wrong with them."""
        array = np.asarray(ids)
        if array.size == 0:
            raise ValueError("no token ids: give at least one (an empty text has <|endoftext|>)")
        if not np.issubdtype(array.dtype, np.integer):
            raise TypeError(f"token ids must be integers, not {array.dtype}")
        if array.ndim not in (1, 2):
            raise ValueError(f"token ids must be [seq] or [batch, seq], not {list(array.shape)}")
        array = np.atleast_2d(array)  # [batch, seq]
        for bad in (array.min(), array.max()):
            if not 0 <= bad < self.config.n_vocab:
                raise ValueError(f"token id {bad} is outside 0 to {self.config.n_vocab - 1}")
        room = self.config.n_ctx
        if cache is not None:
            if cache.config != self.config:
                raise ValueError("the cache was made for another model")
            if cache.batch != array.shape[0]:
                raise ValueError(f"the cache holds a batch of {cache.batch}, not {array.shape[0]}")
            room -= cache.length
        if array.shape[1] > room:
            held = "" if cache is None else f", of which the cache holds {cache.length}"
            raise ContextOverflowError(
                f"{array.shape[1]} tokens do not fit: the model has {self.config.n_ctx} "
                f"positions{held}, so {room} fit"
            )
        return array

    @classmethod
    def init(cls, config: GPTConfig, seed: int = 0) -> "GPT":
        """An untrained model, its weights drawn as OpenAI's code draws them.

        Normal with standard deviation 0.02 (0.01 for positions), biases 0, gains 1. Matrices that
        write to the residual stream are smaller by ``1/sqrt(2 * n_layer)``, so that the stream does
        not grow with depth (GPT-2 paper, section 2.3).
        """
        rng = np.random.default_rng(seed)
        parameters: dict[str, Array] = {}
        for name, shape in parameter_shapes(config).items():
            if name.endswith("bias"):
                parameters[name] = np.zeros(shape, np.float32)
            elif len(shape) == 1:
                parameters[name] = np.ones(shape, np.float32)
            else:
                std = 0.01 if name == "wpe.weight" else 0.02
                if name.endswith("c_proj.weight"):
                    std /= (2 * config.n_layer) ** 0.5
                parameters[name] = rng.standard_normal(shape, np.float32)
                parameters[name] *= std
        return cls(config, parameters)

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | os.PathLike[str] | None = None, dtype: str = "float32"
    ) -> "GPT":
        """Load a trained model.

        Args:
            name_or_path: None for the storyteller that ships; ``"gpt2"``, ``"gpt2-medium"``,
                ``"gpt2-large"`` or ``"gpt2-xl"`` for OpenAI's, fetched once; a directory; or a file
                of weights: safetensors, PyTorch, TensorFlow or llm.c.
            dtype: "float32", or "float16" to keep matrices in half the memory, computing in float32
                all the same: slower, and logits differ by about a thousandth of their range.

        Raises:
            ValueError: an unknown name, or another dtype.
            CheckpointError: a file is missing or not what it should be.
            DownloadError: a file could not be fetched.
        """
        from gptlite.checkpoints import locate, read_checkpoint

        return cls(*read_checkpoint(locate(name_or_path), dtype))

    def save_pretrained(
        self, directory: str | os.PathLike[str], dtype: str = "float32", format: str = "hub"
    ) -> None:
        """Write the model's weights and sizes.

        Args:
            directory: made if it is not there.
            dtype: "float32", or "float16" for files of half the size.
            format: "hub" for ``config.json`` and ``model.safetensors``, as Hugging Face
                transformers has them; "openai" for ``hparams.json`` and a TensorFlow checkpoint.

        Raises:
            ValueError: another dtype or format.
            FileExistsError: format "openai", and the directory holds weights in the hub's form or
                PyTorch's, which would be read in place of these.
            OSError: the directory cannot be written.
        """
        from gptlite.checkpoints import write_checkpoint

        write_checkpoint(directory, self.config, self.parameters, dtype, format)
