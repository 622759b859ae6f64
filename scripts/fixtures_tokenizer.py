"""Write the files in tests/fixtures/tokenizer: ``python scripts/fixtures_tokenizer.py``.

Needs the extra `peers`. Run once; the files are committed, so that the tests need no transformers.
A small tokenizer as transformers saves it, alone in ``tokenizer.json``; the same as older versions
wrote it, each merge as one string and the pattern spelled out; and what the library encodes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import transformers

from gptlite import Tokenizer
from gptlite.tokenizer import EOT, PATTERN

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "tokenizer"
STORY = "The cat and the dog sat in the sand, and then the cat said: that's that!\n  The end.\n"
TEXTS = [
    *("", STORY, "  two\t\n\n", "’s it's", "é 🤗 １２ 12", f"a{EOT}b", "the" * 20),
    *(" the", "<|endoftext", "\x00\x1c\x85\xa0\u3000x"),
]


def main() -> None:
    """Write the files."""
    argparse.ArgumentParser(description=__doc__.partition(":")[0]).parse_args()
    new, old = FOLDER / "new", FOLDER / "old"
    Tokenizer.train([STORY], 275).save_pretrained(new)
    tokenizer = transformers.GPT2Tokenizer.from_pretrained(new)
    tokenizer.save_pretrained(new)
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        (new / name).unlink()
    expected = [[text, tokenizer(text).input_ids] for text in TEXTS]
    (FOLDER / "expected.json").write_text(json.dumps(expected) + "\n")

    saved = json.loads((new / "tokenizer.json").read_text(encoding="utf-8"))
    saved["model"]["merges"] = [" ".join(pair) for pair in saved["model"]["merges"]]
    split = {"type": "Split", "pattern": {"Regex": PATTERN.pattern}}
    split |= {"behavior": "Isolated", "invert": False}
    step = saved["pre_tokenizer"] | {"use_regex": False}
    saved["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, step]}
    old.mkdir(exist_ok=True)
    text = json.dumps(saved, ensure_ascii=False)
    (old / "tokenizer.json").write_text(text, encoding="utf-8")
    again = transformers.PreTrainedTokenizerFast(tokenizer_file=str(old / "tokenizer.json"))
    assert [[text, again(text).input_ids] for text in TEXTS] == expected


if __name__ == "__main__":
    main()
