"""Winograd schemas: what does a pronoun refer to? Put each candidate in its place.

    The trophy does not fit into the suitcase because it is too big. What is too big?

GPT-1 paper, section 5: the answer is the candidate with which the rest of the sentence, after the
pronoun's place, is likeliest per token (the "partial scoring" of Trinh and Le 2018).
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
    """Put each referent into the gap, and score the rest of the sentence per token.

    Args:
        sentence: the sentence, with one gap in place of the pronoun, and text after the gap.
        referents: the candidates, as they would be written there, for example "the trophy".

    Returns:
        Log-probability, nats per token of the rest, float32 ``[referents]``; the greatest is the
        model's answer.

    Raises:
        ContextOverflowError: the sentence does not fit in ``n_ctx``.
        ValueError: the sentence has no gap or several, or ends with it; there are no referents, or
            one is blank.
    """
    before, after = around_gap(sentence, gap)
    if not after:
        raise ValueError("nothing stands after the gap: there is nothing to score")
    if not all(map(str.strip, referents)):
        raise ValueError("a referent is blank")
    # Referent and rest are read together, but only the rest counts.
    prompt, rows = split(tokenizer, before, [referent + after for referent in referents])
    prompt = fitted(prompt, max(map(len, rows)), model.config.n_ctx, "error")
    n_rest = [len(split(tokenizer, before + word, [after])[1][0]) for word in referents]
    logprobs = option_logprobs(model, prompt, rows)
    means = [row[-n:].mean(dtype=np.float64) for row, n in zip(logprobs, n_rest, strict=True)]
    return np.array(means, np.float32)  # [referents]
