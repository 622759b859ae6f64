"""The common part of all commands: how they end, and what they say then."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

import pytest

from gptlite.__main__ import main
from gptlite.command import Terminated, complain, finish, orderly_endings, uninterrupted


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_ends_a_command_in_order(name: str) -> None:
    code = (
        "import sys, time; from gptlite.command import finish\n"
        "def work():\n"
        "    try:\n"
        "        print(end='x', flush=True); time.sleep(60)\n"
        "    except KeyboardInterrupt:\n"
        "        print('saved', flush=True); raise\n"
        "sys.exit(finish('gptlite.x', work, lambda: 'interrupted: see you'))"
    )
    number = getattr(signal, name)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        process.stdout.read(1)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (out, err) == ("saved\n", "gptlite.x: error: interrupted: see you\n")
    assert process.returncode == 128 + number


def end_by(number: int) -> Callable[[], NoReturn]:
    def work() -> NoReturn:
        os.kill(os.getpid(), number)
        raise AssertionError("nothing came")

    return work


def test_the_handlers_are_put_back_and_what_is_ignored_stays_ignored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert finish("gptlite.x", end_by(signal.SIGTERM)) == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with orderly_endings():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def test_a_step_is_not_interrupted() -> None:
    steps = []
    for number, kind in ((signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)):
        with pytest.raises(kind), orderly_endings():
            for step in range(3):
                with uninterrupted():
                    if step == 1:
                        os.kill(os.getpid(), number)
                        os.kill(os.getpid(), number)
                    steps.append(step)
    assert steps == [0, 1] * 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_ctrl_c_that_comes_while_the_last_one_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def work() -> NoReturn:
        raise KeyboardInterrupt

    def interrupted() -> str:
        os.kill(os.getpid(), signal.SIGINT)
        return "so far"

    assert finish("gptlite.x", work, interrupted) == 130
    assert capsys.readouterr().err == "gptlite.x: error: so far\n"


def test_a_lock_that_fails_because_of_ctrl_c_is_no_error_of_its_own() -> None:
    """Python's own fail so, where Ctrl-C comes between two of their lines."""
    condition = threading.Condition()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    def work() -> None:
        with condition:
            condition._acquire_restore = interrupted  # type: ignore[attr-defined]
            condition.wait(0.001)

    assert finish("gptlite.x", work) == 130
    with pytest.raises(RuntimeError):
        finish("gptlite.x", condition.notify)  # not held: a bug


def test_a_thread_has_no_signals() -> None:
    done = []

    def work() -> None:
        with orderly_endings(), uninterrupted():
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]


def test_a_message_has_an_end_and_does_nothing_to_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    complain("gptlite.x", ValueError("x" * 200_000 + " is too long"))
    said = capsys.readouterr().err
    assert len(said) < 1100 and said.startswith("gptlite.x: error: xxx")
    assert said.endswith("xxx is too long\n") and " ... " in said
    complain("gptlite.x", "a\x1b[31m\r\n b\u202ec é 日")
    assert capsys.readouterr().err == "gptlite.x: error: a\\x1b[31m b\\u202ec é 日\n"


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["generate", "once", "upon", "a", "time"], "a text of several words must be in quotes"),
        (["generate", "once", "--tempreature", "1"], "did you mean --temperature?"),
        (["generate", "once", "--overflow", "slid"], "did you mean slide?"),
        (["generate", "once", "--zzz"], "unrecognized arguments: --zzz"),
        (["tasks", "clozed", "x"], "did you mean cloze?"),
        (
            ["tasks", "--json", "cloze", "a XXXXX", "b"],
            "--json stands behind the name of what to do",
        ),
        (["tasks", "cloze", "a XXXXX", "b", "--modle", "x"], "did you mean --model?"),
        (["evaluate", "perplexity", "x", "--stridee=3"], "did you mean --stride?"),
        (["pretrain", "--data", "x", "--out", "y", "--n-layers", "3"], "did you mean --n-layer?"),
    ],
)
def test_what_was_probably_meant(options: list[str], hint: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"gptlite {options[0]}") and said.endswith(f"{hint}\n")
    assert said.count("\n") == 1
