"""The model at work on a text, as a page for a browser.

page.py          a trace as one HTML file
template/        its HTML, CSS and JavaScript
__main__.py      the command: python -m gptlite.explain "Once upon a time"
"""
