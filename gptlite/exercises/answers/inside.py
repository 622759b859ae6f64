"""Answers about vectors, attention and parameters: notebooks 3, 4 and 5."""

from typing import Any

import numpy as np

from gptlite.config import GPTConfig
from gptlite.exercises.answers.kinds import Judge, choice, exactly, in_brief, numbers, one_number
from gptlite.exercises.answers.measuring import every_head, losses, tokens_of, traced
from gptlite.exercises.samples import storyteller
from gptlite.views.text import token_labels

LAW = "A robot must obey the orders given it"
STORY = "Once upon a time there was a poor man who lived in a little house near the wood."
SMALL, XL = GPTConfig.preset("gpt2"), GPTConfig.preset("gpt2-xl")
TABLE = SMALL.n_vocab * SMALL.n_embd


def row_of_king(answer: Any) -> tuple[bool, str]:
    """Judge a one-hot vector by what it fetches from the table."""
    model, tokenizer = storyteller()
    [king] = tokenizer.encode(" king")
    try:
        vector = np.asarray(answer, np.float32)  # [n_vocab]
    except (TypeError, ValueError):
        vector = np.zeros(0, np.float32)
    if vector.shape != (model.config.n_vocab,):
        return (
            False,
            f"expected a vector of {model.config.n_vocab} numbers; found {in_brief(answer)}.",
        )
    if np.allclose(vector @ model.wte, model.wte[king], atol=1e-5):
        return True, "all rows but one are struck out: a very slow way to look something up."
    ones = int((vector == 1).sum())
    return False, f"times `wte` it does not give the row of ·king: it has {ones} ones."


def nearest_to_riddle(leave_out: bool = False) -> list[str]:
    """Name the three tokens nearest to king - man + woman.

    Args:
        leave_out: True without the three words of the question.
    """
    model, tokenizer = storyteller()
    king, man, woman = (tokenizer.encode(f" {name}")[0] for name in ("king", "man", "woman"))
    wte = model.wte
    mixed = wte[king] - wte[man] + wte[woman]  # [n_embd]
    cosines = wte @ mixed / (np.linalg.norm(wte, axis=1) * np.linalg.norm(mixed))  # [n_vocab]
    if leave_out:
        cosines[[king, man, woman]] = -1
    return token_labels(tokenizer, np.argsort(-cosines)[:3].tolist())


def shapes_of_law() -> list[list[int]]:
    """List the shapes of three arrays in the law's trace."""
    trace = traced(tokens_of(LAW))
    return [list(trace[f"h.0.attn.{name}"].shape) for name in ("q", "scores", "z")]


def sharpened(factor: float, n_blocks: int | None = None) -> float:
    """Measure the mean loss of a story with the scores multiplied, of all blocks or the first."""
    model, _ = storyteller()
    edits = {f"h.{i}.attn.scores": factor for i in range(n_blocks or model.config.n_layer)}
    return float(losses(tokens_of(STORY), edits).mean())


def root() -> float:
    """Compute the square root of head_dim."""
    return float(storyteller()[0].config.head_dim ** 0.5)


def looks_back(offset: int = -1) -> list[int]:
    """Find the head with the most weight on the token just before, on average over a story."""
    trace = traced(tokens_of(STORY))

    def weight(head: tuple[int, int]) -> float:
        weights = trace[f"h.{head[0]}.attn.weights"][0, head[1]]  # [seq, seq]
        return float(np.diagonal(weights, offset=offset).mean())

    layer, head = max(every_head(), key=weight)
    return [layer, head]


def exchanged(parts: int = 3) -> list[int]:
    """List the columns of c_attn with heads 0 and 3 exchanged, in so many of the thirds."""
    config = storyteller()[0].config
    usual = np.arange(config.n_embd).reshape(config.n_head, config.head_dim)  # [head, head_dim]
    heads = list(range(config.n_head))
    heads[0], heads[3] = 3, 0
    thirds = [usual[heads] if part < parts else usual for part in range(3)]
    return [int(i) + n * config.n_embd for n, third in enumerate(thirds) for i in third.ravel()]


def xl_without(*left_out: str) -> int:
    """Count gpt2-xl's parameters without some of them."""
    d, n = XL.n_embd, XL.n_layer
    parts = {
        "biases": n * 9 * d,
        "norms": n * 4 * d,
        "ln_f": 2 * d,
        "positions": XL.n_ctx * d,
        "tokens": XL.n_vocab * d,
    }
    return XL.n_params - sum(parts[name] for name in left_out)


ANSWERS: dict[str, Judge] = {
    "03.1": row_of_king,
    "03.2": exactly(
        nearest_to_riddle,
        "three tokens, with · for a space",
        "the words of the question come first or near it: the riddle is usually told with them "
        "left out.",
        [
            (
                lambda: nearest_to_riddle(True),
                "these are the three with the words of the question "
                "left out, as the riddle is usually told. Look at all tokens.",
            ),
        ],
        "these are not the three with the highest cosine: is it the angle, not the distance, and "
        "the highest first?",
    ),
    "03.3": numbers(
        (TABLE, TABLE / SMALL.n_params),
        ("the numbers", "their share"),
        "one table of 50,257 x 768; a second one would make the model 31 % larger.",
        [
            (
                (TABLE, TABLE / (SMALL.n_params + TABLE)),
                "the share is that of the larger model; "
                "here the table is compared with GPT-2 as it is.",
            ),
            (
                (TABLE, 100 * TABLE / SMALL.n_params),
                "the share is in per cent; give it as a number between 0 and 1.",
            ),
        ],
    ),
    "03.4": exactly(
        lambda: storyteller()[0].config.n_layer - 2,
        "the number of a block",
        "the lens is the model with the blocks above left out.",
        [
            (
                lambda: storyteller()[0].config.n_layer - 1,
                "that is the block that was switched off: its row is what the whole model says.",
            ),
        ],
    ),
    "03.5": exactly(
        [True, False],
        "two of True and False",
        "after block 0 the last position has seen the same set of tokens. Above, it reads vectors "
        "that already depend on what stood to their left: the mask alone tells some order.",
        [
            ([True, True], "at the top too? Compare with a tolerance of 0.001."),
            (
                [False, False],
                "after block 0, are the positions really left out? The edit has to "
                'replace "embed" by the tokens\' rows alone.',
            ),
        ],
    ),
    "04.1": exactly(
        shapes_of_law,
        "three shapes",
        "[batch, head, seq, head_dim], [batch, head, seq, total], [batch, seq, n_embd].",
        no="count the positions with `<|endoftext|>`, and the batch; `z` has its heads merged.",
    ),
    "04.2": numbers(
        (0.6, 1.5**5 / (1 + 1.5**5)),
        ("the weight after adding 5", "after multiplying by 5"),
        "adding the same to all changes nothing, since only differences count; multiplying "
        "sharpens. The root of head_dim is such a factor, and so is the temperature.",
        [((0.6, 0.6), "multiplying does change it: the difference of the two scores is ln 1.5.")],
        rel=0.005,
    ),
    "04.3": one_number(
        lambda: sharpened(root()),
        "the loss",
        "it has learned with the division: undivided scores all but pick one position.",
        [
            (lambda: sharpened(1), "that is the loss as it was: nothing was changed."),
            (
                lambda: sharpened(root(), n_blocks=1),
                "that is with the edit in block 0 alone; it belongs in all blocks.",
            ),
            (
                lambda: sharpened(root() ** 2),
                "the scores were multiplied by head_dim; they had been divided by its root.",
            ),
            (
                lambda: sharpened(1 / root()),
                "the scores were divided once more; to undo a division one multiplies.",
            ),
        ],
    ),
    "04.4": exactly(
        [True, False],
        "two of True and False",
        "without a mask each token gathers the same mixture, wherever it stands. With it, the "
        "mixture depends on what stands to the left.",
        no="shuffle the rows of all three with the same order, and compare with the result "
        "shuffled in that order.",
    ),
    "04.5": exactly(
        looks_back,
        "block and head",
        "and what is it for? In notebook 9 a head is cut out, to see what follows.",
        [
            (
                lambda: looks_back(0),
                "that head looks most at the token itself: which diagonal is it?",
            ),
            (lambda: looks_back()[::-1], "the two have changed places: first the block."),
        ],
        "another head has more on average: the diagonal just below the main one, offset -1.",
    ),
    "05.1": exactly(
        [[0, 1, 2], [3, 4, 5]],
        "a list of two rows",
        "all six numbers of the first token, read as if they were two tokens.",
        [([[0, 1, 2], [6, 7, 8]], "that is head 0 as it should be, with swapaxes.")],
    ),
    "05.2": one_number(
        XL.n_params,
        "the parameters",
        "12 d^2 in matrices, 9 d in biases and 4 d in norms for each block; two tables; ln_f.",
        [
            (xl_without("biases"), "the biases of the blocks are missing: 9 d each."),
            (xl_without("norms"), "the norms of the blocks are missing: two of 2 d each."),
            (
                xl_without("biases", "norms"),
                "biases and norms of the blocks are missing: 13 d each.",
            ),
            (xl_without("ln_f"), "the norm at the top, ln_f, is missing."),
            (xl_without("positions"), "the table of positions is missing."),
            (xl_without("tokens"), "the table of tokens is missing."),
            (
                XL.n_params + XL.n_vocab * XL.n_embd,
                "the table of tokens is counted twice; the output layer is the same one.",
            ),
        ],
        rel=1e-9,
    ),
    "05.3": choice(
        "b",
        {
            "a": "it is not: set the query part to 0 instead, and look.",
            "b": "it adds q b to every score of a row, and softmax only sees differences.",
            "c": "the norm comes before c_attn, and the bias after: nothing normalises it away.",
        },
    ),
    "05.4": exactly(
        exchanged,
        "a row of column numbers, 3 * n_embd of them",
        "the heads' answers are added, and a sum has no order.",
        [
            (
                lambda: exchanged(1),
                "only the queries are exchanged: keys and values belong to their heads too.",
            ),
            (lambda: exchanged(2), "the values are not exchanged."),
        ],
        "head j's columns are j * head_dim to (j + 1) * head_dim, in each third.",
    ),
    "05.5": one_number(
        7 * 768**2,
        "the numbers saved",
        "d x d in place of twice 4 d^2: 7 d^2 fewer, with the same result, and no more power than "
        "one layer.",
        [
            (8 * 768**2, "one matrix of d x d is still needed."),
            (768**2, "that is how many it has; how many are saved?"),
        ],
    ),
}
