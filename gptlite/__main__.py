"""One command for everything: ``gptlite generate "Once upon a time"``, or ``python -m gptlite``.

``gptlite generate`` and ``python -m gptlite.generate`` do the same. Each command is a door of its
own wing; this one only knows their names.
"""

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

from gptlite.command import complain, finish
from gptlite.version import __version__

# Name -> the module with its ``main``, and what it does.
COMMANDS = {
    "generate": ("gptlite.generate.__main__", "continue a text, or begin one"),
    "lab": ("gptlite.lab.__main__", "open a model in the browser: look inside, change it, draw"),
    "explain": ("gptlite.explain.__main__", "write a page that shows how the model reads a text"),
    "tasks": ("gptlite.tasks.__main__", "do tasks without training: answer, cloze, score ..."),
    "evaluate": ("gptlite.evaluate.__main__", "measure how good a model is"),
    "pretrain": ("gptlite.pretrain.__main__", "train a model from scratch on text files"),
    "finetune": ("gptlite.finetune.__main__", "teach a model a task, or train it on more text"),
    "predict": ("gptlite.predict", "ask a fine-tuned classifier for labels"),
    "convert": ("gptlite.convert", "write a model in another format"),
    "download": ("gptlite.download.__main__", "fetch one of OpenAI's models, or check it"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names; return its exit status."""
    name, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help", "help"):
        return finish("gptlite", lambda: print(usage()))
    if name == "--version":
        return finish("gptlite", lambda: print(f"gptlite {__version__}"))
    if name not in COMMANDS:
        near = get_close_matches(name, COMMANDS, n=1)
        meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
        complain("gptlite", f"no such command: {name}: {meant}")
        return 2
    module, _ = COMMANDS[name]
    status: int = import_module(module).main(rest)
    return status


def usage() -> str:
    """Say how the command is used, and list the commands."""
    wide = max(map(len, COMMANDS))
    lines = [f"  {name:{wide}}  {does}" for name, (_, does) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: gptlite COMMAND ...",
            "",
            "GPT-2 in pure NumPy, to read and to run.",
            "",
            *lines,
            "",
            "gptlite COMMAND --help says more; gptlite --version prints the version.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
