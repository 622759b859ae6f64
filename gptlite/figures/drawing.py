"""The figures of the article, as views of one call of a model, and as files."""

import warnings
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

from gptlite.article import ARTICLE, section_url
from gptlite.cache import KVCache
from gptlite.files import write_atomically
from gptlite.model import GPT
from gptlite.tokenizer import Tokenizer
from gptlite.trace import Trace
from gptlite.views.attention import (
    attention_grid,
    attention_map,
    masking,
    qkv_split,
    value_table,
)
from gptlite.views.edits import without_mask
from gptlite.views.heat_map import HeatMap
from gptlite.views.machine import block_diagram
from gptlite.views.memory import cache_step
from gptlite.views.prediction import next_token, sampling_steps
from gptlite.views.sizes import four_sizes, parameter_table
from gptlite.views.stack import input_encoding, logit_lens
from gptlite.views.table import Cell, Table
from gptlite.views.text import prefixes, token_labels, tokens
from gptlite.views.view import View, plain, pyplot

INDEX = "README.md"  # written last: the list of the figures, with their sections
LICENCE = (
    "These figures were computed by gptlite and copied from nowhere. Whoever makes them may use "
    "them for any purpose, without asking and without naming anybody "
    "([CC0](https://creativecommons.org/publicdomain/zero/1.0/)). The article's own figures are "
    "its author's, under CC BY-NC-SA 4.0, and none of them is here."
)
STEPS = 5  # tokens that the figure of auto-regression adds
MOST_TOKENS = 11  # with more, a figure's parts would lie over one another
SHOWN = 4  # tokens that it shows of those read


class Figure(NamedTuple):
    """A figure: the name of its files, the section of the article it belongs to, what it shows."""

    name: str
    section: str
    view: View


def figures(model: GPT, tokenizer: Tokenizer, text: str) -> Iterator[Figure]:
    """Make the figures of the article from one text, in the article's order.

    A text begins with ``<|endoftext|>``, the article's ``<s>``, if the tokenizer has it. Where a
    figure shows one head, it is the one whose last token looks most at what stands between the
    first token and itself: many heads look at little else than those two.

    Raises:
        ValueError: the text has fewer than two tokens, or more than ``MOST_TOKENS``, or does not
            fit the model; see ``GPT.__call__``.
    """
    ids = tokenizer.encode(text)
    if not 2 <= len(ids) <= MOST_TOKENS:
        raise ValueError(
            f"expected a text of 2 to {MOST_TOKENS} tokens, found {len(ids)}: {text!r}"
        )
    if tokenizer.eot is not None:
        ids = [tokenizer.eot, *ids]
    labels = token_labels(tokenizer, ids)
    trace, cache = Trace(), KVCache(model.config)
    logits = model(ids, trace=trace)  # [1, seq, n_vocab]
    model(ids, cache=cache)
    layer, head = telling_head(model, trace)
    seen = Trace(without_mask([layer]))
    model(ids, trace=seen)
    last = len(ids) - 1

    yield Figure("next-token", "What is a Language Model", next_token(logits, tokenizer))
    yield Figure("four-sizes", "Transformers for Language Modeling", four_sizes())
    loop = auto_regression(model, tokenizer, ids)
    yield Figure("auto-regression", "One Difference From BERT", loop)
    unmasked = attention_map(seen, labels, layer, head)
    unmasked.title = f"Without the mask: {unmasked.title}"
    yield Figure("encoder-attention", "The Encoder Block", unmasked)
    yield Figure(
        "decoder-attention", "The Decoder Block", attention_map(trace, labels, layer, head)
    )
    machine = block_diagram(model.config, layer)
    yield Figure("block", "The Decoder-Only Block", machine)
    yield Figure("input-encoding", "Input Encoding", input_encoding(model, tokenizer, ids))
    lens = logit_lens(model, tokenizer, trace, labels)
    yield Figure("up-the-stack", "A journey up the Stack", lens)
    yield Figure("all-heads", "Self-Attention Recap", attention_grid(trace, labels))
    values = value_table(trace, labels, layer, head, last)
    yield Figure("values", "Self-Attention Process", values)
    yield Figure("sampling", "Model Output", sampling_steps(logits, tokenizer))
    tokens_view = tokens(tokenizer, text)
    yield Figure("tokens", "End of part #1: The GPT-2, Ladies and Gentlemen", tokens_view)
    masked = "The Illustrated Masked Self-Attention"
    yield Figure("examples", masked, prefixes(tokenizer, text))
    yield Figure("masking", masked, masking(trace, labels, layer, head))
    evaluation = "Evaluation Time: Processing One Token at a Time"
    yield Figure("cache", evaluation, cache_step(cache, labels, last))
    split = "GPT-2 Self-attention: 1.5- Splitting into attention heads"
    yield Figure("queries-keys-values", split, qkv_split(trace, labels, layer))
    hidden = "GPT-2 Fully-Connected Neural Network: Layer #1"
    yield Figure("hidden-layer", hidden, hidden_layer(trace, labels, layer))
    yield Figure("parameters", "You've Made It!", parameter_table(model))


def telling_head(model: GPT, trace: Trace) -> tuple[int, int]:
    """Find the head whose last token looks most at the tokens between the first and itself.

    Returns:
        The numbers of the block and of the head.
    """

    def looks(place: tuple[int, int]) -> float:
        layer, head = place
        weights = trace[f"h.{layer}.attn.weights"][0, head, -1]  # [seq]
        return float(weights[1:-1].sum())

    return max(product(range(model.config.n_layer), range(model.config.n_head)), key=looks)


def auto_regression(model: GPT, tokenizer: Tokenizer, ids: list[int]) -> Table:
    """Show how each token that the model says becomes the last of those it reads.

    Raises:
        ContextOverflowError: the text leaves no room for ``STEPS`` tokens.
    """
    read = list(ids)
    rows: list[list[Cell]] = []
    for step in range(1, STEPS + 1):
        chosen = int(model(read)[0, -1].argmax())
        seen = " ".join(["…", *token_labels(tokenizer, read[-SHOWN:])])
        rows.append([step, seen, *token_labels(tokenizer, [chosen])])
        read.append(chosen)
    note = "The likeliest token is chosen at each step."
    return Table("Auto-regression", ["step", "the model reads", "and says"], rows, note)


def hidden_layer(trace: Trace, labels: list[str], layer: int) -> HeatMap:
    """Show the hidden layer of the feed-forward network at the last token: four times as wide."""
    active = trace[f"h.{layer}.mlp.gelu"][0, -1]  # [n_inner]
    n_rows = 4 if active.size % 4 == 0 else 1
    values = active.reshape(n_rows, -1)  # [row, n_inner / row]
    wide = values.shape[1]
    rows = [f"{row * wide} to {row * wide + wide - 1}" for row in range(n_rows)]
    return HeatMap(
        f"Block {layer}: the {active.size:,} hidden units at {labels[-1]}, after the activation",
        values,
        rows,
        [str(column) for column in range(wide)],
        small=True,
    )


def write_figure(figure: Figure, stem: Path) -> None:
    """Write a figure as ``stem.svg`` and ``stem.pdf``, the same each time.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        OSError: a file cannot be written.
    """
    plt = pyplot()
    settings = {"svg.hashsalt": "gptlite", "pdf.fonttype": 42, "figure.dpi": 100}
    with plt.rc_context(settings), warnings.catch_warnings():
        # A font without a token's letters draws boxes; the figure is still the best there is.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.view.plot()
        drawn = plt.gcf()
        if figure.view.note:
            drawn.supxlabel(plain(figure.view.note, longest=160), fontsize=8)
        for kind, date in (("svg", "Date"), ("pdf", "CreationDate")):
            with write_atomically(stem.with_suffix(f".{kind}")) as file:
                drawn.savefig(file, format=kind, metadata={date: None}, bbox_inches="tight")
        plt.close(drawn)


def index(drawn: list[tuple[str, Figure]], name: str, text: str) -> str:
    """List the figures in Markdown, each with its section of the article, and their licence.

    Args:
        drawn: the stem of each figure's files, and the figure.
        name: the model's.
    """
    lines = [
        "# Figures",
        "",
        f"The figures of [The Illustrated GPT-2]({ARTICLE}), from the numbers of {name}, reading:",
        "",
        *(f"> {line}" for line in text.splitlines()),
        "",
        "| figure | section | what it shows |",
        "|---|---|---|",
    ]
    for stem, figure in drawn:
        files = f"{stem} ([SVG]({stem}.svg), [PDF]({stem}.pdf))"
        shown = figure.view.title.replace("|", r"\|")
        link = f"[{figure.section}]({section_url(figure.section)})"
        lines.append(f"| {files} | {link} | {shown} |")
    return "\n".join([*lines, "", LICENCE, ""])
