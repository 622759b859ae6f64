"""From the names in a file to the names in memory.

A parameter's name in memory is its name in OpenAI's models on the Hugging Face hub, such as
``h.0.attn.c_attn.weight``; ``config.parameter_shapes`` lists these names with their shapes. Files
may differ from that list, and this file knows every difference that is allowed:

- OpenAI's own checkpoints say ``model/h0/attn/c_attn/w``, with a leading axis of 1 on matrices.
- transformers calls GPT-1's embeddings ``tokens_embed`` and ``positions_embed``.
- Wrappers put prefixes in front, keep the causal masks as if they were weights, and write the tied
  output layer a second time.
- nanoGPT, minGPT and llm.c store a linear layer as ``[n_out, n_in]``, so it has to be transposed;
  nanoGPT also trains models without biases.

Any other difference is refused.
"""

import math
import re
from collections.abc import Mapping
from os.path import isfile
from pathlib import Path
from typing import NamedTuple

from gptlite.checkpoints.stored import Shape
from gptlite.checkpoints.strict_json import shown
from gptlite.config import GPTConfig, parameter_shapes
from gptlite.errors import CheckpointError

# The output layer. In GPT-2 it is wte.weight again ("tied"); minGPT's is a parameter of its own.
LM_HEAD = "lm_head.weight"
# transformers' names of GPT-1's two embeddings -> GPT-2's.
GPT1_NAMES = {"tokens_embed.weight": "wte.weight", "positions_embed.weight": "wpe.weight"}
# A classifier's head: transformers' GPT2ForSequenceClassification has it in place of lm_head.
SCORE = "score.weight"
# A model with one of these tensors is one of transformers' classes for another task.
_HEADS = {
    SCORE: "GPT2ForSequenceClassification",
    "classifier.weight": "GPT2ForTokenClassification",
    "qa_outputs.weight": "GPT2ForQuestionAnswering",
    "multiple_choice_head.summary.weight": "GPT2DoubleHeadsModel",
}

# Wrappers put these in front: GPT2LMHeadModel, Lightning and others, DataParallel, torch.compile.
_PREFIXES = re.compile(r"^(?:(?:transformer|model|module|_orig_mod)\.)+")
_BLOCK = re.compile(r"h\.([0-9]+)\.")
# Not an optimizer's variable, whose name goes on after that.
_OPENAI = re.compile(r"model/(?:h([0-9]+)/)?((?:[a-z]+/)?(?:c_[a-z]+|ln_[12f]))/([wbg])")
_OPENAI_TABLE = re.compile(r"model/(w[tp]e)")
_LINEAR = re.compile(r"\.c_(?:attn|fc|proj)\.weight$")


class FileTensor(NamedTuple):
    """The tensor in a file from which a parameter is read.

    Attributes:
        name: its name in the file.
        transposed: True if the file has its axes the other way round.
    """

    name: str
    transposed: bool = False


def match_names(
    found: Mapping[str, Shape], config: GPTConfig, where: str
) -> dict[str, FileTensor | None]:
    """Say which tensor of a file is which parameter, by the ecosystem's names.

    Args:
        found: name in the file -> shape, for every tensor of the file.
        where: the file, for error messages.

    Returns:
        Parameter name -> its tensor in the file, in the order of ``parameter_shapes``; None for
        the biases of a model without biases (they are 0). Last comes ``lm_head.weight``, if the
        file has it, even where ``config`` says that it is tied. Causal masks are left out.

    Raises:
        CheckpointError: the file and ``config`` differ in the number of blocks; a tensor is
            missing, appears twice, is not one of GPT-2's, or has the wrong shape.
    """
    names = parameter_names(found, where)
    # Checked first, so that n_layer = 10**12 in a config.json does not make a table that long.
    n_layer = count_blocks(names)
    if n_layer != config.n_layer:
        others = f": {_first_of(list(found))}" if found and not n_layer else ""
        raise CheckpointError(
            f"{where}: expected {config.n_layer} blocks (n_layer), found tensors of {n_layer}"
            f"{others}"
        )
    expected = parameter_shapes(config)
    without_biases = not any(name.endswith(".bias") for name in names)
    missing = [
        name
        for name in expected
        if name not in names and not (without_biases and name.endswith(".bias"))
    ]
    if missing:
        raise CheckpointError(f"{where}: missing {_first_of(missing)}")
    if LM_HEAD in names:
        expected[LM_HEAD] = expected["wte.weight"]
    unexpected = [in_file for name, in_file in names.items() if name not in expected]
    if unexpected:
        raise CheckpointError(
            f"{where}: {_first_of(unexpected)} not part of a GPT-2{_hint(names, where)}"
        )
    # attn.c_proj is square and cannot tell, so the first c_attn speaks for the whole file.
    c_attn = found[names["h.0.attn.c_attn.weight"]]
    transposed = c_attn == (3 * config.n_embd, config.n_embd)
    matched: dict[str, FileTensor | None] = {}
    for name, shape in expected.items():
        if name not in names:
            matched[name] = None
            continue
        turned = transposed and _LINEAR.search(name) is not None
        in_file = shape[::-1] if turned else shape
        if found[names[name]] != in_file:
            raise CheckpointError(
                f"{where}: tensor {shown(names[name])}: expected shape {list(in_file)}, "
                f"found {shown(list(found[names[name]]))}"
            )
        matched[name] = FileTensor(names[name], turned)
    return matched


def match_openai_names(
    found: Mapping[str, Shape], config: GPTConfig, where: str
) -> dict[str, FileTensor | None]:
    """Say which variable of a TensorFlow checkpoint is which parameter, by OpenAI's names.

    Arguments and result are those of ``match_names``. Variables that are not parameters are left
    out.

    Raises:
        CheckpointError: the file and ``config`` differ in the number of blocks; a variable is
            missing or has the wrong shape.
    """
    # Checked first: no table may outgrow the file's, and no model may be read without its end.
    names = openai_parameter_names(found, where)
    n_layer = count_blocks(names)
    if n_layer != config.n_layer:
        raise CheckpointError(
            f"{where}: expected {config.n_layer} blocks (n_layer), found variables of {n_layer}"
        )
    matched: dict[str, FileTensor | None] = {}
    missing = []
    for name, shape in parameter_shapes(config).items():
        in_file = openai_name(name)
        if in_file not in found:
            missing.append(in_file)
        elif found[in_file] not in (shape, (1, *shape)):
            raise CheckpointError(
                f"{where}: tensor {shown(in_file)}: expected shape {list(shape)} "
                f"or {[1, *shape]}, found {shown(list(found[in_file]))}"
            )
        matched[name] = FileTensor(in_file)
    if missing:
        raise CheckpointError(f"{where}: missing {_first_of(missing)}")
    return matched


def openai_parameter_names(found: Mapping[str, Shape], where: str) -> dict[str, str]:
    """Map parameter names to names in a TensorFlow checkpoint; other variables are left out."""
    names: dict[str, str] = {}
    for in_file in found:
        if table := _OPENAI_TABLE.fullmatch(in_file):
            names[f"{table[1]}.weight"] = in_file
        elif match := _OPENAI.fullmatch(in_file):
            block = f"h.{match[1]}." if match[1] else ""
            leaf = "bias" if match[3] == "b" else "weight"
            names[f"{block}{match[2].replace('/', '.')}.{leaf}"] = in_file
    return names


def openai_name(name: str) -> str:
    """Translate a parameter's name to the one in OpenAI's checkpoints.

    >>> openai_name("h.0.attn.c_attn.weight"), openai_name("ln_f.weight"), openai_name("wte.weight")
    ('model/h0/attn/c_attn/w', 'model/ln_f/g', 'model/wte')
    """
    path = name.split(".")
    leaf = path.pop()
    if path[0] == "h":
        path[:2] = [f"h{path[1]}"]
    if path[-1] in ("wte", "wpe"):
        return f"model/{path[0]}"
    gain = path[-1].startswith("ln_")
    path.append("b" if leaf == "bias" else "g" if gain else "w")
    return "/".join(["model", *path])


def parameter_names(found: Mapping[str, Shape], where: str) -> dict[str, str]:
    """Map parameter names, without prefixes, to names in the file; causal masks are left out.

    Raises:
        CheckpointError: two tensors are the same parameter.
    """
    names: dict[str, str] = {}
    for in_file, shape in found.items():
        name = _PREFIXES.sub("", in_file)
        name = GPT1_NAMES.get(name, name)
        if _is_mask(name, shape):
            continue
        if name in names:
            raise CheckpointError(
                f"{where}: tensors {shown(names[name])} and {shown(in_file)} are both {name!r}"
            )
        names[name] = in_file
    return names


def count_blocks(names: Mapping[str, str]) -> int:
    """Count the decoder blocks that the parameters' names belong to."""
    return len({match[1] for match in map(_BLOCK.match, names) if match})


def _is_mask(name: str, shape: Shape) -> bool:
    """Say whether a tensor is an attention layer's constant buffer, and not a weight."""
    block = _BLOCK.match(name)
    leaf = name[block.end() :] if block else ""
    is_number = math.prod(shape) <= 1  # in some files of no axis, in some of one of length 1 or 0
    return (leaf == "attn.bias" and len(shape) == 4) or (leaf == "attn.masked_bias" and is_number)


def _hint(names: Mapping[str, str], where: str) -> str:
    """Say what a model with tensors besides a GPT-2's is, and how to open it."""
    kind = next((_HEADS[name] for name in names if name in _HEADS), None)
    if kind is None:
        return ""
    if SCORE in names and isfile(Path(where).with_name("task.json")):
        return (
            ": the directory holds a classifier, "
            "to be opened with gptlite.finetune.FineTuned.from_pretrained"
        )
    return (
        f": the file holds transformers' {kind}; to use the language model in it, open it there as "
        "a GPT2LMHeadModel and save that"
    )


def _first_of(names: list[str]) -> str:
    """Show the first of several names, and say how many more there are."""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"tensor {shown(names[0])}{more}"
