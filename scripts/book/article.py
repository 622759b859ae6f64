"""The article, Jay Alammar's "The Illustrated GPT-2": the titles of its parts and sections."""

from __future__ import annotations

import re
from typing import NamedTuple

from gptlite.article import section_url


class Part(NamedTuple):
    """A part of the article: its title, its anchor, and the titles of its sections in order."""

    title: str
    anchor: str
    sections: tuple[str, ...]


# The parts have anchors of their own; a section's is made from its title (gptlite/article.py).
PARTS = (
    Part(
        "Part 1: GPT2 And Language Modeling",
        "part-1-got-and-language-modeling",
        (
            "What is a Language Model",
            "Transformers for Language Modeling",
            "One Difference From BERT",
            "The Evolution of the Transformer Block",
            "The Encoder Block",
            "The Decoder Block",
            "The Decoder-Only Block",
            "Crash Course in Brain Surgery: Looking Inside GPT-2",
            "A Deeper Look Inside",
            "Input Encoding",
            "A journey up the Stack",
            "Self-Attention Recap",
            "Self-Attention Process",
            "Model Output",
            "End of part #1: The GPT-2, Ladies and Gentlemen",
        ),
    ),
    Part(
        "Part 2: The Illustrated Self-Attention",
        "part-2-illustrated-self-attention",
        (
            "Self-Attention (without masking)",
            "1- Create Query, Key, and Value Vectors",
            "2- Score",
            "3- Sum",
            "The Illustrated Masked Self-Attention",
            "GPT-2 Masked Self-Attention",
            "Evaluation Time: Processing One Token at a Time",
            "GPT-2 Self-attention: 1- Creating queries, keys, and values",
            "GPT-2 Self-attention: 1.5- Splitting into attention heads",
            "GPT-2 Self-attention: 2- Scoring",
            "GPT-2 Self-attention: 3- Sum",
            "GPT-2 Self-attention: 3.5- Merge attention heads",
            "GPT-2 Self-attention: 4- Projecting",
            "GPT-2 Fully-Connected Neural Network: Layer #1",
            "GPT-2 Fully-Connected Neural Network: Layer #2 - Projecting to model dimension",
            "You've Made It!",
        ),
    ),
    Part(
        "Part 3: Beyond Language Modeling",
        "part-3-beyond-language-modeling",
        ("Machine Translation", "Summarization", "Transfer Learning", "Music Generation"),
    ),
)
SECTIONS = tuple(section for part in PARTS for section in part.sections)

# A paragraph that says which sections a notebook, or a part of it, goes with.
_PLACES = re.compile(r"^(?:Article:|It goes with ).*?(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)


def with_links(text: str) -> str:
    r"""Link the sections that a notebook's Markdown names as those it goes with.

    >>> with_links('Article: "3- Sum"\n\nNot "3- Sum" here.')
    'Article: ["3- Sum"](https://jalammar.github.io/illustrated-gpt2/#3--sum)\n\nNot "3- Sum" here.'
    """

    def linked(found: re.Match[str]) -> str:
        title = " ".join(found[1].split())
        return f"[{found[0]}]({section_url(title)})" if title in SECTIONS else found[0]

    return _PLACES.sub(lambda place: re.sub(r'"([^"]+)"', linked, place[0]), text)
