"""Preparing a book as Project Gutenberg has it: paragraphs on one line each, in plain ASCII."""

from __future__ import annotations

import re
import unicodedata


def story_lines(raw: str) -> str:
    """Take the text between Project Gutenberg's header and footer.

    Raises:
        ValueError: the line that ends the header or the one that begins the footer is missing.
    """
    start = re.search(r"^\s*\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG.*$", raw, re.M | re.I)
    end = re.search(r"^\s*\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG", raw, re.M | re.I)
    if start is None or end is None or end.start() < start.end():
        raise ValueError("no book: the lines *** START OF and *** END OF are not there")
    return raw[start.end() : end.start()]


_ASCII = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u02bc", "'"),
        **dict.fromkeys("\u201c\u201d\u201e", '"'),
        **dict.fromkeys("\u2014\u2015", "--"),
        **dict.fromkeys("\u2010\u2011\u2012\u2013", "-"),
        "\u2026": "...",
        "\u00a0": " ",
        "\u00a3": "L",
        "\u00c6": "AE",
        "\u00e6": "ae",
        "\u0152": "OE",
        "\u0153": "oe",
        "\u00df": "ss",
        "\u00d8": "O",
        "\u00f8": "o",
        "\u00d0": "D",
        "\u00f0": "d",
    }
)


def to_ascii(text: str) -> str:
    """Write straight quotes, -- for a dash, and letters without accents."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_ASCII))
    return decomposed.encode("ascii", errors="ignore").decode("ascii")


# The makers of the electronic text are named before the title page.
_CREDIT = re.compile(r"(?:Produced|E-?text prepared|This e-?(?:text|book) was|Transcribed) ", re.I)


def prepare(raw: str) -> str:
    """Turn a book of Project Gutenberg's into paragraphs on one line each, blank lines between.

    The prepared text is ASCII and has neither header, footer and credits nor the underscores that
    mark italics.

    Raises:
        ValueError: see `story_lines`.
    """
    text = to_ascii(story_lines(raw)).replace("\r\n", "\n").replace("_", "")
    paragraphs = [" ".join(paragraph.split()) for paragraph in re.split(r"\n[ \t]*\n", text)]
    paragraphs = [paragraph for paragraph in paragraphs if paragraph]
    while paragraphs and _CREDIT.match(paragraphs[0]):
        del paragraphs[0]
    return "\n\n".join(paragraphs) + "\n"
