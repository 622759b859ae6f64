"""The loop of fine-tuning: what is learned, which weights remain, the arms, shards, and prompts."""

import io
import sys
from dataclasses import replace
from threading import Barrier

import numpy as np
import pytest

from gptlite import GPT, ContextOverflowError, GPTConfig
from gptlite.finetune.classifier import HEAD, Classifier, predict, probabilities
from gptlite.finetune.epochs import Epoch, ExampleLearner, FineTuning, Measured, run_epochs
from gptlite.finetune.learners import (
    Labelled,
    TextRow,
    classifier_learner,
    fine_tune,
    fine_tune_language_model,
    head_learner,
    measure_classifier,
    measure_texts,
    pad_texts,
)
from gptlite.training.gradients import IGNORED, loss_and_gradients
from gptlite.training.losses import next_token_losses
from gptlite.training.tape import Gradients

CONFIG = GPTConfig(n_vocab=11, n_ctx=8, n_embd=16, n_head=2, n_layer=2)
RECIPE = FineTuning(epochs=2, batch=4, learning_rate=1e-2, warm_up=0.1, threads=2)


def task(n: int = 24, seed: int = 0) -> Labelled:
    """Label rows by whether they contain a 3."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    rows = []
    for label in labels:
        row = rng.choice([1, 2, 4, 5], rng.integers(2, 6))
        if label:
            row[rng.integers(len(row))] = 3
        rows.append([[11, *row.tolist(), 13]])
    return Labelled(rows, labels.tolist())


def build(seed: int = 0, **options) -> Classifier:
    return Classifier.build(GPT.init(CONFIG, seed), 2, seed=seed, **options)


def bits(classifier: Classifier) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in classifier.parameters.items()}


# ---- Learning -----------------------------------------------------------------------------------


def test_a_task_is_learned_and_carries_over():
    classifier = build()
    recipe = replace(RECIPE, epochs=12, batch=16)
    before = measure_classifier(classifier, task(100, seed=1)).accuracy
    found = fine_tune(classifier, task(200), task(50, seed=2), recipe)
    assert [epoch.number for epoch in found] == list(range(1, 13))
    unseen = measure_classifier(classifier, task(100, seed=1), threads=2)
    assert before is not None and before < 0.7
    assert unseen.accuracy is not None and unseen.accuracy > 0.95


def test_the_same_seed_gives_the_same_bits_and_another_others():
    def tuned(seed: int) -> dict[str, bytes]:
        classifier = build()
        fine_tune(classifier, task(), None, replace(RECIPE, seed=seed))
        return bits(classifier)

    assert tuned(0) == tuned(0)
    assert tuned(0) != tuned(1)


@pytest.mark.parametrize("threads", [1, 3])
def test_every_example_once_an_epoch_in_an_order_of_its_own(threads, monkeypatch):
    seen: list[list[int]] = []
    shards = ExampleLearner.shards
    monkeypatch.setattr(
        ExampleLearner,
        "shards",
        lambda self, batch: seen.append(batch.tolist()) or shards(self, batch),
    )
    recipe = replace(RECIPE, batch=10, threads=threads)
    fine_tune(build(), task(24), None, recipe)
    # At the end of an epoch the loss of one example is computed once more.
    assert [len(batch) for batch in seen] == [10, 10, 4, 1] * 2
    first, second = ([i for batch in part for i in batch] for part in (seen[:3], seen[4:7]))
    assert sorted(first) == sorted(second) == list(range(24))
    assert first != second


def scripted(monkeypatch, accuracies: list[float], **options) -> tuple[list, list, Classifier]:
    """Fine-tune while the validation says what it is told to; the weights after each epoch."""
    script, weights = iter(accuracies), []
    monkeypatch.setattr(
        "gptlite.finetune.learners.measure_head",
        lambda *_: Measured(1.0, next(script), np.eye(2, dtype=np.int64)),
    )
    classifier = build()
    recipe = replace(RECIPE, epochs=len(accuracies), **options)
    found = fine_tune(
        classifier, task(), task(8), recipe, lambda _: weights.append(bits(classifier))
    )
    return found, weights, classifier


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize(
    ("accuracies", "best", "steps_up"),
    [
        ([0.5, 0.7, 0.6], 1, [True, True, False]),
        ([0.9, 0.7, 0.9], 0, [True, False, False]),
        ([0.5, 0.6, 0.7], 2, [True, True, True]),
    ],
)
def test_the_weights_of_the_best_epoch_remain(monkeypatch, frozen, accuracies, best, steps_up):
    found, weights, classifier = scripted(monkeypatch, accuracies, frozen=frozen)
    assert [epoch.best for epoch in found] == steps_up
    assert bits(classifier) == weights[best]
    assert len({weight[HEAD] for weight in weights}) == 3


def test_where_accuracies_are_equal_the_loss_decides():
    assert Measured(0.5, 0.8).score > Measured(0.6, 0.8).score
    assert Measured(0.6, 0.9).score > Measured(0.5, 0.8).score
    assert Measured(0.5).score > Measured(0.6).score


def test_without_validation_the_last_epoch_remains():
    classifier, weights = build(), []
    reports: list[Epoch] = []

    def report(epoch: Epoch) -> None:
        reports.append(epoch)
        weights.append(bits(classifier))

    found = fine_tune(classifier, task(), None, RECIPE, report)
    assert found == reports
    assert all(epoch.best and epoch.validation is None for epoch in found)
    assert bits(classifier) == weights[-1]


def test_measured_by_hand():
    classifier, part = build(), task(30)
    seen = measure_classifier(classifier, part)
    chosen, p = predict(classifier, part.examples), probabilities(classifier, part.examples)
    labels = np.array(part.labels)
    assert seen.accuracy == pytest.approx((chosen == labels).mean())
    assert seen.loss == pytest.approx(-np.log(p[np.arange(30), labels]).mean(), rel=1e-5)
    assert seen.confusion is not None
    expected = [[int(((labels == i) & (chosen == j)).sum()) for j in (0, 1)] for i in (0, 1)]
    assert seen.confusion.tolist() == expected


def rising(recipe: FineTuning, slope: float = 1.0) -> tuple[ExampleLearner, np.ndarray]:
    """One batch an epoch, of three parameters that all examples want to fall at the same rate."""
    parameter = np.zeros(3, np.float32)

    def shard_loss(chosen, batch, rng, sums: Gradients) -> float:
        share = np.float32(slope * len(chosen) / len(batch))
        sums.add("p", np.full(3, share))
        return float(share * parameter.sum())

    return ExampleLearner({"p": parameter}, shard_loss, np.ones(4, np.int64), recipe), parameter


def test_the_learning_rate_rises_and_falls():
    """By hand: up to the peak with the second of five steps, then down to a quarter of it.

    Where the gradient never changes, AdamW's step is the learning rate.
    """
    learner, parameter = rising(FineTuning(5, 4, 1e-2, 0.4))
    places = []
    run_epochs(learner, None, lambda _: places.append(parameter.copy()))
    steps = -np.diff(places, axis=0, prepend=0)  # [steps, 3]
    expected = 1e-2 * np.array([[0.5], [1.0], [0.75], [0.5], [0.25]])
    np.testing.assert_allclose(steps, np.broadcast_to(expected, (5, 3)), rtol=1e-4)


@pytest.mark.parametrize("lm_weight", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("threads", [1, 3])
def test_l3_is_l2_and_lambda_times_l1(lm_weight, threads):
    """Loss and gradients; L1's are those of the rows as a language model's texts."""
    classifier, part = build(), task(12)
    recipe = replace(RECIPE, dropout=0.0, threads=threads)

    def learn(weight: float) -> tuple[float, Gradients]:
        learner = classifier_learner(classifier, part, replace(recipe, lm_weight=weight))
        return learner.gradients(learner.shards(np.arange(12)))

    texts = [TextRow(row) for rows in part.examples for row in rows]
    l1, of_l1 = loss_and_gradients(classifier.model, *pad_texts(texts))
    assert l1 == pytest.approx(measure_texts(classifier.model, texts).loss, rel=1e-5)
    l2, of_l2 = learn(0.0)
    assert l2 == pytest.approx(measure_classifier(classifier, part).loss, rel=1e-5)
    l3, of_l3 = learn(lm_weight)
    assert l3 == pytest.approx(l2 + lm_weight * l1, rel=1e-5)
    for name, found in of_l3.items():
        expected = of_l2[name] + lm_weight * of_l1.get(name, np.float32(0))  # 0: the head
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6, err_msg=name)


# ---- Arms ---------------------------------------------------------------------------------------


def test_a_frozen_body_is_read_once_and_left_alone(monkeypatch):
    classifier = build()
    before = bits(classifier)
    rows = []
    top_of_stack = GPT.top_of_stack
    monkeypatch.setattr(
        GPT,
        "top_of_stack",
        lambda self, ids, *a, **k: rows.append(len(ids)) or top_of_stack(self, ids, *a, **k),
    )
    fine_tune(classifier, task(24), task(8), replace(RECIPE, epochs=5, frozen=True))
    assert sum(rows) == 24 + 8
    after = bits(classifier)
    assert [name for name in before if before[name] != after[name]] == [HEAD]


def test_a_frozen_heads_gradient_is_that_of_the_whole():
    classifier, part = build(), task()
    recipe = replace(RECIPE, dropout=0.0, lm_weight=0.0)
    batch = np.arange(24)
    whole = classifier_learner(classifier, part, recipe)
    loss, gradients = whole.gradients(whole.shards(batch))
    features = np.stack([classifier.model.top_of_stack(rows[0])[:, -1] for rows in part.examples])
    head = head_learner(classifier, features, part.labels, recipe)
    found, of_head = head.gradients(head.shards(batch))
    assert found == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(of_head[HEAD], gradients[HEAD], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("frozen", [False, True])
def test_dropout_makes_a_difference(frozen):
    def loss(rate: float) -> float:
        recipe = replace(RECIPE, epochs=1, dropout=rate, frozen=frozen)
        return fine_tune(build(), task(), None, recipe)[0].loss

    assert loss(0.0) != loss(0.5)


# ---- Shards -------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_large_batches_cost_no_more_memory_than_their_shards(threads, monkeypatch):
    """And give the same gradients, to 1e-5 of the largest."""
    part, recipe = task(64), replace(RECIPE, dropout=0.0, threads=threads)
    classifier, batch = build(), np.arange(64)
    learner = classifier_learner(classifier, part, recipe)
    expected_loss, expected = learner.gradients(learner.shards(batch))
    sizes = []
    top_of_stack = GPT.top_of_stack
    monkeypatch.setattr(
        GPT,
        "top_of_stack",
        lambda self, ids, *a, **k: sizes.append(ids.size) or top_of_stack(self, ids, *a, **k),
    )
    monkeypatch.setattr("gptlite.training.shards.SHARD_TOKENS", 40)
    loss, gradients = learner.gradients(learner.shards(batch))
    assert max(sizes) <= 48
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    for name, gradient in expected.items():
        assert np.abs(gradients[name] - gradient).max() <= 1e-5 * max(0.1, np.abs(gradient).max())


# ---- Language models ----------------------------------------------------------------------------


def test_targets_by_hand():
    out = IGNORED
    assert TextRow([5, 6, 7, 8]).targets == [6, 7, 8]
    assert TextRow([5, 6, 7, 8], n_given=3).targets == [out, out, 8]
    ids, targets = pad_texts([TextRow([5, 6, 7, 8], 2), TextRow([1, 2])])
    assert ids.tolist() == [[5, 6, 7], [1, 0, 0]]
    assert targets.tolist() == [[out, 7, 8], [2, out, out]]


def test_measure_texts_is_the_mean_over_predicted_tokens():
    model = GPT.init(CONFIG)
    rows = [[5, 6, 7, 8, 9], [1, 2], [3, 4, 3, 4, 3, 4, 3, 4, 3]]
    nats = [next_token_losses(model, row) for row in rows]
    expected = np.concatenate(nats).mean()
    assert measure_texts(model, [TextRow(row) for row in rows]).loss == pytest.approx(
        expected, 1e-5
    )
    masked = measure_texts(model, [TextRow(rows[0], 3), TextRow(rows[2], 8)]).loss
    expected = np.concatenate([nats[0][2:], nats[2][7:]]).mean()
    assert masked == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("threads", [1, 3])
def test_texts_measured_side_by_side(monkeypatch, threads):
    model = GPT.init(CONFIG)
    rng = np.random.default_rng(0)
    texts = [TextRow(rng.integers(0, 11, n).tolist()) for n in rng.integers(2, 10, 6)]
    expected = measure_texts(model, texts)
    # Each text waits here until as many are there as there are threads.
    together, top_of_stack = Barrier(threads), GPT.top_of_stack
    monkeypatch.setattr(
        GPT, "top_of_stack", lambda self, ids: together.wait(60) * 0 or top_of_stack(self, ids)
    )
    assert measure_texts(model, texts, threads) == expected


@pytest.mark.parametrize("terminal", [True, False])
def test_measuring_texts_shows_a_bar_on_a_terminal(monkeypatch, terminal):
    shown = io.StringIO()
    monkeypatch.setattr(shown, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(sys, "stderr", shown)
    measure_texts(GPT.init(CONFIG), [TextRow([1, 2, 3])] * 5)
    assert ("measuring:   0%" in shown.getvalue()) == terminal
    assert terminal or shown.getvalue() == ""


def test_a_masked_prompt_is_read_and_not_learned():
    """The completion depends on the prompt, which itself is noise."""
    rng = np.random.default_rng(0)
    rows = [[*row[:4], row[0], 10] for row in rng.integers(0, 9, (64, 4)).tolist()]
    recipe = FineTuning(30, 16, 1e-2, 0.1, dropout=0.0, threads=2)
    masked = GPT.init(CONFIG)
    fine_tune_language_model(masked, [TextRow(row, 4) for row in rows], None, recipe)
    assert measure_texts(masked, [TextRow(row, 4) for row in rows]).loss < 0.4
    # The second token alone would make it half of a uniform guess's log 9 = 2.2 nats. And nothing
    # made the model learn even to guess at the prompt's noise.
    prompts = [TextRow(row[:4]) for row in rows]
    assert measure_texts(masked, prompts).loss > 2.3


def test_the_best_epoch_of_a_language_model_remains():
    """Learning one text by heart, measured on another that it makes the less likely."""
    model, weights = GPT.init(CONFIG), []
    recipe = FineTuning(4, 4, 3e-2, 0.1, dropout=0.0)
    found = fine_tune_language_model(
        model,
        [TextRow([1, 2, 3, 4, 5, 6])] * 8,
        [TextRow([6, 1, 5, 2, 4])],
        recipe,
        lambda _: weights.append(model.parameters["wte.weight"].tobytes()),
    )
    losses = [epoch.validation.loss for epoch in found if epoch.validation]
    best = int(np.argmin(losses))
    assert best < 3, losses
    assert model.parameters["wte.weight"].tobytes() == weights[best]


# ---- Refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "epochs must be at least 1, not 0"),
        ({"batch": 1.0}, TypeError, "batch must be an int, not 1.0"),
        ({"seed": -1}, ValueError, "seed must be at least 0, not -1"),
        ({"threads": 0}, ValueError, "threads must be at least 1, not 0"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate must be above 0, not 0.0"),
        ({"learning_rate": float("nan")}, ValueError, "learning_rate must be finite, not nan"),
        ({"clip": float("inf")}, ValueError, "clip must be finite, not inf"),
        ({"lm_weight": -0.5}, ValueError, "lm_weight must be at least 0, not -0.5"),
        ({"weight_decay": float("nan")}, ValueError, "weight_decay must be finite, not nan"),
        ({"dropout": 1.0}, ValueError, r"dropout must lie in \[0, 1\), not 1.0"),
        ({"warm_up": 1.5}, ValueError, r"warm_up must lie in \[0, 1\], not 1.5"),
    ],
)
def test_a_recipe_out_of_range_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        replace(RECIPE, **change)


def test_examples_that_do_not_fit_are_refused():
    rows = task(4).examples
    with pytest.raises(ValueError, match="example 2: label 2 is outside 0 to 1"):
        fine_tune(build(), Labelled(rows, [0, 1, 2, 0]))
    with pytest.raises(ValueError, match="example 0: label -1 is outside 0 to 1"):
        fine_tune(build(), task(4), Labelled(rows, [-1, 1, 1, 0]))
    with pytest.raises(ValueError, match="a label each, not 4, 3"):
        fine_tune(build(), Labelled(rows, [0, 1, 1]))
    with pytest.raises(ValueError, match="a label each, not 0, 0"):
        fine_tune(build(), Labelled([], []))
    with pytest.raises(ValueError, match="the same number of rows"):
        fine_tune(build(), Labelled([*rows, [[1], [2]]], [0, 1, 1, 0, 1]))
    choosing = build(choosing=True)
    with pytest.raises(ValueError, match="example 1: label 2 is outside 0 to 1"):
        fine_tune(choosing, Labelled([[[1], [2]]] * 2, [0, 2]))
    with pytest.raises(ContextOverflowError):
        fine_tune(build(), Labelled([[[1] * 9]], [0]))


def test_texts_that_do_not_fit_are_refused():
    model = GPT.init(CONFIG)
    with pytest.raises(ValueError, match="no texts"):
        fine_tune_language_model(model, [])
    for bad in (TextRow([1]), TextRow([1, 2], 2), TextRow([1, 2], 0)):
        with pytest.raises(ValueError, match=r"text 1: . of its . tokens are given"):
            fine_tune_language_model(model, [TextRow([1, 2]), bad])


def test_what_diverges_is_stopped_and_harms_nothing():
    classifier = build()
    classifier.model.parameters["h.0.mlp.c_fc.weight"][0] = np.nan
    before = bits(classifier)
    with pytest.raises(FloatingPointError, match=r"step 1: the loss is .* smaller learning rate"):
        fine_tune(classifier, task(), None, RECIPE)
    assert bits(classifier) == before


def test_a_validation_loss_that_is_not_finite_is_no_success():
    learner, _ = rising(FineTuning(3, 4, 1e-2))
    reports: list[Epoch] = []
    script = iter([Measured(1.0), Measured(float("nan"))])
    with pytest.raises(FloatingPointError, match=r"after step 2 the loss is nan: .* has diverged"):
        run_epochs(learner, lambda: next(script), reports.append)
    assert [epoch.number for epoch in reports] == [1]


def test_without_validation_too_what_the_last_step_ruins_is_no_success():
    """A weight that overflows, though no loss shows it, and finite weights that give no loss."""
    learner, parameter = rising(FineTuning(1, 4, 1e39))
    shard_loss = learner.shard_loss
    learner.shard_loss = lambda *given: [shard_loss(*given), 1.0][1]
    reports: list[Epoch] = []
    with pytest.raises(FloatingPointError, match="after step 1 p is not finite: training has div"):
        run_epochs(learner, None, reports.append)
    assert not np.isfinite(parameter).all()
    model = GPT.init(CONFIG)
    recipe = FineTuning(1, 4, 1e30, dropout=0.0)
    with pytest.raises(FloatingPointError, match="after step 1 the loss is nan: training has div"):
        fine_tune_language_model(model, [TextRow([1, 2, 3])] * 4, None, recipe, reports.append)
    assert all(np.isfinite(array).all() for array in model.parameters.values())
    assert not reports


def test_looking_for_ruin_costs_one_example():
    recipe, seen = FineTuning(2, 4, 1e-2), []
    learner, _ = rising(recipe)
    shard_loss = learner.shard_loss
    learner.shard_loss = lambda chosen, *rest: seen.append(len(chosen)) or shard_loss(chosen, *rest)
    run_epochs(learner, None, None)
    assert sum(seen) == 2 * (4 + 1)
