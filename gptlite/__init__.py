"""gptlite: GPT-2 in pure NumPy, to read and to run.

    import gptlite
    from gptlite.generate import generate

    model, tokenizer = gptlite.load()
    print(generate(model, tokenizer, "Once upon a time", seed=0))

The reading path, in order: config, tokenizer, layers, model, sampling, generate.
"""

import os

from gptlite.config import GPTConfig
from gptlite.errors import CheckpointError, ContextOverflowError, DownloadError
from gptlite.model import GPT, KVCache, Trace
from gptlite.tokenizer import Tokenizer

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


def load(name_or_path: str | os.PathLike[str] | None = None) -> tuple[GPT, Tokenizer]:
    """A trained model with its tokenizer: the storyteller that ships (None), or a directory's.

    Raises:
        ValueError: an unknown name.
        CheckpointError: a file is missing, damaged, or the two do not belong together.
    """
    tokenizer = Tokenizer.from_pretrained(name_or_path)
    model = GPT.from_pretrained(name_or_path)
    if tokenizer.n_vocab != model.config.n_vocab:
        raise CheckpointError(
            f"{name_or_path or 'storyteller'}: the vocabulary has {tokenizer.n_vocab} tokens, "
            f"the model {model.config.n_vocab}"
        )
    return model, tokenizer
