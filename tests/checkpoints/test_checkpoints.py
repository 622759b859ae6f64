"""Checkpoints as users meet them: found by name or path, read whole, written whole, or refused."""

import json
import os
import random
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptlite.checkpoints import read_checkpoint, write_checkpoint
from gptlite.checkpoints.names import match_names
from gptlite.checkpoints.safetensors import write_tensors
from gptlite.config import GPTConfig, parameter_shapes
from gptlite.download.locate import locate
from gptlite.errors import CheckpointError
from gptlite.model import GPT

TINY = GPTConfig(n_vocab=11, n_ctx=6, n_embd=4, n_head=2, n_layer=2)


def tiny() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {n: rng.standard_normal(s, np.float32) for n, s in parameter_shapes(TINY).items()}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "model", TINY, tiny())
    return tmp_path / "model"


def change_config(directory: Path, **changes: Any) -> None:
    """Set keys of config.json; a key that becomes ``...`` is taken away."""
    options = json.loads((directory / "config.json").read_text()) | changes
    kept = {key: value for key, value in options.items() if value is not ...}
    (directory / "config.json").write_text(json.dumps(kept))


def refusal(path: Path) -> str:
    """The one line with which a checkpoint is refused."""
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- locate -------------------------------------------------------------------------------------


def test_the_storyteller_is_the_default() -> None:
    assert locate() == locate(None) == locate("storyteller")
    assert locate().parts[-2:] == ("gptlite", "storyteller")
    assert locate().is_absolute()


def test_directories_and_files_are_themselves(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = saved / "model.safetensors"
    assert locate(saved) == locate(str(saved)) == saved
    assert locate(weights) == locate(str(weights)) == weights
    monkeypatch.chdir(saved.parent)
    assert locate("model") == locate(Path("model")) == Path("model")
    monkeypatch.setenv("HOME", str(saved.parent))
    assert locate("~/model") == saved


def test_a_known_name_wins_over_a_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "storyteller").mkdir()
    assert locate("storyteller") == locate()
    assert locate("./storyteller") == Path("storyteller")


@pytest.mark.parametrize("name", ["gpt5", "", "story teller", "a\nb", "x" * 5000, "a\0b"])
def test_an_unknown_name(name: str) -> None:
    with pytest.raises(ValueError, match=r"unknown model .*'storyteller'.*directory") as caught:
        locate(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "path", ["./model", "nowhere/model", "~/no such model", "..x", "model.safetensors", "a/\0"]
)
def test_a_path_where_nothing_is(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="no such directory or file"):
        locate(path)


def test_a_path_object_is_never_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="model: no such directory or file"):
        locate(Path("model"))


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("hello")
    assert locate(tmp_path / "model.txt") == tmp_path / "model.txt"
    assert "model.txt: expected at least 8 bytes, found 5" in refusal(tmp_path / "model.txt")


@pytest.mark.parametrize("thing", [3, b"model", ["model"]])
def test_what_is_neither_name_nor_path(thing: Any) -> None:
    with pytest.raises(TypeError):
        locate(thing)


# ---- Written and read ---------------------------------------------------------------------------


def test_what_is_written_is_read(saved: Path) -> None:
    config, parameters = read_checkpoint(saved)
    assert config == TINY
    assert list(parameters) == list(parameter_shapes(TINY))
    for name, array in tiny().items():
        assert parameters[name].dtype == np.float32
        assert parameters[name].tobytes() == array.tobytes()


def test_arrays_can_be_trained_in_place(saved: Path) -> None:
    for array in read_checkpoint(saved)[1].values():
        assert array.flags.writeable and array.flags.aligned and array.flags.c_contiguous
        array += 1
    assert read_checkpoint(saved)[1]["ln_f.bias"].tobytes() == tiny()["ln_f.bias"].tobytes()


def test_float16(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, TINY, tiny(), "float16")
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "float16"
    _, parameters = read_checkpoint(tmp_path)
    for name, array in tiny().items():
        assert parameters[name].dtype == np.float32
        assert np.array_equal(parameters[name], array.astype(np.float16).astype(np.float32))
    sizes = (tmp_path / "model.safetensors").stat().st_size
    assert sizes < 2 * TINY.n_params + 4000


def test_every_field_of_the_configuration_is_kept(tmp_path: Path) -> None:
    config = GPTConfig(n_vocab=7, n_ctx=3, n_embd=6, n_head=3, n_layer=1, layer_norm_epsilon=3e-7)
    GPT.init(config).save_pretrained(tmp_path)
    assert read_checkpoint(tmp_path)[0] == config


def test_the_configuration_as_transformers_wants_it(saved: Path) -> None:
    assert json.loads((saved / "config.json").read_text()) == {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "vocab_size": 11,
        "n_positions": 6,
        "n_ctx": 6,
        "n_embd": 4,
        "n_head": 2,
        "n_layer": 2,
        "n_inner": None,
        "layer_norm_epsilon": 1e-5,
        "bos_token_id": 10,
        "eos_token_id": 10,
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
        "tie_word_embeddings": True,
        "dtype": "float32",
    }


def test_the_model_opens_its_own_directory_and_single_file(saved: Path) -> None:
    ids = [1, 5, 10]
    expected = GPT(TINY, tiny())(ids)
    (saved / "config.json").rename(saved.parent / "config.json")
    single = (saved / "model.safetensors").rename(saved.parent / "other.safetensors")
    assert np.array_equal(GPT.from_pretrained(single)(ids), expected)


def test_writing_again_replaces(saved: Path) -> None:
    other = {name: array + 1 for name, array in tiny().items()}
    write_checkpoint(saved, TINY, other)
    assert read_checkpoint(saved)[1]["wte.weight"].tobytes() == other["wte.weight"].tobytes()
    assert sorted(file.name for file in saved.iterdir()) == ["config.json", "model.safetensors"]


def test_nothing_is_written_when_the_parameters_are_wrong(saved: Path, tmp_path: Path) -> None:
    wrong = tiny()
    wrong["ln_f.bias"] = np.array([0, 0, 1e6, 0], np.float32)
    with pytest.raises(ValueError, match=r"'ln_f\.bias': 1000000\.0 does not fit float16"):
        write_checkpoint(saved, GPTConfig(11, 6, 4, 4, 2), wrong, "float16")
    config, parameters = read_checkpoint(saved)
    assert config == TINY and parameters["ln_f.bias"].tobytes() == tiny()["ln_f.bias"].tobytes()

    new = tmp_path / "new"
    del wrong["ln_f.bias"]
    with pytest.raises(ValueError, match=r"ln_f\.bias"):
        write_checkpoint(new, TINY, wrong)
    with pytest.raises(ValueError, match=r"ln_f\.bias: expected float32 \[4\], found .*\[5\]"):
        write_checkpoint(new, TINY, wrong | {"ln_f.bias": np.zeros(5, np.float32)})
    assert not new.exists()
    with pytest.raises(ValueError, match="'int8'"):
        write_checkpoint(new, TINY, tiny(), "int8")
    assert not new.exists() or not list(new.iterdir())


# ---- As others save it --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prefix", ["transformer.", "model.", "module.", "_orig_mod.", "module._orig_mod.transformer."]
)
def test_prefixes_are_seen_through(saved: Path, prefix: str) -> None:
    write_tensors(saved / "model.safetensors", {prefix + n: a for n, a in tiny().items()})
    _, parameters = read_checkpoint(saved)
    assert {n: a.tobytes() for n, a in parameters.items()} == {
        n: a.tobytes() for n, a in tiny().items()
    }


def test_masks_are_skipped_without_being_read(saved: Path) -> None:
    """A sparse file: the masks take a gigabyte that is nowhere unless someone reads it."""
    n = 16384
    mask = {
        "h.0.attn.bias": {"dtype": "U8", "shape": [1, 1, n, n], "data_offsets": [0, n * n]},
        "h.1.attn.bias": {
            "dtype": "F32",
            "shape": [1, 1, n, n],
            "data_offsets": [n * n, 5 * n * n],
        },
        "h.1.attn.masked_bias": {
            "dtype": "F32",
            "shape": [],
            "data_offsets": [5 * n * n, 5 * n * n + 4],
        },
    }
    data = (saved / "model.safetensors").read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    del header["__metadata__"]
    for item in header.values():
        item["data_offsets"] = [offset + 5 * n * n + 4 for offset in item["data_offsets"]]
    text = json.dumps(header | mask).encode()
    with open(saved / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.seek(5 * n * n + 4, os.SEEK_CUR)
        file.write(data[start:])
    tracemalloc.start()
    _, parameters = read_checkpoint(saved)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert list(parameters) == list(parameter_shapes(TINY))
    assert parameters["wte.weight"].tobytes() == tiny()["wte.weight"].tobytes()


@pytest.mark.parametrize("prefix", ["", "transformer."])
def test_the_output_embedding_may_be_there_twice(saved: Path, prefix: str) -> None:
    tensors = {prefix + n: a for n, a in tiny().items()}
    tensors["lm_head.weight"] = tensors[prefix + "wte.weight"].copy()
    tensors["lm_head.weight"][0, 0] = tensors[prefix + "wte.weight"][0, 0] = np.nan
    write_tensors(saved / "model.safetensors", tensors)
    assert list(read_checkpoint(saved)[1]) == list(parameter_shapes(TINY))


def test_another_output_embedding_is_refused(saved: Path) -> None:
    other = tiny()["wte.weight"].copy()
    other[3, 2] = -other[3, 2]
    write_tensors(saved / "model.safetensors", tiny() | {"lm_head.weight": other})
    assert "tensor 'lm_head.weight': expected to equal wte.weight" in refusal(saved)
    write_tensors(saved / "model.safetensors", tiny() | {"lm_head.weight": other[1:]})
    assert "'lm_head.weight': expected shape [11, 4], found [10, 4]" in refusal(saved)


def without(name: str) -> dict[str, np.ndarray]:
    return {n: a for n, a in tiny().items() if n != name}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "missing": (without("h.1.ln_2.bias"), "missing tensor 'h.1.ln_2.bias'"),
    "two missing": (
        {n: a for n, a in tiny().items() if "wpe" not in n and "ln_f.weight" not in n},
        "missing tensor 'wpe.weight' and 1 more",
    ),
    "more": (
        tiny() | {"score.weight": np.ones(2, np.float32)},
        "tensor 'score.weight' not part of a GPT-2: the directory "
        "holds a classifier, to be opened with gptlite.finetune.FineTuned.from_pretrained",
    ),
    "shape": (
        tiny() | {"h.1.attn.c_attn.weight": np.ones((12, 4), np.float32)},
        "tensor 'h.1.attn.c_attn.weight': expected shape [4, 12], found [12, 4]",
    ),
    "scalar": (
        tiny() | {"ln_f.weight": np.float32(1)},
        "tensor 'ln_f.weight': expected shape [4], found []",
    ),
    "more words": (
        tiny() | {"wte.weight": np.ones((12, 4), np.float32)},
        "tensor 'wte.weight': expected shape [11, 4], found [12, 4]",
    ),
    "a block less": (
        {n: a for n, a in tiny().items() if not n.startswith("h.1.")},
        "expected 2 blocks (n_layer), found tensors of 1",
    ),
    "a block more": (
        tiny() | {n.replace("h.1.", "h.2."): a for n, a in tiny().items() if "h.1." in n},
        "expected 2 blocks (n_layer), found tensors of 3",
    ),
    "blocks from one": (
        {n.replace("h.1.", "h.2.").replace("h.0.", "h.1."): a for n, a in tiny().items()},
        "missing tensor 'h.0.ln_1.weight' and 11 more",
    ),
    "twice": (
        tiny() | {"module.ln_f.bias": tiny()["ln_f.bias"]},
        "tensors 'ln_f.bias' and 'module.ln_f.bias' are both 'ln_f.bias'",
    ),
    "a bias that is no mask": (
        tiny() | {"h.0.attn.bias": np.ones(12, np.float32)},
        "tensor 'h.0.attn.bias' not part of a GPT-2",
    ),
    "a mask of no block": (
        tiny() | {"attn.bias": np.ones((1, 1, 6, 6), np.float32)},
        "tensor 'attn.bias' not part of a GPT-2",
    ),
    "none": ({}, "expected 2 blocks (n_layer), found tensors of 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_tensors_that_are_not_the_model_s(saved: Path, case: str) -> None:
    tensors, message = WRONG[case]
    write_tensors(saved / "model.safetensors", tensors)
    assert refusal(saved) == f"{saved / 'model.safetensors'}: {message}"


def test_a_tensor_stored_as_something_else(saved: Path) -> None:
    weights = saved / "model.safetensors"
    data = weights.read_bytes()
    at = data.index(b'"F32"', data.index(b'"h.0.attn.c_attn.bias"'))
    weights.write_bytes(data[:at] + b'"I32"' + data[at + 5 :])
    assert "'h.0.attn.c_attn.bias': expected F32, F16 or BF16, found I32" in refusal(saved)


def test_absurd_sizes_are_refused_before_anything_is_made_for_them() -> None:
    config = GPTConfig(n_vocab=10**18, n_ctx=10**18, n_embd=10**18, n_head=1, n_layer=10**18)
    shapes = {name: array.shape for name, array in tiny().items()}
    with pytest.raises(CheckpointError, match=f"expected {10**18} blocks"):
        match_names(shapes, config, "x")


# ---- config.json --------------------------------------------------------------------------------


def test_options_that_change_nothing_are_let_be(saved: Path) -> None:
    change_config(
        saved,
        activation_function="gelu_pytorch_tanh",  # PyTorch's own gelu_new
        n_inner=16,
        reorder_and_upcast_attn=True,
        attn_pdrop=0.1,
        task_specific_params={"text-generation": {"do_sample": True}},
        summary_type="cls_index",
        architectures=["GPT2Model"],
        transformers_version="5.0.0",
        torch_dtype="bfloat16",
    )
    assert read_checkpoint(saved)[0] == TINY


def test_options_left_out_are_gpt2_s(saved: Path) -> None:
    needed = {"vocab_size": 11, "n_ctx": 6, "n_embd": 4, "n_head": 2, "n_layer": 2}
    (saved / "config.json").write_text(json.dumps(needed))
    assert read_checkpoint(saved)[0] == TINY


@pytest.mark.parametrize("n_ctx", [..., 3, 1024])
def test_positions_are_counted_by_n_positions(saved: Path, n_ctx: Any) -> None:
    change_config(saved, n_ctx=n_ctx)
    assert read_checkpoint(saved)[0] == TINY


CONFIG_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"activation_function": "gelu"}, "activation_function is 'gelu'; gptlite has GPT-2's 'gelu_n"),
    ({"activation_function": None}, "activation_function is None"),
    ({"scale_attn_weights": False}, "scale_attn_weights is False; gptlite has GPT-2's True only"),
    ({"scale_attn_weights": 1}, "scale_attn_weights is 1"),
    ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is True"),
    ({"add_cross_attention": True}, "add_cross_attention is True"),
    ({"tie_word_embeddings": False}, "tie_word_embeddings is False"),
    ({"model_type": "llama"}, "model_type is 'llama'"),
    ({"n_inner": 15}, "n_inner is 15; gptlite has GPT-2's 4 * n_embd only"),
    ({"n_inner": "16"}, "n_inner is '16'"),
    ({"n_embd": ...}, "missing n_embd"),
    ({"vocab_size": ..., "n_head": ...}, "missing vocab_size and n_head"),
    ({"n_ctx": ..., "n_positions": ...}, "missing n_ctx"),
    ({"n_layer": "2"}, "n_layer: expected a positive integer, found '2'"),
    ({"n_layer": 2.0}, "n_layer: expected a positive integer, found 2.0"),
    ({"n_layer": True}, "n_layer: expected a positive integer, found True"),
    ({"n_layer": None}, "n_layer: expected a positive integer, found None"),
    ({"n_layer": 0}, "n_layer: expected a positive integer, found 0"),
    ({"n_layer": [2]}, "n_layer: expected a positive integer, found [2]"),
    ({"n_layer": 10**18}, "expected 1000000000000000000 blocks"),
    ({"n_layer": 10**4000}, "not valid JSON: an integer of 4001 digits"),
    ({"vocab_size": -11}, "vocab_size: expected a positive integer, found -11"),
    ({"n_positions": -6}, "n_positions: expected a positive integer, found -6"),
    ({"n_positions": 7}, "tensor 'wpe.weight': expected shape [7, 4], found [6, 4]"),
    ({"n_head": 3}, "n_embd 4 is not a multiple of n_head 3"),
    ({"layer_norm_epsilon": "1e-5"}, "layer_norm_epsilon: expected a number, found '1e-5'"),
    ({"layer_norm_epsilon": None}, "layer_norm_epsilon: expected a number, found None"),
    ({"layer_norm_epsilon": True}, "layer_norm_epsilon: expected a number, found True"),
    ({"layer_norm_epsilon": 0}, "layer_norm_epsilon"),
    ({"layer_norm_epsilon": -1e-5}, "layer_norm_epsilon"),
    ({"layer_norm_epsilon": float("nan")}, "NaN is not a JSON number"),
]


@pytest.mark.parametrize(("changes", "message"), CONFIG_REFUSED)
def test_a_configuration_that_is_not_gpt2_s(
    saved: Path, changes: dict[str, Any], message: str
) -> None:
    change_config(saved, **changes)
    text = refusal(saved)
    assert text.startswith(str(saved)) and message in text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"[]", "expected a JSON object, found []"),
        (b"null", "expected a JSON object, found None"),
        (b'"gpt2"', "expected a JSON object, found 'gpt2'"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"n_embd": 4, "n_embd": 4}', "key 'n_embd' is given twice"),
        (b"<html>\n</html>", "not valid JSON"),
    ],
)
def test_a_configuration_that_is_no_json_object(saved: Path, data: bytes, message: str) -> None:
    (saved / "config.json").write_bytes(data)
    text = refusal(saved)
    assert text.startswith(f"{saved / 'config.json'}: ") and message in text


# ---- Missing and unreadable files ---------------------------------------------------------------


def test_missing_files_are_named(saved: Path, tmp_path: Path) -> None:
    (saved / "model.safetensors").rename(tmp_path / "weights.safetensors")
    nothing = "expected one of model.safetensors, pytorch_model.bin, model.ckpt.index, "
    nothing += "or a single file of weights, found none"
    assert refusal(saved) == f"{saved}: {nothing}"
    assert refusal(tmp_path / "weights.safetensors") == f"{tmp_path}: missing config.json"
    (saved / "config.json").unlink()
    (saved / "model.safetensors").mkdir()
    assert refusal(saved) == f"{saved}: {nothing}"
    assert "cannot be read" in refusal(Path("x" * 5000))


def test_a_file_that_may_not_be_read(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)  # root may read everything
    assert f"{saved}: cannot be read: [Errno 13] Permission denied" in refusal(saved)


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        write_checkpoint(tmp_path / "file", TINY, tiny())


# ---- Mutations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_mutation_of_a_checkpoint_is_refused_or_changes_what_it_says(
    saved: Path, name: str
) -> None:
    """Accidents in one file: an error in one line, or a model of the sizes the file states."""
    rng = random.Random(0)
    file = saved / name
    good = file.read_bytes()
    header = len(good) if name == "config.json" else 8 + int.from_bytes(good[:8], "little")
    loaded = 0
    for _ in range(1500):
        data = bytearray(good)
        for _ in range(rng.choice([1, 1, 2])):
            at = rng.randrange(min(header, len(data)))
            match rng.randrange(4):
                case 0:
                    data[at] ^= 1 << rng.randrange(8)
                case 1:
                    data[at] = rng.choice(b'0123456789{}[]",:-. e')
                case 2:
                    del data[at : at + rng.randrange(1, 5)]
                case 3:
                    data[at:at] = rng.choice([b" ", b"9", b"null", b"-", rng.randbytes(2)])
        file.write_bytes(data)
        try:
            config, parameters = read_checkpoint(saved)
        except CheckpointError as error:
            assert str(error).startswith(str(saved)) and "\n" not in str(error)
        else:
            shapes = {n: a.shape for n, a in parameters.items()}
            assert shapes == parameter_shapes(config) == parameter_shapes(TINY)
            assert all(parameters[n].tobytes() == a.tobytes() for n, a in tiny().items())
            loaded += 1
    assert 0 < loaded < 1400  # both ways are taken


# ---- The house ----------------------------------------------------------------------------------


def test_importing_checkpoints_imports_no_downloader() -> None:
    code = (
        "import sys, gptlite.checkpoints; "
        "print(sorted({'requests', 'tqdm', 'safetensors', 'torch'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


def test_loading_the_storyteller_imports_the_readers_it_needs() -> None:
    code = (
        "import sys, gptlite; gptlite.load(); name = 'gptlite.checkpoints.'; "
        "print(*[m for m in ('safetensors', 'pytorch', 'tensorbundle') if name + m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "safetensors\n"
