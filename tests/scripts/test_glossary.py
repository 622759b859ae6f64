"""The glossary's names are names in the code, and its arrays are those of a trace."""

import importlib
import re
from pathlib import Path

import gptlite
from gptlite.trace import trace_names

ROOT = Path(gptlite.__file__).resolve().parent.parent
GLOSSARY = (ROOT / "notebooks" / "GLOSSARY.md").read_text(encoding="utf-8")
SYMBOLS = re.compile(r"\$[^$]*\$")


def rows() -> list[list[str]]:
    """The cells of each row, without symbols (which may hold a bar)."""
    lines = [line for line in GLOSSARY.splitlines() if line.startswith("| ")]
    table = [re.split(r"(?<!\\)\|", SYMBOLS.sub("", line))[1:-1] for line in lines]
    return [[cell.strip() for cell in row] for row in table]


def is_there(name: str) -> bool:
    """Say whether gptlite has this name: a module, or something in one."""
    parts = ["gptlite", *name.split(".")]
    for n in range(len(parts), 0, -1):
        try:
            thing: object = importlib.import_module(".".join(parts[:n]))
        except ModuleNotFoundError:
            continue
        try:
            for part in parts[n:]:
                thing = getattr(thing, part)
        except AttributeError:
            return False
        return n > 1 or n == len(parts)
    return False


def test_every_row_has_six_cells_and_every_term_stands_once():
    found = [row for row in rows() if row[0] != "term"]
    assert len(found) > 60
    assert {len(row) for row in found} == {6}
    terms = [row[0] for row in found]
    assert len(terms) == len(set(terms))


def test_every_name_in_the_code_is_there():
    outside = [re.sub(r"\(.*?\)", "", row[3]) for row in rows()]
    names = [name for cell in outside for name in re.findall(r"`([\w.]+)`", cell)]
    assert len(names) > 50
    assert [name for name in names if not is_there(name)] == []
    assert not is_there("block.attend_to")
    assert not is_there("nowhere")


def test_every_array_is_one_of_a_trace():
    arrays = re.findall(r'"([\w.]+)"', GLOSSARY)
    assert len(arrays) > 8
    assert {name.replace(".i.", ".0.") for name in arrays} <= set(trace_names(1))


def test_every_notebook_named_is_there():
    numbers = {n for row in rows() for n in re.findall(r"\d+[a-z]?", row[5])}
    there = {path.stem.partition("_")[0].lstrip("0") for path in ROOT.glob("notebooks/*.py")}
    assert numbers and numbers <= there


def read(text: str) -> str:
    """Bring a text to small letters and single spaces, without marks and hyphens."""
    return " ".join(re.sub(r"[*`]", "", text).replace("_", " ").replace("-", " ").lower().split())


def words(cell: str) -> list[str]:
    """List the words of a cell, which semicolons and commas part, and short forms in brackets."""
    parts = re.split(r"[;,:()]", cell.replace("\\|", "|"))
    return [read(part) for part in parts if part.strip()]


def notebooks() -> dict[str, str]:
    """The text of each notebook's source, by its number: "8b"."""
    found = {}
    for path in ROOT.glob("notebooks/*.py"):
        text = re.sub(r"^ *# ?", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        found[path.stem.partition("_")[0].lstrip("0")] = read(text)
    return found


def test_every_term_is_used_where_the_glossary_says() -> None:
    texts, wrong = notebooks(), []
    for term, ours, _, _, _, where in rows()[1:]:
        if term == "term":
            continue
        named = re.findall(r"\d+[a-z]?", where)
        told = " ".join(texts[number] for number in named)
        wrong += [f"{word}: not in {where}" for word in words(ours) if word not in told]
        if (first := words(term)[0]) not in told:
            wrong.append(f"{first}: not in {where}")
        for number in named:
            if not any(word in texts[number] for word in words(term) + words(ours)):
                wrong.append(f"{term}: not in {number}")
    assert wrong == []
