"""What the commands have in common: an error a user can cause is one line, never a traceback."""

import argparse
import io
import os
import sys
from collections.abc import Callable
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


def finish(program: str, work: Callable[[], object], interrupted: Callable[[], str] = str) -> int:
    """Do a command's work, and end as a command does.

    Args:
        program: the command's name, for the line that says what went wrong.
        work: what it does.
        interrupted: what to say after Ctrl-C; "", the default, for nothing.

    Returns:
        The exit status: 0, or 2 for what a user can cause, 130 after Ctrl-C.
    """
    try:
        work()
    except BrokenPipeError:
        return 0  # whoever was reading has read enough
    except FAILURES as failure:
        complain(program, failure)
        return 2
    except KeyboardInterrupt:
        if message := interrupted():
            complain(program, message)
        return 130
    finally:
        try:
            print(end="", flush=True)
        except OSError:
            # What cannot be written goes nowhere, or Python would try again at exit and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


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


def speak_utf8() -> None:
    """Read and write UTF-8, whatever the locale says."""
    for file in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(file, io.TextIOWrapper):
            # The name of a file that an ASCII locale could not read goes out as the bytes it is.
            errors = "strict" if file is sys.stdin else "surrogateescape"
            file.reconfigure(encoding="utf-8", errors=errors)


def standard_input(whole: bool) -> str:
    """All of standard input, or its next line with the line feed; "" at the end."""
    if sys.stdin is None:
        raise ValueError("there is no standard input")
    try:
        return sys.stdin.read() if whole else sys.stdin.readline()
    except UnicodeDecodeError as failure:
        raise ValueError(f"standard input is not UTF-8 text: {failure}") from None
