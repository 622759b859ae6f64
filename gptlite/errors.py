"""The errors gptlite raises beyond Python's own ValueError and TypeError.

Each message is one line that names the thing that was wrong, what was found and what was expected.
"""


class CheckpointError(Exception):
    """A file of a model or a tokenizer is missing, damaged, or not what it should be."""


class DownloadError(Exception):
    """A file could not be fetched, or what came is not what was asked for."""


class ContextOverflowError(ValueError):
    """More tokens than the model has positions for (``config.n_ctx``)."""
