"""What the tests of the page share: the page taken apart, without a browser."""

import base64
import json
from html.parser import HTMLParser
from typing import Any

import numpy as np

from gptlite import GPT, Tokenizer, Trace


class Parsed(HTMLParser):
    """The tags of a page, and the text inside each kind of element."""

    VOID = ("meta", "input", "br", "hr", "img", "link")

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []  # element, the text directly in it
        self.comments: list[str] = []
        self.open: list[str] = []
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.append((self.open[-1], data))

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def text_of(self, tag: str) -> str:
        return "".join(text for element, text in self.texts if element == tag)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def data(self) -> dict[str, Any]:
        """The JSON block."""
        first, _ = [text for element, text in self.texts if element == "script"]
        found: dict[str, Any] = json.loads(first)
        return found

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays in the JSON block."""
        arrays = {}
        for name, array in self.data["answers"]["arrays"].items():
            if "int" in array:
                values = np.array(array["int"])
            else:
                values = np.frombuffer(base64.b64decode(array["float32"]), "<f4")
            arrays[name] = values.reshape(array["shape"])
        return arrays


#: What a page must survive as text, in 62 bytes: ends and beginnings of scripts and comments, an
#: entity, quotes, a placeholder, line ends of every kind, a change of direction, an emoji.
HOSTILE = "</script><script>alert(1)</script><!--&lt;\"'$x\r\n\t\u2028\u202e\x07🙂é"


def trace_of(model: GPT, tokenizer: Tokenizer, text: str) -> Trace:
    """The arrays that the page about a text is to show: it begins with ``<|endoftext|>``."""
    trace = Trace()
    model([tokenizer.eot, *tokenizer.encode(text)], trace=trace)
    return trace
