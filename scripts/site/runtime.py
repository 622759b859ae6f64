"""The folder from which Python runs in the browser: Pyodide, NumPy, gptlite, and their locks.

A lock names each package's file and its checksum, and what else it needs; Pyodide refuses a file
that has another checksum. ``pyodide-lock.json`` is for the notebooks: gptlite's entry there asks
for matplotlib, which the views import where they draw. ``lab-lock.json`` is for the lab, which
draws by itself and has less to load.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from parts import PURE, PartError, core, from_pypi, needed, read_lock, wheels

LAB = ("numpy",)
#: What the notebooks need, and what their kernel installs before it begins.
NOTEBOOKS = ("matplotlib", "micropip", "ssl", "sqlite3", "ipython", "jedi")


def write_pyodide(out: Path, parts: Path, wheel: Path, notebooks: bool) -> None:
    """Write the folder.

    Args:
        parts: the folder of the parts.
        wheel: gptlite's own.
        notebooks: whether the notebooks' packages belong to it.

    Raises:
        PartError: a part cannot be had, or is another than the lock says.
    """
    files = core(parts)
    lock = read_lock(files)
    names = needed(lock, [*LAB, *NOTEBOOKS] if notebooks else LAB)
    out.mkdir(parents=True)
    for name, data in files.items():
        if name != "pyodide-lock.json":
            (out / name).write_bytes(data)
    own = [from_pypi(parts, PURE["tqdm"]), wheel]
    for path in [*wheels(parts, lock, names), *own]:
        shutil.copyfile(path, out / path.name)
    write_lock(out / "lab-lock.json", lock, needed(lock, LAB), own, ["numpy", "tqdm"])
    if notebooks:
        write_lock(out / "pyodide-lock.json", lock, names, own, ["numpy", "tqdm", "matplotlib"])


def write_lock(
    path: Path, lock: dict[str, Any], names: list[str], own: list[Path], depends: list[str]
) -> None:
    """Write a lock of some of Pyodide's packages, and of the site's own.

    Args:
        own: wheels that are not in Pyodide's lock: tqdm's and gptlite's.
        depends: what gptlite needs.
    """
    packages = {name: lock["packages"][name] for name in names}
    for wheel in own:
        name, version, *_ = wheel.name.split("-")
        packages[name] = {
            "name": name,
            "version": version,
            "file_name": wheel.name,
            "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
            "install_dir": "site",
            "package_type": "package",
            "imports": [name],
            "depends": depends if name == "gptlite" else [],
            "unvendored_tests": False,
        }
    path.write_text(json.dumps({"info": lock["info"], "packages": packages}), "utf-8")


def build_wheel(root: Path, work: Path) -> Path:
    """Build gptlite's wheel from a copy of the checkout's package.

    In the checkout itself setuptools would take along what earlier builds have left there.

    Raises:
        PartError: pip cannot build it.
    """
    source, folder = work / "source", work / "wheel"
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(root / "gptlite", source / "gptlite", ignore=without)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(root / name, source / name)
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(folder)]
    command = [sys.executable, "-m", "pip", "wheel", *options, str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    found = sorted(folder.glob("gptlite-*.whl"))
    if done.returncode or not found:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise PartError(f"gptlite's wheel cannot be built: {last}")
    return found[-1]
