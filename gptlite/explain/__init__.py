"""A page for a browser that shows the model at work on a text.

page.py          the numbers of one call, and the HTML file around them
template/        its HTML, CSS and JavaScript
__main__.py      the command: python -m gptlite.explain "Once upon a time"
"""
