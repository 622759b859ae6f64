"""Speed and memory: the same numbers as on the reading path, arranged differently.

Nothing here is needed to understand a GPT. Each file has a plain twin:

    chunks.py      block.attend, for a few queries at a time
    bpe.py         Tokenizer.steps, for the words of a text at once
    merging.py     tokenizer.merged, for many pieces at once
    pairs.py       dict.get, for many pairs at once
    words.py       PATTERN.findall and str.split, for a long text or many words at once
    rows.py        slices of lists, and their sums, for many rows of ids at once
    joining.py     b"".join of many tokens' bytes, at once
    mapping.py     map, in several threads where there can be several
    products.py    x @ weight, for a few rows, and where NumPy has no BLAS
    lanes.py       parts of some work, each in a thread: without it one after the other
    calls.py       a call, in whichever thread takes it: without it the caller's
    memory.py      np.zeros, in memory only where written; float32 weights kept in 16 bits
    underflow.py   a function in NumPy's usual settings, whatever the program's are
    threads.py     the threads of BLAS: without it a block of code runs on BLAS's default
"""
