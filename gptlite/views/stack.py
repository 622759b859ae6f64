"""Views of the residual stream: its beginning, its prediction block by block, its neighbours."""

from collections.abc import Sequence

import numpy as np

from gptlite.checks import check_int
from gptlite.layers import Array, softmax
from gptlite.model import GPT
from gptlite.tokenizer import Tokenizer
from gptlite.trace import Trace
from gptlite.views.heat_map import HeatMap
from gptlite.views.panels import Panels
from gptlite.views.table import Cell, Table
from gptlite.views.text import token_labels


def input_encoding(model: GPT, tokenizer: Tokenizer, ids: Sequence[int], width: int = 8) -> Panels:
    """Show the vectors that start up the stack: token embedding plus position embedding.

    Article: "Input Encoding".

    Args:
        width: how many numbers of each vector to show.
    """
    names = token_labels(tokenizer, ids)
    tokens = model.parameters["wte.weight"][list(ids), :width]  # [seq, width]
    positions = model.parameters["wpe.weight"][: len(ids), :width]  # [seq, width]
    numbers = [str(i) for i in range(tokens.shape[1])]
    views = [
        HeatMap("which token: wte[id]", tokens, names, numbers),
        HeatMap("which position: wpe[0, 1, ...]", positions, names, numbers),
        HeatMap("their sum", tokens + positions, names, numbers),
    ]
    note = f"The first {tokens.shape[1]} of {model.config.n_embd} numbers."
    return Panels("Input encoding", [views], note)


def lens_logits(model: GPT, x: Array) -> Array:
    """Compute the logits as if the stack ended here: ``[..., n_embd] -> [..., n_vocab]``."""
    return model.unembed(model.last_norm(x))


def logit_lens(model: GPT, tokenizer: Tokenizer, trace: Trace, tokens: Sequence[str]) -> HeatMap:
    """Show the likeliest next token after each block, and its probability (nostalgebraist 2020).

    Article: "A journey up the Stack". The last row is the model's own output.
    """
    stops = {"embed": "embed"}
    stops |= {f"block {i}": f"h.{i}.out" for i in range(model.config.n_layer)}
    values, texts = [], []
    for name in stops.values():
        probabilities = softmax(lens_logits(model, trace[name][0]))  # [seq, n_vocab]
        values.append(probabilities.max(axis=-1))  # [seq]
        texts.append(token_labels(tokenizer, probabilities.argmax(axis=-1).tolist()))
    columns = list(tokens[-len(texts[0]) :])
    note = "From the bare embeddings (first row) up the stack; each token with its probability."
    stacked = np.stack(values)  # [1 + n_layer, seq]
    title = "The logit lens: the next token, if the stack ended there"
    return HeatMap(title, stacked, list(stops), columns, note, texts, low=0.0, high=1.0)


def neighbours(model: GPT, tokenizer: Tokenizer, token: str | int, top: int = 10) -> Table:
    """Find the tokens whose embeddings point most nearly the same way (cosine similarity).

    Article: "Input Encoding".

    Args:
        token: an id, or a text that is one token (mind the space before a word).

    Raises:
        TypeError, ValueError: the text is not one token, the id is unknown, or ``top`` is below 1.
    """
    check_int("top", top, least=1)
    ids = [token] if isinstance(token, int) else tokenizer.encode(token)
    name = token_labels(tokenizer, ids)
    if len(ids) != 1:
        raise ValueError(f"expected one token, found {len(ids)}: {' '.join(name)}")
    wte = np.asarray(model.wte, np.float32)  # [n_vocab, n_embd]
    lengths = np.linalg.norm(wte, axis=1)  # [n_vocab]
    cosines = wte @ wte[ids[0]] / (lengths * lengths[ids[0]])  # [n_vocab]
    near = np.argsort(-cosines, kind="stable")
    near = near[near != ids[0]][:top]  # [top]
    rows: list[list[Cell]] = [
        [label, str(i), float(cosines[i])]
        for label, i in zip(token_labels(tokenizer, near.tolist()), near.tolist(), strict=True)
    ]
    title = f"Nearest to {name[0]} (id {ids[0]}) among the token embeddings"
    return Table(title, ["token", "id", "cosine"], rows, bar="cosine")
