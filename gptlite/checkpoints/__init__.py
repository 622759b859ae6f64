"""Checkpoints: files that hold a model, from files to arrays and back.

    reading.py       a place on disk -> a model's sizes and arrays, whatever the format
    writing.py       a model's sizes and arrays -> files
    names.py         the one table of parameter names and shapes, and how files vary them
    stored.py        where a tensor's numbers lie in a file, and the one way they are read
    sizes.py         the five sizes, under whatever names a file has for them
    strict_json.py   JSON that says one thing only
    vocabulary.py    a tokenizer's two files, or the one that tokenizer_json.py reads

Each format has its own file, which makes a table of contents of a file:

    safetensors.py   Hugging Face's; hub.py has the config.json beside it
    llmc.py          llm.c's
    pytorch/         PyTorch's
    tensorflow/      TensorFlow's, as OpenAI published GPT-2

What is read is only ever data: nothing in a checkpoint is executed.
"""

from gptlite.checkpoints.reading import read_checkpoint
from gptlite.checkpoints.vocabulary import has_vocabulary, read_vocabulary, write_vocabulary
from gptlite.checkpoints.writing import write_checkpoint

__all__ = [
    "has_vocabulary",
    "read_checkpoint",
    "read_vocabulary",
    "write_checkpoint",
    "write_vocabulary",
]
