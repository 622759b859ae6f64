"""A page for a browser that shows the model at work on a text: the lab's page as one file.

page.py          the answers that the page needs, and the HTML file around them
__main__.py      the command: python -m gptlite.explain "Once upon a time"
"""
