"""The command ``python -m gptlite.finetune``: tasks, arms, more text, and what it refuses."""

import errno
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gptlite
from gptlite import GPT, GPTConfig, Tokenizer
from gptlite.command import significant
from gptlite.finetune import FineTuned, finetuned, run
from gptlite.finetune.__main__ import main
from gptlite.finetune.epochs import Epoch, Measured
from gptlite.finetune.examples import read_examples
from gptlite.outputs import output_folder
from gptlite.training.losses import next_token_losses

QUICK = ["--batch", "8", "--learning-rate", "1e-2", "--warm-up", "0.1", "--dropout", "0"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A tiny model, and for each task a file to learn from and one to measure with."""
    folder = tmp_path_factory.mktemp("finetune")
    rng = random.Random(0)
    tokenizer = Tokenizer.train(["red green blue cat dog is the a"] * 3, 275)
    tokenizer.save_pretrained(folder / "model")
    GPT.init(GPTConfig(tokenizer.n_vocab, 24, 16, 2, 2), seed=5).save_pretrained(folder / "model")
    for part, n in (("train", 48), ("held", 16)):
        rows = []
        for _ in range(n):
            color, animal = rng.choice(["red", "blue"]), rng.choice(["cat", "dog"])
            other = {"red": "blue", "blue": "red"}[color]
            same = rng.random() < 0.5
            rows.append(
                {
                    "text": f"the {animal} is {color}",
                    "premise": f"a {color} {animal}",
                    "hypothesis": f"{color if same else other}",
                    "first": color,
                    "second": color if same else other,
                    "context": f"the {color}",
                    "choice_1": color if same else other,
                    "choice_2": other if same else color,
                    "class": color,
                    "label": "same" if same else "other",
                    "right": "1" if same else "2",
                }
            )
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{part}.jsonl").write_text(lines)
    (folder / "text.txt").write_text("the red cat is a blue dog " * 8)
    pairs = [{"prompt": f"the {c} ", "completion": f"{c} dog"} for c in ("red", "blue", "green")]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    return folder


def arguments(folder: Path, out: Path, *more: str) -> list[str]:
    given = ["--data", str(folder / "train.jsonl"), "--validation", str(folder / "held.jsonl")]
    return [*given, "--model", str(folder / "model"), "--out", str(out), *QUICK, *more]


CLASSES = ["--columns", "label=class"]
TASKS = {
    "classification": CLASSES,
    "entailment": [],
    "similarity": [],
    "choice": ["--columns", "label=right"],
}


@pytest.mark.parametrize("task", TASKS)
def test_a_task_from_a_file_to_a_classifier(folder, tmp_path, capsys, task):
    out = tmp_path / "deep" / "out"
    assert main(arguments(folder, out, "--task", task, *TASKS[task], "--epochs", "2")) == 0
    printed, said = capsys.readouterr()
    fine_tuned = FineTuned.from_pretrained(out)
    columns = dict([TASKS[task][1].split("=")]) if TASKS[task] else {}
    held = read_examples(folder / "held.jsonl", task, columns)
    chosen = fine_tuned.predict([example.texts for example in held])
    right = [example.label for example in held]
    accuracy = np.mean([a == b for a, b in zip(chosen, right, strict=True)])

    # Standard output has the result and nothing else, of the classifier that was saved.
    first, head, *rows, last = printed.splitlines()
    assert first.startswith(f"accuracy {significant(accuracy)} of 16 (always ")
    assert head.split() == ["|", *fine_tuned.labels]
    for label, row in zip(fine_tuned.labels, rows, strict=True):
        name, _, *counts = row.split()
        assert name == label
        pairs = list(zip(right, chosen, strict=True))
        assert [int(n) for n in counts] == [
            pairs.count((label, each)) for each in fine_tuned.labels
        ]
    assert last == f"the classifier is in {out}"
    assert said.count("epoch ") == 2
    assert "Traceback" not in said


def test_it_learns(folder, tmp_path, capsys):
    more = ["--task", "classification", *CLASSES, "--epochs", "8"]
    assert main(arguments(folder, tmp_path / "out", *more)) == 0
    assert capsys.readouterr().out.startswith("accuracy 1.00 of 16 (always ")


def test_the_majority_is_that_of_what_was_learned_from(folder, tmp_path, capsys):
    (tmp_path / "train.csv").write_text("text,label\n" + "red,x\n" * 3 + "blue,y\n")
    (tmp_path / "held.csv").write_text("text,label\nred,x\nblue,y\nblue,y\nblue,y\n")
    given = ["--data", str(tmp_path / "train.csv"), "--validation", str(tmp_path / "held.csv")]
    more = ["--model", str(folder / "model"), "--out", str(tmp_path / "out"), "--epochs", "1"]
    assert main([*given, *more, "--task", "classification"]) == 0
    assert "of 4 (always 'x': 0.250), loss" in capsys.readouterr().out


@pytest.mark.parametrize("arm", ["frozen", "scratch", "0", "1", "full"])
def test_arms(folder, tmp_path, arm):
    out = tmp_path / "out"
    more = ["--task", "classification", *CLASSES, "--arm", arm, "--epochs", "1"]
    # So small a step that all stays near where it began.
    assert main([*arguments(folder, out, *more), "--learning-rate", "1e-6"]) == 0
    begun = GPT.from_pretrained(folder / "model").parameters
    found = FineTuned.from_pretrained(out).classifier.model.parameters
    n = begun["wte.weight"].shape[0]
    near = {
        name: np.allclose(
            found[name][:n] if name == "wte.weight" else found[name], array, atol=1e-4
        )
        for name, array in begun.items()
        if not name.endswith(("bias", "ln_1.weight", "ln_2.weight", "ln_f.weight"))
    }
    if arm == "frozen":
        assert all(np.array_equal(found[name][: len(a)], a) for name, a in begun.items())
    kept = {"frozen": "wh", "full": "wh", "0": "w", "1": ("w", "h.0."), "scratch": ()}[arm]
    for name, close in near.items():
        assert close == name.startswith(tuple(kept)), name


def test_without_validation(folder, tmp_path, capsys):
    out = tmp_path / "out"
    given = ["--data", str(folder / "train.jsonl"), "--model", str(folder / "model")]
    assert main([*given, "--out", str(out), "--task", "entailment", "--epochs", "1"]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("loss ")
    assert last == f"the classifier is in {out}"
    assert FineTuned.from_pretrained(out).n_ctx == 24


def test_the_same_command_gives_the_same_classifier(folder, tmp_path):
    def run(name: str, *more: str) -> bytes:
        options = ["--task", "similarity", "--epochs", "1", "--dropout", "0.1", *more]
        assert main([*arguments(folder, tmp_path / name, *options)]) == 0
        return (tmp_path / name / "model.safetensors").read_bytes()

    assert run("a") == run("b") != run("c", "--seed", "1")


# ---- More text ----------------------------------------------------------------------------------


def lm(folder: Path, out: Path, data: str, *more: str) -> list[str]:
    given = ["--data", str(folder / data), "--validation", str(folder / data)]
    model = ["--model", str(folder / "model"), "--out", str(out)]
    return ["--objective", "lm", *given, *model, *QUICK, *more]


def test_more_text(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(lm(folder, out, "text.txt", "--epochs", "20")) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert last == f"the model is in {out}"
    losses = []
    for directory in (folder / "model", out):
        model, tokenizer = gptlite.load(directory)
        text = tokenizer.encode((folder / "text.txt").read_text())
        ids = [tokenizer.eot, *text, tokenizer.eot]
        losses.append(next_token_losses(model, ids).mean())
    assert losses[1] < losses[0] - 1
    before, after = losses
    expected = (
        f"validation loss {significant(before)} nats per token before, "
        f"{significant(after)} after epoch "
    )
    assert first.startswith(expected)


@pytest.mark.parametrize("name", ["stories.txt", "stories.jsonl"])
def test_documents_are_learned_one_by_one_up_to_their_end(
    folder, tmp_path, capsys, monkeypatch, name
):
    stories = ["the red cat", "a blue dog " * 20, "the dog"]
    text = {
        "stories.txt": "\n<|endoftext|>\n".join([*stories, ""]),
        "stories.jsonl": "".join(json.dumps({"text": story}) + "\n" for story in stories),
    }[name]
    (folder / name).write_text(text)
    learned, epoch = [], Epoch(1, 0.5, Measured(0.5, None, None), True)
    monkeypatch.setattr(
        run, "fine_tune_language_model", lambda model, rows, *_: learned.extend(rows) or [epoch]
    )
    assert main(lm(folder, tmp_path / "out", name)) == 0
    tokenizer = Tokenizer.from_pretrained(folder / "model")
    expected = [[tokenizer.eot, *tokenizer.encode(story), tokenizer.eot] for story in stories]
    assert [row.ids[0] for row in learned].count(tokenizer.eot) == 3
    targets = [token for row in learned for token in row.targets]
    assert targets == [token for ids in expected for token in ids[1:]]
    assert all(len(row.ids) <= 25 for row in learned)
    n_bytes, n_tokens = sum(map(len, stories)), len(targets)
    counted = f"1 file, 3 documents, {n_bytes} bytes, {n_tokens} tokens ("
    assert capsys.readouterr().err.count(counted) == 2  # of train, and of validation


def test_what_was_shortened_is_told(folder, tmp_path, capsys):
    long = [{"premise": "the red cat " * n, "hypothesis": "red", "label": "x"} for n in (1, 9)]
    long += [{"premise": "a dog", "hypothesis": "blue", "label": "y"}]
    (folder / "long.jsonl").write_text("".join(json.dumps(row) + "\n" for row in long))
    (folder / "short.jsonl").write_text("".join(json.dumps(row) + "\n" for row in long[::2]))
    given = ["--data", str(folder / "long.jsonl"), "--validation", str(folder / "short.jsonl")]
    given += ["--model", str(folder / "model"), "--task", "entailment", "--epochs", "1", *QUICK]
    assert main([*given, "--out", str(tmp_path / "a")]) == 0
    said = capsys.readouterr().err.splitlines()
    assert "train: 3 examples, 1 of them shortened to fit 24 tokens" in said
    assert "validation: 2 examples" in said
    pairs = [{"prompt": "the dog " * 20, "completion": "red"}, {"prompt": "a", "completion": "b"}]
    (folder / "long-pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    assert main(lm(folder, tmp_path / "b", "long-pairs.jsonl", "--epochs", "1")) == 0
    said = capsys.readouterr().err.splitlines()
    assert "train: 2 completions, 1 of them shortened to fit 24 tokens" in said


def test_json_lines_without_a_text(folder, tmp_path, capsys):
    (folder / "odd.jsonl").write_text('{"text": "the cat"}\n{"story": "the dog"}\n')
    said = refused(capsys, lm(folder, tmp_path / "out", "odd.jsonl"))
    assert said.endswith("odd.jsonl, line 2: expected a column \"text\", found 'story'")
    assert not (tmp_path / "out").exists()


def test_prompts_masked_on_request(folder, tmp_path, capsys):
    """A masked prompt stays unlearned: the printed loss is that of the completions alone."""
    losses = {}
    for name, more in (("masked", ["--mask-prompts"]), ("whole", [])):
        out = tmp_path / name
        assert main(lm(folder, out, "pairs.jsonl", *more, "--epochs", "80")) == 0
        printed = float(capsys.readouterr().out.split()[7])
        model, tokenizer = gptlite.load(out)
        prompts, completions = [], []
        for c in ("red", "blue", "green"):
            prompt = tokenizer.encode(f"the {c} ")
            ids = [*prompt, *tokenizer.encode(f"{c} dog"), tokenizer.eot]
            nats = next_token_losses(model, ids)
            prompts += nats[: len(prompt) - 1].tolist()
            completions += nats[len(prompt) - 1 :].tolist()
        losses[name] = np.mean(prompts), np.mean(completions)
        expected = completions if name == "masked" else [*prompts, *completions]
        assert printed == pytest.approx(np.mean(expected), abs=1e-3)
    assert losses["masked"][0] > losses["whole"][0] + 1
    assert losses["masked"][1] < 1


# ---- Refusals -----------------------------------------------------------------------------------


def refused(capsys, given: list[str]) -> str:
    try:
        status = main(given)
    except SystemExit as ended:
        status = ended.code
    printed, said = capsys.readouterr()
    assert status == 2
    assert printed == ""
    # What was found in the texts may have been said before.
    counted = ("train: ", "validation: ")
    said = "".join(line for line in said.splitlines(True) if not line.startswith(counted))
    assert said.count("\n") == 1
    return said.removeprefix("gptlite finetune: error: ").rstrip()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "--task is needed: one of classification, entailment, similarity, choice"),
        (["--task", "cooking"], "argument --task: invalid choice: 'cooking'"),
        (["--task", "entailment", "--columns", "label"], "--columns: expected NAME=COLUMN"),
        (["--task", "entailment", "--columns", "label=no"], "line 1: no column 'no'"),
        (["--task", "entailment", "--arm", "half"], "--arm must be full, frozen, scratch or a num"),
        (["--task", "entailment", "--arm", "3"], "--arm must keep 0 to 2 blocks"),
        (["--task", "entailment", "--n-ctx", "25"], "--n-ctx must be 1 to the model's 24, not 25"),
        (["--task", "entailment", "--n-ctx", "3"], "n_ctx leaves room for 0 tokens of text"),
        (["--task", "entailment", "--epochs", "0"], "epochs must be at least 1, not 0"),
        (["--task", "entailment", "--mask-prompts"], "--mask-prompts belongs to --objective lm"),
        (["--task", "entailment", "--data", "no.csv"], "no.csv"),
        (["--objective", "lm", "--task", "choice"], "--task does not belong to --objective lm"),
        (["--objective", "lm", "--arm", "full"], "--arm does not belong to --objective lm"),
    ],
)
def test_what_a_user_can_cause_is_one_line(folder, tmp_path, capsys, more, message):
    assert message in refused(capsys, arguments(folder, tmp_path / "out", *more))
    assert not (tmp_path / "out").exists()


def test_labels_only_validation_has_are_refused(folder, tmp_path, capsys):
    held = tmp_path / "held.csv"
    held.write_text("premise,hypothesis,label\na,b,same\na,b,perhaps\n")
    given = arguments(folder, tmp_path / "out", "--task", "entailment", "--validation", str(held))
    expected = f"{held}, line 3: unknown label 'perhaps': expected one of 'other', 'same'"
    assert refused(capsys, given) == expected


def test_a_model_that_is_there_is_not_overwritten(folder, capsys):
    before = (folder / "model" / "model.safetensors").read_bytes()
    said = refused(capsys, arguments(folder, folder / "model", "--task", "entailment"))
    assert "is not empty: choose another folder, or --overwrite what is there" in said
    assert (folder / "model" / "model.safetensors").read_bytes() == before
    said = refused(capsys, arguments(folder, folder / "text.txt", "--task", "entailment"))
    assert said == f"{folder / 'text.txt'}: not a directory"


def test_interrupted(folder, tmp_path, capsys, monkeypatch):
    out, saved = tmp_path / "out", FineTuned.save_pretrained

    def save_and_stop(self: FineTuned, directory: str) -> None:
        saved(self, directory)
        raise KeyboardInterrupt

    monkeypatch.setattr(FineTuned, "save_pretrained", save_and_stop)
    assert main(arguments(folder, out, "--task", "entailment")) == 130
    assert f"interrupted: the best model so far is in {out}" in capsys.readouterr().err
    assert FineTuned.from_pretrained(out).labels == ["other", "same"]


@pytest.fixture
def unopened(monkeypatch) -> None:
    """Bad options are refused before a model is opened."""
    monkeypatch.setattr(gptlite, "load", lambda *_, **__: pytest.fail("it opened the model"))


@pytest.mark.parametrize("objective", ["task", "lm"])
@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "vocab.json",
        "pytorch_model.bin",
        "model-00001-of-00002.safetensors",
        "hparams.json",
        "notes.txt",
    ],
)
def test_a_folder_that_holds_anything_is_left_alone(
    folder, tmp_path, capsys, unopened, name, objective
):
    (tmp_path / name).write_text("mine")
    given = {
        "task": arguments(folder, tmp_path, "--task", "entailment"),
        "lm": lm(folder, tmp_path, "text.txt"),
    }
    said = refused(capsys, given[objective])
    assert said == f"{tmp_path} is not empty: choose another folder, or --overwrite what is there"
    assert [p.read_text() for p in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("objective", ["task", "lm"])
def test_a_place_that_cannot_be_written_to_is_refused(
    folder, tmp_path, capsys, unopened, objective
):
    leads_nowhere = tmp_path / "link"
    leads_nowhere.symlink_to(tmp_path / "nowhere")
    places = ["", leads_nowhere, folder / "text.txt", folder / "text.txt" / "below" / "it"]
    places += [Path("/proc/x/y")] if Path("/proc/self").exists() else []
    for place in places:
        given = {
            "task": arguments(folder, place, "--task", "entailment"),
            "lm": lm(folder, place, "text.txt"),
        }
        said = refused(capsys, given[objective])
        assert said.startswith(f"{place}: ") if place else said.endswith("must have a name")


def test_what_is_to_be_replaced_is(folder, tmp_path, capsys):
    """Another model, and a classifier that was begun while that was there."""
    GPT.init(GPTConfig(n_vocab=300, n_ctx=4, n_embd=4, n_head=1, n_layer=1)).save_pretrained(
        tmp_path
    )
    (tmp_path / "notes.txt").write_text("mine")
    given = arguments(folder, tmp_path, "--task", "entailment", "--epochs", "2")
    assert "is not empty" in refused(capsys, given)
    assert main([*given, "--overwrite"]) == 0
    assert FineTuned.from_pretrained(tmp_path).task == "entailment"
    assert (tmp_path / "notes.txt").read_text() == "mine" and not (tmp_path / ".lock").exists()


def test_interrupted_before_anything_was_saved(folder, tmp_path, capsys, monkeypatch):
    """The model there is not this run's, and not mixed with it either."""
    out = tmp_path / "out"
    assert main(arguments(folder, out, "--task", "entailment")) == 0
    given = [*arguments(folder, out, "--task", "classification"), "--overwrite"]

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(gptlite, "load", stop)
        capsys.readouterr()
        assert main(given) == 130
        assert capsys.readouterr().err == "gptlite finetune: error: interrupted\n"
    assert FineTuned.from_pretrained(out).task == "entailment"
    with monkeypatch.context() as patch:
        patch.setattr(finetuned, "write_tensors", stop)
        assert main(given) == 130
        assert capsys.readouterr().err.endswith("gptlite finetune: error: interrupted\n")
    assert not (out / "model.safetensors").exists()
    assert main(given[:-1]) == 0  # what is there is unfinished, and this command's own
    assert FineTuned.from_pretrained(out).task == "classification"


def test_two_at_once_and_a_disk_that_is_full(folder, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    for given in (arguments(folder, out, "--task", "entailment"), lm(folder, out, "text.txt")):
        with output_folder(out, "model.safetensors"):
            said = refused(capsys, given)
            assert said == f"{out}: another process is writing there"
        usage = shutil.disk_usage(tmp_path)._replace(free=1000)
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
            said = refused(capsys, given)
            assert said.startswith(f"{out}: ") and said.endswith("of free disk space, found 1,000")
        assert not out.exists()

        def fail(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(finetuned, "write_tensors", fail)
            patch.setattr(GPT, "save_pretrained", fail)
            assert main(given) == 2 and "no space left" in capsys.readouterr().err
        assert main(given) == 0  # the same command goes on where that one stopped
        capsys.readouterr()
        shutil.rmtree(out)


def test_an_empty_folder_will_do(folder, tmp_path):
    assert main(arguments(folder, tmp_path, "--task", "entailment", "--epochs", "1")) == 0
    assert FineTuned.from_pretrained(tmp_path).task == "entailment"


@pytest.mark.parametrize("part", ["data", "validation"])
@pytest.mark.parametrize("n", [2, 4])
def test_another_number_of_choices_is_refused(folder, tmp_path, capsys, unopened, part, n):
    def choices(name: str, n: int) -> str:
        names = [f"choice_{i}" for i in range(1, n + 1)]
        lines = [",".join(["context", *names, "label"]), ",".join(["the", *"abcd"[:n], "1"])]
        (tmp_path / name).write_text("\n".join(lines))
        return str(tmp_path / name)

    three, other = choices("three.csv", 3), choices("other.csv", n)
    files = {"data": [three], "validation": [three]}
    files[part].append(other)
    given = ["--data", *files["data"], "--validation", *files["validation"], "--task", "choice"]
    said = refused(capsys, [*given, "--model", str(folder / "model"), "--out", str(tmp_path / "o")])
    assert said == f"{other}, line 2: {n} choices, but {three}, line 2 has 3"


def test_one_label_is_too_few(folder, tmp_path, capsys, unopened):
    data = tmp_path / "one.csv"
    data.write_text("text,label\na,same\nb, same \n")
    given = arguments(folder, tmp_path / "out", "--task", "classification", "--data", str(data))
    assert refused(capsys, given) == f"{data}: every label is 'same': at least 2 are needed"


def test_options_without_effect_are_refused(folder, tmp_path, capsys, unopened):
    frozen = ["--task", "entailment", "--arm", "frozen", "--lm-weight", "0.5"]
    said = refused(capsys, arguments(folder, tmp_path / "out", *frozen))
    assert said == "--lm-weight does not belong to --arm frozen: only the head learns"
    said = refused(capsys, lm(folder, tmp_path / "out", "text.txt", "--mask-prompts"))
    assert said == "--mask-prompts needs tables with the columns prompt and completion"


def test_a_table_without_rows_is_named(folder, tmp_path, capsys, unopened):
    (tmp_path / "empty.csv").write_text("prompt,completion\n")
    given = lm(folder, tmp_path / "out", "text.txt", "--data", str(tmp_path / "empty.csv"))
    assert refused(capsys, given) == f"{tmp_path / 'empty.csv'}: no prompts and completions"


@pytest.mark.parametrize("validated", [True, False])
def test_what_has_diverged_is_an_error_and_not_written(folder, tmp_path, capsys, validated):
    given = lm(folder, tmp_path / "out", "text.txt", "--epochs", "1", "--learning-rate", "1e30")
    if not validated:
        at = given.index("--validation")
        del given[at : at + 2]
    assert "training has diverged" in refused(capsys, given)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arm", ["full", "frozen"])
def test_what_diverges_says_so_in_one_line(folder, tmp_path, arm):
    """NumPy does not warn of it as well, whichever thread it is in."""
    options = ["--task", "entailment", "--arm", arm, "--epochs", "1", "--learning-rate", "1e39"]
    run = subprocess.run(
        [sys.executable, "-m", "gptlite.finetune", *arguments(folder, tmp_path / "out", *options)],
        capture_output=True,
        check=False,
        text=True,
    )
    assert (run.returncode, run.stdout) == (2, "")
    *counted, said = run.stderr.splitlines()
    assert counted == ["train: 48 examples", "validation: 16 examples"]
    assert "training has diverged" in said


@pytest.mark.parametrize("data", ["text.txt", "pairs.jsonl"])
def test_windows_of_fewer_tokens(folder, tmp_path, monkeypatch, data):
    seen = []

    def learn(model, train, *_):
        seen.extend(len(text.ids) for text in train)
        raise FloatingPointError("enough")

    monkeypatch.setattr("gptlite.finetune.run.fine_tune_language_model", learn)
    assert main(lm(folder, tmp_path / "out", data, "--n-ctx", "7")) == 2
    assert max(seen) == 8


def test_without_validation_every_epoch_is_written(folder, tmp_path, monkeypatch):
    saved, save = [], FineTuned.save_pretrained
    monkeypatch.setattr(
        FineTuned, "save_pretrained", lambda self, path: saved.append(save(self, path))
    )
    given = ["--data", str(folder / "train.jsonl"), "--model", str(folder / "model"), *QUICK]
    options = ["--out", str(tmp_path / "out"), "--task", "entailment", "--epochs", "3"]
    assert main([*given, *options]) == 0
    assert len(saved) == 3


def test_a_classifier_is_no_model_to_begin_with(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(arguments(folder, out, "--task", "entailment", "--epochs", "1")) == 0
    capsys.readouterr()
    given = arguments(folder, tmp_path / "next", "--task", "entailment", "--model", str(out))
    said = refused(capsys, given)
    assert said.endswith("to be opened with gptlite.finetune.FineTuned.from_pretrained")


def test_labels_and_folders_of_any_language_are_printed_whatever_the_locale(folder, tmp_path):
    data, out = tmp_path / "data.csv", tmp_path / "sortie é"
    data.write_text("text,label\nred,été\nblue,hiver\n", encoding="utf-8")
    given = ["--data", data, "--validation", data, "--model", folder / "model"]
    options = [*given, "--out", out, "--task", "classification", "--epochs", "1"]
    run = subprocess.run(
        [sys.executable, "-m", "gptlite.finetune", *map(str, options)],
        env={**os.environ, "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    printed = run.stdout.decode("utf-8")
    assert "été" in printed
    assert printed.endswith(f"the classifier is in {out}\n")
