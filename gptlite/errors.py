"""The errors that gptlite raises besides Python's own ValueError and TypeError.

Each message is one line: it names the thing that is wrong, what was found and what was expected.
"""


class CheckpointError(Exception):
    """A file of a model or a tokenizer is missing, damaged, or not what it should be."""


class DownloadError(Exception):
    """A file could not be fetched, or is not the one that was asked for."""


class ContextOverflowError(ValueError):
    """More tokens than the model has positions for (``config.n_ctx``)."""
