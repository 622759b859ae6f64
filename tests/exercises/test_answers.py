"""The exercises at the end of the notebooks: each has all it needs, and answers are judged."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from gptlite.exercises import check
from gptlite.exercises.answers.inside import looks_back, root, sharpened
from gptlite.exercises.answers.kinds import choice, exactly, numbers, one_number
from gptlite.exercises.answers.measuring import NOT_BEGUN
from gptlite.exercises.answers.table import ANSWERS
from gptlite.exercises.answers.texts import ratio_of_nats, ratio_of_probabilities
from gptlite.exercises.answers.writing import greedily
from gptlite.exercises.samples import storyteller
from gptlite.exercises.table import FUNCTIONS

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def number_of(path):
    """Read a notebook's number from its file's name: "08b"."""
    return path.stem.partition("_")[0]


SOURCES = {number_of(path): path.read_text("utf-8") for path in sorted(NOTEBOOKS.glob("*.py"))}
CHECKS = [
    (number, exercise)
    for number, text in SOURCES.items()
    for exercise in re.findall(r'^check\("(\d\d[a-z]?\.\d+)", \w+\)$', text, re.MULTILINE)
]


def test_every_exercise_of_a_notebook_has_a_judge_and_every_judge_an_exercise():
    assert len(CHECKS) == 66
    assert sorted(exercise for _, exercise in CHECKS) == sorted(ANSWERS)
    assert all(exercise.startswith(f"{number}.") for number, exercise in CHECKS)


@pytest.mark.parametrize("exercise", ANSWERS)
def test_an_exercise_says_its_stars_its_minutes_and_a_hint(exercise):
    number, _, place = exercise.partition(".")
    text = SOURCES[number][SOURCES[number].index("# ## Exercises") :]
    begins = rf"# \*\*{place}\. [^*]+\.\*\* \(★[★☆]☆|# \*\*{place}\. [^*]+\.\*\* \(★★★"
    [found] = re.finditer(begins, text)
    question = text[found.start() :].partition(f'check("{exercise}"')[0]
    assert re.search(r"[★☆], \d+ min\)", question)
    assert question.count("<summary>Hint</summary>") == 1
    assert question.count("# solution: ") == question.count("# end of solution") == 1


@pytest.mark.parametrize(
    "place", [..., (..., ...), [..., ...], [(...,), (1, 2)], "?", "...", ["...", "a"]]
)
def test_an_answer_that_is_not_there_yet(place):
    assert "nothing is here yet" in check("04.1", place).words


# ---- The judges ---------------------------------------------------------------------------------


def test_numbers():
    judge = numbers((2.0, 30.0), ("width", "height"), "yes", [((30, 2), "the other way round")])
    assert judge((2.01, np.float32(30.1))) == (True, "yes")
    assert judge([30, 2]) == (False, "the other way round")
    assert judge((2, 31)) == (False, "height: 31 is too large.")
    assert judge((1, 30)) == (False, "width: 1 is too small.")
    assert judge(3) == (False, "expected 2 numbers, width, height; found 3.")
    assert judge("wide")[1] == "expected 2 numbers, width, height; found 'wide'."
    assert one_number(lambda: 5, "the count", "yes")(np.int64(5)) == (True, "yes")
    assert one_number(5, "the count", "yes")([1, 2])[1].startswith("expected a number, the count;")


def test_exactly():
    judge = exactly(lambda: [1, [2, 3]], "two parts", "yes", [([1, [3, 2]], "turned")], "no")
    assert judge((1, np.array([2, 3]))) == (True, "yes")
    assert judge([1, (3, 2)]) == (False, "turned")
    assert judge([1, 2]) == (False, "no")
    assert judge(4) == (False, "expected two parts; found 4.")
    assert exactly(3, "a count", "yes")(4) == (False, "4 is not it.")


def test_choice():
    judge = choice("b", {"a": "no", "b": "yes"})
    assert judge("b") == judge(" (B) ") == (True, "yes")
    assert judge("a") == (False, "no")
    assert judge("c") == (False, "expected one of the letters a, b; found 'c'.")


@pytest.mark.parametrize(
    ("exercise", "answer", "words"),
    [
        ("01.1", (2 + 4096) / 2, "the mean of the two perplexities"),
        ("01.3", "Once upon", "at least three words"),
        ("01.3", "The king and the", "Try a fixed phrase"),
        ("01.5", (49.8, 24.9), "gigabits"),
        ("01.5", (6_230_444_800, 3_115_222_400), "those are bytes"),
        ("02.2", "two words", "expected one word"),
        ("02.2", " the", "BPE makes 1 tokens of ' the', and 1 would do"),
        ("02.4", 3, "expected a list of token ids"),
        ("03.1", [1, 0], "expected a vector"),
        ("04.2", (0.6, 0.6), "multiplying does change it"),
        ("05.2", 1_557_611_200 - 48 * 13 * 1600, "biases and norms of the blocks are missing"),
        ("06.1", ["a", "b"], "expected a list of three texts"),
        ("06.2", 17, "a number between 0 and 1"),
        ("07.5", -0.1, "the sign"),
        ("08.2", 11.09, "the limit of a whole sentence"),
        ("08.2", 1.3333, "that is in bits"),
        ("08.4", 0.1, "are the embeddings not multiplied by 5"),
        ("08b.1", (0, 0), "What do small steps say"),
        ("08b.2", np.array([0.2617, -0.1156, -0.1278, -0.14]), "the mean of `dn` is taken off"),
        ("08b.2", [0.3651, 0, 0, 0], "is still to be taken off"),
        ("08b.2", [0.9667, -0.0667, -0.1, -0.1333], "the division by the root"),
        ("08b.3", "c", "what all vectors have in common"),
        ("08b.4", ("c", "a"), "the two have changed places"),
        ("08c.1", (1 / 400, 3682), "it may go on to the other side"),
        ("08c.2", (True, True), "turn the places back"),
        ("08c.3", (1000, 1000, 1), "in the mean and in the root"),
        ("08c.4", (1.99, 24.92), "that is in gigabytes"),
        ("10.3", 3.2 + 1, "only if all before it are right"),
        ("12.3", 200, "expected a count from 0 to 100"),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong_with_it(exercise, answer, words):
    verdict = check(exercise, answer)
    assert not verdict.ok
    assert words in verdict.words


def test_usual_slips_that_depend_on_the_storyteller_are_known():
    assert "the ratio of the nats" in check("01.4", ratio_of_nats()).words
    assert "the whole text is" in check("01.4", ratio_of_probabilities()).words
    assert "block 0 alone" in check("04.3", sharpened(root(), n_blocks=1)).words
    block, head = looks_back()
    if block != head:
        assert "changed places" in check("04.5", (head, block)).words


def test_a_text_that_does_not_begin_with_the_token_is_told_so():
    _, tokenizer = storyteller()
    prompt = "Once upon a time there was a"
    fox = tokenizer.decode(greedily("The fox", 10, skip=1))
    for exercise, answer in {"06.1": [fox] * 3, "06.5": greedily(prompt, 80, 1.3, skip=1)}.items():
        assert check(exercise, answer).words == NOT_BEGUN


def test_ids_that_encode_gives_are_no_other_spelling():
    _, tokenizer = storyteller()
    ids = tokenizer.encode("Once upon a time")
    assert "`encode` makes the same ids of it" in check("02.4", ids).words


@pytest.mark.parametrize("answer", [10, 50, 90])
def test_an_observation_is_right_whatever_it_is_and_put_into_words(answer):
    verdict = check("12.3", answer)
    assert verdict.ok and str(answer) in verdict.words


# ---- The two editions ---------------------------------------------------------------------------

EDITIONS = sorted((NOTEBOOKS / "solutions").glob("*.ipynb"))


@pytest.mark.parametrize("path", EDITIONS, ids=lambda path: path.stem)
def test_the_two_editions_agree_but_for_the_solutions(path):
    students, instructors = (
        json.loads(edition.read_text("utf-8"))["cells"] for edition in (NOTEBOOKS / path.name, path)
    )
    theirs = {cell["id"]: cell for cell in instructors}
    ids = {cell["id"] for cell in students}
    assert [cell["id"] for cell in students] == [id for id in theirs if id in ids]
    assert {theirs[id]["cell_type"] for id in theirs.keys() - ids} <= {"markdown"}
    filled = 0
    for cell in students:
        other = theirs[cell["id"]]
        if cell["cell_type"] == "markdown":
            pages = [
                line.replace("](../GLOSSARY.md)", "](GLOSSARY.md)") for line in other["source"]
            ]
            assert cell["source"] == pages
            continue
        if cell["source"] == other["source"]:
            assert not cell.get("outputs") or cell["outputs"] == other["outputs"]
            continue
        filled += 1
        left = [line for line in cell["source"] if line not in other["source"]]
        assert len(left) == 1 and re.search(r"\.\.\.|\?", left[0])
        assert not cell["outputs"]
    checks = [check for number, check in CHECKS if number == number_of(path)]
    assert filled == (len(checks) or len(FUNCTIONS))


def test_each_notebook_with_exercises_has_both_editions():
    assert {number_of(path) for path in EDITIONS} == {number for number, _ in CHECKS} | {"13"}


# ---- The notebook in which GPT-2 is written -----------------------------------------------------


def code_of(path):
    """Read the code cells of a notebook."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def answers_in(cells):
    """Run cells one after the other, and give what their checks say."""
    names, said = {"__name__": "a notebook"}, []
    for code in cells:
        last = re.search(r"^(?:check|my_gpt)\(.*\)$", code, re.MULTILINE)
        exec(code.replace(last[0], "") if last else code, names)
        said += [eval(last[0], names)] if last else []
    return said


STUDENTS = NOTEBOOKS / "13_write_gpt2_yourself.ipynb"
INSTRUCTORS = NOTEBOOKS / "solutions" / STUDENTS.name


def test_a_student_who_has_written_nothing_is_told_so():
    said = answers_in(code_of(STUDENTS))
    assert [each.exercise for each in said if each.exercise in FUNCTIONS] == [*FUNCTIONS]
    assert not any(each.ok for each in said)


def test_a_student_who_writes_all_of_it_in_the_cells_is_right_and_tells_the_story():
    filled = [
        solution if code != solution else code
        for code, solution in zip(code_of(STUDENTS), code_of(INSTRUCTORS), strict=True)
    ]
    said = answers_in(filled)
    assert len(said) == len(FUNCTIONS) + 1
    assert all(each.ok for each in said), [repr(each) for each in said if not each.ok]
    [story] = [each for each in said if each.exercise == "my_gpt"]
    assert "Once upon a time" in story.words
