"""The reference, made from the docstrings by pdoc, and the reading guide as a page."""

import html
import os
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
#: What is changed in pdoc's own.
TEMPLATES = Path(__file__).with_name("reference")
CODE = re.compile(r"\[`([\w.]+)`\]\(\.\./gptlite/([\w/]+)\.py\)")
NOTEBOOK = re.compile(r"\((\d\d[a-z]?_\w+)\.ipynb(?:#[^)\s]*)?\)")
#: What is for a checkout alone: how to install, and how to change the notebooks.
FOR_A_CHECKOUT = re.compile(r"They run offline.*?(?=\n## )", re.DOTALL)


def write_reference(out: Path, root: Path) -> None:
    """Write a page for each module but the commands.

    Raises:
        PartError: pdoc fails.
    """
    options = ["--docformat", "google", "--template-directory", str(TEMPLATES)]
    options += ["--output-directory", str(out)]
    command = [sys.executable, "-m", "pdoc", *options, *modules(root)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise PartError(f"the reference cannot be made: {last}")


def modules(root: Path) -> list[str]:
    """List the package's modules; their ``__all__`` need not name them."""
    files = (path.relative_to(root) for path in sorted((root / "gptlite").rglob("*.py")))
    names = [".".join(path.with_suffix("").parts) for path in files]
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


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
    within = within.partition(".__")[0]  # a special method stands in its class
    return html.escape(f"reference/gptlite/{file}.html" + (f"#{within}" if within else ""))
