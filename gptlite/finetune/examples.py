"""Labelled texts from files: CSV, TSV or JSON lines, with named columns.

==============  =======================================================================
classification  ``text``, ``label``
entailment      ``premise``, ``hypothesis``, ``label``
similarity      ``first``, ``second``, ``label``
choice          ``context``, ``choice_1``, ``choice_2`` and so on, ``label``: the number of the
                right one, counted from 1; ``question`` if there is one
==============  =======================================================================

Other columns are ignored. In CSV, quotes (") stand around a text with commas, quotes or line feeds
in it. In TSV, as in the files of GLUE, a quote is a part of the text like any other character.
"""

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from gptlite.files import first_ten, json_lines, json_list, naming_line
from gptlite.finetune.packing import (
    Row,
    pack_choices,
    pack_classification,
    pack_entailment,
    pack_similarity,
)
from gptlite.texts import JSON_ENDINGS
from gptlite.tokenizer import Tokenizer

# The columns of each task's texts, in the order in which packing.py takes them.
TEXTS = {
    "classification": ("text",),
    "entailment": ("premise", "hypothesis"),
    "similarity": ("first", "second"),
    "choice": ("context", "question"),  # and then the choices
}
LABEL, QUESTION, CHOICE = "label", "question", re.compile(r"choice_([1-9][0-9]*)")
SEPARATORS = {".csv": ",", ".tsv": "\t"}


class TableRow(NamedTuple):
    """A line of a table.

    Attributes:
        path: the table's path.
        line: the line's number, counted from 1; if the row has several lines, that of the last; in
            a JSON list the number of the item.
        header: number of the line that names the columns; in JSON lines it is the line itself.
        values: each column's value, as it stands in the file: text, or another JSON value.
    """

    path: str
    line: int
    header: int
    values: dict[str, object]


class Example(NamedTuple):
    """A line of a file: an example's texts, and their label.

    Attributes:
        path: the file's path.
        line: the line's number, counted from 1.
        texts: in the order of ``TEXTS``; a choice has a context, a question ("" if there is none),
            and the choices.
        label: the label as it stands in the file, without the spaces around it.
    """

    path: str
    line: int
    texts: tuple[str, ...]
    label: str


def read_examples(
    path: str | os.PathLike[str],
    task: str,
    columns: Mapping[str, str] | None = None,
    like: Example | None = None,
    labelled: bool = True,
) -> list[Example]:
    """Read the examples of a file.

    Args:
        path: ends in .csv, .tsv, .jsonl or .json (a list), which says how to read it.
        task: one of ``TEXTS``.
        columns: ``{our name: name in the file}`` where they differ.
        like: an example from another file; the examples here must have as many choices.
        labelled: False where the labels are not known yet: no label is read.

    Raises:
        ValueError: a column is missing, a text or label is empty, or a line is malformed, with the
            line's number; there are no examples; ``columns`` has an unknown name.
        OSError: the file cannot be read.
    """
    columns = dict(columns or {})
    known = {*TEXTS[task], LABEL}
    for name in columns:
        if name not in known and not (task == "choice" and CHOICE.fullmatch(name)):
            raise ValueError(f"{task} has no column {name!r}: it has {', '.join(sorted(known))}")
    examples: list[Example] = []
    first = like
    for row in read_columns(path):
        # A column of the file is not meant if ``columns`` gives its name to another column.
        in_file = {name: name for name in row.values if name not in columns} | columns
        names = [*TEXTS[task], *(choices_of(in_file) if task == "choice" else [])]
        fields = {}
        for name in [*names, *([LABEL] if labelled else [])]:
            column = in_file.get(name, name)
            if name == QUESTION and column not in row.values:
                fields[name] = ""
                continue
            fields[name] = text_of(row, column)
            if name != QUESTION and not fields[name].strip():
                raise ValueError(f"{path}, line {row.line}: column {column!r} is empty")
        texts = tuple(fields[name] for name in names)
        example = Example(str(path), row.line, texts, fields.get(LABEL, "").strip())
        first = first or example
        if len(texts) != len(first.texts):
            where = (
                f"line {first.line}" if first is not like else f"{first.path}, line {first.line}"
            )
            raise ValueError(
                f"{path}, line {row.line}: {len(texts) - 2} choices, but {where} has "
                f"{len(first.texts) - 2}"
            )
        examples.append(example)
    if not examples:
        raise ValueError(f"{path}: no examples")
    return examples


def choices_of(names: Iterable[str]) -> list[str]:
    """List the names of a choice's columns: at least two, without gaps."""
    n = len([name for name in names if CHOICE.fullmatch(name)])
    return [f"choice_{i}" for i in range(1, max(n, 2) + 1)]


def read_columns(path: str | os.PathLike[str]) -> Iterator[TableRow]:
    """Read the lines of a table, as the module's head describes them.

    CSV and TSV have the names of the columns in their first line.

    Raises:
        ValueError: a line is malformed, or the file's name has another ending.
        OSError: the file cannot be read.
    """
    suffix = Path(path).suffix.lower()
    if suffix in JSON_ENDINGS:
        for number, values in json_lines(path):
            yield TableRow(str(path), number, number, values)
    elif suffix == ".json":
        for number, values in enumerate(json_list(path), 1):
            yield TableRow(str(path), number, number, values)
    elif suffix in SEPARATORS:
        yield from read_separated(path, SEPARATORS[suffix])
    else:
        endings = ", ".join([*SEPARATORS, JSON_ENDINGS[0], ".json"])
        raise ValueError(f"{path}: expected a name that ends in one of {endings}")


def text_of(row: TableRow, column: str) -> str:
    """Return a column's text. JSON's whole numbers, true and false are written out, as in CSV.

    Raises:
        ValueError: the column is missing, or its value is of another kind; the line is named.
    """
    if column not in row.values:
        with naming_line(row.path, row.header):
            raise ValueError(f"no column {column!r}: found {first_ten(row.values)}")
    value = row.values[column]
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value).lower()
    with naming_line(row.path, row.line):
        expected = "expected text or a whole number"
        raise ValueError(f"column {column!r}: {expected}, found {value!r:.40}")


def read_separated(path: str | os.PathLike[str], separator: str) -> Iterator[TableRow]:
    """Read the rows of a CSV or TSV file after the first, which names the columns.

    Raises:
        ValueError: a line is malformed; the error names it. OSError: the file cannot be read.
    """
    content = Path(path).read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: not UTF-8") from None
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        quoting=csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL,
        strict=True,
    )
    names: list[str] = []
    header = 0
    while True:
        with naming_line(path, reader.line_num + 1), long_fields(len(text)):
            try:
                fields = next(reader, None)
            except csv.Error as error:
                raise ValueError(error) from None
        if fields is None:
            return
        if not fields:
            continue  # an empty line
        with naming_line(path, reader.line_num):
            if not names:
                names, header = fields, reader.line_num
                if len(set(names)) != len(names):
                    raise ValueError("a column's name is there twice")
                continue
            if len(fields) != len(names):
                n = len(names)
                raise ValueError(f"{len(fields)} fields, but line {header} names {n} columns")
        values: dict[str, object] = dict(zip(names, fields, strict=True))
        yield TableRow(str(path), reader.line_num, header, values)


@contextmanager
def long_fields(n: int) -> Iterator[None]:
    """Let ``csv`` read fields of up to ``n`` characters within the block.

    By default ``csv`` refuses more than 131,072. There is one limit for the whole process; after
    the block it has its old value again.
    """
    limit = csv.field_size_limit()
    csv.field_size_limit(max(limit, n))
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def number_labels(examples: Sequence[Example], labels: Sequence[str]) -> list[int]:
    """Find the number of each example's label among ``labels``.

    Raises:
        ValueError: a label is unknown; the error names the file and the line.
    """
    number = {label: i for i, label in enumerate(labels)}
    for example in examples:
        if example.label not in number:
            raise ValueError(
                f"{example.path}, line {example.line}: unknown label {example.label!r}: "
                f"expected one of {first_ten(labels)}"
            )
    return [number[example.label] for example in examples]


def labels_of(task: str, examples: Sequence[Example]) -> list[str]:
    """List the labels: those of the examples, sorted; for a choice, the numbers of its choices."""
    if task == "choice":
        return [str(i) for i in range(1, len(examples[0].texts) - 1)]
    return sorted({example.label for example in examples})


def pack(tokenizer: Tokenizer, task: str, texts: Sequence[str], n_ctx: int) -> list[Row]:
    """Pack an example's texts, in the order of ``Example.texts``, into rows of token ids.

    Raises:
        ValueError: the task needs another number of texts; ``n_ctx`` leaves no room for them.
    """
    expected = len(TEXTS[task])
    if len(texts) < expected + 2 if task == "choice" else len(texts) != expected:
        names = ", ".join([*TEXTS[task], *(["2 choices or more"] if task == "choice" else [])])
        raise ValueError(f"{task} needs {names}: not {len(texts)} texts")
    if task == "classification":
        return pack_classification(tokenizer, texts[0], n_ctx)
    if task == "entailment":
        return pack_entailment(tokenizer, texts[0], texts[1], n_ctx)
    if task == "similarity":
        return pack_similarity(tokenizer, texts[0], texts[1], n_ctx)
    return pack_choices(tokenizer, texts[0], texts[2:], n_ctx, question=texts[1])
