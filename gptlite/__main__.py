"""``python -m gptlite``: the commands there are."""

import sys

COMMANDS = {
    "generate": "continue a text, or begin one",
    "explain": "draw how a text is read, as a page for a browser",
    "download": "fetch one of OpenAI's models",
    "pretrain": "train a model on text files",
    "finetune": "teach a trained model a task, or more text",
    "tasks": "summarise, answer, choose: what takes no training",
    "evaluate": "measure how good a model is",
    "convert": "write a model in another format",
}


def main() -> int:
    """Print what each command does; status 2 if more was asked (``gptlite generate``)."""
    print("gptlite: GPT-2 in pure NumPy. The commands, each with --help:\n")
    for name, does in COMMANDS.items():
        print(f"    python -m gptlite.{name:10} {does}")
    return 2 if sys.argv[1:] else 0


if __name__ == "__main__":
    raise SystemExit(main())
