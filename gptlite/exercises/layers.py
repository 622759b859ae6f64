"""Exercises: softmax and GELU."""

from typing import Any

import numpy as np

from gptlite.activation import exact_gelu
from gptlite.exercises.exercise import Case, Exercise, Mistake, two_mistakes
from gptlite.exercises.samples import (
    BATCH,
    HEAD,
    N_EMBD,
    SEQ,
    draw,
    second_block,
    told,
)
from gptlite.layers import SQRT_2_OVER_PI, gelu, softmax

# ---- softmax ------------------------------------------------------------------------------------


def softmax_cases() -> list[Case]:
    """Make scores: of several numbers of axes, square, very large, and the storyteller's own."""
    large = draw(3, 4, seed=4) + np.array([[0], [1000], [-1000]], np.float32)  # [3, 4]
    at, _ = second_block()
    return [
        Case("scores [5, 7]", (draw(5, 7),)),
        Case("scores [4, 4]", (draw(4, 4, seed=1),)),
        Case("scores [2, 3, 5, 7]", (draw(BATCH, HEAD, SEQ, 7, seed=2, scale=3),)),
        Case("scores [6]", (draw(6, seed=3),)),
        Case("scores [3, 4] around 0, 1000 and -1000", (large,)),
        Case(
            "the storyteller's scores", (told()[at + "attn.scores"],), told()[at + "attn.weights"]
        ),
    ]


def share(x: Any, axis: int | None) -> Any:
    """Compute a softmax over another axis, or over all of them: ``[...]``."""
    p = np.exp(x - x.max(axis=axis, keepdims=True))  # [...]
    return p / p.sum(axis=axis, keepdims=True)


def exp_sums(x: Any, axis: int | None) -> Any:
    """Add up the exponentials along an axis, without a maximum subtracted: ``[...]``."""
    return np.exp(x).sum(axis=axis, keepdims=True)  # [...]


OVERFLOWS = (
    "exp overflows for a score of 1000: a number has to be subtracted from the whole row first"
)

SOFTMAX = Exercise(
    softmax,
    softmax_cases,
    (
        Mistake(
            lambda x: share(x, -2),
            "your columns add up to 1, and the rows should: the numbers that share out the 1 "
            "lie along the last axis.",
        ),
        Mistake(
            lambda x: share(x, 0),
            "your numbers add up to 1 along the first axis; they should along the last one, "
            "however many axes there are before it.",
        ),
        Mistake(
            lambda x: share(x, 1),
            "your numbers add up to 1 along axis 1, which is the last one only where there are "
            "two axes. Count from the end: -1.",
        ),
        Mistake(
            lambda x: share(x, None),
            "all your numbers together add up to 1; each row should by itself.",
        ),
        Mistake(np.exp, "the exponentials are there, but nothing makes them add up to 1."),
        Mistake(
            lambda x: np.exp(x - x.max(-1, keepdims=True)),
            "the exponentials are there, the highest is 1, but nothing makes them add up to 1.",
        ),
        Mistake(
            lambda x: x / x.sum(-1, keepdims=True),
            "the scores are divided by their sum as they are. They may be negative: first each "
            "must become a positive number.",
        ),
        Mistake(
            lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
            "right for small scores, but exp overflows for a score of 1000. Subtract a number "
            "from the whole row first: the result stays the same. Which number makes it safe?",
        ),
        Mistake(
            lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(-1, keepdims=True),
            "the maximum of the whole array is subtracted. A row that lies far below it becomes "
            "0 / 0: each row needs its own maximum.",
        ),
        Mistake(
            lambda x: (
                np.exp(x.min(-1, keepdims=True) - x)
                / np.exp(x.min(-1, keepdims=True) - x).sum(-1, keepdims=True)
            ),
            "the lowest score gets the most: there is a minus too many.",
        ),
        Mistake(
            lambda x: np.log(softmax(x)),
            "these are the logarithms of the probabilities; the probabilities were asked for.",
        ),
        Mistake(
            lambda x: np.exp(x - x.max(-1)) / np.exp(x - x.max(-1)).sum(-1),
            "the maximum and the sum have lost their axis, so NumPy lines them up with the "
            "columns. keepdims=True keeps it, with length 1.",
        ),
        Mistake(
            lambda x: (
                np.exp(x - x.max(-1, keepdims=True)) / np.exp(x - x.max(-1, keepdims=True)).sum(-1)
            ),
            "the sum has lost its axis, so that NumPy divides columns by it, not rows. "
            "keepdims=True keeps the axis, with length 1.",
        ),
        *(
            two_mistakes(lambda x, axis=axis: np.exp(x) / exp_sums(x, axis), words, OVERFLOWS)
            for axis, words in (
                (-2, "your columns add up to 1, and the rows should"),
                (0, "your numbers add up to 1 along the first axis; they should along the last"),
                (1, "your numbers add up to 1 along axis 1; count from the end: -1"),
                (None, "all your numbers together add up to 1; each row should by itself"),
            )
        ),
        two_mistakes(
            lambda x: np.exp(x) / np.exp(x).sum(-1),
            "the sum has lost its axis, so that NumPy divides columns by it (keepdims=True keeps "
            "the axis)",
            OVERFLOWS,
        ),
        two_mistakes(
            lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(-1),
            "the sum has lost its axis, so that NumPy divides columns by it (keepdims=True keeps "
            "the axis)",
            "the maximum of the whole array is subtracted; each row needs its own",
        ),
        two_mistakes(
            lambda x: np.exp(x - x.max()),
            "nothing makes the exponentials add up to 1",
            "the maximum of the whole array is subtracted; each row needs its own",
        ),
        two_mistakes(
            lambda x: np.exp(-x) / exp_sums(-x, -1),
            "the lowest score gets the most: there is a minus too many",
            OVERFLOWS,
        ),
    ),
)


# ---- gelu ---------------------------------------------------------------------------------------


def gelu_cases() -> list[Case]:
    """Make numbers between -6 and 6, and take the storyteller's."""
    at, _ = second_block()
    return [
        Case("x from -6 to 6, [13]", (np.linspace(-6, 6, 13, dtype=np.float32),)),
        Case("x [2, 5, 21]", (draw(BATCH, SEQ, N_EMBD, scale=2),)),
        Case("the storyteller's hidden layer", (told()[at + "mlp.fc"],), told()[at + "mlp.gelu"]),
    ]


def bent(cubic: float = 0.044715, power: int = 3, steep: float = SQRT_2_OVER_PI) -> Any:
    """Make a GELU in tanh form with other numbers in it."""
    return lambda x: 0.5 * x * (1 + np.tanh(steep * (x + cubic * x**power)))


GELU = Exercise(
    gelu,
    gelu_cases,
    (
        Mistake(
            exact_gelu,
            "this is the exact GELU (with erf). GPT-2 was trained with the tanh form, which "
            "differs by up to 0.0005: enough to change what a trained model says.",
        ),
        Mistake(
            lambda x: x / (1 + np.exp(-1.702 * x)),
            "this is the sigmoid form, x * sigmoid(1.702 x); GPT-2 uses the one with tanh.",
        ),
        Mistake(
            lambda x: x / (1 + np.exp(-x)),
            "this is SiLU (swish), x * sigmoid(x), which later models use; GPT-2 uses the form "
            "with tanh.",
        ),
        Mistake(
            lambda x: np.maximum(x, 0),
            "this is ReLU, which cuts off at 0. GELU bends there, and dips below it a little.",
        ),
        Mistake(np.tanh, "this is tanh alone; it is only a part of the formula."),
        Mistake(lambda x: 2 * gelu(x), "twice too large: the factor 0.5 is missing."),
        Mistake(
            lambda x: np.where(x == 0, 0.5, gelu(x) / np.where(x == 0, 1, x)),
            "this is the share of x that is let through, between 0 and 1; it still has to "
            "multiply x.",
        ),
        Mistake(
            lambda x: 0.5 * x * np.tanh(SQRT_2_OVER_PI * (x + 0.044715 * x**3)),
            "the 1 is missing: 1 + tanh(...), so that negative numbers come out near 0.",
        ),
        Mistake(bent(power=2), "x is squared inside the tanh; it should be cubed."),
        Mistake(
            bent(power=1), "inside the tanh, 0.044715 multiplies x; it should multiply x cubed."
        ),
        Mistake(bent(cubic=0), "the cubic term is missing inside the tanh: 0.044715 x cubed."),
        Mistake(bent(steep=1), "the factor sqrt(2 / pi) is missing inside the tanh."),
        Mistake(
            bent(steep=SQRT_2_OVER_PI**2),
            "inside the tanh stands 2 / pi; its square root should.",
        ),
        Mistake(
            lambda x: 0.5 * x * (1 + np.tanh(SQRT_2_OVER_PI * x + 0.044715 * x**3)),
            "sqrt(2 / pi) multiplies x alone; it multiplies the sum of x and its cubic term. "
            "Mind the brackets.",
        ),
        *(
            two_mistakes(lambda x, inside=inside: 2 * inside(x), "the factor 0.5 is missing", words)
            for inside, words in (
                (bent(power=2), "x is squared inside the tanh; it should be cubed"),
                (bent(cubic=0), "the cubic term is missing inside the tanh"),
                (bent(steep=1), "the factor sqrt(2 / pi) is missing inside the tanh"),
                (bent(steep=SQRT_2_OVER_PI**2), "inside the tanh stands 2 / pi, not its root"),
            )
        ),
        two_mistakes(
            bent(cubic=0, steep=1),
            "the cubic term is missing inside the tanh",
            "the factor sqrt(2 / pi) is missing before it",
        ),
        two_mistakes(
            bent(power=2, steep=SQRT_2_OVER_PI**2),
            "x is squared inside the tanh; it should be cubed",
            "there stands 2 / pi, not its root",
        ),
    ),
)
