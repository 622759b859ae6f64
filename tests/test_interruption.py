"""Commands that are interrupted or killed at any moment, and disks that are full.

A command runs in a copy of this process (fork), and ends at the nth call of a function.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest
from tqdm import tqdm

import gptlite.command
import gptlite.convert
import gptlite.evaluate.__main__
import gptlite.evaluate.run
import gptlite.explain.__main__
import gptlite.finetune.__main__
import gptlite.generate.__main__
import gptlite.predict
import gptlite.pretrain.__main__
from fuzz import THOROUGH
from gptlite import GPTConfig
from gptlite.finetune.finetuned import FineTuned
from models import random_classifier, random_model
from vocabularies import SMALL

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
MOMENTS = 60 if THOROUGH else 4
CONFIG = GPTConfig(n_vocab=280, n_ctx=24, n_embd=8, n_head=2, n_layer=2)


class Command(NamedTuple):
    """A command: what runs it, its options before the output, and what its output is named."""

    main: Callable[[list[str]], int]
    options: tuple[str, ...]
    output: tuple[str, ...] = ()


COMMANDS = {
    "convert": Command(gptlite.convert.main, ("model",), ("out",)),
    "convert to openai": Command(gptlite.convert.main, ("model", "--format", "openai"), ("out",)),
    "evaluate": Command(
        gptlite.evaluate.__main__.main,
        ("choice", "choices.jsonl", "--model", "model", "-o"),
        ("out",),
    ),
    "explain": Command(
        gptlite.explain.__main__.main, ("the cat", "--model", "model", "-o"), ("out",)
    ),
    "finetune": Command(
        gptlite.finetune.__main__.main,
        (
            *("--task", "classification", "--data", "labelled.jsonl", "--model", "model"),
            *("--epochs", "1", "--batch", "2", "--out"),
        ),
        ("out",),
    ),
    "generate": Command(
        gptlite.generate.__main__.main,
        ("the", "--model", "model", "--max-new-tokens", "9", "--seed", "0"),
    ),
    "predict": Command(gptlite.predict.main, ("classifier", "the cat")),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a model, a classifier and a file to evaluate."""
    random_model(CONFIG).save_pretrained(tmp_path / "model")
    SMALL.save_pretrained(tmp_path / "model")
    classifier = random_classifier(CONFIG, 2)
    fine_tuned = FineTuned(classifier, SMALL, "classification", ["a", "b"], 20)
    fine_tuned.save_pretrained(tmp_path / "classifier")
    items = [{"prompt": f"the {n}", "options": [" cat", " dog"], "answer": 0} for n in range(6)]
    (tmp_path / "choices.jsonl").write_text("\n".join(map(json.dumps, items)))
    rows = [{"text": f"the {a}", "label": a} for a in ("cat", "dog") * 2]
    (tmp_path / "labelled.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gptlite.evaluate.run, "SAVE_EVERY", 0.0)
    return tmp_path


def ended_at(moment: int, end: Callable[[], Any]) -> Callable[[], Any]:
    """Make what counts calls within a command's work, and ends it at one of them."""
    orderly_endings = gptlite.command.orderly_endings

    @contextmanager
    def counting() -> Iterator[None]:
        left = moment

        def count(frame: FrameType, event: str, arg: Any) -> None:
            nonlocal left
            left -= event == "call"
            if left == 0:
                sys.setprofile(None)
                end()

        with orderly_endings():
            sys.setprofile(count)
            try:
                yield
            finally:
                sys.setprofile(None)
        if moment > 10**8:  # an undisturbed run says how many moments there are
            Path("calls").write_text(str(moment - left))

    return counting


def run(command: Command, *more: str, moment: int, end: Callable[[], Any] = int) -> int:
    """Run a command in a copy of this process, to its end at a moment; its words go to a file."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 99
    try:
        signal.alarm(300)  # nothing here takes as long: what hangs is killed, and fails
        # Copies of a process share tqdm's own lock: killed with it, one would stop all others.
        tqdm.set_lock(threading.RLock())
        with open("said", "w") as said:
            os.dup2(said.fileno(), 1)
            sys.stdout = sys.stderr = said
            gptlite.command.orderly_endings = ended_at(moment, end)
            code = command.main([*command.options, *command.output, *more])
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(code)


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)  # as Ctrl-C does: where it may not come, it waits


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def files_of(path: Path) -> dict[str, bytes]:
    """What is in a file, or in the files of a folder, but for those with a full stop in front."""
    if path.is_file():
        return {path.name: path.read_bytes()}
    files = path.iterdir() if path.is_dir() else ()
    return {file.name: file.read_bytes() for file in files if not file.name.startswith(".")}


@pytest.mark.parametrize("end", [interrupt, kill])
@pytest.mark.parametrize("name", COMMANDS)
def test_it_may_end_at_any_moment(name: str, end: Callable[[], Any], place: Path) -> None:
    """What is there afterwards is whole, and the same command makes what it would have made."""
    command, rng, out = COMMANDS[name], random.Random(name), place / "out"
    assert run(command, moment=10**9) == 0
    n_calls, expected, said = int((place / "calls").read_text()), files_of(out), "said"
    words = (place / said).read_bytes()
    lines = words.decode().splitlines()
    for moment in sorted(rng.sample(range(1, n_calls), MOMENTS)):
        shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)
        code = run(command, moment=moment, end=end)
        told = (place / said).read_text()
        assert "Traceback" not in told, told
        # After the last of the work there is nothing left to interrupt.
        assert code in ((0, 130) if end is interrupt else (-signal.SIGKILL,)), told
        if end is interrupt and code == 130 and command.output:
            *before, _ = told.splitlines() or [""]  # the last may say that it was interrupted
            assert before == lines[: len(before)]
        for file, content in files_of(out).items():
            assert content == expected[file], (moment, file)
        if command.output and files_of(out) != expected:
            more = ["--resume"] if (place / "out.part").exists() else []
            assert run(command, *more, moment=10**9) == 0, (place / said).read_text()
            assert files_of(out) == expected
            assert not (place / "out.part").exists()
        elif not command.output:
            assert run(command, moment=10**9) == 0 and (place / said).read_bytes() == words


# ---- A disk without room ------------------------------------------------------------------------


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 12 KB left."""
    folder = tmp_path / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if mounted.returncode:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.strip()}")
    try:
        free = shutil.disk_usage(folder).free
        (folder / "filler").write_bytes(bytes(free - 12_288))
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


TINY = "--data fables --n-vocab 300 --n-ctx 8 --n-embd 8 --n-head 1 --n-layer 1 --tokens 64 --out"
PRETRAIN = Command(gptlite.pretrain.__main__.main, tuple(TINY.split(" ")))


@pytest.mark.parametrize(
    "name", ["convert", "convert to openai", "evaluate", "explain", "pretrain"]
)
def test_a_full_disk_is_told_in_a_line(name: str, place: Path, full: Path) -> None:
    command = PRETRAIN if name == "pretrain" else COMMANDS[name]
    if name == "evaluate":
        (full / "more").write_bytes(bytes(8192))
    out = full / "out"
    assert run(command._replace(output=(str(out),)), moment=10**9) == 2
    told = (place / "said").read_text().splitlines()
    assert told[-1].startswith("gptlite ") and str(full) in told[-1], told
    assert "no space left" in told[-1] or "free disk space" in told[-1]
    assert not any(line.startswith("Traceback") for line in told)
    assert "out" not in os.listdir(full) or name in ("pretrain", "convert", "convert to openai")
    if out.is_dir():
        assert not files_of(out).keys() & {"config.json", "checkpoint", "state.npz"}
    assert [file for file in os.listdir(full) if file.endswith(".tmp")] == []
