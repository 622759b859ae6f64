"""The page: its numbers are the trace's, it needs nothing else, and no text in it becomes code."""

import base64
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gptlite
from gptlite import GPT, ContextOverflowError, GPTConfig, Tokenizer, Trace
from gptlite.explain.__main__ import main
from gptlite.explain.page import kept_blocks_and_heads, page
from gptlite.layers import layer_norm, softmax
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


def test_the_scores_of_a_model_that_divides_them_by_depth():
    """The page makes the weights of the scores again, so that they must be the model's."""
    config = replace(TINY, scale_attn_by_inverse_layer_idx=True, n_inner=33, n_padding=7)
    model = random_model(config)
    parsed = Parsed(page(model, BYTES, "robot"))
    for i in range(2):
        scores, weights = (parsed.arrays[f"h.{i}.attn.{name}"] for name in ("scores", "weights"))
        seen = np.tri(len(scores[0]), dtype=bool)
        found = softmax(np.where(seen, scores, np.float32(-1e10)).astype(np.float32))
        np.testing.assert_allclose(found, weights, atol=2e-6)
    assert parsed.data["config"]["n_inner"] == 33
    assert len(parsed.arrays["logits"]) == 257


def test_its_tokens(storyteller, parsed):
    _, tokenizer = storyteller
    data, ids = parsed.data, tokenizer.encode(TEXT)
    assert data["ids"] == ids
    assert [bytes.fromhex(b) for b in data["bytes"]] == [tokenizer.decode_bytes([i]) for i in ids]
    shown = [data["labels"][str(i)] for i in ids]
    assert shown == ["A", "·rob", "ot", "·must", "·obey", "·the", "·orders", "·given", "·it"]


def test_its_arrays_are_the_trace_s_bit_for_bit(storyteller, trace, parsed):
    config, arrays = storyteller[0].config, parsed.arrays
    seq, width = trace["embed"].shape[1:]
    assert parsed.data["blocks"] == list(range(6)) and parsed.data["heads"] == list(range(4))
    for i in range(config.n_layer):
        at = f"h.{i}."
        for name in ("ln_1", "attn.out", "mid", "mlp.out", "out"):
            whole = trace[at + name][0]
            assert np.array_equal(arrays[at + name], whole[:, :8])
            length = np.sqrt((whole.astype(np.float64) ** 2).sum(axis=-1))
            np.testing.assert_allclose(arrays[f"{at}{name}.length"], length, rtol=1e-6)
        entering = trace[f"h.{i - 1}.out" if i else "embed"][0]
        assert np.array_equal(arrays[at + "in"], entering[:, :8])
        for name in ("attn.q", "attn.k", "attn.v"):
            assert np.array_equal(arrays[at + name], trace[at + name][0, :, :, :8])
        z = trace[at + "attn.z"][0]
        for head in range(4):
            assert np.array_equal(arrays[at + "attn.z"][head], z[:, 64 * head : 64 * head + 8])
        assert np.array_equal(arrays[at + "attn.weights"], trace[at + "attn.weights"][0])
        seen = np.tri(seq, dtype=bool)
        unmasked, masked = arrays[at + "attn.scores"], trace[at + "attn.scores"][0]
        assert np.array_equal(unmasked[:, seen], masked[:, seen])
        product = trace[at + "attn.q"][0] @ trace[at + "attn.k"][0].swapaxes(-1, -2)
        np.testing.assert_allclose(unmasked * 8, product, atol=1e-4)
        for position in range(seq):
            fc, gelu = trace[at + "mlp.fc"][0, position], trace[at + "mlp.gelu"][0, position]
            units = arrays[at + "mlp.units"][position]
            assert len(set(units)) == 8
            assert np.abs(gelu[units]).min() >= np.abs(np.delete(gelu, units)).max()
            assert np.array_equal(arrays[at + "mlp.fc"][position], fc[units])
            assert np.array_equal(arrays[at + "mlp.gelu"][position], gelu[units])
    assert np.array_equal(arrays["wte"] + arrays["wpe"], arrays["embed"])
    assert np.array_equal(arrays["embed"], trace["embed"][0, :, :8])
    assert np.array_equal(arrays["logits"], trace["logits"][0, -1])
    assert width == 256


def test_the_logit_lens(storyteller, trace, parsed):
    model, _ = storyteller
    ids, probabilities = parsed.arrays["lens.ids"], parsed.arrays["lens.probabilities"]
    assert ids.shape == probabilities.shape == (7, 9, 5)
    # At the top it is the model's own answer.
    streams = ["embed", *(f"h.{i}.out" for i in range(6))]
    gain, shift = model.parameters["ln_f.weight"], model.parameters["ln_f.bias"]
    for level, name in enumerate(streams):
        normed = layer_norm(trace[name][0], gain, shift, 1e-5)
        logits = normed @ model.parameters["wte.weight"].T
        p = softmax(logits if level < 6 else trace["logits"][0])
        np.testing.assert_allclose(
            probabilities[level], np.take_along_axis(p, ids[level], axis=-1), rtol=1e-4, atol=1e-7
        )
        np.testing.assert_allclose(
            probabilities[level], np.sort(p)[:, :-6:-1], rtol=1e-4, atol=1e-7
        )


def test_the_bars_are_the_highest_logits(trace, parsed):
    logits, bars = trace["logits"][0, -1], parsed.data["bars"]
    assert len(set(bars)) == 20
    assert logits[bars].tolist() == np.sort(logits)[:-21:-1].tolist()
    assert all(str(i) in parsed.data["labels"] for i in bars)


def test_the_same_input_gives_the_same_bytes(storyteller):
    assert page(*storyteller, TEXT) == page(*storyteller, TEXT)


# ---- Its size, and what is left out -------------------------------------------------------------


def test_32_tokens_of_the_storyteller_take_less_than_3_mb(storyteller):
    model, tokenizer = storyteller
    text = tokenizer.decode(tokenizer.encode("Once upon a time there was a king who had " * 4)[:32])
    assert len(tokenizer.encode(text)) == 32
    assert len(page(model, tokenizer, text)) < 3_000_000


def test_of_a_large_model_parts_are_left_out_and_it_says_which():
    config = GPTConfig(n_vocab=257, n_ctx=64, n_embd=96, n_head=24, n_layer=30)
    whole = page(GPT.init(config), BYTES, "x" * 64)
    parsed = Parsed(whole)
    assert 2_000_000 < len(whole) < 3_000_000
    blocks, heads = parsed.data["blocks"], parsed.data["heads"]
    assert (blocks[0], blocks[-1], heads[0], heads[-1]) == (0, 29, 0, 23)
    of_blocks, of_heads = parsed.data["thinned"]
    for kept, n, said in ((blocks, 30, of_blocks), (heads, 24, of_heads)):
        assert kept == sorted(set(kept)) and 1 < len(kept) < n
        stated = [int(number) for number in re.findall(r"\d+", said)]
        assert stated == [n, len(kept), *kept]
    here = {int(name.split(".")[1]) for name in parsed.arrays if name.startswith("h.")}
    assert here == set(blocks)
    assert parsed.arrays["h.29.attn.weights"].shape == (len(heads), 64, 64)
    assert parsed.arrays["lens.ids"].shape == (31, 64, 5)


@pytest.mark.parametrize("seq", [1, 9, 32, 64])
@pytest.mark.parametrize("name", ["gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"])
def test_blocks_and_heads_fill_the_room_and_not_more(name, seq):
    config = GPTConfig.preset(name)
    blocks, heads = kept_blocks_and_heads(config, seq)
    each = (2 * seq * seq + 4 * seq * 8) * 16 // 3
    assert len(blocks) * len(heads) * each <= 2_400_000
    everything = len(blocks) == config.n_layer and len(heads) == config.n_head
    assert everything or (len(blocks) + 1) * (len(heads) + 1) * each > 2_400_000
    assert {blocks[0], heads[0]} == {0}
    assert (blocks[-1], heads[-1]) == (config.n_layer - 1, config.n_head - 1)


def test_of_the_storyteller_every_block_and_head_is_there(parsed):
    assert parsed.data["thinned"] == []
    first, units, lens = parsed.data["left_out"]
    assert "first 8 numbers of each vector are shown: of 256 in the residual stream, of 64" in first
    assert "1,024 hidden units of the feed-forward network, the 8 largest" in units
    assert "4,096 probabilities at each place of the logit lens, the 5 highest" in lens


def test_a_model_so_small_that_nothing_is_cut():
    config = GPTConfig(n_vocab=257, n_ctx=4, n_embd=4, n_head=2, n_layer=1)
    parsed = Parsed(page(GPT.init(config), BYTES, "a"))
    assert parsed.arrays["h.0.ln_1"].shape == (1, 4)
    assert parsed.arrays["h.0.attn.q"].shape == (2, 1, 2)
    assert not any("first 8" in sentence for sentence in parsed.data["left_out"])


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
        r"fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon|import[ (]|innerHTML|eval|https?:",
        script,
    )


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
    assert len(inside) == 7 and set(inside) <= set(ids)


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
    assert bytes.fromhex("".join(hostile.data["bytes"])) == HOSTILE.encode()
    assert ("<!--" in hostile.data["labels"].values()) == (n_vocab > 257)
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
    assert bytes.fromhex("".join(found.data["bytes"])) == text.encode()
    assert not re.search(r"[\u2028\u2029\u202a-\u202e\u2066-\u2069]", whole.decode())


# ---- What cannot be shown, and the command ------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", ValueError, "the text is empty"),
        ("x" * 71, ContextOverflowError, "71 tokens, and the model has 70 positions"),
        ("x" * 65, ValueError, "65 tokens, and a page shows 64 at most"),
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
    assert "<strong>storyteller</strong>" in Path("other.html").read_text("utf-8")
    assert main([TEXT, "-o", "other.html"]) == 0  # a page may be written anew
    assert Path("other.html").read_bytes() == Path("page.html").read_bytes()
    Path("README.md").write_text("mine")
    assert main([TEXT, "-o", "README.md", "--overwrite"]) == 0
    assert Path("README.md").read_bytes() == Path("page.html").read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([""], "the text is empty"),
        (["word " * 300], "positions"),
        (["word " * 65], "a page shows 64"),
        (["a", "--model", "gpt5"], "unknown model 'gpt5'"),
        (["a", "-o", "nowhere/page.html"], "No such file or directory: 'nowhere/page.html'"),
        (["a", "-o", "README.md"], "README.md holds something else: choose another name"),
        (["a", "-o", "folder"], "expected the name of a file, found a folder: 'folder'"),
        (["a", "-o", ""], "expected the name of a file, found a folder: '.'"),
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
