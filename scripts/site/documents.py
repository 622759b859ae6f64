"""The reference, made from the docstrings by pdoc, and the reading guide as a page."""

import html
import re
import subprocess
import sys
from pathlib import Path

import markdown2
from parts import PartError

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="icon.svg">
<link rel="stylesheet" href="site.css">
</head>
<body class="document">
{navigation}
<main>
{body}
</main>
</body>
</html>
"""
CODE = re.compile(r"\[`([\w.]+)`\]\(\.\./gptlite/([\w/]+)\.py\)")
NOTEBOOK = re.compile(r"\((\d\d_\w+)\.ipynb(?:#[^)\s]*)?\)")
#: What is for a checkout alone: how to install, and how to change the notebooks.
FOR_A_CHECKOUT = re.compile(r"They run offline.*?(?=\n## )", re.DOTALL)


def write_reference(out: Path) -> None:
    """Write a page for each module.

    Raises:
        PartError: pdoc fails.
    """
    options = ["--docformat", "google", "--output-directory", str(out)]
    command = [sys.executable, "-m", "pdoc", *options, "gptlite"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise PartError(f"the reference cannot be made: {last}")


def guide_page(text: str, navigation: str) -> str:
    """Turn notebooks/README.md into a page of the site, whose links stay within the site."""
    text = FOR_A_CHECKOUT.sub("Open one, and run it in your browser.\n", text)
    text = CODE.sub(lambda found: f"[`{found[1]}`]({reference_of(found[1], found[2])})", text)
    text = NOTEBOOK.sub(r"(notebooks/lab/index.html?path=notebooks%2F\1.ipynb)", text)
    body = markdown2.markdown(text, extras=["tables", "header-ids"])
    return PAGE.format(title="gptlite: the reading guide", navigation=navigation, body=body)


def reference_of(name: str, file: str) -> str:
    """Give the address of a name in the reference.

    >>> reference_of("model.GPT.embed", "model")
    'reference/gptlite/model.html#GPT.embed'
    """
    within = name.removeprefix(file.replace("/", ".")).removeprefix(".")
    return html.escape(f"reference/gptlite/{file}.html" + (f"#{within}" if within else ""))
