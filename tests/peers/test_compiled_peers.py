"""The benchmark's peers that are no Python: they compute what gptlite computes."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

pytestmark = pytest.mark.peers


# llama.cpp looks its GELU up in a table of float16.
@pytest.mark.parametrize(
    ("room", "tolerance"), [("onnx_runtime", 1e-6), ("llama_cpp_binding", 5e-3)]
)
def test_logits_with_keys_and_values_kept(tmp_path, monkeypatch, room, tolerance):
    from benchmark.basics import Setup, random_ids

    from gptlite import GPT, GPTConfig
    from gptlite.config import PRESETS

    room = import_module(f"benchmark.contestants.{room}")
    if room.__name__.endswith("llama_cpp_binding"):
        for package in room.PACKAGES:
            pytest.importorskip(package, reason="has no wheel on PyPI: see llama_cpp_binding.py")
    config = GPTConfig(n_vocab=300, n_ctx=64, n_embd=32, n_head=4, n_layer=2)
    monkeypatch.setitem(PRESETS, "tiny", config)
    ids = random_ids(config, 3, 9)  # [batch, seq]
    expected = GPT.init(config)(ids)  # [batch, seq, n_vocab]
    peer = room.Model(3, Setup(2, "tiny", tmp_path, True))
    for _ in range(2):  # a second text begins afresh
        peer.forget(3)
        for start, stop in ((0, 5), (5, 6), (6, 9)):
            found = peer(ids[:, start:stop])  # [batch, n_vocab]
            np.testing.assert_allclose(found, expected[:, stop - 1], atol=tolerance)
