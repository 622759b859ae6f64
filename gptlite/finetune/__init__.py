"""Fine-tuning: a trained model learns a task, or reads more text.

packing.py      each task's texts as rows of tokens
examples.py     labelled texts from files
completions.py  prompts and completions from files
classifier.py   a GPT that classifies
classifier_gradients.py
                its losses, GPT-1's L2 and L3, and their gradients
epochs.py       the recipe, and the loop over epochs
learners.py     fine-tuning a classifier, its head alone, or a language model
finetuned.py    the result: a classifier that takes texts and gives labels
report.py       the lines that a run prints
run.py          from files to a fine-tuned model
__main__.py     the command: python -m gptlite.finetune
"""

from gptlite.finetune.finetuned import FineTuned

__all__ = ["FineTuned"]
