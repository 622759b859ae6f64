"""Exercises: the feed-forward network, and the decoder block."""

from typing import Any

import numpy as np

from gptlite.activation import exact_gelu
from gptlite.exercises.attention import attention
from gptlite.exercises.exercise import Case, Exercise, Function, Mistake, two_mistakes
from gptlite.exercises.samples import (
    BATCH,
    HEAD,
    N_EMBD,
    SEQ,
    draw,
    input_of_second_block,
    random_block,
    second_block,
    storyteller,
    told,
)
from gptlite.layers import Array, gelu, layer_norm, linear

# ---- mlp ----------------------------------------------------------------------------------------


def mlp_cases() -> list[Case]:
    """Make streams, and take the storyteller's."""
    at, p = second_block()
    return [
        Case("x [5, 21] and p", (draw(SEQ, N_EMBD, scale=2), random_block()["mlp"])),
        Case("x [2, 5, 21] and p", (draw(BATCH, SEQ, N_EMBD, seed=1), random_block()["mlp"])),
        Case(
            "the storyteller's x [1, seq, n_embd]",
            (told()[at + "ln_2"], p["mlp"]),
            told()[at + "mlp.out"],
        ),
    ]


def mlp_with(activation: Function, last: Function = lambda y: y, biases: str = "fp") -> Function:
    """Make a feed-forward network with another activation function, or without a bias.

    Args:
        last: what is done to the result.
        biases: "f" for that of c_fc, "p" for that of c_proj.
    """

    def network(x: Array, p: Any) -> Any:
        fc, proj = p["c_fc"], p["c_proj"]
        h = activation(x @ fc["weight"] + (fc["bias"] if "f" in biases else 0))  # [..., n_inner]
        y = h @ proj["weight"] + (proj["bias"] if "p" in biases else 0)  # [..., n_embd]
        return last(y)

    return network


MLP = Exercise(
    mlp_with(gelu),
    mlp_cases,
    (
        Mistake(
            mlp_with(lambda x: x),
            "there is no activation function between the two layers: without it they are no more "
            "than one.",
        ),
        Mistake(
            mlp_with(lambda x: x, gelu),
            "the activation function comes after the second layer; it stands between the two.",
        ),
        Mistake(
            mlp_with(gelu, gelu),
            "the activation function is applied twice; after the second layer there is none.",
        ),
        Mistake(
            mlp_with(lambda x: np.maximum(x, 0)),
            "the activation function is ReLU; GPT-2's is GELU.",
        ),
        Mistake(
            mlp_with(exact_gelu),
            "the activation function is the exact GELU; GPT-2's is the tanh form.",
        ),
        Mistake(mlp_with(gelu, biases="p"), "the bias of c_fc is missing."),
        Mistake(mlp_with(gelu, biases="f"), "the bias of c_proj is missing."),
        Mistake(mlp_with(gelu, biases=""), "both biases are missing."),
        Mistake(
            lambda x, p: x + mlp_with(gelu)(x, p),
            "x is added to the result; that sum belongs to the decoder block.",
        ),
        Mistake(
            lambda x, p: gelu(linear(x, **p["c_fc"])),
            "the second layer is missing, which brings the result back to n_embd numbers.",
        ),
        *(
            two_mistakes(mlp_with(activation, biases=""), words, "both biases are missing")
            for activation, words in (
                (lambda x: x, "there is no activation function between the two layers"),
                (lambda x: np.maximum(x, 0), "the activation function is ReLU; GPT-2's is GELU"),
                (exact_gelu, "the GELU is the exact one; GPT-2's is the tanh form"),
            )
        ),
    ),
    unknown="What does check say of gelu?",
)


# ---- decoder_block ------------------------------------------------------------------------------

mlp = mlp_with(gelu)


def normed_by(x: Array, p: Any, which: str) -> Array:
    """Apply one of the block's layer norms: ``[batch, seq, n_embd]``."""
    return layer_norm(x, **p[which])


def whole_block(x: Array, p: Any, n_head: int) -> Any:
    """Run a block: ``[batch, seq, n_embd]`` in and out."""
    x = x + attention(normed_by(x, p, "ln_1"), p["attn"], n_head)  # [batch, seq, n_embd]
    return x + mlp(normed_by(x, p, "ln_2"), p["mlp"])  # [batch, seq, n_embd]


def block_cases() -> list[Case]:
    """Make streams, and take the storyteller's."""
    at, p = second_block()
    model, _ = storyteller()
    own = (input_of_second_block(), p, model.config.n_head)
    return [
        Case("x [1, 4, 6], p, n_head 2", (draw(1, 4, 6, seed=1), random_block(6, 300), 2)),
        Case("x [2, 5, 21], p, n_head 3", (draw(BATCH, SEQ, N_EMBD), random_block(), HEAD)),
        Case("the storyteller's x [1, seq, n_embd]", own, told()[at + "out"]),
    ]


def parted(x: Array, p: Any, n_head: int, keep: tuple[int, int]) -> Any:
    """Run a block that lacks a residual connection where ``keep`` is 0."""
    x = keep[0] * x + attention(normed_by(x, p, "ln_1"), p["attn"], n_head)  # [batch, seq, n_embd]
    return keep[1] * x + mlp(normed_by(x, p, "ln_2"), p["mlp"])  # [batch, seq, n_embd]


def mlp_first(x: Array, p: Any, n_head: int) -> Any:
    """Run a block in the wrong order."""
    x = x + mlp(normed_by(x, p, "ln_2"), p["mlp"])  # [batch, seq, n_embd]
    return x + attention(normed_by(x, p, "ln_1"), p["attn"], n_head)  # [batch, seq, n_embd]


def normed_stream(x: Array, p: Any, n_head: int) -> Any:
    """Run a block whose residual connections carry the normed stream."""
    n = normed_by(x, p, "ln_1")  # [batch, seq, n_embd]
    n = normed_by(n + attention(n, p["attn"], n_head), p, "ln_2")  # [batch, seq, n_embd]
    return n + mlp(n, p["mlp"])  # [batch, seq, n_embd]


def after(x: Array, p: Any, n_head: int) -> Any:
    """Run a block whose norms come after the sums, as GPT-1's."""
    x = normed_by(x + attention(x, p["attn"], n_head), p, "ln_1")  # [batch, seq, n_embd]
    return normed_by(x + mlp(x, p["mlp"]), p, "ln_2")  # [batch, seq, n_embd]


DECODER_BLOCK = Exercise(
    whole_block,
    block_cases,
    (
        Mistake(
            lambda x, p, n: parted(x, p, n, (0, 1)),
            "the residual connection around attention is missing: what attention has found is "
            "added to the stream, not put in its place.",
        ),
        Mistake(
            lambda x, p, n: parted(x, p, n, (1, 0)),
            "the residual connection around the MLP is missing: its result is added to the "
            "stream, not put in its place.",
        ),
        Mistake(
            lambda x, p, n: parted(x, p, n, (0, 0)),
            "both residual connections are missing: each sub-layer adds to the stream.",
        ),
        Mistake(
            lambda x, p, n: whole_block(x, p, n) - x,
            "the stream that came in is missing in the sum: this is only what the block adds.",
        ),
        Mistake(
            after,
            "the norms come after the sums (post-norm, as in GPT-1). In GPT-2 each stands in front "
            "of its sub-layer, and the stream itself is never normed.",
        ),
        Mistake(
            normed_stream,
            "the normed vectors are carried on. Only the sub-layers read them; the stream itself "
            "goes on as it was.",
        ),
        Mistake(
            lambda x, p, n: (
                x
                + attention(normed_by(x, p, "ln_1"), p["attn"], n)
                + mlp(normed_by(x, p, "ln_2"), p["mlp"])
            ),
            "the MLP reads the stream as it was before attention (some later models do so, in "
            "parallel); in GPT-2 it reads what attention has added too.",
        ),
        Mistake(mlp_first, "the MLP comes before attention; it is the other way round."),
        Mistake(
            lambda x, p, n: whole_block(x, {**p, "ln_2": p["ln_1"]}, n),
            "ln_1 is used for both; in front of the MLP stands ln_2.",
        ),
        Mistake(
            lambda x, p, n: whole_block(x, {**p, "ln_1": p["ln_2"], "ln_2": p["ln_1"]}, n),
            "ln_1 and ln_2 have changed places.",
        ),
        Mistake(
            lambda x, p, n: (
                x + attention(x, p["attn"], n) + mlp(x + attention(x, p["attn"], n), p["mlp"])
            ),
            "the layer norms are missing: each sub-layer reads the stream normed.",
        ),
        Mistake(
            lambda x, p, n: x + attention(normed_by(x, p, "ln_1"), p["attn"], n),
            "the MLP is missing: this is the stream after attention.",
        ),
        two_mistakes(
            lambda x, p, n: mlp(attention(x, p["attn"], n), p["mlp"]),
            "the residual connections are missing: each sub-layer adds to the stream",
            "so are the layer norms: each sub-layer reads the stream normed",
        ),
        two_mistakes(
            lambda x, p, n: x + mlp(x, p["mlp"]) + attention(x + mlp(x, p["mlp"]), p["attn"], n),
            "the MLP comes before attention; it is the other way round",
            "the layer norms are missing: each sub-layer reads the stream normed",
        ),
        two_mistakes(
            lambda x, p, n: normed_by(
                mlp(normed_by(attention(x, p["attn"], n), p, "ln_1"), p["mlp"]), p, "ln_2"
            ),
            "the residual connections are missing: each sub-layer adds to the stream",
            "each norm comes after its sub-layer; it stands in front of it",
        ),
    ),
    unknown="What does check say of attention, mlp and layer_norm?",
)
