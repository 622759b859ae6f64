"""Rules of a tokenizer's that are not GPT-2's: expected ids are those of Hugging Face's library.

tests/peers/test_special_tokens_peers.py compares more of them.
"""

import copy
import json
import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gptlite.fast.bpe
import gptlite.fast.words
from gptlite import Tokenizer
from gptlite.alphabet import EOT
from gptlite.errors import CheckpointError
from gptlite.rules import Rules
from gptlite.special import AddedToken
from vocabularies import SMALL, STORY, TEXTS, WORD_MERGES, WORDS

LACKING = {name: i for name, i in SMALL.vocab.items() if name not in ("q", "z", "Ã", EOT)}
LACKING |= {"<unk>": 290, "<s>": 300}
UNKNOWN = AddedToken("<unk>"), AddedToken("<s>")


def lacking(**rules: Any) -> Tokenizer:
    return Tokenizer(LACKING, SMALL.merges, UNKNOWN, Rules(**rules))


def tokens(tokenizer: Tokenizer, text: str, allowed: Any = "all") -> list[str]:
    name_of = {i: name for name, i in tokenizer.vocab.items()}
    return [name_of[i] for i in tokenizer.encode(text, allowed)]


def saved(tokenizer: Tokenizer, folder: Path) -> Tokenizer:
    """The tokenizer as it is read again once it was saved."""
    tokenizer.save_pretrained(folder)
    again = Tokenizer.from_pretrained(folder)
    assert (again.vocab, again.merges) == (tokenizer.vocab, tokenizer.merges)
    assert again._rules == tokenizer._rules and again.special_tokens == tokenizer.special_tokens
    return again


def write_json(folder: Path, name: str, content: Any) -> None:
    (folder / f"{name}.json").write_text(json.dumps(content))


# ---- Bytes without a token ----------------------------------------------------------------------


BEFORE = [(0, 1), (1, 2), (2, 4), (4, 5), (5, 6), (6, 7), (7, 9), (9, 10), (10, 11), (10, 11)]


@pytest.mark.parametrize(
    ("rules", "expected", "places"),
    [
        # What is left stands side by side, and may join.
        ({}, "t|he|Ġcat|Ġ|©|Ġ", [(0, 1), (2, 4), (4, 9), (9, 10), (10, 11), (11, 12)]),
        (
            {"unknown": "<unk>"},
            "t|<unk>|he|Ġ|c|<unk>|at|Ġ|<unk>|©|Ġ|<unk>|<unk>",
            [*BEFORE, (11, 12), (12, 13), (13, 14)],
        ),
        (
            {"unknown": "<unk>", "fuse_unknown": True},
            "t|<unk>|he|Ġ|c|<unk>|at|Ġ|<unk>|©|Ġ|<unk>",
            [*BEFORE, (11, 12), (12, 14)],
        ),
    ],
)
def test_bytes_that_the_vocabulary_lacks(
    rules: dict[str, Any], expected: str, places: list[tuple[int, int]], tmp_path: Path
) -> None:
    text, tokenizer = "tqhe czat é qz", lacking(**rules)
    assert tokens(tokenizer, text) == expected.split("|")
    assert tokenizer.offsets(text) == places
    assert [i for step in tokenizer.steps(text) for i in step.ids] == tokenizer.encode(text)
    long = text + " q qq " * 400
    assert tokenizer.encode(long)[: len(places)] == tokenizer.encode(text)
    assert len(tokenizer.offsets(long)) == len(tokenizer.encode(long))
    again = saved(tokenizer, tmp_path)
    assert again.encode(long + "<s>", "all") == tokenizer.encode(long + "<s>", "all")


@given(TEXTS)
def test_every_token_has_a_place_whatever_is_lacking(text: str) -> None:
    for rules in ({}, {"unknown": "<unk>"}, {"unknown": "<unk>", "fuse_unknown": True}):
        for space in (False, True):
            tokenizer = lacking(prefix_space=space, **rules)
            places = tokenizer.offsets(text)
            assert len(places) == len(tokenizer.encode(text))
            assert all(0 <= start < stop <= len(text) for start, stop in places)
            assert places == sorted(places)


def test_what_is_lacking_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    saved(lacking(), tmp_path / "out")
    assert (
        "vocab.json: 3 of 256 bytes have no token, and are left out: 'q', 'z', 'Ã'" in caplog.text
    )
    caplog.clear()
    saved(lacking(unknown="<unk>"), tmp_path / "unknown")
    assert "3 of 256 bytes have no token, and become '<unk>': 'q'" in caplog.text
    assert sorted(file.name for file in (tmp_path / "unknown").iterdir()) == [
        *("tokenizer.json", "tokenizer_config.json")
    ]
    with pytest.raises(ValueError, match="OpenAI's format has no place for a token for unknown"):
        lacking(unknown="<unk>").save_pretrained(tmp_path / "openai", "openai")


def test_a_token_for_unknown_bytes_that_there_is_not(tmp_path: Path) -> None:
    saved(lacking(unknown="<unk>"), tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["model"]["unk_token"] = "<none>"
    write_json(tmp_path, "tokenizer", content)
    with pytest.raises(CheckpointError, match="unk_token '<none>' is not in the vocabulary"):
        Tokenizer.from_pretrained(tmp_path)


def test_ids_that_no_token_has(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = Tokenizer({**SMALL.vocab, "<x>": 285}, SMALL.merges, [AddedToken("<x>")])
    again = saved(tokenizer, tmp_path)
    assert "5 ids have no token, and decode to nothing: 280, 281, 282, 283, 284" in caplog.text
    assert again.n_vocab == 286 and again.encode("<x>", "all") == [285]
    assert again.decode([280, 285, *SMALL.encode("the"), 284]) == "<x>the"
    assert again.decode([280] * 99 + SMALL.encode(STORY)) == STORY
    assert again.decode([281]) == "" and again.decode_bytes([282] * 40) == b""
    with pytest.raises(ValueError, match="token id 286 is not in 0 to 285"):
        again.decode([286])
    assert len(copy.deepcopy(again).encode(STORY)) == len(SMALL.encode(STORY))


# ---- A space before a text ----------------------------------------------------------------------

SPACED = Tokenizer({**SMALL.vocab, "<s>": 280}, SMALL.merges, UNKNOWN, Rules(prefix_space=True))


@pytest.mark.parametrize(
    ("text", "expected", "places"),
    [
        ("the cat", "Ġthe|Ġcat", [(0, 3), (3, 7)]),
        (" the", "Ġthe", [(0, 4)]),
        ("q", "Ġ|q", [(0, 1), (0, 1)]),
        ("\nthe", "Ġ|Ċ|t|he", [(0, 1), (0, 1), (1, 2), (2, 4)]),
        ("the<s>the", "Ġthe|<s>|Ġthe", [(0, 3), (3, 6), (6, 9)]),
        ("<s> the", "<s>|Ġthe", [(0, 3), (3, 7)]),
        ("", "", []),
    ],
)
def test_a_space_before_a_text(text: str, expected: str, places: list[tuple[int, int]]) -> None:
    assert tokens(SPACED, text) == (expected.split("|") if expected else [])
    assert SPACED.offsets(text, "all") == places
    if "<s>" not in text:
        assert [i for step in SPACED.steps(text) for i in step.ids] == SPACED.encode(text)


@pytest.mark.parametrize(
    ("in_config", "in_json", "kind", "expected"),
    [
        (True, None, ..., True),
        (True, None, "GPT2Tokenizer", True),
        (None, None, ..., False),
        # transformers' own class goes by the configuration, and others by tokenizer.json.
        (None, True, "GPT2Tokenizer", False),
        (True, False, "GPT2TokenizerFast", True),
        (True, False, ..., True),
        (False, True, "PreTrainedTokenizerFast", True),
        (True, False, "PreTrainedTokenizerFast", False),
        (None, True, ..., True),
    ],
)
def test_who_says_that_a_space_comes_first(
    in_config: bool | None, in_json: bool | None, kind: Any, expected: bool, tmp_path: Path
) -> None:
    SMALL.save_pretrained(tmp_path)
    if in_json is not None:
        saved(lacking(unknown="<unk>", prefix_space=in_json), tmp_path / "json")
        (tmp_path / "json" / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    config = {} if kind is ... else {"tokenizer_class": kind}
    config |= {} if in_config is None else {"add_prefix_space": in_config}
    write_json(tmp_path, "tokenizer_config", config)
    tokenizer = Tokenizer.from_pretrained(tmp_path)
    assert tokens(tokenizer, "the") == (["Ġthe"] if expected else ["t", "he"])
    again = saved(tokenizer, tmp_path / "again")
    assert again.encode("the cat") == tokenizer.encode("the cat")


def test_an_option_that_is_no_option(tmp_path: Path) -> None:
    SMALL.save_pretrained(tmp_path)
    write_json(tmp_path, "tokenizer_config", {"add_prefix_space": "yes"})
    with pytest.raises(CheckpointError, match="add_prefix_space: expected true or false"):
        Tokenizer.from_pretrained(tmp_path)


# ---- Templates ----------------------------------------------------------------------------------

LIST = [{"name": "default", "template": "{{ a }}"}, {"name": "tool", "template": "{{ é }}"}]


@pytest.mark.parametrize(
    ("config", "files", "expected"),
    [
        ("{{ a }}", {}, "{{ a }}"),
        (LIST, {}, LIST),
        (None, {"chat_template.jinja": "{{ a }}"}, "{{ a }}"),
        ("{{ old }}", {"chat_template.jinja": "{{ a }}"}, "{{ a }}"),
        (
            None,
            {
                "chat_template.jinja": "{{ a }}",
                "additional_chat_templates/tool.jinja": "{{ é }}",
            },
            LIST,
        ),
    ],
)
def test_templates_are_kept(
    config: Any, files: dict[str, str], expected: Any, tmp_path: Path
) -> None:
    SMALL.save_pretrained(tmp_path)
    if config:
        write_json(tmp_path, "tokenizer_config", {"chat_template": config})
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    tokenizer = Tokenizer.from_pretrained(tmp_path)
    assert tokenizer._rules.chat_template == expected
    assert tokenizer.encode(STORY) == SMALL.encode(STORY)
    saved(tokenizer, tmp_path / "again")
    kept = json.loads((tmp_path / "again" / "tokenizer_config.json").read_text())
    assert kept["chat_template"] == expected


@pytest.mark.parametrize(
    "found", [3, [3], [{"name": "a"}], {"a": "b"}, [{"name": 1, "template": ""}]]
)
def test_templates_that_are_none(found: Any, tmp_path: Path) -> None:
    SMALL.save_pretrained(tmp_path)
    write_json(tmp_path, "tokenizer_config", {"chat_template": found})
    with pytest.raises(
        CheckpointError, match="chat_template: expected a text, or texts with names"
    ):
        Tokenizer.from_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff")
    with pytest.raises(CheckpointError, match=r"chat_template\.jinja: cannot be read"):
        Tokenizer.from_pretrained(tmp_path)


# ---- GPT-1's tokenizer.json ---------------------------------------------------------------------

ID_OF_WORD = {token: i for i, token in enumerate(WORDS)}


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """The toy vocabulary of GPT-1's as transformers saves it."""
    model = {"type": "BPE", "unk_token": "<unk>", "end_of_word_suffix": "</w>"}
    options = dict.fromkeys(["clean_text", "handle_chinese_chars", "lowercase"], True)
    content = {
        "version": "1.0",
        "added_tokens": [{"id": 0, "content": "<unk>", "special": True, "normalized": False}],
        "normalizer": {"type": "BertNormalizer", "strip_accents": None, **options},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "BPEDecoder", "suffix": "</w>"},
        "model": {**model, "vocab": ID_OF_WORD, "merges": [list(pair) for pair in WORD_MERGES]},
    }
    write_json(tmp_path, "tokenizer", content)
    return tmp_path


def test_gpt1_s_tokenizer_json(words: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_pretrained(words)
    text = "Löw\nwon't a.\x07 to中"
    expected = ["low</w>", "w", "o", "n</w>", "'</w>", "t</w>", "a</w>", ".</w>", "to</w>", "<unk>"]
    assert tokens(tokenizer, text) == expected
    parts = [text[start:stop] for start, stop in tokenizer.offsets(text)]
    assert parts == ["Löw", "w", "o", "n", "'", "t", "a", ".", "to", "中"]
    assert tokens(tokenizer, "a<unk>") == ["a</w>", "<unk>"]
    again = saved(tokenizer, tmp_path / "again")
    assert again.encode(text) == tokenizer.encode(text)
    assert not (tmp_path / "again" / "vocab.json").exists()
    with pytest.raises(ValueError, match="words cut as BERT does"):
        tokenizer.save_pretrained(tmp_path / "openai", "openai")


def test_gpt1_s_pair_comes_first(words: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It says how the model's makers cut its words."""
    Tokenizer(ID_OF_WORD, WORD_MERGES).save_pretrained(words / "pair")
    for file in (words / "pair").iterdir():
        file.rename(words / file.name)
    assert tokens(Tokenizer.from_pretrained(words), "won't") == ["w", "o</w>", "n't</w>"]
    assert "cuts words as BERT does, not as GPT-1 was taught; so vocab.json is read" in caplog.text
    named = Tokenizer.from_pretrained(words / "tokenizer.json")
    assert tokens(named, "won't") == ["w", "o", "n</w>", "'</w>", "t</w>"]


def test_a_token_of_words_that_is_half_a_character(words: Path) -> None:
    content = json.loads((words / "tokenizer.json").read_text())
    content["model"]["vocab"]["\ud800"] = len(WORDS)
    write_json(words, "tokenizer", content)
    with pytest.raises(CheckpointError, match="has a lone surrogate: not UTF-8"):
        Tokenizer.from_pretrained(words)


def test_a_word_that_is_declared_stays_one(words: Path, tmp_path: Path) -> None:
    content = json.loads((words / "tokenizer.json").read_text())
    content["added_tokens"][0]["special"] = False
    write_json(words, "tokenizer", content)
    again = saved(Tokenizer.from_pretrained(words), tmp_path / "again")
    assert again.special_tokens == {} and tokens(again, "a<unk>", ()) == ["a</w>", "<unk>"]


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        ("normalizer", {"type": "Lowercase"}, "normalizer: type is 'Lowercase'"),
        ("pre_tokenizer", {"type": "Whitespace"}, "pre_tokenizer: type is 'Whitespace'"),
        ("decoder", {"type": "ByteLevel"}, "decoder: type is 'ByteLevel'"),
        (
            "added_tokens",
            [{"id": 5, "content": "Bob", "normalized": True}],
            "the token 'Bob' would be looked for in lower case",
        ),
    ],
)
def test_what_is_refused_of_gpt1_s(words: Path, at: str, value: Any, message: str) -> None:
    content = json.loads((words / "tokenizer.json").read_text())
    content[at] = value
    if at == "added_tokens":
        content["model"]["vocab"]["Bob"] = value[0]["id"] = len(WORDS)
    write_json(words, "tokenizer", content)
    with pytest.raises(CheckpointError) as caught:
        Tokenizer.from_pretrained(words)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("rules", [{}, {"unknown": "<unk>"}, {"fuse_unknown": True}])
def test_a_tokenizer_that_lacks_bytes_can_be_copied(rules):
    for copied in (pickle.loads(pickle.dumps(lacking(**rules))), deepcopy(lacking(**rules))):
        assert tokens(copied, "a quiz, a zoo") == tokens(lacking(**rules), "a quiz, a zoo")


@given(st.lists(TEXTS, max_size=4))
def test_texts_are_encoded_together_as_one_by_one(texts):
    """Each with its own space, its own unknown bytes and its own special tokens, or its words."""
    texts = [*texts, "the cat", "<s>", "a<s> z<unk>q", " the", ""]
    words = Tokenizer(ID_OF_WORD, WORD_MERGES)
    for tokenizer in (SPACED, lacking(unknown="<unk>", fuse_unknown=True), lacking(), words):
        for allowed in ("all", ()):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(gptlite.fast.bpe, "_SHORT", 8)
                patch.setattr(gptlite.fast.words, "_PART", 20)
                together = tokenizer.encode_batch(texts, allowed, threads=2)
            assert together == [tokenizer.encode(text, allowed) for text in texts]
