"""The lab: the model at work on a text, in a browser, to walk through, to change and to draw from.

engine.py        answers the page's questions: JSON in, JSON out; its docstring is the protocol
request.py       what a question may hold, checked
changes.py       the page's changes as edits of a trace
steps.py         the arrays of a call in order: equation, source, words, section of the article
formula.py       equations, from a few commands of TeX to a tree of MathML
source.py        lines of the installed source
article.py       the article's sections and their addresses
page/            the page: HTML, CSS and JavaScript modules
html.py          the page's HTML file, for each way to serve it
server.py        the page and the engine on 127.0.0.1
__main__.py      the command: gptlite lab "Once upon a time"
"""
