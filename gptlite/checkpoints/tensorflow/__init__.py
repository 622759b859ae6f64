"""TensorFlow's checkpoints, the form in which OpenAI published GPT-2.

openai.py          the whole of a published model: sizes and variables
tensorbundle.py    a checkpoint: an index of tensors, and the files of their numbers
sstable.py         the index's file: a sorted table in blocks
varint.py          integers of as many bytes as they need
snappy.py          the compression that a block may have
crc32c.py          the checksum of blocks and tensors
"""
