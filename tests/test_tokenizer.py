"""The tokenizer: published ids, its own plain way, its files, and what it refuses."""

import json
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import times
from gptlite import CheckpointError, Tokenizer
from gptlite.alphabet import BYTE_SYMBOLS, EOT, FILES
from vocabularies import SMALL, STORY, TEXTS


@pytest.fixture(scope="module")
def official(shared) -> Tokenizer:
    return Tokenizer.from_pretrained(shared / "gpt2-tokenizer")


# Published ids


ZEROS = [[15], [405], [830], [2388], [20483], [10535], [24598], [8269], [10535, 830]]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", []),
        ("hello world", [31373, 995]),
        *(("0" * n, ids) for n, ids in enumerate(ZEROS, 1)),
        ("0" * 16, [25645]),
        ("0" * 17, [8269, 10535, 830]),
        (
            "Hello!! I'm Andrej Karpathy. It's 2022. w00t :D 🤗",
            "15496 3228 314 1101 10948 73 509 5117 10036 13 632 338 33160 13 266"
            " 405 83 1058 35 12520 97 245",
        ),
        (
            "asdf asdfasdf a!!, @aba 9asdf90asdfk",
            "292 7568 355 7568 292 7568 257 3228 11 2488 15498 860 292 7568 3829 292 7568 74",
        ),
        ("Implementations", [3546, 26908, 602]),
        ("Hello, world. Is this-- a test?", [15496, 11, 995, 13, 1148, 428, 438, 257, 1332, 30]),
        ("\n", [198]),
        (
            "Ondřej Čertík was born in",
            [46, 358, 129, 247, 68, 73, 34754, 234, 861, 8836, 74, 373, 4642, 287],
        ),
    ],
)
def test_published_ids(official, text, ids):
    if isinstance(ids, str):
        ids = [int(i) for i in ids.split()]
    assert official.encode(text) == ids
    assert official.decode(ids) == text


def test_official_sizes(official):
    assert (official.n_vocab, official.eot) == (50257, 50256)


def test_tinyshakespeare_has_its_published_number_of_tokens(official, shared):
    text = (shared / "corpora/tinyshakespeare/input.txt").read_text(encoding="utf-8")
    cut = int(len(text) * 0.9)
    assert len(official.encode(text)) == 338_025
    assert len(official.encode(text[:cut])) == 301_966
    assert len(official.encode(text[cut:])) == 36_059


def test_official_files_are_written_again_to_the_byte(official, shared, tmp_path):
    official.save_pretrained(tmp_path, format="openai")
    official.save_pretrained(tmp_path)
    for ours, theirs in [
        ("encoder.json", "encoder.json"),
        ("vocab.bpe", "vocab.bpe"),
        ("vocab.json", "encoder.json"),
        ("merges.txt", "vocab.bpe"),
    ]:
        expected = (shared / "gpt2-tokenizer" / theirs).read_bytes()
        assert (tmp_path / ours).read_bytes() == expected


# Encoding and decoding


@given(TEXTS)
@settings(deadline=None)
def test_bytes_come_back(text):
    ids = SMALL.encode(text)
    assert SMALL.decode_bytes(ids) == text.encode()
    assert SMALL.decode(ids) == text
    assert SMALL.encode(text) == ids  # a second time, out of what is known


@given(TEXTS)
@settings(deadline=None)
def test_steps_end_in_what_encode_gives(text):
    fresh = Tokenizer(SMALL.vocab, SMALL.merges)
    steps = fresh.steps(text)
    assert [i for step in steps for i in step.ids] == fresh.encode(text)
    assert "".join(step.piece for step in steps) == text
    for step in steps:
        assert step.rows[0] == [bytes([byte]) for byte in step.piece.encode()]
        assert step.rows[-1] == [fresh.decode_bytes([i]) for i in step.ids]
        for row, n in zip(step.rows, range(len(step.rows[0]), 0, -1), strict=False):
            assert len(row) == n
            assert b"".join(row) == step.piece.encode()


def test_steps_apply_the_first_learned_merge_first():
    tokenizer = Tokenizer.train(["aaabdaaabac"], 257 + 3)
    (step,) = tokenizer.steps("aaabd")
    assert step.rows == [
        [b"a", b"a", b"a", b"b", b"d"],
        [b"aa", b"a", b"b", b"d"],
        [b"aa", b"ab", b"d"],
        [b"aaab", b"d"],
    ]


def test_nothing_is_printed(capsys):
    tokenizer = Tokenizer.train([STORY], 270)
    tokenizer.steps(STORY)
    tokenizer.decode(tokenizer.encode(STORY))
    assert capsys.readouterr() == ("", "")


def test_text_longer_than_a_block():
    text = " the cat" * 70_000 + " sat" + "x" * 100
    once = SMALL.encode(" the cat")
    assert SMALL.encode(text) == once * 70_000 + SMALL.encode(" sat" + "x" * 100)


def test_endoftext_in_text_is_plain_unless_allowed():
    text = f"the cat{EOT}{EOT} the end"
    plain = SMALL.encode(text)
    assert SMALL.eot not in plain
    assert SMALL.decode(plain) == text
    ids = SMALL.encode(text, allowed_special={EOT})
    assert ids == [*SMALL.encode("the cat"), SMALL.eot, SMALL.eot, *SMALL.encode(" the end")]
    assert SMALL.decode(ids) == text
    assert SMALL.encode(EOT, allowed_special=[EOT]) == [SMALL.eot]
    assert SMALL.encode("the cat", allowed_special=()) == SMALL.encode("the cat", [EOT])


def test_half_a_character_decodes_to_the_replacement():
    assert SMALL.decode(SMALL.encode("é")[:1]) == "\ufffd"
    assert SMALL.decode([]) == ""
    assert SMALL.decode_bytes(iter(np.array(SMALL.encode("the cat")))) == b"the cat"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\ud800", r"a lone surrogate, '\\ud800'"),
        ("a cat \udfff sat", r"a lone surrogate, '\\udfff'"),
        ("x" * 99 + "\udc80", r"a lone surrogate, '\\udc80'"),
        ("\ude00\ud83d", r"a lone surrogate, '\\ude00'"),
        ("a \ud83d\ude00\ud800", r"a pair of surrogates, '\\ud83d\\ude00', in place of '😀'"),
    ],
)
@pytest.mark.parametrize("long", ["", " the cat" * 500])
def test_surrogates_are_refused(text, found, long):
    for call in (SMALL.encode, SMALL.encode, SMALL.steps, SMALL.offsets):
        # The second time must not find half of it known.
        with pytest.raises(ValueError, match=f"^text has {found}.* not UTF-8$") as error:
            call(long + text)
        assert "\n" not in str(error.value)
        assert not isinstance(error.value, UnicodeError)
    with pytest.raises(ValueError, match=found):
        Tokenizer.train([long + text], 300)
    assert SMALL.decode(SMALL.encode("a cat sat")) == "a cat sat"


@pytest.mark.parametrize("bad", [-1, SMALL.n_vocab, 10**30, -(10**30), np.int64(-1)])
def test_ids_out_of_range(bad):
    for decode in (SMALL.decode, SMALL.decode_bytes):
        with pytest.raises(ValueError, match=f"token id {bad} is not in 0 to {SMALL.n_vocab - 1}"):
            decode([0, bad, 1])


@pytest.mark.parametrize(
    "call",
    [
        lambda: SMALL.encode(b"bytes"),
        lambda: SMALL.encode(None),
        lambda: SMALL.encode(["a"]),
        lambda: SMALL.encode("a", allowed_special=EOT),
        lambda: SMALL.encode("a", allowed_special="ALL"),
        lambda: SMALL.encode_batch("one text"),
        lambda: SMALL.encode_batch(b"bytes"),
        lambda: SMALL.encode_batch(["a"], threads=1.0),
        lambda: SMALL.encode_batch(["a", b"b"], threads=2),
        lambda: SMALL.offsets(b"bytes"),
        lambda: SMALL.steps(b"bytes"),
        lambda: SMALL.decode(5),
        lambda: SMALL.decode("a"),
        lambda: SMALL.decode([1.0]),
        lambda: SMALL.decode([None]),
        lambda: SMALL.decode_bytes(np.zeros((2, 1), int)),
        lambda: SMALL.decode_bytes(np.zeros((2, 3), int)),
        lambda: Tokenizer.train(["a"], "300"),
        lambda: Tokenizer.train(["a"], 300.0),
        lambda: Tokenizer.train(["a"], True),
        lambda: Tokenizer.train("one text", 300),
        lambda: Tokenizer.train([b"bytes"], 300),
        lambda: Tokenizer.train(7, 300),
        lambda: Tokenizer.from_pretrained(7),
    ],
)
def test_wrong_types(call):
    with pytest.raises(TypeError):
        call()


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (5, "expected a row of token ids, not int"),
        (None, "expected a row of token ids, not NoneType"),
        ("a", "token ids must be ints, not str"),
        ([1, 2.0], "token ids must be ints, not float"),
        ([[1], [2, 3]], "token ids must be ints, not list"),
        (np.zeros((2, 3), int), "token ids must be ints, not ndarray"),
        (np.array(1), "expected a row of token ids, not ndarray"),
    ],
)
def test_what_is_no_row_of_ids(ids, message):
    for decode in (SMALL.decode, SMALL.decode_bytes):
        with pytest.raises(TypeError, match=message):
            decode(ids)


def test_a_name_that_is_no_special_token_is_refused():
    with pytest.raises(ValueError, match=r"no special token '<s>': there are '<\|endoftext\|>'$"):
        SMALL.encode("a", allowed_special={EOT, "<s>"})


def test_texts_are_encoded_together_as_one_by_one():
    texts = [STORY, "", f"the{EOT}cat", "x" * 2000]
    for threads in (1, 3):
        ids = SMALL.encode_batch(iter(texts), {EOT}, threads=threads)
        assert ids == [SMALL.encode(text, {EOT}) for text in texts]
    assert SMALL.encode_batch([]) == SMALL.encode_batch(()) == []
    characters = Tokenizer({c: i for i, c in enumerate("abc")}, None)
    assert characters.encode_batch(["abc", "", "c"]) == [[0, 1, 2], [], [2]]
    with pytest.raises(ValueError, match="threads must be at least 1, not 0"):
        SMALL.encode_batch([], threads=0)


@given(TEXTS, st.booleans())
@settings(deadline=None)
def test_offsets_are_where_the_tokens_lie(text, within):
    text = f"{text}{EOT} {text}" if within else text
    spans, ids = SMALL.offsets(text, "all"), SMALL.encode(text, "all")
    assert len(spans) == len(ids)
    assert [start for start, _ in spans] == sorted(start for start, _ in spans)
    for (start, stop), i in zip(spans, ids, strict=True):
        assert SMALL.decode_bytes([i]) in text[start:stop].encode()
        assert start < stop
    if text.isascii():
        assert [text[start:stop] for start, stop in spans] == [SMALL.decode([i]) for i in ids]


def test_offsets_of_a_character_in_several_tokens():
    assert SMALL.offsets("a é!") == [(0, 1), (1, 2), (2, 3), (2, 3), (3, 4)]


# Files


def test_both_file_pairs_are_read_and_hold_the_same(tmp_path):
    SMALL.save_pretrained(tmp_path / "hub")
    SMALL.save_pretrained(tmp_path / "openai", format="openai")
    names = [sorted(path.name for path in (tmp_path / d).iterdir()) for d in ("hub", "openai")]
    assert names == [["merges.txt", "vocab.json"], ["encoder.json", "vocab.bpe"]]
    for folder, left in zip(("hub", "openai"), names, strict=True):
        found = Tokenizer.from_pretrained(tmp_path / folder)
        assert found.vocab == SMALL.vocab
        assert found.merges == SMALL.merges
        assert found.encode(STORY) == SMALL.encode(STORY)
        contents = [(tmp_path / folder / name).read_bytes() for name in left]
        assert sorted(contents) == sorted(p.read_bytes() for p in (tmp_path / "hub").iterdir())


def test_a_file_of_weights_stands_for_its_folder(tmp_path):
    SMALL.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    found = Tokenizer.from_pretrained(tmp_path / "model.safetensors")
    assert found.encode(STORY) == SMALL.encode(STORY)


def test_windows_line_ends_and_a_missing_version_line(tmp_path):
    SMALL.save_pretrained(tmp_path)
    lines = (tmp_path / "merges.txt").read_text(encoding="utf-8").splitlines()
    (tmp_path / "merges.txt").write_bytes("\r\n".join(lines[1:]).encode())
    assert Tokenizer.from_pretrained(tmp_path).merges == SMALL.merges


def test_ids_in_any_order(tmp_path):
    """Merges go by their order in the file, never by the ids of what they make."""
    shuffled = list(range(SMALL.n_vocab))
    random.Random(1).shuffle(shuffled)
    vocab = {token: shuffled[i] for token, i in SMALL.vocab.items()}
    SMALL.save_pretrained(tmp_path)
    (tmp_path / "vocab.json").write_text(json.dumps(vocab))
    found = Tokenizer.from_pretrained(tmp_path)
    assert found.encode(STORY) == [shuffled[i] for i in SMALL.encode(STORY)]
    assert found.eot == shuffled[SMALL.eot]


def test_saving_fails_without_touching_what_is_there(tmp_path, monkeypatch):
    SMALL.save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("gptlite.files.os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        Tokenizer.train(["x"], 257).save_pretrained(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match="format must be one of hub, openai, not 'hf'"):
        SMALL.save_pretrained(tmp_path / "new", format="hf")
    assert not (tmp_path / "new").exists()


def complaint(folder) -> str:
    with pytest.raises(CheckpointError) as error:
        Tokenizer.from_pretrained(folder)
    message = str(error.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


def changed(**ids):
    return lambda vocab: json.dumps({**vocab, **ids})


def without(*tokens):
    """A vocabulary without these tokens, its ids 0 to n - 1 all the same."""

    def dump(vocab):
        return json.dumps({t: i for i, t in enumerate(t for t in vocab if t not in tokens)})

    return dump


def renamed(old, new):
    return lambda vocab: json.dumps({new if t == old else t: i for t, i in vocab.items()})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda vocab: "", "not valid JSON"),
        (lambda vocab: json.dumps(vocab)[:-9], "not valid JSON"),
        (lambda vocab: b"\xff" + json.dumps(vocab).encode(), "not valid JSON: 'utf-8'"),
        (lambda vocab: "[" * 100_000, "nested too deeply"),
        (lambda vocab: "[1, 2]", "expected a JSON object, found [1, 2]"),
        (lambda vocab: "null", "expected a JSON object, found None"),
        (
            lambda vocab: "{}",
            "expected tokens of single bytes ('!', 'a', 'Ġ' and so on), found none",
        ),
        (lambda vocab: json.dumps(vocab)[:-1] + ', "!": 0}', "key '!' is given twice"),
        (changed(t=1 << 20), "ids from 0 to 1048575, found 1048576 for 't'"),
        (changed(t=-1), "found -1 for 't'"),
        (changed(t="1"), "found '1' for 't'"),
        (changed(t=1.0), "found 1.0 for 't'"),
        (changed(t=None), "found None for 't'"),
        (changed(t=[["deep"]]), "found [['deep']] for 't'"),
        (changed(**{'"': True}), "found True for '\"'"),
        (changed(t=5), "an id of its own for each token, found 5 for both '&' and 't'"),
        (changed(t=10**17), f"found {10**17} for 't'"),
        (without("t"), "expected symbols of bytes or of earlier merges, found 't'"),
        (without("he"), "expected a token 'he', which merge 1 of merges.txt makes, found none"),
        (renamed("he", "\ud800"), "expected a token 'he'"),
        (changed(extra=280), "merge that makes token 280 of vocab.json, 'extra'; found none in 23"),
        (changed(**{"": 280}), "merge that makes token 280 of vocab.json, ''"),
        (changed(**{"\ud800 x\n": 280}), r"280 of vocab.json, '\ud800 x\n'"),
    ],
)
def test_damaged_vocabularies(tmp_path, damage, message):
    SMALL.save_pretrained(tmp_path)
    data = damage(SMALL.vocab)
    file = tmp_path / "vocab.json"
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    found = complaint(tmp_path)
    assert message in found
    assert "vocab.json" in found or "merges.txt: merge" in found
    assert len(found) < 400 + len(str(tmp_path))


def with_line(line):
    return lambda lines: [*lines[:4], line, *lines[4:]]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda lines: [], "expected a merge that makes token 256 of vocab.json"),
        (lambda lines: lines[:-1], "found none in 22 merges"),
        (lambda lines: [*lines[:2], *lines[3:]], "expected"),
        (lambda lines: [lines[0], *reversed(lines[1:])], "symbols of bytes or of earlier merges"),
        (with_line(""), "line 5: expected two symbols with a space between, found ''"),
        (with_line("t"), "line 5: expected two symbols with a space between, found 't'"),
        (with_line("t h e"), "line 5: expected two symbols with a space between, found 't h e'"),
        (with_line("t "), "found 't '"),
        (with_line(" t"), "found ' t'"),
        (with_line("t\th"), r"found 't\th'"),
        (with_line("t  h"), "found 't  h'"),
        (with_line("#version: 0.2 "), "line 5"),
        (with_line("x" * 10**6), "line 5"),
        (with_line("h e"), "merge 4: expected each pair once, found 'h e' again"),
        (with_line("q q"), "expected a token 'qq', which merge 4 of merges.txt makes, found none"),
        (with_line("qq q"), "found 'qq'"),
        (with_line("\u3042 t"), "found '\u3042'"),
        (with_line("<|endoftext|> t"), "found '<|endoftext|>'"),
    ],
)
def test_damaged_merges(tmp_path, damage, message):
    SMALL.save_pretrained(tmp_path)
    file = tmp_path / "merges.txt"
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("".join(line + "\n" for line in damage(lines)), encoding="utf-8")
    found = complaint(tmp_path)
    assert message in found
    assert "merges.txt" in found
    assert len(found) < 400 + len(str(tmp_path))


def test_merges_that_are_not_utf8(tmp_path):
    SMALL.save_pretrained(tmp_path)
    (tmp_path / "merges.txt").write_bytes(b"#version: 0.2\n\xe9 t\n")
    assert "merges.txt: expected UTF-8, found 'utf-8' codec can't decode" in complaint(tmp_path)


@pytest.mark.parametrize(("names", "gone"), [("hub", 0), ("hub", 1), ("openai", 0), ("openai", 1)])
def test_a_missing_file(tmp_path, names, gone):
    SMALL.save_pretrained(tmp_path, names)
    pair = FILES[names]
    (tmp_path / pair[gone]).unlink()
    expected = "expected vocab.json and merges.txt or encoder.json and vocab.bpe or tokenizer.json"
    assert f"{expected}, found {pair[1 - gone]}" in complaint(tmp_path)
    (tmp_path / pair[1 - gone]).unlink()
    assert f"{expected}, found none" in complaint(tmp_path)
    (tmp_path / "vocab.json").mkdir()
    assert f"{expected}, found vocab.json" in complaint(tmp_path)


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    SMALL.save_pretrained(tmp_path)

    def refuse(path, most):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("gptlite.checkpoints.vocabulary_files.read_small", refuse)
    assert "vocab.json: cannot be read: [Errno 13] Permission denied" in complaint(tmp_path)


@given(st.data())
@settings(deadline=None, max_examples=times(300))
def test_files_damaged_at_random_are_read_or_refused(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    tokenizer = Tokenizer.train(["the cat"], 259)
    tokenizer.save_pretrained(folder)
    file = folder / data.draw(st.sampled_from(["vocab.json", "merges.txt"]))
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 4))] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"0", b'"', b"\n", b" ", b",", b"}"])
        )
    file.write_bytes(content)
    try:
        found = Tokenizer.from_pretrained(folder)
    except CheckpointError as error:
        assert "\n" not in str(error)
        assert str(folder) in str(error)
    else:
        assert found.decode(found.encode("the cat é")) == "the cat é"


# The base vocabulary


def test_byte_symbols():
    assert sorted(BYTE_SYMBOLS) == list(range(256))
    assert len(set(BYTE_SYMBOLS.values())) == 256
    assert not any(symbol.isspace() for symbol in BYTE_SYMBOLS.values())
    assert [BYTE_SYMBOLS[b] for b in b" \n\t!\x7f\x00\xad\xff"] == list("ĠĊĉ!ġĀŃÿ")


def test_importing_loads_no_progress_bar_and_no_network():
    code = "import sys, gptlite; print(sorted({'tqdm', 'requests'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
