"""Sentences, found by simple rules: enough for a task that keeps the first few."""

import re

# Words up to a full stop and the quotes or brackets that close after it, or to the line's end.
_SENTENCE = re.compile(r"""[^\n]+?(?:[.!?]+["'”’)\]]*(?=\s|$)|(?=\n|$))""")


def sentences(text: str) -> list[str]:
    r"""Cut a text into its sentences; the last may be incomplete.

    A sentence ends with a full stop, exclamation or question mark before white space, or with its
    line. The full stop of an abbreviation is taken for an end, too.

    >>> sentences('"Go!" he said. The fox\nran 3.5 miles')
    ['"Go!"', 'he said.', 'The fox', 'ran 3.5 miles']
    """
    return [found for sentence in _SENTENCE.findall(text) if (found := sentence.strip())]
