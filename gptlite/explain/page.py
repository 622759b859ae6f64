"""The page for a browser that shows one text in a model: a single HTML file, complete in itself.

It is the lab's page (``gptlite/lab/page/``) with the answers of the lab's engine in the file: those
about one text, asked beforehand. Of a large model the file has room for some blocks only
(``kept_blocks``), and says which.
"""

import json
from typing import Any

from gptlite.config import GPTConfig
from gptlite.lab.engine import Engine
from gptlite.lab.html import single_page
from gptlite.lab.steps import STEPS
from gptlite.model import GPT
from gptlite.tokenizer import Tokenizer
from gptlite.trace import BLOCK_STEPS

BUDGET = 7_000_000  # bytes of the page for the arrays of all the blocks it shows
POINTS = 1000  # random numbers for drawing the next token


def page(
    model: GPT,
    tokenizer: Tokenizer,
    text: str,
    name: str = "the storyteller",
    eot: bool = True,
) -> bytes:
    """Write the page about one text: a whole HTML file in UTF-8, the same bytes for the same input.

    Args:
        text: the text that the model reads, at most ``lab.request.MAX_TOKENS`` tokens.
        name: what the page calls the model, and what ``gptlite lab --model`` is to be given for it.
        eot: True if ``<|endoftext|>`` stands before the text.

    Raises:
        ValueError: the text is empty, has too many tokens, or a lone surrogate; or the model is a
            GPT-1.
    """
    engine, reading = Engine(model, tokenizer, name), {"text": text, "eot": eot}
    read = asked(engine, "read", **reading)
    about = asked(engine, "model")
    blocks = kept_blocks(model.config, len(read["ids"]))
    about |= {"blocks": blocks, "notes": left_out(model.config, blocks)}
    for way in ("walk", "tour"):
        about[way] = [stop for stop in about[way] if block_of(stop) in (None, *blocks)]
    answers = {"model": about, "read": read, "lens": asked(engine, "lens", **reading)}
    names = ["embed", "wte", "wpe", "ln_f", f"h.{model.config.n_layer - 1}.out"]
    for i in blocks:
        names += [f"h.{i - 1}.out"] if i else []
        names += [f"h.{i}.{step}" for step in (*BLOCK_STEPS, "attn.unmasked")]
    answers["arrays"] = asked(engine, "arrays", **reading, names=sorted(set(names)))["arrays"]
    points = asked(engine, "points", seed=0, start=0, n=POINTS)["points"]
    return single_page({**reading, "answers": answers, "points": points}, text)


def asked(engine: Engine, kind: str, **fields: Any) -> dict[str, Any]:
    """Ask the engine.

    Raises:
        ValueError: it refuses; the message is its sentence.
    """
    answer: dict[str, Any] = json.loads(engine.answer(json.dumps({"kind": kind, **fields})))
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer


def block_of(stop: str) -> int | None:
    """Give the block that a stop of the walk is in, or None.

    >>> block_of("h.3.mid"), block_of("ln_f")
    (3, None)
    """
    return None if stop in STEPS else int(stop.split(".")[1])


# ---- What is left out ---------------------------------------------------------------------------


def kept_blocks(config: GPTConfig, seq: int) -> list[int]:
    """Pick as many blocks as the page has room for, evenly spread, both ends included.

    >>> kept_blocks(GPTConfig.preset("gpt2"), seq=64)
    [0, 11]
    """
    # Bytes of one block: float32, a third longer in base64.
    of_stream, of_heads = 8 * config.n_embd + 2 * config.n_inner, 3 * config.n_head * seq
    each = seq * (of_stream + 3 * config.n_embd + of_heads) * 4 * 4 // 3
    keep = min(config.n_layer, max(2, BUDGET // each))
    last = config.n_layer - 1
    return sorted({round(i * last / max(1, keep - 1)) for i in range(keep)})


def left_out(config: GPTConfig, blocks: list[int]) -> list[str]:
    """Say which blocks of a large model are on the page; nothing for a small one."""
    if len(blocks) == config.n_layer:
        return []
    return [
        f"Of this model’s {config.n_layer} blocks, the page has room for {len(blocks)}: "
        f"{enumeration(blocks)}. The logit lens has them all."
    ]


def enumeration(numbers: list[int]) -> str:
    """Write numbers as in a sentence.

    >>> enumeration([0, 3, 7])
    '0, 3 and 7'
    """
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}" if most else last
