"""The student's own functions, put in the place of gptlite's: do they tell the same story?"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gptlite.alphabet import PATTERN
from gptlite.exercises.examine import examine
from gptlite.exercises.samples import PROMPT, bare, storyteller
from gptlite.exercises.table import FUNCTIONS
from gptlite.exercises.verdict import Verdict
from gptlite.generate import generate_tokens
from gptlite.layers import Array
from gptlite.model import GPT
from gptlite.sampling import Sampler
from gptlite.tokenizer import Tokenizer

NEEDED = ("merged", "layer_norm", "decoder_block", "auto_regress")
N_NEW = 60


def my_gpt(functions: Mapping[str, Any], prompt: str = PROMPT, n_new: int = N_NEW) -> Verdict:
    """Run the storyteller with the student's functions, greedily, and compare with gptlite's.

    ``merged`` cuts the prompt into tokens, ``decoder_block`` and ``layer_norm`` carry it up the
    stack, ``auto_regress`` writes. What those call (``attention``, ``softmax`` and so on) is the
    student's own, too, since they call what their own notebook defines.

    Args:
        functions: the functions by name; in a notebook, ``globals()``.
        prompt: the beginning of the story.
        n_new: how many tokens to write.

    Returns:
        The story, and whether each token of it is the one that gptlite writes.
    """
    missing = [name for name in NEEDED if not callable(functions.get(name))]
    if missing:
        return Verdict(False, "my_gpt", f"first write {', '.join(missing)}.")
    model, tokenizer = storyteller()
    expected = gptlite_s(model, tokenizer, prompt, n_new)
    try:
        ids = [tokenizer.eot, *encoded(functions["merged"], tokenizer, prompt)]
        run = running(model, functions["decoder_block"], functions["layer_norm"])
        found = [int(i) for i in functions["auto_regress"](run, ids, n_new, tokenizer.eot)]
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        return Verdict(False, "my_gpt", f"it stops with {said}.{first_wrong(functions)}")
    if found == expected:
        told = prompt + tokenizer.decode(found)
        words = f"all {len(found)} tokens are gptlite's, and your functions made them:"
        return Verdict(True, "my_gpt", f"{words}\n\n{told}")
    first = next(
        (i for i, pair in enumerate(zip(found, expected, strict=False)) if len({*pair}) > 1),
        min(len(found), len(expected)),
    )
    return Verdict(
        False,
        "my_gpt",
        f"the stories part at new token {first}: expected "
        f"{tokenizer.decode(expected[first : first + 1])!r}, found "
        f"{tokenizer.decode(found[first : first + 1])!r}.{first_wrong(functions)}",
    )


def first_wrong(functions: Mapping[str, Any]) -> str:
    """Say which of the functions is the first that is not right, and why; "" if all are."""
    for name, exercise in FUNCTIONS.items():
        if callable(functions.get(name)):
            verdict = examine(name, exercise, functions[name])
            if not verdict.ok:
                return f"\nThe first function that is not right is {name}: {verdict.words}"
    return ""


def gptlite_s(model: GPT, tokenizer: Tokenizer, prompt: str, n_new: int) -> list[int]:
    """List the tokens that gptlite itself writes, up to the end of the text."""
    ids = [tokenizer.eot, *tokenizer.encode(prompt)]
    steps = generate_tokens(model, [ids], Sampler(temperature=0), n_new)
    new = [int(step.ids[0]) for step in steps]
    return new[: new.index(tokenizer.eot)] if tokenizer.eot in new else new


def encoded(merged: Callable[..., Any], tokenizer: Tokenizer, text: str) -> list[int]:
    """Encode a text with the student's merges."""
    rank = {pair: rank for rank, pair in enumerate(tokenizer.merges)}
    pieces = [piece.encode() for piece in PATTERN.findall(text)]
    return [tokenizer.vocab[token] for piece in pieces for token in merged(piece, rank)[-1]]


def running(
    model: GPT, decoder_block: Callable[..., Any], layer_norm: Callable[..., Any]
) -> Callable[[Any], Array]:
    """Make the function from ids to logits, ``[1, seq, n_vocab]``, with the student's block."""
    blocks, last = [bare(block) for block in model.blocks], bare(model.ln_f)

    def run(ids: Any) -> Array:
        positions = np.arange(len(ids))  # [seq]
        x = model.embed(np.asarray(ids)[None], positions)  # [1, seq, n_embd]
        for p in blocks:
            x = decoder_block(x, p, model.config.n_head)  # [1, seq, n_embd]
        x = layer_norm(x, last["weight"], last["bias"], last["epsilon"])  # [1, seq, n_embd]
        return model.unembed(x)  # [1, seq, n_vocab]

    return run
