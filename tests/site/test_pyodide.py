"""The library under Pyodide, as in a browser: 32 bits, no threads, no locks, no ``regex``, no BLAS.

Runs in node, with the parts that scripts/site/build.py has fetched; skipped without them, except in
CI.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "site"))

import parts

from browser import missing

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
pytestmark = pytest.mark.pyodide


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pyodide with NumPy, and tqdm's wheel."""
    place = parts.parts_folder()
    if not (place / parts.CORE.name).exists():
        missing(f"{parts.CORE.name} in {place}, where python scripts/site/build.py puts it")
    out = tmp_path_factory.mktemp("pyodide")
    files = parts.core(place)
    for name, data in files.items():
        (out / name).write_bytes(data)
    tqdm = parts.from_pypi(place, parts.PURE["tqdm"])
    for path in [*parts.wheels(place, parts.read_lock(files), ["numpy"]), tqdm]:
        shutil.copyfile(path, out / path.name)
    return out


def test_the_library_does_the_same_as_elsewhere(folder):
    node = shutil.which("node")
    if node is None:
        missing("node")
    file = HERE / "everywhere.py"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GPTLITE_OFFLINE": "1"}
    here, there = (
        subprocess.run(command, capture_output=True, text=True, env=environment)
        for command in (
            [sys.executable, str(file)],
            [node, str(HERE / "run.mjs"), str(folder), str(ROOT), str(file)],
        )
    )
    assert here.returncode == 0, here.stderr
    assert there.returncode == 0, there.stderr
    expected, found = json.loads(here.stdout), json.loads(there.stdout)
    assert found["download"] and found["same text"]
    for name in ("logits", "half", "losses"):
        np.testing.assert_allclose(found.pop(name), expected.pop(name), atol=1e-4)
    assert found == expected
