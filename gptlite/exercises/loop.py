"""Exercise: the loop of auto-regression."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gptlite.exercises.exercise import Case, Exercise, Mistake
from gptlite.exercises.samples import (
    N_VOCAB,
    PROMPT,
    storyteller,
)
from gptlite.generate import generate_tokens
from gptlite.sampling import Sampler

Model = Callable[..., Any]
END = 0  # the toys' end of text
N_NEW = 5  # tokens of the storyteller's
MOST = 40  # tokens, more than any case asks for


def rows_of(ids: Any) -> Any:
    """Read ids as ``[batch, seq]``.

    Raises:
        RuntimeError: there are so many that a loop must have forgotten to end.
    """
    ids = np.atleast_2d(np.asarray(ids))  # [batch, seq]
    if ids.shape[-1] > MOST:
        raise RuntimeError(f"the loop goes on and on: more than {MOST} tokens")
    return ids


def counting(ids: Any) -> Any:
    """Stand in for a model: after n comes n + 1, after the last token the end."""
    ids = rows_of(ids)  # [batch, seq]
    return 5.0 * np.eye(N_VOCAB, dtype=np.float32)[(ids + 1) % N_VOCAB]  # [batch, seq, n_vocab]


def adding(ids: Any) -> Any:
    """Stand in for a model that reads the whole text: the next token is 1 plus a sum of it."""
    ids = rows_of(ids)  # [batch, seq]
    following = 1 + ids.cumsum(axis=-1) % (N_VOCAB - 1)  # [batch, seq]
    return -2 + np.eye(N_VOCAB, dtype=np.float32)[following]  # [batch, seq, n_vocab]


def reading(ids: Any) -> Any:
    """Call the storyteller: ``[batch, seq, n_vocab]``."""
    model, _ = storyteller()
    return model(rows_of(ids))


def loop_cases() -> list[Case]:
    """Make toys that count and that add, one that comes to an end, and take the storyteller."""
    model, tokenizer = storyteller()
    ids = [tokenizer.eot, *tokenizer.encode(PROMPT)]
    steps = generate_tokens(model, [ids], Sampler(temperature=0), N_NEW)
    expected = [int(step.ids[0]) for step in steps]
    if tokenizer.eot in expected:
        expected = expected[: expected.index(tokenizer.eot)]
    return [
        Case("a model that counts, ids [3, 4], n_new 5, end 0", (counting, [3, 4], 5, END)),
        Case("a model that adds up, ids [2, 3], n_new 7, end 0", (adding, [2, 3], 7, END)),
        Case("a model that adds up, ids [4, 1, 6], n_new 1, end 0", (adding, [4, 1, 6], 1, END)),
        Case("a model that counts, ids [8], n_new 9, end 0", (counting, [8], 9, END)),
        Case("a model that counts, ids [8, 9], n_new 0, end 0", (counting, [8, 9], 0, END)),
        Case(
            f"the storyteller, {len(ids)} ids, n_new {N_NEW}",
            (reading, ids, N_NEW, tokenizer.eot),
            expected,
        ),
    ]


def loop(
    model: Model, ids: Any, n_new: int, end: int, pick: Any = None, read: Any = None
) -> list[int]:
    """Read, choose, append, and again.

    Args:
        pick: chooses from the logits, ``[seq, n_vocab]``.
        read: gives the part of the text that the model reads.
    """
    pick = pick or (lambda logits: int(logits[-1].argmax()))
    text, new = list(ids), []
    for _ in range(n_new):
        chosen = pick(np.asarray(model(read(text) if read else text))[0])
        if chosen == end:
            break
        text.append(chosen)
        new.append(chosen)
    return new


AUTO_REGRESS = Exercise(
    loop,
    loop_cases,
    (
        Mistake(
            lambda m, ids, n, end: loop(m, ids, n, -1),
            "the loop does not stop at the end token: a text that is over goes on.",
        ),
        Mistake(
            lambda m, ids, n, end: loop(m, ids, 10 * MOST, end),
            "n_new is not used: it writes until the end token comes, and that may be never.",
        ),
        Mistake(
            lambda m, ids, n, end: [
                *(new := loop(m, ids, n, end)),
                *([end] if len(new) < n else []),
            ],
            "the end token is in the result; it ends the text, and is no part of it.",
        ),
        Mistake(
            lambda m, ids, n, end: [*ids, *loop(m, ids, n, end)],
            "the prompt is in the result; only the new tokens were asked for.",
        ),
        Mistake(
            lambda m, ids, n, end: loop(m, ids, n, end, read=lambda text: text[-1:]),
            "the model reads the last token alone. Without a cache it must be given the whole "
            "text each time.",
        ),
        Mistake(
            lambda m, ids, n, end: loop(m, ids, n, end, read=lambda text: text[: len(ids)]),
            "the new token does not join the text: the same token is chosen again and again. The "
            "model has to be asked anew after each token, and be given the text with it.",
        ),
        Mistake(
            lambda m, ids, n, end: loop(m, ids, n, end, pick=lambda x: int(x[0].argmax())),
            "the token is chosen from the logits of the first position; those of the last one say "
            "what comes next.",
        ),
        Mistake(
            lambda m, ids, n, end: loop(m, ids, n, end, pick=lambda x: int(x[-1].argmin())),
            "the least likely token is chosen.",
        ),
        Mistake(
            lambda m, ids, n, end: loop(m, ids, n, end, pick=lambda x: int(x.argmax())),
            "the position is counted as if it were part of the token's id: argmax ran over all "
            "positions. Take the last one's logits first.",
        ),
        *(
            Mistake(
                lambda m, ids, n, end, more=more: loop(m, ids, max(0, n + more), end),
                f"there is one token too {word}: count the turns of the loop.",
            )
            for more, word in ((1, "many"), (-1, "few"))
        ),
        Mistake(
            lambda m, ids, n, end: loop(m, ids, n - len(ids), end),
            "n_new counts the prompt too; it is the number of tokens to add.",
        ),
    ),
)
