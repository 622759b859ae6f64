"""Prompts with what is to follow them: the supervised form in which everything stays text."""

import os
from typing import NamedTuple

from gptlite.finetune.examples import read_columns, text_of
from gptlite.finetune.packing import Row, allowances
from gptlite.tokenizer import Tokenizer


class Completion(NamedTuple):
    """A prompt and what is to follow it."""

    prompt: str
    completion: str


def read_completions(path: str | os.PathLike[str]) -> list[Completion]:
    """The lines of a file with the columns ``prompt`` and ``completion``: see ``read_columns``.

    Raises:
        ValueError: a column is missing or empty, or a line not what it should be; names the line.
        OSError: the file cannot be read.
    """
    found = []
    for record in read_columns(path):
        example = Completion(*(text_of(record, name) for name in Completion._fields))
        for name, text in example._asdict().items():
            if not text:
                raise ValueError(f"{path}, line {record.line}: column {name!r} is empty")
        found.append(example)
    return found


def pack_completion(tokenizer: Tokenizer, example: Completion, n_ctx: int) -> tuple[Row, int]:
    """Prompt, completion and ``<|endoftext|>``, at most ``n_ctx + 1`` tokens; and the prompt's.

    Article: "Machine Translation" and "Summarization", whose rows are a source, a delimiter (here
    the prompt's own last words, such as "TL;DR:") and the result.

    The two are encoded apart, as a model meets them that goes on from the prompt. Where they are
    too long the longer gives way: the prompt loses its beginning, the completion its end.
    """
    prompt, completion = map(tokenizer.encode, example)
    n_prompt, n_completion = allowances([len(prompt), len(completion)], n_ctx)
    kept = prompt[len(prompt) - n_prompt :]
    return [*kept, *completion[:n_completion], tokenizer.eot], n_prompt
