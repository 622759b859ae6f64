"""Learning, from random numbers to a task; and BPE merges.

gradients.py     the derivative by every parameter, by hand; backward.py has each layer's
dropout.py       a trace that strikes numbers out
optimizer.py     AdamW, clipping, the learning rate's rise and fall
step.py          a batch in shards, side by side: one sum of gradients, one update
threads.py       ... for which BLAS keeps to one thread
data.py, loop.py pre-training: texts as one file of tokens, the loop, its state on disk
classifier.py    a head that reads the last token: GPT-1's three losses
epochs.py, finetuning.py
                 fine-tuning: the loop over examples; what they are
evaluation.py    how well a model predicts a text
merges.py        learning a vocabulary
"""
