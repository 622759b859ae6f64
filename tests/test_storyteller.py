"""The model that ships: there, whole, small, offline, and as good as its card says."""

import re
import socket

import numpy as np
import pytest

import gptlite
from gptlite.download.locate import locate
from gptlite.generate import generate
from gptlite.training.losses import bits_per_byte

FOLDER = locate()


@pytest.fixture(scope="module")
def storyteller():
    return gptlite.load()


def test_its_size(storyteller):
    model, tokenizer = storyteller
    assert 4_000_000 <= model.config.n_params <= 8_000_000
    assert tokenizer.n_vocab == model.config.n_vocab == 4096
    files = {path.name: path.stat().st_size for path in FOLDER.iterdir() if path.is_file()}
    assert {"config.json", "model.safetensors", "vocab.json", "merges.txt"} <= files.keys()
    assert sum(files.values()) <= 14_000_000
    assert files["model.safetensors"] < 2.1 * model.config.n_params  # float16 in the file
    assert {a.dtype for a in model.parameters.values()} == {np.dtype(np.float32)}


def test_it_needs_no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    model, tokenizer = gptlite.load()
    text = generate(model, tokenizer, "Once upon a time", max_new_tokens=30, seed=0)
    assert len(re.findall(r"[A-Za-z]+", text)) >= 10


def test_without_a_prompt_it_begins_a_text(storyteller):
    assert generate(*storyteller, max_new_tokens=20, seed=1).strip()


def test_its_bits_per_byte_on_a_book_it_never_saw(storyteller, shared):
    model, tokenizer = storyteller
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    (stated,) = re.findall(r"\| peter pan \| ([\d.]+) \|", card)
    path = shared / "corpora/tales/validation/peter-pan-16.txt"
    # The first fifth of the book differs from the whole by as much as the book varies within.
    text = path.read_text(encoding="utf-8")[:50_000]
    assert bits_per_byte(model, tokenizer, text, 256) == pytest.approx(float(stated), abs=0.08)
