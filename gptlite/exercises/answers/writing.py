"""Answers about sampling, the cache, the official weights and memory: notebooks 6, 7 and 10."""

from typing import Any

import numpy as np

from gptlite.config import PRESETS
from gptlite.exercises.answers.kinds import Judge, choice, exactly, in_brief, numbers, one_number
from gptlite.exercises.answers.measuring import NOT_BEGUN, chances, tokens_of
from gptlite.exercises.samples import storyteller
from gptlite.generate import generate_tokens
from gptlite.sampling import Sampler

PROMPT = "Once upon a time there was a"
NAMES = list(PRESETS)
MEDIUM_BYTES = 1_519_984_962
MASKS = 24 * 1024 * 1024 * 4


def greedily(text: str, n_new: int, penalty: float = 1.0, skip: int = 0) -> list[int]:
    """Continue a text greedily: ``n_new`` ids.

    Args:
        penalty: for tokens that have occurred.
        skip: 1 to leave out ``<|endoftext|>`` in front.
    """
    sampler = Sampler(temperature=0, top_k=0, repetition_penalty=penalty)
    steps = generate_tokens(storyteller()[0], [tokens_of(text)[skip:]], sampler, n_new)
    return [int(step.ids[0]) for step in steps]


def three_texts(answer: Any) -> tuple[bool, str]:
    """Judge three texts that should be the greedy one."""
    texts = list(answer) if isinstance(answer, (list, tuple, set)) else []
    if len(texts) != 3 or not all(isinstance(text, str) for text in texts):
        return False, f"expected a list of three texts; found {in_brief(answer)}."
    _, tokenizer = storyteller()
    greedy, not_begun = (tokenizer.decode(greedily("The fox", 10, skip=i)) for i in (0, 1))
    if texts == [greedy] * 3:
        return True, "each leaves one token to draw from, the most likely one."
    if texts == [not_begun] * 3:
        return False, NOT_BEGUN
    wrong = next(i for i, text in enumerate(texts) if text != greedy)
    return False, f"text {wrong + 1} is not the greedy one, {greedy!r}: are the other filters off?"


def chance_of_was() -> float:
    """Compute the probability of " was" after "The old man", where a text begins so."""
    _, tokenizer = storyteller()
    return float(chances(tokens_of("The old man"))[tokenizer.encode(" was")[0]])


def share_of_was(answer: Any) -> tuple[bool, str]:
    """Judge the share of a token among 2,000 draws by its standard error."""
    try:
        share = float(answer)
    except (TypeError, ValueError):
        return False, f"expected a share between 0 and 1; found {in_brief(answer)}."
    p = chance_of_was()
    error = (p * (1 - p) / 2000) ** 0.5
    if abs(share * 2000 - p) < 1e-6 or not 0 <= share <= 1:
        return False, "expected the share of the draws, a number between 0 and 1."
    said = f"its probability is {p:.3f}, your share {share:.3f}"
    if abs(share - p) < 4 * error:
        return True, f"{said}: {abs(share - p) / error:.1f} standard errors apart."
    return False, (
        f"{said}, and the standard error only {error:.3f}: are temperature 1 and all tokens set, "
        "are there 2,000 draws, and does the text begin with `<|endoftext|>`?"
    )


def flipped(bit: int) -> float:
    """Flip a bit of 0.1 in float32."""
    bits = np.array([0.1], np.float32).view(np.uint32) ^ np.uint32(1 << bit)  # [1]
    return float(bits.view(np.float32)[0])


def blocks_of(n_embd: int, n_layer: int) -> int:
    """Count the parameters of a stack of blocks."""
    return n_layer * (12 * n_embd**2 + 13 * n_embd)


XL_READ = PRESETS["gpt2-xl"].n_params - 1023 * 1600  # one row of wpe

ANSWERS: dict[str, Judge] = {
    "06.1": three_texts,
    "06.2": share_of_was,
    "06.3": choice(
        "b",
        {
            "a": "a query is as large as a key.",
            "b": "later positions read keys and values; a query is done with once its own row is "
            "computed.",
            "c": "what a position has computed does not change when the text goes on: the mask "
            "sees to that, for queries too.",
        },
    ),
    "06.4": exactly(
        [True, False],
        "two of True and False",
        "no earlier token has seen the end, so it can be taken back. But later tokens have "
        "gathered from the first one: from block 1 on their keys and values are out of date.",
        [
            (
                [True, True],
                "compare the logits with those of a call without any cache: what do "
                "keys and values of block 1 depend on?",
            ),
            ([False, False], "the end can be taken back: which positions have seen it?"),
        ],
    ),
    "06.5": exactly(
        lambda: greedily(PROMPT, 80, 1.3),
        "80 token ids",
        "no circle, but the remedy cannot tell a phrase from a comma: words that a text needs "
        "again and again are pushed down too.",
        [
            (lambda: greedily(PROMPT, 80), "that is the text without a penalty."),
            (lambda: greedily(PROMPT, 80, 1.3, skip=1), NOT_BEGUN),
        ],
        "these are not the ids: temperature 0, top_k 0, a penalty of 1.3, and 80 new tokens.",
    ),
    "07.1": numbers(
        (blocks_of(1536, 12) / blocks_of(768, 12), 2),
        ("the factor for the width", "the factor for the blocks"),
        "matrices grow with the square of the width, and the stack with its height: xl is 2.1 "
        "times as wide and 4 times as high as gpt2.",
        [
            ((2, 2), "a matrix of d x d has four times as many numbers if d is doubled."),
            ((2, 4), "the other way round?"),
        ],
        rel=0.02,
    ),
    "07.2": exactly(
        [NAMES[:3], NAMES],
        "two lists of names",
        "in float32 up to gpt2-large, with 3.1 GB, if little else is needed; in float16 gpt2-xl "
        "too.",
        [([NAMES[:2], NAMES], "gpt2-large takes 774 million times 4 bytes.")],
    ),
    "07.3": one_number(
        MEDIUM_BYTES - 4 * PRESETS["gpt2-medium"].n_params - MASKS,
        "the bytes",
        "about twice as long as the smallest model's, for twice as many arrays.",
        [
            (
                MEDIUM_BYTES - 4 * PRESETS["gpt2-medium"].n_params,
                "the masks are still in it: one for each block, 1,024 x 1,024 float32 numbers.",
            ),
            (
                MEDIUM_BYTES - 4 * PRESETS["gpt2-medium"].n_params - MASKS // 2,
                "gpt2-medium has 24 blocks, so 24 masks.",
            ),
        ],
        rel=1e-6,
    ),
    "07.4": exactly(
        [64, False],
        "a number, and True or False",
        "c_attn has 3 d columns however they are shared out: the number of heads has to be told "
        "in the configuration.",
        [([64, True], "which array's shape would be another with twice as many heads?")],
    ),
    "07.5": one_number(
        flipped(30),
        "the number",
        "one bit of the exponent, and every answer is nonsense, while the length of the file is "
        "as it was.",
        [
            (flipped(31), "that is bit 31, the sign."),
            (flipped(29), "that is bit 29: counted from 0, the sign is bit 31."),
        ],
    ),
    "10.1": numbers(
        (50e9 / (4 * XL_READ), 50e9 / (XL_READ / 2)),
        ("tokens per second in float32", "with 4 bits"),
        "the bandwidth over the bytes read for each token: nothing else was needed.",
        [
            (
                (50e9 / (4 * XL_READ), 50e9 / (4 * XL_READ) * 4),
                "4 bits are half a byte: an eighth of float32, not a quarter.",
            ),
        ],
        rel=0.05,
    ),
    "10.2": choice(
        "c",
        {
            "a": "each weight is read once for a whole batch: how many multiplications is it used "
            "in?",
            "b": "it is larger than decoding's, but look at the multiplications per byte, as in "
            "the table above.",
            "c": "thousands of tokens go through each matrix in one pass: hundreds of "
            "multiplications for each byte.",
        },
    ),
    "10.3": one_number(
        sum(0.8**k for k in range(5)),
        "the tokens of a pass",
        "one for sure, and one for each beginning of the guess that is right: 1 + p + p^2 + p^3 + "
        "p^4.",
        [
            (1 + 4 * 0.8, "a guess counts only if all before it are right, too."),
            (
                sum(0.8**k for k in range(1, 5)),
                "the pass itself brings a token as well, even if no guess is right.",
            ),
        ],
    ),
    "10.4": exactly(20, "a number of passes", "one token for each pass: no worse than without."),
    "10.5": choice(
        "b",
        {
            "a": "it can: what is drawn at each place can be drawn after the guess, too.",
            "b": "with a fixed seed the same text comes out; by accepting guesses with the right "
            "probability, the same distribution (Leviathan et al. 2023).",
            "c": "temperature is no obstacle: what counts is the distribution that is drawn from.",
        },
    ),
}
