"""Answers about texts and tokens: notebooks 1, 2 and 12."""

from typing import Any

import numpy as np

from gptlite.alphabet import PATTERN
from gptlite.config import GPTConfig
from gptlite.exercises.answers.kinds import Judge, choice, exactly, in_brief, numbers, one_number
from gptlite.exercises.answers.measuring import chances, losses, tokens_of
from gptlite.exercises.samples import storyteller
from gptlite.tasks.score import score

SENTENCE = "there was a little boy who lived with his grandmother in a cottage"
XL = GPTConfig.preset("gpt2-xl").n_params
GIGABYTES = np.array([4 * XL, 2 * XL]) / 1e9


def n_vocab() -> int:
    """Count the storyteller's tokens."""
    return storyteller()[0].config.n_vocab


def perplexity_of(text: str) -> float:
    """Measure the perplexity of a text for the storyteller."""
    return float(np.exp(losses(tokens_of(text)).mean()))


def growth() -> float:
    """Measure how many times as perplexing a sentence is with its words sorted."""
    return perplexity_of(" ".join(sorted(SENTENCE.split()))) / perplexity_of(SENTENCE)


def nats_in_both_orders() -> tuple[float, float]:
    """Measure the surprise of the whole sentence, as it is and with its words sorted, in nats."""
    texts = SENTENCE, " ".join(sorted(SENTENCE.split()))
    as_it_is, in_order = (float(losses(tokens_of(text)).sum()) for text in texts)
    return as_it_is, in_order


def ratio_of_nats() -> float:
    """Compute how many times as many nats the sorted sentence has."""
    as_it_is, in_order = nats_in_both_orders()
    return in_order / as_it_is


def ratio_of_probabilities() -> float:
    """Compute how many times less likely the sorted sentence is."""
    as_it_is, in_order = nats_in_both_orders()
    return float(np.exp(in_order - as_it_is))


def sure_text(answer: Any) -> tuple[bool, str]:
    """Judge a text of three words or more, after which one token has more than 0.9."""
    if not isinstance(answer, str) or len(answer.split()) < 3:
        return False, f"expected a text of at least three words; found {in_brief(answer)}."
    _, tokenizer = storyteller()
    after = chances(tokens_of(answer))  # [n_vocab]
    best = int(after.argmax())
    said = f"after it the storyteller gives {tokenizer.decode([best])!r} {after[best]:.2f}"
    if after[best] > 0.9:
        return True, f"{said}."
    return False, f"{said}. Try a fixed phrase, or a sentence with one possible end."


def wasteful_word(answer: Any) -> tuple[bool, str]:
    """Judge a word that could be written in fewer tokens than BPE makes of it."""
    if not isinstance(answer, str) or PATTERN.findall(answer) != [answer]:
        return False, (
            "expected one word, with or without the space before it (no token crosses from one "
            f"word to the next); found {in_brief(answer)}."
        )
    _, tokenizer = storyteller()
    known = {tokenizer.decode_bytes([i]) for i in range(tokenizer.n_vocab)}
    whole, fewest = answer.encode(), [0]
    for end in range(1, len(whole) + 1):
        starts = [n for n in range(end) if whole[n:end] in known]
        fewest.append(1 + min(fewest[n] for n in starts))
    used = len(tokenizer.encode(answer))
    said = f"BPE makes {used} tokens of {answer!r}, and {fewest[-1]} would do"
    if used > fewest[-1]:
        return True, f"{said}: merges are replayed by rank, and none is ever taken back."
    return False, f"{said}."


def other_spelling(answer: Any) -> tuple[bool, str]:
    """Judge ids that ``encode`` never gives."""
    _, tokenizer = storyteller()
    try:
        ids = [int(i) for i in answer]
        text = tokenizer.decode(ids)
    except (TypeError, ValueError):
        return False, f"expected a list of token ids; found {in_brief(answer)}."
    again = tokenizer.encode(text)
    if again != ids:
        return True, f"they spell {text!r}, which `encode` makes {again} of."
    return False, f"they spell {text!r}, and `encode` makes the same ids of it."


def spelled() -> list[int]:
    """Spell a text letter by letter, after ``<|endoftext|>``."""
    _, tokenizer = storyteller()
    return [tokenizer.eot, *(tokenizer.encode(letter)[0] for letter in "Once upon a time")]


def space_s_worth() -> float:
    """Measure by how many nats " time" is likelier than "time" after "Once upon a"."""
    with_space, without = (score(*storyteller(), "Once upon a", [o])[0] for o in (" time", "time"))
    return float(with_space - without)


def belief_in_true() -> float:
    """Measure the share of " True" against " False" after "Answer:"."""
    empty = score(*storyteller(), "Answer:", [" True", " False"])  # [2]
    return float(np.exp(empty[0] - np.logaddexp(*empty)))


def last_named(answer: Any) -> tuple[bool, str]:
    """Comment on how often of 100 the quality named last was chosen."""
    is_count = isinstance(answer, (int, np.integer)) and not isinstance(answer, bool)
    if not is_count or not 0 <= answer <= 100:
        return False, f"expected a count from 0 to 100; found {in_brief(answer)}."
    if 35 <= answer <= 65:
        return True, (
            f"{answer} of 100: it follows no such rule, as far as 100 tries can tell (a fair coin "
            "gives 40 to 60 nearly always)."
        )
    which = "last" if answer > 65 else "first"
    return True, (
        f"{answer} of 100: it leans to the quality named {which}. Half of the time that is right, "
        "so it scores like a coin, and follows a rule all the same."
    )


ANSWERS: dict[str, Judge] = {
    "01.1": one_number(
        lambda: (2 * n_vocab()) ** 0.5,
        "the perplexity",
        "nats are averaged, and that makes perplexities multiply: it is their geometric mean.",
        [
            (
                lambda: (2 + n_vocab()) / 2,
                "that is the mean of the two perplexities. What is "
                "averaged over a text is its nats, the logarithms.",
            ),
            (
                lambda: np.log(2 * n_vocab()) / 2,
                "that is the loss, in nats; the perplexity is e to that power.",
            ),
        ],
    ),
    "01.2": choice(
        "b",
        {
            "a": "draw a few times, with other seeds too: with every draw it may leave the circle.",
            "b": "each word fits the one before it, and no other: it knows one word of context.",
            "c": "each pair of neighbours is one that occurs; look at a whole line: who does what?",
        },
    ),
    "01.3": sure_text,
    "01.4": one_number(
        growth,
        "the factor",
        "the same words, and many times as perplexing: what is likely about a text is above all "
        "its order.",
        [
            (
                lambda: 1 / growth(),
                "that is the factor the other way round: sorted over unsorted was asked for.",
            ),
            (
                lambda: np.log(growth()),
                "that is the difference in nats per token; perplexity is e to that power.",
            ),
            (
                ratio_of_nats,
                "that is the ratio of the nats. Perplexity is e to the mean surprise: what do you "
                "divide then?",
            ),
            (
                ratio_of_probabilities,
                "that is how many times less likely the whole text is. Perplexity is about one "
                "token: take the mean first.",
            ),
        ],
    ),
    "01.5": numbers(
        GIGABYTES,
        ("gigabytes in float32", "in float16"),
        "four bytes for each number, or two.",
        [
            (GIGABYTES[::-1], "the two have changed places: 32 bits are four bytes."),
            (1e9 * GIGABYTES, "those are bytes; a gigabyte has 10^9 of them."),
            (8 * GIGABYTES, "those are gigabits; a byte has eight of them."),
            (
                GIGABYTES * 1e9 / 2**30,
                "right in GiB, which are 2^30 bytes; here GB of 10^9 are meant.",
            ),
        ],
    ),
    "02.1": exactly(
        [["t", "old"], ["·", "t", "old"]],
        "two lists of tokens, with · for a space",
        "of the five merges only those of `old` apply: none begins with `t`, and the one with a "
        "space needs a `g`.",
        [
            (
                [["t", "old"], ["·t", "old"]],
                "the space and the t are not joined: no merge of the two was learned.",
            ),
            ([["told"], ["·told"]], "no merge of `t` and `old` was learned: which five were?"),
        ],
    ),
    "02.2": wasteful_word,
    "02.3": choice(
        "b",
        {
            "a": "the 256 bytes are in every vocabulary, and the merges come on top of them.",
            "b": "when each piece of the line is one token, no neighbours are left to join.",
            "c": "a pair that occurs once is joined too, if no other is left.",
        },
    ),
    "02.4": other_spelling,
    "02.5": one_number(
        lambda: losses(spelled()).sum(),
        "the nats of the whole text",
        "it has read the text in its own tokens a thousand times, and hardly ever letter by "
        "letter.",
        [
            (
                lambda: losses(spelled()).mean(),
                "that is the mean per token; the sum was asked for.",
            ),
            (
                lambda: losses(tokens_of("Once upon a time")).sum(),
                "that is the text as `encode` cuts it; spell it letter by letter.",
            ),
        ],
    ),
    "12.1": one_number(
        space_s_worth,
        "the difference in nats",
        '"Once upon atime" is another text, in which the last word begins differently.',
        [(lambda: -space_s_worth(), "the sign: the option with its space is the likelier one.")],
        rel=0.02,
    ),
    "12.2": choice(
        "a",
        {
            "a": "every added token multiplies by a number below 1.",
            "b": "what is added may fit well, but its probability is below 1 even so.",
            "c": "the rules of the sum decide it, whatever the model: what does a sum of "
            "log-probabilities do when one is added?",
        },
    ),
    "12.3": last_named,
    "12.4": one_number(
        belief_in_true,
        "the share of True",
        "a bias that no premise has caused. It can be measured and subtracted (calibration), "
        "which moves the border between the answers, and does not help a model that cannot tell "
        "true from false.",
        [(lambda: 1 - belief_in_true(), "that is the share of False.")],
        rel=0.02,
    ),
}
