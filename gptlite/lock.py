"""Locks on files: one writer at a time, and a lock that ends with its process, whatever ends it."""

import logging
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EEXIST
from pathlib import Path
from typing import IO

_log = logging.getLogger("gptlite")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes out of a folder within the block; wait until they have left it.

    Args:
        path: the file that is locked, in that folder; it is created, and stays.

    Raises:
        OSError: the file cannot be opened, or is a link.
    """
    with open_lock(path) as file:
        waiting = False
        while try_lock(file) is False:
            if not waiting:
                _log.warning("%s: waiting for another process", path.parent)
            waiting = True
            time.sleep(0.2)
        yield


def open_lock(path: Path) -> IO[bytes]:
    """Open a file to lock it, and create it if it is not there.

    Raises:
        OSError: the file cannot be opened, or is a link, which could lead anywhere.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise FileExistsError(EEXIST, "expected a file to lock, found something else", str(path))
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags, 0o666), "r+b")


def try_lock(file: IO[bytes]) -> bool | None:
    """Try to lock a file until it is closed, and say whether that worked.

    Returns:
        False: another process has locked it. None: there are no locks on this file system, or
            none in this Python, as in a browser.
    """
    if sys.platform == "win32":
        import msvcrt

        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def is_there(file: IO[bytes], path: Path) -> bool:
    """Say whether an open file still has its name: another process may have removed it."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    own = os.fstat(file.fileno())
    return stat.S_ISREG(found.st_mode) and (found.st_ino, found.st_dev) == (own.st_ino, own.st_dev)
