"""GPT-1's two forms: OpenAI's pieces of one row, and the hub's."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptlite import GPT, GPTConfig, KVCache, Tokenizer
from gptlite.checkpoints import read_checkpoint
from gptlite.checkpoints.gpt1 import IN_BLOCK, OUTSIDE
from gptlite.config import GPT1, parameter_shapes
from gptlite.errors import CheckpointError
from gptlite.finetune.classifier import Classifier
from gptlite.finetune.finetuned import FineTuned
from gptlite.trace import Trace
from gptlite.views import logit_lens, parameter_table
from models import random_model
from tiny_checkpoints import refusal

CONFIG = GPTConfig(n_vocab=11, n_ctx=6, n_embd=8, n_head=2, n_layer=2, post_norm=True)


def write_pieces(folder: Path, n_pieces: int = 10) -> GPT:
    """Write a model as OpenAI published GPT-1."""
    folder.mkdir(exist_ok=True)
    model = random_model(CONFIG)
    names = [*OUTSIDE, *(f"h.{i}.{leaf}" for i in range(2) for leaf in IN_BLOCK)]
    arrays = [model.parameters[name] for name in names]
    row = np.concatenate([array.ravel() for array in arrays])
    for i, piece in enumerate(np.array_split(row, n_pieces)):
        np.save(folder / f"params_{i}.npy", piece)
    shapes = [
        [1, *array.shape] if name.startswith("h.") and array.ndim == 2 else list(array.shape)
        for name, array in zip(names, arrays, strict=True)
    ]
    (folder / "params_shapes.json").write_text(json.dumps(shapes))
    return model


@pytest.mark.parametrize("n_pieces", [1, 2, 10, 300])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_pieces_are_read_wherever_they_are_cut(
    n_pieces: int, dtype: str, tmp_path: Path
) -> None:
    model = write_pieces(tmp_path, n_pieces)
    for place in (tmp_path, tmp_path / "params_shapes.json"):
        config, parameters = read_checkpoint(place, dtype, n_head=2)
        assert config == CONFIG and list(parameters) == list(model.parameters)
        for name, array in model.parameters.items():
            assert np.array_equal(parameters[name], array.astype(parameters[name].dtype))


def test_the_official_shapes_tell_the_number_of_heads(shared: Path) -> None:
    if not (shared / "gpt1-tokenizer").is_dir():
        pytest.skip("no gpt1-tokenizer in the test data")
    shapes = json.loads((shared / "gpt1-tokenizer" / "params_shapes.json").read_text())
    sizes = sum(int(np.prod(shape)) for shape in shapes)
    assert sizes == GPT1.n_params == 116_534_784
    assert len(shapes) == len(parameter_shapes(GPT1))


def damage(folder: Path, name: str, change: Any) -> None:
    (folder / name).write_bytes(change((folder / name).read_bytes()))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("params_3.npy", lambda data: data[:-4], "params_3.npy: expected "),
        ("params_3.npy", lambda data: data + bytes(4), "params_3.npy: expected "),
        ("params_3.npy", lambda data: b"PK" + data[2:], "expected one row of float32"),
        ("params_3.npy", lambda data: data.replace(b"<f4", b"<i4"), "expected one row of float32"),
        ("params_shapes.json", lambda data: data[:-1], "not valid JSON"),
        ("params_shapes.json", lambda data: b"{}", "expected a list of shapes, found {}"),
        ("params_shapes.json", lambda data: b"[[6, 8]]", "expected 2 shapes and 12 for each block"),
        ("params_shapes.json", lambda data: data.replace(b"[6, 8]", b"[7, 8]"), "the pieces end"),
        ("params_shapes.json", lambda data: data.replace(b"[6, 8]", b"[5, 8]"), "8 numbers more"),
        ("params_shapes.json", lambda data: data.replace(b"[6, 8]", b"[-6, 8]"), "found [-6, 8]"),
        ("params_shapes.json", lambda data: data.replace(b"[6, 8]", b"6"), "found 6"),
    ],
)
def test_pieces_that_are_damaged(name: str, change: Any, message: str, tmp_path: Path) -> None:
    write_pieces(tmp_path)
    damage(tmp_path, name, change)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(tmp_path, n_head=2)
    assert message in str(caught.value) and str(caught.value).startswith(str(tmp_path))


def test_a_piece_that_is_missing(tmp_path: Path) -> None:
    write_pieces(tmp_path)
    (tmp_path / "params_4.npy").unlink()
    assert "the pieces end within" in refusal(tmp_path)
    (tmp_path / "params_0.npy").unlink()
    assert refusal(tmp_path).endswith("missing params_0.npy")


def test_accidents_to_pieces(tmp_path: Path) -> None:
    """A few hundred: an error in one line, or a model."""
    write_pieces(tmp_path, 2)
    rng, loaded = random.Random(0), 0
    for _ in range(300):
        name = rng.choice(["params_0.npy", "params_shapes.json"])
        good = (tmp_path / name).read_bytes()
        data = bytearray(good)
        data[rng.randrange(min(len(data), 150))] = rng.choice(b"0123456789[],{}' F\x00\xff")
        (tmp_path / name).write_bytes(data)
        try:
            read_checkpoint(tmp_path, n_head=2)
            loaded += 1
        except CheckpointError as error:
            assert str(error).startswith(str(tmp_path)) and "\n" not in str(error)
        (tmp_path / name).write_bytes(good)
    assert loaded < 300


# ---- The hub's form -----------------------------------------------------------------------------


def test_the_hub_s_form_is_written_and_read_again(tmp_path: Path) -> None:
    for config in (CONFIG, replace(CONFIG, tie_word_embeddings=False, layer_norm_epsilon=1e-3)):
        model = random_model(config)
        model.save_pretrained(tmp_path)
        options = json.loads((tmp_path / "config.json").read_text())
        assert (options["model_type"], options["afn"]) == ("openai-gpt", "gelu")
        found, parameters = read_checkpoint(tmp_path)
        assert found == config
        for name, array in model.parameters.items():
            assert parameters[name].tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"afn": "relu"}, "afn is 'relu'; gptlite has 'gelu' only"),
        ({"n_head": 3}, "n_embd 8 is not a multiple of n_head 3"),
        ({"n_head": None}, "n_head: expected a positive integer, found None"),
        ({"layer_norm_epsilon": "1"}, "layer_norm_epsilon must be a number"),
        ({"model_type": "gpt2"}, "missing tensor 'ln_f.weight' and 1 more"),
    ],
)
def test_a_configuration_that_is_not_gpt1_s(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    random_model(CONFIG).save_pretrained(tmp_path)
    options = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(options | changes))
    assert message in refusal(tmp_path)


@pytest.mark.parametrize("changes", [{"n_inner": 20}, {"activation_function": "gelu"}])
def test_what_the_hub_s_gpt1_has_no_place_for(changes: dict[str, Any], tmp_path: Path) -> None:
    [(name, value)] = changes.items()
    with pytest.raises(ValueError, match=f"{name} is {value}: a GPT-1 in the hub's format has"):
        random_model(replace(CONFIG, **changes)).save_pretrained(tmp_path / "out")
    with pytest.raises(ValueError, match="post_norm is True: OpenAI's format has no place"):
        random_model(CONFIG).save_pretrained(tmp_path / "out", format="openai")
    assert not (tmp_path / "out").exists()


# ---- What is done with it -----------------------------------------------------------------------


def test_it_writes_through_a_cache_what_it_computes_whole() -> None:
    model, ids = random_model(CONFIG), [3, 1]
    cache = KVCache(CONFIG)
    logits = model(ids, cache)
    for _ in range(4):
        token = int(logits[0, -1].argmax())
        assert model(ids)[0, -1].argmax() == token
        ids = [*ids, token]
        logits = model([token], cache)


def test_views_of_it() -> None:
    model, trace = random_model(replace(CONFIG, n_vocab=257)), Trace()
    model([65, 66], trace=trace)
    tokenizer = Tokenizer.train([], 257)
    assert len(logit_lens(model, tokenizer, trace, ["a", "b"]).values) == 3
    rows = [row[0] for row in parameter_table(model).rows]
    assert rows[-3:] == ["wte.weight", "wpe.weight", "total"]


def test_a_classifier_made_from_it(tmp_path: Path) -> None:
    tokenizer = Tokenizer.train(["the cat and the dog"], 260)
    model = random_model(replace(CONFIG, n_vocab=260))
    classifier = Classifier.build(model, 2)
    saved = FineTuned(classifier, tokenizer, "classification", ["yes", "no"], 6)
    saved.save_pretrained(tmp_path)
    opened = FineTuned.from_pretrained(tmp_path)
    assert opened.classifier.model.config == classifier.model.config
    texts = [["the"], ["dog"]]
    assert np.array_equal(opened.probabilities(texts), saved.probabilities(texts))
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["architectures"] == ["OpenAIGPTForSequenceClassification"]
