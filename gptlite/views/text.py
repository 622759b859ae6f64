"""Views of a text: its tokens, the merges that made them, the examples to be learned from it."""

from collections.abc import Iterable

from gptlite.tokenizer import Tokenizer
from gptlite.views.table import Cell, Table
from gptlite.views.token_row import TokenRow

VISIBLE = str.maketrans({" ": "·", "\n": "↵", "\t": "⇥", "\r": "␍"})


def token_label(token: bytes) -> str:
    r"""Make a token's bytes readable: white space visible, parts of characters as bytes.

    >>> token_label(b" the"), token_label(b"\n"), token_label("€".encode()[:2])
    ('·the', '↵', '\\xe2\\x82')
    """
    return printable(token.decode(errors="backslashreplace").translate(VISIBLE))


def printable(text: str, kept: str = "") -> str:
    r"""Escape each character that a terminal or a browser would act on instead of showing it.

    These are control characters and direction marks. Characters in ``kept`` stay as they are.

    >>> printable("a\u2028b\n", kept="\n")
    'a\\u2028b\n'
    """
    return "".join(
        c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in text
    )


def token_labels(tokenizer: Tokenizer, ids: Iterable[int]) -> list[str]:
    """Label each token id, as other views name their rows and columns."""
    return [token_label(tokenizer.decode_bytes([i])) for i in ids]


def tokens(tokenizer: Tokenizer, text: str) -> TokenRow:
    """Show a text cut into its tokens, each with its id and its bytes.

    Article: "End of part #1: The GPT-2, Ladies and Gentlemen". There the author owns up to calling
    tokens words.

    >>> tokens(Tokenizer.from_pretrained(), "a fox!")
    3 tokens
    a|·fox|!
      a  id 64, bytes 61
      ·fox  id 1653, bytes 20 66 6f 78
      !  id 0, bytes 21
    """
    ids = tokenizer.encode(text)
    pairs = [(i, tokenizer.decode_bytes([i])) for i in ids]
    remarks = [f"id {i}, bytes {token.hex(' ')}" for i, token in pairs]
    captions = [f"{i}\n{token.hex(' ')}" for i, token in pairs]
    # Two alternating tints show where a token ends.
    shades = [0.12 if n % 2 else 0.3 for n in range(len(ids))]
    labels = [token_label(token) for _, token in pairs]
    return TokenRow(f"{len(ids)} tokens", labels, shades, remarks, captions=captions)


def bpe_steps(tokenizer: Tokenizer, text: str) -> Table:
    """Show how an encoding comes about: bytes, then merge after merge, in the order learned.

    GPT-2 paper, section 2.2.
    """
    rows: list[list[Cell]] = []
    for piece in tokenizer.steps(text):
        name = token_label(piece.piece.encode())
        for merges, row in enumerate(piece.rows):
            ids = " ".join(map(str, piece.ids)) if row is piece.rows[-1] else ""
            rows.append([name, merges, " ".join(map(token_label, row)), ids])
            name = ""
    note = "Every piece starts as its bytes; each line below it adds one merge."
    return Table("Byte-pair encoding", ["piece", "merges", "tokens", "ids"], rows, note)


def prefixes(tokenizer: Tokenizer, text: str) -> Table:
    """Show the examples that a language model learns from: each prefix, and the token after it.

    Article: "The Illustrated Masked Self-Attention". One text of n tokens is n - 1 examples, and
    the mask lets a single pass learn from all of them.
    """
    labels = token_labels(tokenizer, tokenizer.encode(text))
    rows: list[list[Cell]] = [[n, " ".join(labels[:n]), labels[n]] for n in range(1, len(labels))]
    return Table("Examples in one text", ["example", "the model sees", "and should say"], rows)
