"""The exercises at the end of the notebooks: how each answer is judged.

Whatever depends on the storyteller is computed from it when an answer is checked.

kinds.py        numbers, choices and exact answers
measuring.py    losses, probabilities and traces of the storyteller
texts.py        notebooks 1, 2 and 12
inside.py       notebooks 3, 4 and 5
writing.py      notebooks 6, 7 and 10
learning.py     notebooks 8, 9 and 11
descent.py      notebooks 8b and 8c
"""
