"""Entailment: does one sentence follow from another? Ask, and see which answer is likelier.

The prompt is gptlite's own choice, similar to the GPT-3 paper's (Brown et al. 2020, appendix G).
The GPT-2 paper has no entailment at all, and GPT-1 was fine-tuned for it. Expect little of this
task: to models of this size "True" and "False" are just two words, one more frequent than the
other.
"""

from collections.abc import Mapping
from types import MappingProxyType

from gptlite.layers import softmax
from gptlite.model import GPT
from gptlite.tasks.score import Overflow, score
from gptlite.tokenizer import Tokenizer

ANSWERS = MappingProxyType({"entailment": "True", "contradiction": "False"})


def entail(
    model: GPT,
    tokenizer: Tokenizer,
    premise: str,
    hypothesis: str,
    answers: Mapping[str, str] = ANSWERS,
    overflow: Overflow = "cut",
) -> dict[str, float]:
    """Give each label the probability of the word that stands for it, as shares of 1.

        <premise>
        Question: <hypothesis> True or False?
        Answer:

    Args:
        answers: the word for each label; ``{..., "neutral": "Neither"}`` adds a third.
        overflow: if the prompt is too long, "cut" leaves out its beginning; "error" refuses it.

    Raises:
        ContextOverflowError: see ``score``. TypeError, ValueError: an argument is wrong.
    """
    if len(answers) < 2:
        raise ValueError(f"expected two answers or more to choose from, not {len(answers)}")
    *words, last = answers.values()
    choice = f"{', '.join(words)} or {last}"
    prompt = f"{premise.rstrip()}\nQuestion: {hypothesis} {choice}?\nAnswer:"
    options = [f" {word}" for word in answers.values()]
    found = score(model, tokenizer, prompt, options, overflow=overflow)
    return dict(zip(answers, softmax(found).tolist(), strict=True))
