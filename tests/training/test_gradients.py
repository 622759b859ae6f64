"""The gradients of a whole model: right, float32, the same in pieces, and sparing with memory."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptlite import GPT, ContextOverflowError, GPTConfig, Trace
from gptlite.training.dropout import DropoutTrace
from gptlite.training.gradients import IGNORED, accumulate_gradients, loss_and_gradients
from gptlite.training.tape import UNREAD, Gradients, Tape
from models import random_model

CONFIG = GPTConfig(n_vocab=11, n_ctx=6, n_embd=8, n_head=2, n_layer=2)
# Everything in which a model may differ from GPT-2, but for the activation function.
VARIANT = replace(
    CONFIG,
    n_inner=20,
    scale_attn_by_inverse_layer_idx=True,
    tie_word_embeddings=False,
    n_padding=3,
)


def tokens(batch: int = 3, seq: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    ids = np.random.default_rng(seed).integers(0, CONFIG.n_vocab, (batch, seq + 1))
    return ids[:, :-1], ids[:, 1:]


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.fixture
def widened(monkeypatch) -> Callable[[GPT], GPT]:
    """Makes a model float64, for finite differences; by itself GPT takes float32 only."""

    def widen(model: GPT) -> GPT:
        monkeypatch.setattr("gptlite.model.checked_parameters", lambda _, parameters: parameters)
        return GPT(
            model.config, {name: a.astype(np.float64) for name, a in model.parameters.items()}
        )

    return widen


@pytest.mark.parametrize(
    ("config", "rate", "close"),
    [
        (CONFIG, None, 1e-6),
        (CONFIG, 0.3, 1e-6),
        (VARIANT, 0.3, 1e-6),
        (replace(VARIANT, post_norm=True), 0.3, 1e-6),
        # Its derivative is that of the exact function, of which it is within 2e-7.
        (replace(CONFIG, activation_function="gelu"), None, 2e-5),
    ],
)
def test_every_parameter_against_finite_differences(widened, config, rate, close):
    model, (ids, targets) = widened(random_model(config)), tokens()

    def trace() -> Tape | None:  # the same masks every time
        return None if rate is None else DropoutTrace(rate, np.random.default_rng(1))

    def loss() -> float:
        tape = trace()
        logits = model(ids, trace=tape)  # [batch, seq, n_vocab]
        logits = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        return -float(np.take_along_axis(logits, targets[..., None], axis=-1).mean())

    found, gradients = loss_and_gradients(model, ids, targets, trace())
    assert found == pytest.approx(loss(), rel=1e-12)
    rng = np.random.default_rng(2)
    for name, array in model.parameters.items():
        for _ in range(4):
            direction = rng.standard_normal(array.shape)
            array += 1e-6 * direction
            above = loss()
            array -= 2e-6 * direction
            below = loss()
            array += 1e-6 * direction
            along = float((gradients[name] * direction).sum())
            assert along == pytest.approx((above - below) / 2e-6, rel=close, abs=1e-2 * close), name


@pytest.mark.parametrize(
    "config", [CONFIG, VARIANT, replace(VARIANT, activation_function="gelu", post_norm=True)]
)
@pytest.mark.parametrize("rate", [None, 0.5])
def test_names_shapes_and_float32(rate, config):
    model, (ids, targets) = random_model(config), tokens()
    trace = None if rate is None else DropoutTrace(rate, np.random.default_rng(0))
    loss, gradients = loss_and_gradients(model, ids, targets, trace)
    assert type(loss) is float
    assert list(gradients) == list(model.parameters)
    for name, array in model.parameters.items():
        assert gradients[name].shape == array.shape, name
        assert gradients[name].dtype == np.float32, name


def test_the_loss_is_the_mean_cross_entropy_of_what_the_model_says():
    model, (ids, targets) = random_model(CONFIG), tokens()
    logits = model(ids).astype(np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    right = np.take_along_axis(probabilities, targets[..., None], axis=-1)
    assert loss_and_gradients(model, ids, targets)[0] == pytest.approx(-np.log(right).mean(), 1e-6)


def test_the_weights_are_left_alone():
    model = random_model(CONFIG)
    before = {name: array.copy() for name, array in model.parameters.items()}
    loss_and_gradients(model, *tokens())
    assert all(np.array_equal(model.parameters[name], before[name]) for name in before)


def test_rows_without_a_token_learn_nothing():
    _, gradients = loss_and_gradients(random_model(VARIANT), *tokens())
    for name in ("wte.weight", "lm_head.weight"):
        assert np.all(gradients[name][11:] == 0)
        assert gradients[name][:11].any()


def test_positions_that_do_not_occur_have_gradient_0():
    _, gradients = loss_and_gradients(random_model(CONFIG), *tokens(seq=4))
    assert np.all(gradients["wpe.weight"][4:] == 0)
    assert np.all(gradients["wpe.weight"][:4].any(axis=-1))


def test_ignored_predictions_are_as_if_they_were_not_there():
    """Ignored targets after a row's end: the gradients are those of the shorter row by itself."""
    model, (ids, targets) = random_model(CONFIG), tokens()
    expected_loss, expected = loss_and_gradients(model, ids[:, :4], targets[:, :4])
    targets = np.where(np.arange(6) < 4, targets, IGNORED)
    loss, gradients = loss_and_gradients(model, ids, targets)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    for name, gradient in expected.items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_loss_is_the_mean_over_what_counts():
    model, (ids, targets) = random_model(CONFIG), tokens()
    parts = []
    for keep in (np.arange(6) < 2, np.arange(6) >= 2):
        some = np.where(keep, targets, IGNORED)
        parts.append(loss_and_gradients(model, ids, some)[0] * keep.sum() / 6)
    assert sum(parts) == pytest.approx(loss_and_gradients(model, ids, targets)[0], rel=1e-6)


def test_a_shard_without_predictions_adds_nothing():
    model, (ids, targets) = random_model(CONFIG), tokens()
    gradients = Gradients()
    assert accumulate_gradients(model, ids, np.full_like(targets, IGNORED), 5, gradients) == 0.0
    assert not any(gradient.any() for gradient in gradients.values())
    with pytest.raises(ValueError, match="every target is to be ignored"):
        loss_and_gradients(model, ids, np.full_like(targets, IGNORED))


def test_one_sequence_needs_no_batch_axis():
    model, (ids, targets) = random_model(CONFIG), tokens(batch=1)
    loss, gradients = loss_and_gradients(model, ids[0].tolist(), targets[0].tolist())
    expected_loss, expected = loss_and_gradients(model, ids, targets)
    assert loss == expected_loss
    assert all(np.array_equal(gradients[name], expected[name]) for name in expected)


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.int32])
def test_any_integers_will_do(dtype):
    model, (ids, targets) = random_model(CONFIG), tokens()
    loss, gradients = loss_and_gradients(model, ids.astype(dtype), targets.astype(dtype))
    expected_loss, expected = loss_and_gradients(model, ids, targets)
    assert loss == expected_loss
    assert all(np.array_equal(gradients[name], expected[name]) for name in expected)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.integers(1, 6), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_shards_add_up_to_the_whole(shards, seq, seed):
    model, (ids, targets) = random_model(CONFIG, seed=seed), tokens(sum(shards), seq, seed)
    loss, gradients = loss_and_gradients(model, ids, targets)
    total, sums, start = 0.0, Gradients(), 0
    for rows in shards:
        part = slice(start, start + rows)
        total += accumulate_gradients(model, ids[part], targets[part], targets.size, sums)
        start += rows
    assert total == pytest.approx(loss, rel=1e-6)
    for name, gradient in gradients.items():
        # Float32 sums in another order; gradients that cancel out are compared with the others.
        assert np.abs(sums[name] - gradient).max() <= 1e-5 * max(0.1, np.abs(gradient).max()), name


def test_what_is_not_a_pair_of_token_ids_is_refused():
    model, (ids, targets) = random_model(CONFIG), tokens()
    for bad in (-1, CONFIG.n_vocab):
        wrong = targets.copy()
        wrong[1, 2] = bad
        with pytest.raises(ValueError, match=f"target {bad} is outside 0 to 10"):
            loss_and_gradients(model, ids, wrong)
        with pytest.raises(ValueError, match=f"token id {bad} is outside 0 to 10"):
            loss_and_gradients(model, wrong, targets)
    with pytest.raises(ValueError, match=r"targets have shape \[3, 5\], ids \[3, 6\]"):
        loss_and_gradients(model, ids, targets[:, :-1])
    with pytest.raises(TypeError, match="targets must be integers, not float64"):
        loss_and_gradients(model, ids, targets / 1)
    with pytest.raises(TypeError, match="token ids must be integers"):
        loss_and_gradients(model, ids / 1, targets)
    with pytest.raises(ValueError, match="no token ids"):
        loss_and_gradients(model, [], [])
    with pytest.raises(ContextOverflowError):
        loss_and_gradients(model, [0] * 7, [0] * 7)


# ---- The tape -----------------------------------------------------------------------------------


def test_the_tape_keeps_what_the_gradients_read_and_no_more():
    model, (ids, targets) = random_model(CONFIG), tokens()
    trace, tape = Trace(), Tape()
    model(ids, trace=trace)
    model(ids, trace=tape)
    assert list(tape) == [name for name in trace if not name.endswith(UNREAD)]
    assert all(np.array_equal(tape[name], trace[name]) for name in tape)

    thinning = DropoutTrace(0.3, np.random.default_rng(0))
    for tape in (Tape(), thinning):
        accumulate_gradients(model, ids, targets, targets.size, Gradients(), tape)
        assert not tape
    assert not thinning.kept


def test_a_plain_trace_serves_as_tape():
    model, (ids, targets) = random_model(CONFIG), tokens()
    _, expected = loss_and_gradients(model, ids, targets)
    _, gradients = loss_and_gradients(model, ids, targets, Trace())
    assert all(np.array_equal(gradients[name], expected[name]) for name in expected)


@pytest.mark.parametrize("rate", [None, 0.1])
def test_the_tape_is_let_go_of_on_the_way_down(rate):
    config = GPTConfig(n_vocab=16, n_ctx=128, n_embd=32, n_head=2, n_layer=8)
    model, ids = GPT.init(config), np.zeros((4, 128), np.int64)

    def trace() -> Tape:
        return Tape() if rate is None else DropoutTrace(rate, np.random.default_rng(0))

    tape = trace()
    model(ids, trace=tape)
    on_tape = sum(array.nbytes for array in tape.values())
    del tape
    weights = sum(array.nbytes for array in model.parameters.values())
    tracemalloc.start()
    loss_and_gradients(model, ids, ids, trace())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The tape, the gradients, and the working arrays of one layer, which its tape outweighs. Masks
    # of a bit a number are lost in it; as float32 they would take half as much as the whole tape.
    assert peak < on_tape + weights + on_tape / 8


# ---- Dropout ------------------------------------------------------------------------------------


def test_dropout_of_0_changes_nothing():
    model, (ids, targets) = random_model(CONFIG), tokens()
    loss, expected = loss_and_gradients(model, ids, targets)
    trace = DropoutTrace(0.0, np.random.default_rng(0))
    found, gradients = loss_and_gradients(model, ids, targets, trace)
    assert found == loss
    assert all(np.array_equal(gradients[name], expected[name]) for name in expected)


def test_dropout_strikes_out_its_share_in_its_places():
    trace = DropoutTrace(0.25, np.random.default_rng(0))
    random_model(CONFIG)(np.zeros((200, 6), np.int64), trace=trace)
    places = ["attn.weights", "attn.out", "mlp.out"]
    assert list(trace.kept) == ["embed", *(f"h.{i}.{place}" for i in (0, 1) for place in places)]
    masks = {name: trace.pop_mask(name) for name in list(trace.kept)}
    for name, mask in masks.items():
        assert mask.dtype == np.float32
        assert set(np.unique(mask).tolist()) == {0.0, float(np.float32(4 / 3))}, name
        assert (mask == 0).mean() == pytest.approx(0.25, abs=0.03), name
    # Every mask is drawn anew.
    assert not np.array_equal(masks["h.0.attn.out"], masks["h.1.attn.out"])
    assert not trace.kept


def test_the_backward_pass_is_given_the_masks_that_were_drawn(monkeypatch):
    """They are kept as bits, of numbers that do not fill their last byte."""
    drawn: list[np.ndarray] = []
    draw = DropoutTrace.mask
    monkeypatch.setattr(
        DropoutTrace, "mask", lambda self, shape: drawn.append(draw(self, shape)) or drawn[-1]
    )
    trace = DropoutTrace(0.25, np.random.default_rng(0))
    model = random_model(CONFIG)
    model(np.zeros((3, 5), np.int64), trace=trace)
    assert any(mask.size % 8 for mask in drawn)
    assert len(drawn) == len(trace.kept)
    for name, mask in zip(list(trace.kept), drawn, strict=True):
        assert np.array_equal(trace.pop_mask(name), mask), name


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_dropout_refuses_what_is_not_a_share(rate):
    with pytest.raises(ValueError, match=rf"dropout must lie in \[0, 1\), not {rate}"):
        DropoutTrace(rate, np.random.default_rng(0))
    with pytest.raises(ValueError, match="dropout must be finite, not nan"):
        DropoutTrace(float("nan"), np.random.default_rng(0))
