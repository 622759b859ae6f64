"""What the tests in a browser share: Debian's Chromium, headless, driven by selenium.

Without selenium or the browser these tests are skipped and say so; in CI they fail instead.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

DARK = {"name": "prefers-color-scheme", "value": "dark"}
STILL = {"name": "prefers-reduced-motion", "value": "reduce"}
SWITCHES = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


# Another link to the page that is open.
BEGIN_AGAIN = """
    for (const form of document.forms) form.reset();
    for (const select of document.querySelectorAll("form select")) {
      select.dispatchEvent(new Event("change"));
    }
    history.replaceState(null, "", "#");
    const done = arguments[1];  // once the page has heard of it, and waits for its engine
    addEventListener("hashchange", () => setTimeout(done, 0), { once: true });
    location.hash = arguments[0] || "stop=tokens";
    scrollTo(0, 0);
"""


def missing(what: str) -> None:
    """Skip, or fail where nothing may be missing."""
    message = f"no {what}: see CONTRIBUTING.md"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def start_browser(profile: Path, *switches: str) -> Any:
    """Start the browser with a profile of its own, and more switches; ``quit`` ends it."""
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
    for switch in (*SWITCHES, *switches, f"--user-data-dir={profile}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(paths["chromedriver"]))
    driver.set_script_timeout(120)
    return driver


def built_site(folder: Path, *options: str) -> Path:
    """Build the site in an empty folder, or give the one that ``GPTLITE_SITE`` names."""
    if given := os.environ.get("GPTLITE_SITE"):
        return Path(given).resolve()
    try:
        import jupyterlite_core  # noqa: F401
        import pdoc  # noqa: F401
    except ImportError as absent:
        missing(f"{absent.name} (extra `site`)")
    out = folder / "site"
    script = Path(__file__).parents[1] / "scripts" / "site" / "build.py"
    command = [sys.executable, str(script), "--out", str(out), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


class Quiet(SimpleHTTPRequestHandler):
    """A plain file server's answers."""

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


@contextmanager
def file_server(folder: Path, root: Path, path: str = "some/where") -> Iterator[str]:
    """Serve a folder under a path, from the empty folder ``root``: its address."""
    (root / path).parent.mkdir(parents=True)
    (root / path).symlink_to(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/{path}/"
    server.shutdown()
    server.server_close()


def visit(
    driver: Any, url: str, link: str = "", width: int = 1280, anew: bool = True
) -> Iterator[Any]:
    """Open the page, and wait for it; at the end, nothing has complained or left its folder.

    Not ``anew``: where the page is open already, its state alone begins again, by a link. An engine
    that takes long to start is then started once.
    """
    kept = not anew and driver.current_url.partition("#")[0] == url
    if not kept:
        driver.get("about:blank")  # else another link to the same page would not load it anew
    driver.get_log("browser"), driver.get_log("performance")
    look(driver, width, STILL)
    if kept:
        driver.execute_async_script(BEGIN_AGAIN, link)
    else:
        driver.get(url + (f"#{link}" if link else ""))
    settle(driver)
    yield driver
    complaints = [entry["message"] for entry in driver.get_log("browser")]
    assert complaints == []
    left = {address for address in requests(driver) if not address.startswith(url)}
    assert left <= {"about:blank"}


def settle(driver: Any) -> None:
    """Wait until the page has drawn what was asked last."""
    # The browser may begin to run this before it has read the first of the page's elements.
    script = """
        const done = arguments[0];
        const is = (id) => document.getElementById(id)?.hidden === false;
        const look = () => {
          const waits = document.documentElement?.classList.contains("busy");
          if (!waits && (is("content") || is("problem"))) done(); else setTimeout(look, 20);
        };
        setTimeout(look, 20);
    """
    from selenium.common.exceptions import TimeoutException

    try:
        driver.execute_async_script(script)
    except TimeoutException:
        pytest.fail(f"the page does not settle: {state_of(driver)}")


def state_of(driver: Any) -> dict[str, Any]:
    """What there is to know of a page that waits: how far it is, and what has no answer."""
    script = """
        const hidden = (id) => document.getElementById(id)?.hidden;
        return {
          address: location.href, document: document.readyState, lab: typeof lab,
          busy: document.documentElement?.className, visibility: document.visibilityState,
          hidden: { content: hidden("content"), problem: hidden("problem") },
        };
    """
    waiting, failed = {}, {}
    for event in events(driver):
        about = event["params"]
        if event["method"] == "Network.requestWillBeSent":
            waiting[about["requestId"]] = about["request"]["url"]
        elif event["method"] == "Network.loadingFinished":
            waiting.pop(about["requestId"], None)
        elif event["method"] == "Network.loadingFailed":
            failed[waiting.pop(about["requestId"], about["requestId"])] = about["errorText"]
    found = {"waiting": list(waiting.values()), "failed": failed, "log": driver.get_log("browser")}
    return {**driver.execute_script(script), **found}


def look(driver: Any, width: int, *features: dict[str, str]) -> None:
    """Set the width of the window, in CSS pixels, and what the visitor prefers."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": list(features)})


def events(driver: Any) -> list[dict[str, Any]]:
    """What the browser has done since the last look."""
    return [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]


def requests(driver: Any) -> set[str]:
    """The addresses the browser was asked for since the last look, without what is behind the #."""
    sent = [e["params"] for e in events(driver) if e["method"] == "Network.requestWillBeSent"]
    return {params["request"]["url"] for params in sent}


def all_of(driver: Any, selector: str) -> Sequence[Any]:
    return driver.find_elements("css selector", selector)


def one(driver: Any, selector: str) -> Any:
    (element,) = all_of(driver, selector)
    return element


def texts(driver: Any, selector: str) -> list[str]:
    """The texts of many elements in one go, also of those out of sight."""
    script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
    found: list[str] = driver.execute_script(script, selector)
    return found


def number(text: str) -> float:
    return float(text.replace("−", "-").replace("%", "").replace(",", "").replace("×", ""))


def numbers(driver: Any, selector: str) -> list[float]:
    return [number(text) for text in texts(driver, selector)]


def click(driver: Any, selector: str) -> None:
    """Click, wherever it has to be scrolled to, and wait for what follows."""
    script = """
        const at = document.querySelector(arguments[0]);
        if (at.click) at.click();
        else at.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
    """
    driver.execute_script(script, selector)
    settle(driver)


def choose(driver: Any, selector: str, value: object) -> None:
    """Choose an option, or type into a field, as a hand would: the value, then the events."""
    script = """
        const field = document.querySelector(arguments[0]);
        field.value = arguments[1];
        for (const name of ["input", "change"]) {
          field.dispatchEvent(new Event(name, { bubbles: true }));
        }
        return field.value;
    """
    assert driver.execute_script(script, selector, str(value)) == str(value)
    settle(driver)


def press(driver: Any, *keys: str) -> None:
    from selenium.webdriver import ActionChains, Keys

    for key in keys:
        ActionChains(driver).send_keys(getattr(Keys, key, key)).perform()


def hover(driver: Any, element: Any) -> None:
    from selenium.webdriver import ActionChains

    ActionChains(driver).move_to_element(element).perform()


def axe_source() -> str:
    """The source of axe-core, which looks for what keeps people out."""
    try:
        return (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
    except ImportError:
        missing("axe-playwright-python (extra `browser`)")
        raise
