"""The rooms behind scripts/train_storyteller.py.

books.py         which books; found in a folder, or fetched from Project Gutenberg
preparing.py     a book as Project Gutenberg has it, as paragraphs of plain ASCII
clean_tales.py   a book without what surrounds its story
mixture.py       stories and tales: how often each is read
training.py      the recipe; training, export, measurement, and the whole run
"""
