"""The alphabet of GPT-2-style vocabularies: symbols for bytes, where text is cut, file names.

Vocabulary files hold text, so each byte needs a character to stand for it. Printable Latin-1
characters stand for themselves; the other bytes (a space is "Ġ", a line feed "Ċ") borrow characters
from U+0100 on, so that no token in a file contains white space.
"""

from gptlite.patterns import compiled

EOT = "<|endoftext|>"
#: Where text is cut into pieces, as the authors of GPT-2 wrote it.
CUTS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
PATTERN = compiled(CUTS)
#: The names of a vocabulary's two files: one holds the tokens' ids, the other the merges.
FILES = {"hub": ("vocab.json", "merges.txt"), "openai": ("encoder.json", "vocab.bpe")}

_PRINTABLE = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
#: The character for each byte, in the order of GPT-2's ids 0 to 255.
BYTE_SYMBOLS = {byte: chr(byte) for byte in _PRINTABLE} | {
    byte: chr(256 + n) for n, byte in enumerate(_OTHERS)
}
#: The way back, for ``str.translate``: the byte of each character's code point.
BYTE_OF_SYMBOL = {ord(symbol): byte for byte, symbol in BYTE_SYMBOLS.items()}
