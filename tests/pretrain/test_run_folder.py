"""The folder of a run: its own, one writer at a time, and saved whenever the run is told to end."""

import json
import os
import random
import signal
from pathlib import Path

import pytest

from gptlite import GPT, GPTConfig
from gptlite.outputs import output_folder
from gptlite.pretrain import trainer
from gptlite.pretrain.__main__ import main
from gptlite.pretrain.trainer import STATE_FILE, Trainer

TINY = "--n-vocab 270 --n-ctx 16 --n-embd 16 --n-head 2 --n-layer 1 --batch 4"
SIX_STEPS = f"{TINY} --tokens 384 --every 2 --dropout 0.1".split()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(0)
    words = ["".join(rng.choices("abcde", k=rng.randint(1, 6))) for _ in range(40)]
    path = tmp_path_factory.mktemp("corpus") / "text.txt"
    path.write_text(" ".join(rng.choices(words, k=400)))
    return path


@pytest.fixture(scope="module")
def reference(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps that nothing disturbed."""
    out = tmp_path_factory.mktemp("reference") / "run"
    assert main(arguments(corpus, out)) == 0
    return out


def arguments(corpus: Path, out: Path | str, *more: str) -> list[str]:
    return ["--data", str(corpus), "--out", str(out), *SIX_STEPS, *more]


def complaint(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """The line with which the command refuses."""
    capsys.readouterr()
    assert main(options) == 2
    printed, complained = capsys.readouterr()
    assert printed == "" and complained.count("\n") == 1
    return complained


def steps_of(out: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals to send")
@pytest.mark.parametrize(
    ("at", "number"), [(1, signal.SIGINT), (2, signal.SIGTERM), (5, signal.SIGTERM)]
)
def test_what_a_signal_ends_is_saved_at_that_step(
    corpus: Path,
    reference: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    at: int,
    number: signal.Signals,
) -> None:
    """It comes while a step changes the model, and waits for the step's end."""
    out, step = tmp_path / "run", trainer.train_one

    def interrupted(run: Trainer, tokens: trainer.Ids) -> float:
        if run.n_steps == 6 and run.step == at - 1:  # not where a step's time is measured
            os.kill(os.getpid(), number)
        return step(run, tokens)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "train_one", interrupted)
        assert main(arguments(corpus, out)) == 128 + number
    told = capsys.readouterr().err
    assert f"step {at} of 6 is saved" in told and "--resume goes on from" in told
    assert Trainer.from_state(out).step == at
    assert main(["--resume", "--out", str(out)]) == 0
    for name in ("model.safetensors", "config.json", "tokens.npy"):
        assert (out / name).read_bytes() == (reference / name).read_bytes()
    # A report that was due at that step is not made up for.
    assert steps_of(out) == [step for step in steps_of(reference) if step != at]


def test_a_folder_that_holds_something_else_is_left_alone(
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "model"
    other = GPT.init(GPTConfig(n_vocab=300, n_ctx=4, n_embd=4, n_head=1, n_layer=1))
    other.save_pretrained(out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert "is not empty: choose another folder" in complaint(capsys, *arguments(corpus, out))
    assert "nothing to resume" in complaint(capsys, "--resume", "--out", str(out))
    monkeypatch.chdir(tmp_path)
    assert "must have a name" in complaint(capsys, *arguments(corpus, ""))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert os.listdir(tmp_path) == ["model"]
    assert main([*arguments(corpus, out), "--overwrite"]) == 0
    assert Trainer.from_state(out).step == 6 and not (out / ".lock").exists()


def test_one_run_at_a_time(
    corpus: Path, reference: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with output_folder(reference, "whole", overwrite=True):
        for options in (
            [*arguments(corpus, reference), "--overwrite"],
            ["--resume", "--out", str(reference)],
        ):
            assert "another process is writing there" in complaint(capsys, *options)
    assert (reference / STATE_FILE).exists()
