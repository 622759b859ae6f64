"""What a notebook's words say: of itself, at its head; and of the storyteller, beside its outputs.

A notebook runs with any model, but its words speak of the storyteller that ships. Where they say
what it does, the outputs that stand beside them must say so too.
"""

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SOURCES = sorted(NOTEBOOKS.glob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_its_head_says_how_long_what_is_needed_and_what_one_can_do_afterwards(path):
    text = path.read_text("utf-8")
    head = text[: text.index("\n# %%\n")]
    assert re.search(r"\*\*Minutes:\*\* (about )?\d+", head)
    assert "**Needs:**" in head
    assert re.search(r"\*\*(Core|Optional)\b", head)
    _, found, after = head.partition("Afterwards you can\n#\n")
    assert found and len(re.findall(r"^# - ", after, re.MULTILINE)) == 3


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_minutes_for_its_exercises_are_those_of_its_exercises(path):
    text = path.read_text("utf-8")
    minutes = sum(map(int, re.findall(r"\(★[★☆]+, (\d+) min\)", text)))
    told = re.search(r"and (\d+) for the exercises|about (\d+) in all", text)
    assert abs(int((told[1] or told[2]) if told else 0) - minutes) <= 5


@pytest.mark.parametrize(
    "path",
    sorted(NOTEBOOKS.rglob("[0-9]*.ipynb")),
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_its_links_lead_to_files_and_the_glossary_is_one(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    text = "".join(
        line for cell in cells if cell["cell_type"] == "markdown" for line in cell["source"]
    )
    links = {link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link}
    assert [link for link in links if not (path.parent / link).exists()] == []
    assert any(link.endswith("GLOSSARY.md") for link in links)


def outputs(number: str) -> str:
    """Read all that the cells of a notebook print and show as text."""
    [path] = NOTEBOOKS.glob(f"{number}_*.ipynb")
    shown = []
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            shown += output.get("text", output.get("data", {}).get("text/plain", []))
            shown += "\n"
    return "".join(shown)


def row(text: str, name: str) -> list[float]:
    """Read the numbers of the first row of that name."""
    found = re.search(rf"^ *{re.escape(name)}  +(-?\d.*)$", text, re.MULTILINE)
    assert found, name
    return [float(number) for number in re.findall(r"-?\d+\.\d+", found[1])]


def table(text: str, title: str) -> str:
    """Cut out what stands from a title to the next empty line."""
    return text[text.index(title) :].partition("\n\n")[0]


def numbers(text: str) -> list[float]:
    """Read the decimal numbers of a text."""
    return [float(number) for number in re.findall(r"-?\d+\.\d+", text)]


def test_01_the_storyteller_does_not_mind_who_eats_whom():
    told = outputs("01")
    [right], [wrong] = (
        row(told, "The wolf ate the grandmother."),
        row(told, "The grandmother ate the wolf."),
    )
    assert right - 3 < wrong < right


def test_04_its_best_head_for_it_fails_the_first_control():
    told = outputs("04")
    seen = table(told, ": the last token's row\n")
    robot = seen.splitlines()[1].split().index("·robot")
    it, to, up = (row(seen, word)[robot] for word in ("it", "to", "up"))
    assert to > it > up > 0.7 * it
    [king] = re.findall(r"on ·king: (\d\.\d+)", told)
    [apple] = re.findall(r"on ·apple: (\d\.\d+)", told)
    assert float(apple) > float(king)


def test_06_one_greedy_text_runs_in_a_circle():
    told = outputs("06")
    assert "in circles at the end: 1 of 4" in told
    chances = numbers(table(told, "One round\n"))
    assert 10 < len(chances) < 33 and min(chances) < 0.35


def test_09_two_heads_share_the_work_of_the_pronoun():
    told = outputs("09")
    heads = [row(table(told, "One head from the queen"), f"block {i}") for i in range(4)]
    *others, second, first = sorted(work for block in heads for work in block)
    assert {first, second} <= set(heads[2])
    assert 0.55 > first > second > 0.4 and others[-1] < 0.05
    work = numbers(table(told, "The work of block"))[:20]  # prints stand after it
    assert min(work) > 0.15 and 0.5 < max(work) < 0.6 and sum(work) / 20 < 0.5
    [rise] = re.findall(r"without this head: (\d\.\d+)", told)
    assert float(rise) < 0.1


def test_09_the_storyteller_copies_and_one_head_does_most_of_it():
    told = outputs("09")
    [order] = re.findall(r"the right order is worth: (\d\.\d+)", told)
    [cut] = re.findall(r"the highest score: \+(\d\.\d+) nats", told)
    rest = re.findall(r"another one: ([+-]\d\.\d+) nats", told)
    assert float(order) > 3 and float(cut) > 0.8 * float(order)
    assert len(rest) == 3 and all(float(cost) < 1 for cost in rest)


def test_12_the_storyteller_copies_and_does_not_show_that_it_reasons():
    told = outputs("12")
    share = {name: float(part) for part, name in re.findall(r"^(\d\.\d+) (\w+): '", told, re.M)}
    assert share["copying"] > 0.9
    assert share["one_rule"] > 0.8 > 0.6 > share["no_rule"]
    assert 0.56 < share["two_rules"] < 0.63  # chance, and two standard errors: 0.61
