"""The page's HTML file: one for a folder of modules, or one with everything in it.

The page is plain HTML, CSS and JavaScript modules in ``page/``, and needs no build. What differs
from one way to serve it to another is the module that starts it: ``local.js`` asks the server on
one's own machine, ``frozen.js`` has the answers in the file. A module that starts the page calls
``start`` of ``main.js`` with an engine: ``{name, ask}``, and ``ask`` takes a question of
``engine.py``'s protocol as an object, and promises the answer as one.
"""

import html
import json
import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from string import Template

from gptlite.views.text import printable

# Every module, each after those it imports.
MODULES = (
    *("elements.js", "numbers.js", "sampling.js", "scales.js", "picture.js", "state.js"),
    *("engine.js", "machine.js", "steps.js", "figures.js", "attention.js", "answer.js"),
    *("draw.js", "reader.js", "changes.js", "text.js", "main.js"),
)
IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|let|class) )", re.MULTILINE)

# What a page in a folder may load: the folder's own files.
FOLDER_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)


def page_file(name: str) -> str:
    """Read a file of the page."""
    return (files("gptlite.lab") / "page" / name).read_text("utf-8")


def folder_page(entry: str = "local.js", policy: str = FOLDER_POLICY) -> bytes:
    """Write ``index.html`` for a folder with the files of ``page/`` beside it.

    Args:
        entry: the module that starts the page.
        policy: its Content-Security-Policy.
    """
    return filled(
        policy=policy,
        title="The lab",
        style='<link rel="stylesheet" href="lab.css">',
        data="",
        script=f'<script type="module" src="{html.escape(entry)}"></script>',
    )


def single_page(answers: object, text: str) -> bytes:
    """Write a page that is one file and loads nothing, with the answers to what it may ask.

    Text cannot become code. In the HTML and in the JSON every ``<`` of the text is escaped; the
    script writes text only as text; and a Content-Security-Policy names the one style and the one
    script by their hashes, and forbids every request.
    """
    style, script = page_file("lab.css"), joined((*MODULES, "frozen.js"))
    policy = (
        f"default-src 'none'; style-src '{digest(style)}'; script-src '{digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return filled(
        policy=policy,
        title=html.escape(printable(text, kept=" \n\t")),
        style=f"<style>{style}</style>",
        data=f'<script type="application/json" id="data">{safe_json(answers)}</script>',
        script=f'<script type="module">{script}</script>',
    )


def filled(**parts: str) -> bytes:
    """Put the parts into the page's HTML."""
    return Template(page_file("index.html")).substitute(parts).encode()


def joined(names: tuple[str, ...]) -> str:
    """Join modules into one: without their imports and exports they share one scope."""
    sources = [EXPORT.sub("", IMPORT.sub("", page_file(name))) for name in names]
    return "\n".join(sources)


def digest(source: str) -> str:
    """Hash an inline style or script for a Content-Security-Policy (CSP level 3, section 2.3)."""
    return "sha256-" + b64encode(sha256(source.encode()).digest()).decode()


def safe_json(data: object) -> str:
    r"""Write JSON, in ASCII, that can stand in a ``<script>``.

    It has no ``<``, so it can neither end the script nor begin a comment.

    >>> print(safe_json("</script>"))
    "\u003c/script>"
    """
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
