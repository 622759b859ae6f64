"""What scripts/demonstrations.py is made of.

tales.py            the books that the storyteller never saw, as tales, paragraphs, sentences
next_paragraph.py   data: which of two paragraphs comes next
which_book.py       data: which of five books a passage comes from
entailment.py       data: what follows in a closed world
cloze.py            data: which noun fills the gap
morals.py           data: which moral is a fable's; fables.py has some that are new
learning.py         the arms: from scratch, frozen, pre-trained, some blocks taken over
runs.py             what each demonstration measures, and with which settings
results.py          the file of results
table.py            the README's tables
"""
