"""A fine-tuned classifier with everything it takes to use it: saved, opened again, asked.

>>> import gptlite
>>> from gptlite.finetune.classifier import Classifier
>>> model, tokenizer = gptlite.load()
>>> untrained = Classifier.build(model, n_labels=2)
>>> fine_tuned = FineTuned(untrained, tokenizer, "classification", ["sad", "merry"], n_ctx=64)
>>> len(fine_tuned.predict([["They danced till morning."], ["He wept."]]))
2

Hugging Face transformers can open the directory too: a task with one row per example
(classification, entailment) is a ``GPT2ForSequenceClassification`` there.
"""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gptlite.checkpoints.hub import CONFIG_FILE, format_config, hub_name
from gptlite.checkpoints.names import SCORE
from gptlite.checkpoints.reading import read_checkpoint
from gptlite.checkpoints.safetensors import write_tensors
from gptlite.checkpoints.strict_json import MAX_BYTES, parse_object, shown
from gptlite.errors import CheckpointError
from gptlite.fast.threads import cpu_count
from gptlite.files import read_small, write_atomically
from gptlite.finetune.classifier import Classifier, probabilities
from gptlite.finetune.examples import TEXTS, pack
from gptlite.layers import Array
from gptlite.model import GPT
from gptlite.tokenizer import Tokenizer

CLASSIFIES = "ForSequenceClassification"  # the end of transformers' names of such classes
WEIGHTS_FILE, TASK_FILE = "model.safetensors", "task.json"
# What the task's file holds, each with what it must be.
TASK_KEYS: dict[str, Callable[[Any], bool]] = {
    "task": lambda task: isinstance(task, str) and task in TEXTS,
    "labels": lambda labels: (
        isinstance(labels, list) and all(isinstance(label, str) for label in labels)
    ),
    "n_ctx": lambda n_ctx: type(n_ctx) is int,
}


class FineTuned(NamedTuple):
    """A classifier that takes texts and gives labels.

    Attributes:
        classifier: its model has three more tokens than the tokenizer.
        tokenizer: encodes the texts.
        task: one of ``examples.TEXTS``.
        labels: the classes' labels, in order; for a choice, the numbers of the choices.
        n_ctx: the most tokens that a row may have, at most the model's ``n_ctx``.
    """

    classifier: Classifier
    tokenizer: Tokenizer
    task: str
    labels: list[str]
    n_ctx: int

    def __repr__(self) -> str:
        return f"FineTuned({self.task}: {', '.join(map(repr, self.labels))}; {self.classifier!r})"

    def probabilities(self, texts: Sequence[Sequence[str]]) -> Array:
        """Compute the probability of each label for each example, ``[n, n_labels]``.

        Args:
            texts: the texts of each example, in the order of ``examples.Example.texts``: one for a
                classification; premise and hypothesis; context, question and choices.

        Raises:
            TypeError: an example is a str, which would count as one text for each of its letters.
            ValueError: there are no examples, or not as many texts as the task has, or not as many
                choices as it was trained with.
        """
        texts = list(texts)
        if not texts:
            raise ValueError("expected at least one example, found none")
        for each in texts:
            if isinstance(each, str):
                raise TypeError(f"an example must be a list of texts, as [{each!r:.40}], not a str")
        examples = [pack(self.tokenizer, self.task, each, self.n_ctx) for each in texts]
        for rows in examples if self.task == "choice" else ():
            if len(rows) != len(self.labels):
                raise ValueError(f"expected {len(self.labels)} choices, found {len(rows)}")
        return probabilities(self.classifier, examples, cpu_count())  # [n, n_labels]

    def predict(self, texts: Sequence[Sequence[str]]) -> list[str]:
        """Find the most probable label of each example. See ``probabilities`` for the arguments."""
        return [self.labels[i] for i in self.probabilities(texts).argmax(axis=1)]

    def save_pretrained(self, directory: str | os.PathLike[str]) -> None:
        """Write tokenizer, labels and weights; the directory is created if it is missing.

        If a classifier with the same labels was written there before, only the weights change, in
        one piece.

        Raises:
            OSError: a file cannot be written.
        """
        directory = Path(directory)
        self.tokenizer.save_pretrained(directory)
        model, head, choosing = self.classifier  # [n_embd, n_outputs], of W_y
        config = json.loads(format_config(model.config, "float32"))
        outputs = ["score"] if choosing else self.labels
        end = self.tokenizer.eot if self.tokenizer.has_eot else None
        config |= {
            "architectures": [f"{'OpenAIGPT' if model.config.post_norm else 'GPT2'}{CLASSIFIES}"],
            "id2label": {str(i): label for i, label in enumerate(outputs)},
            "label2id": {label: i for i, label in enumerate(outputs)},
            # The model's last token is not <|endoftext|> but one of the new ones.
            **dict.fromkeys(["bos_token_id", "eos_token_id", "pad_token_id"], end),
        }
        task = {"task": self.task, "labels": self.labels, "n_ctx": self.n_ctx}
        for name, content in {CONFIG_FILE: config, TASK_FILE: task}.items():
            with write_atomically(directory / name) as file:
                file.write((json.dumps(content, indent=2) + "\n").encode("ascii"))
        tensors = {hub_name(name, model.config): array for name, array in model.parameters.items()}
        # The file has W_y transposed.
        write_tensors(directory / WEIGHTS_FILE, {**tensors, SCORE: head.T})

    @classmethod
    def from_pretrained(cls, directory: str | os.PathLike[str]) -> "FineTuned":
        """Open what ``save_pretrained`` wrote.

        Raises:
            CheckpointError: a file is missing or damaged, or the files do not belong together.
        """
        directory = Path(directory)
        path = directory / TASK_FILE
        try:
            about = parse_object(read_small(path, MAX_BYTES), str(path))
        except (FileNotFoundError, NotADirectoryError):
            raise CheckpointError(
                f"{directory}: no {TASK_FILE} there: expected the folder of a classifier that "
                "gptlite finetune wrote"
            ) from None
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read: {error}") from error
        for name, right in TASK_KEYS.items():
            if name not in about or not right(about[name]):
                given = shown(about[name]) if name in about else "none"
                raise CheckpointError(
                    f"{path}: not the task of a classifier: expected a {name}, found {given}"
                )
        task: str = about["task"]
        labels: list[str] = about["labels"]
        n_ctx: int = about["n_ctx"]
        tokenizer = Tokenizer.from_pretrained(directory)
        config, parameters = read_checkpoint(directory, beside=[SCORE])
        head = np.ascontiguousarray(parameters.pop(SCORE).T)  # [n_embd, n_outputs]
        model, choosing = GPT(config, parameters), task == "choice"
        expected = [config.n_embd, 1 if choosing else len(labels)]
        if list(head.shape) != expected:
            found = list(head.T.shape)
            raise CheckpointError(
                f"{directory / WEIGHTS_FILE}: tensor {SCORE!r}: expected shape {expected[::-1]}, "
                f"found {found}"
            )
        if tokenizer.n_vocab + 3 != config.n_vocab:
            raise CheckpointError(
                f"{directory}: expected 3 tokens more than the vocabulary's {tokenizer.n_vocab}, "
                f"found {config.n_vocab}"
            )
        if not 1 <= n_ctx <= config.n_ctx:
            raise CheckpointError(f"{path}: n_ctx: expected 1 to {config.n_ctx}, found {n_ctx}")
        return cls(Classifier(model, head, choosing), tokenizer, task, labels, n_ctx)
