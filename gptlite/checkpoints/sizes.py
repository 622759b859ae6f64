"""The five sizes of a model, which each format states under names of its own."""

from collections.abc import Mapping

from gptlite.checkpoints.strict_json import shown
from gptlite.config import GPTConfig
from gptlite.errors import CheckpointError


def read_sizes(options: Mapping[str, object], keys: Mapping[str, str], where: str) -> GPTConfig:
    """Read a configuration from a file's options.

    Args:
        keys: OpenAI's name for each size (``n_vocab``, ...) -> the file's name for it.
        where: the file, for error messages.

    Raises:
        CheckpointError: sizes are missing, not positive integers, or do not fit together.
    """
    missing = [key for key in keys.values() if key not in options]
    if missing:
        raise CheckpointError(f"{where}: missing {' and '.join(missing)}")
    sizes: dict[str, int] = {}
    for field, key in keys.items():
        size = options[key]
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise CheckpointError(
                f"{where}: {key}: expected a positive integer, found {shown(size)}"
            )
        sizes[field] = size
    try:
        return GPTConfig(**sizes)
    except ValueError as error:
        raise CheckpointError(f"{where}: {error}") from None
