"""gptlite: GPT-2 in pure NumPy, to read and to run.

>>> import gptlite
>>> from gptlite.generate import generate
>>> model, tokenizer = gptlite.load()
>>> generate(model, tokenizer, "Once upon a time", max_new_tokens=3, temperature=0)
', there was'

The reading path, in order: config, tokenizer, layers, block, model, cache, sampling, generate.
For a single evening: block, model, generate/loop and cache.
"""

import os
import sys

from gptlite.cache import KVCache
from gptlite.config import GPTConfig
from gptlite.errors import CheckpointError, ContextOverflowError, DownloadError
from gptlite.fast.mapping import show_bars_without_thread
from gptlite.model import GPT
from gptlite.tokenizer import Tokenizer
from gptlite.trace import Trace
from gptlite.version import __version__

__all__ = [
    "GPT",
    "CheckpointError",
    "ContextOverflowError",
    "DownloadError",
    "GPTConfig",
    "KVCache",
    "Tokenizer",
    "Trace",
    "__version__",
    "load",
]

if sys.platform == "emscripten":  # in a browser
    show_bars_without_thread()


def load(
    name_or_path: str | os.PathLike[str] | None = None,
    dtype: str = "float32",
    tokenizer: str | os.PathLike[str] | None = None,
    n_head: int | None = None,
) -> tuple[GPT, Tokenizer]:
    """Load a trained model and its tokenizer.

    Args:
        name_or_path: None for the storyteller that ships; ``"gpt2"``, ``"gpt2-medium"``,
            ``"gpt2-large"`` or ``"gpt2-xl"`` for OpenAI's models, fetched once (also called
            small, medium, large, xl; 124M, 355M, 774M, 1558M; 117M, 345M; ``"gpt2@main"`` for
            that revision on the hub); ``"openai-gpt"`` for GPT-1; a directory; or a file of
            weights: safetensors, PyTorch (transformers', nanoGPT's, minGPT's), TensorFlow, llm.c or
            GPT-1's pieces. A model with GPT-2's vocabulary but no tokenizer beside it gets
            GPT-2's.
        dtype: "float32", or "float16" to keep matrices in half the memory. The computation is in
            float32 either way; with float16 weights it is slower, and the logits differ by about a
            thousandth of their range.
        tokenizer: a name or a path to take the tokenizer from, if that is not the model's: see
            ``Tokenizer.from_pretrained``.
        n_head: the number of attention heads, for a model whose files do not say it (makemore's).

    Raises:
        TypeError, ValueError: the name or the dtype is unknown, or ``n_head`` is not an int above
            0.
        CheckpointError: a file is missing or damaged, or model and tokenizer do not fit.
        DownloadError: a file could not be fetched.
    """
    from gptlite.checkpoints import (
        fitted,
        has_vocabulary,
        is_gpt2_size,
        read_checkpoint,
        read_vocabulary,
    )
    from gptlite.download import fetch_tokenizer, locate

    place = locate(name_or_path)
    # A bad tokenizer is found before the slow part.
    found = None if tokenizer is None else Tokenizer.from_pretrained(tokenizer)
    if found is None and has_vocabulary(place):
        found = Tokenizer(*read_vocabulary(place))
    config, parameters = read_checkpoint(place, dtype, n_head)
    if found is None:
        if is_gpt2_size(config):
            place = fetch_tokenizer("gpt2")
        found = Tokenizer(*read_vocabulary(place))
    eot = found.eot if found.has_eot else None
    config = fitted(config, found.n_vocab, eot, str(name_or_path or "storyteller"))
    return GPT(config, parameters), found
