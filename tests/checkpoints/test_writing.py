"""Models written: whole, in the place of the old one, or not at all."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from gptlite.checkpoints import read_checkpoint, write_checkpoint
from gptlite.config import GPTConfig
from gptlite.model import GPT
from tiny_checkpoints import TINY, same, tiny


def test_writing_again_replaces(hub: Path) -> None:
    other = {name: array + 1 for name, array in tiny().items()}
    write_checkpoint(hub, TINY, other)
    assert read_checkpoint(hub)[1]["wte.weight"].tobytes() == other["wte.weight"].tobytes()
    assert sorted(file.name for file in hub.iterdir()) == ["config.json", "model.safetensors"]


def test_nothing_is_written_when_the_parameters_are_wrong(hub: Path, tmp_path: Path) -> None:
    wrong = tiny()
    wrong["ln_f.bias"] = np.array([0, 0, 1e6, 0, 0, 0, 0, 0], np.float32)
    with pytest.raises(ValueError, match=r"'ln_f\.bias': 1000000\.0 does not fit float16"):
        write_checkpoint(hub, GPTConfig(11, 6, 8, 4, 2), wrong, "float16")
    config, parameters = read_checkpoint(hub)
    assert config == TINY and parameters["ln_f.bias"].tobytes() == tiny()["ln_f.bias"].tobytes()

    new = tmp_path / "new"
    del wrong["ln_f.bias"]
    with pytest.raises(ValueError, match=r"ln_f\.bias"):
        write_checkpoint(new, TINY, wrong)
    with pytest.raises(ValueError, match=r"ln_f\.bias: expected float32 \[8\], found .*\[5\]"):
        write_checkpoint(new, TINY, wrong | {"ln_f.bias": np.zeros(5, np.float32)})
    assert not new.exists()
    with pytest.raises(ValueError, match="'int8'"):
        write_checkpoint(new, TINY, tiny(), "int8")
    assert not new.exists() or not list(new.iterdir())


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        write_checkpoint(tmp_path / "file", TINY, tiny())


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
