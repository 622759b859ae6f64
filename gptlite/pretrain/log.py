"""Lines about a run: one at its start, warnings, and a report now and then."""

import json
from pathlib import Path
from typing import Any

from gptlite.command import say, significant
from gptlite.errors import CheckpointError
from gptlite.files import read_small, write_atomically
from gptlite.pretrain.trainer import Trainer
from gptlite.texts import Count

MOST = 100_000_000  # bytes of a log
ENOUGH = 15  # times that each token of the vocabulary should be seen in the text, on average


def starting_line(trainer: Trainer, count: Count, seconds_per_step: float) -> str:
    """Say what a run begins with: the texts, the model, the steps, and the time they will take."""
    config, n_steps = trainer.model.config, trainer.n_steps
    passes = n_steps * trainer.tokens_per_step / count.tokens
    return (
        f"{count}; vocabulary {config.n_vocab:,}; {config.n_params:,} parameters; "
        f"{n_steps:,} steps of {trainer.tokens_per_step:,} tokens ({passes:.3g} passes over the "
        f"texts); about {duration(n_steps * seconds_per_step)}"
    )


def duration(seconds: float) -> str:
    """Write a time in the unit that suits it.

    >>> [duration(seconds) for seconds in (7.4, 119, 9000)]
    ['7 seconds', '2 minutes', '2.5 hours']
    """
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"


def vocabulary_warning(n_vocab: int, n_tokens: int) -> str:
    """Warn of a vocabulary that is large for the text; "" if it is not.

    A token must be seen many times before a model knows what to do with it.
    """
    seen = n_tokens / n_vocab
    if seen >= ENOUGH:
        return ""
    return (
        f"warning: a vocabulary of {n_vocab:,} is large for {n_tokens:,} tokens of text: each is "
        f"seen {seen:.0f} times on average; a smaller --n-vocab, or more text, would be better"
    )


class RunLog:
    """The lines of ``log.jsonl``: one object per report, and no step twice."""

    def __init__(self, path: Path, step: int) -> None:
        """Keep the lines up to ``step``: later lines are from work that was lost.

        Raises:
            CheckpointError: the file is damaged.
        """
        self.path = path
        self.lines: list[dict[str, Any]] = []
        if step and path.exists():
            try:
                lines = map(json.loads, read_small(path, MOST).decode("utf-8").split("\n")[:-1])
                self.lines = [line for line in lines if line["step"] <= step]
            except (KeyError, TypeError, ValueError, RecursionError) as error:
                raise CheckpointError(f"{path}: not the log of a run ({error!r})") from error

    def write(self, line: dict[str, Any]) -> None:
        """Add a line, and show it."""
        self.lines.append(line)
        with write_atomically(self.path) as file:
            for each in self.lines:
                file.write(json.dumps(each, ensure_ascii=False).encode() + b"\n")
        numbers = {k: v for k, v in line.items() if k not in ("sample", "by_file")}
        shown = (
            f"{name.replace('_', ' ')} {significant(n) if isinstance(n, float) else f'{n:,}'}"
            for name, n in numbers.items()
        )
        say(", ".join(shown), f"  {line['sample']!r}")
