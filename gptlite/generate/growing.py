"""The text of one sample as it grows: a token may end inside a character or a stop string."""

import codecs
from collections.abc import Collection

from gptlite.tokenizer import Tokenizer


class GrowingText:
    """The text of one sample, in whole characters, without the stop string that ends it."""

    def __init__(self, tokenizer: Tokenizer, stop: Collection[str], held: str = "") -> None:
        self.tokenizer = tokenizer
        self.stop = stop
        # A token may end inside a character: its bytes wait in the decoder for the rest.
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.held = held
        self.ended = False

    def add(self, token: int) -> str:
        """Take the next token; return the piece of text that is now certain, or ""."""
        if token == self.tokenizer.eot and self.tokenizer.has_eot:
            return self.end()
        if self.ended:
            return ""
        self.held += self.decoder.decode(self.tokenizer.decode_bytes([token]))
        found = [(at + len(s), at) for s in self.stop if (at := self.held.find(s)) >= 0]
        if found:
            _, at = min(found)  # the stop string that was complete first
            self.held = self.held[:at]
            return self.end()
        # Anything that could begin a stop string is held back until more is known.
        beginnings = (s[:n] for s in self.stop for n in range(1, len(s)))
        wait = max((len(s) for s in beginnings if self.held.endswith(s)), default=0)
        certain = len(self.held) - wait
        piece, self.held = self.held[:certain], self.held[certain:]
        return piece

    def end(self) -> str:
        """End the text, as no more tokens will come; return the piece that was held back."""
        piece, self.held, self.ended = self.held, "", True
        return piece
