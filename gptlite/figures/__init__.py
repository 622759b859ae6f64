"""The article's figures, drawn anew from the numbers of any model: SVG and PDF, to print.

drawing.py   which figures there are, and the files made from them
"""
