"""What the documents say works: README's Python runs, and every command they give is one."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import gptlite
from gptlite.download import __main__ as download
from gptlite.download.official import _CANONICAL
from gptlite.tasks import __main__ as tasks

ROOT = Path(__file__).resolve().parent.parent
CARDS = ("gptlite/storyteller/README.md", "gptlite/fables/README.md")
PAGES = (
    *("README.md", "CONTRIBUTING.md", "notebooks/README.md", "notebooks/TEACHING.md"),
    *CARDS,
)
# A command that has commands of its own is named with the one that is given.
COMMAND = re.compile(
    r"python (-m gptlite\.(?:tasks|evaluate) [a-z]+|-m gptlite[.\w]*|scripts/[\w/]+\.py)([^\n`#|]*)"
)


def documents() -> dict[str, str]:
    """The pages, and the docstrings at the head of commands and scripts, by their file's name."""
    texts = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
    for folder in ("gptlite", "gptlite/tasks", "scripts", "scripts/checks", "scripts/fixtures"):
        for path in (ROOT / folder).glob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            texts[f"{folder}/{path.name}"] = ast.get_docstring(tree) or ""
    return texts


def commands() -> list[tuple[str, str, frozenset[str]]]:
    """``(document, command, options)`` of every command a document gives."""
    return [
        (document, command, frozenset(re.findall(r"(?<!\S)--[a-z][a-z-]*", rest)))
        for document, text in documents().items()
        for command, rest in COMMAND.findall(text)
    ]


def test_readme_s_python_runs_and_gives_what_it_says(capsys):
    blocks = re.findall(
        r"^```python\n(.*?)^```$", documents()["README.md"], re.MULTILINE | re.DOTALL
    )
    names: dict[str, object] = {}
    block = "".join(blocks)  # a later one goes on from those before it
    exec(compile(block, "README.md", "exec"), names)
    assert len(capsys.readouterr().out) > 300
    shown = re.findall(r"^(\w.*)  # (\(.*?\))", block, re.MULTILINE)
    assert len(shown) == 1
    for expression, value in shown:
        assert eval(expression, names) == ast.literal_eval(value)


def test_readme_s_tasks_print_what_it_says(capsys):
    shown = re.findall(
        r"^    \$ python -m gptlite\.tasks (.*)\n((?:    .*\n)+)", documents()["README.md"], re.M
    )
    assert len(shown) == 2
    for command, printed in shown:
        assert tasks.main(shlex.split(command)) == 0
        out = capsys.readouterr().out
        lengths = [len(line) - 4 for line in printed.splitlines()]
        assert [len(line) for line in out.splitlines()] == lengths  # the columns are in line
        found, told = out.split(), printed.split()
        numbers = [i for i, word in enumerate(told) if re.fullmatch(r"-?\d+\.\d+", word)]
        for i in numbers:
            assert float(found[i]) == pytest.approx(float(told[i]), abs=0.01)
            found[i] = told[i]
        assert found == told


def test_every_environment_variable_is_told():
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "gptlite").rglob("*.py")]
    names = re.findall(
        r'"((?:GPTLITE|HF|HUGGINGFACE|XDG|TRANSFORMERS|NO)_[A-Z_]+)"', "".join(sources)
    )
    assert len(set(names)) > 8
    told = re.findall(r"^\| (`.*?) \|", documents()["README.md"], re.MULTILINE)
    assert not set(names) - set(re.findall(r"\w+", " ".join(told)))


def test_every_name_of_an_official_model_is_told():
    names = [name for name in _CANONICAL if "/" not in name]
    assert len(names) == 15
    help_text = download.parser().format_help()
    for text in (documents()["README.md"], gptlite.load.__doc__ or "", help_text):
        assert not set(names) - set(re.findall(r"[\w-]+", text))


def test_commands_in_the_documents_are_there():
    found = commands()
    assert len(found) > 20
    for document, command, _ in found:
        file = command.removeprefix("-m ").split()[0]
        if command.startswith("-m "):
            file = file.replace(".", "/")
            file += "/__main__.py" if (ROOT / file).is_dir() else ".py"
        assert (ROOT / file).is_file(), f"{document}: {command}"


@pytest.mark.parametrize(
    "command", sorted({command for _, command, options in commands() if options})
)
def test_options_in_the_documents_are_those_of_the_command(command):
    run = [sys.executable, *command.split(), "--help"]
    ran = subprocess.run(run, cwd=ROOT, capture_output=True, text=True)
    if "pip install -e '.[notebooks]'" in ran.stderr:
        pytest.skip(ran.stderr.strip())
    assert ran.returncode == 0, ran.stderr
    told = ran.stdout
    for document, other, options in commands():
        if other == command:
            unknown = options - set(re.findall(r"--[a-z][a-z-]*", told))
            assert not unknown, f"{document}: {command}"


@pytest.mark.parametrize("page", ["notebooks/README.md", "notebooks/TEACHING.md"])
def test_every_notebook_is_in_every_list_of_them(page):
    names = {path.stem for path in (ROOT / "notebooks").glob("*.py")}
    lists = re.split("## Reading guide", (ROOT / page).read_text(encoding="utf-8"))[0]
    assert set(re.findall(r"\((\d\w+)\.ipynb\)", lists)) == names


def test_a_token_that_a_notebook_names_is_one_of_the_storyteller_s():
    _, tokenizer = gptlite.load()
    for path in sorted((ROOT / "notebooks").glob("*.py")):
        if path.stem.startswith("02"):  # its subject are words of several tokens
            continue
        for word in re.findall(r"`·(\w+)`", path.read_text(encoding="utf-8")):
            assert len(tokenizer.encode(f" {word}")) == 1, f"{path.name}: ·{word}"
