"""Learning: what pre-training and fine-tuning share; and the merges of a vocabulary.

initial.py         the weights of an untrained model
backward.py        the derivative of each layer, by hand; beside layers.py
block_backward.py  a decoder block, walked backwards; beside block.py
gradients.py       the gradient of every parameter, from the top down; beside model.py
tape.py            what travels along: the trace that is read, the gradients that are added up
dropout.py         a trace that drops numbers at random
optimizer.py       AdamW; the learning rate's rise and fall
shards.py          a batch in parts, side by side, and one sum of their gradients
learner.py         one step of learning: gradients, clipping, AdamW
losses.py          the loss of a text
merges.py          learning the merges of a byte-pair encoding
"""
