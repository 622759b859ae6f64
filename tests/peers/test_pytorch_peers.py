"""PyTorch's files as PyTorch itself writes them, both ways: every number the same, bit for bit."""

import argparse
import collections
import dataclasses
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptlite.checkpoints.pytorch.contents import read_contents
from gptlite.checkpoints.stored import READ_AS, read_into
from gptlite.errors import CheckpointError

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.peers

FORMS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
FIXTURES = Path(__file__).parent.parent / "fixtures" / "torch"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.pt"


def save(value: Any, path: Path, zipped: bool) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=zipped)


def check(path: Path, expected: dict[str, Any]) -> None:
    """The file describes these tensors, and those that can be read are equal as bits."""
    contents = read_contents(path)[0]
    assert list(contents) == list(expected)
    for name, stored in contents.items():
        assert stored.path == path and stored.shape == tuple(expected[name].shape)
        if stored.dtype in READ_AS:
            array = np.empty(stored.shape, np.float32)
            read_into(array, name, stored)
            numbers = expected[name].detach().to(torch.float32).contiguous().numpy()
            assert array.tobytes() == numbers.tobytes()


def numbers(*shape: int) -> Any:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator)


TENSORS: dict[str, Any] = {
    "matrix": lambda: numbers(5, 7),
    "four axes": lambda: numbers(2, 3, 4, 5),
    "scalar": lambda: torch.tensor(1.5),
    "one": lambda: numbers(1),
    "empty": lambda: torch.empty(0, 3),
    "strided": lambda: numbers(8, 9)[1::3, ::2],
    "transposed": lambda: numbers(4, 6).T,
    "permuted": lambda: numbers(2, 3, 4).permute(2, 0, 1),
    "a row": lambda: numbers(6, 4)[3],
    "a column": lambda: numbers(6, 4)[:, 3:],
    "channels last": lambda: numbers(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "an axis of 1": lambda: numbers(3, 1, 4).transpose(0, 1),
    "float16": lambda: numbers(3, 4).half(),
    "bfloat16": lambda: numbers(3, 4).bfloat16(),
    "bfloat16 transposed": lambda: numbers(3, 4).bfloat16().T,
    "not a number": lambda: torch.tensor([float("nan"), -float("inf"), -0.0, 1e-45]),
    "float64": lambda: numbers(2).double(),
    "int64": lambda: torch.arange(5),
    "int32": lambda: torch.arange(5, dtype=torch.int32),
    "int16": lambda: torch.arange(5, dtype=torch.int16),
    "int8": lambda: torch.arange(5, dtype=torch.int8),
    "uint8": lambda: torch.arange(5, dtype=torch.uint8),
    "bool": lambda: torch.tril(torch.ones(3, 3, dtype=torch.bool)),
    "parameter": lambda: torch.nn.Parameter(numbers(3, 2)),
    "parameter transposed": lambda: torch.nn.Parameter(numbers(3, 2).T),
}
KINDS = {"float64": "F64", "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8"}
KINDS |= {"uint8": "U8", "bool": "BOOL", "float16": "F16", "bfloat16": "BF16"}
KINDS["bfloat16 transposed"] = "BF16"


@FORMS
@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor(name: str, zipped: bool, path: Path) -> None:
    tensor = TENSORS[name]()
    save({"x": tensor}, path, zipped)
    check(path, {"x": tensor})
    assert read_contents(path)[0]["x"].dtype == KINDS.get(name, "F32")


@FORMS
def test_all_of_them(zipped: bool, path: Path) -> None:
    tensors = {name: make() for name, make in TENSORS.items()}
    save(tensors, path, zipped)
    check(path, tensors)


@FORMS
def test_views_of_one_storage(zipped: bool, path: Path) -> None:
    flat = numbers(100)
    tensors = {"tied": flat, "head": flat, "row": flat[10:20], "every": flat[5:50:5]}
    save(tensors, path, zipped)
    check(path, tensors)
    found = read_contents(path)[0]
    assert found["tied"] == found["head"]
    assert found["row"].begin == found["tied"].begin + 40


@FORMS
def test_a_module_s_state_dict(zipped: bool, path: Path) -> None:
    """An OrderedDict with _metadata, buffers among the parameters."""
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    state = module.state_dict()
    assert type(state) is collections.OrderedDict and hasattr(state, "_metadata")
    save(state, path, zipped)
    check(path, state)


@FORMS
@pytest.mark.parametrize("key", ["model", "state_dict", "model_state_dict"])
def test_a_training_checkpoint(zipped: bool, key: str, path: Path) -> None:
    module = torch.nn.Linear(3, 4)
    optimizer = torch.optim.AdamW(module.parameters())
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 5])  # has a Counter
    module(numbers(2, 3)).sum().backward()
    optimizer.step()
    scheduler.step()
    checkpoint = {
        "epoch": 3,
        "global_step": 1234,
        key: module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "lr_schedulers": [scheduler.state_dict()],
        "loss": np.float64(0.5),
        "losses": np.arange(4.0),
        "best_val_loss": torch.tensor(3.5),
        "args": argparse.Namespace(lr=0.1, device=torch.device("cpu"), dtype=torch.bfloat16),
        "rng": {"torch": torch.get_rng_state(), "numpy": np.random.RandomState(0).get_state()},
        "python_rng": random.getstate(),
        "generator": np.random.default_rng(0).bit_generator.state,
        "seed": torch.initial_seed() | 2**63,
        "seen": {1, 2},
        "counts": collections.defaultdict(int, a=1),
        "path": Path("a/b"),
        "options": Options(),
        "model_args": {"n_layer": 2, "bias": False},
    }
    save(checkpoint, path, zipped)
    check(path, module.state_dict())
    assert read_contents(path)[1] == {"model_args": {"n_layer": 2, "bias": False}}


@dataclasses.dataclass
class Options:
    """As build-nanogpt saves its GPTConfig, an object of the script's own class."""

    n_layer: int = 2


@pytest.mark.parametrize(
    "tensor",
    [
        lambda: numbers(3, 1).expand(3, 4),  # fewer numbers than elements
        lambda: torch.complex(numbers(2), numbers(2)),
        lambda: torch.complex(numbers(2), numbers(2)).conj().imag,  # a sign to be changed
        lambda: numbers(3, 3).to_sparse(),
        lambda: numbers(3).to(torch.float8_e4m3fn),
        lambda: torch.zeros(3, dtype=torch.uint16),
        lambda: torch.empty(3, device="meta"),
    ],
)
@FORMS
def test_tensors_that_are_refused(tensor: Any, zipped: bool, path: Path) -> None:
    save({"x": tensor()}, path, zipped)
    with pytest.raises(CheckpointError) as caught:
        read_contents(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_a_whole_module_is_refused(path: Path) -> None:
    torch.save(torch.nn.Linear(2, 3), path)
    with pytest.raises(CheckpointError, match="expected a state dict, found a value of type"):
        read_contents(path)
    torch.save({"model": torch.nn.Linear(2, 3)}, path)
    with pytest.raises(CheckpointError, match="'model': expected a tensor"):
        read_contents(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused(path: Path) -> None:
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 3), numbers(2)), path)
    with pytest.raises(CheckpointError, match="found a TorchScript program"):
        read_contents(path)


def test_another_protocol_is_refused(path: Path) -> None:
    torch.save({"x": numbers(3)}, path, pickle_protocol=4)
    with pytest.raises(CheckpointError, match="expected a pickle of protocol 2"):
        read_contents(path)
    assert pickle.HIGHEST_PROTOCOL >= 4


@pytest.mark.parametrize("name", ["hub_zip.bin", "hub_legacy.bin", "nanogpt.pt", "mingpt.pt"])
def test_the_fixtures_are_as_torch_reads_them(name: str) -> None:
    expected = torch.load(FIXTURES / name, weights_only=True)
    check(FIXTURES / name, expected.get("model", expected))


@pytest.mark.parametrize("with_checksums", [True, False])
def test_the_checksums_of_an_archive(path: Path, with_checksums: bool) -> None:
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(with_checksums)
    try:
        save({"a": numbers(5, 7)}, path, True)
    finally:
        torch.serialization.set_crc32_options(before)
    check(path, {"a": numbers(5, 7)})
    assert (read_contents(path)[0]["a"].checksum is not None) == with_checksums
