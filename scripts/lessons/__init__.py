"""The rooms behind scripts/lessons.py.

texts.py       the stories and tales to measure with
stories.py     stories that a model tells: do they end, keep their names, consist of words
induction.py   how much a head looks at what followed the same token before
gaps.py        a noun struck out of a story, and ten to choose from
table.py       the measures, a line each
"""
