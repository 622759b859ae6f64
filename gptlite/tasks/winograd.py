"""What a pronoun refers to, by putting each candidate in its place: Winograd's schemas.

    The trophy does not fit into the suitcase because it is too big. What is too big?

GPT-1 paper, section 5: the resolution under which the model finds the rest of the sentence, after
the pronoun's place, likeliest per token (the "partial scoring" of Trinh and Le 2018).
"""

from collections.abc import Sequence

import numpy as np

from gptlite.layers import Array
from gptlite.model import GPT
from gptlite.tasks.cloze import around_gap
from gptlite.tasks.score import fitted, option_logprobs, split
from gptlite.tokenizer import Tokenizer


def winograd(
    model: GPT, tokenizer: Tokenizer, sentence: str, referents: Sequence[str], gap: str = "_"
) -> Array:
    """Log-probability per token of what follows the gap, with each referent in the gap.

    Args:
        sentence: with one gap in place of the pronoun, and something after it.
        referents: as they would be written there, "the trophy" say.

    Returns:
        Nats per token, float32 ``[referents]``; the greatest is the model's answer.

    Raises:
        ContextOverflowError: the sentence does not fit in ``n_ctx``.
        ValueError: not one gap, nothing after it, no referents, or a blank one.
    """
    before, after = around_gap(sentence, gap)
    if not after:
        raise ValueError("nothing stands after the gap: there is nothing to score")
    if not all(map(str.strip, referents)):
        raise ValueError("a referent is blank")
    # All of gap and rest are computed side by side; counted is only the rest.
    prompt, rows = split(tokenizer, before, [referent + after for referent in referents])
    prompt = fitted(prompt, max(map(len, rows)), model.config.n_ctx, "error")
    n_rest = [len(split(tokenizer, before + word, [after])[1][0]) for word in referents]
    logprobs = option_logprobs(model, prompt, rows)
    means = [row[-n:].mean(dtype=np.float64) for row, n in zip(logprobs, n_rest, strict=True)]
    return np.array(means, np.float32)  # [referents]
