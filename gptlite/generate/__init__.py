"""Auto-regression: each new token joins the text, and the text is read again for the next one.

loop.py         the loop, in tokens
samples.py      the loop for prompts and continuations, in tokens and in text
growing.py      a text in whole characters, as its tokens arrive
speculation.py  several tokens in one pass, where a text repeats itself
__main__.py     the command: python -m gptlite.generate "Once upon a time"
"""

from gptlite.generate.growing import GrowingText
from gptlite.generate.loop import Step, left_padded
from gptlite.generate.samples import (
    begin,
    generate,
    generate_samples,
    generate_tokens,
    stream,
    stream_samples,
)

__all__ = [
    "GrowingText",
    "Step",
    "begin",
    "generate",
    "generate_samples",
    "generate_tokens",
    "left_padded",
    "stream",
    "stream_samples",
]
