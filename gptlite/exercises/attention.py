"""Exercise: attention as a whole."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gptlite.block import attention_scores, mask_future, merge_heads, split_heads
from gptlite.exercises.exercise import Case, Exercise, Function, Mistake, two_mistakes
from gptlite.exercises.samples import (
    BATCH,
    HEAD,
    N_EMBD,
    SEQ,
    draw,
    random_block,
    second_block,
    storyteller,
    told,
)
from gptlite.layers import Array, linear, softmax


@dataclass(frozen=True)
class Steps:
    """The steps of attention, each of which a mistake may replace."""

    parts: str = "qkv"  # the thirds of c_attn's result, in order
    split: Function = split_heads
    scores: Function = attention_scores
    weights: Function = lambda scores: softmax(mask_future(scores))
    merge: Function = merge_heads
    project: Function = lambda z, p: linear(z, **p["c_proj"])
    qkv: Function = lambda x, p: linear(x, **p["c_attn"])

    def __call__(self, x: Array, p: Any, n_head: int) -> Any:
        """Run them: ``[batch, seq, n_embd]`` in and out."""
        thirds = np.split(self.qkv(x, p), 3, axis=-1)  # [batch, seq, n_embd]
        heads = {n: self.split(t, n_head) for n, t in zip(self.parts, thirds, strict=True)}
        weights = self.weights(self.scores(heads["q"], heads["k"]))  # [batch, head, seq, seq]
        return self.project(self.merge(weights @ heads["v"]), p)  # [batch, seq, n_embd]


def attention_cases() -> list[Case]:
    """Make streams with one text and two, and take the storyteller's."""
    at, p = second_block()
    model, _ = storyteller()
    own = (told()[at + "ln_1"], p["attn"], model.config.n_head)
    small = random_block(6, seed=200)["attn"]
    return [
        Case("x [1, 4, 6], p, n_head 2", (draw(1, 4, 6, seed=1), small, 2)),
        Case("x [2, 5, 21], p, n_head 3", (draw(BATCH, SEQ, N_EMBD), random_block()["attn"], HEAD)),
        Case("the storyteller's x [1, seq, n_embd]", own, told()[at + "attn.out"]),
    ]


def masked_late(scores: Array) -> Array:
    """Take the softmax first and hide the future afterwards: rows do not add up to 1."""
    seen = np.tri(*scores.shape[-2:], dtype=np.float32)  # [seq, seq]
    return softmax(scores) * seen  # [batch, head, seq, seq]


def over_queries(scores: Array) -> Array:
    """Let the softmax run over the queries."""
    turned = mask_future(scores).swapaxes(-1, -2)  # [batch, head, seq, seq]
    return softmax(turned).swapaxes(-1, -2)  # [batch, head, seq, seq]


def unscaled(q: Array, k: Array) -> Array:
    """Compute scores without their scale."""
    return q @ k.swapaxes(-1, -2)  # [batch, head, seq, seq]


attention = Steps()

ATTENTION = Exercise(
    attention,
    attention_cases,
    (
        Mistake(
            Steps(weights=softmax),
            "there is no mask: each position gathers from later ones too.",
        ),
        Mistake(
            Steps(scores=unscaled),
            "the scores are not scaled: each is divided by the square root of head_dim.",
        ),
        Mistake(
            Steps(scores=lambda q, k: attention_scores(q, k) * q.shape[-1] ** -0.5),
            "the scores are scaled twice: by head_dim, not by its root.",
        ),
        Mistake(
            Steps(weights=masked_late),
            "the mask comes after the softmax, so the rows no longer add up to 1: hide the scores "
            "first, then share out the weights.",
        ),
        Mistake(
            Steps(weights=over_queries),
            "the softmax runs over the queries; each query shares out its own attention over the "
            "keys.",
        ),
        Mistake(
            Steps(weights=mask_future),
            "the softmax is missing: the values are summed with scores for weights.",
        ),
        Mistake(
            Steps(project=lambda z, p: z),
            "the last layer, c_proj, is missing: it mixes what the heads have found.",
        ),
        Mistake(
            Steps(project=lambda z, p: z @ p["c_proj"]["weight"]),
            "the bias of c_proj is missing.",
        ),
        Mistake(
            Steps(qkv=lambda x, p: x @ p["c_attn"]["weight"]),
            "the bias of c_attn is missing.",
        ),
        *(
            Mistake(
                Steps(parts),
                f"the thirds of c_attn's result are taken as {', '.join(parts)}; the order is q, "
                "k, v.",
            )
            for parts in ("kqv", "qvk", "vkq", "kvq", "vqk")
        ),
        Mistake(
            Steps(merge=lambda z: z.reshape(z.shape[0], z.shape[2], -1)),
            "the heads are merged by a reshape alone, which mixes up positions and heads: first "
            "swap the axes back, then reshape.",
        ),
        Mistake(
            Steps(split=lambda x, n: x.reshape(x.shape[0], n, x.shape[1], -1)),
            "the heads are split by a reshape alone: they hold other tokens' numbers. And is "
            "your split_heads right?",
        ),
        Mistake(
            lambda x, p, n_head: Steps()(x, p, 1),
            "n_head is not used: there is one wide head.",
        ),
        Mistake(
            lambda x, p, n_head: x + Steps()(x, p, n_head),
            "x is added to the result; that sum belongs to the decoder block.",
        ),
        *(
            two_mistakes(wrong, words, "the scores are not scaled by the root of head_dim")
            for wrong, words in (
                (Steps(weights=softmax, scores=unscaled), "there is no mask"),
                (Steps(weights=masked_late, scores=unscaled), "the mask comes after the softmax"),
                (
                    Steps(weights=over_queries, scores=unscaled),
                    "the softmax runs over the queries; it should over the keys",
                ),
                (
                    Steps(project=lambda z, p: z, scores=unscaled),
                    "the last layer, c_proj, is missing",
                ),
            )
        ),
        two_mistakes(
            Steps(weights=softmax, project=lambda z, p: z),
            "there is no mask",
            "the last layer, c_proj, is missing",
        ),
        two_mistakes(
            Steps(
                qkv=lambda x, p: x @ p["c_attn"]["weight"],
                project=lambda z, p: z @ p["c_proj"]["weight"],
            ),
            "the bias of c_attn is missing",
            "so is that of c_proj",
        ),
    ),
    unknown="What does check say of split_heads, attention_scores, mask_future and softmax?",
)
