"""The notebooks in JupyterLite: JupyterLab in the browser, with gptlite and the storyteller inside.

JupyterLite is built around the site's own Pyodide (runtime.py), which stands beside it: nothing is
loaded from anywhere else.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from parts import PURE, PartError, from_pypi

#: JupyterLab's extensions in the site; whatever else is installed beside the builder stays out.
EXTENSIONS = ("@jupyterlite/pyodide-kernel-extension",)
KERNEL = "@jupyterlite/pyodide-kernel-extension:kernel"
SETTINGS = {
    "jupyter-lite-schema-version": 0,
    "jupyter-config-data": {
        "appName": "gptlite's notebooks",
        "exposeAppInBrowser": True,  # to whoever scripts the page, as the tests do
        "faviconUrl": "./../icon.svg",
        "litePluginSettings": {
            KERNEL: {"pyodideUrl": "./../pyodide/pyodide.js", "disablePyPIFallback": True}
        },
    },
}
#: Markdown is shown as it reads, not as it is written.
OVERRIDES = {
    "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}}
}
WELCOME = """# gptlite's notebooks, in your browser

Notebooks to read beside Jay Alammar's
[The Illustrated GPT-2](https://jalammar.github.io/illustrated-gpt2/). They are in the folder
`notebooks`: open one, and choose *Run, Run All Cells*. Python itself runs in this page, with
gptlite, NumPy, matplotlib and the storyteller, the small model that ships with gptlite. Nothing is
installed, and what you write stays in your browser. The first cell takes a while, since Python has
to start.

What a browser cannot do:

- **Downloads.** OpenAI's models (`gptlite.load("gpt2")`) cannot be fetched from a page, and the
  larger ones would not fit into its memory.
- **Long computations.** NumPy is several times slower here than on your own machine. Pre-training
  and fine-tuning work, but only in the small; notebook 10, which measures arrays of the size of
  GPT-2, takes longer than anyone would wait.
- **Threads.** What can use several processor cores elsewhere uses one here, with the same results.
- **`lzma`.** The one cell of notebook 8 that compresses with it finds no such module here.
"""


def write_notebooks(out: Path, work: Path, parts: Path, root: Path) -> None:
    """Build JupyterLite with the notebooks.

    Args:
        out: the folder to write.
        work: a folder for what is made on the way.
        parts: the folder of the parts.

    Raises:
        PartError: a part cannot be had, or JupyterLite cannot be built.
    """
    contents = work / "contents"
    (contents / "notebooks").mkdir(parents=True)
    (contents / "README.md").write_text(WELCOME, "utf-8")
    for notebook in sorted((root / "notebooks").glob("*.ipynb")):
        shutil.copyfile(notebook, contents / "notebooks" / notebook.name)
    (work / "jupyter-lite.json").write_text(json.dumps(SETTINGS), "utf-8")
    (work / "overrides.json").write_text(json.dumps(OVERRIDES), "utf-8")
    choose_extensions(work, Path(sys.prefix))
    (work / "pypi").mkdir()
    comm = from_pypi(parts, PURE["comm"])  # the kernel installs it, and Pyodide has it not
    shutil.copyfile(comm, work / "pypi" / comm.name)
    options = ["--lite-dir", ".", "--contents", "contents", "--apps", "lab"]
    options += ["--no-sourcemaps", "--no-unused-shared-packages"]
    # Not in its place at once: contents in a folder that is called like the output are left out.
    options += ["--output-dir", "built"]
    command = [sys.executable, "-m", "jupyterlite_core", "build", *options]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    if done.returncode or not (work / "built" / "files" / "notebooks").exists():
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise PartError(f"JupyterLite cannot be built: {last}")
    name_icon(work / "built")
    (work / "built").rename(out)


def choose_extensions(folder: Path, prefix: Path) -> None:
    """Tell JupyterLite the site's extensions; it takes all that are installed otherwise.

    Args:
        folder: where JupyterLite is built.
        prefix: the folder of the Python environment where the extensions are installed.

    Raises:
        PartError: one of them is not installed.
    """
    installed = prefix / "share" / "jupyter" / "labextensions"
    for name in EXTENSIONS:
        if not (installed / name / "package.json").exists():
            raise PartError(f"{name} is not in {installed}: pip install -e '.[site]'")
    config = {
        "ignore_sys_prefix": ["federated_extensions"],
        "federated_extensions": [str(installed / name) for name in EXTENSIONS],
    }
    path = folder / "jupyter_lite_config.json"
    path.write_text(json.dumps({"LiteBuildConfig": config}), "utf-8")


def name_icon(out: Path) -> None:
    """Name the site's icon in each page; a browser asks the server's root for one otherwise."""
    for page in out.rglob("index.html"):
        up = "../" * len(page.relative_to(out).parts)
        link = f'<link rel="icon" href="{up}icon.svg">\n'
        text = page.read_text("utf-8").replace("</head>", f"{link}</head>", 1)
        page.write_text(text, "utf-8")
