"""Checkpoints: files that hold a model, from files to arrays and back.

    reading.py          a place on disk -> a model's sizes and arrays, whatever the format
    formats.py          the table of formats: how each is recognised, and what reads it
    names.py            the names of tensors in files -> the names of parameters
    stored.py           the place of a tensor's numbers in a file, and the one way they are read
    sizes.py            the sizes, under whatever names a file gives them, or off the shapes
    fitting.py          a model and its tokenizer brought together
    strict_json.py      JSON that can be read in only one way
    writing.py          a model's sizes and arrays -> files

A tokenizer has files of its own:

    vocabulary.py               a place on disk -> a vocabulary, and back
    vocabulary_files.py         which files there are a tokenizer's
    tokenizer_json.py           a tokenizer's one file, as Hugging Face's library saves it
    added_tokens.py             the files that declare special and added tokens
    character_vocabulary.py     characters for tokens, as nanoGPT saves them

Each format has a reader, which makes a file's table of contents:

    safetensors.py      Hugging Face's; hub.py reads the config.json and the index beside it
    mingpt.py           minGPT's config.json
    llmc.py             llm.c's
    pytorch/            PyTorch's
    tensorflow/         TensorFlow's, as OpenAI published GPT-2

A new format is a reader and a line in the table of formats. Nothing in a checkpoint is executed:
everything read is data.
"""

from gptlite.checkpoints.fitting import fitted, is_gpt2_size
from gptlite.checkpoints.reading import read_checkpoint
from gptlite.checkpoints.vocabulary import read_vocabulary, write_vocabulary
from gptlite.checkpoints.vocabulary_files import has_vocabulary
from gptlite.checkpoints.writing import write_checkpoint

__all__ = [
    "fitted",
    "has_vocabulary",
    "is_gpt2_size",
    "read_checkpoint",
    "read_vocabulary",
    "write_checkpoint",
    "write_vocabulary",
]
