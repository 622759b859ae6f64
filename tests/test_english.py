"""A docstring begins with a verb or a thing, and no sentence has a phrase that must be guessed.

The rule is for people, in CONTRIBUTING.md; here is what a program can see of it.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import gptlite

PACKAGE = Path(gptlite.__file__).resolve().parent

# A docstring that begins so defines by a question or a relative clause ("What it makes of ..."), or
# by a pronoun whose noun stands elsewhere ("Those of the model").
QUESTIONS = "what whatever whether how which where wherever when why who whoever whose whom"
PRONOUNS = "it its itself they them their this that these those such he she"
OTHERS = "of as likewise"
BEGINNINGS = frozenset(f"{QUESTIONS} {PRONOUNS} {OTHERS}".split())

# A reader has to guess or to translate these.
PHRASES = ("of which it", "of whom", "which see", "likewise", "as above")
PHRASE = re.compile(
    "|".join(r"\b" + phrase.replace(" ", r"\s+") + r"\b" for phrase in PHRASES), re.IGNORECASE
)


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Find the docstrings of a module, its classes and functions, and the lines they begin on."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                text = first.value.value
                if isinstance(text, str):
                    yield first.lineno, text


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Find the comments; those on lines one below the other are one."""
    line, words = 0, ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        goes_on = token.start[0] == line + words.count("\n") + 1
        if words and not goes_on:
            yield line, words
        text = token.string.lstrip("#: ")
        line, words = (line, f"{words}\n{text}") if words and goes_on else (token.start[0], text)
    if words:
        yield line, words


def bad_beginnings(source: str) -> Iterator[tuple[int, str]]:
    """Find the docstrings that do not begin with a verb or a thing: line and first line."""
    for line, text in docstrings(source):
        first = text.strip().split("\n")[0]
        word = re.match(r"[^\W\d_]+", first)
        if word and word[0].lower() in BEGINNINGS:
            yield line, first


def bad_phrases(source: str) -> Iterator[tuple[int, str]]:
    """Find the phrases to avoid in docstrings and comments: line and phrase."""
    for line, text in chain(docstrings(source), comments(source)):
        for match in PHRASE.finditer(text):
            yield line + text.count("\n", 0, match.start()), " ".join(match[0].split())


def test_a_docstring_begins_with_a_verb_or_a_thing() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {first}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, first in bad_beginnings(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


def test_no_docstring_or_comment_has_a_phrase_that_must_be_guessed() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {phrase!r}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, phrase in bad_phrases(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


def test_what_is_to_be_avoided_is_found() -> None:
    source = '''"""Whether a model is good."""


class Model:
    """Those of the model."""

    def load(self):
        """Loads. Errors: as
        above."""
        # A comment: many arrays, of which
        # it needs one.
        text = "of whom"  # no docstring
        return text  # Likewise


def whole():
    """Whole numbers are things, as ``what`` is not."""
    return """What"""
'''
    assert list(bad_beginnings(source)) == [
        (1, "Whether a model is good."),
        (5, "Those of the model."),
    ]
    assert sorted(bad_phrases(source)) == [
        (8, "as above"),
        (10, "of which it"),
        (13, "Likewise"),
    ]
