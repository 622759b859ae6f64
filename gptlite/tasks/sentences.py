"""Where sentences end: no more than a task needs that keeps the first few."""

import re

# Words up to a full stop and what closes with it, or up to the end of the line.
_SENTENCE = re.compile(r"""[^\n]+?(?:[.!?]+["'”’)\]]*(?=\s|$)|(?=\n|$))""")


def sentences(text: str) -> list[str]:
    r"""The sentences of a text, the last of which may have no end.

    A full stop, exclamation or question mark before white space ends one, as does a line feed. A
    full stop after an abbreviation is taken for an end too.

    >>> sentences('"Go!" he said. The fox\nran 3.5 miles')
    ['"Go!"', 'he said.', 'The fox', 'ran 3.5 miles']
    """
    return [found for sentence in _SENTENCE.findall(text) if (found := sentence.strip())]
