"""Prompts in, continuations out: as text, as text in pieces, and as tokens."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from gptlite.checks import (
    check_int,
    check_kind,
    check_text,
    check_usage,
    checked_length,
    checked_prompts,
    checked_rows,
    checked_stop,
)
from gptlite.generate.growing import GrowingText
from gptlite.generate.loop import Step, auto_regress, slide
from gptlite.generate.speculation import look_ahead
from gptlite.model import GPT
from gptlite.sampling import Sampler
from gptlite.tokenizer import Tokenizer
from gptlite.trace import Edit, Trace


def generate(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str | None = None,
    max_new_tokens: int | None = None,
    temperature: float = 0.7,
    top_k: int = 40,
    top_p: float = 1.0,
    seed: int | None = None,
    repetition_penalty: float = 1.0,
    stop: str | Collection[str] = (),
    overflow: Literal["error", "slide"] = "error",
    speculate: int = 0,
    allowed_special: Collection[str] = (),
    trace: Trace | None = None,
    edits: Mapping[str, Edit] | None = None,
) -> str:
    """Continue a text.

    Article: "Crash Course in Brain Surgery: Looking Inside GPT-2".

    Args:
        prompt: the text; None or "" for ``<|endoftext|>``, after which the model begins a new one.
        max_new_tokens: the most tokens to add; None for 200, or as many as fit if that is fewer.
        temperature, top_k, top_p, repetition_penalty: see ``Sampler``; temperature 0 is greedy.
        seed: the same seed gives the same text; None gives a new one every time.
        stop: strings at which the text ends, as it does at ``<|endoftext|>``; they are left off.
        overflow: past ``n_ctx`` tokens, "error" refuses before any work, "slide" goes on with the
            newer half of the tokens.
        speculate: where the last few tokens have occurred before, guess up to this many next ones
            from what followed then, and check them in one pass. The text stays the same, and comes
            faster where it repeats itself (code, refrains, quotations). 8 is a good number.
        allowed_special: names in the prompt to read as special tokens: see ``Tokenizer.encode``.
        trace: keeps the arrays of the latest step; its edits change every step. Each step reads the
            whole text, without a cache, so that all positions are there, as in a call.
        edits: those of a trace that nobody looks at.

    Returns:
        The continuation, without the prompt. An incomplete character at its end is left off.

    Raises:
        ContextOverflowError: the prompt and the new tokens are more than ``n_ctx``.
        TypeError, ValueError: an argument is not what it should be.
    """
    pieces = stream(
        model,
        tokenizer,
        prompt,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        repetition_penalty=repetition_penalty,
        stop=stop,
        overflow=overflow,
        speculate=speculate,
        allowed_special=allowed_special,
        trace=trace,
        edits=edits,
    )
    return "".join(pieces)


def stream(
    model: GPT, tokenizer: Tokenizer, prompt: str | None = None, **options: Any
) -> Iterator[str]:
    """Continue a text in pieces, as they are made. The options are those of ``generate``."""
    check_text("" if prompt is None else prompt)
    return (piece for [piece] in stream_samples(model, tokenizer, prompt, 1, **options) if piece)


def generate_samples(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str | Sequence[str] | None = None,
    num_samples: int = 1,
    **options: Any,
) -> list[str]:
    """Continue one prompt, or each of a list, ``num_samples`` times, all texts side by side.

    The options are those of ``generate``, whose continuation of a prompt comes first. A list's
    first prompt has its continuations first, then the second. No continuation depends on how many
    there are.
    """
    steps = stream_samples(model, tokenizer, prompt, num_samples, **options)
    return ["".join(pieces) for pieces in zip(*steps, strict=True)]


def stream_samples(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str | Sequence[str] | None = None,
    num_samples: int = 1,
    **options: Any,
) -> Iterator[list[str]]:
    """Yield the next piece of every sample, side by side, until all end; a piece may be ""."""
    return text_pieces(*begin(model, tokenizer, prompt, num_samples, **options))


def begin(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str | Sequence[str] | None = None,
    num_samples: int = 1,
    max_new_tokens: int | None = None,
    seed: int | None = None,
    stop: str | Collection[str] = (),
    overflow: Literal["error", "slide"] = "error",
    speculate: int = 0,
    allowed_special: Collection[str] = (),
    trace: Trace | None = None,
    edits: Mapping[str, Edit] | None = None,
    **sampling: Any,
) -> tuple[Iterator[Step], list[GrowingText]]:
    """Prepare a generation: return its steps, not yet run, and an empty text for each sample."""
    check_usage(generate, model, tokenizer, sampling, Sampler)
    check_int("num_samples", num_samples, least=1)
    stop = checked_stop(stop)
    if edits and trace is not None:
        raise TypeError("edits belong to a trace: give Trace(edits), or edits alone")
    trace = Trace(edits) if edits else trace
    texts = checked_prompts(prompt)
    rows = [tokenizer.encode(text, allowed_special) or [tokenizer.eot] for text in texts]
    prompts = [row for row in rows for _ in range(num_samples)]
    # GPT-1's tokens end a word with a space, where the prompt has none: the continuation has it.
    held = [
        " " if text[-1:].strip() and tokenizer.decode(row[-1:]).endswith(" ") else ""
        for text, row in zip(texts, rows, strict=True)
    ]
    steps = generate_tokens(
        model, prompts, Sampler(**sampling), max_new_tokens, seed, overflow, True, speculate, trace
    )
    return steps, [GrowingText(tokenizer, stop, h) for h in held for _ in range(num_samples)]


def text_pieces(steps: Iterator[Step], texts: list[GrowingText]) -> Iterator[list[str]]:
    """Turn the tokens of each step into text, one piece for each row."""
    for step in steps:
        yield [text.add(token) for text, token in zip(texts, step.ids.tolist(), strict=True)]
        if all(text.ended for text in texts):
            return
    yield [text.end() for text in texts]


def generate_tokens(
    model: GPT,
    prompts: Sequence[ArrayLike],
    sampler: Sampler,
    max_new_tokens: int | None = None,
    seed: int | None = None,
    overflow: Literal["error", "slide"] = "error",
    use_cache: bool = True,
    speculate: int = 0,
    trace: Trace | None = None,
) -> Iterator[Step]:
    """Continue rows of token ids side by side, one ``Step`` at a time.

    The steps go on past ``<|endoftext|>``: the caller decides when to stop.

    Args:
        prompts: the token ids of each row; the rows may differ in length.
        sampler: chooses the next tokens.
        max_new_tokens, overflow, speculate, trace: as for ``generate``; speculation is for a single
            row, and there is none with a trace.
        seed: row i draws from ``np.random.default_rng([seed, i])``, however many rows there are;
            None gives new tokens every time.
        use_cache: keep keys and values instead of computing them again and again.

    Raises:
        ContextOverflowError: a prompt and its new tokens are more than ``n_ctx``.
        TypeError, ValueError: an argument is not what it should be.
    """
    check_kind("sampler", sampler, Sampler)
    rows = checked_rows(prompts, speculate)
    n_new = checked_length(rows, max_new_tokens, overflow, model.config.n_ctx)
    if seed is not None:
        check_int("seed", seed, least=0)
    rngs = [np.random.default_rng(seed if seed is None else [seed, i]) for i in range(len(rows))]
    for row in rows:
        slide(row, model.config.n_ctx)
    if speculate and trace is None:
        return look_ahead(model, rows[0], n_new, sampler, rngs[0], speculate)
    return auto_regress(model, rows, n_new, sampler, rngs, use_cache and trace is None, trace)
