"""Right functions pass, however they are written; wrong ones are told apart in words."""

import math
import re
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from exercises import (
    wrong_anything,
    wrong_layers,
    wrong_pairs,
    wrong_tokens_and_heads,
    wrong_writing,
)
from exercises.marks import WRONG
from exercises.wrong_backward import right_attend, right_linear, right_loss, right_norm
from exercises.wrong_blocks import attention, mlp
from gptlite import block, layers, sampling
from gptlite.exercises import check
from gptlite.exercises.calling import outcome_of
from gptlite.exercises.examine import agree
from gptlite.exercises.table import FUNCTIONS

# Imported for the functions that they add to WRONG.
assert wrong_anything and wrong_layers and wrong_pairs and wrong_tokens_and_heads and wrong_writing


@cache
def verdict_of(exercise, function):
    """Check a wrong solution, once."""
    return check(exercise, function)


@pytest.mark.parametrize(("exercise", "name"), WRONG, ids=lambda value: value)
def test_a_wrong_solution_is_told_what_is_wrong_with_it(exercise, name):
    function, words = WRONG[exercise, name]
    verdict = verdict_of(exercise, function)
    assert not verdict.ok
    assert re.search(words, verdict.words, re.DOTALL), verdict.words


def test_no_two_of_them_are_told_the_same():
    assert len(WRONG) > 100
    said = [repr(verdict_of(exercise, f)) for (exercise, _), (f, _) in WRONG.items()]
    assert len(set(said)) == len(said)


def own(name):
    """Give gptlite's own function."""
    places = (layers, block, sampling)
    return next(getattr(place, name) for place in places if hasattr(place, name))


@pytest.mark.parametrize(
    "name",
    [
        *("split_heads", "attention_scores", "softmax", "layer_norm", "gelu"),
        *("apply_top_k", "apply_top_p"),
    ],
)
def test_gptlite_s_own_function_is_right(name):
    assert check(own(name))


# ---- Right solutions, in unusual ways -----------------------------------------------------------


def softmax_by_logarithms(x):
    """Give the same up to rounding."""
    x = x - np.max(x, axis=-1)[..., None]
    return np.exp(x - np.log(np.sum(np.exp(x), axis=-1))[..., None]) + np.float32(1e-7)


def gelu_by_exponentials(x):
    """Write tanh as a sigmoid."""
    u = math.sqrt(8 / math.pi) * (x + 0.044715 * x * x * x)
    return x / (1 + np.exp(-u))


def layer_norm_in_float64(x, weight, bias, epsilon=1e-5):
    """Compute in float64 and round at the end."""
    wide = x.astype(np.float64)
    normed = (wide - wide.mean(-1)[..., None]) / np.sqrt(wide.var(-1)[..., None] + epsilon)
    return (normed * weight + bias).astype(np.float32)


def split_by_einsum(x, n_head):
    """Cut and stack."""
    return np.stack(np.split(x, n_head, axis=-1), axis=1)


def scores_by_einsum(q, k):
    """Multiply by einsum."""
    return np.einsum("bhqd,bhkd->bhqk", q, k, optimize=True) / math.sqrt(q.shape[-1])


def mask_by_loops(scores):
    """Hide place by place."""
    out = np.array(scores)
    seq, total = scores.shape[-2:]
    for i in range(seq):
        out[..., i, total - seq + i + 1 :] = -np.inf
    return out


def merged_all_at_once(piece, rank):
    """Join a pair wherever it stands, in one step."""
    from gptlite.alphabet import BYTE_SYMBOLS

    row = [BYTE_SYMBOLS[b] for b in piece]
    rows = [tuple(row)]
    while True:
        pairs = [p for p in pairwise(row) if p in rank]
        if not pairs:
            return rows
        best, new = min(pairs, key=rank.get), []
        for token in row:
            if new and (new[-1], token) == best and not isinstance(new[-1], bytes):
                new[-1] += token
            else:
                new.append(token)
        row = new
        rows.append(tuple(row))


def loop_of_arrays(model, ids, n_new, end):
    """Keep the text in an array, return NumPy's integers."""
    text = np.array([ids])
    while text.shape[1] < len(ids) + n_new:
        new = model(text)[:, -1].argmax(axis=-1)
        if new[0] == end:
            break
        text = np.concatenate([text, new[:, None]], axis=1)
    return text[0, len(ids) :]


def top_p_by_rows(logits, p):
    """Walk down the ranked tokens of each row."""
    out = np.full_like(logits, -np.inf)
    for row, kept in zip(logits, out, strict=True):
        shares, total = layers.softmax(row), 0.0
        for i in np.argsort(shares)[::-1]:
            kept[i] = row[i]
            total += shares[i]
            if total >= p:
                break
    return out


def block_by_hand(x, p, n_head):
    """Add twice."""
    x = attention(layers.layer_norm(x, **p["ln_1"]), p["attn"], n_head) + x
    return mlp(layers.layer_norm(x, **p["ln_2"]), p["mlp"]) + x


def embedding_by_product(dx, ids, n_vocab):
    """Multiply with one-hot rows."""
    one_hot = np.eye(n_vocab, dtype=np.float32)[ids.ravel()]
    return one_hot.T @ dx.reshape(-1, dx.shape[-1])


RIGHT = {
    "softmax": softmax_by_logarithms,
    "gelu": gelu_by_exponentials,
    "layer_norm": layer_norm_in_float64,
    "split_heads": split_by_einsum,
    "attention_scores": scores_by_einsum,
    "mask_future": mask_by_loops,
    "merged": merged_all_at_once,
    "attention": attention,
    "mlp": mlp,
    "decoder_block": block_by_hand,
    "auto_regress": loop_of_arrays,
    "apply_top_k": lambda x, k: np.where(
        (x[:, None] > x[..., None]).sum(-1) < k, x, np.float32(-np.inf)
    ),
    "apply_top_p": top_p_by_rows,
    "linear_backward": right_linear,
    "cross_entropy": right_loss,
    "layer_norm_backward": right_norm,
    "attend_backward": right_attend,
    "embedding_backward": embedding_by_product,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_right_solution_in_an_unusual_way_passes(name):
    verdict = check(name, RIGHT[name])
    assert verdict.ok, verdict.words
    assert repr(verdict).startswith(f"✓ {name}: right")


# ---- The table of mistakes ----------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_mistake_of_the_table_is_one_and_differs_from_the_others(name):
    exercise = FUNCTIONS[name]
    cases, known = exercise.cases(), []
    right = [outcome_of(exercise.right, case).value for case in cases]
    for mistake in exercise.mistakes:
        outcomes = [outcome_of(mistake.wrong, case) for case in cases]
        found = [outcome.error or exercise.canonical(outcome.value) for outcome in outcomes]
        wanted = [r[mistake.output] if exercise.outputs else exercise.canonical(r) for r in right]
        assert not all(isinstance(value, Exception) for value in found), mistake.words
        assert not all(map(agree, found, wanted)), mistake.words
        for output, words, other in known:
            if output == mistake.output and words != mistake.words:
                assert not all(map(agree, found, other)), (words, mistake.words)
        known.append((mistake.output, mistake.words, found))


# ---- The door -----------------------------------------------------------------------------------


def test_the_function_s_name_says_which_exercise_it_solves():
    def gelu(x):
        return np.maximum(x, 0)

    assert repr(check(gelu)).startswith("✗ gelu: this is ReLU")
    assert repr(check("gelu")) == "✗ gelu: nothing is here yet: put your answer in place of `...`."
    assert not check("gelu", 3)


def test_an_empty_function_is_no_error():
    def softmax(x): ...

    assert "returns None" in check(softmax).words


@pytest.mark.parametrize(
    ("exercise", "value", "words"),
    [
        ("mask_future", [[1.0], [1.0, 2.0]], "expected an array of numbers, found list"),
        ("mask_future", "low", "expected an array of numbers, found str 'low'"),
        ("softmax", np.ones(3), "expected the shape [5, 7], found [3]"),
        ("softmax", {}, "expected an array of numbers, found a dictionary"),
        ("merged", 7, "found 7"),
        ("cross_entropy", 1.0, "expected 2 results, loss, dlogits; it returns float 1.0"),
        ("cross_entropy", (1.0, None), "dlogits: given"),
        ("cross_entropy", (None, None), "found None"),
        ("linear_backward", np.ones(3), "it returns one array of shape [3]"),
    ],
)
def test_any_value_at_all_is_looked_at(exercise, value, words):
    verdict = check(exercise, lambda *arguments: value)
    assert not verdict.ok
    assert words in verdict.words


def test_infinity_is_compared_quietly():
    verdict = check("apply_top_p", lambda logits, p: np.where(logits > 0, logits, -np.inf))
    assert not verdict.ok
    assert "of the numbers differ" in verdict.words
    with_nan = check("gelu", lambda x: np.where(x < 0, np.inf, x))
    assert "expected" in with_nan.words


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (3, TypeError, "expected a function or an exercise's name, not 3"),
        ("sotfmax", ValueError, "no exercise is called 'sotfmax': did you mean softmax?"),
        (lambda x: x, ValueError, "no exercise is called '<lambda>': there are merged,"),
    ],
)
def test_what_is_no_exercise_is_refused(given, error, words):
    with pytest.raises(error, match=words):
        check(given)


def test_a_verdict_is_broken_into_lines():
    lines = repr(check("softmax", np.exp)).splitlines()
    assert all(len(line) <= 88 for line in lines)
    assert check("softmax", np.exp).exercise == "softmax"
