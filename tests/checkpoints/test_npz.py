"""Arrays in a zip: as NumPy writes them, and never more memory than the file has bytes."""

import gc
import os
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptlite.checkpoints.npz import read_arrays, write_arrays
from gptlite.errors import CheckpointError
from gptlite.files import write_atomically

ARRAYS: dict[str, np.ndarray[Any, Any]] = {
    "about": np.array('{"step": 3}'),
    "parameter/wte.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "mean/h.0.ln_1.bias": np.zeros(0, np.float32),
    "ids": np.arange(6)[::2],
    "columns": np.ones((2, 3), np.float32, order="F"),
}


def same(found: dict[str, Any]) -> bool:
    return found.keys() == ARRAYS.keys() and all(
        found[name].dtype == array.dtype and np.array_equal(found[name], array)
        for name, array in ARRAYS.items()
    )


def test_numpy_s_own_functions_read_and_write_the_same(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    with write_atomically(path) as file:
        write_arrays(file, ARRAYS)
    assert same(read_arrays(path))
    with np.load(path, allow_pickle=False) as archive:
        assert same({name: archive[name] for name in archive.files})
    np.savez(path, **ARRAYS)  # type: ignore[arg-type]
    assert same(read_arrays(path))


class Failing:
    """A file on which writing fails, from the nth time on, or that once."""

    def __init__(self, file: BinaryIO, n: int, kind: type[BaseException], once: bool) -> None:
        self.file, self.n, self.kind, self.once = file, n, kind, once

    def write(self, data: bytes) -> int:
        self.n -= 1
        if self.n == 0 or (self.n < 0 and not self.once):
            raise self.kind("stop")
        return self.file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("n", range(1, 9))
def test_what_interrupts_the_writing_is_all_that_is_raised(
    tmp_path: Path, n: int, kind: type[BaseException], once: bool
) -> None:
    """A zip that is left open complains when it is thrown away: pytest makes that an error."""
    with pytest.raises(kind, match="stop"), write_atomically(tmp_path / "x") as file:
        write_arrays(cast(BinaryIO, Failing(file, n, kind, once)), ARRAYS)
    gc.collect()
    assert os.listdir(tmp_path) == []


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_arrays(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


def test_what_would_take_more_memory_than_the_file_has_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, about=np.zeros(10_000_000))
    assert path.stat().st_size < 100_000
    assert "member 'about.npy': not a plain array" in refusal(path)
    header = {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)}
    with zipfile.ZipFile(path, "w") as archive, archive.open("about.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, header)
        member.write(bytes(100))
    assert "member 'about.npy': float32 [1099511627776] in 228 bytes" in refusal(path)
    np.savez(path, about=np.array([{}], object))
    assert "member 'about.npy': object [1]" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("about.txt", "about")
    assert "member 'about.txt': not a plain array" in refusal(path)
    os.remove(path)
    os.mkfifo(path)
    with pytest.raises(OSError, match="expected a file"):
        read_arrays(path)


@given(st.data())
def test_damaged_bytes_are_refused_or_arrays(data: st.DataObject) -> None:
    path = Path("/dev/shm" if os.path.isdir("/dev/shm") else "/tmp") / f"npz-{os.getpid()}"
    try:
        with open(path, "wb") as file:
            write_arrays(file, ARRAYS)
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(content) - 1))
            content[at] = data.draw(st.integers(0, 255))
        path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        try:
            assert all(isinstance(array, np.ndarray) for array in read_arrays(path).values())
        except CheckpointError as error:
            assert "\n" not in str(error)
    finally:
        path.unlink()
