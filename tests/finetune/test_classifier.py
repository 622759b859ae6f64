"""A classifier: how it is built, padding, its loss and gradients, what it does not compute."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptlite import GPT, ContextOverflowError, GPTConfig
from gptlite.finetune.classifier import (
    HEAD,
    Classifier,
    class_logits,
    pad,
    predict,
    probabilities,
    read_features,
)
from gptlite.finetune.classifier_gradients import accumulate_classifier_gradients
from gptlite.training.dropout import DropoutTrace
from gptlite.training.gradients import IGNORED
from gptlite.training.tape import Gradients
from models import random_classifier

CONFIG = GPTConfig(n_vocab=11, n_ctx=8, n_embd=8, n_head=2, n_layer=2)
TASKS = {"classification": 1, "similarity": 2, "choice": 3}


def noisy(task: str = "classification", seed: int = 0) -> Classifier:
    return random_classifier(CONFIG, choosing=task == "choice", seed=seed)


def examples_of(task: str, n: int = 4, seed: int = 0) -> tuple[list[list[list[int]]], np.ndarray]:
    rng = np.random.default_rng(seed)
    examples = [
        [[11, *rng.integers(0, 11, rng.integers(1, 7)).tolist(), 13] for _ in range(TASKS[task])]
        for _ in range(n)
    ]
    return examples, rng.integers(0, 3, n)


def n_predictions(examples: list[list[list[int]]]) -> int:
    return sum(len(row) - 1 for example in examples for row in example)


def loss_and_gradients(classifier, examples, labels, lm_weight=0.5, trace=None):
    gradients = Gradients()
    l2, l1 = accumulate_classifier_gradients(
        classifier,
        examples,
        labels,
        len(examples),
        n_predictions(examples),
        lm_weight,
        gradients,
        trace,
    )
    return l2, l1, gradients


@pytest.mark.parametrize("lm_weight", [0.0, 0.5])
def test_an_output_layer_of_its_own_has_a_gradient(lm_weight):
    config = replace(CONFIG, tie_word_embeddings=False, n_padding=2)
    classifier = random_classifier(config)
    examples, labels = examples_of("classification")
    _, _, gradients = loss_and_gradients(classifier, examples, labels, lm_weight)
    assert gradients.keys() == classifier.parameters.keys()
    for name, array in classifier.parameters.items():
        assert gradients[name].shape == array.shape, name
    assert gradients["lm_head.weight"].any() == (lm_weight > 0)


def test_blocks_drawn_anew_have_an_output_layer_drawn_anew():
    model = random_classifier(replace(CONFIG, tie_word_embeddings=False)).model
    cut = Classifier.build(model, 2, n_new_tokens=0, transferred=1).model
    kept = {n for n, a in cut.parameters.items() if np.array_equal(a, model.parameters[n])}
    assert not kept & {"lm_head.weight", "ln_f.weight", "h.1.ln_1.weight"}
    assert {"wte.weight", "h.0.ln_1.weight"} <= kept


# ---- Building -----------------------------------------------------------------------------------


def test_the_model_is_copied_and_its_vocabulary_longer():
    model = GPT.init(CONFIG)
    classifier = Classifier.build(model, 5)
    assert classifier.head.shape == (8, 5)
    assert classifier.model.config.n_vocab == 14
    for name, array in model.parameters.items():
        copy = classifier.model.parameters[name]
        assert np.array_equal(copy[:11] if name == "wte.weight" else copy, array)
        assert not np.shares_memory(copy, array)
    assert list(classifier.parameters) == [*model.parameters, HEAD]
    assert all(array.dtype == np.float32 for array in classifier.parameters.values())
    assert all(array.flags.c_contiguous for array in classifier.parameters.values())


def test_what_is_new_is_drawn_with_the_papers_deviation():
    model = GPT.init(GPTConfig(n_vocab=11, n_ctx=4, n_embd=512, n_head=2, n_layer=1))
    classifier = Classifier.build(model, 40, n_new_tokens=30)
    for new in (classifier.model.parameters["wte.weight"][11:], classifier.head):
        assert new.std() == pytest.approx(0.02, rel=0.05)
        assert abs(new.mean()) < 0.001


def test_the_seed_decides_what_is_new():
    model = GPT.init(CONFIG)
    one, same, other = (Classifier.build(model, 5, seed=seed).parameters for seed in (1, 1, 2))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one[HEAD], other[HEAD])
    assert not np.array_equal(one["wte.weight"][11:], other["wte.weight"][11:])


def test_new_tokens_are_like_no_other_and_like_no_column_of_the_head():
    """Also where the model was drawn with the same seed, and both from one stream."""
    for seed in (0, 1, 7):
        classifier = Classifier.build(GPT.init(CONFIG, seed), 3, seed=seed)
        wte = classifier.model.parameters["wte.weight"]
        rows = np.concatenate([wte, classifier.head.T, classifier.head.reshape(3, 8)])
        assert len(np.unique(rows.round(6), axis=0)) == len(rows)


def test_a_model_in_half_precision_is_widened():
    model = GPT.init(CONFIG)
    halves = {n: a.astype(np.float16) if a.ndim == 2 else a for n, a in model.parameters.items()}
    classifier = Classifier.build(GPT(CONFIG, halves), 2)
    assert all(array.dtype == np.float32 for array in classifier.parameters.values())


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_layers_transferred(kept):
    """The embeddings and the blocks below stay, those above and ln_f are as a fresh model's."""
    model = noisy().model
    fresh = GPT.init(GPTConfig(14, 8, 8, 2, 2), seed=7).parameters
    built = Classifier.build(model, 2, n_new_tokens=0, transferred=kept, seed=7).model.parameters
    for name, array in model.parameters.items():
        stays = name.startswith("w") or (name.startswith("h.") and int(name[2]) < kept)
        assert np.array_equal(built[name], array if stays else fresh[name]), name


def test_what_cannot_be_built_is_refused():
    model = GPT.init(CONFIG)
    with pytest.raises(ValueError, match="at least 2 labels, not 1"):
        Classifier.build(model, 1)
    for bad in (-1, 3):
        with pytest.raises(ValueError, match=f"transferred must be 0 to 2 blocks, not {bad}"):
            Classifier.build(model, 2, transferred=bad)


# ---- Padding ------------------------------------------------------------------------------------


def test_padding_and_targets_by_hand():
    ids, ends, targets = pad([[[11, 4, 13]], [[11, 5, 6, 7, 13]]])
    assert ids.tolist() == [[11, 4, 13, 0, 0], [11, 5, 6, 7, 13]]
    assert ends.tolist() == [2, 4]
    out = IGNORED
    assert targets.tolist() == [[4, 13, out, out, out], [5, 6, 7, 13, out]]


def test_rows_of_an_example_are_neighbours():
    packed = pad([[[1, 2], [3]], [[4], [5, 6]]])
    assert packed.ids.tolist() == [[1, 2], [3, 0], [4, 0], [5, 6]]
    assert packed.ends.tolist() == [1, 0, 0, 1]


def test_padding_changes_nothing_before_it():
    classifier, (examples, _) = noisy(), examples_of("classification")
    together = read_features(classifier.model, examples)
    for rows, features in zip(examples, together, strict=True):
        alone = classifier.model.top_of_stack(rows[0])[0, -1]  # without any padding
        np.testing.assert_allclose(features[0], alone, rtol=1e-5, atol=1e-5)


# ---- The logits ---------------------------------------------------------------------------------


def test_both_orders_of_a_similarity_are_added():
    features = np.array([[[1, 2], [10, 20]]], np.float32)  # one example of two rows
    head = np.array([[1, 0, 1], [0, 1, 1]], np.float32)
    assert class_logits(features, head, choosing=False).tolist() == [[11, 22, 33]]


def test_each_row_of_a_choice_is_scored():
    features = np.array([[[1, 2], [10, 20]]], np.float32)
    assert class_logits(features, np.array([[2], [1]], np.float32), choosing=True).tolist() == [
        [4, 40]
    ]


@pytest.mark.parametrize("task", TASKS)
def test_probabilities_and_predictions(task):
    classifier, (examples, _) = noisy(task), examples_of(task)
    p = probabilities(classifier, examples, threads=2)
    assert p.shape == (4, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    assert predict(classifier, examples).tolist() == p.argmax(axis=1).tolist()


def test_the_two_orders_make_no_difference_to_a_similarity():
    classifier, (examples, _) = noisy("similarity"), examples_of("similarity")
    turned = [example[::-1] for example in examples]
    np.testing.assert_allclose(
        probabilities(classifier, examples), probabilities(classifier, turned), rtol=1e-5
    )


# ---- Loss and gradients -------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_names_shapes_and_float32(task):
    classifier, (examples, labels) = noisy(task), examples_of(task)
    for trace in (None, DropoutTrace(0.5, np.random.default_rng(0))):
        l2, l1, gradients = loss_and_gradients(classifier, examples, labels, trace=trace)
        assert type(l2) is type(l1) is float
        assert gradients.keys() == classifier.parameters.keys()
        for name, array in classifier.parameters.items():
            assert gradients[name].shape == array.shape, name
            assert gradients[name].dtype == np.float32, name


def test_the_loss_is_minus_the_mean_log_probability_of_the_labels():
    classifier, (examples, labels) = noisy(), examples_of("classification")
    p = probabilities(classifier, examples).astype(np.float64)
    l2, _, _ = loss_and_gradients(classifier, examples, labels)
    assert l2 == pytest.approx(-np.log(p[np.arange(4), labels]).mean(), rel=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_lambda_is_the_weight_of_l1s_gradients(task):
    """Gradients are linear in lambda: from 1 to 2 they change as much as from 0 to 1."""
    classifier, (examples, labels) = noisy(task), examples_of(task)
    none, one, two = (
        loss_and_gradients(classifier, examples, labels, lm_weight)[2] for lm_weight in (0, 1, 2)
    )
    for name in none:
        expected = 2 * one[name] - none[name]
        np.testing.assert_allclose(two[name], expected, rtol=1e-4, atol=1e-5, err_msg=name)


def test_the_delimiter_learns_only_where_it_is():
    classifier = noisy()
    without = [[[11, 1, 2, 13]]]
    _, _, gradients = loss_and_gradients(classifier, without, np.array([0]), lm_weight=0.0)
    assert np.all(gradients["wte.weight"][12] == 0)
    assert np.all(gradients["wte.weight"][[11, 13]].any(axis=1))
    within = [[[11, 1, 12, 13]]]
    _, _, gradients = loss_and_gradients(classifier, within, np.array([0]), lm_weight=0.0)
    assert gradients["wte.weight"][12].any()


def test_no_more_logits_are_made_than_tokens_are_predicted(monkeypatch):
    made = []
    unembed = GPT.unembed
    monkeypatch.setattr(
        GPT, "unembed", lambda self, x: made.append(x.shape[:-1]) or unembed(self, x)
    )
    classifier = noisy()
    examples, labels = [[[11, 4, 13]], [[11, 5, 6, 7, 13]]], np.array([0, 1])
    loss_and_gradients(classifier, examples, labels, lm_weight=0.5)
    assert made == [(2 + 4,)]
    made.clear()
    loss_and_gradients(classifier, examples, labels, lm_weight=0.0)
    probabilities(classifier, examples)
    assert made == []


@given(
    st.sampled_from(list(TASKS)),
    st.lists(st.integers(1, 3), min_size=1, max_size=4),
    st.integers(0, 99),
)
@settings(max_examples=20)
def test_small_batches_add_up_to_a_large_one(task, shards, seed):
    classifier, (examples, labels) = noisy(task, seed), examples_of(task, sum(shards), seed)
    l2, l1, expected = loss_and_gradients(classifier, examples, labels)
    sums = Gradients()
    total, start = np.zeros(2), 0
    for n in shards:
        part = slice(start, start + n)
        total += accumulate_classifier_gradients(
            classifier,
            examples[part],
            labels[part],
            len(examples),
            n_predictions(examples),
            0.5,
            sums,
        )
        start += n
    assert total == pytest.approx((l2, l1), rel=1e-5)
    for name, gradient in expected.items():
        # Float32 sums in another order; gradients that cancel out are compared with the others.
        assert np.abs(sums[name] - gradient).max() <= 1e-5 * max(0.1, np.abs(gradient).max()), name


@pytest.mark.parametrize("task", ["similarity", "choice"])
def test_the_rows_of_an_example_are_thinned_alike(task, monkeypatch):
    """The same two rows twice: with one mask for both, their features stay equal."""
    shapes = []
    mask = DropoutTrace.mask
    monkeypatch.setattr(
        DropoutTrace, "mask", lambda self, shape: shapes.append(shape) or mask(self, shape)
    )
    classifier, (examples, labels) = noisy(task), examples_of(task)
    trace = DropoutTrace(0.5, np.random.default_rng(0))
    loss_and_gradients(classifier, examples, labels, trace=trace)
    assert shapes[-1] == (4, 1, 8)
    assert not trace.kept
    assert not trace


def test_what_does_not_fit_is_refused():
    classifier = noisy()
    with pytest.raises(ContextOverflowError):
        probabilities(classifier, [[[1] * 9]])
    with pytest.raises(ValueError, match="token id 14 is outside 0 to 13"):
        probabilities(classifier, [[[14]]])
    with pytest.raises(ValueError, match="each with the same number of rows"):
        probabilities(classifier, [[[1]], [[1], [2]]])
    with pytest.raises(ValueError, match="expected examples"):
        probabilities(classifier, [])
    with pytest.raises(ValueError, match="a row without tokens"):
        probabilities(classifier, [[[1]], [[]]])
    with pytest.raises(ValueError, match="a row without tokens"):
        probabilities(classifier, [[[]]])
