"""The engine: its numbers are the trace's, its changes are a trace's edits, and nothing raises."""

import base64
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gptlite
from gptlite import GPT, GPTConfig, Tokenizer, Trace
from gptlite.lab.engine import Engine
from gptlite.lab.formula import math_tree
from gptlite.lab.steps import STEPS
from gptlite.layers import softmax
from gptlite.trace import trace_names
from gptlite.views import patched, without_heads, without_mask
from models import random_model

TEXT = "A robot must obey the orders given it"
OTHER = "A fox must obey the orders given it"
TINY = GPTConfig(n_vocab=257, n_ctx=70, n_embd=20, n_head=2, n_layer=2)
BYTES = Tokenizer.train([""], 257)


def ask(engine: Engine, kind: str, **fields: Any) -> dict[str, Any]:
    """Ask, and read the answer as a page does."""
    found: dict[str, Any] = json.loads(engine.answer(json.dumps({"kind": kind, **fields})))
    return found


def array(answer: dict[str, Any]) -> np.ndarray:
    """Take an array out of an answer."""
    if "int" in answer:
        return np.array(answer["int"]).reshape(answer["shape"])
    return np.frombuffer(base64.b64decode(answer["float32"]), "<f4").reshape(answer["shape"])


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(*gptlite.load())


@pytest.fixture(scope="module")
def tiny() -> Engine:
    return Engine(random_model(TINY), BYTES, "tiny")


def trace_of(engine: Engine, text: str, eot: bool = True, edits: Any = None) -> Trace:
    trace = Trace(edits)
    ids = engine.tokenizer.encode(text)
    engine.model([engine.tokenizer.eot, *ids] if eot else ids, trace=trace)
    return trace


# ---- What it says of a model --------------------------------------------------------------------


def test_every_array_has_its_words_and_its_place_in_the_walk(engine):
    about = ask(engine, "model")
    assert about["walk"] == ["tokens", *trace_names(engine.model.config.n_layer), "next"]
    assert len(about["tour"]) == 20 and set(about["tour"]) < set(about["walk"])
    assert [about["walk"].index(stop) for stop in about["tour"]] == sorted(
        about["walk"].index(stop) for stop in about["tour"]
    )
    for stop in about["walk"]:
        step = about["steps"][stop.split(".", 2)[-1] if stop.startswith("h.") else stop]
        assert step["title"] and step["field"] and step["where"] and step["equation"][0] == "mrow"
        assert step["source"] and step["article"]
    assert {part["step"] for part in about["machine"]["parts"]} == set(STEPS)
    [fox] = engine.tokenizer.encode(" fox")
    assert about["vocabulary"][fox] == "·fox" and len(about["vocabulary"]) == 4096
    assert about["eot"] == "<|endoftext|>" and about["config"]["n_params"] == 4_339_200


def test_the_lines_of_source_are_those_of_the_files(engine):
    root = next(iter(gptlite.__path__)).removesuffix("gptlite")
    for step in ask(engine, "model")["steps"].values():
        for source in step["source"]:
            with open(root + source["file"], encoding="utf-8") as file:
                lines = file.read().split("\n")[source["line"] - 1 :]
            assert [line.strip() for line in source["lines"]] == [
                line.strip() for line in lines[: len(source["lines"])]
            ]


def test_the_equations_of_models_that_compute_otherwise():
    config = replace(TINY, activation_function="gelu", tie_word_embeddings=False)
    steps = ask(Engine(random_model(config), BYTES), "model")["steps"]
    assert steps["mlp.gelu"]["source"][1]["function"] == "activation.exact_gelu"
    assert "lm_head" in json.dumps(steps["logits"]["equation"])
    config = replace(TINY, scale_attn_by_inverse_layer_idx=True)
    usual, other = (
        ask(Engine(random_model(each), BYTES), "model")["steps"]["attn.scores"]
        for each in (TINY, config)
    )
    assert other["source"] == [other["source"][0], *usual["source"]]
    assert other["source"][0]["function"] == "tree.attend_divided"
    divided = ["mrow", ["mrow", *math_tree("(i+1)")[1:], *math_tree(r"\sqrt{d}")[1:]]]
    assert json.dumps(divided[1])[1:-1] in json.dumps(other["equation"])


def test_every_part_of_the_draw_has_its_line(tiny):
    said = [each["lines"][0] for each in ask(tiny, "model")["steps"]["next"]["source"]]
    for line, part in zip(
        said, ("apply_temperature", "apply_top_k", "apply_top_p", "borders"), strict=True
    ):
        assert part in line


# ---- The numbers --------------------------------------------------------------------------------


@pytest.mark.parametrize("eot", [True, False])
def test_its_arrays_are_the_trace_s_bit_for_bit(engine, eot):
    trace = trace_of(engine, TEXT, eot)
    names = [name for name in trace if name != "logits"]
    found = ask(engine, "arrays", text=TEXT, eot=eot, names=[*names, "wte", "wpe"])["arrays"]
    for name in names:
        assert np.array_equal(array(found[name]), trace[name][0]), name
    assert np.array_equal(array(found["wte"]) + array(found["wpe"]), trace["embed"][0])
    read = ask(engine, "read", text=TEXT, eot=eot)
    assert len(read["ids"]) == len(engine.tokenizer.encode(TEXT)) + eot
    assert all(read["shapes"][name] == list(array(found[name]).shape) for name in found)
    for when in ("before", "after"):
        assert np.array_equal(array(read[when]), trace["logits"][0, -1])
    assert read["moved"] == 0


@pytest.mark.parametrize("by_depth", [False, True])
def test_the_scores_before_the_mask(by_depth):
    """The softmax of them, masked, is the model's."""
    config = replace(TINY, scale_attn_by_inverse_layer_idx=by_depth)
    engine = Engine(random_model(config), BYTES)
    names = [f"h.{i}.attn.{step}" for i in range(2) for step in ("unmasked", "weights")]
    found = ask(engine, "arrays", text="robot", names=names)["arrays"]
    for i in range(2):
        scores = array(found[f"h.{i}.attn.unmasked"])
        masked = np.where(np.tri(6, dtype=bool), scores, np.float32(-1e10))
        weights = array(found[f"h.{i}.attn.weights"])
        np.testing.assert_allclose(softmax(masked.astype(np.float32)), weights, atol=2e-6)


def test_the_logit_lens_ends_with_the_model_s_own_answer(engine):
    lens = ask(engine, "lens", text=TEXT)
    ids, probabilities = array(lens["ids"]), array(lens["probabilities"])
    assert (
        ids.shape
        == probabilities.shape
        == (
            engine.model.config.n_layer + 1,
            1 + len(engine.tokenizer.encode(TEXT)),
            5,
        )
    )
    p = softmax(trace_of(engine, TEXT)["logits"][0])
    np.testing.assert_allclose(
        probabilities[-1], np.take_along_axis(p, ids[-1], axis=-1), rtol=1e-4
    )
    np.testing.assert_allclose(probabilities[-1], np.sort(p)[:, :-6:-1], rtol=1e-4)


def test_its_points_are_those_that_generate_draws_with(engine):
    points = ask(engine, "points", seed=7, start=0, n=20)["points"]
    assert ask(engine, "points", seed=7, start=15, n=5)["points"] == points[15:]
    assert points == np.random.default_rng([7, 0]).random(20).tolist()


@pytest.mark.parametrize(("name", "value"), [("seed", -1), ("start", 10**9), ("n", 1001)])
def test_points_out_of_bounds(tiny, name, value):
    answer = ask(tiny, "points", **{"seed": 0, "start": 0, "n": 1} | {name: value})
    assert f"{name} must lie in 0 to" in answer["error"]


def test_tokens_that_were_drawn_follow_the_text(tiny):
    more = tiny.tokenizer.encode("es")
    read, whole = ask(tiny, "read", text="fox", more=more), ask(tiny, "read", text="foxes")
    assert read["said"] == whole["said"] == "foxes" and read["ids"] == whole["ids"]
    assert read["after"] == whole["after"]
    for more, sentence in (
        ([257], "there is no token 257: there are 257"),
        (["a"], "must be an id"),
        ([-1], "must be an id"),
        ([True], "must be an id"),
        ([1] * 62, "the text has 66 tokens"),
    ):
        assert sentence in ask(tiny, "read", text="fox", more=more)["error"]


# ---- Changes ------------------------------------------------------------------------------------

CHANGES = {
    "a head cut": (
        [{"change": "scale", "part": "head", "layer": 2, "head": 1, "factor": 0}],
        without_heads(2, [1]),
    ),
    "two heads of a block": (
        [
            {"change": "scale", "part": "head", "layer": 3, "head": head, "factor": 0}
            for head in (0, 3)
        ],
        without_heads(3, [0, 3]),
    ),
    "attention": (
        [{"change": "scale", "part": "attention", "layer": 0, "factor": 0.5}],
        {"h.0.attn.out": 0.5},
    ),
    "the feed-forward network": (
        [{"change": "scale", "part": "mlp", "layer": 3, "factor": -2}],
        {"h.3.mlp.out": -2.0},
    ),
    "a block": (
        [{"change": "scale", "part": "block", "layer": 1, "factor": 0}],
        {"h.1.attn.out": 0, "h.1.mlp.out": 0},
    ),
    "an array": (
        [{"change": "scale", "part": "array", "name": "h.2.attn.scores", "factor": 3}],
        {"h.2.attn.scores": 3.0},
    ),
    "a mask": ([{"change": "unmask", "layer": 2}], without_mask([2])),
    "all masks": ([{"change": "unmask"}], without_mask(range(4))),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_the_edit_of_a_trace(engine, what):
    changes, edits = CHANGES[what]
    changed, plain = trace_of(engine, TEXT, edits=edits), trace_of(engine, TEXT)
    read = ask(engine, "read", text=TEXT, edits=changes)
    assert np.array_equal(array(read["after"]), changed["logits"][0, -1])
    assert np.array_equal(array(read["before"]), plain["logits"][0, -1])
    assert not np.array_equal(array(read["after"]), array(read["before"]))
    p, q = (softmax(x["logits"][0, -1].astype(np.float64)) for x in (plain, changed))
    assert read["moved"] == pytest.approx((p * np.log(p / q)).sum(), rel=1e-4)


def test_a_cell_from_another_text(engine):
    other = trace_of(engine, OTHER)
    change = {"change": "patch", "name": "h.2.out", "position": 4, "text": OTHER}
    read = ask(engine, "read", text=TEXT, edits=[change])
    changed = trace_of(engine, TEXT, edits=patched(other, "h.2.out", [4]))
    assert np.array_equal(array(read["after"]), changed["logits"][0, -1])
    assert read["moved"] > 0


def test_changes_that_meet_one_array_are_made_one_after_the_other(engine):
    changes = [
        {"change": "unmask", "layer": 0},
        {"change": "scale", "part": "array", "name": "h.0.attn.scores", "factor": 2},
        {"change": "scale", "part": "head", "layer": 0, "head": 1, "factor": 0.25},
        {"change": "scale", "part": "head", "layer": 0, "head": 1, "factor": 0.5},
    ]
    names = [f"h.0.attn.{step}" for step in ("q", "k", "scores", "weights")]
    found = ask(engine, "arrays", text=TEXT, edits=changes, names=names)["arrays"]
    q, k, scores, weights = (array(found[name]) for name in names)
    np.testing.assert_allclose(scores, q @ k.swapaxes(-1, -2) / 4, atol=1e-4)
    np.testing.assert_allclose(weights.sum(axis=-1)[:, 0], [1, 0.125, 1, 1], rtol=1e-5)


# ---- What it refuses, in a sentence -------------------------------------------------------------

SCALE = {"change": "scale", "factor": 0}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"text": "x" * 64}, "the text has 65 tokens, and the page takes 64 at most: leave out 1"),
        ({"text": "x" * 200_000}, "the text has 200,000 characters"),
        ({"text": "", "eot": False}, "the text is empty"),
        ({"text": "\ud83d"}, "lone surrogate"),
        ({"text": 3}, "text must be a text"),
        ({}, "text must be a text"),
        ({"text": "a", "eot": "yes"}, "eot must be true or false"),
        ({"text": "a", "edits": {}}, "edits must be a list"),
        ({"text": "a", "edits": ["cut"]}, "each change must be a JSON object"),
        ({"text": "a", "edits": [{}]}, "change must be a text"),
        ({"text": "a", "edits": [{"change": "saw"}]}, "no change is called 'saw'"),
        ({"text": "a", "edits": [SCALE | {"part": "foot", "layer": 0}]}, "no part is called"),
        ({"text": "a", "edits": [SCALE | {"part": "mlp", "layer": 2}]}, "there is no layer 2"),
        ({"text": "a", "edits": [SCALE | {"part": "mlp", "layer": True}]}, "a whole number"),
        (
            {"text": "a", "edits": [SCALE | {"part": "head", "layer": 0, "head": -1}]},
            "there is no head -1: a block has 2, counted from 0",
        ),
        ({"text": "a", "edits": [SCALE | {"part": "array", "name": "h.9.out"}]}, "no array is"),
        (
            {"text": "a", "edits": [SCALE | {"part": "mlp", "layer": 0, "factor": 1e9}]},
            "the factor must lie in -100 to 100",
        ),
        (
            {"text": "a", "edits": [SCALE | {"part": "mlp", "layer": 0, "factor": 10**400}]},
            "factor must be a smaller number",
        ),
        ({"text": "a", "edits": [{"change": "unmask"}] * 51}, "there are 51 changes"),
        (
            {
                "text": "ab",
                "edits": [{"change": "patch", "name": "h.0.out", "position": 5, "text": "x"}],
            },
            "the other text has no position 5: it has 2 tokens",
        ),
        (
            {
                "text": "a",
                "edits": [{"change": "patch", "name": "h.0.out", "position": 2, "text": "xy"}],
            },
            "the text has no position 2: it has 2 tokens",
        ),
        (
            {
                "text": "ab",
                "edits": [
                    {"change": "patch", "name": "h.0.attn.weights", "position": 1, "text": "x"}
                ],
            },
            "has a column for each token, and the texts have 3 and 2",
        ),
    ],
)
def test_what_cannot_be_read_has_a_sentence(tiny, fields, sentence):
    for kind in ("read", "lens"):
        answer = ask(tiny, kind, **fields)
        assert list(answer) == ["error"]
        assert sentence in answer["error"] and "\n" not in answer["error"]


@pytest.mark.parametrize(
    "request_", ["", "{", "[]", "null", '{"kind": []}', '{"kind": "x"}', "[" * 100_000]
)
def test_what_is_no_question_has_a_sentence(tiny, request_):
    assert list(json.loads(tiny.answer(request_))) == ["error"]


@pytest.mark.parametrize("name", ["h.0.x", "unmasked", "h.0.attn.unmaske", "h.9.attn.unmasked", 3])
def test_arrays_that_are_not_there(tiny, name):
    assert "no array is called" in ask(tiny, "arrays", text="a", names=[name])["error"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["kind", "text", "eot", "edits", "change", "part", "layer", "name", "factor"]
                ),
                inner
                | st.sampled_from(["read", "arrays", "scale", "patch", "unmask", "array", "embed"]),
                max_size=6,
            )
        ),
        max_leaves=12,
    )
)
def test_nothing_raises(tiny, question):
    answer = json.loads(tiny.answer(json.dumps(question)))
    assert isinstance(answer, dict)


def test_gpt1_is_refused_by_name():
    with pytest.raises(ValueError, match="the page draws GPT-2's block, and GPT-1's has"):
        Engine(random_model(replace(TINY, post_norm=True)), BYTES)


def test_a_model_without_a_token_to_begin_with():
    config = replace(TINY, n_vocab=3)
    engine = Engine(GPT.init(config), Tokenizer({"a": 0, "b": 1, "c": 2}, None))
    assert ask(engine, "model")["eot"] is None
    assert ask(engine, "read", text="abc")["ids"] == [0, 1, 2]
