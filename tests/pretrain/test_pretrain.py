"""The command ``python -m gptlite.pretrain``: from text to a model, killed, resumed, misused."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import chain, count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import gptlite
from gptlite import GPT, GPTConfig, Tokenizer, files
from gptlite.command import significant
from gptlite.outputs import LOCK, output_folder
from gptlite.pretrain import run
from gptlite.pretrain import trainer as run_trainer
from gptlite.pretrain.__main__ import main, parsed
from gptlite.pretrain.trainer import STATE_FILE, Trainer
from gptlite.training import learner
from gptlite.training.losses import bits_per_byte, next_token_losses

SIZES = {"n-vocab": 270, "n-ctx": 16, "n-embd": 16, "n-head": 2, "n-layer": 1, "batch": 4}
TINY = [word for name, size in SIZES.items() for word in (f"--{name}", str(size))]
SIX_STEPS = [
    *TINY,
    "--tokens",
    "384",
    "--every",
    "2",
    "--dropout",
    "0.1",
    "--report-seconds",
    "600",
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Random words: two texts to train on, two to measure with, in folders train and validation."""
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdeéö", k=rng.randint(1, 6))) for _ in range(40)]
    folder = tmp_path_factory.mktemp("corpus")
    for name, n in {"train/a": 400, "train/b": 300, "validation/c": 90, "validation/d": 3}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        text = " ".join(rng.choices(words, k=n))
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


def arguments(corpus: Path, out: Path, *more: str) -> list[str]:
    texts = ["--data", str(corpus / "train"), "--validation", str(corpus / "validation")]
    return [*texts, "--out", str(out), *(more or SIX_STEPS)]


@pytest.fixture(scope="module")
def reference(corpus, tmp_path_factory) -> Path:
    """A run of six steps that nothing disturbed."""
    out = tmp_path_factory.mktemp("reference") / "run"
    assert main(arguments(corpus, out)) == 0
    return out


def log_of(out: Path) -> list[dict]:
    """The log, less the one thing in it that is a matter of luck."""
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]
    return [{k: v for k, v in line.items() if k != "tokens_per_second"} for line in lines]


def assert_same_run(out: Path, expected: Path) -> None:
    """Every file is bit for bit the same, but for times in the log and the archive."""
    assert {path.name for path in out.iterdir()} == {path.name for path in expected.iterdir()}
    for path in expected.iterdir():
        if path.name not in (STATE_FILE, "log.jsonl"):
            assert (out / path.name).read_bytes() == path.read_bytes(), path.name
    assert log_of(out) == log_of(expected)
    with np.load(out / STATE_FILE) as found, np.load(expected / STATE_FILE) as wanted:
        assert found.files == wanted.files
        for name in wanted.files:
            assert found[name].tobytes() == wanted[name].tobytes(), name


# ---- A run --------------------------------------------------------------------------------------


def test_from_text_to_a_model_that_load_opens(corpus, tmp_path, capsys):
    assert main(arguments(corpus, tmp_path / "deep" / "run")) == 0
    printed, complaints = capsys.readouterr()
    model, tokenizer = gptlite.load(tmp_path / "deep" / "run")
    sizes = model.config
    assert (sizes.n_ctx, sizes.n_embd, sizes.n_head, sizes.n_layer) == (16, 16, 2, 1)
    assert sizes.n_vocab == tokenizer.n_vocab == 270

    # Standard output has the result and nothing else.
    texts = [(corpus / "validation" / f"{name}.txt").read_text("utf-8") for name in "cd"]
    c, d = (bits_per_byte(model, tokenizer, text) for text in texts)
    assert printed.splitlines() == [
        f"{significant(c)} bits per byte  c.txt",
        f"{significant(d)} bits per byte  d.txt",
        f"{significant((c + d) / 2)} bits per byte on average",
        f"step 6 of 6: the model is in {tmp_path / 'deep' / 'run'}",
    ]
    log = log_of(tmp_path / "deep" / "run")  # which has more digits
    assert f"step 6, tokens 384, loss {significant(log[-1]['loss'])}, tokens per sec" in complaints
    assert "Traceback" not in complaints


def test_the_log_has_a_line_a_report(corpus, reference):
    log = log_of(reference)
    assert [line["step"] for line in log] == [2, 4, 6]
    assert [line["tokens"] for line in log] == [128, 256, 384]
    assert all(line["sample"].startswith("Once upon a time") for line in log)

    # The short text is one window, of the tokens it has; the long one as many as it holds.
    model, tokenizer = gptlite.load(reference)
    nats, n_bytes = [], 0
    for name in "cd":
        text = (corpus / "validation" / f"{name}.txt").read_text("utf-8")
        ids = [tokenizer.eot, *tokenizer.encode(text)]
        n = max(1, len(ids) // 17)
        for i in range(n):
            window = ids[i * (len(ids) // n) :][:17]
            nats += next_token_losses(model, window).tolist()
            n_bytes += len(tokenizer.decode_bytes(window[1:]))
    assert log[-1]["validation_loss"] == pytest.approx(np.mean(nats), abs=1e-4)
    bits = np.sum(nats) / np.log(2) / n_bytes
    assert log[-1]["validation_bits_per_byte"] == pytest.approx(bits, abs=1e-4)


def test_the_same_command_gives_the_same_run(corpus, reference, tmp_path):
    assert main(arguments(corpus, tmp_path / "run")) == 0
    ran = json.loads((tmp_path / "run" / "run.json").read_text())
    assert ran["options"]["n_vocab"] == 270
    assert_same_run(tmp_path / "run", reference)


def test_a_run_without_validation(corpus, tmp_path, capsys):
    out = tmp_path / "run"
    options = [*TINY, "--tokens", "1", "--seed", "3"]
    assert main(["--data", str(corpus / "train" / "a.txt"), "--out", str(out), *options]) == 0
    assert capsys.readouterr().out == f"step 1 of 1: the model is in {out}\n"
    assert [set(line) for line in log_of(out)] == [{"step", "tokens", "loss", "sample"}]
    assert log_of(out)[0]["step"] == 1


def test_a_given_vocabulary_is_taken(corpus, tmp_path):
    tokenizer = Tokenizer.train(["the cat and the dog"], 262)
    tokenizer.save_pretrained(tmp_path / "vocabulary")
    out = tmp_path / "run"
    given = ["--tokenizer", str(tmp_path / "vocabulary"), "--tokens", "64"]
    assert main(arguments(corpus, out, *TINY, *given)) == 0
    model, found = gptlite.load(out)
    assert model.config.n_vocab == found.n_vocab == 262
    assert found.encode("the cat") == tokenizer.encode("the cat")


def test_minutes_are_kept_to_whatever_a_step_was_expected_to_take(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "seconds_per_step", lambda trainer, tokens: 600.0)
    ticks = count()  # a clock that goes on by 10 ms whenever it is looked at
    clock = SimpleNamespace(perf_counter=lambda: next(ticks) / 100)
    monkeypatch.setattr(run_trainer, "time", clock)
    minutes = [*TINY, "--minutes", "0.01", "--report-seconds", "0.1"]
    assert main(arguments(corpus, tmp_path / "a", *minutes)) == 0
    log = log_of(tmp_path / "a")
    assert log[-1]["step"] > 3
    assert len(log) > 1
    with np.load(tmp_path / "a" / STATE_FILE) as state:
        clock = json.loads(str(state["about"]))["clock"]
    assert clock["spent"] >= 0.6
    assert clock["n_steps"] == log[-1]["step"]
    assert main(arguments(corpus, tmp_path / "b", *TINY, "--minutes", "0.000001")) == 0
    assert log_of(tmp_path / "b")[-1]["step"] == 1


def test_a_line_at_the_start(corpus, tmp_path, capsys):
    assert main(arguments(corpus, tmp_path / "run", *TINY, "--tokens", "384", "--every", "2")) == 0
    first, *others = capsys.readouterr().err.splitlines()
    n_bytes = sum(file.stat().st_size for file in (corpus / "train").iterdir())
    tokens = len(np.load(tmp_path / "run" / "tokens.npy"))
    n_params = gptlite.load(tmp_path / "run")[0].config.n_params
    assert first == (
        f"2 files, 2 documents, {n_bytes:,} bytes, {tokens:,} tokens ({tokens / n_bytes:.3f} a "
        f"byte); vocabulary 270; {n_params:,} parameters; 6 steps of 64 tokens "
        f"({384 / tokens:.3g} passes over the texts); about 0 seconds"
    )
    assert others[0] == (
        f"warning: a vocabulary of 270 is large for {tokens:,} tokens of text: each is seen "
        f"{tokens / 270:.0f} times on average; a smaller --n-vocab, or more text, would be better"
    )
    assert any(line.endswith("* training  o validation: loss, nats per token") for line in others)


def test_documents_of_a_marked_file_are_learned_and_measured_one_by_one(tmp_path, capsys):
    stories = ["the cat sat", "the dog ran", "a bird sang"]
    marked, inside = tmp_path / "stories.txt", "so <|endoftext|> said the cat"
    text = "\n<|endoftext|>\n".join(stories * 9) + "\n<|endoftext|>\n<|endoftext|>\n" + inside
    marked.write_text(text, encoding="utf-8")
    paths = ["--data", str(marked), "--validation", str(marked), "--out", str(tmp_path / "run")]
    assert main([*paths, *SIX_STEPS]) == 0
    model, tokenizer = gptlite.load(tmp_path / "run")
    stories = [*stories * 9, inside]
    encoded = [[tokenizer.eot, *tokenizer.encode(story)] for story in stories]
    assert np.load(tmp_path / "run" / "tokens.npy").tolist() == list(chain(*encoded))
    bits = bits_per_byte(model, tokenizer, stories)
    printed, said = capsys.readouterr()
    assert printed.startswith(f"{significant(bits)} bits per byte  stories.txt\n")
    assert said.startswith("1 file, 28 documents (1 empty ones skipped), ")
    assert "warning: <|endoftext|> stands within a line 1 time, as plain text" in said
    last = log_of(tmp_path / "run")[-1]
    # The log has windows of the long last document.
    assert last["validation_bits_per_byte"] == pytest.approx(bits, abs=0.05)


def test_several_validation_files_are_measured_each(corpus, reference):
    line = log_of(reference)[-1]
    assert set(line["by_file"]) == {"c.txt", "d.txt"}
    low, high = sorted(line["by_file"].values())
    assert low <= line["validation_bits_per_byte"] <= high


@pytest.mark.parametrize(
    ("more", "sizes"),
    [
        ([], {"n_vocab": 1024, "n_ctx": 128, "minutes": 2.0, "tokens": None}),
        (["--n-ctx", "16", "--minutes", "1"], {"n_vocab": 1024, "n_ctx": 16, "minutes": 1.0}),
        (["--tokens", "100"], {"n_embd": 128, "minutes": None, "tokens": 100.0}),
    ],
)
def test_a_preset_is_what_was_not_said(more, sizes):
    options = parsed(["--preset", "class", "--data", "a", "--out", "b", *more])
    assert {name: getattr(options, name) for name in sizes} == sizes
    plain = parsed(["--out", "b"])
    assert (plain.n_vocab, plain.minutes, plain.tokens) == (4096, None, 10e6)


def test_measuring_the_time_of_a_step_leaves_the_run_alone(corpus, tmp_path, monkeypatch):
    assert main(arguments(corpus, tmp_path / "timed", *TINY, "--tokens", "384")) == 0
    monkeypatch.setattr(run, "seconds_per_step", lambda *_: 1.0)
    assert main(arguments(corpus, tmp_path / "untimed", *TINY, "--tokens", "384")) == 0
    timed, untimed = (tmp_path / name / "model.safetensors" for name in ("timed", "untimed"))
    assert timed.read_bytes() == untimed.read_bytes()


# ---- Killed and resumed -------------------------------------------------------------------------


class Killed(BaseException):
    """An error that no handler in gptlite catches: the nearest to kill -9 within a process."""


def test_killed_before_any_of_its_writes_a_run_is_what_it_would_have_been(
    corpus, reference, tmp_path, monkeypatch, capsys
):
    """A run shows on disk only when a file is renamed, so these are all the moments there are."""
    replace = os.replace
    for moment in range(1000):
        out, countdown = tmp_path / str(moment), iter(range(moment, -1, -1))

        def dying(source, target, countdown=countdown):
            if next(countdown) == 0:
                raise Killed
            replace(source, target)

        monkeypatch.setattr(files.os, "replace", dying)
        try:
            assert main(arguments(corpus, out)) == 0
            break  # there were fewer writes than that
        except Killed:
            pass
        finally:
            monkeypatch.setattr(files.os, "replace", replace)
        if (out / STATE_FILE).exists():
            gptlite.load(out)  # where there is a state there is a model
            assert main(["--resume", "--out", str(out)]) == 0
        else:
            assert main(["--resume", "--out", str(out)]) == 2
            assert "nothing to resume" in capsys.readouterr().err
            assert main(arguments(corpus, out)) == 0
        assert_same_run(out, reference)
    # vocab.json, merges.txt, tokens.npy, run.json; and, with each of four states, the model's two
    # files and the state itself; and three times the log.
    assert moment == 4 + 4 * 3 + 3


@pytest.fixture
def command():
    """Starts the command in a process of its own, which the end of the test ends."""
    started = []

    def start(*options: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", "gptlite.pretrain", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=Path(gptlite.__file__).parent.parent,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_until(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    for _ in range(6000):
        if condition():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("waited for a minute")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
def test_kill_9(corpus, tmp_path, command):
    options = [*TINY, "--tokens", "3840", "--every", "2"]
    assert main(arguments(corpus, tmp_path / "undisturbed", *options)) == 0
    out = tmp_path / "run"
    process = command(*arguments(corpus, out, *options))
    for reports in (3, 9):
        wait_until(
            lambda n=reports: (out / "log.jsonl").exists() and len(log_of(out)) >= n, process
        )
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        process = command("--resume", "--out", str(out))
    printed, complaints = process.communicate(timeout=600)
    assert process.returncode == 0
    assert b"Traceback" not in complaints
    assert printed.splitlines()[-1].endswith(b"the model is in " + os.fsencode(out))
    assert_same_run(out, tmp_path / "undisturbed")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to a process")
def test_ctrl_c(corpus, tmp_path, command):
    process = command(*arguments(corpus, tmp_path / "run", *TINY, "--every", "1"))
    wait_until((tmp_path / "run" / "log.jsonl").exists, process)
    process.send_signal(signal.SIGINT)
    printed, complaints = process.communicate(timeout=60)
    assert process.returncode == 130
    assert printed == b""
    assert b"Traceback" not in complaints
    last = complaints.decode().splitlines()[-1]
    assert last.endswith(f"interrupted: --resume goes on from {tmp_path / 'run'}")


def test_ctrl_c_before_there_is_anything_to_resume(corpus, tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "write_token_file", interrupted)
    assert main(arguments(corpus, tmp_path / "run")) == 130
    assert capsys.readouterr().err == "gptlite pretrain: error: interrupted\n"


def test_a_finished_run_prints_its_result_again(corpus, reference, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(arguments(corpus, out)) == 0
    first = capsys.readouterr().out
    assert main(["--resume", "--out", str(out)]) == 0
    assert capsys.readouterr().out == first
    assert_same_run(out, reference)


def test_files_that_a_killed_run_left_half_written_are_removed(corpus, tmp_path):
    out = tmp_path / "run"
    assert main(arguments(corpus, out)) == 0
    for name in (".state.npz.123.tmp", ".model.safetensors.123.tmp", ".another.tmp"):
        (out / name).write_bytes(b"half")
    assert main(["--resume", "--out", str(out)]) == 0
    assert [path.name for path in out.glob(".*")] == [".another.tmp"]


def test_the_log_survives_every_character(corpus, tmp_path):
    """A report of a sample with a line separator in it is still one line."""
    out = tmp_path / "run"
    sample = ["--sample", "a\u2028b\x85c\x0bd"]
    assert main(arguments(corpus, out, *SIX_STEPS, *sample)) == 0
    assert main(["--resume", "--out", str(out)]) == 0
    assert json.loads((out / "log.jsonl").read_bytes().split(b"\n")[0])["step"] == 2


def test_resume_with_the_same_options_or_another_look(corpus, reference, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(arguments(corpus, out)) == 0
    assert main([*arguments(corpus, out), "--resume"]) == 0
    assert_same_run(out, reference)
    look = ["--validation", str(corpus / "train" / "a.txt"), "--every", "1", "--sample", "x"]
    capsys.readouterr()
    assert main(["--resume", "--out", str(out), *look]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("bits per byte  a.txt")


@pytest.mark.parametrize(
    "change",
    [
        "--n-vocab 300",
        "--n-ctx 8",
        "--n-layer 2",
        "--tokens 1e6",
        "--minutes 5",
        "--batch 8",
        "--learning-rate 3e-3",
        "--weight-decay 0",
        "--dropout 0",
        "--seed 1",
        "--data elsewhere",
        "--tokenizer elsewhere",
    ],
)
def test_resume_refuses_to_change_the_run(reference, capsys, change):
    assert main(["--resume", "--out", str(reference), *change.split()]) == 2
    printed, complaint = capsys.readouterr()
    assert printed == ""
    assert complaint.count("\n") == 1
    assert f"{change.split()[0]} " in complaint
    assert "--resume cannot change that" in complaint


# ---- Misuse -------------------------------------------------------------------------------------


def complaint(capsys, *options: str) -> str:
    """The one line with which the command refuses."""
    try:
        code = main(options)
    except SystemExit as stop:  # of argparse
        code = stop.code
    printed, complained = capsys.readouterr()
    assert code == 2, complained
    assert printed == ""
    assert complained.startswith("gptlite pretrain: error: ")
    assert complained.count("\n") == 1
    return complained


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--tokens 0", "--tokens must be above 0, not 0.0"),
        ("--tokens -5", "--tokens must be above 0, not -5.0"),
        ("--tokens nan", "--tokens must be finite, not nan"),
        ("--tokens inf", "--tokens must be finite, not inf"),
        ("--minutes 0", "--minutes must be above 0, not 0.0"),
        ("--minutes nan", "--minutes must be finite, not nan"),
        ("--minutes inf", "--minutes must be finite, not inf"),
        ("--minutes 1 --tokens 1", "not allowed with"),
        ("--learning-rate -1", "learning_rate must be above 0, not -1.0"),
        ("--learning-rate nan", "learning_rate must be finite, not nan"),
        ("--learning-rate 0", "learning_rate must be above 0"),
        ("--learning-rate fast", "--learning-rate: invalid float value: 'fast'"),
        ("--weight-decay -1", "weight_decay must be at least 0"),
        ("--dropout 1", "dropout must lie in [0, 1)"),
        ("--seed -1", "seed must be at least 0"),
        ("--batch 0", "batch must be at least 1"),
        ("--every 0", "--every must be at least 1, not 0"),
        ("--n-vocab 256", "--n-vocab must be at least 257"),
        ("--n-vocab -1", "--n-vocab must be at least 257"),
        ("--n-embd 18 --n-head 4", "n_embd 18 is not a multiple of n_head 4"),
        ("--n-ctx 0", "n_ctx must be at least 1"),
        ("--n-layer 0", "n_layer must be at least 1"),
        ("--n-ctx 1e3", "invalid int value"),
        ("--unknown", "unrecognized arguments: --unknown"),
        ("--tokenizer gpt5", "unknown model 'gpt5'"),
        ("--tokenizer no/such/folder", "no/such/folder"),
    ],
)
def test_options_that_cannot_be(corpus, tmp_path, capsys, options, message):
    out = tmp_path / "run"
    given = [*arguments(corpus, out, *TINY), *options.split()]
    assert message in complaint(capsys, *given)
    if "--tokenizer" not in options:
        assert not out.exists(), "it began to work"


def test_n_ctx_longer_than_the_corpus(corpus, tmp_path, capsys):
    given = arguments(corpus, tmp_path / "run", "--n-vocab", "257", "--n-ctx", "100000")
    assert "too few for a context of 100000" in complaint(capsys, *given)


def test_data_that_cannot_be(tmp_path, capsys):
    def refused(*options: str) -> str:
        return complaint(capsys, "--out", str(tmp_path / "run"), *TINY, *options)

    folder, text = tmp_path / "folder", tmp_path / "a.txt"
    folder.mkdir()
    text.write_text("once upon a time " * 40)
    assert "--data is needed" in refused()
    for option in ("--data", "--validation"):
        others = ["--data", str(text)] if option == "--validation" else []
        assert "no such file" in refused(*others, option, str(tmp_path / "nowhere"))
        assert "no .txt or .jsonl file" in refused(*others, option, str(folder))
        (tmp_path / "bad.txt").write_bytes(b"caf\xe9")
        assert "bad.txt: not UTF-8 at byte 3" in refused(*others, option, str(tmp_path / "bad.txt"))
        (tmp_path / "bad.txt").write_bytes(b"")
        assert "bad.txt: the file is empty" in refused(*others, option, str(tmp_path / "bad.txt"))
    (tmp_path / "bad.txt").write_text("short")
    assert "are too few for a context of 16" in refused("--data", str(tmp_path / "bad.txt"))
    unborn = tmp_path / "unborn"
    assert refused("--data", str(text), "--out", str(unborn), "--sample", "\udcff")
    assert not unborn.exists()


def test_a_validation_text_shorter_than_a_window(corpus, tmp_path, capsys):
    (tmp_path / "short.txt").write_text("x")
    short = ["--validation", str(tmp_path / "short.txt"), *TINY, "--tokens", "64"]
    assert main(["--data", str(corpus / "train"), "--out", str(tmp_path / "run"), *short]) == 0
    assert "bits per byte  short.txt" in capsys.readouterr().out
    assert log_of(tmp_path / "run")[-1]["validation_loss"] > 0


def test_an_out_that_is_a_file_or_a_run(corpus, reference, tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    assert "file: not a directory" in complaint(capsys, *arguments(corpus, tmp_path / "file"))
    assert "file" in complaint(capsys, "--resume", "--out", str(tmp_path / "file"))
    inside = tmp_path / "file" / "run"
    assert str(inside) in complaint(capsys, *arguments(corpus, inside))
    before = (reference / STATE_FILE).read_bytes()
    assert "holds a run already: --resume" in complaint(capsys, *arguments(corpus, reference))
    assert (reference / STATE_FILE).read_bytes() == before
    assert "nothing to resume" in complaint(capsys, "--resume", "--out", str(tmp_path))


def test_a_folder_that_holds_something_else_is_left_alone(corpus, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    GPT.init(GPTConfig(270, 16, 16, 2, 1)).save_pretrained(out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert "out is not empty: choose another folder" in complaint(capsys, *arguments(corpus, out))
    assert "nothing to resume" in complaint(capsys, "--resume", "--out", str(out))
    monkeypatch.chdir(tmp_path)
    assert "must have a name" in complaint(capsys, *arguments(corpus, Path("x"), "--out", ""))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert os.listdir(tmp_path) == ["out"]
    assert main([*arguments(corpus, out), "--overwrite"]) == 0
    assert gptlite.load(out)[0].config.n_ctx == 16 and not (out / LOCK).exists()


def test_a_run_begun_anew_is_the_same_run(corpus, reference, tmp_path):
    out = tmp_path / "run"
    assert main(arguments(corpus, out, *TINY, "--tokens", "64", "--seed", "9")) == 0
    assert main([*arguments(corpus, out), "--overwrite"]) == 0
    assert_same_run(out, reference)


def test_two_runs_in_one_folder(corpus, reference, tmp_path, capsys):
    refused = "another process is writing there"
    with output_folder(tmp_path / "run", STATE_FILE):
        assert refused in complaint(capsys, *arguments(corpus, tmp_path / "run"))
    with output_folder(reference, STATE_FILE, overwrite=True):
        assert refused in complaint(capsys, *arguments(corpus, reference), "--overwrite")
        assert refused in complaint(capsys, "--resume", "--out", str(reference))
    assert (reference / STATE_FILE).exists()


@pytest.mark.parametrize("wrong", ["short", "unread"])
def test_nothing_is_left_of_what_could_not_begin(corpus, tmp_path, capsys, wrong, monkeypatch):
    (tmp_path / "short.txt").write_text("short")
    data = ["--data", str(tmp_path / "short.txt")] if wrong == "short" else []
    if wrong == "unread":
        monkeypatch.setattr(run, "open_token_file", lambda *_: 1 / 0)
    out = tmp_path / "deep" / "run"
    assert complaint(capsys, *arguments(corpus, out), *data)
    assert not (tmp_path / "deep").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals to send")
@pytest.mark.parametrize(
    ("at", "number"), [(1, signal.SIGINT), (2, signal.SIGTERM), (5, signal.SIGTERM)]
)
def test_what_a_signal_ends_is_saved_at_that_step(
    corpus, reference, tmp_path, capsys, monkeypatch, at, number
):
    """It comes while a step changes the model, and waits for the step's end."""
    out, gradients, adamw_step = tmp_path / "run", Trainer.gradients, learner.adamw_step
    due = []

    def noted(trainer, shards):
        if trainer.n_steps == 6 and trainer.step == at - 1:  # not where a step's time is measured
            due.append(at)
        return gradients(trainer, shards)

    def interrupted(*arguments):
        if due:
            due.clear()
            os.kill(os.getpid(), number)
        adamw_step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "gradients", noted)
        patch.setattr(learner, "adamw_step", interrupted)
        assert main(arguments(corpus, out)) == 128 + number
    said = capsys.readouterr().err.splitlines()
    assert said[-2] == f"step {at} of 6 is saved"
    assert said[-1].endswith(f"interrupted: --resume goes on from {out}")
    assert main(["--resume", "--out", str(out)]) == 0
    assert f"going on from step {at} of 6" in capsys.readouterr().err
    for name in ("model.safetensors", "config.json", "tokens.npy"):
        assert (out / name).read_bytes() == (reference / name).read_bytes()
    # A report that was due at that step is not made up for.
    steps = [line["step"] for line in log_of(reference)]
    assert [line["step"] for line in log_of(out)] == [step for step in steps if step != at]


def test_training_that_diverges(corpus, tmp_path, capsys):
    wild = [*TINY, "--tokens", "3200", "--learning-rate", "1e30"]
    assert "training has diverged" in complaint(capsys, *arguments(corpus, tmp_path / "run", *wild))


def test_a_model_larger_than_the_disk_or_memory(corpus, tmp_path, capsys, monkeypatch):
    out, huge = tmp_path / "run", f"--n-embd={10**12}"  # a million gigabytes
    assert "of free disk space" in complaint(capsys, *arguments(corpus, out, *TINY, huge))
    assert not out.exists()
    monkeypatch.setattr(run, "check_room", lambda *_: None)
    assert "allocate" in complaint(capsys, *arguments(corpus, out, *TINY, huge))


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        (STATE_FILE, None, "state.npz: no such file: nothing to resume"),
        (STATE_FILE, b"", "state.npz: not a file of arrays"),
        (STATE_FILE, b"PK\x03\x04", "state.npz: not a file of arrays"),
        ("tokens.npy", None, "tokens.npy"),
        ("tokens.npy", b"", "tokens.npy: not a token file"),
        ("tokens.npy", b"\x93NUMPY", "tokens.npy: not a token file"),
        ("tokens.npy", np.arange(270, 300, dtype=np.uint16), "token id 299 is outside 0 to 269"),
        ("tokens.npy", np.zeros(5, np.uint16), "5 tokens are too few for a context of 16"),
        ("tokens.npy", np.zeros(99, np.uint16), "tokens.npy: not the tokens that this run began"),
        ("run.json", None, "run.json: no such file: nothing to resume"),
        ("run.json", b"{", "run.json: not valid JSON"),
        ("run.json", b"[]", "run.json: expected a JSON object"),
        ("run.json", b'{"options": 3}', "run.json: not the options of a run"),
        ("run.json", b"\xff", "run.json: not valid JSON"),
        ("log.jsonl", b"[" * 99_999 + b"\n", "log.jsonl: not the log of a run"),
        ("run.json", b"[" * 99_999, "run.json"),
        ("log.jsonl", b"once\n", "log.jsonl: not the log of a run"),
        ("log.jsonl", b"{}\n", "log.jsonl: not the log of a run"),
        ("log.jsonl", b"3\n", "log.jsonl: not the log of a run"),
        ("log.jsonl", b"\xff\n", "log.jsonl: not the log of a run"),
        ("vocab.json", None, ""),
        ("merges.txt", None, ""),
        ("merges.txt", "the last two exchanged", "not the vocabulary that this run began with"),
    ],
)
def test_resume_with_a_damaged_file(corpus, reference, tmp_path, capsys, name, damage, message):
    out = tmp_path / "run"
    out.mkdir()
    for path in reference.iterdir():
        (out / path.name).write_bytes(path.read_bytes())
    if damage is None:
        (out / name).unlink()
    elif isinstance(damage, bytes):
        (out / name).write_bytes(damage)
    elif isinstance(damage, str):
        *lines, a, b = (out / name).read_text("utf-8").splitlines()
        (out / name).write_text("\n".join([*lines, b, a, ""]), "utf-8")
    else:
        np.save(out / name, damage)
    assert message in complaint(capsys, "--resume", "--out", str(out))


def test_resume_with_another_vocabulary(corpus, reference, tmp_path, capsys):
    out = tmp_path / "run"
    out.mkdir()
    for path in reference.iterdir():
        (out / path.name).write_bytes(path.read_bytes())
    Tokenizer.train(["the cat"], 258).save_pretrained(out)
    message = "the vocabulary has 258 tokens, the model 270"
    assert message in complaint(capsys, "--resume", "--out", str(out))


def test_help_fits_the_options(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    assert "--learning-rate" in capsys.readouterr().out
