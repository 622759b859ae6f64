"""The way back through a block, line by line beside block.py."""

import inspect
import re

import pytest

from gptlite import block
from gptlite.training import block_backward

# Lines of block.py that the way back has nothing to do for: without a cache ``remember`` hands on
# what it is given; and masked scores have a weight of 0, so softmax lets nothing through to them.
PASSED_OVER = [
    "k, v = remember(k, v)",
    'q, k, v = record("attn.q", q), record("attn.k", k), record("attn.v", v)',
    'scores = record("attn.scores", mask_future(scores, padding))',
]


def code_lines(function) -> list[str]:
    """The lines of a function's body, without docstring and comments."""
    body = inspect.getsource(function).split('"""')[2]
    lines = (line.split("  #")[0].strip() for line in body.splitlines())
    return [line for line in lines if line]


def quoted_lines(function) -> list[str]:
    """The comments that quote a line of code: an assignment or a return."""
    lines = (line.strip() for line in inspect.getsource(function).splitlines())
    return [line[2:] for line in lines if re.match(r"# (return |[a-z][a-z, ]* = )", line)]


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        (block.decoder_block, block_backward.block_backward),
        (block.attention, block_backward.attention_backward),
        (block.attend, block_backward.attend_backward),
        (block.mlp, block_backward.mlp_backward),
    ],
)
def test_the_way_back_quotes_every_line_of_the_way_there_from_the_last_to_the_first(
    forward, backward
):
    expected = [line for line in reversed(code_lines(forward)) if line not in PASSED_OVER]
    assert quoted_lines(backward) == expected
