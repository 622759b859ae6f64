"""The command ``python -m gptlite.tasks``."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gptlite
from gptlite.tasks.__main__ import main
from gptlite.tasks.answer import answer
from gptlite.tasks.cloze import cloze
from gptlite.tasks.entail import entail
from gptlite.tasks.score import score
from gptlite.tasks.sentiment import sentiment
from gptlite.tasks.summarise import summarise
from gptlite.tasks.translate import translate
from gptlite.tasks.winograd import winograd

ROOT = Path(__file__).resolve().parents[2]
STORY = gptlite.load()
FOX = "The fox saw some grapes on a high vine, and wanted to eat them."


@pytest.fixture(autouse=True)
def loaded_once(monkeypatch):
    monkeypatch.setattr(gptlite, "load", lambda *_, **__: STORY)


def called(capsys, *args: str) -> tuple[int, str, str]:
    try:
        status = main(args)
    except SystemExit as caught:
        status = int(caught.code or 0)
    return status, *capsys.readouterr()


def numbers(printed: str) -> list[tuple[float, str]]:
    lines = [line.strip().partition("  ") for line in printed.splitlines()]
    return [(float(number), name) for number, _, name in lines]


def test_what_is_written(capsys):
    few = ["--max-new-tokens", "8"]
    assert called(capsys, "summarise", FOX, "--seed", "3", *few, "--hint", "Moral:") == (
        0,
        summarise(*STORY, FOX, hint="Moral:", max_new_tokens=8, seed=3) + "\n",
        "",
    )
    pair = ["--example", "Who ran?", "The fox."]
    assert called(capsys, "answer", "Who ate?", "--document", FOX, *pair, *few) == (
        0,
        answer(*STORY, "Who ate?", FOX, [("Who ran?", "The fox.")], 8).text + "\n",
        "",
    )
    pairs = ["--example", "the cat", "le chat", "--example", "the fox", "le renard"]
    assert called(capsys, "translate", "the dog", *pairs, *few) == (
        0,
        translate(*STORY, "the dog", [("the cat", "le chat"), ("the fox", "le renard")], 8) + "\n",
        "",
    )


@pytest.mark.parametrize(
    ("args", "names", "expected"),
    [
        (
            ["entail", FOX, "A fox ran."],
            ["entailment", "contradiction"],
            lambda: list(entail(*STORY, FOX, "A fox ran.").values()),
        ),
        (
            ["sentiment", "The king was"],
            ["positive", "negative"],
            lambda: list(sentiment(*STORY, "The king was").values()),
        ),
        (
            ["sentiment", "The king was", "--words", "good", "bad", "old"],
            ["good", "bad", "old"],
            lambda: list(sentiment(*STORY, "The king was", ["good", "bad", "old"]).values()),
        ),
        (
            ["winograd", "The fox ran because _ was afraid.", "the fox", "the hen"],
            ["the fox", "the hen"],
            lambda: winograd(*STORY, "The fox ran because _ was afraid.", ["the fox", "the hen"]),
        ),
        (
            ["cloze", "The XXXXX ran away.", "fox", "vine", "king"],
            ["fox", "vine", "king"],
            lambda: cloze(*STORY, "The XXXXX ran away.", ["fox", "vine", "king"]),
        ),
        (
            ["score", "Once upon a", " time", " spoon there", "--normalise", "mean"],
            ["time", "spoon there"],
            lambda: score(*STORY, "Once upon a", [" time", " spoon there"], "mean"),
        ),
    ],
)
def test_what_is_compared(capsys, args, names, expected):
    status, out, err = called(capsys, *args)
    assert (status, err) == (0, "")
    found = numbers(out)
    assert sorted(found, reverse=True) == found
    by_name = {name.strip(): number for number, name in found}
    np.testing.assert_allclose([by_name[name] for name in names], expected(), rtol=5.1e-3)
    status, out, err = called(capsys, *args, "--json")
    assert (status, err) == (0, "")
    found = {name.strip(): number for name, number in json.loads(out).items()}
    np.testing.assert_allclose([found[name] for name in names], expected(), rtol=1e-6)


def test_a_third_answer(capsys):
    _, out, _ = called(capsys, "entail", FOX, "A fox ran.", "--neutral")
    assert {name for _, name in numbers(out)} == {"entailment", "contradiction", "neutral"}


@pytest.mark.parametrize("option", ["summarise", "answer", "entail", "sentiment"])
def test_a_dash_reads_standard_input_and_what_is_too_much_is_left_out(capsys, monkeypatch, option):
    few = ["--max-new-tokens", "2"]
    rest = {
        "summarise": ["-", *few, "--seed", "0"],
        "answer": ["Who?", "--document", "-", *few],
        "entail": ["-", "The fox ran."],
        "sentiment": ["-"],
    }[option]
    monkeypatch.setattr(sys, "stdin", io.StringIO(FOX))
    status, out, err = called(capsys, option, *rest)
    assert (status, err) == (0, "")
    shown = [FOX if arg == "-" else arg for arg in rest]
    assert called(capsys, option, *shown) == (status, out, err)
    monkeypatch.setattr(sys, "stdin", io.StringIO(FOX * 50))
    status, out, err = called(capsys, option, *rest)
    assert status == 0 and out and err.count("\n") == 1
    assert err.startswith("gptlite tasks: ") and err.endswith("what does not fit is left out\n")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "the following arguments are required: TASK"),
        (["guess"], "invalid choice: 'guess'"),
        (["cloze", "no gap", "a"], "expected one gap 'XXXXX' in the text, found 0"),
        (["winograd", "no gap", "a"], "expected one gap '_' in the text, found 0"),
        (["winograd", "_ ran", "it", ""], "a referent is blank"),
        (["sentiment", "a", "--words", "good", "good"], "all different and none blank"),
        (["score", "a", ""], "option 1 is empty"),
        (["translate", FOX * 100], "are to be written: the context holds"),
        (["winograd", FOX * 100 + " _ ran", "it"], "do not fit: the model has"),
        (["summarise", FOX, "--top-k", "-1"], "top_k must be at least 0, not -1"),
        (["summarise", FOX, "--n-sentences", "0"], "n_sentences must be at least 1, not 0"),
        (["answer", "Who?", "--max-new-tokens", "0"], "max_new_tokens must be at least 1, not 0"),
        (["answer", "Who?", "--max-new-tokens", "900"], "900 are to be written"),
    ],
)
def test_errors_are_one_line(capsys, args, message):
    status, out, err = called(capsys, *args)
    assert (status, out) == (2, "")
    assert err.startswith("gptlite tasks: error: ") and message in err and err.count("\n") == 1


def test_of_entailment_the_help_says_whose_it_is(capsys):
    status, out, _ = called(capsys, "entail", "--help")
    assert status == 0 and "The prompt is gptlite's own: the papers of" in " ".join(out.split())


def test_as_a_shell_runs_it():
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "gptlite.tasks",
        "score",
        "Once upon a",
        " time",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert numbers(done.stdout)[0][1].strip() == "time"
    done = subprocess.run(
        [*command, "--model", "nowhere/x"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "gptlite tasks: error: nowhere/x: no such directory or file\n"
