"""The common part of all commands: a user's mistake is reported in one line, not a traceback."""

import argparse
import io
import math
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from types import FrameType
from typing import NoReturn

import gptlite
from gptlite.errors import CheckpointError, DownloadError

# The errors that a user can cause; any other is a bug in gptlite, and shows its traceback.
FAILURES = (CheckpointError, DownloadError, OSError, ValueError, ArithmeticError, MemoryError)

MOST = 1000  # characters of a message: a name in it may be endless

# What else asks a program to end, besides Ctrl-C: ``kill``, a terminal that is closed.
ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Terminated(KeyboardInterrupt):
    """A signal other than Ctrl-C's has come: the work ends as after Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


# C's escapes for characters that are hard to type.
_ESCAPES = dict(zip("abfnrtv0\\'\"", "\a\b\f\n\r\t\v\0\\'\"", strict=True))
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.|$)", re.DOTALL)


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong with an option, without printing the usage."""

    def error(self, message: str) -> NoReturn:
        """Print the message, with a hint where there is one, and exit with status 2."""
        complain(self.prog, message + self.hint(message))
        self.exit(2)

    def hint(self, message: str) -> str:
        """Say what was probably meant by an option, a choice or a word that there is not."""
        known: list[str] = []
        if chosen := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            meant, known = chosen[1], re.findall(r"[\w-]+", chosen[2])
        elif not (unknown := re.match(r"unrecognized arguments: ([^\s=]+)", message)):
            return ""
        elif not (meant := unknown[1]).startswith("-"):
            return ": a text of several words must be in quotes"
        else:
            parsers = [self, *self.subparsers()]
            known = [option for parser in parsers for option in parser._option_string_actions]
            if meant in known:
                return f": {meant} stands behind the name of what to do"
        near = get_close_matches(meant, known, 1)
        return f": did you mean {near[0]}?" if near else ""

    def subparsers(self) -> "list[Parser]":
        """List the parsers of the command's own commands, if it has any."""
        of_actions = [a.choices for a in self._actions if isinstance(a.choices, dict)]
        found = [value for choices in of_actions for value in choices.values()]
        return [parser for parser in found if isinstance(parser, Parser)]


def finish(program: str, work: Callable[[], object], interrupted: Callable[[], str] = str) -> int:
    """Do a command's work, and turn its outcome into an exit status.

    Args:
        program: the command's name, for the line that says what went wrong.
        work: the work; called without arguments.
        interrupted: returns the message to print after Ctrl-C or the like; "", the default, for
            none.

    Returns:
        The exit status: 0, or 2 after an error that a user can cause, or 130 after Ctrl-C, or 128
        and the number of another signal that ended the work.
    """
    speak_utf8()
    try:
        with orderly_endings():
            work()
    except BrokenPipeError:
        return 0  # the reader of the output has had enough, as ``head`` does
    except FAILURES as failure:
        complain(program, failure)
        return 2
    except (KeyboardInterrupt, RuntimeError) as failure:
        if (interruption := interruption_in(failure)) is None:
            raise
        with uninterrupted() as others:
            if message := interrupted():
                complain(program, message)
            others.clear()  # the command ends as it is
        number = getattr(interruption, "number", signal.SIGINT)
        return 128 + int(number)
    finally:
        try:
            print(end="", flush=True)
        except OSError:
            # Python would try to write the rest again at exit, and complain: let it go nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def interruption_in(failure: BaseException | None) -> KeyboardInterrupt | None:
    """Find the Ctrl-C, or the like, that an error was raised because of; None if there was none.

    The locks of Python's library fail ("release unlocked lock") where one comes between two of
    their lines.
    """
    while failure is not None and not isinstance(failure, KeyboardInterrupt):
        failure = failure.__context__
    return failure


@contextmanager
def orderly_endings() -> Iterator[None]:
    """Raise ``Terminated`` where a signal of ``ENDINGS`` comes within the block.

    A signal that is to be ignored (``nohup``) stays ignored. In a thread other than the main one
    nothing changes: signals do not come there.
    """

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise Terminated(number)

    before = {}
    try:
        for number in ENDINGS:
            with suppress(ValueError):  # not the main thread
                if signal.getsignal(number) == signal.SIG_DFL:
                    before[number] = signal.signal(number, end)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def uninterrupted() -> Iterator[list[tuple[int, FrameType | None]]]:
    """Let a Ctrl-C, or a signal of ``ENDINGS``, that comes within the block wait for its end.

    For what changes a model in place, and for saving: half done, neither is of use. The block
    should take seconds at most.

    Yields:
        The signals that wait, as a handler's arguments; the block may clear the list.
    """
    waiting: list[tuple[int, FrameType | None]] = []

    def wait(number: int, frame: FrameType | None) -> None:
        waiting.append((number, frame))

    before = {}
    try:
        for number in (signal.SIGINT, *ENDINGS):
            with suppress(ValueError):  # not the main thread
                if callable(handler := signal.getsignal(number)):
                    signal.signal(number, wait)
                    before[number] = handler
        yield waiting
    finally:
        # Ctrl-C's handler last: the others are back when it raises.
        for number, handler in reversed(before.items()):
            signal.signal(number, handler)
        for number, frame in waiting[:1]:
            before[number](number, frame)


def complain(command: str, failure: object) -> None:
    """Print one line to stderr: which command, and what is wrong.

    The line is cut in its middle if it is endless, and nothing in it acts on the terminal.
    """
    line = " ".join(told(failure).split()) or type(failure).__name__
    if len(line) > MOST:
        line = f"{line[: MOST // 2]} ... {line[-MOST // 2 :]}"
    # A file name that is not UTF-8 (with surrogates) is printed as its own bytes: see speak_utf8.
    shown = "".join(
        c if c.isprintable() or "\udc80" <= c <= "\udcff" else ascii(c)[1:-1] for c in line
    )
    with suppress(OSError):  # a terminal that was closed
        print(f"{command}: error: {shown}", file=sys.stderr)


def told(failure: object) -> str:
    """Say what went wrong; of an error of the system, the file and the reason, without its number.

    >>> told(FileNotFoundError(2, "No such file or directory", "a.txt"))
    'a.txt: no such file or directory'
    """
    if not isinstance(failure, OSError) or failure.strerror is None:
        return str(failure)
    files = " -> ".join(str(f) for f in (failure.filename, failure.filename2) if f is not None)
    reason = failure.strerror[:1].lower() + failure.strerror[1:]
    return f"{files}: {reason}" if files else reason


def say(*lines: str) -> None:
    """Print the lines that are not empty on standard error, above any progress bar."""
    from tqdm import tqdm

    for line in lines:
        if line:
            tqdm.write(line, file=sys.stderr)


def significant(value: float) -> str:
    """Write a number with three significant digits, as the tables of all commands do.

    >>> [significant(value) for value in (-9.7711, 0.25, 1.0, 1234.5, 0.00012345, 1.17e30)]
    ['-9.77', '0.250', '1.00', '1230', '0.000123', '1.17e+30']
    """
    if not math.isfinite(value) or abs(value) >= 1e6 or 0 < abs(value) < 1e-5:
        return f"{value:.2e}"
    rounded = float(f"{value:.3g}")
    after_point = 2 - math.floor(math.log10(abs(rounded))) if rounded else 2
    return f"{rounded:.{max(0, after_point)}f}"


def utf8(argument: str) -> str:
    """Decode an option as UTF-8, even where the locale is ASCII only."""
    try:
        return argument.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeDecodeError:
        raise argparse.ArgumentTypeError("not UTF-8 text") from None


def unescaped(argument: str) -> str:
    r"""Decode an option with C's escapes, since a shell passes ``\n`` on as two characters.

    >>> unescaped(r"The end.\n") == "The end." + chr(10)
    True
    """

    def decode(match: re.Match[str]) -> str:
        code = match[1]
        if code in _ESCAPES:
            return _ESCAPES[code]
        number = int(code[1:], 16) if len(code) > 1 else -1
        if not 0 <= number <= sys.maxunicode or 0xD800 <= number < 0xE000:
            raise argparse.ArgumentTypeError(
                f"unknown escape {match[0]} in {argument}; a backslash itself is \\\\"
            )
        return chr(number)

    return _ESCAPE.sub(decode, utf8(argument))


def add_model(add: Callable[..., object]) -> None:
    """Define the options of every command that loads a model: which, and what its files lack.

    Args:
        add: the ``add_argument`` of the command's parser.
    """
    add("--model", help="a name or a path (default: the storyteller that ships with gptlite)")
    add_model_parts(add)


def add_model_parts(add: Callable[..., object]) -> None:
    """Define the options for what a model's files may lack: its tokenizer, its number of heads."""
    add(
        "--tokenizer",
        metavar="PATH",
        help="another tokenizer: its file or folder, or a model's name (default: the model's own)",
    )
    add(
        "--n-head",
        type=int,
        metavar="N",
        help="attention heads, for a model whose files do not say how many (makemore's)",
    )


def load_model(options: argparse.Namespace) -> tuple[gptlite.GPT, gptlite.Tokenizer]:
    """Load the model that the options of ``add_model`` name. Errors: see ``gptlite.load``."""
    return gptlite.load(options.model, tokenizer=options.tokenizer, n_head=options.n_head)


def speak_utf8() -> None:
    """Make the standard streams read and write UTF-8, whatever the locale says."""
    for file in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(file, io.TextIOWrapper):
            # A file name that an ASCII locale could not decode is printed as its own bytes.
            errors = "strict" if file is sys.stdin else "surrogateescape"
            file.reconfigure(encoding="utf-8", errors=errors)


def standard_input(whole: bool) -> str:
    """Read all of standard input, or its next line with the line feed; "" at the end."""
    if sys.stdin is None:
        raise ValueError("there is no standard input")
    try:
        return sys.stdin.read() if whole else sys.stdin.readline()
    except UnicodeDecodeError as failure:
        raise ValueError(f"standard input is not UTF-8 text: {failure}") from None
