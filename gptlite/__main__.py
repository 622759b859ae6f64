"""``python -m gptlite``: the commands there are."""

DOORS = {
    "generate": "continue a text, or begin one",
    "pretrain": "train a model on text files",
}


def main() -> int:
    """Print what each command does."""
    print("gptlite: GPT-2 in pure NumPy. The commands, each with --help:\n")
    for name, does in DOORS.items():
        print(f"    python -m gptlite.{name:10} {does}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
