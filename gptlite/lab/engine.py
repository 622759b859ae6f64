"""The engine behind the page: the model, the tokenizer, and answers to the page's questions.

``Engine.answer`` is the whole of the protocol between a page and a model: a text of JSON in, a text
of JSON out. The server on one's own machine calls it, a worker in the browser calls it, and the
writer of a page that is one file stores the answers that it gives. It keeps nothing between two
questions but a few traces it may be asked about again: each question holds all it is about.

A question is ``{"kind": ..., ...}``. What is a *reading* in the questions below are four fields:

    "text": str            the text to read
    "eot": bool            True, the default, if ``<|endoftext|>`` stands before it
    "more": [int ...]      ids of tokens that were drawn, and follow the text; [] by default
    "edits": [change ...]  the changes on the way, in order; [] by default

and a change is one of

    {"change": "scale", "factor": f, "part": "head", "layer": i, "head": j}      0 cuts it out
    {"change": "scale", "factor": f, "part": "attention" or "mlp" or "block", "layer": i}
    {"change": "scale", "factor": f, "part": "array", "name": "h.0.mid"}
    {"change": "patch", "name": "h.0.mid", "position": p, "text": str, "eot": bool}
                           what the other text has in this array at the same position
    {"change": "unmask", "layer": i}             without "layer": the mask of every block

The questions, and what is in their answers:

    {"kind": "model"}
        "name": str, "config": {...}, with "head_dim" and "n_params" too
        "vocabulary": [label ...]     of each token, as the page writes it
        "eot": str or null            the label of the token that begins a text
        "max_tokens": int             that the page takes
        "blocks": [int ...]           whose arrays may be asked for: all, unless there is no room
        "walk", "tour": [name ...]    all stops in order, and the short way
        "steps": {step: {...}}        what there is to say of "h.i.STEP", and of the others:
            "title", "field", "where": str, "axes": [str ...], "equation": a tree of MathML
            "source": [{"function", "file": str, "line": int, "lines": [str ...]} ...]
            "article": [{"title", "url": str} ...]
        "machine": {...}              the drawing: see ``gptlite.views.machine``

    {"kind": "read", **reading}
        "said": str                                the text with what was drawn
        "ids": [int ...], "bytes": [str ...]       of each token, those in hexadecimal
        "shapes": {name: [int ...]}                of each array that may be asked for
        "before", "after": array [n_vocab]         the logits of the last position, without the
                                                   changes and with them
        "moved": float                             the Kullback-Leibler divergence of the
                                                   prediction after from that before, in nats

    {"kind": "arrays", "names": [name ...], **reading}
        "arrays": {name: array}       under the trace's names, without the batch; and three more:
            "wte", "wpe"              [seq, n_embd], whose sum is "embed"
            "h.i.attn.unmasked"       [head, seq, seq], the scores before the mask

    {"kind": "lens", **reading}
        "ids": array, "probabilities": array       [n_layer + 1, seq, BEST]: the likeliest next
                                                   tokens if the stack ended there (logit lens)

    {"kind": "points", "seed": int, "start": int, "n": int}
        "points": [float ...]         the random numbers, from the one numbered ``start``, with
                                      which ``gptlite.generate(..., seed=seed)`` draws its tokens

An array is ``{"shape": [...], "float32": base64}``, little-endian, or ``{"shape": [...], "int":
[...]}``: the float32 numbers are the trace's bit for bit. What cannot be answered has the answer
``{"error": "one sentence"}``: nothing that a page or a user can send raises.
"""

import json
from base64 import b64encode
from dataclasses import asdict
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptlite.block import attention_scores
from gptlite.lab.changes import edits_of
from gptlite.lab.request import MAX_TOKENS, Reading, get, parse, reading
from gptlite.lab.steps import described, tour, walk
from gptlite.layers import Array, softmax
from gptlite.model import GPT
from gptlite.sampling import log_softmax
from gptlite.tokenizer import Tokenizer
from gptlite.trace import Trace
from gptlite.views.machine import machine
from gptlite.views.stack import lens_logits
from gptlite.views.text import token_label

KEPT = 4  # traces: of a text with its changes, without them, and of the texts patched from
BEST = 5  # tokens that the logit lens shows at each place
POINTS = {"seed": 2**32, "start": 1_000_000, "n": 1000}  # the most of each, in a question
REFUSED = (ValueError, TypeError, ArithmeticError, MemoryError)


class Engine:
    """A model that answers questions about its readings of texts.

    Args:
        name: what the page calls the model.

    Raises:
        ValueError: the model is a GPT-1, whose block is another than the page draws.
    """

    def __init__(self, model: GPT, tokenizer: Tokenizer, name: str = "the storyteller") -> None:
        if model.config.post_norm:
            raise ValueError(
                "the page draws GPT-2's block, and GPT-1's has its norms in other places"
            )
        self.model, self.tokenizer, self.name = model, tokenizer, name
        self._traces: dict[Reading, Trace] = {}
        self._one_at_a_time = Lock()

    def answer(self, request: str) -> str:
        """Answer a question: JSON in, JSON out, as the head of this file says. Never raises."""
        try:
            found = parse(request)
            kinds = {
                **{"model": self.about, "read": self.read, "arrays": self.arrays},
                **{"lens": self.lens, "points": points},
            }
            kind = get(found, "kind", str)
            if kind not in kinds:
                raise ValueError(f"no question is called {kind!r}: there are {', '.join(kinds)}")
            with self._one_at_a_time:
                return json.dumps(kinds[kind](found))
        except REFUSED as failure:
            return json.dumps({"error": str(failure) or type(failure).__name__})

    # ---- The questions --------------------------------------------------------------------------

    def about(self, request: dict[str, Any]) -> dict[str, Any]:
        """Describe the model, and all that a page says of it whatever the text."""
        config = self.model.config
        labels = [token_label(self.tokenizer.decode_bytes([i])) for i in range(self.known)]
        return {
            "name": self.name,
            "config": asdict(config) | {"head_dim": config.head_dim, "n_params": config.n_params},
            "vocabulary": labels,
            "eot": labels[self.tokenizer.eot] if self.begins else None,
            "max_tokens": min(MAX_TOKENS, config.n_ctx),
            "blocks": list(range(config.n_layer)),
            "walk": walk(config.n_layer),
            "tour": tour(config.n_layer),
            "steps": described(config),
            "machine": machine(config),
        }

    def read(self, request: dict[str, Any]) -> dict[str, Any]:
        """Read a text, and give what the page shows first."""
        asked = reading(request)
        trace, plain = self.trace(asked), self.trace(asked._replace(edits=()))
        ids = self.ids(asked)
        before, after = plain["logits"][0, -1], trace["logits"][0, -1]  # [n_vocab]
        shapes = {name: list(array.shape[1:]) for name, array in trace.items()}
        shapes |= {"wte": shapes["embed"], "wpe": shapes["embed"]}
        for name in list(shapes):
            if name.endswith("attn.scores"):
                shapes[name.replace("scores", "unmasked")] = shapes[name]
        return {
            "said": asked.text + self.tokenizer.decode(asked.more),
            "ids": ids,
            "bytes": [self.tokenizer.decode_bytes([i]).hex(" ").upper() for i in ids],
            "shapes": shapes,
            "before": json_array(before),
            "after": json_array(after),
            "moved": divergence(before, after),
        }

    def arrays(self, request: dict[str, Any]) -> dict[str, Any]:
        """Give arrays of a reading by their names."""
        asked, names = reading(request), get(request, "names", list)
        trace, ids = self.trace(asked), self.ids(asked)
        return {"arrays": {str(name): json_array(self.array(name, trace, ids)) for name in names}}

    def lens(self, request: dict[str, Any]) -> dict[str, Any]:
        """Predict the next token as if the stack ended after each block (nostalgebraist 2020)."""
        trace = self.trace(reading(request))
        best_ids, best = [], []
        for name in ("embed", *(f"h.{i}.out" for i in range(self.model.config.n_layer))):
            p = softmax(lens_logits(self.model, trace[name][0]))  # [seq, n_vocab]
            ids = np.argsort(-p, axis=-1, kind="stable")[:, :BEST]  # [seq, best]
            best_ids.append(ids)
            best.append(np.take_along_axis(p, ids, axis=-1))  # [seq, best]
        return {"ids": json_array(np.stack(best_ids)), "probabilities": json_array(np.stack(best))}

    # ---- What they need -------------------------------------------------------------------------

    @property
    def known(self) -> int:
        """Number of tokens that both the model and the tokenizer know."""
        return min(self.model.config.n_vocab, self.tokenizer.n_vocab)

    @property
    def begins(self) -> bool:
        """True if there is a token to begin a text with."""
        return self.tokenizer.has_eot and self.tokenizer.eot < self.known

    def ids(self, asked: Reading) -> list[int]:
        """Encode a text.

        Raises:
            ValueError: there is no token, or there are more than the page takes.
        """
        ids = self.tokenizer.encode(asked.text)
        if asked.eot and self.begins:
            ids = [self.tokenizer.eot, *ids]
        if (highest := max(asked.more, default=0)) >= self.known:
            raise ValueError(f"there is no token {highest}: there are {self.known:,}")
        ids += asked.more
        most = min(MAX_TOKENS, self.model.config.n_ctx)
        if not ids:
            raise ValueError("the text is empty: give at least one character")
        if len(ids) > most:
            raise ValueError(
                f"the text has {len(ids):,} tokens, and the page takes {most} at most: "
                f"leave out {len(ids) - most:,}"
            )
        return ids

    def trace(self, asked: Reading) -> Trace:
        """Compute a reading's arrays, or find them among those kept.

        Raises:
            ValueError: the text cannot be read, or a change fits no array.
        """
        if (kept := self._traces.pop(asked, None)) is None:
            kept = Trace(edits_of(self.model.config, asked.edits, self.trace))
            with np.errstate(all="ignore"):
                self.model(self.ids(asked), trace=kept)
        self._traces[asked] = kept  # the latest comes last
        for oldest in list(self._traces)[:-KEPT]:
            del self._traces[oldest]
        return kept

    def array(self, name: object, trace: Trace, ids: list[int]) -> Array:
        """Find an array by the protocol's name for it, without the batch.

        Raises:
            ValueError: there is none.
        """
        if isinstance(name, str):
            if name in trace:
                found: Array = trace[name][0]  # [...]
                return found
            if name == "wte":
                return np.asarray(self.model.wte[ids], np.float32)  # [seq, n_embd]
            if name == "wpe":
                return np.asarray(self.model.wpe[: len(ids)], np.float32)  # [seq, n_embd]
            at, _, rest = name.rpartition(".")
            if rest == "unmasked" and f"{at}.q" in trace:
                divisor = np.float32(self.model.blocks[int(at.split(".")[1])]["attn"]["divisor"])
                scores = attention_scores(trace[f"{at}.q"], trace[f"{at}.k"])  # [1, head, seq, seq]
                unmasked: Array = scores[0] / divisor  # [head, seq, seq]
                return unmasked
        raise ValueError(f"no array is called {name!r}")


def points(request: dict[str, Any]) -> dict[str, Any]:
    """Give the random numbers that a generation with this seed draws its tokens with."""
    numbers = {name: get(request, name, int) for name in POINTS}
    for name, value in numbers.items():
        if not 0 <= value <= POINTS[name]:
            raise ValueError(f"{name} must lie in 0 to {POINTS[name]:,}, not {value}")
    rng = np.random.default_rng([numbers["seed"], 0])
    return {"points": rng.random(numbers["start"] + numbers["n"])[numbers["start"] :].tolist()}


def divergence(before: Array, after: Array) -> float:
    """Compute the Kullback-Leibler divergence of the softmax of ``after`` from that of ``before``.

    Both ``[n_vocab]``; 0 where nothing has moved, and never below.
    """
    with np.errstate(all="ignore"):
        log_p, log_q = (log_softmax(x.astype(np.float64)) for x in (before, after))  # [n_vocab]
        moved = float((np.exp(log_p) * (log_p - log_q)).sum())
    return max(0.0, moved) if np.isfinite(moved) else 1e9


def json_array(array: NDArray[Any]) -> dict[str, Any]:
    """Write an array as JSON: its shape, and float32 numbers in base64 or ints as they are."""
    shape = list(array.shape)
    if np.issubdtype(array.dtype, np.integer):
        return {"shape": shape, "int": array.ravel().tolist()}
    return {"shape": shape, "float32": b64encode(array.astype("<f4").tobytes()).decode()}
