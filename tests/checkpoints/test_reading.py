"""Which format lies in a place, and that every one of them gives the same model."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gptlite
from gptlite.checkpoints import read_checkpoint, write_checkpoint
from gptlite.checkpoints.names import match_names, match_openai_names, openai_name
from gptlite.checkpoints.reading import weights_file
from gptlite.checkpoints.safetensors import write_tensors
from gptlite.checkpoints.tensorflow.tensorbundle import write_bundle
from gptlite.config import PRESETS, GPTConfig, parameter_shapes
from gptlite.errors import CheckpointError
from gptlite.model import GPT

TINY = GPTConfig(n_vocab=11, n_ctx=6, n_embd=8, n_head=2, n_layer=2)
FIXTURES = Path(__file__).parents[1] / "fixtures"


def tiny(config: GPTConfig = TINY) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {n: rng.standard_normal(s, np.float32) for n, s in parameter_shapes(config).items()}


def same(found: Any, expected: dict[str, np.ndarray]) -> bool:
    return list(found) == list(expected) and all(
        found[n].tobytes() == expected[n].tobytes() and found[n].flags.c_contiguous for n in found
    )


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def linear(name: str) -> bool:
    return name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight"))


# ---- OpenAI's own -------------------------------------------------------------------------------


@pytest.fixture
def openai(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "117M", TINY, tiny(), format="openai")
    return tmp_path / "117M"


def test_openai_s_names() -> None:
    names = [openai_name(name) for name in parameter_shapes(TINY)]
    assert names[:2] == ["model/wte", "model/wpe"] and names[-2:] == [
        "model/ln_f/g",
        "model/ln_f/b",
    ]
    block = ["ln_1/g", "ln_1/b", "attn/c_attn/w", "attn/c_attn/b", "attn/c_proj/w", "attn/c_proj/b"]
    block += ["ln_2/g", "ln_2/b", "mlp/c_fc/w", "mlp/c_fc/b", "mlp/c_proj/w", "mlp/c_proj/b"]
    assert names[2:-2] == [f"model/h{i}/{leaf}" for i in range(2) for leaf in block]


def test_a_directory_as_openai_lays_it_out(openai: Path) -> None:
    assert sorted(file.name for file in openai.iterdir()) == [
        "checkpoint",
        "hparams.json",
        "model.ckpt.data-00000-of-00001",
        "model.ckpt.index",
    ]
    hparams = (
        '{\n  "n_vocab": 11,\n  "n_ctx": 6,\n  "n_embd": 8,\n  "n_head": 2,\n  "n_layer": 2\n}\n'
    )
    assert (openai / "hparams.json").read_text() == hparams
    for place in (openai, openai / "model.ckpt.index", openai / "model.ckpt.data-00000-of-00001"):
        config, parameters = read_checkpoint(place)
        assert config == TINY and same(parameters, tiny())
    assert same(GPT.from_pretrained(openai / "model.ckpt").parameters, tiny())


def test_the_optimizer_s_variables_are_ignored_and_counted(
    openai: Path, caplog: pytest.LogCaptureFixture
) -> None:
    variables = {openai_name(name): array for name, array in tiny().items()}
    slots = {f"{name}/Adam": array for name, array in variables.items()}
    write_bundle(openai / "model.ckpt", variables | slots | {"beta1_power": np.float32(0.9)})
    with caplog.at_level(logging.WARNING, "gptlite"):
        assert same(read_checkpoint(openai)[1], tiny())
    assert "29 variables that are no part of a GPT-2" in caplog.text


def test_the_axis_of_one_is_taken_off_and_no_other(openai: Path) -> None:
    config = GPTConfig(n_vocab=3, n_ctx=1, n_embd=1, n_head=1, n_layer=1)
    write_checkpoint(openai, config, tiny(config), format="openai")
    assert same(read_checkpoint(openai)[1], tiny(config))


@pytest.mark.parametrize(
    ("hparams", "message"),
    [
        ({"n_vocab": 11}, "missing n_ctx and n_embd and n_head and n_layer"),
        ({"n_layer": 1}, "expected 1 blocks (n_layer), found variables of 2"),
        ({"n_layer": 3}, "expected 3 blocks (n_layer), found variables of 2"),
        ({"n_layer": 10**15}, "expected 1000000000000000 blocks (n_layer), found variables of 2"),
        ({"n_layer": True}, "n_layer: expected a positive integer, found True"),
        ({"n_embd": 16}, "'model/wte': expected shape [11, 16] or [1, 11, 16], found [11, 8]"),
        ({"n_head": 3}, "n_embd 8 is not a multiple of n_head 3"),
    ],
)
def test_hparams_that_are_wrong(openai: Path, hparams: dict[str, Any], message: str) -> None:
    old = json.loads((openai / "hparams.json").read_text())
    new = hparams if "n_vocab" in hparams else old | hparams
    (openai / "hparams.json").write_text(json.dumps(new))
    assert message in refusal(openai)


def test_hparams_may_say_more(openai: Path) -> None:
    old = json.loads((openai / "hparams.json").read_text())
    (openai / "hparams.json").write_text(json.dumps(old | {"embd_pdrop": 0.1}))
    assert read_checkpoint(openai)[0] == TINY


def test_hparams_are_needed(openai: Path) -> None:
    (openai / "hparams.json").unlink()
    assert refusal(openai) == f"{openai}: missing hparams.json"


def test_which_of_several_checkpoints(openai: Path) -> None:
    for suffix in ("index", "data-00000-of-00001"):
        for name in ("model-100", "model-200"):
            shutil.copy(openai / f"model.ckpt.{suffix}", openai / f"{name}.{suffix}")
    assert weights_file(openai).name == "model.ckpt.index"
    for suffix in ("index", "data-00000-of-00001"):
        (openai / f"model.ckpt.{suffix}").unlink()
    assert "expected one TensorFlow checkpoint, found model-100.index, model-200" in refusal(openai)
    (openai / "checkpoint").write_text('model_checkpoint_path: "model-200"\n')
    assert weights_file(openai).name == "model-200.index"
    assert read_checkpoint(openai)[0] == TINY
    # What a Saver that was given an absolute path notes; the directory need not lie there any more.
    (openai / "checkpoint").write_text('model_checkpoint_path: "/where/it was/model-100"\n')
    assert weights_file(openai).name == "model-100.index"
    (openai / "checkpoint").write_text('model_checkpoint_path: "../model-200"\n')
    assert "expected one TensorFlow checkpoint" in refusal(openai)
    (openai / "model-100.index").unlink()
    assert weights_file(openai).name == "model-200.index"


# ---- Linear layers the other way round ----------------------------------------------------------


def turned(parameters: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """As torch's nn.Linear has it: [n_out, n_in]."""
    return {n: np.ascontiguousarray(a.T) if linear(n) else a for n, a in parameters.items()}


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "hub", TINY, tiny())
    return tmp_path / "hub"


def test_transposed_linear_layers_are_recognised_per_file(hub: Path) -> None:
    write_tensors(hub / "model.safetensors", turned(tiny()))
    assert same(read_checkpoint(hub)[1], tiny())
    mixed = turned(tiny()) | {"h.1.mlp.c_fc.weight": tiny()["h.1.mlp.c_fc.weight"]}
    write_tensors(hub / "model.safetensors", mixed)
    assert "'h.1.mlp.c_fc.weight': expected shape [32, 8], found [8, 32]" in refusal(hub)


def test_a_model_without_biases(hub: Path) -> None:
    bare = {n: a for n, a in tiny().items() if not n.endswith(".bias")}
    write_tensors(hub / "model.safetensors", turned(bare))
    expected = {n: a if n in bare else np.zeros_like(a) for n, a in tiny().items()}
    assert same(read_checkpoint(hub)[1], expected)
    write_tensors(hub / "model.safetensors", bare | {"ln_f.bias": tiny()["ln_f.bias"]})
    assert "missing tensor 'h.0.ln_1.bias' and 11 more" in refusal(hub)


def test_weights_without_sizes_are_an_official_size_or_refused(tmp_path: Path) -> None:
    """The shapes of gpt2, in a file that is all holes."""
    header, end = {}, 0
    for name, shape in parameter_shapes(PRESETS["gpt2"]).items():
        begin, end = end, end + 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with open(tmp_path / "alone.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    config, parameters = read_checkpoint(tmp_path / "alone.safetensors", "float16")
    assert config == PRESETS["gpt2"] and not any(array.any() for array in parameters.values())
    assert sum(array.size for array in parameters.values()) == 124_439_808
    write_tensors(tmp_path / "alone.safetensors", tiny())
    assert refusal(tmp_path / "alone.safetensors") == f"{tmp_path}: missing config.json"


# ---- Several files ------------------------------------------------------------------------------


@pytest.fixture
def sharded(hub: Path) -> Path:
    (hub / "model.safetensors").unlink()
    names = list(tiny())
    files = {"a.safetensors": names[:9], "b.safetensors": names[9:]}
    for file, held in files.items():
        write_tensors(hub / file, {name: tiny()[name] for name in held})
    weight_map = {name: file for file, held in files.items() for name in held}
    write_index(hub, weight_map)
    return hub


def write_index(directory: Path, weight_map: Any) -> None:
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))


def test_a_model_in_several_files(sharded: Path) -> None:
    assert same(read_checkpoint(sharded)[1], tiny())
    assert same(read_checkpoint(sharded / "model.safetensors.index.json")[1], tiny())


def test_an_index_does_not_lead_in_a_circle(sharded: Path) -> None:
    write_index(sharded, {"wte.weight": "model.safetensors.index.json"})
    assert "expected a file name, found 'model.safetensors.index.json'" in refusal(sharded)


@pytest.mark.parametrize(
    "name", ["../a", "/a", "sub/a", "..", ".", "", "a\0", "C:a", "sub\\a", "a\n"]
)
def test_an_index_does_not_lead_out_of_its_folder(sharded: Path, name: str) -> None:
    write_index(sharded, {"wte.weight": name})
    assert "weight_map: expected a file name, found" in refusal(sharded)


def test_an_index_that_is_wrong(sharded: Path) -> None:
    names = list(tiny())
    right = {n: "a.safetensors" if n in names[:9] else "b.safetensors" for n in names}
    for wrong, message in [
        (None, "weight_map: expected an object of file names"),
        ({"wte.weight": 3}, "weight_map: expected an object of file names"),
        (right | {"wte.weight": "c.safetensors"}, "missing 'c.safetensors'"),
        (right | {"wte.weight": "b.safetensors"}, "expected tensor 'wte.weight'"),
        ({n: f for n, f in right.items() if n != "ln_f.bias"}, "expected an entry that says 'ln_f"),
    ]:
        write_index(sharded, wrong)
        assert message in refusal(sharded)


# ---- Half precision in memory -------------------------------------------------------------------


def test_float16_in_memory(hub: Path, openai: Path) -> None:
    whole = GPT.from_pretrained(hub)
    for place in (hub, openai):
        half = GPT.from_pretrained(place, dtype="float16")
        for name, array in half.parameters.items():
            assert array.dtype == (np.float16 if array.ndim == 2 else np.float32)
            assert np.array_equal(array, tiny()[name].astype(array.dtype))
        trace = gptlite.Trace()
        logits = half([1, 5, 10], trace=trace)
        assert all(array.dtype == np.float32 for array in trace.values())
        spread = np.ptp(whole([1, 5, 10]))
        assert 0 < np.abs(logits - whole([1, 5, 10])).max() < 2e-3 * spread


def test_float16_computes_what_its_widened_weights_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many columns are widened at a time, and whether or not they divide evenly."""
    halves = {n: a.astype(np.float16) if a.ndim == 2 else a for n, a in tiny().items()}
    widened = GPT(TINY, {n: a.astype(np.float32) for n, a in halves.items()})
    for columns in (1, 3, 5, 1000):
        monkeypatch.setattr("gptlite.fast.memory.WIDENED", 8 * columns)
        np.testing.assert_allclose(
            GPT(TINY, halves)([[1, 2, 3], [4, 5, 6]]),
            widened([[1, 2, 3], [4, 5, 6]]),
            rtol=1e-5,
            atol=1e-5,
        )


def test_float16_that_does_not_fit_is_refused(hub: Path) -> None:
    big = tiny()
    big["wte.weight"][3, 4] = 70000.0
    write_tensors(hub / "model.safetensors", big)
    with pytest.raises(CheckpointError, match=r"'wte\.weight': 70000\.0 is too large for float16"):
        read_checkpoint(hub, "float16")
    with pytest.raises(ValueError, match="'float32' or 'float16', not 'int8'"):
        read_checkpoint(hub, "int8")


def test_a_model_in_float16_is_saved_in_either(hub: Path, tmp_path: Path) -> None:
    half = GPT.from_pretrained(hub, dtype="float16")
    for options in ({}, {"dtype": "float16"}, {"format": "openai"}):
        half.save_pretrained(tmp_path / "again", **options)
        again = GPT.from_pretrained(tmp_path / "again")
        shutil.rmtree(tmp_path / "again")
        for name, array in again.parameters.items():
            expected = tiny()[name].astype(np.float16).astype(np.float32)
            if array.ndim == 2 or options == {"dtype": "float16"}:
                assert np.array_equal(array, expected)
            else:
                assert np.array_equal(array, tiny()[name])


def test_openai_s_format_is_not_written_where_it_would_not_be_read(hub: Path) -> None:
    other = GPT.init(TINY, seed=2)
    with pytest.raises(
        FileExistsError, match=r"hub: holds model\.safetensors, which would be read"
    ):
        other.save_pretrained(hub, format="openai")
    assert sorted(file.name for file in hub.iterdir()) == ["config.json", "model.safetensors"]
    (hub / "model.safetensors").unlink()
    other.save_pretrained(hub, format="openai")
    assert same(GPT.from_pretrained(hub).parameters, dict(other.parameters))


def test_openai_s_format_has_no_place_for_other_options(tmp_path: Path) -> None:
    model = GPT.init(TINY)
    with pytest.raises(ValueError, match="OpenAI's format holds float32 only, not 'float16'"):
        model.save_pretrained(tmp_path / "x", dtype="float16", format="openai")
    with pytest.raises(ValueError, match="format must be one of hub, openai, not 'onnx'"):
        model.save_pretrained(tmp_path / "x", format="onnx")
    other = GPT.init(GPTConfig(5, 4, 4, 2, 1, layer_norm_epsilon=1e-6))
    with pytest.raises(ValueError, match="layer_norm_epsilon is 1e-06"):
        other.save_pretrained(tmp_path / "x", format="openai")


# ---- Written by the real libraries --------------------------------------------------------------


def expected_of(folder: str) -> dict[str, np.ndarray]:
    with np.load(FIXTURES / folder / "expected.npz") as archive:
        return {name: archive[name] for name in archive.files}


@pytest.mark.parametrize("form", ["single", "sharded", "bfloat16"])
def test_written_by_transformers_and_safetensors(form: str) -> None:
    expected = expected_of("hub")
    if form == "bfloat16":
        rounded = {
            n: a.view(np.uint32) + 0x7FFF + (a.view(np.uint32) >> 16 & 1)
            for n, a in expected.items()
        }
        expected = {n: (a & 0xFFFF0000).view(np.float32) for n, a in rounded.items()}
    config, parameters = read_checkpoint(FIXTURES / "hub" / form)
    assert config == GPTConfig(n_vocab=300, n_ctx=16, n_embd=8, n_head=2, n_layer=2)
    assert same(parameters, expected)


def test_written_by_tensorflow() -> None:
    """A fine-tune as TensorFlow's Saver leaves it, an optimizer's variables among the model's."""
    variables = expected_of("tensorflow")
    config, parameters = read_checkpoint(FIXTURES / "tensorflow")
    assert config == GPTConfig(n_vocab=300, n_ctx=16, n_embd=8, n_head=2, n_layer=2)
    assert list(parameters) == list(parameter_shapes(config))
    for name, array in parameters.items():
        assert array.tobytes() == variables[openai_name(name)].tobytes()


# ---- What a place may be ------------------------------------------------------------------------


def test_a_place_where_nothing_is(tmp_path: Path) -> None:
    expected = "model.safetensors, pytorch_model.bin, model.ckpt.index"
    expected += ", or a single file of weights"
    assert refusal(tmp_path) == f"{tmp_path}: expected one of {expected}, found none"


@pytest.mark.parametrize("name", ["x.safetensors", "ckpt.pt", "gpt2_124M.bin"])
def test_the_one_file_of_weights_in_a_directory(name: str, hub: Path) -> None:
    expected = read_checkpoint(hub)[1]
    (hub / "model.safetensors").rename(hub / name)
    (hub / "log.txt").write_text("step 1")
    (hub / "more.pt").mkdir()
    assert same(read_checkpoint(hub)[1], expected)
    (hub / "another.bin").write_bytes(b"")
    assert refusal(hub).endswith(f"found {', '.join(sorted(['another.bin', name]))}")
    shutil.copy(hub / name, hub / "model.safetensors")
    assert same(read_checkpoint(hub)[1], expected)


@pytest.mark.parametrize("name", ["x.bin", "x.pt", "x.safetensors", "x", "x.index", "x.txt"])
@pytest.mark.parametrize("data", [b"", b"\0", b"hello" * 100, b"<html></html>", b"{}", bytes(2000)])
def test_a_file_that_is_no_checkpoint(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert str(tmp_path) in refusal(tmp_path / name)


def test_a_file_of_something_else_is_called_that(hub: Path) -> None:
    message = "config.json: expected a file of weights (safetensors, PyTorch, TensorFlow or llm.c)"
    assert message in refusal(hub / "config.json")


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 548105171\n" % 0


@pytest.mark.parametrize(
    "name", ["model.safetensors", "pytorch_model.bin", "x.pt", "gpt2_124M.bin", "model.ckpt.index"]
)
def test_a_pointer_of_git_lfs_is_called_that(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(POINTER)
    expected = f"{tmp_path / name}: expected a file of weights, found a Git LFS pointer to one"
    for place in (tmp_path, tmp_path / name):
        assert refusal(place) == f"{expected} ('git lfs pull' fetches it)"


def test_a_pointer_among_several_files(sharded: Path, openai: Path) -> None:
    for file in (sharded / "b.safetensors", openai / "model.ckpt.data-00000-of-00001"):
        file.write_bytes(POINTER)
        assert refusal(file.parent).startswith(f"{file}: expected a file of weights, found a Git")


def test_tensorflow_s_first_version_is_called_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").write_bytes(b"\0" * 100)
    assert "V1 checkpoint" in refusal(tmp_path / "model.ckpt")


def test_a_table_of_names_is_no_longer_than_the_file_s() -> None:
    absurd = GPTConfig(n_vocab=10**18, n_ctx=10**18, n_embd=10**18, n_head=1, n_layer=10**18)
    shapes = {name: array.shape for name, array in tiny().items()}
    for match in (match_names, match_openai_names):
        with pytest.raises(CheckpointError, match=str(10**18)):
            match(shapes, absurd, "x")
