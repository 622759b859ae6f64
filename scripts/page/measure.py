"""Measure the lab of the built site in headless Chromium: how long one waits, on this machine.

    python scripts/page/measure.py dist/site

prints the seconds until the first text is there, with nothing in the browser's cache; those until a
second one is; and how many tokens a second gptlite writes there. Needs the extra ``browser``.
"""

import argparse
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from chromium import SHOWN, start_chromium, wait_until

SECOND = "The cat sat on the mat, and then it saw a"
READY = f"{SHOWN} && !document.documentElement.classList.contains('busy')"
PROGRAM = """
import time

import gptlite
from gptlite.generate import generate_tokens
from gptlite.sampling import Sampler

model, tokenizer = gptlite.load()
prompt = [tokenizer.eot, *tokenizer.encode("Once upon a time")]
rates = []
for _ in range(3):
    begin = time.perf_counter()
    n = sum(1 for _ in generate_tokens(model, [prompt], Sampler(0.7, 40), 100, seed=0))
    rates.append(n / (time.perf_counter() - begin))
max(rates)
"""
GENERATE = """
const [program, done] = arguments;
const folder = new URL("pyodide/", location.href).href;
const lockFileURL = `${folder}lab-lock.json`;
import(`${folder}pyodide.mjs`)
  .then(({ loadPyodide }) => loadPyodide({ indexURL: folder, lockFileURL }))
  .then((python) => python.loadPackage("gptlite", { messageCallback() {} }).then(() => python))
  .then((python) => done(python.runPython(program)), (failure) => done(String(failure)));
"""


class Quiet(SimpleHTTPRequestHandler):
    """A plain file server's answers."""

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("site", type=Path, help="the built site")
    folder = parser.parse_args().site.resolve()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    driver = start_chromium()
    try:
        driver.get(f"http://127.0.0.1:{server.server_port}/")
        print(f"{wait_until(driver, READY):6.1f} s  to the first text")
        driver.execute_script(
            "document.getElementById('text').value = arguments[0];"
            "document.getElementById('text-form').requestSubmit()",
            SECOND,
        )
        read = f"document.getElementById('title-text').textContent === {SECOND!r} && {READY}"
        print(f"{wait_until(driver, read):6.1f} s  to the second")
        driver.get(f"http://127.0.0.1:{server.server_port}/site.json")  # a page without a policy
        rate = driver.execute_async_script(GENERATE, PROGRAM)
        print(f"{rate:6.0f} tokens a second" if isinstance(rate, float) else rate)
    finally:
        driver.quit()
        server.shutdown()


if __name__ == "__main__":
    main()
