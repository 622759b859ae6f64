"""Rules of a tokenizer besides its vocabulary, its merges and its special tokens."""

from typing import Any, NamedTuple


class Rules(NamedTuple):
    """The rules of one tokenizer; GPT-2's are the defaults.

    Attributes:
        prefix_space: True to put a space before a text that has none, so that its first word gets
            the token that it has elsewhere. A text begins anew after a token that is found by name.
        unknown: the token for bytes that the vocabulary lacks; None leaves them out of the text.
        fuse_unknown: True for one such token where several of these bytes follow one another.
        plain_words: True to cut GPT-1's words as BERT does (plain_words.py).
        chat_template: how transformers makes a text of a dialogue: a template, or several with
            their names. It is kept for saving, never applied.
    """

    prefix_space: bool = False
    unknown: str | None = None
    fuse_unknown: bool = False
    plain_words: bool = False
    chat_template: str | list[dict[str, Any]] | None = None


GPT2_RULES = Rules()
