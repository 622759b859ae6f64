"""Stage one: learn to predict the next token of raw text.

data.py          text files -> one long file of token ids -> batches
trainer.py       a model on its way: steps, and a state that can be saved and resumed
__main__.py      the command: python -m gptlite.pretrain
"""
