"""The site's first page: the lab, with the engine in the browser, and the way to the rest."""

import re
from importlib.resources import files
from pathlib import Path

from gptlite.lab.html import FOLDER_POLICY, folder_page

#: The links on top of each page.
NAVIGATION = """<nav class="site" aria-label="gptlite">
<a href="index.html">gptlite: the lab</a>
<a href="notebooks/lab/index.html?path=README.md">Notebooks</a>
<a href="guide.html">Reading guide</a>
<a href="reference/index.html">Reference</a>
</nav>
"""
HEAD = """<link rel="icon" href="icon.svg">
<link rel="stylesheet" href="site.css">
"""
ABOUT = """<p>This is <strong>gptlite</strong>, GPT-2 in pure NumPy, to read and to run. It runs in
this page, on your own machine, with the storyteller, a small model that ships with it; nothing you
type leaves your browser. OpenAI's models cannot be fetched from a page and are too large for it;
fine-tuning at length would take too long here. For those, install gptlite:
<code>gptlite lab --model gpt2</code> opens this same page on OpenAI's own.</p>
"""
OWN_FILES = ("site.css", "icon.svg")


def write_lab(out: Path, navigation: str) -> None:
    """Write the page, with those links on top, its modules and its styles."""
    for file in (files("gptlite.lab") / "page").iterdir():
        if file.name.endswith((".js", ".css")) and file.name not in ("local.js", "frozen.js"):
            (out / file.name).write_bytes(file.read_bytes())
    for name in OWN_FILES:
        (out / name).write_bytes(Path(__file__).with_name(name).read_bytes())
    page = folder_page("browser.js", f"{FOLDER_POLICY}; img-src 'self'").decode()
    page = page.replace("</head>", f"{HEAD}</head>", 1)
    page = re.sub(r"<body[^>]*>", lambda body: f"{body[0]}\n{navigation}", page, count=1)
    page = page.replace("<footer>", f"<footer>\n{ABOUT}", 1)
    (out / "index.html").write_text(page, "utf-8")
