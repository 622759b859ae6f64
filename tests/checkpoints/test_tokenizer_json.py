"""A tokenizer.json: read as the library that wrote it reads it, or refused by what is in it."""

import hashlib
import json
import random
import shutil
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fuzz import THOROUGH, times
from gptlite import CheckpointError, Tokenizer
from gptlite.alphabet import BYTE_SYMBOLS, EOT, PATTERN
from gptlite.checkpoints.strict_json import MAX_VALUES

FIXTURES = Path(__file__).parents[1] / "fixtures" / "tokenizer"
FORMS = ("new", "old")
NEW = json.loads((FIXTURES / "new" / "tokenizer.json").read_text(encoding="utf-8"))
EXPECTED = json.loads((FIXTURES / "expected.json").read_text())


def write(folder: Path, tokenizer: Any) -> Path:
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def changed(at: str, value: Any) -> Any:
    """A whole file with one value set, by its path of keys; or taken away, by ``...``."""
    tokenizer = json.loads(json.dumps(NEW))
    *path, last = at.split("/")
    within = tokenizer
    for key in path:
        within = within[int(key) if isinstance(within, list) else key]
    if value is ...:
        del within[last]
    else:
        within[int(last) if isinstance(within, list) else last] = value
    return tokenizer


def complaint(folder: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        Tokenizer.from_pretrained(folder)
    message = str(error.value)
    assert "\n" not in message and message.startswith(str(folder))
    assert "tokenizer.json" in message
    assert len(message) < 500 + len(str(folder))
    return message


# ---- What is read -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_written_by_transformers(form: str) -> None:
    tokenizer = Tokenizer.from_pretrained(FIXTURES / form)
    for text, ids in EXPECTED:
        assert tokenizer.encode(text, {EOT}) == ids
        assert tokenizer.decode(ids) == text
    assert (tokenizer.n_vocab, tokenizer.eot) == (275, 274)


def test_the_fixtures_hold_both_forms_of_merges() -> None:
    old = json.loads((FIXTURES / "old" / "tokenizer.json").read_text(encoding="utf-8"))
    assert NEW["model"]["merges"][0] == ["h", "e"] and old["model"]["merges"][0] == "h e"
    assert len(old["pre_tokenizer"]["pretokenizers"]) == 2
    assert old["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] == PATTERN.pattern


def test_it_is_read_before_a_pair_of_files(tmp_path: Path) -> None:
    """As transformers does."""
    other = Tokenizer.train(["a b c"], 258)
    for format in ("openai", "hub"):
        other.save_pretrained(tmp_path, format)
    shutil.copy(FIXTURES / "new" / "tokenizer.json", tmp_path)
    assert Tokenizer.from_pretrained(tmp_path).n_vocab == 275
    for named in ("vocab.json", "merges.txt", "encoder.json", "vocab.bpe"):
        assert Tokenizer.from_pretrained(tmp_path / named).n_vocab == other.n_vocab
    assert Tokenizer.from_pretrained(tmp_path / "tokenizer.json").n_vocab == 275


def test_a_pair_is_read_in_its_place_where_it_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Tokenizer.train(["a b c"], 258).save_pretrained(tmp_path)
    write(tmp_path, changed("pre_tokenizer/use_regex", False))
    assert Tokenizer.from_pretrained(tmp_path).n_vocab == 258
    assert "use_regex is False" in caplog.text
    assert "so vocab.json is read instead, whose ids may differ" in caplog.text
    complaint(tmp_path / "tokenizer.json")


def test_it_is_saved_as_a_pair(tmp_path: Path) -> None:
    Tokenizer.from_pretrained(FIXTURES / "new").save_pretrained(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["merges.txt", "vocab.json"]
    tokenizer = Tokenizer.from_pretrained(tmp_path)
    assert [tokenizer.encode(text, {EOT}) for text, _ in EXPECTED] == [ids for _, ids in EXPECTED]


BYTE_LEVEL = NEW["pre_tokenizer"]
SPLIT = {"type": "Split", "pattern": {"Regex": PATTERN.pattern}}
SPLIT |= {"behavior": "Isolated", "invert": False}
BYTES_ONLY = BYTE_LEVEL | {"use_regex": False}


def sequence(*steps: Any, name: str = "pretokenizers") -> dict[str, Any]:
    return {"type": "Sequence", name: list(steps)}


@pytest.mark.parametrize(
    ("at", "value"),
    [
        # As GPT-2's own file has it, which is older than some of the options.
        *(("version", ...), ("model/type", ...), ("model/byte_fallback", ...)),
        *(("model/ignore_merges", ...), ("model/dropout", 0.0)),
        *(("model/continuing_subword_prefix", None), ("model/end_of_word_suffix", ...)),
        ("pre_tokenizer/use_regex", ...),
        ("pre_tokenizer", sequence(BYTE_LEVEL)),
        ("pre_tokenizer", sequence(SPLIT, BYTES_ONLY)),
        ("decoder", sequence(NEW["decoder"], name="decoders")),
        ("post_processor", {**BYTE_LEVEL, "trim_offsets": False}),
        ("post_processor", sequence(BYTE_LEVEL, NEW["post_processor"], name="processors")),
        ("post_processor", None),
        ("added_tokens/0/normalized", True),
        *(("added_tokens", []), ("added_tokens", None), ("added_tokens", ...)),
        # How the last batch was made, which the library forgets at the next call.
        ("truncation", {"max_length": 2}),
        ("padding", {"pad_id": 3}),
        # Nothing is unknown.
        *(("model/unk_token", EOT), ("model/unk_token", "<unk>"), ("model/fuse_unk", True)),
        ("model/vocab/" + EOT, ...),  # it gets its id as an added token
    ],
)
def test_what_makes_no_difference(tmp_path: Path, at: str, value: Any) -> None:
    tokenizer = Tokenizer.from_pretrained(write(tmp_path, changed(at, value)))
    assert [tokenizer.encode(text, {EOT}) for text, _ in EXPECTED] == [ids for _, ids in EXPECTED]


# ---- What is refused ----------------------------------------------------------------------------

PAD = NEW["added_tokens"][0] | {"id": 275, "content": "<|pad|>"}
BEGIN = {"SpecialToken": {"id": EOT, "type_id": 0}}
VOCAB = NEW["model"]["vocab"]


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        ("normalizer", {"type": "NFC"}, "normalizer is {'type': 'NFC'}; gptlite has GPT-2's None"),
        ("normalizer", {"type": "Lowercase"}, "normalizer is {'type': 'Lowercase'}"),
        ("version", "2.0", "version is '2.0'"),
        ("new_stage", None, "expected nothing else, found 'new_stage'"),
        # The model
        ("model", None, "model: expected an object, found None"),
        ("model", ..., "model: expected an object, found None"),
        ("model/type", "WordPiece", "model: type is 'WordPiece'; gptlite has GPT-2's 'BPE' only"),
        ("model/dropout", 0.1, "model: dropout is 0.1"),
        ("model/dropout", True, "model: dropout is True"),
        ("model/byte_fallback", True, "model: byte_fallback is True"),
        ("model/byte_fallback", 0, "model: byte_fallback is 0"),
        ("model/ignore_merges", True, "model: ignore_merges is True"),
        ("model/continuing_subword_prefix", "##", "model: continuing_subword_prefix is '##'"),
        ("model/end_of_word_suffix", "</s>", "model: end_of_word_suffix is '</s>'"),
        ("model/end_of_word_suffix", "</w>", "normalizer: expected an object, found None"),
        ("model/unk_token", 3, "expected the name of unk_token, and true or false for fuse_unk"),
        ("model/fuse_unk", "no", "expected the name of unk_token, and true or false for fuse_unk"),
        ("model/new_option", 1, "model: expected nothing else, found 'new_option'"),
        ("model/vocab", ..., "model: missing vocab"),
        ("model/vocab", [["a", 0]], "vocab: expected an object, found [['a', 0]]"),
        ("model/vocab/t", 3, "expected an id of its own for each token, found 3 for both"),
        ("model/vocab/t", 1e3, "expected ids from 0 to 1048575, found 1000.0 for 't'"),
        ("model/vocab/extra", 275, "expected a merge that makes token 275"),
        ("model/merges", ..., "model: missing merges"),
        ("model/merges", {}, "merges: expected a list, found {}"),
        ("model/merges/3", ["a"], "merge 4: expected two symbols, as 'a b' or ['a', 'b'], found"),
        ("model/merges/3", ["a", "b", "c"], "merge 4: expected two symbols"),
        ("model/merges/3", ["a", 3], "merge 4: expected two symbols"),
        ("model/merges/3", ["a", ""], "merge 4: expected two symbols"),
        ("model/merges/3", "a  b", "merge 4: expected two symbols"),
        ("model/merges/3", "a b c", "merge 4: expected two symbols"),
        ("model/merges/3", " a", "merge 4: expected two symbols"),
        ("model/merges/3", None, "merge 4: expected two symbols"),
        ("model/merges/3", " " * 10**6, "merge 4: expected two symbols"),
        ("model/merges/3", ["h", "e"], "merge 4: expected each pair once"),
        ("model/merges/3", ["q", "q"], "expected a token 'qq', which merge 4"),
        ("model/merges/0", ["qq", "q"], "merge 1: expected symbols of bytes or of earlier merges"),
        # How text is cut
        ("pre_tokenizer", None, "pre_tokenizer: expected ByteLevel, found []"),
        ("pre_tokenizer", {"type": "Whitespace"}, "pre_tokenizer: type is 'Whitespace'"),
        ("pre_tokenizer", [], "pre_tokenizer: expected an object, found []"),
        ("pre_tokenizer/add_prefix_space", 1, "pre_tokenizer: add_prefix_space is 1"),
        ("pre_tokenizer/add_prefix_space", ..., "pre_tokenizer: missing add_prefix_space"),
        ("pre_tokenizer/use_regex", False, "pre_tokenizer: use_regex is False"),
        ("pre_tokenizer", sequence(), "pre_tokenizer: expected ByteLevel, found []"),
        ("pre_tokenizer", sequence(SPLIT), "pre_tokenizer: type is 'Split'"),
        ("pre_tokenizer", sequence(BYTES_ONLY), "pre_tokenizer: use_regex is False"),
        ("pre_tokenizer", sequence(SPLIT, BYTE_LEVEL), "pre_tokenizer: use_regex is True"),
        (
            "pre_tokenizer",
            sequence({"type": "Digits", "individual_digits": True}, BYTE_LEVEL),
            "pre_tokenizer: expected ByteLevel, found ['Digits', 'ByteLevel']",
        ),
        ("pre_tokenizer", sequence(sequence(BYTE_LEVEL)), "pre_tokenizer: type is 'Sequence'"),
        ("pre_tokenizer", sequence(BYTE_LEVEL, name="steps"), "pre_tokenizer: type is 'Sequence'"),
        (
            "pre_tokenizer",
            sequence(SPLIT | {"pattern": {"Regex": r"\p{N}{1,3}"}}, BYTES_ONLY),
            "pre_tokenizer: pattern is",
        ),
        (
            "pre_tokenizer",
            sequence(SPLIT | {"pattern": {"String": PATTERN.pattern}}, BYTES_ONLY),
            "pre_tokenizer: pattern is",
        ),
        (
            "pre_tokenizer",
            sequence(SPLIT | {"behavior": "Removed"}, BYTES_ONLY),
            "pre_tokenizer: behavior is 'Removed'",
        ),
        ("pre_tokenizer", sequence(SPLIT | {"invert": True}, BYTES_ONLY), "invert is True"),
        # What is done to ids, and to what they stand for
        (
            "post_processor/single",
            [BEGIN, *NEW["post_processor"]["single"]],
            "post_processor: single is [{'SpecialToken'",
        ),
        ("post_processor", {"type": "BertProcessing"}, "post_processor: type is 'BertProcessing'"),
        ("decoder", None, "decoder: expected ByteLevel, found []"),
        ("decoder", {"type": "WordPiece"}, "decoder: type is 'WordPiece'"),
        # Added tokens
        (
            "added_tokens",
            [*NEW["added_tokens"], PAD | {"id": 1 << 20}],
            "found 1048576 for '<|pad|>'",
        ),
        ("added_tokens", [PAD | {"id": 3}], "an id of its own for each token, found 3 for both"),
        ("added_tokens", [PAD | {"content": 3}], "expected the content of a token, found 3"),
        ("added_tokens", [PAD | {"content": ""}], "expected the content of a token, found ''"),
        ("added_tokens", [PAD | {"lstrip": 1}], "lstrip: expected true or false, found 1"),
        ("added_tokens", [PAD | {"new": 1}], "added_tokens: expected nothing else, found 'new'"),
        ("added_tokens", {}, "added_tokens: expected a list, found {}"),
        ("added_tokens", [3], "added_tokens: expected an object, found 3"),
        ("added_tokens", [{"content": EOT}], "added_tokens: missing id"),
        ("added_tokens/0/id", 3, f"added_tokens: expected 274 as id of '{EOT}', found 3"),
        ("added_tokens/0/id", 274.0, f"expected 274 as id of '{EOT}', found 274.0"),
    ],
)
def test_what_would_give_other_ids_is_refused_by_its_name(
    tmp_path: Path, at: str, value: Any, message: str
) -> None:
    assert message in complaint(write(tmp_path, changed(at, value)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not valid JSON"),
        (b"{}", "not a tokenizer.json of Hugging Face's library"),
        (
            b'{"idx2sym": ["a"]}',
            "library, which has a model and a pre_tokenizer: found ['idx2s",
        ),
        (b'{"model": {}}', "pre_tokenizer: expected ByteLevel, found []"),
        (b"version https://git-lfs.github.com/spec/v1\n", "found a Git LFS pointer to one"),
        (b"[1]", "expected a JSON object"),
        (b'{"model": {}, "model": {}}', "key 'model' is given twice"),
        (b'{"a":' * 50_000, "nested too deeply"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"a":[' + b"1," * MAX_VALUES + b"1]}", "values"),
    ],
)
def test_what_is_no_such_file(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "tokenizer.json").write_bytes(data)
    assert message in complaint(tmp_path)


def test_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    """Bytes changed anywhere, keys and values exchanged: an error, or a tokenizer that works."""
    rng = random.Random(0)
    data = [
        json.dumps(json.loads((FIXTURES / f / "tokenizer.json").read_bytes())).encode()
        for f in FORMS
    ]
    # Most of the file is vocabulary; half of the changes go to the rest.
    places = [(0, d.index(b'"vocab"')) for d in data]
    pieces = [b"", b"0", b'"', b"}", b"]", b",", b"true", b"false", b"null", b"-1", b"1e999", b"{}"]
    pieces += [b"\xff", b"\\u0000", b"\\ud800", b"\n", b"99999999999999999999", b'"type":', b"[]"]
    n_read = 0
    for n in range(times(4000)):
        changed = bytearray(data[n % 2])
        for _ in range(rng.randint(1, 3)):
            begin, end = places[n % 2] if rng.random() < 0.5 else (0, len(changed))
            at = rng.randrange(begin, min(end, len(changed)))
            changed[at : at + rng.randint(0, 3)] = rng.choice([*pieces, rng.randbytes(1)])
        if rng.random() < 0.1:
            del changed[rng.randrange(len(changed)) :]
        (tmp_path / "tokenizer.json").write_bytes(changed)
        begin_time = time.monotonic()
        try:
            found = Tokenizer.from_pretrained(tmp_path)
        except CheckpointError as error:
            assert "\n" not in str(error) and str(tmp_path) in str(error)
        else:
            n_read += 1
            assert found.decode(found.encode("the cat é")) == "the cat é"
        assert time.monotonic() - begin_time < 1
    assert times(20) < n_read < times(2000)


# ---- Room and time ------------------------------------------------------------------------------

SYMBOLS = list(BYTE_SYMBOLS.values())


def whole(n_merges: int, as_pairs: bool, more: int = 0) -> bytes:
    """A valid file of ``n_merges`` merges; or one with more tokens than the merges make."""
    twos = [(a, b) for a in SYMBOLS for b in SYMBOLS]
    pairs = (twos + [(a + b, SYMBOLS[0]) for a, b in twos])[:n_merges]
    tokens = [*SYMBOLS, *map("".join, pairs), *(f"{n:x}" for n in range(1 << 20, (1 << 20) + more))]
    merges: list[Any] = [list(pair) if as_pairs else " ".join(pair) for pair in pairs]
    model = {"vocab": {token: i for i, token in enumerate([*tokens, EOT])}, "merges": merges}
    rest = {"added_tokens": [], "pre_tokenizer": BYTE_LEVEL, "decoder": NEW["decoder"]}
    return json.dumps(rest | {"model": model}, separators=(",", ":"), ensure_ascii=False).encode()


PART = 1 if THOROUGH else 4  # of the largest files that there may be
LARGE: dict[str, Callable[[], bytes]] = {
    "merges as pairs": lambda: whole(54_000 // PART, as_pairs=True),
    "merges as strings": lambda: whole(106_000 // PART, as_pairs=False),
    "tokens without merges": lambda: whole(0, as_pairs=True, more=(MAX_VALUES - 500) // PART),
    "one long merge": lambda: json.dumps(changed("model/merges/0", " " * 4_900_000)).encode(),
}


@pytest.mark.parametrize("case", LARGE)
def test_no_more_memory_than_it_may(case: str, tmp_path: Path) -> None:
    data = LARGE[case]()
    (tmp_path / "tokenizer.json").write_bytes(data)
    tracemalloc.start()
    try:
        if case.startswith("merges"):
            Tokenizer.from_pretrained(tmp_path)
        else:
            assert "values" not in complaint(tmp_path)  # it is the content that is refused
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(data) + (64 << 20) // PART


def test_gpt_2_s_own_with_a_merge_on_four_lines_is_within_the_limits(
    official: Tokenizer, tmp_path: Path
) -> None:
    added = [NEW["added_tokens"][0] | {"id": 50256}]
    model = NEW["model"] | {"vocab": official.vocab, "merges": official.merges}
    text = json.dumps(NEW | {"added_tokens": added, "model": model}, indent=2, ensure_ascii=False)
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    assert (tmp_path / "tokenizer.json").stat().st_size == 3_557_957  # as transformers 5 saves it
    found = Tokenizer.from_pretrained(tmp_path)
    assert found.vocab == official.vocab and found.merges == official.merges


def test_gpt_2_s_own_as_the_hub_has_it(official: Tokenizer, tmp_path: Path) -> None:
    """Put together again to the byte: its checksum is a published one."""
    token = {"id": 50256, "special": True, "content": EOT, "single_word": False}
    step = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}
    whole = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [token | {"lstrip": False, "rstrip": False, "normalized": True}],
        "normalizer": None,
        "pre_tokenizer": step | {"add_prefix_space": False},
        "post_processor": step | {"trim_offsets": False},
        "decoder": step,
        "model": {
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "vocab": dict(sorted(official.vocab.items(), key=lambda item: item[1])),
            "merges": [" ".join(pair) for pair in official.merges],
        },
    }
    data = json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode()
    assert hashlib.sha256(data).hexdigest() == (
        "8414cab924d8b9b33013f0d221c5862f365ee9be39c5c2bfae8a5a9e970478a6"
    )
    (tmp_path / "tokenizer.json").write_bytes(data)
    found = Tokenizer.from_pretrained(tmp_path)
    assert found.vocab == official.vocab and found.merges == official.merges
