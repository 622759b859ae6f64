"""Each filter against the logits processor of the same name in Hugging Face transformers."""

import numpy as np
import pytest

from gptlite.layers import Array
from gptlite.sampling import (
    Sampler,
    apply_repetition_penalty,
    apply_temperature,
    apply_top_k,
    apply_top_p,
)

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.peers

SEEDS = range(20)


@pytest.fixture(autouse=True)
def stable_sort(monkeypatch):
    """``torch.sort`` leaves open in which order equal logits come; ask it for the order of ids.

    So what remains to compare is everything but which of equal logits top-p keeps.
    """
    torch.set_num_threads(1)
    sort = torch.sort
    monkeypatch.setattr(torch, "sort", lambda *args, **options: sort(*args, stable=True, **options))


def random_logits(seed: int) -> tuple[Array, np.ndarray]:
    """Logits, every other seed with many ties and at times all equal; and ids of a text."""
    rng = np.random.default_rng(seed)
    n_vocab = int(rng.choice([1, 2, 10, 300, 5000]))
    logits = rng.standard_normal((3, n_vocab), np.float32) * np.float32(rng.choice([0, 1, 4, 20]))
    if seed % 2:
        logits = np.round(logits)
    return logits, rng.integers(n_vocab, size=(3, 20))


def processed(processor, logits: Array, ids: np.ndarray) -> Array:
    return processor(torch.from_numpy(ids), torch.from_numpy(logits.copy())).numpy()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("penalty", [0.5, 1.0, 1.3])
def test_repetition_penalty(seed, penalty):
    logits, ids = random_logits(seed)
    peer = transformers.RepetitionPenaltyLogitsProcessor(penalty)
    assert np.array_equal(
        apply_repetition_penalty(logits, ids, penalty), processed(peer, logits, ids)
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("temperature", [0.01, 0.7, 1.0, 3.0])
def test_temperature(seed, temperature):
    logits, ids = random_logits(seed)
    peer = transformers.TemperatureLogitsWarper(temperature)
    assert np.array_equal(apply_temperature(logits, temperature), processed(peer, logits, ids))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("k", [1, 2, 40, 10**6])
def test_top_k(seed, k):
    logits, ids = random_logits(seed)
    peer = transformers.TopKLogitsWarper(k)
    assert np.array_equal(apply_top_k(logits, k), processed(peer, logits, ids))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.7, 0.9, 0.95, 0.999])
def test_top_p(seed, p):
    logits, ids = random_logits(seed)
    peer = transformers.TopPLogitsWarper(p)
    assert np.array_equal(apply_top_p(logits, p), processed(peer, logits, ids))
    few = apply_top_k(logits, 7)
    assert np.array_equal(apply_top_p(few, p), processed(peer, few, ids))


@pytest.mark.parametrize("seed", SEEDS)
def test_top_p_with_equal_logits_in_any_order(seed, monkeypatch):
    monkeypatch.undo()
    logits, ids = random_logits(seed)
    peer = processed(transformers.TopPLogitsWarper(0.7), logits, ids)
    assert np.array_equal(np.sort(apply_top_p(logits, 0.7)), np.sort(peer))


@pytest.mark.parametrize("n_vocab", [2, 3, 4, 5, 7, 10, 16, 20, 50, 64, 100])
def test_top_p_at_the_border(n_vocab):
    """Equal logits, and p exactly a sum of their probabilities, as far as floats can say it."""
    logits, ids = np.zeros((1, n_vocab), np.float32), np.zeros((1, 1), np.int64)
    for n in range(1, n_vocab):
        peer = transformers.TopPLogitsWarper(n / n_vocab)
        assert np.array_equal(apply_top_p(logits, n / n_vocab), processed(peer, logits, ids)), n


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("temperature", "k", "p", "penalty"),
    [(0.8, 40, 1.0, 1.0), (0.7, 0, 0.9, 1.2), (1.5, 5, 0.8, 1.1), (1.0, 50, 0.95, 0.9)],
)
def test_the_sampler_as_generate_combines_them(seed, temperature, k, p, penalty):
    logits, ids = random_logits(seed)
    config = transformers.GenerationConfig(
        do_sample=True, temperature=temperature, top_k=k, top_p=p, repetition_penalty=penalty
    )
    model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=2, n_positions=4, n_embd=2, n_head=1, n_layer=1)
    )
    config.eos_token_id = None
    peers = model._get_logits_processor(config, input_ids_seq_length=20)
    filtered = Sampler(temperature, k, p, penalty).filter(logits, ids)
    assert np.array_equal(filtered, processed(peers, logits, ids))
