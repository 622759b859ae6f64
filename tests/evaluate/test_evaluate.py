"""The command ``python -m gptlite.evaluate``: results, files, going on after an interruption."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gptlite
from gptlite import GPTConfig, Tokenizer
from gptlite.evaluate import forms, run
from gptlite.evaluate.__main__ import main
from gptlite.evaluate.benchmarks import read_choices
from gptlite.tasks.choice import accuracy
from gptlite.training.losses import bits_per_byte, next_token_losses
from models import random_model

ROOT = Path(__file__).resolve().parents[2]
TEXT = "the cat and the dog ran to the house because it was late"
WORDS = TEXT.split()
TOKENIZER = Tokenizer.train([TEXT] * 3, 300)
CONFIG = GPTConfig(n_vocab=TOKENIZER.n_vocab, n_ctx=32, n_embd=8, n_head=2, n_layer=2)
FORMS = ("perplexity", "lambada", "cbt", "hellaswag", "choice")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    random_model(CONFIG).save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    return folder


@pytest.fixture
def files(tmp_path, monkeypatch) -> Path:
    """A file for each form, under its name."""
    rng = np.random.default_rng(1)

    def words(n: int) -> str:
        return " ".join(rng.choice(WORDS, n))

    def lines(rows: list[dict]) -> str:
        return "\n".join(map(json.dumps, rows))

    texts = {
        "perplexity": words(400) + " .\n",
        "lambada": lines([{"text": words(int(n))} for n in rng.integers(5, 60, 30)]),
        "hellaswag": lines(
            [{"ctx": words(9), "endings": [words(3), words(5)], "label": i % 2} for i in range(9)]
        ),
        "choice": lines(
            [
                {"prompt": words(3 + 5 * i), "options": [" cat", " dog ran", "s"], "answer": i % 3}
                for i in range(9)
            ]
        ),
        "cbt": "".join(
            "".join(f"{i} {words(4)} .\n" for i in range(1, 21))
            + f"21 {words(2)} XXXXX {words(2)}\tcat\t\tdog|cat|house\n\n"
            for _ in range(4)
        ),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def called(capsys, *args: str | Path) -> tuple[int, str, str]:
    try:
        status = main([str(arg) for arg in args])
    except SystemExit as caught:
        status = int(caught.code or 0)
    out, err = capsys.readouterr()
    return status, out, err


def complaint(capsys, *args: str | Path) -> str:
    status, out, err = called(capsys, *args)
    last = err.splitlines()[-1]
    assert (status, out) == (2, "") and last.startswith("gptlite evaluate: error: ")
    assert "Traceback" not in err
    return last


# ---- Results ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_the_table_is_what_the_file_says(files, model, capsys, form):
    status, out, _ = called(capsys, form, form, "--model", model, "-o", "out.json")
    assert status == 0
    written = json.loads((files / "out.json").read_text())
    rows = dict(line.split("  ", 1) for line in out.splitlines())
    rows = {name.strip(): value.strip() for name, value in rows.items()}
    about = written["about"]
    assert rows.pop("form") == about["form"] == form
    assert rows.pop("file") == about["file"] == form
    assert rows.pop("model") == about["model"] == str(model)
    for name, value in about["settings"].items():
        assert rows.pop(name) == str(value)
    assert list(rows) == [name.replace("_", " ") for name in written["results"]]
    for name, value in written["results"].items():
        shown = rows[name.replace("_", " ")].replace(",", "")
        assert float(shown) == pytest.approx(value, rel=5.1e-3, abs=0)
    status, out, _ = called(capsys, form, form, "--model", model, "--json")
    assert (status, json.loads(out)) == (0, written["results"])
    assert sorted(file.name for file in files.iterdir()) == sorted([*FORMS, "out.json"])


def results(capsys, *args: str | Path) -> dict:
    assert called(capsys, *args, "-o", "out.json")[0] == 0
    return json.loads(Path("out.json").read_text())


@pytest.mark.parametrize(
    ("options", "context", "stride"), [([], 32, 32), (["--context", "8", "--stride", "3"], 8, 3)]
)
def test_perplexity(files, model, capsys, options, context, stride):
    found = results(capsys, "perplexity", "perplexity", "--model", model, *options)
    text = (files / "perplexity").read_text()
    ids = [TOKENIZER.eot, *TOKENIZER.encode(text)]
    nats = float(next_token_losses(gptlite.load(model)[0], ids, context, stride).sum(dtype=float))
    expected = {
        "perplexity": math.exp(nats / (len(ids) - 1)),
        "perplexity_per_word": math.exp(nats / 401),
        "bits_per_byte": nats / math.log(2) / len(text),
        "documents": 1,
        "tokens": len(ids) - 1,
        "words": 401,
        "bytes": len(text),
    }
    assert found["results"] == pytest.approx(expected, rel=1e-6)
    assert found["about"]["settings"] == {
        "context": context,
        "stride": stride,
        "detokeniser": "none",
    }


@pytest.mark.parametrize("name", ["marked.txt", "rows.jsonl"])
def test_each_document_is_read_from_its_own_start(files, model, capsys, name):
    text = (files / "perplexity").read_text()
    documents = [text[:90], text[90:100], text[100:]]
    content = {
        "marked.txt": "\n<|endoftext|>\n".join(documents),
        "rows.jsonl": "".join(json.dumps({"text": each}) + "\n" for each in documents),
    }[name]
    (files / name).write_text(content)
    found = results(capsys, "perplexity", name, "--model", model)["results"]
    loaded = gptlite.load(model)
    if name == "marked.txt":
        documents = [each.strip("\n") for each in documents]
    bits = bits_per_byte(*loaded, documents)
    assert found["bits_per_byte"] == pytest.approx(bits, rel=1e-6)
    assert (found["documents"], found["bytes"]) == (3, sum(map(len, documents)))
    assert found["tokens"] == sum(len(TOKENIZER.encode(each)) for each in documents)
    _, _, err = called(capsys, "perplexity", name, "--model", model)
    n_tokens = found["tokens"] + 3
    assert err.startswith(f"1 file, 3 documents, {found['bytes']:,} bytes, {n_tokens:,} tokens (")


def test_words_and_bytes_are_the_file_s_whatever_the_detokeniser(files, model, capsys):
    found = results(
        capsys, "perplexity", "perplexity", "--model", model, "--detokeniser", "wikitext"
    )["results"]
    text = (files / "perplexity").read_text()
    assert (found["words"], found["bytes"]) == (401, len(text))
    assert found["tokens"] < len(TOKENIZER.encode(text))  # " ." has become "."


def test_a_page_without_a_space(files, model, capsys):
    """One word of a thousand letters: its perplexity is beyond what a float holds."""
    Path("perplexity").write_text("zq" * 500)
    assert called(capsys, "perplexity", "perplexity", "--model", model, "-o", "o")[0] == 0
    found = json.loads(Path("o").read_text())["results"]
    assert found["perplexity_per_word"] is None and found["bits_per_byte"] > 1
    _, out, _ = called(capsys, "perplexity", "perplexity", "--model", model)
    assert "perplexity per word  too large\n" in out


def test_choices(files, model, capsys):
    found = results(capsys, "choice", "choice", "--model", model)
    items = read_choices("choice")
    expected = accuracy(*gptlite.load(model), items.values())
    assert list(found["results"].values()) == list(expected)
    assert expected.n_cut > 0
    assert [row["line"] for row in found["items"]] == list(items) == list(range(1, 10))
    assert [row["cut"] > 0 for row in found["items"]].count(True) == expected.n_cut


def test_lambada_does_not_depend_on_what_is_read_side_by_side(files, model, capsys, monkeypatch):
    found = results(capsys, "lambada", "lambada", "--model", model)
    assert found["results"]["items"] == 30 and found["results"]["items_cut"] > 0
    monkeypatch.setattr(forms, "SIDE_BY_SIDE", 1)
    alone = results(capsys, "lambada", "lambada", "--model", model)
    assert alone["results"] == pytest.approx(found["results"], rel=1e-5)


# ---- Interrupted, and resumed -------------------------------------------------------------------


def interrupt_after(monkeypatch, n: int) -> None:
    """Ctrl-C after ``n`` batches."""
    evaluation = forms.Evaluation
    left = iter(range(n))

    def stopping(*fields):
        whole = evaluation(*fields)

        def measure_or_stop(batch):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return whole.measure_batch(batch)

        return whole._replace(measure_batch=measure_or_stop)

    monkeypatch.setattr(forms, "Evaluation", stopping)


@pytest.mark.parametrize("form", FORMS)
def test_an_evaluation_goes_on_where_it_stopped(files, model, capsys, monkeypatch, form):
    args = [form, form, "--model", model, "-o", "out.json"]
    if form == "perplexity":
        args += ["--context", "8"]
        monkeypatch.setattr("gptlite.training.losses.TOKENS", 16)  # many small batches
    whole = results(capsys, *args)
    Path("out.json").unlink()
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        status, out, err = called(capsys, *args)
        assert (status, out) == (130, "")
        assert err.splitlines()[-1].endswith("interrupted: --resume goes on from out.json.part")
    assert not Path("out.json").exists()
    part = json.loads(Path("out.json.part").read_text())
    assert part["batches"] == 2 and part["items"] == whole["items"][: len(part["items"])]

    assert "--resume goes on with it" in complaint(capsys, *args)
    measured = []
    with monkeypatch.context() as patch:
        evaluation = forms.Evaluation

        def counted(*fields):
            whole = evaluation(*fields)

            def count(batch):
                measured.append(batch)
                return whole.measure_batch(batch)

            return whole._replace(measure_batch=count)

        patch.setattr(forms, "Evaluation", counted)
        status, out, _ = called(capsys, *args, "--resume")
    assert status == 0 and out
    assert json.loads(Path("out.json").read_text()) == whole
    assert not Path("out.json.part").exists()
    if form == "cbt":
        assert len(measured) == 2  # of four


def test_it_is_saved_now_and_then(files, model, capsys, monkeypatch):
    """What a power cut would leave: the part is there while the evaluation goes on."""
    monkeypatch.setattr(run, "SAVE_EVERY", -1.0)
    seen = []
    choose_option = forms.choose_option

    def watched(*args):
        seen.append(Path("out.json.part").exists())
        return choose_option(*args)

    monkeypatch.setattr(forms, "choose_option", watched)
    results(capsys, "choice", "choice", "--model", model)
    assert seen == [False] + [True] * 8


def test_a_part_of_another_evaluation(files, model, capsys, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        called(capsys, "cbt", "cbt", "--model", model, "-o", "out.json")
    resume = ["-o", "out.json", "--resume"]
    before = Path("out.json.part").read_bytes()
    for args, what in [
        (["cbt", "cbt", "--model", model, "--detokeniser", "ptb"], "settings"),
        (["choice", "choice", "--model", model], "form"),
        (["cbt", "cbt"], "model"),
    ]:
        message = f"out.json.part: a part of an evaluation with another {what}"
        assert message in complaint(capsys, *args, *resume)
    Path("cbt").write_text(Path("cbt").read_text() + "\n")
    assert "with another file" in complaint(capsys, "cbt", "cbt", "--model", model, *resume)
    assert Path("out.json.part").read_bytes() == before


def test_results_that_could_not_be_written_are_not_lost(files, model, capsys, monkeypatch):
    args = ["choice", "choice", "--model", model, "-o", "out.json"]
    whole = results(capsys, *args)
    Path("out.json").unlink()

    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(run, "write_json", full)
        assert "out.json: no space left on device" in complaint(capsys, *args)
    monkeypatch.delattr(forms, "choose_option")  # nothing is measured again
    assert called(capsys, *args, "--resume")[0] == 0
    assert json.loads(Path("out.json").read_text()) == whole
    assert not Path("out.json.part").exists()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        '{"about": {}, "items": 3, "batches": 1}',
        '{"about": [], "items": [], "batches": 0}',
        '{"about": {}, "items": [], "batches": true}',
        '{"about": {}, "items": [], "batches": "0"}',
    ],
)
def test_a_part_that_is_damaged(files, model, capsys, content):
    Path("out.json.part").write_text(content)
    message = complaint(capsys, "choice", "choice", "--model", model, "-o", "out.json", "--resume")
    assert "out.json.part: not a part of an evaluation" in message
    assert Path("out.json.part").read_text() == content


@pytest.mark.parametrize("form", FORMS)
def test_a_part_whose_items_are_not_those_of_its_batches(files, model, capsys, monkeypatch, form):
    args = [form, form, "--model", model, "-o", "out.json"]
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        called(capsys, *args)
    if form == "perplexity":  # which has one batch
        monkeypatch.setattr("gptlite.training.losses.TOKENS", 32)
        with monkeypatch.context() as patch:
            Path("out.json.part").unlink()
            interrupt_after(patch, 1)
            called(capsys, *args)
    part = json.loads(Path("out.json.part").read_text())
    items, [first, *rest] = part["items"], part["items"]
    name = list(first)[-1]
    known = "tokens" if form == "perplexity" else "line"
    for change, message in [
        ({"items": []}, f"expected {len(items)} items, found 0"),
        ({"items": [*items, first]}, f"expected {len(items)} items, found {len(items) + 1}"),
        ({"batches": 0}, f"expected 0 items, found {len(items)}"),
        ({"batches": -1}, "batches, found -1"),
        ({"batches": 10**9}, "batches, found 1000000000"),
        ({"items": [{}, *rest]}, "item 1: expected "),
        ({"items": [3, *rest]}, "item 1: expected "),
        ({"items": [first | {name: "x"}, *rest]}, "item 1: expected "),
        ({"items": [first | {name: None}, *rest]}, "item 1: expected "),
        ({"items": [first | {"more": 1}, *rest]}, "item 1: expected "),
        ({"items": [first | {known: first[known] + 1}, *rest]}, f"expected {known} {first[known]}"),
        ({"items": [*items[:-1], items[-1] | {known: 0}]}, f"item {len(items)}: expected "),
    ]:
        Path("out.json.part").write_text(json.dumps(part | change))
        found = complaint(capsys, *args, "--resume")
        assert "out.json.part: not a part of an evaluation (" in found and message in found
    Path("out.json.part").write_text(json.dumps(part))
    assert called(capsys, *args, "--resume")[0] == 0


# ---- Where the results are to lie ---------------------------------------------------------------


def test_a_place_that_is_no_file_is_refused_before_the_work(files, capsys, monkeypatch):
    monkeypatch.delattr(gptlite, "load")
    Path("folder").mkdir()
    os.mkfifo("pipe")
    os.mkfifo("a.part")
    Path("b.part").mkdir()
    found = "expected the name of a file, found a"
    for output, message in [
        ("folder", f"folder: {found} folder"),
        ("", f".: {found} folder"),
        ("pipe", f"pipe: {found} device, pipe or socket"),
        ("a", f"a.part: {found} device, pipe or socket"),
        ("b", f"b.part: {found} folder"),
    ]:
        for more in ([], ["--resume"]):
            assert message in complaint(capsys, "choice", "choice", "-o", output, *more)


def test_a_file_that_holds_no_results_is_not_replaced(files, model, capsys):
    Path("mine").write_text("mine")
    message = "mine holds something else: choose another name, or --overwrite what is there"
    assert message in complaint(capsys, "choice", "choice", "-o", "mine")
    assert Path("mine").read_text() == "mine"
    args = ["choice", "choice", "--model", model, "-o", "mine"]
    assert called(capsys, *args, "--overwrite")[0] == 0
    assert called(capsys, *args)[0] == 0  # results are


def test_the_file_that_is_evaluated_is_not_replaced(files, capsys, monkeypatch):
    monkeypatch.delattr(gptlite, "load")
    before = Path("choice").read_bytes()
    Path("link").symlink_to("choice")
    Path("other.part").symlink_to("choice")
    for file, output in [
        ("choice", "choice"),
        ("choice", files / "choice"),
        ("choice", "link"),
        ("link", "choice"),
        ("other.part", "other"),
    ]:
        message = f"--output {output} would replace the file that is evaluated"
        assert message in complaint(capsys, "choice", file, "-o", output)
    assert Path("choice").read_bytes() == before
    assert sorted(path.name for path in files.iterdir()) == sorted([*FORMS, "link", "other.part"])


def test_nothing_is_hashed_where_no_part_is_kept(files, model, capsys, monkeypatch):
    monkeypatch.delattr(run, "fingerprint")
    assert called(capsys, "choice", "choice", "--model", model)[0] == 0


# ---- Errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "the following arguments are required: FORM"),
        (["glue", "choice"], "invalid choice: 'glue'"),
        (["choice"], "the following arguments are required: FILE"),
        (["choice", "nowhere"], "nowhere: no such file or directory"),
        (["choice", "perplexity"], "perplexity, line 1: not JSON"),
        (["lambada", "choice"], "choice, line 1: expected a text 'text', found None"),
        (["perplexity", "empty"], "empty: there is no text in it"),
        (["perplexity", "perplexity", "--stride", "0"], "stride must be 1 to the context's 512"),
        (["perplexity", "perplexity", "--context", "513"], "context must be 1 to 512, not 513"),
        (["perplexity", "latin"], "latin"),
        (["choice", "choice", "-o", "nowhere/out"], "nowhere/out: no such file or directory"),
        (["choice", "choice", "--resume"], "--resume needs --output"),
        (
            ["choice", "choice", "-o", "out", "--resume"],
            "out.part: no such file: nothing to resume",
        ),
        (["choice", "choice", "--model", "nowhere/x"], "nowhere/x: no such directory or file"),
        (["cbt", "cbt", "--detokeniser", "x"], "argument --detokeniser: invalid choice: 'x'"),
    ],
)
def test_errors_are_one_line(files, capsys, args, message):
    Path("empty").write_text(" \n")
    Path("latin").write_bytes(b"caf\xe9")
    status, out, err = called(capsys, *args)
    assert (status, out) == (2, "")
    assert err.startswith("gptlite evaluate") and ": error: " in err and message in err
    assert err.count("\n") == 1
    assert not list(files.glob("out*"))


@pytest.mark.parametrize("form", ["lambada", "choice", "cbt", "hellaswag"])
def test_an_item_that_does_not_fit_is_named_with_its_line(files, model, capsys, form):
    lines = Path(form).read_text().split("\n")
    number, change = {
        "lambada": (5, lambda row: row | {"text": "the " + "zq" * 99}),
        "choice": (4, lambda row: row | {"options": ["cat", "zq" * 99]}),
        "hellaswag": (9, lambda row: row | {"endings": ["cat", "zq" * 99]}),
        "cbt": (43, None),
    }[form]
    line = lines[number - 1]
    lines[number - 1] = json.dumps(change(json.loads(line))) if change else line + "zq" * 99
    Path(form).write_text("\n".join(lines))
    message = complaint(capsys, form, form, "--model", model)
    assert f"error: {form}, line {number}: " in message
    assert message.endswith("of the longest option do not fit: the model has 32 positions")


def test_as_a_shell_runs_it(files):
    command = [sys.executable, "-W", "error", "-m", "gptlite.evaluate", "choice", "choice"]
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert done.stdout.startswith("form ") and done.stdout.count("\n") == 8


def test_everything_to_standard_output(files, model, capsys):
    status, out, _ = called(capsys, "choice", "choice", "--model", model, "-o", "-")
    assert status == 0
    assert called(capsys, "choice", "choice", "--model", model, "-o", "out.json")[0] == 0
    assert json.loads(out)["items"] == json.loads(Path("out.json").read_text())["items"]
    assert not (files / "-").exists()
