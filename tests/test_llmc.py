"""llm.c's format: files written here after its description, read whole or refused."""

import random
from pathlib import Path

import numpy as np
import pytest

from gptlite.checkpoints import read_checkpoint
from gptlite.checkpoints.llmc import MAGIC
from gptlite.config import GPTConfig, parameter_shapes
from gptlite.errors import CheckpointError

TINY = GPTConfig(n_vocab=11, n_ctx=6, n_embd=4, n_head=2, n_layer=2)
PADDED = 16  # rows of wte in the file
KINDS = [
    *("ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias"),
    *("attn.c_proj.weight", "attn.c_proj.bias", "ln_2.weight", "ln_2.bias"),
    *("mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias"),
]


def tiny(config: GPTConfig = TINY) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {n: rng.standard_normal(s, np.float32) for n, s in parameter_shapes(config).items()}


def file_of(parameters: dict[str, np.ndarray], version: int = 3, **header: int) -> bytes:
    """The bytes of llm.c's file, as its train_gpt2.py lays them out."""
    numbers = {"magic": MAGIC, "version": version, "n_ctx": 6, "n_vocab": 11}
    numbers |= {"n_layer": 2, "n_head": 2, "n_embd": 4, "rows": PADDED}
    numbers |= header
    padding = np.full((PADDED - 11, 4), 7, np.float32)
    arrays = [parameters["wte.weight"], padding, parameters["wpe.weight"]]
    for kind in KINDS:
        arrays += [parameters[f"h.{i}.{kind}"].T for i in range(2)]
    arrays += [parameters["ln_f.weight"], parameters["ln_f.bias"]]
    body = np.concatenate([array.ravel() for array in arrays])
    if version == 5:
        body = (body.view(np.uint32) >> 16).astype("<u2")
    return np.array([*numbers.values()] + [0] * 248, "<i4").tobytes() + body.tobytes()


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_float32(tmp_path: Path) -> None:
    path = tmp_path / "gpt2.bin"
    path.write_bytes(file_of(tiny()))
    config, parameters = read_checkpoint(path)
    assert config == TINY
    for name, array in tiny().items():
        assert np.array_equal(parameters[name], array)
        assert parameters[name].flags.c_contiguous


def test_bfloat16(tmp_path: Path) -> None:
    path = tmp_path / "gpt2_bf16.bin"
    path.write_bytes(file_of(tiny(), version=5))
    for name, array in read_checkpoint(path)[1].items():
        expected = (tiny()[name].view(np.uint32) & 0xFFFF0000).view(np.float32)
        assert np.array_equal(array, expected)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"version": 1}, "expected version 3 (float32) or 5 (bfloat16), found 1"),
        ({"n_layer": 0}, "found n_layer 0"),
        ({"n_layer": -1}, "found n_layer -1"),
        ({"n_layer": 2**31 - 1}, "found n_layer 2147483647"),
        ({"n_layer": 3}, "bytes, found"),
        ({"n_vocab": 17}, "n_vocab 17 of 16 rows"),
        ({"n_vocab": 0}, "n_vocab 0 of 16 rows"),
        ({"n_head": 3}, "n_embd 4 is not a multiple of n_head 3"),
        ({"n_head": 0}, "n_head must be at least 1"),
        ({"n_ctx": -6}, "n_ctx must be at least 1"),
        ({"n_embd": 2**31 - 2}, "bytes, found"),
        ({"rows": 2**31 - 1}, "bytes, found"),
        ({"n_ctx": 7}, "bytes, found"),
    ],
)
def test_a_header_that_is_wrong(tmp_path: Path, header: dict[str, int], message: str) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(file_of(tiny(), **header))
    text = refusal(path)
    assert text.startswith(f"{path}: ") and message in text


def test_truncations_are_refused(tmp_path: Path) -> None:
    path, data = tmp_path / "x.bin", file_of(tiny())
    for length in [4, 5, 16, 1023, 1024, 1025, len(data) - 4, len(data) - 1]:
        path.write_bytes(data[:length])
        assert refusal(path).startswith(f"{path}: ")
    path.write_bytes(data + b"\0")
    assert "bytes, found" in refusal(path)


@pytest.mark.parametrize("version", [3, 5])
def test_a_mutation_is_refused_or_read_exactly(tmp_path: Path, version: int) -> None:
    """20,000 accidents, most of them in the numbers that say what follows."""
    rng = random.Random(version)
    path, good = tmp_path / "x.bin", file_of(tiny(), version)
    loaded = 0
    for _ in range(10_000):
        data = bytearray(good)
        at = rng.randrange(4, 32) if rng.random() < 0.9 else rng.randrange(4, len(data))
        match rng.randrange(4):
            case 0:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at & ~3 : (at & ~3) + 4] = rng.randrange(-3, 40).to_bytes(
                    4, "little", signed=True
                )
            case 2:
                data[at] = rng.randrange(256)
            case 3:
                del data[at : at + rng.randrange(1, 5)]
        path.write_bytes(data)
        try:
            config, parameters = read_checkpoint(path)
        except CheckpointError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)
        else:
            assert (config.n_layer, config.n_embd) == (2, 4)
            size = sum(array.size for array in parameters.values()) + (PADDED - config.n_vocab) * 4
            assert size * (4 if version == 3 else 2) + 1024 == len(data)
            loaded += 1
    assert loaded > 100  # both ways are taken


def test_a_small_file_has_no_million_tensors(tmp_path: Path) -> None:
    """Of layers one wide, which would take hours: refused by the header."""
    n_layer, path = 100_000, tmp_path / "x.bin"
    header = [MAGIC, 5, 1, 1, n_layer, 1, 1, 1] + [0] * 248
    path.write_bytes(np.array(header, "<i4").tobytes() + bytes(2 * (1 + 1 + 2 + 25 * n_layer)))
    assert "expected 1 to 1000 layers" in refusal(path)
