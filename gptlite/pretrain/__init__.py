"""Pre-training: learn to predict the next token of raw text.

data.py      text files -> one long file of token ids -> batches
trainer.py   the recipe, a model in training and its state on disk, the loop over batches
run.py       a run in its directory: from text files to a model
__main__.py  the command: python -m gptlite.pretrain
"""
