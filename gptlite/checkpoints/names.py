"""From the names in a file to the names in memory.

A parameter's name in memory is its name in OpenAI's models on the Hugging Face hub, such as
``h.0.attn.c_attn.weight``; the table of them, with their shapes, is ``config.parameter_shapes``.
Files saved by others vary: they put prefixes in front, keep the causal masks as if they were
weights, and write the tied output embedding a second time. ``match_names`` sees through that; any
other difference is refused.
"""

import re
from collections.abc import Mapping

from gptlite.checkpoints.strict_json import shown
from gptlite.config import GPTConfig, parameter_shapes
from gptlite.errors import CheckpointError

Shape = tuple[int, ...]

# The output embedding. In GPT-2 it is wte.weight again ("tied"), so not a parameter of its own.
LM_HEAD = "lm_head.weight"

# What wrappers put in front: GPT2LMHeadModel, Lightning and others, DataParallel, torch.compile.
_PREFIXES = re.compile(r"^(?:(?:transformer|model|module|_orig_mod)\.)+")
_BLOCK = re.compile(r"h\.([0-9]+)\.")


def match_names(found: Mapping[str, Shape], config: GPTConfig, source: str) -> dict[str, str]:
    """Which tensor of a file is which parameter.

    Args:
        found: name in the file -> shape, for every tensor of the file.
        source: the file, for the message of an error.

    Returns:
        Parameter name -> name in the file, in the order of ``parameter_shapes``; last comes
        ``lm_head.weight``, if the file has it. Causal masks are left out.

    Raises:
        CheckpointError: the file has another number of blocks than ``config``; a tensor is
            missing, is there twice, is not one of GPT-2's, or has another shape than it should.
    """
    names: dict[str, str] = {}
    for in_file, shape in found.items():
        name = _PREFIXES.sub("", in_file)
        if _is_mask(name, shape):
            continue
        if name in names:
            raise CheckpointError(
                f"{source}: tensors {shown(names[name])} and {shown(in_file)} are both {name!r}"
            )
        names[name] = in_file

    # Before parameter_shapes: a config.json with n_layer = 10**12 must not make a table that long.
    n_layer = len({match[1] for match in map(_BLOCK.match, names) if match})
    if n_layer != config.n_layer:
        raise CheckpointError(
            f"{source}: expected {config.n_layer} blocks (n_layer), found tensors of {n_layer}"
        )
    expected = parameter_shapes(config)
    missing = [name for name in expected if name not in names]
    if missing:
        raise CheckpointError(f"{source}: missing {_listed(missing)}")
    if LM_HEAD in names:
        expected[LM_HEAD] = expected["wte.weight"]
    unexpected = [in_file for name, in_file in names.items() if name not in expected]
    if unexpected:
        raise CheckpointError(f"{source}: {_listed(unexpected)} not part of a GPT-2")
    for name, shape in expected.items():
        if found[names[name]] != shape:
            raise CheckpointError(
                f"{source}: tensor {shown(names[name])}: expected shape {list(shape)}, "
                f"found {shown(list(found[names[name]]))}"
            )
    return {name: names[name] for name in expected}


def _is_mask(name: str, shape: Shape) -> bool:
    """Whether this is a buffer of an attention layer: a constant, not a weight."""
    block = _BLOCK.match(name)
    leaf = name[block.end() :] if block else ""
    return (leaf == "attn.bias" and len(shape) == 4) or (leaf == "attn.masked_bias" and shape == ())


def _listed(names: list[str]) -> str:
    """The first of several names, and how many more there are."""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"tensor {shown(names[0])}{more}"
