"""Prompts and completions: the supervised form in which everything stays text."""

import os
from typing import NamedTuple

from gptlite.finetune.examples import read_columns, text_of
from gptlite.finetune.packing import Row, allowances
from gptlite.tokenizer import Tokenizer


class Completion(NamedTuple):
    """A prompt, and the text that is to follow it."""

    prompt: str
    completion: str


def read_completions(path: str | os.PathLike[str]) -> list[Completion]:
    """Read a file with the columns ``prompt`` and ``completion``: see ``read_columns``.

    Raises:
        ValueError: a column is missing or empty, or a line is malformed; the error names the line.
        OSError: the file cannot be read.
    """
    found = []
    for row in read_columns(path):
        completion = Completion(*(text_of(row, name) for name in Completion._fields))
        for name, text in completion._asdict().items():
            if not text:
                raise ValueError(f"{path}, line {row.line}: column {name!r} is empty")
        found.append(completion)
    return found


def pack_completion(tokenizer: Tokenizer, example: Completion, n_ctx: int) -> tuple[Row, int]:
    """Pack prompt, completion and ``<|endoftext|>`` into a row of at most ``n_ctx + 1`` tokens.

    Article: "Machine Translation" and "Summarization", whose rows are a source, a delimiter (here
    the prompt's own last words, such as "TL;DR:") and the result.

    The two texts are encoded separately, as they are when a model continues the prompt. If they are
    too long, the longer one is shortened: the prompt loses its beginning, the completion its end.

    Returns:
        The row, and how many of its tokens are the prompt's.
    """
    prompt, completion = map(tokenizer.encode, example)
    n_prompt, n_completion = allowances([len(prompt), len(completion)], n_ctx)
    kept = prompt[len(prompt) - n_prompt :]
    return [*kept, *completion[:n_completion], tokenizer.eot], n_prompt
