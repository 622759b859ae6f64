"""Models of official shapes, written by transformers: logits, memory, and OpenAI's format.

The larger two are for ``scripts/checks/official_sizes.py``, which does the same.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts/checks"))

from official_sizes import COUNTS, allowed_peak, check, index_bytes

pytest.importorskip("transformers")
pytestmark = pytest.mark.peers


@pytest.mark.parametrize(("name", "index"), [("gpt2", 5215), ("gpt2-medium", 10399)])
def test_an_official_shape(name: str, index: int, tmp_path: Path) -> None:
    ways = check(name, tmp_path)
    assert list(ways) == ["safetensors", "TensorFlow", "float16"]
    for way, found in ways.items():
        assert found.n_params == COUNTS[name]
        assert found.peak <= allowed_peak(name)
        if way == "float16":
            assert 1e-6 < found.difference < 2e-3
            assert found.peak < 0.7 * allowed_peak(name)
        else:
            assert found.difference < 2e-5
    assert index_bytes(tmp_path) == index
