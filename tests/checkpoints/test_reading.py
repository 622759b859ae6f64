"""Checkpoints as users meet them: read whole, in either precision, or refused."""

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gptlite
from gptlite import Tokenizer
from gptlite.checkpoints import read_checkpoint, write_checkpoint
from gptlite.checkpoints.safetensors import write_tensors
from gptlite.config import PRESETS, GPTConfig, parameter_shapes
from gptlite.errors import CheckpointError
from gptlite.model import GPT
from tiny_checkpoints import FIXTURES, TINY, expected_of, refusal, same, tiny, turned


def test_what_is_written_is_read(hub: Path) -> None:
    config, parameters = read_checkpoint(hub)
    assert config == TINY
    assert list(parameters) == list(parameter_shapes(TINY))
    for name, array in tiny().items():
        assert parameters[name].dtype == np.float32
        assert parameters[name].tobytes() == array.tobytes()


def test_arrays_can_be_trained_in_place(hub: Path) -> None:
    for array in read_checkpoint(hub)[1].values():
        assert array.flags.writeable and array.flags.aligned and array.flags.c_contiguous
        array += 1
    assert read_checkpoint(hub)[1]["ln_f.bias"].tobytes() == tiny()["ln_f.bias"].tobytes()


def test_the_model_opens_its_own_directory_and_single_file(hub: Path) -> None:
    ids = [1, 5, 10]
    expected = GPT(TINY, tiny())(ids)
    (hub / "config.json").rename(hub.parent / "config.json")
    single = (hub / "model.safetensors").rename(hub.parent / "other.safetensors")
    assert np.array_equal(GPT.from_pretrained(single)(ids), expected)


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
    assert "how many attention heads" in refusal(tmp_path / "alone.safetensors")


def test_the_tensors_tell_all_sizes_but_the_number_of_heads(tmp_path: Path) -> None:
    file, config = tmp_path / "alone.safetensors", replace(TINY, n_inner=20)
    for arrays in (tiny(config), turned(tiny(config))):
        write_tensors(file, arrays)
        found, parameters = read_checkpoint(file, n_head=2)
        assert found == config and same(parameters, tiny(config))
        assert refusal(file) == (
            f"{file}: no file says how many attention heads the model has, and the tensors tell "
            "all other sizes: give n_head (--n-head), a divisor of 8; or, beside the file, a "
            "config.json with vocab_size, n_positions, n_embd, n_head and n_layer"
        )
        with pytest.raises(CheckpointError, match="n_embd 8 is not a multiple of n_head 3"):
            read_checkpoint(file, n_head=3)
    for wrong, error in [(0, ValueError), (True, TypeError), ("2", TypeError)]:
        with pytest.raises(error, match="n_head must be"):
            read_checkpoint(file, n_head=wrong)  # type: ignore[arg-type]


def test_a_number_of_heads_that_a_file_states_is_not_changed(hub: Path) -> None:
    assert read_checkpoint(hub, n_head=2)[0] == TINY
    with pytest.raises(CheckpointError, match="n_head is 2, as its files say, not 4"):
        read_checkpoint(hub, n_head=4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wpe.weight": None}, "missing tensor 'wpe.weight'"),
        ({"h.0.mlp.c_fc.weight": np.ones(3, np.float32)}, "expected two axes, found [3]"),
        ({"wte.weight": np.ones((0, 8), np.float32)}, "expected two axes, found [0, 8]"),
    ],
)
def test_tensors_that_tell_no_sizes(tmp_path: Path, change: Any, message: str) -> None:
    arrays = {n: a for n, a in (tiny() | change).items() if a is not None}
    write_tensors(tmp_path / "x.safetensors", arrays)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(tmp_path / "x.safetensors", n_head=2)
    assert message in str(caught.value)


def test_someone_else_s_tensors_are_named_first(tmp_path: Path) -> None:
    """A config.json would not help."""
    names = ["tok_emb.weight", "pos_emb", *(f"blocks.{i}.ln1.weight" for i in range(9))]
    file = tmp_path / "model.safetensors"
    write_tensors(file, {name: np.ones((2, 3), np.float32) for name in names})
    assert refusal(file) == (
        f"{file}: expected a GPT-2's tensors (wte.weight, wpe.weight, h.0.attn.c_attn.weight, "
        "h.0.mlp.c_fc.weight and so on), found 'blocks.0.ln1.weight', 'blocks.1.ln1.weight', "
        "'blocks.2.ln1.weight', 'blocks.3.ln1.weight', 'blocks.4.ln1.weight' and others"
    )
    write_tensors(file, {})
    assert refusal(file).endswith("and so on), found none")


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


# ---- Half precision in memory --------------------------------------------------------------------


def test_float16(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, TINY, tiny(), "float16")
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "float16"
    _, parameters = read_checkpoint(tmp_path)
    for name, array in tiny().items():
        assert parameters[name].dtype == np.float32
        assert np.array_equal(parameters[name], array.astype(np.float16).astype(np.float32))
    sizes = (tmp_path / "model.safetensors").stat().st_size
    assert sizes < 2 * TINY.n_params + 4000


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


# ---- Missing, unreadable and damaged files -------------------------------------------------------


def test_missing_files_are_named(hub: Path, tmp_path: Path) -> None:
    (hub / "model.safetensors").rename(tmp_path / "weights.safetensors")
    nothing = "expected one of model.safetensors, pytorch_model.bin, model.ckpt.index, "
    nothing += "or a single file of weights, found none"
    assert refusal(hub) == f"{hub}: {nothing}"
    assert "how many attention heads" in refusal(tmp_path / "weights.safetensors")
    (hub / "config.json").unlink()
    (hub / "model.safetensors").mkdir()
    assert refusal(hub) == f"{hub}: {nothing}"
    assert "cannot be read" in refusal(Path("x" * 5000))


def test_a_file_that_may_not_be_read(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path, most: int) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(
        "gptlite.checkpoints.reading.read_small", denied
    )  # root may read everything
    assert f"{hub}: cannot be read: [Errno 13] Permission denied" in refusal(hub)


def test_a_tensor_stored_as_something_else(hub: Path) -> None:
    weights = hub / "model.safetensors"
    data = weights.read_bytes()
    at = data.index(b'"F32"', data.index(b'"h.0.attn.c_attn.bias"'))
    weights.write_bytes(data[:at] + b'"I32"' + data[at + 5 :])
    assert "'h.0.attn.c_attn.bias': expected F32, F16 or BF16, found I32" in refusal(hub)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_mutation_of_a_checkpoint_is_refused_or_changes_what_it_says(
    hub: Path, name: str
) -> None:
    """Accidents in one file: an error in one line, or a model of the sizes the file states."""
    rng = random.Random(0)
    file = hub / name
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
            config, parameters = read_checkpoint(hub)
        except CheckpointError as error:
            assert str(error).startswith(str(hub)) and "\n" not in str(error)
        else:
            shapes = {n: a.shape for n, a in parameters.items()}
            assert shapes == parameter_shapes(config) == parameter_shapes(TINY)
            assert all(parameters[n].tobytes() == a.tobytes() for n, a in tiny().items())
            loaded += 1
    assert 0 < loaded < 1400  # both ways are taken


# ---- Imports -------------------------------------------------------------------------------------


def test_importing_checkpoints_imports_no_downloader() -> None:
    code = (
        "import sys, gptlite.checkpoints; "
        "other = {'requests', 'tqdm', 'safetensors', 'torch', 'gptlite.download'}; "
        "print(sorted(other & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


def test_loading_the_storyteller_imports_the_readers_it_needs() -> None:
    code = (
        "import sys, gptlite; gptlite.load(); name = 'gptlite.checkpoints.'; "
        "readers = 'safetensors', 'pytorch.contents', 'tensorflow.tensorbundle'; "
        "print(*[reader for reader in readers if name + reader in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "safetensors\n"


@pytest.mark.parametrize("name", ["config.json", "vocab.json", "merges.txt"])
def test_a_small_file_that_is_endless_is_not_read(hub: Path, name: str) -> None:
    """A sparse file of 2 GB, which takes up no room; and a pipe, which nobody writes to."""
    Tokenizer.train([], 257).save_pretrained(hub)
    reading = Tokenizer.from_pretrained if name != "config.json" else read_checkpoint
    with open(hub / name, "r+b") as file:
        file.truncate(2 << 30)
    with pytest.raises(CheckpointError, match=f"{name}: expected at most .* bytes, found 2,147,48"):
        reading(hub)
    (hub / name).unlink()
    os.mkfifo(hub / name)
    with pytest.raises(CheckpointError):
        reading(hub)
