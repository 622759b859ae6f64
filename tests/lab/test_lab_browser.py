"""The page in a browser, with each of its engines: what it shows is what the model computed."""

import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
import pytest

import gptlite
from browser import (
    DARK,
    STILL,
    all_of,
    axe_source,
    built_site,
    choose,
    click,
    file_server,
    hover,
    look,
    missing,
    number,
    numbers,
    one,
    press,
    settle,
    start_browser,
    texts,
    visit,
)
from gptlite import GPT, GPTConfig, Tokenizer, Trace
from gptlite.explain.page import page
from gptlite.generate.samples import generate
from gptlite.lab.engine import Engine
from gptlite.lab.server import Server
from gptlite.layers import softmax
from gptlite.sampling import Sampler
from gptlite.trace import trace_names
from gptlite.views import patched, without_heads, without_mask
from pages import HOSTILE, Parsed, trace_of

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "site"))

from parts import parts_folder

pytestmark = pytest.mark.browser

TEXT = "A robot must obey the orders given it"
SEQ = 12
ENGINES = ("frozen", "local", "browser")
LIVE = ("local", "browser")  # those that can read any text
# Pyodide's NumPy has no BLAS, and adds up one number after the other: its float32 numbers differ in
# the last digits, by up to this part of the largest in an array. (The stream's numbers reach 70,
# ten times the logits', and NumPy's own einsum beside BLAS differs by 4e-6 of the logits'.) Of the
# others every bit is compared.
PARTS = {"browser": 1.2e-5}


class Place(NamedTuple):
    """Where a page is: its address, without what is behind the #, and its engine's name."""

    url: str
    engine: str

    @property
    def slow(self) -> bool:
        """True if the engine takes seconds to start: a page of it is used for many tests."""
        return self.engine == "browser"


@pytest.fixture(scope="module")
def driver(tmp_path_factory) -> Iterator:
    driver = start_browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def storyteller():
    return gptlite.load()


@pytest.fixture(scope="module")
def trace(storyteller) -> Trace:
    return trace_of(*storyteller, TEXT)


def small_model() -> tuple[GPT, Tokenizer]:
    """Make a model of bytes that answers at once."""
    config = GPTConfig(n_vocab=257, n_ctx=64, n_embd=8, n_head=2, n_layer=2)
    return GPT.init(config), Tokenizer.train([""], 257)


def served(engine: Engine) -> Iterator[str]:
    """Serve an engine as gptlite lab does."""
    server = Server(engine)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.url
    server.shutdown()
    server.stop()
    thread.join()


@pytest.fixture(scope="module")
def frozen(storyteller, tmp_path_factory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_bytes(page(*storyteller, TEXT))
    yield path.as_uri()


@pytest.fixture(scope="module")
def local(storyteller) -> Iterator[str]:
    yield from served(Engine(*storyteller))


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[str]:
    """The lab of the built site; skipped without the site's parts, except in CI."""
    parts = parts_folder()
    if "GPTLITE_SITE" not in os.environ and not parts.exists():
        missing(f"{parts}, where python scripts/site/build.py puts the site's parts")
    site = built_site(tmp_path_factory.mktemp("built"), "--lab-only")
    with file_server(site, tmp_path_factory.mktemp("root")) as url:
        yield url


def place_of(request) -> Place:
    return Place(request.getfixturevalue(request.param), request.param)


# For a module, so that the tests of one engine come one after the other.
@pytest.fixture(scope="module", params=ENGINES)
def place(request) -> Place:
    return place_of(request)


@pytest.fixture(scope="module", params=LIVE)
def live_place(request) -> Place:
    return place_of(request)


@pytest.fixture
def opened(driver, place):
    """The page of every engine, as if freshly loaded."""
    yield from visit(driver, place.url, anew=not place.slow)


@pytest.fixture
def live(driver, live_place):
    """The page of every engine that can read any text, as if freshly loaded."""
    yield from visit(driver, live_place.url, anew=not live_place.slow)


@pytest.fixture
def shown(driver, frozen):
    """The page, for what is the same whatever its engine."""
    yield from visit(driver, frozen)


def rows_of(driver, figure: str) -> list[np.ndarray]:
    """The numbers that a figure of strips has drawn, a row each."""
    script = """
        const rows = document.getElementById(arguments[0]).arrays;
        return rows.map((row) => Array.from(row, (x) => Number.isFinite(x) ? x : String(x)));
    """
    return [np.array(row, float) for row in driver.execute_script(script, figure)]


def allowed(driver, expected: object) -> float:
    """How far the engine's numbers may be from those expected: 0, unless it adds otherwise."""
    part = PARTS.get(driver.execute_script("return lab.engine"), 0.0)
    seen = np.abs(expected, where=np.greater(expected, -1e9), out=np.zeros(np.shape(expected)))
    return float(part * seen.max())


def alike(driver, found: np.ndarray, expected: np.ndarray) -> None:
    """Hold numbers of the page against an array."""
    found = found.astype(np.float32)
    np.testing.assert_allclose(found, expected, rtol=0, atol=allowed(driver, expected))


def rounded(driver, shown: object, expected: object) -> None:
    """Hold numbers written with two digits after the point against those they stand for."""
    half = 0.00501 + 4 * allowed(driver, expected)  # exp makes more of a difference
    np.testing.assert_allclose(shown, expected, rtol=0, atol=half)


def same(driver, figure: str, *expected: np.ndarray) -> None:
    """Hold a figure's rows against arrays."""
    found = rows_of(driver, figure)
    assert len(found) == len(expected), figure
    for row, array in zip(found, expected, strict=True):
        alike(driver, row, array)


# ---- The bar at the top -------------------------------------------------------------------------


def weights_of(driver) -> list[str]:
    return texts(driver, "#strip-tokens .weight")


def written(trace: Trace, block: int, head: int, position: int) -> list[str]:
    """The weights of one token as the bar writes them."""
    weights = trace[f"h.{block}.attn.weights"][0, head, position]
    return [
        f"{100 * w:.0f}%" if j <= position else "–" for j, w in enumerate(weights.astype(float))
    ]


def test_it_opens_at_the_last_token(opened, trace, storyteller):
    assert weights_of(opened) == written(trace, 0, 0, SEQ - 1)
    assert texts(opened, ".chip .token") == texts(opened, "#tokens-figure td .token")
    assert texts(opened, ".chip .token")[:2] == ["<|endoftext|>", "A"]
    assert "4,339,200 parameters" in one(opened, "#facts").text
    assert one(opened, "h1").text == TEXT
    p = softmax(trace["logits"][0, -1])
    shown = numbers(opened, "#answer-figure .probability")
    rounded(opened, shown, 100 * np.sort(p)[:-7:-1])
    assert one(opened, "#eot-says").text.startswith("It begins with <|endoftext|>")


def test_hovering_a_token_and_clicking_it(opened, trace):
    chips = all_of(opened, ".chip")
    hover(opened, chips[4])
    assert weights_of(opened) == written(trace, 0, 0, 4)
    hover(opened, one(opened, "#walk-says"))
    assert weights_of(opened) == written(trace, 0, 0, SEQ - 1)
    chips[3].click()
    hover(opened, one(opened, "#walk-says"))
    assert weights_of(opened) == written(trace, 0, 0, 3)


def test_the_keyboard_alone_walks_the_tour(opened, place, trace):
    about = opened.execute_script("return [lab.known.model.tour, lab.known.model.walk]")
    tour, walk = about
    one(opened, "#walk-on").send_keys("")
    for stop in tour[1:]:
        press(opened, "ENTER")
        settle(opened)
        assert texts(opened, "#walk-says code") == [stop]
        step = stop.split(".", 2)[-1] if stop.startswith("h.") else stop
        assert all_of(opened, "#machine .lit.part")[0].get_attribute("data-part") == step
        top = opened.execute_script(
            "return document.querySelector('.lit :is(h2, h3)').getBoundingClientRect().top"
        )
        assert step == "next" or 60 < top < 500, stop  # the section is under the bar
    assert not one(opened, "#walk-on").is_enabled()
    # Through every array, backwards; where it is slower, through those of the last block.
    stops, block = (walk[-2::-1], 0) if place.engine == "frozen" else (walk[-2:-20:-1], 2)
    one(opened, "#walk-whole").click()
    one(opened, "#walk-back").send_keys("")
    for stop in stops:
        press(opened, "ENTER")
        settle(opened)
        assert texts(opened, "#walk-says code") == [stop]
    assert weights_of(opened) == written(trace, block, 0, SEQ - 1)


def test_the_tab_key_reaches_everything_and_shows_where_it_is(driver, place):
    for opened in visit(driver, place.url):  # the first Tab comes from nowhere
        reach(opened)


def reach(opened) -> None:
    """Press Tab until the last control of the page."""
    reached = []
    for _ in range(260):
        press(opened, "TAB")
        script = """
            const active = document.activeElement;
            const around = active.closest("label") ?? active.parentElement;
            const all = [active, around, active.querySelector("rect") ?? active];
            const styles = all.map((each) => getComputedStyle(each));
            const seen = styles.some((s) => s.outlineStyle === "solid" || s.strokeWidth === "3px");
            return [active.id || active.name || active.textContent.trim().slice(0, 20), seen];
        """
        name, seen = opened.execute_script(script)
        reached.append(name)
        assert seen, name
        if name == "step-on":
            break
    wanted = [
        "walk-start",
        "position",
        "choose-block",
        "choose-head",
        "walk-on",
        "walk-whole",
        "key",
        "stage",
    ]
    wanted += ["temperature", "top-k", "top-p", "draw-one", "draw-hundred", "step-back", "step-on"]
    assert [name for name in reached if name in wanted] == wanted


# ---- The figures --------------------------------------------------------------------------------


@pytest.mark.parametrize(("block", "head", "position"), [(0, 0, 11), (3, 2, 4), (3, 1, 0)])
def test_the_figures_show_the_trace(opened, storyteller, trace, block, head, position):
    choose(opened, "#choose-block", block)
    choose(opened, "#choose-head", head)
    click(opened, f"#strip-tokens input[value='{position}']")
    model, tokenizer = storyteller
    ids = [tokenizer.eot, *tokenizer.encode(TEXT)]
    token, place = model.wte[ids[position]], model.wpe[position]
    same(opened, "embed-figure", token, place, token + place)
    same(opened, "embed-all", *trace["embed"][0])

    entering = trace[f"h.{block - 1}.out" if block else "embed"]
    of = {name.removeprefix(f"h.{block}."): trace[name] for name in trace}
    for figure, arrays in {
        "ln_1": (entering, of["ln_1"]),
        "attn.out": (of["attn.z"], of["attn.out"]),
        "mid": (entering, of["attn.out"], of["mid"]),
        "ln_2": (of["mid"], of["ln_2"]),
        "mlp.fc": (of["mlp.fc"],),
        "mlp.gelu": (of["mlp.gelu"],),
        "mlp.out": (of["mlp.out"],),
        "out": (of["mid"], of["mlp.out"], of["out"]),
        "ln_f": (trace["h.3.out"], trace["ln_f"]),
    }.items():
        same(opened, f"{figure}-figure", *(array[0, position] for array in arrays))
    steps = ("ln_1", "attn.z", "attn.out", "mid", "ln_2", "mlp.fc", "mlp.gelu", "mlp.out", "out")
    for step in steps:
        same(opened, f"{step}-all", *of[step][0])
    for step in ("attn.q", "attn.k", "attn.v"):
        same(opened, f"{step}-figure", of[step][0, head, position])
        same(opened, f"{step}-all", *of[step][0, head])
    same(opened, "logits-figure", trace["logits"][0, -1])
    says = one(opened, "#logits-figure .caption").text
    assert says.startswith("The last token’s row of the array, whichever token is chosen")
    assert "after “·it”" in says

    weights, seen = of["attn.weights"][0, head], np.tri(SEQ, dtype=bool)
    shown = numbers(opened, "#weights-figure td.number")
    rounded(opened, shown, weights[seen])
    assert texts(opened, "#weights-figure td.masked") == ["0"] * 66
    scores = of["attn.scores"][0, head]
    shown = numbers(opened, "#scores-figure td.number")
    rounded(opened, shown, scores[seen])
    assert texts(opened, "#scores-figure td.masked") == ["−∞"] * 66
    click(opened, "[value=unmasked]")
    whole = of["attn.q"][0, head] @ of["attn.k"][0, head].T / 8
    shown = numbers(opened, "#scores-figure td.number")
    rounded(opened, shown, whole.ravel())

    parts = weights[position, : position + 1, None] * of["attn.v"][0, head, : position + 1]
    z = of["attn.z"][0, position, 64 * head : 64 * (head + 1)]
    found = rows_of(opened, "sum-figure")
    near = 1e-9 + allowed(opened, parts)
    np.testing.assert_allclose(found[:-1], parts, rtol=1e-6, atol=near)
    np.testing.assert_allclose(np.sum(found[:-1], axis=0), found[-1], atol=1e-6)
    alike(opened, found[-1], z)

    fc, gelu = (of[f"mlp.{name}"][0, position] for name in ("fc", "gelu"))
    units = [int(text) for text in texts(opened, "#units-figure thead th")[1:]]
    assert set(units) == set(np.argsort(-np.abs(gelu), kind="stable")[:8])
    shown = np.reshape(numbers(opened, "#units-figure td.number"), (2, 8))
    rounded(opened, shown, [fc[units], gelu[units]])


def test_one_product_term_by_term(opened, trace):
    choose(opened, "#choose-block", 2)
    choose(opened, "#choose-head", 3)
    q, k, scores, weights = (
        trace[f"h.2.attn.{name}"][0, 3] for name in ("q", "k", "scores", "weights")
    )
    for j in (0, 4, 11):
        click(opened, f"#product-keys input[value='{j}']")
        query, key = rows_of(opened, "product-figure")
        (terms,) = rows_of(opened, "terms-figure")
        alike(opened, query, q[11])
        alike(opened, key, k[j])
        np.testing.assert_allclose(terms, query * key, rtol=1e-6)
        total, score, power, share = numbers(opened, "#product-chain strong")
        assert total == pytest.approx(terms.sum(), abs=0.00501)
        rounded(opened, score, scores[11, j])
        near = 0.0000501 + 4 * allowed(opened, scores[11])
        assert power == pytest.approx(np.exp(scores[11, j] - scores[11].max()), abs=near)
        rounded(opened, share, 100 * weights[11, j])


def test_the_colours_of_a_strip_are_those_of_its_numbers(shown, trace):
    """Red above 0, blue below, the deepest at the end of the scale; white near 0."""
    script = """
        const canvas = document.querySelector("#mid-figure canvas");
        return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
    """
    pixels = np.array(shown.execute_script(script)).reshape(-1, 4)[:, :3]
    values = trace["embed"][0, SEQ - 1]
    rows = rows_of(shown, "mid-figure")
    steps = np.minimum(9, np.floor(10 * np.abs(values) / max(np.abs(row).max() for row in rows)))
    red, blue = pixels[:, 0], pixels[:, 2]
    assert (red > blue)[(values > 0) & (steps > 0)].all()
    assert (blue > red)[(values < 0) & (steps > 0)].all()
    assert (pixels[steps == 0] == 255).all()
    brightness = pixels.sum(axis=1)
    for sign in (values > 0, values < 0):
        order = np.argsort(steps[sign], kind="stable")
        assert (np.diff(brightness[sign][order]) <= 0).all()


def test_numbers_are_read_with_the_arrow_keys_and_by_pointing(opened, trace):
    frame = one(opened, "#ln_1-figure .picture")
    frame.send_keys("")
    press(opened, "ARROW_RIGHT", "ARROW_RIGHT", "ARROW_RIGHT")
    says = one(opened, "#ln_1-figure .reading").text
    assert says.startswith("x ") and "[2]" in says
    assert number(says.split()[-1]) == pytest.approx(trace["embed"][0, 11, 2], abs=0.00006)
    press(opened, "ARROW_DOWN", "END")
    says = one(opened, "#ln_1-figure .reading").text
    assert says.startswith("ln_1(x)") and "[255]" in says
    assert number(says.split()[-1]) == pytest.approx(trace["h.0.ln_1"][0, 11, 255], abs=0.00006)
    hover(opened, all_of(opened, "#ln_1-figure canvas")[0])
    assert "[12" in one(opened, "#ln_1-figure .reading").text


def test_each_step_has_its_words(opened, storyteller):
    steps = json.loads(Engine(*storyteller).answer('{"kind": "model"}'))["steps"]
    for step, about in steps.items():
        section = f'[data-step="{step}"]'
        name = step if step in ("tokens", "embed", "ln_f", "logits", "next") else f"h.0.{step}"
        assert texts(opened, f"{section} .array-name") == [name]
        assert about["field"] in texts(opened, f"{section} .field")[0]
        links = all_of(opened, f"{section} .field a")
        assert [a.get_attribute("href") for a in links] == [a["url"] for a in about["article"]]
        code = texts(opened, f"{section} pre code")
        assert code == ["\n".join(source["lines"]) for source in about["source"]]
        assert len(all_of(opened, f"{section} math")) == 1


def test_the_machine_is_the_map(opened):
    names = {
        part.get_attribute("data-part"): part for part in all_of(opened, "#machine [data-part]")
    }
    assert len(names) == 19
    click(opened, "#machine [data-block='2']")
    click(opened, "#machine [data-part='mlp.gelu']")
    assert texts(opened, "#walk-says code") == ["h.2.mlp.gelu"]
    assert texts(opened, "#machine-block") == ["block 2"]
    assert one(opened, "#choose-block").get_attribute("value") == "2"


def test_the_map_of_heads(opened, trace):
    assert len(all_of(opened, "#map-figure .thumb")) == 16
    click(opened, "#map-figure [data-head='3.2']")
    assert weights_of(opened) == written(trace, 3, 2, SEQ - 1)
    pressed = texts(opened, ".thumb[aria-pressed='true'] span")
    assert pressed == ["3.2", "3.2"]  # in the map, and among the block's heads


def test_the_logit_lens(opened, storyteller, trace):
    _, tokenizer = storyteller
    p = softmax(trace["logits"][0])
    top = numbers(opened, "#lens-figure tbody tr:first-child .number")
    np.testing.assert_allclose(top, 100 * p.max(axis=-1), atol=0.501)
    labels = texts(opened, "#lens-figure tbody tr:first-child td .token")
    best = [tokenizer.decode([i]).replace(" ", "·").replace("\n", "↵") for i in p.argmax(axis=-1)]
    assert labels == best
    rows = texts(opened, "#lens-token-figure tbody th")
    assert rows == [*(f"block {i}" for i in range(3, -1, -1)), "embed"]
    first = numbers(opened, "#lens-token-figure tbody tr:first-child .number")
    rounded(opened, first, 100 * np.sort(p[-1])[:-6:-1])


def test_the_cache_step_by_step(opened, trace):
    one(opened, "#step").send_keys("")
    press(opened, "HOME")
    for step in range(1, SEQ + 1):
        cells = np.reshape(texts(opened, "#cache-figure td.cache"), (4, SEQ))
        assert (cells == ["kept"] * (step - 1) + ["new"] + [""] * (SEQ - step)).all()
        weights = trace["h.0.attn.weights"][0, 0, step - 1, :step]
        rounded(opened, numbers(opened, "#cache-row-figure td.number"), weights)
        says = one(opened, "#cache-says").text
        assert f"Step {step} of 12" in says and "2,048 new numbers" in says
        assert (f"the {2048 * (step - 1):,} of the tokens before" in says) == (step > 1)
        assert f"takes {8 * step} KiB" in says
        click(opened, "#step-on")
    click(opened, "#step-back")
    assert "Step 11 of 12" in one(opened, "#cache-says").text


# ---- The draw -----------------------------------------------------------------------------------


def slide(driver, **settings: float) -> None:
    for name, value in settings.items():
        choose(driver, f"#{name.replace('_', '-')}", value)


@pytest.mark.parametrize("temperature", [0, 0.05, 0.7, 2])
@pytest.mark.parametrize(
    ("top_k", "top_p"), [(0, 1), (1, 1), (40, 1), (0, 0.9), (5, 0.55), (0, 0.05)]
)
def test_the_bars_are_what_the_sampler_draws_from(opened, temperature, top_k, top_p):
    slide(opened, temperature=temperature, top_k=top_k, top_p=top_p)
    logits = after_of(opened)[None]
    (filtered,) = Sampler(temperature, top_k, top_p).filter(logits, [[]])
    p, own = softmax(filtered), softmax(logits[0])
    script = """
        const logits = document.getElementById("logits-figure").arrays[0];
        return Array.from(lab.softmax(lab.filterLogits(logits, ...arguments)));
    """
    drawn = np.array(opened.execute_script(script, temperature, top_k, top_p))
    assert np.array_equal(drawn > 0, p > 0)
    np.testing.assert_allclose(drawn, p, rtol=5e-6)
    ids = [
        int(row.get_attribute("data-id")) for row in all_of(opened, "#output-figure tr[data-id]")
    ]
    shown = texts(opened, "#output-figure .probability")
    for i, text in zip(ids, shown, strict=True):
        assert (text == "cut") == (p[i] == 0)
        if text != "cut":
            assert number(text) == pytest.approx(100 * p[i], abs=0.00501)
    kept = np.isfinite(filtered)
    says = one(opened, "#output-says").text
    assert says.startswith(f"{kept.sum():,} of 4,096 tokens")
    (mass,) = [number(word) for word in says.split() if word.endswith("%")]
    assert mass == pytest.approx(100 * own[kept].sum(), abs=0.00501)
    longest = max(p[ids].max(), own[ids].max())
    script = (
        "return [...document.querySelectorAll('#output-figure .bar')].map((e) => e.style.width)"
    )
    np.testing.assert_allclose(
        [number(w) for w in opened.execute_script(script)], 100 * p[ids] / longest, atol=0.001
    )


def test_the_filters_on_logits_with_ties(shown):
    script = """
        const found = lab.filterLogits(Float32Array.from(arguments[0]), ...arguments[1]);
        return [Array.from(found), lab.choose(found, arguments[2])];
    """
    rng = np.random.default_rng(0)
    cases = []
    for _ in range(150):
        logits = (rng.integers(-8, 8, rng.integers(1, 40)) / 4).astype(np.float32)
        settings = float(rng.choice([0, 0.5, 1, 1.3])), int(rng.integers(0, 12))
        # None of these values of top-p is one that a running sum of a few equal probabilities
        # could hit but for rounding.
        cases.append((logits, (*settings, float(rng.choice([1, 0.031, 0.313, 0.627, 0.919])))))
    # These are, and nothing is rounded.
    cases += [(np.ones(8, np.float32), (1.0, 0, eighths / 8)) for eighths in range(1, 9)]
    for logits, settings in cases:
        sampler, seed = Sampler(*settings), int(rng.integers(1000))
        (expected,) = sampler.filter(logits[None], [[]])
        (token,) = sampler(logits[None], [[]], [np.random.default_rng(seed)])
        point = np.random.default_rng(seed).random()
        found, drawn = shown.execute_script(script, logits.tolist(), settings, point)
        found = [-np.inf if x is None else x for x in found]  # JSON has no infinity
        assert np.array_equal(np.array(found, np.float32), expected), (logits, settings)
        assert drawn == token


def test_a_hundred_draws_and_their_counts(opened):
    slide(opened, temperature=0.8, top_k=40)
    click(opened, "#draw-hundred")
    sampler, logits = Sampler(0.8, 40), after_of(opened)[None]
    rng = np.random.default_rng([0, 0])
    drawn = [int(sampler(logits, [[]], [rng])[0]) for _ in range(100)]
    assert "100 drawn so far" in one(opened, "#draw-says").text
    found = {}
    for row in all_of(opened, "#output-figure tr[data-id]"):
        if times := row.find_element("css selector", ".times").text:
            found[int(row.get_attribute("data-id"))] = int(number(times))
    assert found == {i: drawn.count(i) for i in drawn}
    slide(opened, temperature=1)
    assert one(opened, "#draw-says").text == ""


def test_presets_by_hand(opened):
    one(opened, "#top-k").send_keys("")
    press(opened, "ARROW_RIGHT", "ARROW_RIGHT", "ARROW_RIGHT")
    assert one(opened, "#output-says").text.startswith("3 of 4,096 tokens are")
    click(opened, ".presets button:nth-child(4)")
    assert one(opened, "#output-says").text.startswith("1 of 4,096 tokens is")
    click(opened, "#draw-one")
    assert one(opened, "#draw-says").text.startswith("Drawn: ·to")
    click(opened, ".presets button:nth-child(1)")
    assert one(opened, "#output-says").text.startswith("4,096 of 4,096 tokens are")


def test_what_is_added_is_what_generate_adds(live, storyteller):
    """With the same seed and settings."""
    slide(live, temperature=0.9, top_k=30)
    choose(live, "#seed", 5)
    for _ in range(6):
        click(live, "#go-on")
    settings = {"temperature": 0.9, "top_k": 30, "seed": 5, "max_new_tokens": 6}
    prompt = "<|endoftext|>" + TEXT
    more = generate(*storyteller, prompt, allowed_special="all", **settings)
    assert one(live, "h1").text == f"{TEXT}{more}"
    assert len(all_of(live, ".chip")) == SEQ + 6


def test_a_token_that_has_no_room_is_refused_where_it_was_asked_for(live, storyteller):
    _, tokenizer = storyteller
    text = tokenizer.decode(tokenizer.encode("Once upon a time there was a king who " * 9)[:63])
    read_text(live, text)
    assert len(all_of(live, ".chip")) == 64
    click(live, "#go-on")
    assert "The text has 65 tokens, and the page takes 64 at most" in one(live, "#draw-says").text
    assert len(all_of(live, ".chip")) == 64 and one(live, "h1").text == text


# ---- Texts and changes --------------------------------------------------------------------------


def read_text(driver, text: str, eot: bool | None = None) -> None:
    choose(driver, "#text", text)
    if eot is not None and one(driver, "#eot").is_selected() != eot:
        click(driver, "#eot")
    click(driver, "#text-form button")


def after_of(driver) -> np.ndarray:
    """The logits that the page has."""
    return rows_of(driver, "logits-figure")[0].astype(np.float32)


@pytest.mark.parametrize("eot", [True, False])
def test_a_text_of_one_s_own(live, storyteller, eot):
    model, tokenizer = storyteller
    read_text(live, "The king said 🙂 to\nhis é", eot)
    ids = tokenizer.encode("The king said 🙂 to\nhis é")
    trace = Trace()
    model([tokenizer.eot, *ids] if eot else ids, trace=trace)
    alike(live, after_of(live), trace["logits"][0, -1])
    assert one(live, "#eot-says").text.startswith("It begins" if eot else "It does not begin")
    same(live, "ln_f-all", *trace["ln_f"][0])


@pytest.mark.parametrize("n", [20, 64])
def test_long_texts_fit_and_have_all_their_numbers(live, storyteller, n):
    model, tokenizer = storyteller
    text = tokenizer.decode(tokenizer.encode("Once upon a time there was a king who " * 9)[: n - 1])
    read_text(live, text)
    trace = trace_of(model, tokenizer, text)
    same(live, "weights-figure", *trace["h.0.attn.weights"][0, 0])
    same(live, "scores-figure", *trace["h.0.attn.scores"][0, 0])
    for width in (1280, 390):
        look(live, width, STILL)
        script = """
            const box = document.querySelector("#weights-figure .rows").getBoundingClientRect();
            return [document.documentElement.scrollWidth, box.right];
        """
        assert max(live.execute_script(script)) <= width


def follows(driver, changed: Trace) -> None:
    """Hold the page's logits against those of a trace with the same edits."""
    expected = changed["logits"][0, -1]
    near = 1e-5 + allowed(driver, expected)
    read = "return `${lab.state.text}: ${JSON.stringify(lab.state.edits)}`"
    says = driver.execute_script(read)
    np.testing.assert_allclose(after_of(driver), expected, rtol=0, atol=near, err_msg=says)


CHANGES = {
    "head": (
        {"#cut-part": "head", "#cut-layer": 2, "#cut-head": 1, "#cut-factor": 0},
        without_heads(2, [1]),
    ),
    "block": (
        {"#cut-part": "block", "#cut-layer": 0, "#cut-factor": 0},
        {"h.0.attn.out": 0, "h.0.mlp.out": 0},
    ),
    "array": (
        {"#cut-part": "array", "#cut-array": "h.3.mid", "#cut-factor": -1.5},
        {"h.3.mid": -1.5},
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_part_cut_or_scaled(live, storyteller, trace, what):
    fields, edits = CHANGES[what]
    for selector, value in fields.items():
        choose(live, selector, value)
    click(live, "#cut-form button")
    changed = Trace(edits)
    model, tokenizer = storyteller
    model([tokenizer.eot, *tokenizer.encode(TEXT)], trace=changed)
    follows(live, changed)
    was, now = (softmax(each["logits"][0, -1]) for each in (trace, changed))
    rows = all_of(live, "#changes-figure tr[data-id]")
    ids = [int(row.get_attribute("data-id")) for row in rows]
    rounded(live, numbers(live, "#changes-figure .was"), 100 * was[ids])
    rounded(live, numbers(live, "#changes-figure .is"), 100 * now[ids])
    assert now.argmax() in ids and was.argmax() in ids
    says, _, moved = one(live, "#changed-says").text.partition(": ")
    assert says == "1 change"
    best = int(was.argmax())
    token, before, arrow, after = moved.rsplit(" ", 3)
    assert (token, arrow) == (tokenizer.decode([best]).replace(" ", "·"), "→")
    assert [number(before), number(after)] == pytest.approx(
        [100 * was[best], 100 * now[best]], abs=0.501
    )
    look(live, 390, STILL)
    assert one(live, "#changed-says").text == "1 change"
    look(live, 1280, STILL)
    click(live, "#undo")
    alike(live, after_of(live), trace["logits"][0, -1])
    assert "Nothing is changed" in one(live, "#changes-say").text


def test_a_patch_and_a_mask_dropped_together(live, storyteller):
    model, tokenizer = storyteller
    other = "A robot must obey the orders given her"
    choose(live, "#patch-array", "h.2.out")
    choose(live, "#patch-position", 9)
    choose(live, "#patch-text", other)
    click(live, "#patch-form button")
    choose(live, "#mask-layer", 2)
    click(live, "#mask-form button")
    edits = patched(trace_of(model, tokenizer, other), "h.2.out", [9]) | without_mask([2])
    changed = Trace(edits)
    model([tokenizer.eot, *tokenizer.encode(TEXT)], trace=changed)
    follows(live, changed)
    assert len(all_of(live, "#changes-list li")) == 2
    click(live, "#changes-list li:first-child button")
    assert texts(live, "#changes-list li") == ["block 2 has no mask undo"]
    changed = Trace(without_mask([2]))
    model([tokenizer.eot, *tokenizer.encode(TEXT)], trace=changed)
    follows(live, changed)


def test_the_patch_begins_with_the_page_s_text(live):
    def other() -> str:
        return one(live, "#patch-text").get_property("value")

    assert other() == TEXT
    read_text(live, "The king said\nto his")
    assert other() == "The king said\nto his"
    click(live, "#go-on")
    assert other() == one(live, "h1").get_property("textContent")
    one(live, "#patch-text").send_keys(" fox")
    typed = other()
    assert typed.endswith(" fox")
    click(live, "#mask-form button")
    read_text(live, "A fox")
    assert other() == typed


def test_a_head_cut_where_it_is_shown(live, storyteller):
    model, tokenizer = storyteller
    click(live, ".card:nth-child(3) .cut")
    click(live, ".card:nth-child(1) .cut")
    changed = Trace(without_heads(0, [0, 2]))
    model([tokenizer.eot, *tokenizer.encode(TEXT)], trace=changed)
    follows(live, changed)
    assert one(live, "#changed-says").text.startswith("2 changes: ·to ")
    click(live, ".card:nth-child(1) .cut")
    assert one(live, "#changed-says").text.startswith("1 change: ·to ")


def test_what_is_changed_is_marked_in_the_drawings(live):
    def marked(selector: str, kind: str) -> list[str]:
        return [each.get_attribute(f"data-{kind}") for each in all_of(live, selector)]

    def parts_and_blocks() -> list[list[str]]:
        return [marked(".part.changed", "part"), marked(".slab.changed", "block")]

    click(live, ".card:nth-child(3) .cut")
    assert parts_and_blocks() == [["attn.weights"], ["0"]]
    assert marked(".thumb.is-cut", "head") == ["0.2", "0.2"]  # in the map, and in the block
    assert "cut" in one(live, ".card:nth-child(3) p").text
    choose(live, "#choose-block", 1)
    assert parts_and_blocks() == [[], ["0"]]
    click(live, "#mask-form button")  # of every block
    assert parts_and_blocks() == [["attn.scores"], ["0", "1", "2", "3"]]


def test_a_link_restores_everything(live, driver, live_place):
    read_text(live, "The fox ran to the", eot=False)
    click(live, "#go-on")
    click(live, "#map-figure [data-head='2.1']")
    click(live, ".card:nth-child(2) .cut")
    click(live, "#strip-tokens input[value='2']")
    slide(live, temperature=0.5, top_k=7)
    click(live, "#draw-one")
    click(live, "#draw-hundred")
    click(live, "#machine [data-part='mid']")
    before, url = after_of(live), live.current_url
    places = ("h1", "#walk-says", "#changes-list li", "#output-says", ".chip", "#draw-says")
    places += ("#output-figure tr",)
    seen = [texts(live, selector) for selector in places]
    assert "101 drawn so far" in seen[5][0]
    for again in visit(driver, live_place.url, url.split("#")[1]):
        assert np.array_equal(after_of(again), before)
        assert [texts(again, selector) for selector in places] == seen
        assert again.current_url == url


def test_the_counts_of_the_draws_are_in_the_link_of_a_frozen_page(driver, frozen, shown):
    click(shown, "#draw-hundred")
    slide(shown, temperature=0.8)  # these draws are forgotten
    click(shown, "#draw-hundred")
    url, counts = shown.current_url, texts(shown, "#output-figure .times")
    assert sum(number(text) for text in counts if text) == 100
    for again in visit(driver, frozen, url.split("#")[1]):
        assert texts(again, "#output-figure .times") == counts
        assert "100 drawn so far" in one(again, "#draw-says").text
        assert again.current_url == url


def test_a_link_is_followed_though_an_answer_comes_in_between(live):
    """The answer's own state is in the address when the page hears of the link."""
    script = """
        location.hash = "text=A+fox";
        history.replaceState(null, "", "#text=A+robot&pinned=1");
    """
    live.execute_script(script)
    settle(live)
    assert one(live, "h1").get_property("textContent") == "A fox"
    assert "A+fox" in live.current_url


def test_a_link_to_what_cannot_be_read_leaves_the_open_page_as_it_is(live, trace):
    live.execute_script("location.hash = arguments[0]", quote(BROKEN["an array"], safe="=&"))
    settle(live)
    assert "no array is called 'h.77.out'" in one(live, "#problem").text.lower()
    alike(live, after_of(live), trace["logits"][0, -1])
    click(live, "#machine [data-block='3']")
    same(live, "out-all", *trace["h.3.out"][0])
    assert "edits" not in live.current_url


def test_a_click_lands_where_it_was_aimed(driver, local):
    """Nothing glides but what the page itself scrolls: the form is clicked below a small window."""
    for opened in visit(driver, local):
        small = {"width": 780, "height": 437, "deviceScaleFactor": 1, "mobile": False}
        opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", small)
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        one(opened, "#text").send_keys(" to")
        one(opened, "#text-form button").click()
        settle(opened)
        assert one(opened, "h1").text == f"{TEXT} to"


# ---- What cannot be done is said ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("word " * 2000, "The text has 2,003 tokens, and the page takes 64 at most"),
        ("x" * 10_000, "tokens, and the page takes 64 at most"),
        ("x" * 200_000, "The text has 200,000 characters, and the page takes 64 tokens at most"),
    ],
)
def test_texts_that_are_too_long(live, trace, text, sentence):
    read_text(live, text)
    assert sentence in one(live, "#problem").text
    assert sentence in one(live, "#refused").text
    alike(live, after_of(live), trace["logits"][0, -1])  # what was there stays
    read_text(live, "fox")
    assert not one(live, "#problem").is_displayed()
    assert one(live, "#refused").text == ""


def test_half_a_character_and_markup(live):
    live.execute_script("document.getElementById('text').value = 'a\\ud83d'")
    click(live, "#text-form button")
    assert "lone surrogate" in one(live, "#problem").text
    read_text(live, "<script>alert(1)</script><b>&lt;")
    assert one(live, "h1").text == "<script>alert(1)</script><b>&lt;"
    read_text(live, "")
    assert texts(live, ".chip .token") == ["<|endoftext|>"]


def test_a_change_that_fits_no_array(live, trace):
    choose(live, "#cut-factor", 1e9)
    click(live, "#cut-form button")
    refusal = "The factor must lie in -100 to 100."
    assert [one(live, place).text for place in ("#changes-error", "#refused")] == [refusal] * 2
    click(live, "#strip-tokens input[value='2']")
    assert one(live, "#refused").text == ""
    choose(live, "#patch-position", 11)
    choose(live, "#patch-text", "A fox")
    click(live, "#patch-form button")
    assert "The other text has no position 11: it has" in one(live, "#changes-error").text
    assert all_of(live, "#changes-list li") == []
    alike(live, after_of(live), trace["logits"][0, -1])
    choose(live, "#cut-factor", 0)
    click(live, "#cut-form button")
    assert [one(live, place).text for place in ("#changes-error", "#refused")] == ["", ""]


BROKEN = {
    "edits": 'edits=[{"change":"saw"}]',
    "an array": 'edits=[{"change":"scale","part":"array","name":"h.77.out","factor":0}]',
    "ids": "more=999999",
    "numbers": "block=99&head=7000&pinned=-3&step=x&temperature=NaN&topK=1e9&topP=0&stop=h.9.x",
    "draws": "seed=1&draws=3&drawn=999999&temperature=0.5",
    "edits that are none": "edits={&eot=2&whole=1&stage=<b>",
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_link_opens_all_the_same(driver, place, what):
    for opened in visit(driver, place.url, quote(BROKEN[what], safe="=&")):
        assert len(all_of(opened, ".chip")) in (SEQ, SEQ - 1) or place.engine == "frozen"
        assert one(opened, "#answer-figure").is_displayed()


def test_what_a_frozen_page_cannot_do(driver, frozen):
    for opened in visit(driver, frozen, "text=" + quote("Another text")):
        assert "This page is frozen" in one(opened, "#problem").text
        assert one(opened, "h1").text == TEXT
        for hidden in ("#text-form", "#change-forms", "#go-on"):
            assert not one(opened, hidden).is_displayed()
        said = [each.text for each in all_of(opened, ".only-frozen") if each.is_displayed()]
        assert len(said) == 3 and all("gptlite lab 'A robot must" in each for each in said)
        for _ in range(10):
            click(opened, "#draw-hundred")
        assert "1,000 drawn so far" in one(opened, "#draw-says").text
        click(opened, "#draw-one")
        assert "1000 random numbers, and all are used" in one(opened, "#draw-says").text


def test_a_frozen_page_s_command_opens_its_own_model(driver, tmp_path):
    path = tmp_path / "page.html"
    path.write_bytes(page(*small_model(), "It's a fox", name="my model"))
    for opened in visit(driver, path.as_uri()):
        command = "gptlite lab --model 'my model' 'It'\\''s a fox'"
        assert set(texts(opened, ".command")) == {command}


def test_a_server_that_stops_is_told_in_the_page(driver):
    serving = served(Engine(*small_model()))
    for opened in visit(driver, next(serving), "text=fox"):
        opened.execute_async_script("setTimeout(arguments[0], 500)")  # the page waits at alive
        assert list(serving) == []
        opened.execute_async_script("setTimeout(arguments[0], 500)")
        assert "The server has stopped" in one(opened, "#problem").text
        click(opened, "#machine [data-part='mlp.gelu']")
        click(opened, ".card:nth-child(1) .cut")
        assert "The server has stopped" in one(opened, "#refused").text
        script = "return document.querySelector('#refused').getBoundingClientRect().bottom"
        assert 0 < opened.execute_script(script) < 400  # in sight, though the top is not
        read_text(opened, "hen")
        assert "The server has stopped" in one(opened, "#problem").text
        assert one(opened, "h1").text == "fox"


def test_a_second_tab(live, driver, live_place, trace):
    first = driver.current_window_handle
    driver.switch_to.new_window("tab")
    for second in visit(driver, live_place.url, "text=The%20fox"):
        assert one(second, "h1").text == "The fox"
    driver.close()
    driver.switch_to.window(first)
    click(live, "#machine [data-block='3']")
    same(live, "out-all", *trace["h.3.out"][0])


# ---- For everyone -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def axe() -> str:
    return axe_source()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("features", [(STILL,), (STILL, DARK)], ids=["light", "dark"])
def test_axe_finds_nothing(opened, place, axe, width, features):
    look(opened, width, *features)
    opened.execute_script(axe)
    run = "const done = arguments[0]; axe.run(document, { resultTypes: ['violations'] }).then(done)"
    for stage in ("masked", "unmasked"):
        click(opened, f"[value={stage}]")
        if stage == "unmasked":
            slide(opened, top_k=5)
            click(opened, "#draw-hundred")
            click(opened, "#strip-tokens input[value='2']")
            if place.engine != "frozen":
                click(opened, ".card:nth-child(2) .cut")
                choose(opened, "#cut-factor", 1e9)
                click(opened, "#cut-form button")
        result = opened.execute_async_script(run)
        assert len(result["passes"]) > 20
        found = {v["id"]: [node["html"] for node in v["nodes"]] for v in result["violations"]}
        assert found == {}


@pytest.mark.parametrize("width", [320, 390, 768, 1200, 1280, 1600])
def test_it_fits_the_window(shown, width):
    look(shown, width)
    assert shown.execute_script("return document.documentElement.scrollWidth") <= width


def test_dark_is_dark_and_so_are_the_pictures(shown):
    def ground() -> tuple[int, int]:
        colour = one(shown, "body").value_of_css_property("background-color")
        script = """
            const canvas = document.querySelector("#mid-figure canvas");
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, 1).data;
            return [0, 1, 2].map((i) => data.filter((_, j) => j % 4 === i).toSorted()[128]);
        """
        pixels = shown.execute_script(script)
        return sum(int(part) for part in colour.strip("rgba()").split(",")[:3]), sum(pixels)

    light = ground()
    look(shown, 1280, STILL, DARK)
    shown.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 50))")
    dark = ground()
    assert light[0] > 700 and dark[0] < 100
    assert light[1] > dark[1] + 200


def test_who_wants_no_motion_gets_none(shown):
    script = "return getComputedStyle(document.querySelector(arguments[0])).transitionDuration"
    assert shown.execute_script(script, ".bar") == "0s"
    look(shown, 1280)
    assert shown.execute_script(script, ".bar") != "0s"


def test_it_prints_in_pages_that_cut_nothing(opened):
    """No table, strip or source is wider than the paper."""
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    look_at = {"width": 718, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", look_at)
    script = """
        return [...document.querySelectorAll("main *")]
          .filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > 719)
          .filter((e) => getComputedStyle(e).position !== "absolute")
          .map((e) => `${e.tagName} ${e.className} ${e.id} ${e.getBoundingClientRect().right}`);
    """
    assert opened.execute_script(script) == []
    assert one(opened, "#machine svg").is_displayed()
    assert one(opened, "#machine").value_of_css_property("position") == "static"
    assert one(opened, "aside").value_of_css_property("break-inside") == "avoid"
    printed = opened.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert len(printed["data"]) > 50_000
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_hostile_tokens_are_text(driver, tmp_path):
    tokenizer = Tokenizer.train([HOSTILE], 270)
    model = GPT.init(GPTConfig(n_vocab=270, n_ctx=64, n_embd=16, n_head=2, n_layer=2))
    path = tmp_path / "hostile.html"
    path.write_bytes(page(model, tokenizer, HOSTILE, name=HOSTILE))
    answers = Parsed(path.read_bytes()).data["answers"]
    expected = [answers["model"]["vocabulary"][i] for i in answers["read"]["ids"]]
    assert any("script" in label for label in expected)
    for opened in visit(driver, path.as_uri()):
        assert texts(opened, ".chip .token") == expected
        assert len(all_of(opened, "script")) == 2
        assert one(opened, "h1").text.count("script>") == 3
        assert one(opened, ".model-name").text.count("script>") == 3


def test_what_the_policy_forbids_is_refused(driver, place):
    """The other tests see no request: this one sees that one would have been seen, and stopped."""
    driver.get(place.url)
    settle(driver)
    driver.get_log("browser")
    driver.execute_script("new Image().src = 'http://localhost:9/picture'")
    driver.execute_script("fetch('http://localhost:9/data').catch(Boolean)")
    errors = "".join(entry["message"] for entry in driver.get_log("browser"))
    assert "Loading the image 'http://localhost:9/picture' violates" in errors
    assert "Connecting to 'http://localhost:9/data' violates" in errors


def test_every_array_of_the_trace_is_a_stop_of_the_walk(opened):
    walk = opened.execute_script("return lab.known.model.walk")
    assert walk == ["tokens", *trace_names(4), "next"]
