"""The forward pass against Hugging Face transformers, on the same random weights."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from gptlite import GPT, GPTConfig, KVCache, Trace

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.peers

# The largest difference, as a share of the expected array's spread (its maximum less its minimum).
TOLERANCE = 2e-5

TINY = {
    "one block, one head": GPTConfig(n_vocab=11, n_ctx=5, n_embd=4, n_head=1, n_layer=1),
    "odd head count": GPTConfig(n_vocab=101, n_ctx=23, n_embd=30, n_head=3, n_layer=2),
    "odd head width": GPTConfig(n_vocab=64, n_ctx=12, n_embd=35, n_head=5, n_layer=3),
    "heads one wide": GPTConfig(n_vocab=50, n_ctx=17, n_embd=7, n_head=7, n_layer=2),
    "another epsilon": GPTConfig(40, 33, 16, n_head=4, n_layer=2, layer_norm_epsilon=0.1),
    "deep": GPTConfig(n_vocab=300, n_ctx=100, n_embd=24, n_head=2, n_layer=12),
}
tiny = pytest.mark.parametrize("config", TINY.values(), ids=TINY.keys())


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def perturbed(config: GPTConfig, matrices: float = 0.3) -> GPT:
    """An untrained model with noise added, so that no bias is 0, no gain 1, no attention even."""
    model, rng = GPT.init(config, seed=1), np.random.default_rng(1)
    for array in model.parameters.values():
        noise = matrices if array.ndim > 1 else 0.3
        if noise:
            array += noise * rng.standard_normal(array.shape, np.float32)
    return model


def peer_of(model: GPT) -> Any:
    """GPT2LMHeadModel with the same sizes and weights, its attention the one that shows weights."""
    sizes = model.config
    config = transformers.GPT2Config(
        vocab_size=sizes.n_vocab,
        n_positions=sizes.n_ctx,
        n_embd=sizes.n_embd,
        n_head=sizes.n_head,
        n_layer=sizes.n_layer,
        layer_norm_epsilon=sizes.layer_norm_epsilon,
        bos_token_id=0,
        eos_token_id=0,
        attn_implementation="eager",
    )
    peer = transformers.GPT2LMHeadModel(config).eval()
    weights = peer.transformer.state_dict()
    assert weights.keys() == model.parameters.keys()
    for name, array in model.parameters.items():
        weights[name].copy_(torch.from_numpy(array))
    return peer


def peer_logits(peer: Any, ids: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """``[batch, seq, n_vocab]``; with a mask, positions are counted from each row's first token."""
    options = {}
    if mask is not None:
        attention_mask = torch.from_numpy(mask)
        position_ids = attention_mask.cumsum(-1) - 1
        position_ids.masked_fill_(attention_mask == 0, 1)  # as transformers' own generate does
        options = {"attention_mask": attention_mask, "position_ids": position_ids}
    with torch.no_grad():
        return peer(torch.from_numpy(ids), **options).logits.numpy()


def random_ids(config: GPTConfig, batch: int, seq: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, config.n_vocab, (batch, seq))


def left_padding(lengths: list[int], seq: int) -> np.ndarray:
    """``[batch, seq]``, 0 for padding and 1 for each row's own tokens, which come last."""
    return (np.arange(seq) >= seq - np.array(lengths)[:, None]).astype(np.int64)


def assert_close(found: np.ndarray, expected: np.ndarray, what: str = "logits") -> None:
    assert found.dtype == np.float32, what
    assert found.shape == expected.shape, what
    spread = float(expected.max() - expected.min())
    assert spread > 0, f"{what}: all the same, so nothing was compared"
    difference = float(np.abs(found - expected).max())
    assert difference <= TOLERANCE * spread, f"{what}: {difference / spread:.1e} of the spread"


# ---- Logits -------------------------------------------------------------------------------------


@tiny
@pytest.mark.parametrize("batch", [1, 3])
def test_logits(config: GPTConfig, batch: int) -> None:
    model = perturbed(config)
    ids = random_ids(config, batch, config.n_ctx)
    assert_close(model(ids), peer_logits(peer_of(model), ids))


@tiny
def test_logits_of_one_token(config: GPTConfig) -> None:
    model = perturbed(config)
    assert_close(model([[3]]), peer_logits(peer_of(model), np.array([[3]])))


@tiny
def test_logits_with_padding_on_the_left(config: GPTConfig) -> None:
    model, seq = perturbed(config), config.n_ctx
    ids, mask = random_ids(config, 4, seq), left_padding([seq, 1, seq - 1, seq // 2], seq)
    found = model(ids, attention_mask=mask)
    expected = peer_logits(peer_of(model), ids, mask)
    # What stands at padding has no meaning on either side.
    assert_close(found[mask == 1], expected[mask == 1])


@tiny
@pytest.mark.parametrize("padded", [False, True])
def test_logits_through_a_cache(config: GPTConfig, padded: bool) -> None:
    """All but the last two positions at once, then one at a time, against one call of the peer."""
    model, seq = perturbed(config), config.n_ctx
    ids = random_ids(config, 2, seq)
    mask = left_padding([seq, seq - 2], seq) if padded else None
    cache, pieces = KVCache(config, batch=2), []
    for start, end in ((0, seq - 2), (seq - 2, seq - 1), (seq - 1, seq)):
        seen = None if mask is None else mask[:, :end]
        pieces.append(model(ids[:, start:end], cache=cache, attention_mask=seen))
    found, expected = np.concatenate(pieces, axis=1), peer_logits(peer_of(model), ids, mask)
    tokens = np.ones_like(ids, bool) if mask is None else mask == 1
    assert_close(found[tokens], expected[tokens])


def test_logits_of_the_124m_shape() -> None:
    config = GPTConfig.preset("gpt2")
    # The matrices as drawn: their scale is the one that GPT-2 of this width is trained from.
    model = perturbed(config, matrices=0)
    ids = random_ids(config, 1, 48)
    assert_close(model(ids), peer_logits(peer_of(model), ids))


# ---- Every array in between ---------------------------------------------------------------------


def peer_arrays(peer: Any, ids: np.ndarray) -> dict[str, np.ndarray]:
    """What the peer computes on its way, under the names of ``Trace``.

    Hidden states and attention weights are its own outputs; the rest is what goes into its modules
    and comes out of them. It hands out no scores: those are made here from its queries and keys.
    """
    passed: dict[str, tuple[Any, Any]] = {}
    for name, module in peer.transformer.named_modules():

        def keep(_module: Any, inputs: Any, output: Any, name: str = name) -> None:
            passed[name] = inputs[0] if inputs else None, output

        module.register_forward_hook(keep)
    with torch.no_grad():
        out = peer(torch.from_numpy(ids), output_hidden_states=True, output_attentions=True)

    n_layer, n_head, seq = peer.config.n_layer, peer.config.n_head, ids.shape[1]
    future = torch.ones(seq, seq, dtype=torch.bool).triu(1)
    arrays = {"embed": out.hidden_states[0]}
    for i in range(n_layer):
        block = f"h.{i}"
        qkv = passed[f"{block}.attn.c_attn"][1].chunk(3, dim=-1)
        q, k, v = (x.unflatten(-1, (n_head, -1)).transpose(1, 2) for x in qkv)
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        arrays |= {
            f"{block}.ln_1": passed[f"{block}.ln_1"][1],
            f"{block}.attn.q": q,
            f"{block}.attn.k": k,
            f"{block}.attn.v": v,
            f"{block}.attn.scores": scores.masked_fill(future, -torch.inf),
            f"{block}.attn.weights": out.attentions[i],
            f"{block}.attn.z": passed[f"{block}.attn.c_proj"][0],
            f"{block}.attn.out": passed[f"{block}.attn.c_proj"][1],
            f"{block}.mid": passed[f"{block}.ln_2"][0],
            f"{block}.ln_2": passed[f"{block}.ln_2"][1],
            f"{block}.mlp.fc": passed[f"{block}.mlp.c_fc"][1],
            f"{block}.mlp.gelu": passed[f"{block}.mlp.act"][1],
            f"{block}.mlp.out": passed[f"{block}.mlp.c_proj"][1],
            # Its last hidden state is the one after ln_f; the last block's own comes from the hook.
            f"{block}.out": (*out.hidden_states[1:-1], passed["ln_f"][0])[i],
        }
    arrays |= {"ln_f": out.hidden_states[-1], "logits": out.logits}
    return {name: array.numpy() for name, array in arrays.items()}


@tiny
def test_every_array_of_a_trace(config: GPTConfig) -> None:
    model = perturbed(config)
    ids, trace = random_ids(config, 2, config.n_ctx), Trace()
    logits = model(ids, trace=trace)
    expected = peer_arrays(peer_of(model), ids)
    assert list(trace) == list(expected)
    assert np.array_equal(trace["logits"], logits)
    for name, array in expected.items():
        found = trace[name]
        if name.endswith("scores"):
            future = np.isneginf(array)
            assert (found[future] < -1e9).all(), name
            found, array = found[~future], array[~future]
        assert_close(found, array, name)
