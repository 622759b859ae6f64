"""The one command: ``gptlite NAME`` and ``python -m gptlite NAME``."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import gptlite
from gptlite.__main__ import COMMANDS, main

PACKAGE = Path(gptlite.__file__).parent


def test_every_door_is_a_command():
    doors = {path.parent.name for path in PACKAGE.glob("*/__main__.py")} | {"convert", "predict"}
    assert set(COMMANDS) == doors


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_its_door(name, monkeypatch):
    called = []
    module = importlib.import_module(COMMANDS[name][0])
    monkeypatch.setattr(module, "main", lambda argv: called.append(argv) or 7)
    assert main([name, "--model", "x"]) == 7
    assert called == [["--model", "x"]]


@pytest.mark.parametrize("argv", [[], ["-h"], ["--help"], ["help"]])
def test_help_lists_the_commands(argv, capsys):
    assert main(argv) == 0
    printed, said = capsys.readouterr()
    assert all(f"\n  {name} " in printed for name in COMMANDS)
    assert said == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: ")


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"gptlite {gptlite.__version__}\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("genrate", "no such command: genrate: did you mean generate?"),
        ("fine-tune", "no such command: fine-tune: did you mean finetune?"),
        ("xyzzy", "no such command: xyzzy: there are generate, lab, explain, "),
    ],
)
def test_a_name_that_is_none(name, message, capsys):
    assert main([name]) == 2
    printed, said = capsys.readouterr()
    assert printed == ""
    assert said.startswith(f"gptlite: error: {message}")


def test_as_a_module():
    ran = subprocess.run([sys.executable, "-m", "gptlite", "--version"], capture_output=True)
    assert ran.stdout.decode().split() == ["gptlite", gptlite.__version__]


@pytest.mark.parametrize("options", [["--help"], ["--version"], ["generate", "--help"]])
def test_a_closed_pipe_ends_help_quietly(options):
    command = [sys.executable, "-m", "gptlite", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == b""
