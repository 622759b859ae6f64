"""gptlite: GPT-2 in pure NumPy, to read and to run.

>>> import gptlite
>>> from gptlite.generate import generate
>>> model, tokenizer = gptlite.load()
>>> generate(model, tokenizer, "Once upon a time", max_new_tokens=3, temperature=0)
' there was a'

The reading path, in order: config, tokenizer, layers, trace, model, sampling, generate.
"""

import os

from gptlite.config import GPTConfig
from gptlite.errors import CheckpointError, ContextOverflowError, DownloadError
from gptlite.model import GPT, KVCache
from gptlite.tokenizer import Tokenizer
from gptlite.trace import Trace

__version__ = "0.1.0"

__all__ = [
    "GPT",
    "CheckpointError",
    "ContextOverflowError",
    "DownloadError",
    "GPTConfig",
    "KVCache",
    "Tokenizer",
    "Trace",
    "load",
]


def load(
    name_or_path: str | os.PathLike[str] | None = None, dtype: str = "float32"
) -> tuple[GPT, Tokenizer]:
    """A trained model with its tokenizer.

    Args:
        name_or_path: None for the storyteller that ships; ``"gpt2"``, ``"gpt2-medium"``,
            ``"gpt2-large"`` or ``"gpt2-xl"`` for OpenAI's models, fetched once (also called
            small, medium, large, xl; 124M, 355M, 774M, 1558M; 117M, 345M; ``"gpt2@main"``: at
            that revision of the hub); a directory; or a file of weights: safetensors, PyTorch,
            TensorFlow or llm.c. Where a model of GPT-2's vocabulary has no tokenizer beside it,
            GPT-2's is taken.
        dtype: "float32", or "float16" for half the memory: see ``GPT.from_pretrained``.

    Raises:
        ValueError: an unknown name, or another dtype.
        CheckpointError: a file is missing, damaged, or the two do not belong together.
        DownloadError: a file could not be fetched.
    """
    from gptlite.checkpoints import locate
    from gptlite.checkpoints.vocabulary import has_vocabulary

    place = locate(name_or_path)
    beside = has_vocabulary(place)
    if beside:  # a bad one is found before the long work
        tokenizer = Tokenizer.from_pretrained(place)
    model = GPT.from_pretrained(place, dtype)
    if not beside:
        if model.config.n_vocab == GPTConfig.preset("gpt2").n_vocab:
            from gptlite.checkpoints.download import fetch_tokenizer

            place = fetch_tokenizer()
        tokenizer = Tokenizer.from_pretrained(place)
    if tokenizer.n_vocab != model.config.n_vocab:
        raise CheckpointError(
            f"{name_or_path or 'storyteller'}: the vocabulary has {tokenizer.n_vocab} tokens, "
            f"the model {model.config.n_vocab}"
        )
    return model, tokenizer
