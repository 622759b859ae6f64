"""views/: what a view shows is what is in the array it was made from, whatever the tokens are."""

import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from figures import HOSTILE, IDS, LOGITS, MODEL, SEQ, TEXT, TOKENIZER, TOKENS, TRACE, all_views
from gptlite import GPT, CheckpointError, GPTConfig, KVCache, Tokenizer, Trace, views
from gptlite.layers import softmax
from gptlite.trace import BLOCK_STEPS
from gptlite.views.curve import Curve
from gptlite.views.heat_map import HeatMap
from gptlite.views.machine import machine
from gptlite.views.table import Table
from gptlite.views.token_row import TokenRow
from gptlite.views.view import View, number, padded, width


class Page(HTMLParser):
    """The cells of a fragment of HTML, which must be well-formed and harmless."""

    def __init__(self, html):
        super().__init__()
        self.open, self.cells, self.titles, self.text = [], [], [], ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert tag in {
            *("div", "span", "table", "thead", "tbody", "tr", "td", "th"),
            *("svg", "polyline", "line", "g", "rect", "path", "text", "title"),
        }
        for name, value in attrs:
            assert not name.startswith("on") and name not in ("id", "class", "src", "href")
            assert "url(" not in value
            if name == "title":
                self.titles.append(value)
        self.open.append(tag)
        if tag in ("td", "th", "span"):
            self.cells.append("")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] in ("td", "th", "span"):
            self.cells[-1] += data


def rows_of(html):
    """The shown cells of a table's body, row by row."""
    body = html[html.index("<tbody>") : html.index("</tbody>")]
    return [Page(row).cells for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)]


# ---- All of them --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [TEXT, *HOSTILE])
def test_every_view_is_harmless_and_the_same_each_time(text):
    hostile = [text or "?"] * SEQ
    made, again = all_views(hostile, text), all_views(hostile, text)
    covered = {name for name in views.__all__ if not name.startswith(("token_", "patched", "with"))}
    assert set(made) == covered
    for name, view in made.items():
        assert isinstance(view, View), name
        html = view._repr_html_()
        assert html == again[name].to_html() and repr(view) == repr(again[name])
        assert view.title in Page(html).text


@given(st.lists(st.text(max_size=8), min_size=3, max_size=3))
def test_labels_of_any_kind_are_shown_as_they_are(labels):
    view = HeatMap("t", np.eye(3, dtype=np.float32), labels, labels)
    cells = Page(view.to_html().replace("\r", "&#13;")).cells
    assert cells[1:4] == labels


@given(st.text())
def test_token_labels_are_printable_and_lose_nothing(text):
    labels = views.token_labels(TOKENIZER, TOKENIZER.encode(text))
    assert all(label.isprintable() for label in labels)
    if text.isascii() and text.isprintable() and "\\" not in text:
        assert "".join(labels).replace("·", " ") == text


def test_what_cannot_be_seen_has_its_number():
    assert views.token_label("🙂".encode()[:2]) == r"\xf0\x9f"
    assert views.token_label("\u2028\u202e\x00".encode()) == r"\u2028\u202e\x00"


# ---- Each against its arrays --------------------------------------------------------------------


@pytest.mark.parametrize(("layer", "head"), [(0, 0), (3, 3)])
def test_an_attention_map_holds_and_shows_the_weights(layer, head):
    view = views.attention_map(TRACE, TOKENS, layer, head)
    weights = TRACE[f"h.{layer}.attn.weights"][0, head]
    assert np.array_equal(view.values, weights)
    rows = rows_of(view.to_html())
    assert [row[0] for row in rows] == TOKENS
    shown = np.array([[float(cell) for cell in row[1:]] for row in rows])
    np.testing.assert_allclose(shown, weights, atol=0.005 + 1e-6)
    for line, row in zip(repr(view).splitlines()[2:], weights, strict=False):
        assert [float(cell) for cell in line.split()[1:]] == pytest.approx(row, abs=0.0051)


def test_the_grid_has_every_head_of_every_block():
    view = views.attention_grid(TRACE, TOKENS)
    assert [len(row) for row in view.views] == [4] * MODEL.config.n_layer
    for layer, row in enumerate(view.views):
        for head, small in enumerate(row):
            assert np.array_equal(small.values, TRACE[f"h.{layer}.attn.weights"][0, head])


def test_masking_goes_from_scores_to_weights():
    scores, masked, weights = (view.values for view in views.masking(TRACE, TOKENS, 3, 1).views[0])
    allowed = np.tri(SEQ, dtype=bool)
    np.testing.assert_allclose(scores[allowed], masked[allowed], rtol=1e-5, atol=1e-5)
    assert (masked[~allowed] < -1e9).all()
    np.testing.assert_allclose(softmax(masked.copy()), weights, atol=1e-6)
    shown = rows_of(views.masking(TRACE, TOKENS, 3, 1).views[0][1].to_html())
    assert [row[1:].count("-∞") for row in shown] == list(range(SEQ - 1, -1, -1))


@pytest.mark.parametrize("query", [0, 3, -1])
def test_the_value_table_adds_up_to_z(query):
    table = views.value_table(TRACE, TOKENS, 2, 1, query, width=64)
    weights = TRACE["h.2.attn.weights"][0, 1, query]
    values = TRACE["h.2.attn.v"][0, 1]
    assert table.column("token") == [*TOKENS, "sum"]
    np.testing.assert_allclose(table.column("weight"), [*weights, 1], atol=1e-6)
    z = TRACE["h.2.attn.z"][0, query, 64:128]
    for i in range(64):
        assert table.column(f"value[{i}]")[:-1] == pytest.approx(values[:, i])
        products = table.column(f"weight × value[{i}]")
        np.testing.assert_allclose(products, [*(weights * values[:, i]), z[i]], atol=1e-5)


def test_the_split_of_c_attn_is_q_k_v_of_one_position():
    made = [row[0].values for row in views.qkv_split(TRACE, TOKENS, 2, 2).views]
    for values, step in zip(made, "qkv", strict=True):
        assert np.array_equal(values, TRACE[f"h.2.attn.{step}"][0, :, 2])


def test_the_input_encoding_adds_up_to_embed():
    made = [v.values for v in views.input_encoding(MODEL, TOKENIZER, IDS, width=256).views[0]]
    np.testing.assert_allclose(made[0] + made[1], TRACE["embed"][0], atol=1e-6)
    np.testing.assert_allclose(made[2], TRACE["embed"][0], atol=1e-6)


def test_the_lens_ends_in_the_models_own_prediction():
    view = views.logit_lens(MODEL, TOKENIZER, TRACE, TOKENS)
    probabilities = softmax(LOGITS[0])
    np.testing.assert_allclose(view.values[-1], probabilities.max(axis=-1), rtol=1e-5)
    assert view.texts[-1] == views.token_labels(TOKENIZER, LOGITS[0].argmax(axis=-1).tolist())
    assert view.rows == ["embed", *(f"block {i}" for i in range(MODEL.config.n_layer))]
    shown = rows_of(view.to_html())
    for row, texts, values in zip(shown, view.texts, view.values, strict=True):
        assert row[1:] == [f"{t} {v:.2f}" for t, v in zip(texts, values, strict=True)]
    assert all(cell in repr(view) for row in shown for cell in row)


def test_neighbours_are_the_nearest_by_cosine():
    table = views.neighbours(MODEL, TOKENIZER, " king", top=5)
    wte = MODEL.parameters["wte.weight"].astype(np.float64)
    unit = wte / np.linalg.norm(wte, axis=1, keepdims=True)
    cosines = unit @ unit[TOKENIZER.encode(" king")[0]]
    order = np.argsort(-cosines)[1:6]
    assert table.column("id") == [str(i) for i in order]
    np.testing.assert_allclose(table.column("cosine"), cosines[order], atol=1e-6)
    for bad in ("two words", ""):
        with pytest.raises(ValueError, match="expected one token"):
            views.neighbours(MODEL, TOKENIZER, bad)
    with pytest.raises(ValueError, match="9999"):
        views.neighbours(MODEL, TOKENIZER, 9999)


def test_the_next_token_table_shows_the_highest_probabilities():
    table = views.next_token(LOGITS, TOKENIZER, top=7)
    logits = LOGITS[0, -1]
    order = np.argsort(-logits)[:7]
    assert table.column("id") == [str(i) for i in order]
    np.testing.assert_allclose(table.column("logit"), logits[order])
    expected = np.exp(logits[order]) / np.exp(logits.astype(np.float64)).sum()
    np.testing.assert_allclose(table.column("probability"), expected, rtol=1e-5)
    widths = [float(w) for w in re.findall(r"width:([0-9.]+)%", table.to_html())]
    np.testing.assert_allclose(widths, 100 * expected / expected[0], atol=0.06)


def test_the_sampling_steps_end_in_what_is_drawn_from():
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((1, 4096)).astype(np.float32) * 3
    table = views.sampling_steps(logits, TOKENIZER, 0.5, 6, 0.8, top=8)
    _, _, model, tempered, top_k, top_p = map(table.column, table.columns)
    order = np.argsort(-logits[0])[:8]
    hot = np.exp(logits[0].astype(np.float64) * 2)
    np.testing.assert_allclose(model, softmax(logits[0])[order], rtol=1e-5)
    np.testing.assert_allclose(tempered, (hot / hot.sum())[order], rtol=1e-4)
    np.testing.assert_allclose(top_k[:6], hot[order[:6]] / hot[order[:6]].sum(), rtol=1e-4)
    assert top_k[6:] == [None, None]
    kept = 1 + int(np.searchsorted(np.cumsum(np.array(top_k[:6])), 0.8))
    assert [p is not None for p in top_p] == [True] * kept + [False] * (8 - kept)
    assert sum(p or 0 for p in top_p) == pytest.approx(1, abs=1e-5)
    assert f"{kept} of 4,096 tokens" in table.note
    # Every setting has its bars, all on one scale.
    longest = max(p for column in (model, tempered, top_k, top_p) for p in column if p)
    rows = list(zip(model, tempered, top_k, top_p, strict=True))
    widths = [float(w) for w in re.findall(r"width:([0-9.]+)%", table.to_html())]
    expected = [100 * (p or 0) / longest for row in rows for p in row]
    np.testing.assert_allclose(widths, expected, atol=0.06)
    for line, row in zip(repr(table).splitlines()[2:], rows, strict=False):
        assert re.findall("█+", line) == [
            "█" * n for p in row if (n := round(5 * (p or 0) / longest))
        ]


@pytest.mark.parametrize("by", ["probability", "rank"])
def test_a_text_is_shaded_by_how_well_it_was_foreseen(by):
    view = views.text_probabilities(LOGITS, IDS, TOKENIZER, by=by)
    probabilities = softmax(LOGITS[0])
    for i in range(1, SEQ):
        own = probabilities[i - 1, IDS[i]]
        rank = 1 + int((probabilities[i - 1] > own).sum())
        assert view.remarks[i] == f"probability {own:.3f}, rank {rank}"
        expected = own if by == "probability" else 1 - math.log(rank) / math.log(4096)
        assert view.shades[i] == pytest.approx(expected, abs=1e-5)
    nats = -np.log([probabilities[i - 1, IDS[i]] for i in range(1, SEQ)]).mean()
    assert f"{nats:.3f} nats" in view.note and f"perplexity {np.exp(nats):.1f}" in view.note
    assert Page(view.to_html()).titles == view.remarks
    # The number is also in the cell: nothing hovers on a phone or on paper.
    own = [f"{p:.2f}" for p in probabilities[range(SEQ - 1), IDS[1:]]]
    ranks = [remark.split("rank ")[1] for remark in view.remarks[1:]]
    under = ["", *(own if by == "probability" else ranks)]
    assert Page(view.to_html()).cells == [
        c for both in zip(TOKENS, under, strict=True) for c in both
    ]


def test_the_cache_view_shows_the_lengths_of_the_keys():
    cache = KVCache(MODEL.config)
    MODEL(IDS[:-2], cache=cache)
    before = cache.length
    MODEL(IDS[-2:], cache=cache)
    [[kept], [full]] = views.cache_step(cache, TOKENS, before).views
    for layer in range(MODEL.config.n_layer):
        lengths = np.linalg.norm(TRACE[f"h.{layer}.attn.k"][0], axis=(0, 2))
        np.testing.assert_allclose(full.values[layer], lengths, rtol=1e-4)
    assert np.array_equal(kept.values, full.values[:, :before])
    assert full.columns == [*TOKENS[:-2], *("+" + token for token in TOKENS[-2:])]
    assert (
        f"{2 * MODEL.config.n_layer * 256 * SEQ * 4:,} bytes"
        in views.cache_step(cache, TOKENS, before).note
    )


def test_the_parameter_table_of_a_model_with_an_output_layer_of_its_own():
    config = GPTConfig(
        n_vocab=300, n_ctx=16, n_embd=8, n_head=2, n_layer=3, n_inner=20, tie_word_embeddings=False
    )
    table = views.parameter_table(config)
    rows = {row[0]: row[2] for row in table.rows}
    assert rows["lm_head.weight"] == 300 * 8 and rows["h.i.mlp.c_fc.weight"] == 8 * 20
    outside = ["wte.weight", "wpe.weight", "ln_f.weight", "ln_f.bias", "lm_head.weight"]
    assert rows["all 3 blocks"] + sum(rows[name] for name in outside) == rows["total"]
    assert rows["total"] == config.n_params
    assert table.note == "The output layer (lm_head) is a matrix of its own."


def test_rows_without_a_token_are_no_one_s_neighbours():
    model = GPT.init(GPTConfig(n_vocab=260, n_ctx=4, n_embd=4, n_head=1, n_layer=1, n_padding=60))
    model.parameters["wte.weight"][260:] = model.wte[65]
    tokenizer = Tokenizer.train(["the cat and the dog"], 260)
    near = views.neighbours(model, tokenizer, 65, top=400)
    assert len(near.rows) == 259 and {int(row[1]) for row in near.rows} == set(range(260)) - {65}


@pytest.mark.parametrize(
    ("name", "block", "blocks", "total"),
    [
        ("gpt2", 7_087_872, 85_054_464, 124_439_808),
        ("gpt2-medium", 12_596_224, 302_309_376, 354_823_168),
    ],
)
def test_the_parameter_table_adds_up(name, block, blocks, total):
    table = views.parameter_table(name)
    counts = dict(zip(table.column("parameter"), table.column("numbers"), strict=True))
    assert counts["one block"] == block == sum(v for k, v in counts.items() if k[:2] == "h.")
    assert counts[f"all {blocks // block} blocks"] == blocks
    rest = sum(counts[k] for k in ("wte.weight", "wpe.weight", "ln_f.weight", "ln_f.bias"))
    assert counts["total"] == total == blocks + rest
    assert repr(views.parameter_table(GPTConfig.preset(name))) == repr(table)


def test_the_four_sizes_are_the_published_ones():
    table = views.four_sizes()
    assert table.column("parameters") == [124439808, 354823168, 774030080, 1557611200]
    assert table.column("blocks") == [12, 24, 36, 48]
    assert table.column("width") == [768, 1024, 1280, 1600]


def test_the_tokens_of_a_text_with_their_ids_and_bytes():
    view = views.tokens(TOKENIZER, "fox 🤗\n")
    ids = TOKENIZER.encode("fox 🤗\n")
    shown = [re.fullmatch(r"id (\d+), bytes ([0-9a-f ]+)", r) for r in view.remarks]
    assert [int(m[1]) for m in shown] == ids
    assert bytes.fromhex("".join(m[2] for m in shown)) == "fox 🤗\n".encode()
    assert Page(view.to_html()).cells[1::2] == [f"{m[1]}\n{m[2]}" for m in shown]
    with pytest.raises(ValueError, match="1 tokens, 2 captions"):
        TokenRow("t", ["a"], [0.0], [""], captions=["b", "c"])


def test_the_steps_of_an_encoding_end_in_its_ids():
    table = views.bpe_steps(TOKENIZER, TEXT)
    assert [int(i) for cell in table.column("ids") for i in cell.split()] == IDS
    assert table.rows[0] == ["A", 0, "A", str(IDS[0])]


def test_the_examples_in_a_text_are_its_prefixes():
    table = views.prefixes(TOKENIZER, TEXT)
    assert table.column("and should say") == TOKENS[1:]
    assert table.rows[-1][1].split() == TOKENS[:-1]


def test_a_loss_curve_from_lines_a_file_or_a_folder(tmp_path):
    lines = [{"tokens": 100, "loss": 5.0}, {"tokens": 200, "loss": 4.5, "validation_loss": 4.8}]
    text = '{"tokens": 100, "loss": 5.0}\n{"tokens": 200, "loss": 4.5, "validation_loss": 4.8}\n'
    (tmp_path / "log.jsonl").write_text(text)
    view = views.loss_curve(lines)
    assert view.lines == {"training": ([100, 200], [5, 4.5]), "validation": ([200], [4.8])}
    for place in (tmp_path, tmp_path / "log.jsonl", str(tmp_path)):
        assert repr(views.loss_curve(place)) == repr(view)
    # In a sample, as it is written, there may be what else ends a line.
    odd = text.replace('"loss": 5.0', '"loss": 5.0, "sample": "a\u2028b\x85c"')
    (tmp_path / "log.jsonl").write_text(odd, "utf-8")
    assert repr(views.loss_curve(tmp_path)) == repr(view)
    wrong = ("nonsense", '{"tokens": 1}', "[1]", '{"tokens": "x", "loss": 1}', "[" * 99_999)
    for bad in wrong:
        (tmp_path / "log.jsonl").write_text(bad)
        with pytest.raises(CheckpointError, match="not the log of a run"):
            views.loss_curve(tmp_path)
    with pytest.raises(CheckpointError, match="not the log of a run"):
        views.loss_curve(tmp_path / "none")
    with pytest.raises(ValueError, match="empty"):
        views.loss_curve([])


def test_a_traced_step_with_a_cache_has_its_new_positions_as_rows():
    cache, trace = KVCache(MODEL.config), Trace()
    MODEL(IDS[:-1], cache=cache)
    MODEL(IDS[-1:], cache=cache, trace=trace)
    view = views.attention_map(trace, TOKENS, 0, 0)
    assert (view.rows, view.columns) == (TOKENS[-1:], TOKENS)
    np.testing.assert_allclose(view.values[0], TRACE["h.0.attn.weights"][0, 0, -1], atol=1e-5)


def test_the_split_of_a_call_with_a_cache_is_of_its_own_position():
    cache, trace = KVCache(MODEL.config), Trace()
    MODEL(IDS[:-2], cache=cache)
    MODEL(IDS[-2:], cache=cache, trace=trace)
    for position, at in ((0, -2), (1, -1), (-1, -1), (-2, -2)):
        view = views.qkv_split(trace, TOKENS, 3, position)
        assert TOKENS[at] in view.title
        for [part], name in zip(view.views, "qkv", strict=True):
            np.testing.assert_allclose(part.values, TRACE[f"h.3.attn.{name}"][0, :, at], atol=1e-3)


# ---- Bad input ----------------------------------------------------------------------------------


def test_what_the_trace_does_not_hold_is_refused_by_name():
    with pytest.raises(ValueError, match=r"no h\.4\.attn\.weights: it holds 4 blocks"):
        views.attention_map(TRACE, TOKENS, 4, 0)
    with pytest.raises(ValueError, match="head must lie in 0 to 3, not 4"):
        views.masking(TRACE, TOKENS, 0, 4)
    with pytest.raises(ValueError, match=f"expected {SEQ} tokens, one for each position, found 2"):
        views.attention_map(TRACE, TOKENS[:2], 0, 0)
    with pytest.raises(ValueError, match="query must be a position"):
        views.value_table(TRACE, TOKENS, 0, 0, query=SEQ)
    with pytest.raises(ValueError, match=f"position must be one of the call, 0 to {SEQ - 1}"):
        views.qkv_split(TRACE, TOKENS, 0, position=SEQ)
    for top in (0, -1):
        with pytest.raises(ValueError, match="top must be at least 1"):
            views.next_token(LOGITS, TOKENIZER, top=top)
        with pytest.raises(ValueError, match="top must be at least 1"):
            views.neighbours(MODEL, TOKENIZER, " king", top=top)
    with pytest.raises(ValueError, match="holds 0 blocks"):
        views.attention_map(Trace(), TOKENS, 0, 0)
    with pytest.raises(ValueError, match="by must be"):
        views.text_probabilities(LOGITS, IDS, TOKENIZER, by="luck")
    with pytest.raises(ValueError, match="expected logits of 2 positions"):
        views.text_probabilities(LOGITS, IDS[:2], TOKENIZER)
    with pytest.raises(ValueError, match="top_k must be at least 0"):
        views.sampling_steps(LOGITS, TOKENIZER, top_k=-1)
    with pytest.raises(ValueError, match="unknown size"):
        views.parameter_table("gpt3")
    cache = KVCache(MODEL.config)
    with pytest.raises(ValueError, match="expected 0 tokens"):
        views.cache_step(cache, TOKENS, 0)
    with pytest.raises(ValueError, match="before must lie in 0 to 0"):
        views.cache_step(cache, [], 1)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: views.next_token(MODEL, TOKENIZER), "logits must be of type ndarray, not GPT"),
        (lambda: views.attention_map(MODEL, TOKENS, 0, 0), "trace must be of type Trace, not GPT"),
        (lambda: views.attention_map(TRACE, "The fox", 0, 0), "tokens must be a list of labels"),
        (lambda: views.attention_map(TRACE, IDS, 0, 0), "tokens must be a list of labels"),
        (lambda: views.block_diagram(MODEL), "config must be of type GPTConfig, not GPT"),
        (lambda: views.block_diagram(MODEL.config, lit="mid"), "lit must be a collection of names"),
        (lambda: views.parameter_table(5), "expected a model, its config or a size, not int"),
        (lambda: views.without_mask(0), "layers must be of type Iterable, not int"),
        (lambda: views.without_heads(0, 1), "heads must be of type Collection, not int"),
    ],
)
def test_what_is_of_another_kind_is_refused_by_name(draw, message):
    with pytest.raises(TypeError, match=message):
        draw()


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"expected values \[1, 2\], found \[2, 2\]"):
        HeatMap("t", np.eye(2, dtype=np.float32), ["a"], ["b", "c"])
    with pytest.raises(ValueError, match="1 tokens, 0 shades"):
        TokenRow("t", ["a"], [], [""])
    with pytest.raises(ValueError, match="as many x as y"):
        Curve("t", {"a": ([1], [])}, "x", "y")
    with pytest.raises(ValueError, match="1 to 4 lines, found 0"):
        Curve("t", {}, "x", "y")


# ---- The parts ----------------------------------------------------------------------------------


@given(st.floats(-1e8, 1e8), st.integers(0, 4))
def test_a_number_is_rounded_and_has_no_minus_before_zero(value, digits):
    shown = number(value, digits)
    assert float(shown) == pytest.approx(value, abs=0.5 * 10**-digits + abs(value) * 1e-9)
    assert not re.fullmatch(r"-0(\.0*)?", shown)


@given(st.text(max_size=10), st.integers(0, 30), st.booleans())
def test_padding_makes_columns_flush(text, columns, right):
    assert width(padded(text, columns, right)) == max(columns, width(text))


@settings(max_examples=30)
@given(st.lists(st.floats(-100, 100, width=32), min_size=4, max_size=4))
def test_shades_grow_with_the_numbers(values):
    view = HeatMap("t", np.array(values, np.float32).reshape(2, 2), "ab", "cd")
    shades = view.shades().ravel()
    order = np.argsort(values, kind="stable")
    assert (np.diff(shades[order]) >= 0).all()
    assert view.signed == (min(values) < 0)
    assert shades.min() >= (-1 if view.signed else 0) and shades.max() <= 1
    # The same depth for the same distance from 0, and none at 0.
    largest = np.abs(values).max() or 1
    np.testing.assert_allclose(shades, np.array(values) / largest, atol=1e-6)


def test_signed_numbers_are_red_above_0_and_blue_below():
    values = np.array([[-2.0, 0.0, 1.0, -1e10]], np.float32)
    view = HeatMap("t", values, ["a"], list("wxyz"))
    assert (view.low, view.high, view.signed) == (-2, 2, True)
    body = view.body_html()
    shown = re.findall(r'<td style="[^"]*background:#(..)(..)(..)', body)
    (blue, white, red, masked) = ([int(part, 16) for part in colour] for colour in shown)
    assert blue[2] > blue[0] + 100 and red[0] > red[2] + 50
    assert white == masked == [255, 255, 255]
    assert "-2.00 <span" in body and "</span> 2.00</div>" in body  # the legend


def test_shares_have_one_side_and_their_legend():
    view = HeatMap("t", np.array([[0.25, 1.0]]), ["a"], ["b", "c"])
    assert (view.low, view.high, view.signed) == (0, 1, False)
    assert view.shades().tolist() == [[0.25, 1.0]]
    assert "0.00 <span" in view.body_html() and "#961c12" not in view.body_html()
    many = views.attention_grid(TRACE, TOKENS)
    assert "</span> 1.00</div>" not in many.body_html()  # 24 times the same


# ---- The machine --------------------------------------------------------------------------------


def test_the_machine_has_a_part_for_every_array():
    placed = machine(MODEL.config)
    steps = [part["step"] for part in placed["parts"]]
    assert steps == ["tokens", "embed", *BLOCK_STEPS, "ln_f", "logits", "next"]
    wide, high = placed["size"]
    boxes = [part["at"] for part in placed["parts"]]
    for i, (x, y, across, tall) in enumerate(boxes):
        assert x >= 0 and x + across <= wide and y >= 0 and y + tall <= high
        for left, top, wide_, high_ in boxes[:i]:  # none lies over another
            assert x >= left + wide_ or left >= x + across or y >= top + high_ or top >= y + tall


def test_every_line_of_the_machine_ends_at_a_part():
    placed = machine(MODEL.config)
    for *_, (x, y) in placed["lines"]:
        touched = [
            part["step"]
            for part in placed["parts"]
            for left, top, wide, high in [part["at"]]
            if left <= x <= left + wide and top <= y <= top + high
        ]
        assert len(touched) == 1, (x, y)


def test_a_diagram_names_the_arrays_of_its_block_and_lights_a_part():
    view = views.block_diagram(MODEL.config, 3, ["mlp.gelu"])
    assert re.search(r"^h\.3\.mlp\.gelu +GELU +activation function$", repr(view), re.MULTILINE)
    html = view.to_html()
    assert html.count('fill="#084594"') == 2  # the block among all, and the part
    assert "<title>h.3.attn.q: query, 64 wide</title>" in html
    with pytest.raises(ValueError, match="layer must lie in 0 to 3, not 4"):
        views.block_diagram(MODEL.config, 4)
    with pytest.raises(ValueError, match="no part is called 'mask': there are tokens, "):
        views.block_diagram(MODEL.config, 0, ["mask"])


def test_a_table_without_rows_is_still_a_table():
    view = Table("t", ["a", "b"], [], bar="b", shaded=["a"])
    assert repr(view) == "t\na  b"
    Page(view.to_html())


def test_importing_views_loads_no_matplotlib():
    import subprocess
    import sys

    code = "import sys, gptlite.views; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_drawing_without_matplotlib_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for view in all_views(TOKENS, TEXT).values():
        with pytest.raises(ModuleNotFoundError, match=r"pip install matplotlib \("):
            view.plot()


def test_a_model_of_one_block_and_one_head_has_all_views():
    model = GPT.init(GPTConfig(n_vocab=257, n_ctx=4, n_embd=2, n_head=1, n_layer=1))
    tokenizer, trace = Tokenizer.train([], 257), Trace()
    model([7], trace=trace)
    assert views.attention_grid(trace, ["x"]).views[0][0].values == 1
    assert "block 0" in repr(views.logit_lens(model, tokenizer, trace, ["x"]))
