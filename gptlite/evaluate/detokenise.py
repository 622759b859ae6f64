"""Detokenisers: text that was cut into words for other models, put together as people write it.

WikiText and the Children's Book Test have spaces around every mark, and names for brackets. Such
text looks strange to a model that learned from running text: "de-tokenizers" like these lowered
the perplexity by 2.5 to 5 points (GPT-2 paper, section 3.1). Every result says which one was used.
"""

import re

# Marks that belong to the word before them, and marks that belong to the word after them. " +"
# matches blanks, and no other white space.
_CLOSING = (r" +([,.;:!?%)\]}]+)", r"\1")
_OPENING = (r"([(\[{$]) +", r"\1")
_SUFFIX = (r" +('(?:s|S|m|d|ll|re|ve)\b)", r"\1")

#: The patterns that each detokeniser replaces, in order, each with its replacement.
RULES = {
    "none": [],
    "wikitext": [
        (r" @([-,.])@ ", r"\1"),  # inside words and numbers: "19 @-@ year @-@ old", "1 @,@ 000"
        (r"= (?==)", "="),  # headings: "= = Title = ="
        _CLOSING,
        _OPENING,
        _SUFFIX,
        (r" +'(?= )", "'"),  # "the players ' hall"
        (r'" *([^"\n]*?) *"', r'"\1"'),
        (r" *\n *", "\n"),
    ],
    # The conventions of the Penn Treebank; the Children's Book Test follows them too.
    "ptb": [
        (r"-L[RCS]B-", "("),
        (r"-R[RCS]B-", ")"),
        (r"`` ?", '"'),
        (r" ?''", '"'),
        (r" +(n't\b)", r"\1"),
        _CLOSING,
        _OPENING,
        _SUFFIX,
    ],
}


def detokenise(text: str, name: str) -> str:
    r"""Write a text as people would have, undoing the conventions of ``RULES[name]``.

    Raises:
        ValueError: there is no such detokeniser.

    >>> detokenise('a 19 @-@ year @-@ old , who said " yes "', "wikitext")
    'a 19-year-old, who said "yes"'
    >>> detokenise("`` I do n't , '' said the king 's son .", "ptb")
    '"I don\'t," said the king\'s son.'
    """
    if name not in RULES:
        raise ValueError(f"the detokenisers are {', '.join(RULES)}, not {name!r}")
    for pattern, replacement in RULES[name]:
        text = re.sub(pattern, replacement, text)
    return text
