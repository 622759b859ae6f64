"""The command ``python -m gptlite.predict``: what a fine-tuned classifier says of new texts."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import gptlite
from gptlite.finetune.classifier import Classifier
from gptlite.finetune.finetuned import FineTuned
from gptlite.predict import main

LABELS = {
    "classification": ["merry", "sad"],
    "entailment": ["no", "yes"],
    "choice": ["1", "2", "3"],
}
TEXTS = {
    "classification": [["They danced."], ["He wept, and wept."]],
    "entailment": [["Jack is a fox.", "Jack is red."], ["It rains.", "It is dry."]],
    "choice": [["The king", "who?", " ate.", " slept.", " fell."]],
}
COLUMNS = {
    "classification": ["text"],
    "entailment": ["premise", "hypothesis"],
    "choice": ["context", "question", "choice_1", "choice_2", "choice_3"],
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    """A classifier for each task, whose head is random."""
    folder = tmp_path_factory.mktemp("predict")
    model, tokenizer = gptlite.load()
    for task, labels in LABELS.items():
        built = Classifier.build(model, len(labels), choosing=task == "choice", seed=3)
        built.head[:] = np.random.default_rng(0).normal(0, 0.1, built.head.shape)
        FineTuned(built, tokenizer, task, labels, n_ctx=64).save_pretrained(folder / task)
    return folder


@pytest.mark.parametrize("task", LABELS)
def test_a_line(folders, capsys, task):
    fine_tuned = FineTuned.from_pretrained(folders / task)
    for texts in TEXTS[task]:
        expected = fine_tuned.probabilities([texts])[0]
        given, more = texts, []
        if task == "choice":
            given, more = [texts[0], *texts[2:]], ["--question", texts[1]]
        assert main([str(folders / task), *given, *more]) == 0
        lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
        assert [label for _, label in lines] == [LABELS[task][i] for i in (-expected).argsort()]
        shares = sorted(expected.tolist(), reverse=True)
        assert [float(share) for share, _ in lines] == pytest.approx(shares, rel=5.1e-3)
        assert main([str(folders / task), *more, "--json", *given]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["label"] == lines[0][1]
        assert list(found["probabilities"]) == LABELS[task]
        assert list(found["probabilities"].values()) == pytest.approx(expected.tolist())


@pytest.mark.parametrize("task", LABELS)
@pytest.mark.parametrize("labelled", [True, False])
def test_a_table(folders, tmp_path, capsys, task, labelled):
    rows = [dict(zip(COLUMNS[task], texts, strict=True)) for texts in TEXTS[task]] * 70
    if labelled:  # not looked at
        rows = [row | {"label": "unknown"} for row in rows]
    table = tmp_path / "t.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    expected = FineTuned.from_pretrained(folders / task).predict(TEXTS[task]) * 70
    assert main([str(folders / task), "--data", str(table)]) == 0
    printed, said = capsys.readouterr()
    lines = [line.split("\t") for line in printed.splitlines()]
    assert [label for label, _ in lines] == expected
    assert all(1 / len(LABELS[task]) <= float(share) <= 1 for _, share in lines)
    assert said == ""
    assert main([str(folders / task), "--data", str(table), "--json"]) == 0
    objects = map(json.loads, capsys.readouterr().out.splitlines())
    assert [found["label"] for found in objects] == expected


def test_columns_and_standard_input(folders, tmp_path, capsys, monkeypatch):
    (tmp_path / "t.csv").write_text("sentence\nThey danced.\n")
    directory = str(folders / "classification")
    renamed = ["--data", str(tmp_path / "t.csv"), "--columns", "text=sentence"]
    assert main([directory, *renamed]) == 0
    label = capsys.readouterr().out.split("\t")[0]
    monkeypatch.setattr(sys, "stdin", io.StringIO("They danced.\n"))
    assert main([directory, "-"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split()[1] == label


@pytest.mark.parametrize(
    ("task", "given", "message"),
    [
        ("classification", [], "give either the texts of one example, or --data with a table"),
        ("classification", ["a", "--data", "b.csv"], "give either the texts of one example"),
        ("classification", ["a", "b"], "classification takes text: found 2 texts"),
        ("classification", ["a", "--question", "b"], "--question belongs to a choice"),
        ("classification", ["--data", "nowhere.csv"], "nowhere.csv"),
        ("classification", ["--data", "x.csv", "--question", "b"], "a table has a column question"),
        ("entailment", ["a"], "entailment takes premise and hypothesis: found 1 texts"),
        ("choice", ["a", "b", "c"], "expected 3 choices, found 2"),
        ("nothing", ["a"], "no task.json there: expected the folder of a classifier that gptlite"),
        ("choice/task.json", ["a"], "choice/task.json: no task.json there: expected the folder of"),
    ],
)
def test_what_cannot_be_predicted(folders, capsys, task, given, message):
    assert main([str(folders / task), *given]) == 2
    printed, said = capsys.readouterr()
    assert printed == ""
    assert said.startswith("gptlite predict: error: ")
    assert message in said
    assert said.count("\n") == 1
