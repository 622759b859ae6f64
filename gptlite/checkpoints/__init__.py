"""Checkpoints: files that hold a model, and how they are found, read and written.

    locate.py        the name or path a user gives -> the place on disk
    hub.py           a directory as Hugging Face lays it out: config.json and the weights beside it
    safetensors.py   the container format of the weights
    names.py         the one table of parameter names and shapes, and how files vary them
    strict_json.py   JSON that says one thing only

What is read is only ever data: nothing in a checkpoint is executed.
"""

from gptlite.checkpoints.hub import read_checkpoint, write_checkpoint
from gptlite.checkpoints.locate import locate

__all__ = ["locate", "read_checkpoint", "write_checkpoint"]
