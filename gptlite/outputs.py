"""The places that commands write to: nothing is replaced there that is not a command's own.

A folder must be new or empty, or hold what an earlier attempt left unfinished: its lock, and not
the file that makes it whole. A file must be new, or of the kind that the command writes. With
``--overwrite`` a user means to replace what is there.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ENOSPC
from pathlib import Path

from gptlite.files import expect_file, expect_name, made_folder
from gptlite.lock import is_there, open_lock, try_lock

LOCK = ".lock"  # in a folder while a command writes there; it stays if the command does not finish
OVERWRITE = "replace what is there, even if it is something else"  # the help of --overwrite
HEAD = 4096  # bytes in which the mark of a file must lie


@contextmanager
def output_folder(
    directory: str | os.PathLike[str], whole: str, overwrite: bool = False
) -> Iterator[Path]:
    """Hold the folder that a command writes to: no other command writes there within the block.

    The folder is created if it is not there. If the block raises before it has written anything,
    the folder is as it was before.

    Args:
        whole: the name of the file that is written last: without it, what is there is unfinished.
        overwrite: True to write into a folder that holds other files.

    Raises:
        OSError, ValueError: see ``check_folder``.
        ValueError: another process is writing there.
    """
    out = Path(directory)
    check_folder(directory, whole, overwrite)
    new = [path for path in (out, *out.parents) if not os.path.lexists(path)]
    made_folder(out)
    lock = out / LOCK
    began = lock.exists()
    with open_lock(lock) as file:
        if try_lock(file) is False or not is_there(file, lock):
            raise ValueError(f"{out}: another process is writing there")
        finished = False
        try:
            if not began:  # otherwise another process may have finished in between
                check_folder(directory, whole, overwrite)
            yield out
            finished = True
        finally:
            untouched = not began and out.is_dir() and os.listdir(out) == [LOCK]
            if finished or untouched:
                with suppress(OSError):  # Windows removes no open file
                    lock.unlink()
            if untouched:
                with suppress(OSError):
                    for path in new:
                        path.rmdir()


@contextmanager
def undone_on_failure(folder: Path) -> Iterator[None]:
    """Remove the files that the block added to a folder if the block raises."""
    before = set(os.listdir(folder))
    try:
        yield
    except BaseException:
        for name in set(os.listdir(folder)) - before:
            (folder / name).unlink()
        raise


def check_folder(directory: str | os.PathLike[str], whole: str, overwrite: bool = False) -> None:
    """Refuse a folder that cannot be written to, or holds other files. Nothing is created there.

    Arguments: see ``output_folder``.

    Raises:
        OSError: the folder, or the one to create it in, cannot be written to; the error names it.
        ValueError: the folder is not empty, or has no name.
    """
    expect_name(directory)
    out = Path(directory)
    # The folder itself, or its nearest parent that exists. A dangling link counts as existing.
    there = next(path for path in (out, *out.parents) if os.path.lexists(path))
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(directory)) from None
    if overwrite or there != out:
        return
    names = os.listdir(out)
    unfinished = LOCK in names and whole not in names
    if not unfinished and set(names) - {LOCK}:
        raise ValueError(f"{out} is not empty: choose another folder, or --overwrite what is there")


def check_file(path: str | os.PathLike[str], mark: bytes, overwrite: bool = False) -> None:
    """Refuse to replace a file of another kind than the one to be written.

    Args:
        mark: bytes that are near the beginning of every file of this kind.
        overwrite: True to replace any file.

    Raises:
        OSError: something other than a file; see ``files.expect_file``.
        ValueError: the file is of another kind.
    """
    expect_file(path)
    if overwrite or not os.path.exists(path):
        return
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if head and mark not in head:
        raise ValueError(
            f"{path} holds something else: choose another name, or --overwrite what is there"
        )


@contextmanager
def output_file(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the file that a command writes: no other command writes it within the block.

    Raises:
        OSError: something other than a file, or its folder cannot be written to; the error names
            ``path``.
        ValueError: another process is writing it.
    """
    expect_file(path)
    lock = Path(path).with_name(f".{Path(path).name}{LOCK}")
    try:
        file = open_lock(lock)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, os.fspath(path)) from None
    with file:
        if try_lock(file) is False or not is_there(file, lock):
            raise ValueError(f"{path}: another process is writing it")
        try:
            yield
        finally:
            with suppress(OSError):  # Windows removes no open file
                lock.unlink()


def check_room(directory: str | os.PathLike[str], n_bytes: int) -> None:
    """Refuse to begin a work whose result the disk has no room for.

    Args:
        directory: where the result will be; it need not be there yet.
        n_bytes: the most bytes that it will take up at any moment.

    Raises:
        OSError: there is less room.
    """
    out = Path(directory).absolute()
    there = next(path for path in (out, *out.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < n_bytes:
        needed = f"expected {n_bytes:,} bytes of free disk space, found {free:,}"
        raise OSError(ENOSPC, needed, str(directory))
