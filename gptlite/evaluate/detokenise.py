"""Text that was cut into words for other models, put together as people write it.

WikiText and the Children's Book Test have spaces around every mark, and names for brackets. To a
model that learned from running text they look strange: such "de-tokenizers" were worth 2.5 to 5
points of perplexity (GPT-2 paper, section 3.1). Which one was used belongs to every result.
"""

import re

# Marks that stand by the word before them, or by the word after them. " +" is blanks alone.
_CLOSING = (r" +([,.;:!?%)\]}]+)", r"\1")
_OPENING = (r"([(\[{$]) +", r"\1")
_SUFFIX = (r" +('(?:s|S|m|d|ll|re|ve)\b)", r"\1")

#: For each detokeniser the patterns to be replaced, in order, and what takes their place.
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
    # The Penn Treebank's conventions, which the Children's Book Test has too.
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
    r"""A text as people would have written it, by the conventions of ``RULES[name]``.

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
