"""trace.py and views/edits.py: an array changed on its way, and what follows from it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptlite import GPTConfig, KVCache, Trace
from gptlite.layers import softmax
from gptlite.trace import Unmasked, trace_names
from gptlite.views import patched, without_heads, without_mask
from models import random_model

CONFIG = GPTConfig(n_vocab=19, n_ctx=10, n_embd=12, n_head=3, n_layer=2)
IDS = [3, 1, 4, 1, 5]


MODEL = random_model(CONFIG)


def traced(ids=IDS, edits=None, **options):
    trace = Trace(edits)
    MODEL(ids, trace=trace, **options)
    return trace


PLAIN = traced()
names = st.sampled_from(trace_names(CONFIG.n_layer))


def test_the_names_are_those_of_a_trace_in_its_order():
    assert list(PLAIN) == trace_names(CONFIG.n_layer)
    gpt1, trace = random_model(replace(CONFIG, post_norm=True)), Trace()
    gpt1([1, 2, 3], trace=trace)
    assert list(trace) == trace_names(CONFIG.n_layer, post_norm=True)
    assert np.array_equal(trace["ln_f"], trace[f"h.{CONFIG.n_layer - 1}.out"])


@given(names)
def test_an_edit_that_changes_nothing_changes_nothing(name):
    for edit in (1, PLAIN[name].copy(), lambda array, trace: array):
        trace = traced(edits={name: edit})
        assert all(np.array_equal(trace[other], PLAIN[other]) for other in PLAIN)


@given(names)
def test_an_edit_reaches_what_comes_after_and_nothing_before(name):
    """Zero any array: the arrays made earlier are as they were, and the logits are not."""
    trace = traced(edits={name: 0})
    before = list(PLAIN)[: list(PLAIN).index(name)]
    assert all(np.array_equal(trace[other], PLAIN[other]) for other in before)
    hidden = PLAIN[name] < -1e9  # what is masked stays masked: see below
    assert not trace[name][~hidden].any() and hidden.any() == name.endswith("attn.scores")
    assert not np.allclose(trace["logits"], PLAIN["logits"], atol=1e-4)


def test_a_number_is_a_factor_and_a_list_takes_the_place():
    assert np.array_equal(traced(edits={"embed": 2})["embed"], 2 * PLAIN["embed"])
    assert np.array_equal(traced(edits={"embed": np.float64(2)})["embed"], 2 * PLAIN["embed"])
    listed = PLAIN["ln_f"][:, ::-1].tolist()
    trace = traced(edits={"ln_f": listed})
    assert trace["ln_f"].dtype == trace["logits"].dtype == np.float32
    np.testing.assert_allclose(trace["logits"], PLAIN["logits"][:, ::-1], rtol=1e-5, atol=1e-5)


def test_a_function_may_change_its_argument_without_harm():
    seen = []

    def edit(array, trace):
        seen.append(list(trace))
        array[...] = 0
        return PLAIN["h.1.ln_1"]

    assert np.array_equal(traced(edits={"h.1.ln_1": edit})["logits"], PLAIN["logits"])
    assert seen == [list(PLAIN)[: list(PLAIN).index("h.1.ln_1")]]


def test_the_edited_logits_are_what_the_call_returns():
    trace = Trace(edits={"logits": 3})
    assert np.array_equal(MODEL(IDS, trace=trace), 3 * PLAIN["logits"])


@pytest.mark.parametrize("name", ["h.2.out", "h.0.attn", "Embed", ""])
def test_an_edit_of_no_array_is_refused_before_any_work(name):
    trace = Trace(edits={name: 0})
    with pytest.raises(ValueError, match="no array is named"):
        MODEL(IDS, trace=trace)
    assert not trace


@pytest.mark.parametrize(
    "edit",
    [
        *(np.zeros((1, 5, 11)), ["a"], "a", None, 1j),
        *(lambda array, trace: array[0], lambda array, trace: None),
    ],
)
def test_an_edit_of_another_shape_is_refused_by_name(edit):
    with pytest.raises(ValueError, match=r"h\.0\.mid: expected float32 \[1, 5, 12\]"):
        traced(edits={"h.0.mid": edit})


def test_without_heads_leaves_the_other_heads():
    trace = traced(edits=without_heads(1, [0, 2]))
    z, old = trace["h.1.attn.z"], PLAIN["h.1.attn.z"]  # [1, seq, n_embd]
    assert not z[..., :4].any() and not z[..., 8:].any()
    assert np.array_equal(z[..., 4:8], old[..., 4:8])
    with pytest.raises(ValueError, match="head must lie in 0 to 2, not 3"):
        traced(edits=without_heads(0, [3]))


# ---- The mask -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "edit",
    [
        *(0, -1, 1e6, -1e30, 1e30, np.zeros((1, 3, 5, 5)), np.full((1, 3, 5, 5), -3e38)),
        *(lambda scores, trace: scores[..., ::-1], lambda scores, trace: np.abs(scores)),
        lambda scores, trace: trace["h.1.attn.q"] @ trace["h.1.attn.k"].swapaxes(-1, -2),
    ],
)
def test_whatever_is_done_to_scores_no_position_sees_a_later_one(edit):
    for mask in (None, [[0, 0, 1, 1, 1]]):
        with np.errstate(all="ignore"):
            edits = {"h.1.attn.scores": edit}
            weights = traced(edits=edits, attention_mask=mask)["h.1.attn.weights"]
        seen = np.tri(5, dtype=bool) & (True if mask is None else np.array(mask, bool))
        rows = seen.any(axis=-1)  # a row of padding may see nothing, and is of no use to anybody
        assert not weights[..., rows, :][..., ~seen[rows]].any()


def test_without_the_mask_by_an_edit_of_its_own():
    edit = Unmasked(lambda scores, trace: np.zeros_like(scores))
    weights = traced(edits={"h.1.attn.scores": edit})["h.1.attn.weights"]
    np.testing.assert_allclose(weights, 0.2)
    with pytest.raises(ValueError, match=r"h\.1\.attn\.scores: expected float32 \[1, 3, 5, 5\]"):
        traced(edits={"h.1.attn.scores": Unmasked(np.zeros(2))})


def test_without_mask_each_position_sees_all():
    trace = traced(edits=without_mask(range(CONFIG.n_layer)))
    q, k = trace["h.0.attn.q"], trace["h.0.attn.k"]
    expected = np.einsum("bhsd,bhtd->bhst", q, k) / np.sqrt(CONFIG.head_dim)
    np.testing.assert_allclose(trace["h.0.attn.scores"], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(trace["h.0.attn.weights"], softmax(expected), atol=1e-6)
    assert (trace["h.1.attn.weights"] > 0).all()
    # The last position looked at everything before, too.
    last, old = trace["h.0.attn.weights"][:, :, -1], PLAIN["h.0.attn.weights"][:, :, -1]
    np.testing.assert_allclose(last, old, rtol=1e-5, atol=1e-6)


def test_patching_every_position_of_the_stream_carries_the_whole_text_over():
    source = traced([7, 8, 9, 10, 11])
    trace = traced(edits=patched(source, "h.0.out"))
    assert np.array_equal(trace["logits"], source["logits"])


@given(st.lists(st.integers(0, 4), max_size=5, unique=True))
def test_patching_some_positions_changes_only_those(positions):
    source = traced([7, 8, 9, 10, 11])
    trace = traced(edits=patched(source, "h.0.mid", positions))
    for i in range(5):
        expected = source if i in positions else PLAIN
        assert np.array_equal(trace["h.0.mid"][:, i], expected["h.0.mid"][:, i])


def test_patching_some_positions_from_a_text_of_another_length():
    source = traced([7, 8, 9])
    for positions, at in (([2, 0], [2, 0]), ([-1], [2])):
        trace = traced(edits=patched(source, "h.0.mid", positions))
        there = [p if p >= 0 else len(IDS) + p for p in positions]
        assert np.array_equal(trace["h.0.mid"][:, there], source["h.0.mid"][:, at])
    for wrong in (3, -4):
        with pytest.raises(ValueError, match=f"position must lie in 0 to 2, not {wrong}"):
            traced(edits=patched(source, "h.0.mid", [0, wrong]))


def test_patching_from_a_text_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"h\.0\.mid: expected float32 \[1, 5, 12\]"):
        traced(edits=patched(traced([1, 2]), "h.0.mid"))
    with pytest.raises(ValueError, match=r"no array named 'h\.9\.mid'"):
        patched(PLAIN, "h.9.mid")


def test_the_cache_keeps_what_was_computed():
    caches = [KVCache(CONFIG), KVCache(CONFIG)]
    traced(cache=caches[0])
    traced(edits={"h.0.attn.k": 0}, cache=caches[1])
    assert np.array_equal(caches[0].keys[0, :, :, :5], caches[1].keys[0, :, :, :5])


def test_a_trace_begins_anew_with_each_call():
    seen = []

    def look(array, trace):
        seen.append(list(trace))
        return array

    trace = Trace(edits={"embed": look})
    MODEL(IDS, trace=trace)
    assert len(trace) > 1
    MODEL(IDS[:2], trace=trace)
    assert seen == [[], []] and trace["h.0.out"].shape == (1, 2, 12)


def test_a_name_that_the_trace_does_not_hold_is_told_with_the_nearest():
    trace = Trace()
    MODEL(IDS, trace=trace)
    with pytest.raises(KeyError, match=r"'h.0.attn.weight': did you mean 'h.0.attn.weights'"):
        trace["h.0.attn.weight"]
    assert trace.get("h.0.attn.weight") is None
    assert len(repr(trace).splitlines()) == 1 + len(trace)


@pytest.mark.parametrize("edit", [lambda: 0, lambda array: array, lambda a, b, c: a])
def test_a_function_with_other_arguments_is_refused_by_name(edit):
    with pytest.raises(TypeError, match=r"edit of h\.0\.mid: a function is given the array and"):
        MODEL(IDS, trace=Trace({"h.0.mid": edit}))
