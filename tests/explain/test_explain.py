"""The page: its numbers are the trace's, it needs nothing else, and no text in it becomes code."""

import base64
import json
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gptlite
from gptlite import GPT, GPTConfig, Tokenizer, Trace
from gptlite.explain.__main__ import main
from gptlite.explain.page import kept_blocks, page
from gptlite.lab.engine import Engine
from gptlite.lab.html import IMPORT, MODULES, page_file
from models import random_model
from pages import HOSTILE, Parsed, trace_of

TEXT = "A robot must obey the orders given it"
TINY = GPTConfig(n_vocab=257, n_ctx=70, n_embd=20, n_head=2, n_layer=2)
BYTES = Tokenizer.train([""], 257)


@pytest.fixture(scope="module")
def storyteller():
    return gptlite.load()


@pytest.fixture(scope="module")
def trace(storyteller) -> Trace:
    return trace_of(*storyteller, TEXT)


@pytest.fixture(scope="module")
def parsed(storyteller) -> Parsed:
    return Parsed(page(*storyteller, TEXT))


@pytest.fixture(scope="module")
def tiny() -> GPT:
    return GPT.init(TINY, seed=0)


# ---- The numbers --------------------------------------------------------------------------------


def test_gpt1_is_refused_by_name():
    with pytest.raises(ValueError, match="the page draws GPT-2's block, and GPT-1's has"):
        page(random_model(replace(TINY, post_norm=True)), BYTES, "robot")


def test_its_answers_are_the_engine_s(storyteller, parsed):
    """What the engine answers is tested in tests/lab."""
    engine, data = Engine(*storyteller), parsed.data
    assert (data["text"], data["eot"]) == (TEXT, True)
    reading = {"text": TEXT, "eot": True}
    for kind in ("read", "lens"):
        question = json.dumps({"kind": kind, **reading})
        assert data["answers"][kind] == json.loads(engine.answer(question))
    about = json.loads(engine.answer('{"kind": "model"}'))
    assert data["answers"]["model"] == about | {"notes": []}
    assert data["points"] == np.random.default_rng([0, 0]).random(1000).tolist()


def test_its_arrays_are_the_trace_s_bit_for_bit(storyteller, trace, parsed):
    arrays = parsed.arrays
    for name in trace.keys() - {"logits"}:
        assert np.array_equal(arrays[name], trace[name][0]), name
    assert np.array_equal(arrays["wte"] + arrays["wpe"], trace["embed"][0])
    assert {f"h.{i}.attn.unmasked" for i in range(storyteller[0].config.n_layer)} < arrays.keys()


def test_without_the_token_that_begins_a_text(storyteller):
    data = Parsed(page(*storyteller, TEXT, eot=False)).data
    ids = storyteller[1].encode(TEXT)
    assert data["eot"] is False and data["answers"]["read"]["ids"] == ids


def test_the_same_input_gives_the_same_bytes(storyteller):
    assert page(*storyteller, TEXT) == page(*storyteller, TEXT)


# ---- Its size, and what is left out -------------------------------------------------------------


def test_32_tokens_of_the_storyteller_take_less_than_6_mb(storyteller):
    model, tokenizer = storyteller
    text = tokenizer.decode(tokenizer.encode("Once upon a time there was a king who had " * 4)[:31])
    assert len(page(model, tokenizer, text)) < 6_000_000


def test_of_a_large_model_blocks_are_left_out_and_it_says_which():
    config = GPTConfig(n_vocab=257, n_ctx=64, n_embd=96, n_head=24, n_layer=30)
    whole = page(GPT.init(config), BYTES, "x" * 63)
    parsed = Parsed(whole)
    assert 5_000_000 < len(whole) < 8_000_000
    about = parsed.data["answers"]["model"]
    blocks, (said,) = about["blocks"], about["notes"]
    assert (blocks[0], blocks[-1]) == (0, 29) and 2 < len(blocks) < 30
    stated = [int(number) for number in re.findall(r"\d+", said)]
    assert stated == [30, len(blocks), *blocks]
    walked = {int(stop.split(".")[1]) for stop in about["walk"] if stop.startswith("h.")}
    assert walked == set(blocks)
    # What enters a block is there, too: its residual stream is shown.
    assert {f"h.{i - 1}.out" for i in blocks if i} < parsed.arrays.keys()


@pytest.mark.parametrize("seq", [1, 9, 32, 64])
@pytest.mark.parametrize("name", ["gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"])
def test_blocks_are_spread_evenly_and_both_ends_are_there(name, seq):
    config = GPTConfig.preset(name)
    blocks = kept_blocks(config, seq)
    assert (blocks[0], blocks[-1]) == (0, config.n_layer - 1)
    assert len(blocks) >= 2
    steps = np.diff(blocks)
    assert steps.max() - steps.min() <= 1


def test_of_the_storyteller_every_block_is_there(parsed):
    assert parsed.data["answers"]["model"]["blocks"] == list(range(4))


# ---- It needs nothing else ----------------------------------------------------------------------


def test_it_loads_nothing(parsed):
    assert {tag for tag, _ in parsed.tags}.isdisjoint(
        ("link", "img", "iframe", "object", "embed", "base", "audio", "video", "source", "svg")
    )
    for tag, attributes in parsed.tags:
        assert attributes.keys().isdisjoint(("src", "srcset", "style", "background", "action"))
        assert not any(name.startswith("on") for name in attributes)
        target = attributes.get("href", "#")
        assert target.startswith(("#", "https://jalammar.github.io/illustrated-gpt2/")), tag
    assert not re.search(r"url\(|@import|@font-face", parsed.text_of("style"))
    _, script = [text for element, text in parsed.texts if element == "script"]
    assert not re.search(
        r"fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon|import[ (]|innerHTML|eval\b",
        script,
    )


def test_the_modules_joined_share_one_scope():
    """Without imports and exports they would stand in each other's way, were two names the same."""
    names: list[str] = []
    for name in (*MODULES, "frozen.js"):
        source = page_file(name)
        assert all("./" in found for found in IMPORT.findall(source))
        names += re.findall(
            r"^(?:export )?(?:async )?(?:function|const|let|class) (\w+)", source, re.MULTILINE
        )
    assert len(names) > 100 and len(names) == len(set(names))
    before: set[str] = set()
    for name in MODULES:  # each comes after those it needs at once
        needed = set(re.findall(r'from "\./(\w+\.js)"', page_file(name)))
        assert needed <= before, name
        before.add(name)


def test_its_policy_allows_its_own_style_and_script_alone(parsed):
    (policy,) = [
        meta["content"]
        for meta in parsed.named("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    _, script = [text for element, text in parsed.texts if element == "script"]
    for rule, source in (("style-src", parsed.text_of("style")), ("script-src", script)):
        digest = base64.b64encode(sha256(source.encode()).digest()).decode()
        assert rules.pop(rule) == f"'sha256-{digest}'"
    assert rules == dict.fromkeys(("default-src", "base-uri", "form-action"), "'none'")


def test_every_link_within_it_has_its_target(parsed):
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    inside = [a["href"][1:] for a in parsed.named("a") if a["href"].startswith("#")]
    assert len(inside) == 9 and set(inside) <= set(ids)


# ---- Text stays text ----------------------------------------------------------------------------


@pytest.mark.parametrize("n_vocab", [257, 260])
def test_hostile_text_stays_text(parsed, n_vocab):
    tokenizer = Tokenizer.train(["<!-- " * 3], n_vocab)
    model = GPT.init(GPTConfig(n_vocab=tokenizer.n_vocab, n_ctx=64, n_embd=4, n_head=1, n_layer=1))
    hostile = Parsed(page(model, tokenizer, HOSTILE, name=HOSTILE))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in parsed.tags]
    assert hostile.comments == [] and hostile.open == []
    seen = HOSTILE.translate({ord(c): repr(c)[1:-1] for c in "\r\u2028\u202e\x07"})
    assert hostile.text_of("q") == seen
    assert hostile.text_of("title") == f"Inside a GPT-2: {seen}"
    answers = hostile.data["answers"]
    assert bytes.fromhex("".join(answers["read"]["bytes"][1:])) == HOSTILE.encode()
    assert ("<!--" in answers["model"]["vocabulary"]) == (n_vocab > 257)
    json, _ = [text for element, text in hostile.texts if element == "script"]
    assert "<" not in json and json.isascii()


@given(st.text(min_size=1, max_size=12))
def test_no_text_changes_the_page_around_it(parsed, text):
    model = GPT.init(GPTConfig(n_vocab=257, n_ctx=64, n_embd=4, n_head=1, n_layer=1))
    try:
        whole = page(model, BYTES, text, name=text)
    except ValueError as error:
        assert "lone surrogate" in str(error)
        return
    found = Parsed(whole)
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in parsed.tags]
    assert found.open == [] and found.comments == []
    read = found.data["answers"]["read"]
    assert bytes.fromhex("".join(read["bytes"][1:])) == text.encode()
    assert not re.search(r"[\u2028\u2029\u202a-\u202e\u2066-\u2069]", whole.decode())


# ---- What cannot be shown, and the command ------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("x" * 71, ValueError, "72 tokens, and the page takes 64 at most: leave out 8"),
        ("x" * 64, ValueError, "65 tokens, and the page takes 64 at most: leave out 1"),
        ("\ud800", ValueError, "lone surrogate"),
    ],
)
def test_texts_that_cannot_be_shown(tiny, text, error, message):
    with pytest.raises(error, match=message) as caught:
        page(tiny, BYTES, text)
    assert type(caught.value) is error


def test_the_command_writes_the_page(storyteller, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([TEXT]) == 0
    assert main([TEXT, "-o", "other.html", "--model", "storyteller"]) == 0
    assert capsys.readouterr() == ("page.html\nother.html\n", "")
    assert Path("page.html").read_bytes() == page(*storyteller, TEXT)
    about = Parsed(Path("other.html").read_bytes()).data["answers"]["model"]
    assert about["name"] == "storyteller"
    assert main([TEXT, "-o", "other.html"]) == 0  # a page may be written anew
    assert Path("other.html").read_bytes() == Path("page.html").read_bytes()
    Path("README.md").write_text("mine")
    assert main([TEXT, "-o", "README.md", "--overwrite"]) == 0
    assert Path("README.md").read_bytes() == Path("page.html").read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["", "--no-eot"], "the text is empty"),
        (["word " * 65], "the page takes 64 at most"),
        (["a", "--model", "gpt5"], "unknown model 'gpt5'"),
        (["a", "-o", "nowhere/page.html"], "nowhere/page.html: no such file or directory"),
        (["a", "-o", "README.md"], "README.md holds something else: choose another name"),
        (["a", "-o", "folder"], "folder: expected the name of a file, found a folder"),
        (["a", "-o", ""], ".: expected the name of a file, found a folder"),
    ],
)
def test_the_command_s_errors_are_one_line(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("page.html").write_text("<title>Inside a GPT-2: what was there")
    Path("README.md").write_text("mine")
    assert main(options) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("gptlite explain: error: ") and err.count("\n") == 1
    assert message in err
    assert sorted(path.name for path in Path().iterdir()) == ["README.md", "folder", "page.html"]
    assert Path("page.html").read_text() == "<title>Inside a GPT-2: what was there"
    assert Path("README.md").read_text() == "mine"


def test_the_command_without_a_text(capsys):
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    assert "TEXT" in capsys.readouterr().err


def test_the_page_to_standard_output(storyteller, tmp_path, monkeypatch, capsysbinary):
    monkeypatch.chdir(tmp_path)
    assert main(["The fox said", "-o", "-"]) == 0
    assert capsysbinary.readouterr().out == page(*storyteller, "The fox said", "the storyteller")
    assert not list(tmp_path.iterdir())
