"""Arrays in NumPy's ``.npz``: one uncompressed zip with a member for each, as ``np.savez`` writes.

A file from somewhere else cannot take more memory than it has bytes: nothing in it is unpacked.
"""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from gptlite.errors import CheckpointError
from gptlite.files import expect_regular

SUFFIX = ".npy"
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def write_arrays(file: BinaryIO, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to an open file. Whatever interrupts this, the zip is closed before the file.

    (``np.savez`` leaves it open before NumPy 2.2, and Python complains when it is thrown away.)
    """
    with ZipFile(file, "w", ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(name + SUFFIX, "w", force_zip64=True) as member:
                npy.write_array(member, np.asanyarray(array), allow_pickle=False)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays that ``write_arrays`` wrote.

    Raises:
        CheckpointError: the file is damaged, or holds anything but plain, uncompressed arrays.
        OSError: the file cannot be opened.
    """
    expect_regular(path)
    arrays: dict[str, NDArray[Any]] = {}
    with open(path, "rb") as file:
        try:
            with ZipFile(file) as archive:
                for member in archive.infolist():
                    if member.compress_type != ZIP_STORED or not member.filename.endswith(SUFFIX):
                        raise ValueError(f"member {member.filename!r:.80}: not a plain array")
                    name = member.filename.removesuffix(SUFFIX)
                    arrays[name] = _read_member(archive, member)  # [...]
        # zipfile and NumPy's parser of headers raise a dozen kinds of exceptions for damaged bytes:
        # tokenize.TokenError, EOFError, struct.error, NotImplementedError and OSError (a place
        # before the file's beginning) are among them.
        except Exception as error:
            raise CheckpointError(
                f"{path}: not a file of arrays ({type(error).__name__}: {error})"
            ) from error
    return arrays


def _read_member(archive: ZipFile, member: ZipInfo) -> NDArray[Any]:
    """Read one array, and no more memory is taken than the file has bytes.

    Raises:
        ValueError: the array is not as large as its member, or is made of Python objects. Other
            exceptions: the bytes are damaged.
    """
    with archive.open(member) as file:
        shape, _, dtype = HEADERS[npy.read_magic(file)](file)
        n_bytes = prod(shape) * dtype.itemsize
        if dtype.hasobject or file.tell() + n_bytes != member.file_size:
            found = f"{dtype} {list(shape)} in {member.file_size} bytes"
            raise ValueError(f"member {member.filename!r:.80}: {found}")
    with archive.open(member) as file:
        array: NDArray[Any] = npy.read_array(file, allow_pickle=False)  # [...]
    return array
