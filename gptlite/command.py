"""What the commands have in common: an error a user can cause is one line, never a traceback."""

import argparse
import sys
from typing import NoReturn

from gptlite.errors import CheckpointError, DownloadError

# What a user can cause; anything else is a mistake in gptlite, and shows itself in full.
FAILURES = (CheckpointError, DownloadError, OSError, ValueError, ArithmeticError, MemoryError)


class Parser(argparse.ArgumentParser):
    """Says what is wrong with an option in one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        complain(self.prog, message)
        self.exit(2)


def complain(command: str, failure: object) -> None:
    """One line to stderr: which command, and what is wrong."""
    line = " ".join(str(failure).split()) or type(failure).__name__
    print(f"{command}: error: {line}", file=sys.stderr)


def utf8(argument: str) -> str:
    """The text that an option's bytes are in UTF-8, also where the locale is ASCII only."""
    try:
        return argument.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeDecodeError:
        raise argparse.ArgumentTypeError("not UTF-8 text") from None
