"""The rooms behind scripts/demonstrations.py.

tales.py            the books that the storyteller never saw, as tales, paragraphs, sentences
next_paragraph.py   data: which of two paragraphs comes next
which_book.py       data: which of five books a passage comes from
entailment.py       data: what follows in a closed world
cloze.py            data: which noun fills the gap
morals.py           data: which moral is a fable's; fables.py has some that are new
learning.py         the arms: from scratch, frozen, pre-trained, some blocks taken over
common.py           seeds, model, tales and measures that all share
tuned.py            the demonstrations of fine-tuning, and their settings
untrained.py        the demonstrations without training
results.py          the file of results
table.py            the README's tables
"""
