"""Stage two: a trained model learns a task, or more text."""

from gptlite.finetune.finetuned import FineTuned

__all__ = ["FineTuned"]
