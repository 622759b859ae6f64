"""The page in a browser: Debian's Chromium, headless, driven by selenium.

Without selenium or the browser these tests are skipped and say so; in CI they fail instead.
"""

import json
import os
import shutil
from collections.abc import Iterator
from importlib.resources import files

import numpy as np
import pytest

import gptlite
from gptlite import GPT, GPTConfig, Tokenizer, Trace
from gptlite.explain.page import page
from gptlite.layers import softmax
from gptlite.sampling import Sampler
from pages import HOSTILE, Parsed, trace_of

pytestmark = pytest.mark.browser

TEXT = "A robot must obey the orders given it"
SEQ = 9
DARK = {"name": "prefers-color-scheme", "value": "dark"}
STILL = {"name": "prefers-reduced-motion", "value": "reduce"}
SWITCHES = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def missing(what: str) -> None:
    """Skip, or fail where nothing may be missing."""
    message = f"no {what}: see CONTRIBUTING.md"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="module")
def driver(tmp_path_factory) -> Iterator:
    try:
        from selenium import webdriver
    except ImportError:
        missing("selenium (extra `browser`)")
    paths = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    for name, path in paths.items():
        if path is None:
            missing(name)
    options = webdriver.ChromeOptions()
    options.binary_location = paths["chromium"]
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(paths["chromedriver"])
    driver = webdriver.Chrome(options, service)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def storyteller():
    return gptlite.load()


@pytest.fixture(scope="module")
def trace(storyteller) -> Trace:
    return trace_of(*storyteller, TEXT)


@pytest.fixture(scope="module")
def url(storyteller, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_bytes(page(*storyteller, TEXT))
    return path.as_uri()


@pytest.fixture
def opened(driver, url):
    """The page, freshly loaded; whatever the test then did, nothing complained or left the page."""
    yield from visit(driver, url)


def visit(driver, url: str):
    driver.get_log("browser"), driver.get_log("performance")
    look(driver, 1200, STILL)
    driver.get(url)
    yield driver
    assert driver.get_log("browser") == []
    assert requests(driver) == {url}


def look(driver, width: int, *features: dict[str, str]) -> None:
    """Set the width of the window, in CSS pixels, and what the visitor prefers."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": list(features)})


def requests(driver) -> set[str]:
    """The addresses the browser was asked for since the last look."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return {params["request"]["url"] for params in sent}


def all_of(driver, selector: str):
    return driver.find_elements("css selector", selector)


def one(driver, selector: str):
    (element,) = all_of(driver, selector)
    return element


def texts(driver, selector: str) -> list[str]:
    """The texts of many elements in one go, also of those out of sight."""
    script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
    return driver.execute_script(script, selector)


def number(text: str) -> float:
    return float(text.replace("−", "-").replace("%", "").replace(",", ""))


def numbers(driver, selector: str) -> list[float]:
    return [number(text) for text in texts(driver, selector)]


def slide(driver, **settings: float) -> None:
    """Move sliders as a hand would: the value, then the event."""
    script = """
        const slider = document.getElementById(arguments[0]);
        slider.value = arguments[1];
        slider.dispatchEvent(new Event("input", { bubbles: true }));
        return Number(slider.value);
    """
    for name, value in settings.items():
        assert driver.execute_script(script, name.replace("_", "-"), str(value)) == value


def choose(driver, which: str, value: int) -> None:
    from selenium.webdriver.support.select import Select

    Select(one(driver, f"#choose-{which}")).select_by_visible_text(str(value))


def hover(driver, element) -> None:
    from selenium.webdriver import ActionChains

    ActionChains(driver).move_to_element(element).perform()


def press(driver, *keys: str) -> None:
    from selenium.webdriver import ActionChains, Keys

    for key in keys:
        ActionChains(driver).send_keys(getattr(Keys, key, key)).perform()


# ---- The bar at the top -------------------------------------------------------------------------


def weights_of(driver) -> list[str]:
    return texts(driver, "#strip-tokens .weight")


def written(trace: Trace, block: int, head: int, position: int) -> list[str]:
    """The weights of one token as the bar writes them."""
    weights = trace[f"h.{block}.attn.weights"][0, head, position]
    return [
        f"{100 * w:.0f}%" if j <= position else "–" for j, w in enumerate(weights.astype(float))
    ]


def test_it_opens_at_the_last_token(opened, trace):
    assert weights_of(opened) == written(trace, 0, 0, SEQ - 1)
    assert texts(opened, ".chip .token") == texts(opened, "#tokens-figure td .token")
    assert "5,853,184 parameters" in one(opened, "#facts").text


def test_hovering_a_token_shows_what_it_attends_to(opened, trace):
    chips = all_of(opened, ".chip")
    for position in (4, 0, 7):
        hover(opened, chips[position])
        assert weights_of(opened) == written(trace, 0, 0, position)
        assert one(opened, ".chip.chosen .token").text == chips[position].text.split("\n")[0]
        assert one(opened, "#strip-says").text.startswith(texts(opened, ".chip .token")[position])
    hover(opened, one(opened, "#tokens-title"))
    assert weights_of(opened) == written(trace, 0, 0, SEQ - 1)


def test_clicking_a_token_keeps_it(opened, trace):
    all_of(opened, ".chip")[3].click()
    hover(opened, one(opened, "#tokens-title"))
    assert weights_of(opened) == written(trace, 0, 0, 3)


def test_the_keyboard_reaches_and_moves_everything(opened, trace):
    reached = []
    for _ in range(60):
        press(opened, "TAB")
        active = opened.switch_to.active_element
        reached.append(active.get_attribute("id") or active.get_attribute("name") or active.text)
        outline = active.value_of_css_property("outline-style")
        within = active.find_element("xpath", "..").value_of_css_property("outline-style")
        assert "solid" in (outline, within), reached[-1]  # the focus can be seen
        if reached[-1] == "step-on":
            break
    wanted = ["position", "choose-block", "choose-head", "stage", "temperature", "top-k", "top-p"]
    wanted += ["step-back", "step", "step-on"]
    assert [name for name in reached if name in wanted] == wanted
    assert sum(name.startswith("head ") for name in reached) == 4
    one(opened, ".chip input:checked").send_keys("")
    press(opened, "ARROW_LEFT", "ARROW_LEFT", "ARROW_LEFT")
    assert weights_of(opened) == written(trace, 0, 0, 5)
    press(opened, "TAB", "ARROW_DOWN", "TAB", "ARROW_DOWN", "ARROW_DOWN")
    assert weights_of(opened) == written(trace, 1, 2, 5)


# ---- The figures --------------------------------------------------------------------------------


@pytest.mark.parametrize(("block", "head", "position"), [(0, 0, 8), (3, 2, 4), (5, 3, 0)])
def test_the_figures_show_the_trace(opened, storyteller, trace, block, head, position):
    choose(opened, "block", block)
    choose(opened, "head", head)
    all_of(opened, ".chip")[position].click()
    at, close = f"h.{block}.", {"atol": 0.00501, "rtol": 0}

    def figure(name: str, columns: int = 8) -> np.ndarray:
        return np.reshape(numbers(opened, f"#{name}-figure td.number"), (-1, columns))

    model, tokenizer = storyteller
    token = model.parameters["wte.weight"][tokenizer.encode(TEXT)[position]]
    place = model.parameters["wpe.weight"][position]
    expected = np.stack([token, place, token + place])[:, :8]
    np.testing.assert_allclose(figure("embeddings"), expected, **close)

    entering = trace[f"h.{block - 1}.out" if block else "embed"]
    for name, arrays in {
        "norm": (entering, trace[at + "ln_1"]),
        "projection": (entering, trace[at + "attn.out"], trace[at + "mid"]),
        "mlp": (trace[at + "mid"], trace[at + "mlp.out"], trace[at + "out"]),
    }.items():
        vectors = np.stack([array[0, position] for array in arrays])
        lengths = np.linalg.norm(vectors, axis=-1)
        expected = np.column_stack([vectors[:, :8], lengths])
        np.testing.assert_allclose(figure(name, 9), expected, **close)

    q, k, v = (trace[f"{at}attn.{x}"][0, head] for x in "qkv")
    expected = np.stack([q[position], k[position], v[position]])[:, :8]
    np.testing.assert_allclose(figure("qkv"), expected, **close)

    scores = numbers(opened, "#scores-figure tbody td.number")
    np.testing.assert_allclose(scores[:8], q[position, :8], **close)
    products = k @ q[position]
    expected = np.column_stack([k[:, :8], products, products / 8])
    np.testing.assert_allclose(np.reshape(scores[8:], (-1, 10)), expected, **close)

    weights = trace[at + "attn.weights"][0, head]
    seen = np.tri(SEQ, dtype=bool)
    np.testing.assert_allclose(numbers(opened, "#mask-figure td.number"), weights[seen], **close)
    assert texts(opened, "#mask-figure td.masked") == ["0"] * 36
    opened.execute_script("document.querySelector('[value=masked]').click()")
    masked = trace[at + "attn.scores"][0, head]
    np.testing.assert_allclose(numbers(opened, "#mask-figure td.number"), masked[seen], **close)
    assert texts(opened, "#mask-figure td.masked") == ["−∞"] * 36
    opened.execute_script("document.querySelector('[value=scores]').click()")
    whole = (q @ k.T / 8).ravel()
    np.testing.assert_allclose(numbers(opened, "#mask-figure td.number"), whole, **close)

    table = numbers(opened, "#sum-figure td.number")
    part = weights[position][:, None] * v[:, :4]
    expected = np.column_stack([v[:, :4], weights[position], part])
    np.testing.assert_allclose(np.reshape(table[:-4], (-1, 9)), expected, **close)
    np.testing.assert_allclose(table[-4:], part.sum(axis=0), **close)

    fc, gelu = (trace[f"{at}mlp.{name}"][0, position] for name in ("fc", "gelu"))
    units = [int(text) for text in texts(opened, "#units-figure thead th")[1:]]
    np.testing.assert_allclose(figure("units"), np.stack([fc[units], gelu[units]]), **close)


def test_the_heads_can_be_chosen_where_they_are_shown(opened, trace):
    cards = all_of(opened, ".card")
    for head, card in enumerate(cards):
        weights = trace["h.0.attn.weights"][0, head, SEQ - 1]
        shown = [number(text) for text in texts(opened, f".card:nth-child({head + 1}) .number")]
        np.testing.assert_allclose(shown, 100 * np.sort(weights)[:-4:-1], atol=0.501)
        card.click()
        assert [c.get_attribute("aria-pressed") for c in cards].index("true") == head
        assert weights_of(opened) == written(trace, 0, head, SEQ - 1)


def test_the_logit_lens(opened, storyteller, trace):
    _, tokenizer = storyteller
    p = softmax(trace["logits"][0])
    top = texts(opened, "#lens-figure tbody tr:first-child .number")
    np.testing.assert_allclose([number(t) for t in top], 100 * p.max(axis=-1), atol=0.501)
    labels = texts(opened, "#lens-figure tbody tr:first-child td .token")
    best = [tokenizer.decode([i]).replace(" ", "·") for i in p.argmax(axis=-1)]
    assert labels == best
    rows = texts(opened, "#lens-token-figure tbody th")
    assert rows == [*(f"block {i}" for i in range(5, -1, -1)), "embed"]
    first = numbers(opened, "#lens-token-figure tbody tr:first-child .number")
    np.testing.assert_allclose(first, 100 * np.sort(p[-1])[:-6:-1], atol=0.00501)


def test_the_cache_step_by_step(opened, trace):
    one(opened, "#step").send_keys("")
    press(opened, "HOME")
    for step in range(1, SEQ + 1):
        cells = np.reshape(texts(opened, "#cache-figure td.cache"), (6, SEQ))
        assert (cells == ["kept"] * (step - 1) + ["new"] + [""] * (SEQ - step)).all()
        weights = trace["h.0.attn.weights"][0, 0, step - 1, :step]
        shown = numbers(opened, "#cache-row-figure td.number")
        np.testing.assert_allclose(shown, weights, atol=0.00501)
        says = one(opened, "#cache-says").text
        assert f"Step {step} of 9" in says and "3,072 new numbers" in says
        assert (f"the {3072 * (step - 1):,} of the tokens before" in says) == (step > 1)
        assert f"takes {12 * step} KiB" in says
        one(opened, "#step-on").click()
    one(opened, "#step-back").click()
    assert "Step 8 of 9" in one(opened, "#cache-says").text


# ---- Sliders ------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0, 0.05, 0.7, 1, 2])
@pytest.mark.parametrize(
    ("top_k", "top_p"), [(0, 1), (1, 1), (40, 1), (0, 0.9), (5, 0.55), (0, 0.05)]
)
def test_the_bars_are_what_the_sampler_draws_from(opened, trace, temperature, top_k, top_p):
    slide(opened, temperature=temperature, top_k=top_k, top_p=top_p)
    logits = trace["logits"][:, -1]
    (filtered,) = Sampler(temperature, top_k, top_p).filter(logits, [[]])
    p, own = softmax(filtered), softmax(logits[0])
    script = "return Array.from(softmax(filterLogits(numbers('logits'), ...arguments)))"
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


def test_the_filters_on_logits_with_ties(opened):
    script = "return Array.from(filterLogits(Float32Array.from(arguments[0]), ...arguments[1]))"
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
        (expected,) = Sampler(*settings).filter(logits[None], [[]])
        found = opened.execute_script(script, logits.tolist(), settings)
        found = [-np.inf if x is None else x for x in found]  # JSON has no infinity
        assert np.array_equal(np.array(found, np.float32), expected), (logits, settings)


def test_sliders_and_presets_by_hand(opened):
    one(opened, "#top-k").send_keys("")
    press(opened, "ARROW_RIGHT", "ARROW_RIGHT", "ARROW_RIGHT")
    assert one(opened, "#output-says").text.startswith("3 of 4,096 tokens are")
    all_of(opened, ".presets button")[3].click()
    assert one(opened, "#output-says").text.startswith("1 of 4,096 tokens is")
    assert texts(opened, "#output-figure .probability") == ["100.00%"] + ["cut"] * 19
    all_of(opened, ".presets button")[0].click()
    assert one(opened, "#output-says").text.startswith("4,096 of 4,096 tokens are")


# ---- For everyone -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def axe() -> str:
    try:
        return (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
    except ImportError:
        missing("axe-playwright-python (extra `browser`)")


@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("features", [(STILL,), (STILL, DARK)], ids=["light", "dark"])
def test_axe_finds_nothing(opened, axe, width, features):
    look(opened, width, *features)
    opened.execute_script(axe)
    run = "const done = arguments[0]; axe.run(document, { resultTypes: ['violations'] }).then(done)"
    for stage in ("weights", "masked", "scores"):
        opened.execute_script(f"document.querySelector('[value={stage}]').click()")
        slide(opened, top_k=5 if stage == "masked" else 0)
        all_of(opened, ".chip")[SEQ - 1 if stage == "scores" else 2].click()
        result = opened.execute_async_script(run)
        assert len(result["passes"]) > 20
        found = {v["id"]: [node["html"] for node in v["nodes"]] for v in result["violations"]}
        assert found == {}


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_it_fits_the_window(opened, width):
    look(opened, width)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width


def test_dark_is_dark(opened):
    def ground() -> int:
        colour = one(opened, "body").value_of_css_property("background-color")
        return sum(int(part) for part in colour.strip("rgba()").split(",")[:3])

    assert ground() > 700
    look(opened, 1200, DARK)
    assert ground() < 100


def test_who_wants_no_motion_gets_none(opened):
    script = "return getComputedStyle(document.querySelector(arguments[0])).transitionDuration"
    assert opened.execute_script(script, ".bar") == "0s"
    look(opened, 1200)
    assert opened.execute_script(script, ".bar") != "0s"


def test_hostile_tokens_are_text(driver, tmp_path):
    tokenizer = Tokenizer.train([HOSTILE], 270)
    model = GPT.init(GPTConfig(n_vocab=270, n_ctx=64, n_embd=16, n_head=2, n_layer=2))
    path = tmp_path / "hostile.html"
    path.write_bytes(page(model, tokenizer, HOSTILE, name=HOSTILE))
    labels = Parsed(path.read_bytes()).data
    expected = [labels["labels"][str(i)] for i in labels["ids"]]
    assert any("script" in label for label in expected)
    for opened in visit(driver, path.as_uri()):
        assert texts(opened, ".chip .token") == expected
        assert len(all_of(opened, "script")) == 2
        assert one(opened, "h1").text.count("script>") == 3


def test_what_the_policy_forbids_is_refused(driver, url):
    """The other tests see no request: this one sees that one would have been seen, and stopped."""
    driver.get(url)
    driver.get_log("browser")
    driver.execute_script("new Image().src = 'http://localhost:9/picture'")
    driver.execute_script("fetch('http://localhost:9/data').catch(Boolean)")
    errors = "".join(entry["message"] for entry in driver.get_log("browser"))
    assert "Loading the image 'http://localhost:9/picture' violates" in errors
    assert "Connecting to 'http://localhost:9/data' violates" in errors
