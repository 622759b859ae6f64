"""The tiny model that is written and read in each format."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptlite.checkpoints import read_checkpoint, write_checkpoint
from gptlite.checkpoints.safetensors import write_tensors
from gptlite.config import GPTConfig
from gptlite.errors import CheckpointError
from models import random_model

TINY = GPTConfig(n_vocab=11, n_ctx=6, n_embd=8, n_head=2, n_layer=2)
FIXTURES = Path(__file__).parent / "fixtures"


def tiny(config: GPTConfig = TINY) -> dict[str, np.ndarray]:
    return dict(random_model(config).parameters)


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


def turned(parameters: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """As torch's nn.Linear has it: [n_out, n_in]."""
    return {n: np.ascontiguousarray(a.T) if linear(n) else a for n, a in parameters.items()}


def expected_of(folder: str) -> dict[str, np.ndarray]:
    with np.load(FIXTURES / folder / "expected.npz") as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "hub", TINY, tiny())
    return tmp_path / "hub"


@pytest.fixture
def openai(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "117M", TINY, tiny(), format="openai")
    return tmp_path / "117M"


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
