"""The package that ``pip install .`` builds, from the checkout."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.site  # its extra has setuptools
ROOT = Path(__file__).parents[2]


def test_a_file_that_is_gone_is_not_built_again(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(
        ROOT / "gptlite",
        tmp_path / "gptlite",
        ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"),
    )
    built = tmp_path / "build" / "lib" / "gptlite"
    (built / "views").mkdir(parents=True)
    for gone in (built / "gone.py", built / "views" / "gone.py"):
        gone.write_text("")
    command = [sys.executable, "setup.py", "-q", "build"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (built / "views" / "view.py").is_file() and (built / "lab" / "page").is_dir()
    assert not list(built.rglob("gone.py"))
