"""Checkpoints: files that hold a model, and how they are found, fetched, read and written.

    locate.py        the name or path a user gives -> the place on disk
    official.py, cache.py, download.py
                     OpenAI's four models: what their files are, where they are kept, fetching them
    revisions.py     the same at another revision of the hub, such as gpt2@main
    fetching.py      one file from its address to its place, with web.py, part.py, lock.py and
                     digests.py
    reading.py       the place on disk -> a model: which format it is, and its numbers
    writing.py       a model -> files
    names.py         the one table of parameter names and shapes, and how files vary them
    stored.py        where a tensor's numbers lie in a file, and the one way they are read

One file per format, each of which makes a table of contents of a file:

    safetensors.py   Hugging Face's; hub.py has the config.json beside it
    tensorbundle.py  TensorFlow's, with sstable.py, varint.py, snappy.py and crc32c.py; openai.py
                     has the hparams.json beside it
    pytorch.py       PyTorch's, with unpickler.py
    llmc.py          llm.c's
    vocabulary.py    the tokenizer's two files, or the one that tokenizer_json.py reads
    sizes.py         the five sizes, under whatever names a file has for them
    strict_json.py   JSON that says one thing only

What is read is only ever data: nothing in a checkpoint is executed.
"""

from gptlite.checkpoints.locate import locate
from gptlite.checkpoints.reading import read_checkpoint
from gptlite.checkpoints.writing import write_checkpoint

__all__ = ["locate", "read_checkpoint", "write_checkpoint"]
