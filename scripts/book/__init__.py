"""The rooms behind scripts/notebooks.py, slides.py, quiz.py and reading_guide.py.

source.py       a notebook's source: its cells, its hidden hints
editions.py     the student's edition and the instructor's, from one source
execution.py    a source executed in a fresh kernel; outputs that are refused
product.py      the committed notebooks: building them, and checking them against their source
lesson.py       an executed notebook as a lesson: without exercises and installation
slides.py       a lesson as slides
quiz.py         what a lesson asks a reader to guess
formulas.py     formulas as pictures, for a page without scripts
article.py      the sections of the article
guide.py        which code and which cells cite a section, and the table of them
"""
