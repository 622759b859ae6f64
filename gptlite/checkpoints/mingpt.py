"""minGPT's config.json, which describes a training run: system, data, model and trainer.

It states the model's sizes if the user gave them; otherwise ``model_type`` is the name of a size,
and what remains to be known is in the shapes of the tensors.
"""

from collections.abc import Mapping

from gptlite.checkpoints.sizes import read_size
from gptlite.checkpoints.strict_json import shown
from gptlite.errors import CheckpointError

# mingpt/model.py, in GPT.__init__.
N_HEAD = {
    "openai-gpt": 12,
    "gpt2": 12,
    "gpt2-medium": 16,
    "gpt2-large": 20,
    "gpt2-xl": 25,
    "gopher-44m": 16,
    "gpt-mini": 6,
    "gpt-micro": 4,
    "gpt-nano": 3,
}


def is_mingpt(options: Mapping[str, object]) -> bool:
    """Say whether a config.json is one of minGPT's."""
    return isinstance(options.get("model"), dict) and isinstance(options.get("trainer"), dict)


def read_n_head(options: Mapping[str, object], where: str) -> int:
    """Read the number of attention heads, which the shapes of the tensors do not tell.

    Args:
        where: the file, for error messages.

    Raises:
        CheckpointError: neither the number is stated nor a name that minGPT has.
    """
    model = options["model"]
    assert isinstance(model, dict)
    if model.get("n_head") is not None:
        return read_size(model["n_head"], f"{where}: model: n_head")
    model_type = model.get("model_type")
    if not isinstance(model_type, str) or model_type not in N_HEAD:
        raise CheckpointError(
            f"{where}: model: expected n_head, or a model_type of minGPT's ({', '.join(N_HEAD)}), "
            f"found {shown(model_type)}"
        )
    return N_HEAD[model_type]
