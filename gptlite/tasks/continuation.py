"""Continuations: what the tasks whose answer the model writes have in common."""

from collections.abc import Collection
from typing import NamedTuple

from gptlite.checks import check_int
from gptlite.errors import ContextOverflowError
from gptlite.generate import GrowingText, generate_tokens
from gptlite.model import GPT
from gptlite.sampling import Sampler
from gptlite.tasks.score import Overflow
from gptlite.tokenizer import Tokenizer

GREEDY = Sampler(temperature=0)


class Continuation(NamedTuple):
    """A text that the model wrote, and how likely the model found that text.

    Attributes:
        text: the text, without white space around it.
        logprob: log-probability of all its tokens in nats, its end included. It tells the answers
            that the model is sure of from the others.
    """

    text: str
    logprob: float


def continuation(
    model: GPT,
    tokenizer: Tokenizer,
    ids: list[int],
    max_new_tokens: int,
    sampler: Sampler = GREEDY,
    seed: int | None = None,
    stop: Collection[str] = (),
) -> Continuation:
    """Continue token ids up to a stop string, ``<|endoftext|>``, or ``max_new_tokens``.

    Raises:
        ContextOverflowError, TypeError, ValueError: see ``gptlite.generate.generate_tokens``.
    """
    from tqdm import tqdm

    growing, pieces, logprob = GrowingText(tokenizer, stop), [], 0.0
    steps = generate_tokens(model, [ids], sampler, max_new_tokens, seed)
    bar = tqdm(steps, total=max_new_tokens, desc="writing", unit="token", leave=False, disable=None)
    for step in bar:
        pieces.append(growing.add(int(step.ids[0])))
        logprob += float(step.logprobs[0])
        if growing.ended:
            break
    pieces.append(growing.end())
    return Continuation("".join(pieces).strip(), logprob)


def with_document(
    model: GPT,
    tokenizer: Tokenizer,
    document: str,
    rest: str,
    max_new_tokens: int,
    overflow: Overflow,
    keep_end: bool,
) -> list[int]:
    """Encode a document and the rest of the prompt after it, leaving room for an answer.

    Args:
        document: white space at its end is left out.
        rest: begins with a line feed, so that no token belongs to both it and the document.
        overflow: "cut" leaves out part of a document that is too long, but never any of the rest.
        keep_end: True to leave out the document's beginning, False to leave out its end.

    Raises:
        ContextOverflowError: the prompt does not fit; with "cut", the rest alone does not.
        TypeError, ValueError: an argument is not what it should be.
    """
    if overflow not in ("error", "cut"):
        raise ValueError(f"overflow must be 'error' or 'cut', not {overflow!r}")
    check_int("max_new_tokens", max_new_tokens, least=1)
    document = document.rstrip()
    ids, after = tokenizer.encode(document), tokenizer.encode(rest if document else rest.lstrip())
    n_ctx = model.config.n_ctx
    room = n_ctx - max_new_tokens - len(after)
    if len(ids) > room:
        if overflow == "error" or room < 0:
            raise ContextOverflowError(
                f"the prompt has {len(ids) + len(after)} tokens and {max_new_tokens} are to be "
                f"written: the context holds {n_ctx}"
            )
        ids = ids[len(ids) - room :] if keep_end else ids[:room]
    return [*ids, *after] or [tokenizer.eot]
