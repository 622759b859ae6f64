"""Greedy generation against Hugging Face transformers, on the same random weights."""

import numpy as np
import pytest

from gptlite.config import GPTConfig
from gptlite.generate import generate_tokens
from gptlite.model import GPT
from gptlite.sampling import Sampler

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.peers

CONFIG = GPTConfig(n_vocab=300, n_ctx=64, n_embd=32, n_head=4, n_layer=3)
PROMPTS = [[5, 6, 7, 8, 9, 10], [11], [12, 13, 14], [5, 6, 7, 8, 9, 11]]


@pytest.fixture(scope="module")
def model() -> GPT:
    model = GPT.init(CONFIG, seed=1)
    for name, array in model.parameters.items():
        if array.ndim == 2:
            array *= {"wte.weight": 10, "wpe.weight": 50}.get(name, 20)
    return model


@pytest.fixture(scope="module")
def peer(model):
    torch.set_num_threads(1)
    config = transformers.GPT2Config(
        vocab_size=300, n_positions=64, n_embd=32, n_head=4, n_layer=3, eos_token_id=None
    )
    peer = transformers.GPT2LMHeadModel(config).eval()
    weights = {f"transformer.{n}": torch.from_numpy(a) for n, a in model.parameters.items()}
    missing, unexpected = peer.load_state_dict(weights, strict=False)
    assert missing == ["lm_head.weight"]
    assert unexpected == []
    peer.tie_weights()
    return peer


def peer_generates(peer, prompts, n, **options):
    """What transformers adds to each prompt, the batch padded on the left, and its scores."""
    seq = max(map(len, prompts))
    ids = torch.tensor([[0] * (seq - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (seq - len(p)) + [1] * len(p) for p in prompts])
    with torch.no_grad():
        out = peer.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=n,
            do_sample=False,
            pad_token_id=0,
            return_dict_in_generate=True,
            output_logits=True,
            **options,
        )
    return out.sequences[:, seq:].numpy(), torch.stack(out.logits, dim=1).numpy()


def ours(model, prompts, n, sampler=Sampler(0)):  # noqa: B008
    steps = list(generate_tokens(model, prompts, sampler, n))
    return np.stack([s.ids for s in steps], axis=1), np.stack([s.logits for s in steps], axis=1)


@pytest.mark.parametrize("prompts", [*([p] for p in PROMPTS), PROMPTS])
def test_greedy_generation(model, peer, prompts):
    ids, logits = ours(model, prompts, 58)
    peer_ids, peer_logits = peer_generates(peer, prompts, 58)
    assert np.array_equal(ids, peer_ids)
    assert np.allclose(logits, peer_logits, atol=1e-4)
    assert all(len(set(row)) > 8 for row in ids.tolist())


@pytest.mark.parametrize("prompt", PROMPTS)
def test_greedy_generation_with_a_repetition_penalty(model, peer, prompt):
    ids, _ = ours(model, [prompt], 58, Sampler(0, repetition_penalty=1.3))
    peer_ids, _ = peer_generates(peer, [prompt], 58, repetition_penalty=1.3)
    assert np.array_equal(ids, peer_ids)
    assert not np.array_equal(ids, ours(model, [prompt], 58)[0])


def test_logprobs(model, peer):
    steps = list(generate_tokens(model, PROMPTS[:1], Sampler(0.7, 20, 0.9), 30, seed=0))
    text = PROMPTS[0] + [int(step.ids[0]) for step in steps]
    with torch.no_grad():
        scores = peer(torch.tensor([text[:-1]])).logits[0].log_softmax(dim=-1).numpy()
    expected = [scores[i - 1, text[i]] for i in range(len(PROMPTS[0]), len(text))]
    assert np.allclose([step.logprobs[0] for step in steps], expected, atol=1e-4)
