"""PyTorch's files, read as data: nothing in them is executed.

contents.py     a file, zip or legacy -> the table of its tensors
archive.py      the zip: its members, and where their bytes lie
unpickler.py    a pickle -> plain data and descriptions of tensors
nanogpt.py      the sizes that nanoGPT saves beside the tensors
"""
