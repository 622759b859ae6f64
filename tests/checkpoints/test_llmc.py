"""llm.c's format: files written here after its description, read whole or refused."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import times
from gptlite.checkpoints import read_checkpoint
from gptlite.checkpoints.llmc import MAGIC
from gptlite.config import GPTConfig, parameter_shapes
from gptlite.errors import CheckpointError
from tiny_checkpoints import refusal

PADDED = 16  # rows of wte in the file
TINY = GPTConfig(n_vocab=11, n_ctx=6, n_embd=4, n_head=2, n_layer=2, n_padding=PADDED - 11)
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
    arrays = [parameters["wte.weight"], parameters["wpe.weight"]]
    for kind in KINDS:
        arrays += [parameters[f"h.{i}.{kind}"].T for i in range(2)]
    arrays += [parameters["ln_f.weight"], parameters["ln_f.bias"]]
    body = np.concatenate([array.ravel() for array in arrays])
    if version == 5:
        body = (body.view(np.uint32) >> 16).astype("<u2")
    return np.array([*numbers.values()] + [0] * 248, "<i4").tobytes() + body.tobytes()


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


def loads(path: Path, data: bytes) -> bool:
    """Whether a file is read; if so, every number is the one that lies where it should."""
    path.write_bytes(data)
    try:
        config, parameters = read_checkpoint(path)
    except CheckpointError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
        return False
    version, n_ctx, n_vocab, n_layer, n_head, n_embd, rows = np.frombuffer(data, "<i4", 8)[1:]
    sizes = map(int, (n_vocab, n_ctx, n_embd, n_head, n_layer))
    assert config == GPTConfig(*sizes, n_padding=int(rows - n_vocab))
    if version == 3:
        left = np.frombuffer(data, "<u4", offset=1024)
    else:
        left = np.frombuffer(data, "<u2", offset=1024).astype(np.uint32) << 16

    def take(*shape: int) -> np.ndarray:
        nonlocal left
        n = int(np.prod(shape))
        taken, left = left[:n].reshape(shape), left[n:]
        return taken

    expected = {"wte.weight": take(rows, n_embd), "wpe.weight": take(n_ctx, n_embd)}
    shapes = parameter_shapes(config)
    for kind in KINDS:
        for i in range(n_layer):
            expected[f"h.{i}.{kind}"] = take(*shapes[f"h.{i}.{kind}"][::-1]).T
    expected |= {"ln_f.weight": take(n_embd), "ln_f.bias": take(n_embd)}
    assert len(left) == 0 and set(parameters) == set(expected)
    for name, array in expected.items():
        assert parameters[name].tobytes() == array.tobytes()
    return True


@pytest.mark.parametrize("version", [3, 5])
def test_a_mutation_is_refused_or_read_exactly(tmp_path: Path, version: int) -> None:
    """20,000 accidents, most of them in the numbers that say what follows."""
    rng = random.Random(version)
    path, good = tmp_path / "x.bin", file_of(tiny(), version)
    loaded = 0
    for _ in range(times(10_000)):
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
        loaded += loads(path, bytes(data))
    assert times(100) < loaded < times(9_000)  # both ways are taken


@settings(max_examples=times(300))
@given(version=st.sampled_from([3, 5]), edits=st.data())
def test_any_accident(
    tmp_path_factory: pytest.TempPathFactory, version: int, edits: st.DataObject
) -> None:
    data = bytearray(file_of(tiny(), version))
    for _ in range(edits.draw(st.integers(1, 3))):
        at = edits.draw(st.integers(0, 32) | st.integers(0, len(data)))
        data[at : at + edits.draw(st.integers(0, 8))] = edits.draw(st.binary(max_size=8))
    loads(tmp_path_factory.getbasetemp() / "any.bin", bytes(data))


def test_a_small_file_has_no_million_tensors(tmp_path: Path) -> None:
    """Of layers one wide, which would take hours: refused by the header."""
    n_layer, path = 100_000, tmp_path / "x.bin"
    header = [MAGIC, 5, 1, 1, n_layer, 1, 1, 1] + [0] * 248
    path.write_bytes(np.array(header, "<i4").tobytes() + bytes(2 * (1 + 1 + 2 + 25 * n_layer)))
    assert "expected 1 to 1000 layers" in refusal(path)
