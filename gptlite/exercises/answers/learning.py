"""Answers about training, looking inside and fine-tuning: notebooks 8, 9 and 11."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gptlite.exercises.answers.kinds import Judge, choice, exactly, in_brief, numbers, one_number
from gptlite.exercises.answers.measuring import NOT_BEGUN, every_head, losses, tokens_of, traced
from gptlite.exercises.samples import storyteller
from gptlite.layers import Array
from gptlite.trace import Trace
from gptlite.views.edits import patched, without_heads

SHORT = (
    "Once upon a time there was a miller who had a daughter, and the daughter had a little grey "
    "cat."
)
TWICE = "Tiddy Mun was a strange man, and Yallery Brown was his friend."
KING, QUEEN = "The king was so angry that", "The queen was so angry that"
LN2 = math.log(2)


def pronoun_s_loss(answer: Any) -> tuple[bool, str]:
    """Judge the loss of the pronoun after 300 steps from short embeddings."""
    try:
        loss = float(answer)
    except (TypeError, ValueError):
        return False, f"expected a loss in nats; found {in_brief(answer)}."
    if 0.5 <= loss <= 0.85:
        return True, (
            f"{loss:.2f}, near ln 2 = {LN2:.2f}: a coin toss between he and she. The scores begin "
            "no smaller than with long vectors, for `ln_1` comes first; but a step of AdamW is as "
            "long as ever, and five times as large beside vectors that short."
        )
    why = "are the embeddings not multiplied by 5" if loss < 0.5 else "are there 300 steps"
    return False, f"{loss:.2f} is not near ln 2: {why}?"


# ---- Looking inside -----------------------------------------------------------------------------


def spared_least(skip: int = 0) -> list[int]:
    """Find the block whose attention, and the block whose MLP, raises the loss most if cut.

    Args:
        skip: 1 to leave out ``<|endoftext|>``.
    """
    model, _ = storyteller()
    ids = tokens_of(SHORT)[skip:]
    blocks, heads = range(model.config.n_layer), range(model.config.n_head)
    attentions = [losses(ids, without_heads(i, heads)).mean() for i in blocks]
    mlps = [losses(ids, {f"h.{i}.mlp.out": 0}).mean() for i in blocks]
    return [int(np.argmax(attentions)), int(np.argmax(mlps))]


def preference(text: str, edits: Mapping[str, Any] | None = None) -> float:
    """Measure how much the storyteller prefers "she" to "he" after a text, in logits."""
    model, tokenizer = storyteller()
    [he], [she] = tokenizer.encode(" he"), tokenizer.encode(" she")
    logits = model(tokens_of(text), trace=Trace(edits))[0, -1]  # [n_vocab]
    return float(logits[she] - logits[he])


def carries_most() -> str:
    """Name the array that turns the king's sentence most if the last position is patched."""
    model, _ = storyteller()
    hers = traced(tokens_of(QUEEN))
    names = [f"h.{i}.{part}.out" for i in range(model.config.n_layer) for part in ("attn", "mlp")]
    return max(names, key=lambda name: preference(KING, patched(hers, name, [-1])))


def copies_most(skip: int = 0) -> list[int]:
    """Find the head with the highest induction score on a text read twice.

    Args:
        skip: 1 to leave out ``<|endoftext|>``.
    """
    ids = tokens_of(TWICE)[skip:]
    trace, n = traced(ids + ids), len(ids)
    second = np.arange(n, 2 * n - 1)  # [n - 1]

    def score(head: tuple[int, int]) -> float:
        weights = trace[f"h.{head[0]}.attn.weights"][0, head[1]]  # [seq, seq]
        return float(weights[second, second - n + 1].mean())

    layer, head = max(every_head(), key=score)
    return [layer, head]


def head_of_pronoun() -> tuple[int, int]:
    """Find the head that turns the king's sentence most towards the queen's answer."""
    model, _ = storyteller()
    hers, width = traced(tokens_of(QUEEN)), model.config.head_dim

    def turned(head: tuple[int, int]) -> float:
        name, mine = f"h.{head[0]}.attn.z", slice(head[1] * width, (head[1] + 1) * width)

        def put_in(z: Array, trace: Trace) -> Array:
            z[:, -1, mine] = hers[name][:, -1, mine]
            return z

        return preference(KING, {name: put_in})

    return max(every_head(), key=turned)


def distance_without_head() -> float:
    """Measure how far apart king and queen are once that head is cut, in logits."""
    layer, head = head_of_pronoun()
    edits = without_heads(layer, [head])
    return preference(QUEEN, edits) - preference(KING, edits)


ANSWERS: dict[str, Judge] = {
    "08.1": numbers(
        (math.log(50257), math.log2(50257)),
        ("nats", "bits"),
        "the logarithm of the vocabulary.",
        [((math.log2(50257), math.log(50257)), "nats and bits have changed places.")],
        rel=0.005,
    ),
    "08.2": one_number(
        (5 * math.log(8) + LN2) / 12,
        "the limit",
        "one more free choice, between two words: ln 2 for each sentence of twelve tokens.",
        [
            (
                5 * math.log(8) / 12,
                "that is the limit as it was: the pronoun is now one more free choice.",
            ),
            (
                5 * math.log(8) + LN2,
                "that is the limit of a whole sentence; it has twelve tokens.",
            ),
            (
                (5 * math.log(8) + LN2) / 12 / LN2,
                "that is in bits; nats were asked for.",
            ),
            (6 * math.log(8) / 12, "the pronoun is one of two words, not one of eight."),
            (
                5 * math.log(8) / 12 + LN2,
                "ln 2 is added once a sentence, and shared by its twelve tokens.",
            ),
            ((5 * math.log(8) + 1) / 12, "that is one bit; in nats it is ln 2."),
        ],
        rel=0.002,
    ),
    "08.3": choice(
        "b",
        {
            "a": "there is something to learn, and it is easy: what does the model have to say?",
            "b": "it only has to repeat what it is looking at. A loss far below what is possible "
            "always means that the answer leaked into the question.",
            "c": "it would, if the answer were not in the input.",
        },
    ),
    "08.4": pronoun_s_loss,
    "08.5": choice(
        "c",
        {
            "a": "on a few sentences, luck is enough: which ends come up is chance.",
            "b": "not on average: cross-entropy is at least the entropy (Shannon), whatever the "
            "model.",
            "c": "by luck on a few; on average never. A validation loss below the limit means that "
            "the text has leaked.",
        },
    ),
    "09.1": exactly(
        spared_least,
        "two block numbers",
        "on this text. Try another before you say what a block is for.",
        [(lambda: spared_least(1), NOT_BEGUN)],
        "cut all heads of a block, and then each MLP: the highest rise of the loss counts.",
    ),
    "09.2": exactly(
        carries_most,
        'the name of an array, such as "h.0.attn.out"',
        "what one position hands to another goes through attention; an MLP sees its own position "
        "alone.",
        no="another array turns the answer further: patch the last position alone.",
    ),
    "09.3": exactly(
        copies_most,
        "block and head",
        "compare its score with even weights, 1 / (1.5 n), before you call it an induction head.",
        [(lambda: copies_most(1), NOT_BEGUN)],
        "another head scores higher: the weight of each token of the second half on what came "
        "after its first occurrence.",
    ),
    "09.4": one_number(
        distance_without_head,
        "the distance",
        "closer than before: without that head the answer rests on what the others carry.",
        [
            (
                lambda: preference(QUEEN) - preference(KING),
                "that is the distance with all heads in place.",
            ),
            (lambda: -distance_without_head(), "the sign: queen less king."),
        ],
        rel=0.02,
    ),
    "09.5": choice(
        "c",
        {
            "a": "nothing in its wiring prefers what is nearer.",
            "b": "nothing in its wiring prefers what came first.",
            "c": "both places answer equally loudly, so it copies the mean of both.",
        },
    ),
    "11.1": exactly(
        [True, False],
        "two of True and False",
        "the mask: the first position sees nothing but itself, so its vector is the same for every "
        "text that begins so.",
        no="take the top of the stack for two texts with the same first token.",
    ),
    "11.2": choice(
        "a",
        {
            "a": "`$` may stand in a text, and both mean something already, which would have to be "
            "unlearned.",
            "b": "they are in the vocabulary already, so nothing would grow.",
            "c": "a new row is initialised at random and learned quickly: that is what the task's "
            "examples are for.",
        },
    ),
    "11.3": choice(
        "b",
        {
            "a": "the two rows are read by themselves; only their vectors are added.",
            "b": "a sum has no order: before any training, and after it.",
            "c": "one text may be longer; the vectors at the end are equally long.",
        },
    ),
    "11.4": choice(
        "b",
        {
            "a": "measure it: with lambda 0 it is right about them, just as well.",
            "b": "L1 teaches the task's own rows, which end where raw text never does; on a small "
            "data set that does not make the answers better (GPT-1 paper, table 5).",
            "c": "measure the loss on the test rows with lambda 0 and 0.5.",
        },
    ),
}
