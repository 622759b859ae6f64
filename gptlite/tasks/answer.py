"""Answers to questions: about a text that stands before them, or from the model's memory."""

from collections.abc import Sequence

from gptlite.model import GPT
from gptlite.tasks.continuation import Continuation, continuation, with_document
from gptlite.tasks.score import Overflow
from gptlite.tokenizer import Tokenizer


def answer(
    model: GPT,
    tokenizer: Tokenizer,
    question: str,
    document: str = "",
    examples: Sequence[tuple[str, str]] = (),
    max_new_tokens: int = 32,
    overflow: Overflow = "cut",
) -> Continuation:
    """Answer a question: what the model writes, greedily, on the line ``A:`` after it.

        <document>

        Q: <a question>
        A: <its answer>
        Q: <the question>
        A:

    With a document this is reading comprehension, and the examples are the dialogue so far (GPT-2
    paper, section 3.5: CoQA). Without one it is a question of fact, and the examples show what an
    answer looks like (section 3.8: Natural Questions; the smallest model got under 1 % right).

    Args:
        examples: questions and their answers, in order.
        max_new_tokens: the answer ends with its line, or after this many tokens.
        overflow: if the document is too long, "cut" leaves out its beginning, but never any of the
            questions; "error" refuses it.

    Returns:
        The answer, and how likely the model found it.

    Raises:
        ContextOverflowError: the prompt does not fit; with "cut", the questions alone do not.
        TypeError, ValueError: an argument is not what it should be.
    """
    dialogue = "".join(f"Q: {asked}\nA: {told}\n" for asked, told in examples)
    after = f"\n\n{dialogue}Q: {question}\nA:"
    ids = with_document(model, tokenizer, document, after, max_new_tokens, overflow, keep_end=True)
    return continuation(model, tokenizer, ids, max_new_tokens, stop=["\n"])
