"""Accidents to what people bring: a damaged file is refused in one line, or what it says is used.

``GPTLITE_FUZZ=1 pytest tests/checkpoints/test_accidents.py`` tries each reader 20,000 times.
"""

import json
import os
import pickle
import random
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from fuzz import times
from gptlite import GPT, Tokenizer
from gptlite.checkpoints import read_checkpoint, write_checkpoint
from gptlite.checkpoints.npz import read_arrays, write_arrays
from gptlite.config import GPTConfig
from gptlite.errors import CheckpointError
from gptlite.finetune import FineTuned
from gptlite.rules import Rules
from gptlite.special import AddedToken
from models import random_classifier, random_model
from tiny_checkpoints import FIXTURES, TINY, tiny
from vocabularies import SMALL, STORY, WORD_MERGES, WORDS

RELATIVES = FIXTURES / "relatives"
TRIALS = 20_000 if os.environ.get("GPTLITE_FUZZ") else times(600)
# What stands in the files that are tried here, and what is likely to go wrong.
TOKENS = [b"", b"0", b'"', b"{", b"}", b"[", b"]", b",", b":", b"true", b"null", b"-1", b"1e999"]
TOKENS += [b"NaN", b"{}", b"[]", b"\xff", b"\\ud800", b"\n", b"9" * 25, b"\x00", b"2.5", b" ", b"."]
VALUES: list[Any] = [None, True, False, 0, 1, -1, 3, 7, 2**31, 10**25, 0.5, 1e308, "", "x", "gelu"]
VALUES += ["</w>", "<unk>", "a</w>", "\ud800", "\x00", "[1]", [], [1, 2], [[]], {}, {"x": 1}]


def changed_bytes(data: bytes, rng: random.Random) -> bytes:
    """``data`` after one to three small accidents, half of them within its first kilobyte."""
    result = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 3])):
        end = len(result) if rng.random() < 0.5 else min(len(result), 1024)
        at = rng.randrange(max(1, end))
        match rng.randrange(6):
            case 0:
                result[at : at + 1] = rng.randbytes(1)
            case 1:
                del result[at : at + rng.randrange(1, 9)]
            case 2:
                result[at:at] = rng.randbytes(rng.randrange(1, 9))
            case 3 | 4:
                result[at : at + rng.randrange(3)] = rng.choice(TOKENS)
            case 5 if rng.random() < 0.2:
                del result[at:]
    return bytes(result)


def changed_value(value: Any, rng: random.Random) -> Any:
    """A JSON value with one value in it exchanged, left out, or named otherwise."""
    if isinstance(value, dict) and value and rng.random() < 0.95:
        key = rng.choice(list(value))
        new = {k: v for k, v in value.items() if k != key}
        match rng.randrange(8):
            case 0:
                return new
            case 1:
                return {**new, rng.choice([*map(str, VALUES[-12:-4]), *value]): value[key]}
        return {**value, key: changed_value(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.95:
        at = rng.randrange(len(value))
        match rng.randrange(8):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return [*value[:at], value[at], *value[at:]]
        return [*value[:at], changed_value(value[at], rng), *value[at + 1 :]]
    if isinstance(value, int) and rng.random() < 0.5:
        return value + rng.choice([-1, 1])
    return rng.choice(VALUES)


def changed(path: Path, data: bytes, rng: random.Random) -> None:
    """Write a file anew with an accident in it."""
    if path.suffix in (".json", ".pkl") and rng.random() < 0.6:
        is_json = path.suffix == ".json"
        value = json.loads(data) if is_json else pickle.loads(data)
        for _ in range(rng.choice([1, 1, 2])):
            value = changed_value(value, rng)
        try:
            data = json.dumps(value).encode() if is_json else pickle.dumps(value, 4)
        except UnicodeEncodeError:  # pickle writes no half characters
            return
    else:
        data = changed_bytes(data, rng)
    path.write_bytes(data)


# ---- The readers: what makes a good place, and what is done with it -----------------------------


N_HEAD = {"makemore": 4, "pieces": 2}  # which their files do not say


def use_model(folder: Path) -> None:
    model = GPT(*read_checkpoint(folder, n_head=N_HEAD.get(folder.name)))
    # Many numbers overflow that were struck; the shapes must be those of the model.
    with np.errstate(all="ignore"):
        assert model([0]).shape == (1, 1, model.config.n_vocab)
    for array in model.parameters.values():
        assert array.dtype == np.float32


def use_file(folder: Path) -> None:
    """The one file of a model, which stands alone."""
    [path] = folder.iterdir()
    model = GPT(*read_checkpoint(path))
    with np.errstate(all="ignore"):
        assert model([0]).shape == (1, 1, model.config.n_vocab)


def use_classifier(folder: Path) -> None:
    fine_tuned = FineTuned.from_pretrained(folder)
    with np.errstate(all="ignore"):
        assert fine_tuned.classifier.model([0]).shape[-1] == fine_tuned.tokenizer.n_vocab + 3
    assert len(fine_tuned.labels) > 1 and 1 <= fine_tuned.n_ctx <= 24


def use_tokenizer(folder: Path) -> None:
    tokenizer = Tokenizer.from_pretrained(folder)
    names = list(tokenizer.special_tokens)[:3]
    text = "the cat " + " a".join(names)
    for allowed in ((), "all", names):
        try:
            ids = tokenizer.encode(text, allowed)
        except ValueError as error:  # of a vocabulary of characters
            assert re.search("is not one of the vocabulary's", str(error))
            continue
        assert all(0 <= i < tokenizer.n_vocab for i in ids)
        assert isinstance(tokenizer.decode(ids), str)
        assert len(tokenizer.offsets(text, allowed)) == len(ids)
    again = folder / "again"
    shutil.rmtree(again, ignore_errors=True)
    tokenizer.save_pretrained(again)
    found = Tokenizer.from_pretrained(again)
    assert (found.vocab, found.merges) == (tokenizer.vocab, tokenizer.merges)
    assert found.special_tokens == tokenizer.special_tokens
    shutil.rmtree(again)


def use_arrays(folder: Path) -> None:
    assert all(isinstance(a, np.ndarray) for a in read_arrays(folder / "x.npz").values())


def npz(folder: Path) -> None:
    with open(folder / "x.npz", "wb") as file:
        write_arrays(file, {"about": np.array('{"step": 3}'), "x/y": np.ones((3, 4), np.float32)})


def gpt1_pieces(folder: Path) -> None:
    from test_gpt1 import write_pieces

    write_pieces(folder, 3)


def fixture(folder: Path) -> None:
    shutil.copytree(RELATIVES / folder.name, folder, dirs_exist_ok=True)
    (folder / "expected.npz").unlink()


def hub(folder: Path) -> None:
    shutil.copytree(FIXTURES / "hub" / folder.name, folder, dirs_exist_ok=True)
    (folder / "expected.npz").unlink(missing_ok=True)


def openai(folder: Path) -> None:
    write_checkpoint(folder, TINY, tiny(), format="openai")


def llmc(folder: Path) -> None:
    from test_llmc import file_of
    from test_llmc import tiny as tiny_of_llmc

    (folder / "gpt2.bin").write_bytes(file_of(tiny_of_llmc()))


def classifier(folder: Path) -> None:
    config = GPTConfig(n_vocab=280, n_ctx=24, n_embd=8, n_head=2, n_layer=2)
    labels = ["merry", "sad", "é"]
    made = FineTuned(random_classifier(config, 3), SMALL, "classification", labels, 20)
    made.save_pretrained(folder)


def bare_state_dict(folder: Path) -> None:
    shutil.copy(FIXTURES / "torch" / "hub_zip.bin", folder / "pytorch_model.bin")
    shutil.copy(FIXTURES / "hub" / "single" / "config.json", folder)


def new_fields(folder: Path) -> None:
    """A config.json with every option that there is."""
    config = GPTConfig(
        *(11, 6, 8, 2, 2),
        n_inner=12,
        activation_function="gelu",
        scale_attn_by_inverse_layer_idx=True,
        tie_word_embeddings=False,
        n_padding=3,
    )
    random_model(config).save_pretrained(folder)
    about = json.loads((folder / "config.json").read_text())
    about |= {"reorder_and_upcast_attn": True, "add_cross_attention": False, "n_head": 2}
    (folder / "config.json").write_text(json.dumps(about))


def stoi(folder: Path) -> None:
    names = sorted(set(STORY + "<mask>"))
    table = {name: i for i, name in enumerate([*names, "<pad>"])}
    meta = {"vocab_size": len(table), "stoi": table, "itos": {i: c for c, i in table.items()}}
    (folder / "meta.pkl").write_bytes(pickle.dumps(meta, 4))


def characters(folder: Path) -> None:
    stoi(folder)
    table = pickle.loads((folder / "meta.pkl").read_bytes())["stoi"]
    (folder / "meta.pkl").unlink()
    (folder / "vocab.json").write_text(json.dumps(table))


def added_tokens(folder: Path) -> None:
    SMALL.save_pretrained(folder)
    named = {"pad_token": "[PAD]", "eos_token": {"content": "</s>", "lstrip": True}}
    for name, content in {
        "added_tokens": {"[PAD]": 280, "the cat": 281, "</s>": 282},
        "special_tokens_map": {**named, "additional_special_tokens": ["</s>"]},
        "tokenizer_config": {"model_max_length": 10**30, "add_prefix_space": False},
    }.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def declared_tokens(folder: Path) -> None:
    tokens = [AddedToken("[PAD]", lstrip=True), AddedToken("</s>", roles=("eos_token",))]
    vocab = {**SMALL.vocab, "[PAD]": 280, "</s>": 281}
    Tokenizer(vocab, SMALL.merges, tokens).save_pretrained(folder)


def pair(folder: Path) -> None:
    SMALL.save_pretrained(folder)


def words(folder: Path) -> None:
    vocab = {token: i for i, token in enumerate(WORDS)}
    Tokenizer(vocab, WORD_MERGES).save_pretrained(folder)


def words_json(folder: Path) -> None:
    """GPT-1's tokenizer.json."""
    vocab = {token: i for i, token in enumerate(WORDS)}
    rules = Rules(plain_words=True)
    Tokenizer(vocab, WORD_MERGES, [AddedToken("<unk>")], rules).save_pretrained(folder)


def other_rules(folder: Path) -> None:
    """A tokenizer.json of a vocabulary that lacks bytes, and templates beside it."""
    vocab = {name: i for name, i in SMALL.vocab.items() if name not in ("q", "z", "Ã")}
    rules = Rules(True, "<unk>", True, chat_template=[{"name": "a", "template": "{{ b }}"}])
    tokenizer = Tokenizer({**vocab, "<unk>": 290}, SMALL.merges, [AddedToken("<unk>")], rules)
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text("{{ é }}", encoding="utf-8")


class Reader(NamedTuple):
    """A reader to try: what writes good files into a folder, and what uses them."""

    write: Callable[[Path], None]
    use: Callable[[Path], None]


READERS = {
    "npz": Reader(npz, use_arrays),
    "pieces": Reader(gpt1_pieces, use_model),
    **dict.fromkeys(["gpt1", "mingpt", "makemore", "nanogpt"], Reader(fixture, use_model)),
    **dict.fromkeys(["single", "sharded"], Reader(hub, use_model)),
    "openai": Reader(openai, use_model),
    "llmc": Reader(llmc, use_file),
    "classifier": Reader(classifier, use_classifier),
    "bare": Reader(bare_state_dict, use_model),
    "new_fields": Reader(new_fields, use_model),
    "stoi": Reader(stoi, use_tokenizer),
    "characters": Reader(characters, use_tokenizer),
    "added_tokens": Reader(added_tokens, use_tokenizer),
    "declared_tokens": Reader(declared_tokens, use_tokenizer),
    "pair": Reader(pair, use_tokenizer),
    "words": Reader(words, use_tokenizer),
    "words_json": Reader(words_json, use_tokenizer),
    "other_rules": Reader(other_rules, use_tokenizer),
}


def accidents(name: str, parent: Path, trials: int) -> int:
    """Damage one file of a place at a time; return how many places were used all the same."""
    reader, rng, folder = READERS[name], random.Random(name), parent / name
    folder.mkdir()
    reader.write(folder)
    reader.use(folder)
    good = {path: path.read_bytes() for path in sorted(folder.iterdir())}
    used = 0
    for _ in range(trials):
        path = rng.choice(list(good))
        changed(path, good[path], rng)
        damaged, began = path.read_bytes(), time.process_time()
        try:
            reader.use(folder)
            used += 1
        except CheckpointError as error:
            assert "\n" not in str(error) and str(folder) in str(error), (path, damaged)
        except Exception as error:
            raise AssertionError(f"{path.name}: {damaged[:3000]!r}") from error
        assert time.process_time() - began < 2, (path, damaged)
        path.write_bytes(good[path])
    return used


@pytest.mark.parametrize("name", READERS)
@pytest.mark.filterwarnings("ignore:overflow|invalid")
def test_a_damaged_file_is_refused_or_used(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    used = accidents(name, tmp_path, TRIALS)
    assert 0 < used < TRIALS  # both ways are taken
