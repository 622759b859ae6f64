"""Measuring how good a model is, on files in the forms of published benchmarks.

forms.py         three forms of evaluation: a text's perplexity, last words, choices
benchmarks.py    the files of four benchmarks, read into items
lambada.py       last words of passages, guessed side by side
detokenise.py    texts that were cut into words, put together again
run.py           the work, which may be interrupted, and its results
part.py          the measurements so far, in a file to resume from
__main__.py      the command: python -m gptlite.evaluate lambada lambada_test.jsonl
"""
