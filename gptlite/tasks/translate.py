"""Translation, asked for by examples: lines of ``sentence = its translation``."""

from collections.abc import Sequence

from gptlite.model import GPT
from gptlite.tasks.continuation import continuation, with_document
from gptlite.tasks.sentences import sentences
from gptlite.tokenizer import Tokenizer


def translate(
    model: GPT,
    tokenizer: Tokenizer,
    sentence: str,
    examples: Sequence[tuple[str, str]] = (),
    max_new_tokens: int = 64,
) -> str:
    """Translate a sentence: the first sentence that a model writes, greedily, after ``sentence =``.

    Article: "Machine Translation". There a model is trained on rows of source, delimiter and
    target. Here it must infer the task from the examples in the prompt (GPT-2 paper, section 3.7:
    5 BLEU from English to French, 11.5 the other way).

    Args:
        examples: sentences with their translations, one pair a line.
        max_new_tokens: the translation ends with its line, or after this many tokens.

    Raises:
        ContextOverflowError: examples, sentence and translation do not fit in ``n_ctx``.
        TypeError, ValueError: an argument is not what it should be.
    """
    lines = "".join(f"{source} = {target}\n" for source, target in examples)
    ids = with_document(
        model, tokenizer, "", f"{lines}{sentence} =", max_new_tokens, "error", keep_end=True
    )
    written = continuation(model, tokenizer, ids, max_new_tokens, stop=["\n"])
    return "".join(sentences(written.text)[:1])
