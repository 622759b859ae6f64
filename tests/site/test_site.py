"""The site, built and served from a plain file server under a path, in a browser that can reach no
other host: the lab answers, and notebooks run to their end as those committed.

Without the extras ``site`` and ``browser``, or without Chromium, these tests are skipped and say
so; in CI they fail instead. ``GPTLITE_SITE`` names a site that is built already.
"""

import base64
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

import gptlite
from browser import built_site, file_server, start_browser
from gptlite.lab.engine import Engine

pytestmark = pytest.mark.site

ROOT = Path(__file__).resolve().parents[2]
PATH = "some/where"  # of the site on its server
PATIENCE = 3600  # seconds: a machine that is busy with something else is no reason to fail
MB = 1_000_000
NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
READING = {"text": "The cat sat on the mat, and", "eot": True, "more": [], "edits": []}


# ---- The site, a server, a browser --------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The whole site."""
    return built_site(tmp_path_factory.mktemp("built"))


@pytest.fixture
def served(tmp_path) -> Iterator[Callable[[Path], str]]:
    """Serve a folder under ``PATH``: a function that gives its address."""
    with ExitStack() as servers:
        yield lambda folder: servers.enter_context(file_server(folder, tmp_path / "root", PATH))


@pytest.fixture
def driver(tmp_path) -> Iterator[Any]:
    """A browser without a past. At the end, nothing was asked for but files of the site."""
    log = tmp_path / "net.json"
    driver = start_browser(tmp_path / "profile", NOWHERE, f"--log-net-log={log}")
    driver.set_page_load_timeout(PATIENCE)
    driver.set_script_timeout(PATIENCE)
    driver.command_executor.client_config.timeout = PATIENCE
    # JupyterLab runs the notebook that has the focus.
    driver.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
    yield driver
    driver.quit()
    assert elsewhere(log) == set()


def wait_for(driver: Any, script: str) -> Any:
    """Wait until a script gives something that is true, and return that."""
    end = time.monotonic() + PATIENCE
    while not (found := driver.execute_script(script)):
        assert time.monotonic() < end, f"waited in vain for: {script}"
        time.sleep(0.5)
    return found


def elsewhere(log: Path) -> set[str]:
    """List what the site's pages and workers have asked for outside its folder.

    Args:
        log: the browser's own, of all that it asked for; a driver is not told of a worker's.
    """
    found = json.loads(log.read_text("utf-8"))
    start = found["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    params = [event.get("params", {}) for event in found["events"] if event["type"] == start]
    asked = {(each["initiator"], each["url"]) for each in params if "initiator" in each}
    # The others are the browser's errands.
    of_site = {(page, url) for page, url in asked if page.startswith("http://127.0.0.1:")}
    assert of_site
    return {url for page, url in of_site if not url.startswith(f"{page}/{PATH}/")}


def ask(driver: Any, question: dict[str, Any]) -> dict[str, Any]:
    """Ask the lab's engine, by way of the page's own module."""
    script = """
        const [{ kind, ...fields }, done] = arguments;
        const refused = (refusal) => done({ error: refusal.message });
        import("./engine.js").then(({ ask }) => ask(kind, fields)).then(done, refused);
    """
    found: dict[str, Any] = driver.execute_async_script(script, question)
    return found


def numbers(array: dict[str, Any]) -> np.ndarray:
    """Read an array of an answer."""
    return np.frombuffer(base64.b64decode(array["float32"]), "<f4").reshape(array["shape"])


# ---- What is in it ------------------------------------------------------------------------------


def bytes_of(*paths: Path) -> int:
    """Count the bytes of files, and of those in folders."""
    files = [f for path in paths for f in ([path] if path.is_file() else path.rglob("*"))]
    return sum(file.stat().st_size for file in files if file.is_file())


def test_the_sizes(site):
    lock = json.loads((site / "pyodide" / "lab-lock.json").read_text())
    names = [package["file_name"] for package in lock["packages"].values()]
    core = ["pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip"]
    page = [path for path in site.iterdir() if path.is_file()]
    python = [site / "pyodide" / name for name in (*core, "lab-lock.json", *names)]
    assert bytes_of(*page) < 1 * MB  # all that is there before Python is asked for
    assert bytes_of(*page, *python) < 45 * MB
    assert bytes_of(site) < 85 * MB


def test_the_locks_have_the_files_checksums(site):
    for name in ("pyodide-lock.json", "lab-lock.json"):
        packages = json.loads((site / "pyodide" / name).read_text())["packages"]
        assert {"gptlite", "numpy", "tqdm"} <= set(packages)
        for package in packages.values():
            data = (site / "pyodide" / package["file_name"]).read_bytes()
            assert sha256(data).hexdigest() == package["sha256"], package["file_name"]
            for needed in package["depends"]:
                assert needed.replace("_", "-") in packages, package["name"]


def test_nothing_in_the_pages_is_loaded_from_another_place(site):
    loads = re.compile(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//")
    for path in [*site.glob("*.html"), *(site / "reference").rglob("*.html")]:
        assert not loads.search(path.read_text("utf-8")), path


def test_every_page_names_the_site_s_own_icon(site):
    """A browser asks for /favicon.ico otherwise, which is in nobody's folder."""
    icon = re.compile(r'<link rel="icon" href="([^"]+)"')
    notebooks = (site / "notebooks").rglob("index.html")
    for path in [*site.glob("*.html"), *(site / "reference").rglob("*.html"), *notebooks]:
        (link,) = icon.findall(path.read_text("utf-8"))
        assert (path.parent / link).resolve() == (site / "icon.svg").resolve(), path


def test_the_reference_lists_every_module_and_leads_back(site):
    reference = site / "reference"
    listed = set(re.findall(r'href="([^"#:]+)"', (reference / "index.html").read_text("utf-8")))
    pages = {path.relative_to(reference).as_posix() for path in reference.rglob("*.html")}
    assert pages - {"index.html"} <= listed and "../index.html" in listed
    for name in ("gptlite.html", "gptlite/block.html", "gptlite/lab/engine.html"):
        links = re.findall(r'href="([^"#:]+)"', (reference / name).read_text("utf-8"))
        found = {(reference / name).parent.joinpath(link).resolve() for link in links}
        assert {site / "index.html", reference / "index.html"} <= found, name


def test_the_guide_s_links_lead_somewhere(site):
    links = re.findall(r'href="([^":]+)"', (site / "guide.html").read_text("utf-8"))
    assert len(links) > 100
    for link in links:
        place, _, name = link.partition("#")
        path, _, query = place.partition("?path=")
        assert (site / path).exists(), link
        if name and path.endswith(".html"):
            assert f'id="{name}"' in (site / path).read_text("utf-8"), link
        if query:
            assert (site / "notebooks" / "files" / unquote(query)).exists(), link


# ---- The lab ------------------------------------------------------------------------------------


def test_the_lab_answers_as_python_does_elsewhere(site, served, driver):
    url = served(site)
    driver.get(url)
    # The text is named before there is anything to say of it.
    assert "Python is starting" in driver.execute_script("return document.body.textContent")
    assert driver.find_element("id", "title-text").text.startswith("A robot must")
    wait_for(driver, "return !document.getElementById('content').hidden")
    assert "blocks" in driver.find_element("id", "facts").text
    engine = Engine(*gptlite.load())
    question = {"kind": "read", **READING}
    expected, found = json.loads(engine.answer(json.dumps(question))), ask(driver, question)
    assert found["ids"] == expected["ids"]
    np.testing.assert_allclose(numbers(found["after"]), numbers(expected["after"]), atol=1e-4)

    text = driver.find_element("id", "text")
    text.clear()
    text.send_keys(READING["text"])
    driver.find_element("css selector", "#text-form button[type=submit]").click()
    wait_for(
        driver, "return document.getElementById('title-text').textContent.startsWith('The cat')"
    )
    assert driver.get_log("browser") == []


def test_a_browser_without_webassembly_is_told(site, served, driver):
    url = served(site)
    driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "delete globalThis.WebAssembly"}
    )
    driver.get(url)
    wait_for(driver, "return !document.getElementById('problem').hidden")
    assert "no WebAssembly" in driver.find_element("id", "problem").text
    assert driver.get_log("browser") == []


def test_an_altered_part_is_refused_in_the_browser(site, served, driver, tmp_path):
    other = tmp_path / "altered"
    shutil.copytree(site, other, ignore=shutil.ignore_patterns("notebooks", "reference"))
    (wheel,) = (other / "pyodide").glob("tqdm-*.whl")
    data = bytearray(wheel.read_bytes())
    data[len(data) // 2] ^= 1
    wheel.write_bytes(data)
    driver.get(served(other))
    wait_for(driver, "return !document.getElementById('problem').hidden")
    assert "Python cannot run in this page" in driver.find_element("id", "problem").text


# ---- The notebooks ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["01_language_model", "04_masked_self_attention", "06_sampling_and_the_cache"]
)
def test_a_notebook_runs_to_its_end_as_it_is_committed(name, site, served, driver):
    url = served(site)
    driver.get(f"{url}notebooks/lab/index.html?path=notebooks%2F{name}.ipynb")
    wait_for(
        driver,
        """
        const opened = [...(globalThis.jupyterapp?.shell.widgets("main") ?? [])];
        const notebook = opened.find((widget) => widget.context?.path.endsWith(".ipynb"));
        if (!notebook?.context.isReady) return false;
        jupyterapp.shell.activateById(notebook.id);
        return jupyterapp.shell.currentWidget === notebook;
        """,
    )
    driver.execute_script("""
        const { content, context } = jupyterapp.shell.currentWidget;
        for (const cell of content.model.cells) if (cell.type === "code") cell.clearExecution();
        globalThis.ran = null;
        context.sessionContext.ready
            .then(() => jupyterapp.commands.execute("notebook:run-all-cells"))
            .then(() => (globalThis.ran = true), (e) => (globalThis.ran = String(e)));
    """)
    assert wait_for(driver, "return globalThis.ran") is True
    found = driver.execute_script("return jupyterapp.shell.currentWidget.content.model.toJSON()")
    committed = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text("utf-8"))
    pairs = zip(code_cells(found), code_cells(committed), strict=True)
    for cell, expected in pairs:
        if 'check("' in joined(expected["source"]):  # the student's to answer: nobody has, here
            source, *_, verdict = said(cell)
            assert [source] == said(expected)
            assert verdict.startswith("✗"), verdict
        else:
            assert said(cell) == said(expected)


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """List a notebook's cells of code."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def said(cell: dict[str, Any]) -> list[str]:
    """Give what a cell says: its source, and its outputs but for pictures and HTML."""
    lines = [joined(cell["source"])]
    for output in cell["outputs"]:
        if output["output_type"] == "stream":
            text = joined(output["text"])
            # matplotlib says so when it starts for the first time.
            lines += [] if "building the font cache" in text else [f"{output['name']}: {text}"]
        elif output["output_type"] == "error":
            lines.append(f"{output['ename']}: {output['evalue']}")
        else:
            data = output["data"]
            lines += [", ".join(sorted(data)), joined(data.get("text/plain", ""))]
    return lines


def joined(text: str | list[str]) -> str:
    """Join the lines of a text, which a notebook may keep apart."""
    return text if isinstance(text, str) else "".join(text)
