"""A notebook's two editions, from one source: the student's, and the instructor's with solutions.

In the source a solution is marked. The instructor's edition has it, without the marks; in the
student's stands what is written after the first mark, or three dots:

    # solution: answer = ...
    answer = softmax(scores).max()
    # end of solution
    check("04.2", answer)

A Markdown cell with the tag ``solution`` is in the instructor's edition alone.
"""

from __future__ import annotations

import re
from copy import deepcopy

from nbformat import NotebookNode

SOLUTIONS = "solutions"  # the folder of the instructor's editions
BEGIN = re.compile(r"^(?P<indent> *)# solution:(?P<instead>.*)\n", re.MULTILINE)
_SOLUTION = re.compile(
    r"^(?P<indent> *)# solution:(?P<instead>.*)\n(?P<lines>(?:.*\n)*?) *# end of solution$",
    re.MULTILINE,
)
# A link to a page beside the student's edition: the instructor's lies a folder deeper.
_PAGE = re.compile(r"(?<=\]\()(?=\w+\.md\b)")
# A cell that shows what a check says of the student's own work.
_ANSWERED = re.compile(r"^(?:check|my_gpt)\(", re.MULTILINE)


def for_student(code: str) -> str:
    """Leave the solutions out of a cell's code."""

    def replaced(found: re.Match[str]) -> str:
        instead = found["instead"].strip() or "..."
        return found["indent"] + instead

    return _SOLUTION.sub(replaced, code)


def for_instructor(code: str) -> str:
    """Take the marks out of a cell's code, and leave the solutions in."""
    return _SOLUTION.sub(lambda found: found["lines"].rstrip("\n"), code)


def marks_fit(code: str) -> bool:
    """Say whether each solution that begins also ends."""
    return (
        len(BEGIN.findall(code)) == len(_SOLUTION.findall(code)) == code.count("# end of solution")
    )


def is_answered(code: str) -> bool:
    """Say whether a cell of the source is one in which a student works, or a check answers."""
    return bool(_SOLUTION.search(code) or _ANSWERED.search(code))


def student_s(source: NotebookNode, executed: NotebookNode) -> NotebookNode:
    """Make the student's edition from the source and the instructor's edition, executed.

    The cells in which a student works have no outputs, those that both editions share have the
    same. Ids are the source's.

    Args:
        source: the notebook with its marks.
        executed: the same, cell by cell, as the instructor's edition.
    """
    notebook = deepcopy(executed)
    cells = []
    for marked, cell in zip(source.cells, notebook.cells, strict=True):
        if is_solution(marked):
            continue
        if cell.cell_type == "markdown":
            cell.source = marked.source
        elif is_answered(marked.source):
            cell.source = for_student(marked.source)
            cell.outputs, cell.execution_count = [], None
        cells.append(cell)
    notebook.cells = cells
    return notebook


def is_solution(cell: NotebookNode) -> bool:
    """Say whether a cell of the source is in the instructor's edition alone."""
    return "solution" in cell.metadata.get("tags", [])


def instructor_s(source: NotebookNode) -> NotebookNode:
    """Make the instructor's edition of a source, not executed."""
    notebook = deepcopy(source)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = for_instructor(cell.source)
        elif has_solutions(source):
            cell.source = _PAGE.sub("../", cell.source)
        cell.metadata.pop("tags", None)
    return notebook


def has_solutions(source: NotebookNode) -> bool:
    """Say whether the two editions of a source differ."""
    return any(
        is_solution(cell) or (cell.cell_type == "code" and is_answered(cell.source))
        for cell in source.cells
    )
