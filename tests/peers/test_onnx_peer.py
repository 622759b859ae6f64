"""The benchmark's graph for ONNX Runtime computes what gptlite computes."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

pytestmark = pytest.mark.peers


def test_logits_with_keys_and_values_kept(tmp_path, monkeypatch):
    from benchmark.basics import Setup, random_ids
    from benchmark.contestants.onnx_runtime import Model

    from gptlite import GPT, GPTConfig
    from gptlite.config import PRESETS

    config = GPTConfig(n_vocab=300, n_ctx=64, n_embd=32, n_head=4, n_layer=2)
    monkeypatch.setitem(PRESETS, "tiny", config)
    ids = random_ids(config, 3, 9)  # [batch, seq]
    expected = GPT.init(config)(ids)  # [batch, seq, n_vocab]
    peer = Model(Setup(2, "tiny", tmp_path, True))
    for _ in range(2):  # a second text begins afresh
        peer.forget(3)
        for start, stop in ((0, 5), (5, 6), (6, 9)):
            found = peer(ids[:, start:stop])  # [batch, n_vocab]
            np.testing.assert_allclose(found, expected[:, stop - 1], atol=1e-6)
