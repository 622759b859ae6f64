"""Lines of the installed source: taken from the files when asked for, so that they cannot drift."""

import ast
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any

import gptlite

ROOT = Path(gptlite.__file__).parent.parent


@cache
def source_lines(function: Callable[..., Any], mark: str = "") -> dict[str, Any]:
    """Take lines of a function's source.

    Args:
        function: a function or a method of gptlite.
        mark: which lines: the statement that has this text. "" for all after the docstring.

    Returns:
        ``{"function": "block.attend", "file": "gptlite/block.py", "line": 90, "lines": [...]}``:
        the number of the first line in the file, and the lines without their common indent.

    Raises:
        ValueError: no statement of the function has the mark.
    """
    function = inspect.unwrap(function)
    lines, first = inspect.getsourcelines(function)
    definition = ast.parse(dedent("".join(lines))).body[0]
    assert isinstance(definition, ast.FunctionDef)
    statements = definition.body[1:] if ast.get_docstring(definition) else definition.body
    if mark:
        statements = [s for s in statements_in(definition) if mark in text_of(lines, s)][-1:]
    if not statements:
        raise ValueError(f"{function.__qualname__} has no statement with {mark!r}")
    start, stop = statements[0].lineno - 1, statements[-1].end_lineno
    taken = dedent("".join(lines[start:stop])).splitlines()
    file = Path(inspect.getfile(function)).relative_to(ROOT).as_posix()
    module = file.removeprefix("gptlite/").removesuffix(".py").replace("/", ".")
    name = f"{module}.{function.__qualname__}"
    return {"function": name, "file": file, "line": first + start, "lines": taken}


def statements_in(definition: ast.FunctionDef) -> list[ast.stmt]:
    """List a function's statements, those within others after them."""
    return [node for node in ast.walk(definition) if isinstance(node, ast.stmt)][1:]


def text_of(lines: list[str], statement: ast.stmt) -> str:
    """Take a statement's lines as one text."""
    return "".join(lines[statement.lineno - 1 : statement.end_lineno])
