"""The list of commands: ``python -m gptlite``."""

import sys

COMMANDS = {
    "generate": "continue a text, or begin one",
    "explain": "draw how a text is read, as a page for a browser",
    "download": "fetch one of OpenAI's models",
    "pretrain": "train a model on text files",
    "finetune": "teach a trained model a task, or train it on more text",
    "tasks": "summarise, answer, choose: tasks that need no training",
    "evaluate": "measure how good a model is",
    "convert": "write a model in another format",
}


def main() -> int:
    """Print what each command does.

    Returns:
        The exit status: 0, or 2 if there were arguments, as in ``python -m gptlite generate``.
    """
    print("gptlite: GPT-2 in pure NumPy. The commands, each with --help:\n")
    for name, does in COMMANDS.items():
        print(f"    python -m gptlite.{name:10} {does}")
    return 2 if sys.argv[1:] else 0


if __name__ == "__main__":
    raise SystemExit(main())
