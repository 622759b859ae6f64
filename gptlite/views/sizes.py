"""Views of a model's size: its parameters counted, and OpenAI's four sizes side by side."""

import math

from gptlite.config import PRESETS, GPTConfig, parameter_shapes
from gptlite.model import GPT
from gptlite.views.table import Cell, Table


def parameter_table(model: GPT | GPTConfig | str) -> Table:
    """Count the parameters: each of one block, then the totals.

    Article: "You've Made It!". The table there is 29,184 numbers short: it prints 768 for the bias
    of ``mlp.c_fc``, which has 3,072, and leaves ``ln_f`` out.

    Args:
        model: a model, a config, or the name of one of OpenAI's sizes.

    Raises:
        TypeError: neither a model nor a config nor a name. ValueError: no size has that name.

    >>> parameter_table("gpt2").rows[-1]
    ['total', '', 124439808]
    """
    if isinstance(model, str):
        model = GPTConfig.preset(model)
    config = model.config if isinstance(model, GPT) else model
    if not isinstance(config, GPTConfig):
        raise TypeError(f"expected a model, its config or a size, not {type(model).__name__}")
    shapes = parameter_shapes(config)
    counts = {name: math.prod(shape) for name, shape in shapes.items()}
    block = [name for name in shapes if name.startswith("h.0.")]
    per_block = sum(counts[name] for name in block)
    rows: list[list[Cell]] = []
    for name in block:
        rows.append([name.replace("h.0.", "h.i."), shape_text(shapes[name]), counts[name]])
    rows.append(["one block", "", per_block])
    rows.append([f"all {config.n_layer} blocks", "", config.n_layer * per_block])
    for name in [name for name in shapes if not name.startswith("h.")]:
        rows.append([name, shape_text(shapes[name]), counts[name]])
    rows.append(["total", "", config.n_params])
    note = "The output layer (lm_head) is a matrix of its own."
    if config.tie_word_embeddings:
        note = "The output embedding is the input embedding (wte), and is counted once."
    return Table("Parameters", ["parameter", "shape", "numbers"], rows, note)


def four_sizes() -> Table:
    """Compare OpenAI's four sizes.

    Article: "Transformers for Language Modeling".
    """
    columns = ["name", "blocks", "width", "heads", "parameters", "float32 bytes"]
    rows: list[list[Cell]] = [
        [name, c.n_layer, c.n_embd, c.n_head, c.n_params, 4 * c.n_params]
        for name, c in PRESETS.items()
    ]
    note = f"All have {PRESETS['gpt2'].n_vocab:,} tokens and {PRESETS['gpt2'].n_ctx:,} positions."
    return Table("The four sizes of GPT-2", columns, rows, note, bar="parameters")


def shape_text(shape: tuple[int, ...]) -> str:
    """Write a shape.

    >>> shape_text((768, 2304))
    '768 × 2,304'
    """
    return " × ".join(f"{size:,}" for size in shape)
