"""The address of each section of the article, Jay Alammar's "The Illustrated GPT-2"."""

import re

ARTICLE = "https://jalammar.github.io/illustrated-gpt2/"


def section_url(title: str) -> str:
    """Give a section's address: the article plus the heading's id.

    The article is written in Markdown, and its headings get their ids from kramdown's parser of
    GitHub's dialect: small letters, without punctuation but hyphens, a hyphen for each space.

    >>> section_url("GPT-2 Self-attention: 2- Scoring").removeprefix(ARTICLE)
    '#gpt-2-self-attention-2--scoring'
    """
    return f"{ARTICLE}#{re.sub(r'[^a-z0-9_ -]', '', title.lower()).replace(' ', '-')}"
