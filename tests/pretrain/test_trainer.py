"""A step, a run, and its state on disk."""

import io
import json
import math
import sys
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz import times
from gptlite import GPT, CheckpointError, GPTConfig
from gptlite.pretrain.data import batch_at
from gptlite.pretrain.trainer import STATE_FILE, Recipe, Trainer, seconds_per_step, train
from models import random_model

CONFIG = GPTConfig(n_vocab=20, n_ctx=8, n_embd=8, n_head=2, n_layer=1)
TOKENS = np.random.default_rng(0).integers(0, 20, 500).astype(np.uint16)
RECIPE = Recipe(batch=4, n_steps=6, learning_rate=1e-2, warm_up=2, dropout=0.1, threads=2)


def bits(trainer: Trainer) -> dict[str, bytes]:
    """Every number of a trainer, as bytes."""
    arrays = {f"parameter/{name}": array for name, array in trainer.model.parameters.items()}
    for name, moments in trainer.moments.items():
        arrays[f"mean/{name}"], arrays[f"square/{name}"] = moments
    return {name: array.tobytes() for name, array in arrays.items()}


def trained(steps: int = 3, recipe: Recipe = RECIPE) -> Trainer:
    trainer = Trainer(GPT.init(CONFIG), recipe)
    for step in range(steps):
        batch = batch_at(step, TOKENS, recipe.batch, CONFIG.n_ctx, recipe.seed)
        trainer.train_step(trainer.shards(*batch))
    return trainer


# ---- Training -----------------------------------------------------------------------------------


def test_training_learns():
    recipe = Recipe(batch=8, n_steps=150, learning_rate=2e-2, warm_up=5)
    tokens = np.tile(np.arange(20, dtype=np.uint16), 30)
    trainer, losses = Trainer(GPT.init(CONFIG), recipe), []
    train(trainer, tokens, 50, lambda _, loss, speed: losses.append(loss))
    assert losses[0] > losses[-1]
    assert losses[-1] < 0.1  # of 3.0 for a guess


def test_the_same_seed_gives_the_same_bits():
    assert bits(trained()) == bits(trained())


def test_dropout_differs_from_step_to_step_and_from_shard_to_shard():
    recipe = Recipe(batch=2, dropout=0.5, threads=2, learning_rate=1e-9)
    inputs = np.zeros((2, 8), np.int64)  # the same sequence in both shards
    trainer = Trainer(GPT.init(CONFIG), recipe)
    losses = [trainer.gradients(trainer.shards(inputs, inputs))[0]]
    trainer.step += 1
    losses.append(trainer.gradients(trainer.shards(inputs, inputs))[0])
    assert losses[0] != losses[1]
    other = Trainer(GPT.init(CONFIG), recipe)
    one = other.gradients(other.shards(inputs[:1], inputs[:1]))[0]
    assert losses[0] != pytest.approx(one, rel=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_a_loss_that_is_not_finite_stops_the_run_and_harms_nothing(value):
    """Warnings are errors in these tests: NumPy has to stay silent in every thread."""
    trainer = trained(1)
    trainer.model.parameters["h.0.mlp.c_fc.weight"][0] = value
    before = bits(trainer)
    with pytest.raises(FloatingPointError, match=r"step 2: the loss is .* smaller learning rate"):
        trainer.train_step(trainer.shards(*batch_at(1, TOKENS, 4, 8, 0)))
    assert bits(trainer) == before
    assert trainer.step == 1


def test_training_reports_every_so_many_steps_and_at_the_end():
    reports = []
    trainer = Trainer(GPT.init(CONFIG), Recipe(batch=4, n_steps=7))
    train(trainer, TOKENS, 3, lambda t, loss, speed: reports.append((t.step, loss, speed)))
    assert [step for step, _, _ in reports] == [3, 6, 7]
    assert all(speed > 0 for _, _, speed in reports)
    by_hand = Trainer(GPT.init(CONFIG), Recipe(batch=4, n_steps=7))
    batches = [batch_at(step, TOKENS, 4, 8, 0) for step in range(7)]
    losses = [by_hand.train_step(by_hand.shards(*batch)) for batch in batches]
    expected = [np.mean(losses[:3]), np.mean(losses[3:6]), losses[6]]
    assert [loss for _, loss, _ in reports] == pytest.approx(expected, rel=1e-12)


def test_the_bar_shows_loss_speed_and_time_left(monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    trainer = Trainer(GPT.init(CONFIG), Recipe(batch=4, n_steps=8))
    trainer.step = 2  # of a run that was resumed
    train(trainer, TOKENS, 4, lambda *_: None)
    first, *_, last = shown.getvalue().split("\r")[1:]
    assert "training:  25%" in first
    assert "64.0/256" in first
    assert "training: 100%" in last
    # Time gone by < time left, tokens per second, loss.
    assert "<00:00, " in last
    assert "token/s, loss=" in last
    assert capsys.readouterr().out == ""


def test_seconds_per_step():
    recipe = Recipe(batch=4, n_steps=10_000)
    assert 0 < seconds_per_step(Trainer(GPT.init(CONFIG), recipe), TOKENS) < 60


# ---- The recipe ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ({"learning_rate": -1.0}, ValueError, "learning_rate must be above 0, not -1.0"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate must be above 0"),
        ({"learning_rate": math.nan}, ValueError, "learning_rate must be finite, not nan"),
        ({"learning_rate": math.inf}, ValueError, "learning_rate must be finite, not inf"),
        ({"clip": 0.0}, ValueError, "clip must be above 0"),
        ({"clip": math.nan}, ValueError, "clip must be finite, not nan"),
        ({"weight_decay": -0.1}, ValueError, "weight_decay must be at least 0"),
        ({"weight_decay": math.nan}, ValueError, "weight_decay must be finite, not nan"),
        ({"dropout": 1.0}, ValueError, r"dropout must lie in \[0, 1\)"),
        ({"dropout": math.nan}, ValueError, "dropout must be finite, not nan"),
        ({"batch": 0}, ValueError, "batch must be at least 1, not 0"),
        ({"n_steps": 0}, ValueError, "n_steps must be at least 1"),
        ({"warm_up": 0}, ValueError, "warm_up must be at least 1"),
        ({"threads": 0}, ValueError, "threads must be at least 1"),
        ({"seed": -1}, ValueError, "seed must be at least 0, not -1"),
        ({"batch": 1.5}, TypeError, "batch must be an int, not 1.5"),
        ({"n_steps": True}, TypeError, "n_steps must be an int, not True"),
        ({"seed": "0"}, TypeError, "seed must be an int, not '0'"),
    ],
)
def test_a_recipe_of_impossible_numbers_is_refused(bad, error, message):
    with pytest.raises(error, match=message):
        Recipe(**bad)


# ---- The state ----------------------------------------------------------------------------------


def test_a_run_goes_on_bit_for_bit(tmp_path):
    whole = trained(6)
    for stop in range(7):
        trained(stop).save_state(tmp_path)
        trainer = Trainer.from_state(tmp_path)
        assert (trainer.step, trainer.recipe, trainer.model.config) == (stop, RECIPE, CONFIG)
        assert bits(trainer) == bits(trained(stop))
        train(trainer, TOKENS, 100, lambda *_: None)
        assert bits(trainer) == bits(whole)


def test_a_recipe_in_numpy_s_numbers_is_kept(tmp_path):
    recipe = Recipe(batch=np.int64(4), dropout=np.float32(0.25), threads=np.int32(1))
    Trainer(GPT.init(CONFIG), recipe).save_state(tmp_path)
    assert Trainer.from_state(tmp_path).recipe == recipe


def refusal(directory: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        Trainer.from_state(directory)
    assert str(directory / STATE_FILE) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_state(tmp_path):
    assert "no such file: nothing to resume" in refusal(tmp_path)
    (tmp_path / STATE_FILE).mkdir()
    with pytest.raises(OSError, match="expected a file, found something else"):
        Trainer.from_state(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK\x03\x04", b"once upon a time" * 99])
def test_what_is_no_state_is_refused(tmp_path, content):
    (tmp_path / STATE_FILE).write_bytes(content)
    assert "not a file of arrays" in refusal(tmp_path)


def test_a_single_array_is_no_state(tmp_path):
    with (tmp_path / STATE_FILE).open("wb") as file:
        np.save(file, TOKENS)
    assert "not a file of arrays" in refusal(tmp_path)


def changed(directory: Path, change) -> str:
    """The refusal of a state after ``change`` of its dictionaries ``arrays`` and ``about``."""
    trained(1).save_state(directory)
    with np.load(directory / STATE_FILE) as file:
        arrays = {key: file[key] for key in file.files}
    about = json.loads(str(arrays.pop("about")))
    change(arrays, about)
    with (directory / STATE_FILE).open("wb") as file:
        np.savez(file, about=np.array(json.dumps(about)), **arrays)
    return refusal(directory)


NAME = "ln_f.weight"


@pytest.mark.parametrize("part", ["parameter", "mean", "square"])
def test_a_state_whose_arrays_do_not_fit_is_refused(tmp_path, part):
    key = f"{part}/{NAME}"
    assert key in changed(tmp_path, lambda arrays, _: arrays.pop(key))
    wrong = {key: np.ones(9, np.float32)}
    assert f"{key}: expected [8]" in changed(tmp_path, lambda arrays, _: arrays.update(wrong))
    wrong = {key: np.ones(8)}
    assert f"{key}: expected [8]" in changed(tmp_path, lambda arrays, _: arrays.update(wrong))


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("config", {"n_layer": 2}),
        ("config", {"n_head": 3}),
        ("config", {"n_embd": "8"}),
        ("config", {"unknown": 1}),
        ("recipe", {"learning_rate": -1.0}),
        ("recipe", {"threads": 0}),
        ("recipe", {"unknown": 1}),
        (None, {"step": -1}),
        (None, {"step": 7}),
        (None, {"step": "x"}),
        (None, {"recipe": None}),
        (None, {"config": []}),
    ],
)
def test_a_state_with_an_impossible_description_is_refused(tmp_path, part, change):
    def apply(_, about):
        (about if part is None else about[part]).update(change)

    assert "not a training state" in changed(tmp_path, apply)


@given(st.data())
@settings(
    max_examples=times(200), deadline=None, suppress_health_check=[HealthCheck.data_too_large]
)
@pytest.mark.filterwarnings("ignore")  # zipfile and NumPy warn of some damages before they fail
def test_a_damaged_state_is_refused_or_whole(tmp_path_factory, data):
    """Cut off anywhere, or with bytes changed, most of them where the format's own fields are."""
    directory = tmp_path_factory.getbasetemp()
    path = directory / STATE_FILE
    whole = trained(1)
    whole.save_state(directory)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        members, table = archive.infolist(), archive.start_dir
    heads = st.sampled_from([member.header_offset for member in members])
    places = st.one_of(
        st.builds(lambda start, i: start + i, heads, st.integers(0, 200)),
        st.integers(table, len(content) - 1),
        st.integers(0, len(content) - 1),
    )
    if data.draw(st.booleans()):
        del content[data.draw(places) :]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            content[min(data.draw(places), len(content) - 1)] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    trainer, refusal = whole, ""
    try:
        trainer = Trainer.from_state(directory)
    except CheckpointError as error:
        refusal = str(error)
    assert "\n" not in refusal
    # A change of bytes that mean nothing, like the time of day, is not refused.
    assert bits(trainer) == bits(whole)
    assert (trainer.step, trainer.recipe) == (1, RECIPE)


def test_a_model_that_differs_from_gpt2_goes_on_as_it_is(tmp_path):
    config = replace(
        CONFIG,
        n_inner=20,
        activation_function="gelu",
        scale_attn_by_inverse_layer_idx=True,
        tie_word_embeddings=False,
        n_padding=3,
        bos_token_id=1,
        eos_token_id=2,
    )
    trainer = Trainer(random_model(config), RECIPE)
    trainer.save_state(tmp_path)
    again = Trainer.from_state(tmp_path)
    assert asdict(again.model.config) == asdict(config)
    assert bits(again) == bits(trainer)
