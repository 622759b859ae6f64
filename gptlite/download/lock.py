"""One process at a time in a folder."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_log = logging.getLogger("gptlite")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes out of a folder; the lock ends with the process, whatever ends it."""
    with open(path, "ab") as file:
        waiting = False
        while not _lock(file):
            if not waiting:
                _log.warning("%s: waiting for another process", path.parent)
            waiting = True
            time.sleep(0.2)
        yield


def _lock(file: IO[bytes]) -> bool:
    """Try to get the lock, and say whether that worked; closing the file releases it.

    On a file system without locks it always works: two processes may then spoil each other's work,
    but a wrong file is still found before it gets its name.
    """
    if sys.platform == "win32":
        import msvcrt

        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
