"""Models that differ from GPT-2 in a detail, against the programs that made them.

Each is trained for a few steps by its own program, read, compared in logits and in gradients, saved
again, and opened by transformers.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptlite import GPT, GPTConfig, KVCache, Trace
from gptlite.checkpoints import fitted
from gptlite.errors import CheckpointError
from gptlite.training.gradients import loss_and_gradients

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from published_models import (  # noqa: E402
    MINGPT_SIZES,
    NO_DROPOUT,
    PublishedGPT,
    nanogpt_checkpoint,
    save_mingpt,
    train,
)

pytestmark = pytest.mark.peers

# The largest difference, as a share of the expected array's spread (its maximum less its minimum).
TOLERANCE = 5e-6
# Relative, of each tensor of gradients: |found - expected| / |expected|.
GRADIENT_TOLERANCE = 1e-4
SEQ = 11


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def ids_of(n_tokens: int, batch: int = 3, seq: int = SEQ) -> np.ndarray:
    return np.random.default_rng(3).integers(0, n_tokens, (batch, seq))


def logits_of(peer: Any, ids: np.ndarray) -> Any:
    found = peer(torch.from_numpy(ids))
    return getattr(found, "logits", found)


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape and found.dtype == np.float32
    spread = float(np.ptp(expected))
    assert spread > 1, "too even: nothing would be compared"
    assert np.abs(found - expected).max() <= TOLERANCE * spread


def assert_same_model(model: GPT, peer: Any) -> None:
    """The same logits, whole and through a cache, and the same gradients of every parameter."""
    n_tokens = model.config.n_vocab
    ids = ids_of(n_tokens)
    with torch.no_grad():
        expected = logits_of(peer, ids)[..., :n_tokens].numpy()
    assert_close(model(ids), expected)
    cache = KVCache(model.config, len(ids))
    pieces = [model(ids[:, a:b], cache) for a, b in ((0, 7), (7, 8), (8, SEQ))]
    assert_close(np.concatenate(pieces, axis=1), expected)
    assert_close(model(ids, trace=Trace()), expected)

    targets = np.roll(ids, -1, axis=1)
    peer.zero_grad()
    logits = logits_of(peer, ids)[..., :n_tokens]
    loss = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), torch.from_numpy(targets).flatten()
    )
    loss.backward()
    found_loss, gradients = loss_and_gradients(model, ids, targets)
    assert found_loss == pytest.approx(loss.item(), rel=1e-6)
    parameters = dict(peer.named_parameters())
    compared = 0
    for name, gradient in gradients.items():
        parameter = parameters.get(f"transformer.{name}", parameters.get(name))
        if parameter is None:  # a bias that the peer does not have, or the tied wte
            continue
        wanted = parameter.grad.numpy()
        if wanted.shape != gradient.shape or "c_proj" in name or "c_" in name:
            transposed = isinstance(peer, PublishedGPT) and wanted.ndim == 2 and ".c_" in name
            wanted = wanted.T if transposed else wanted
        error = np.linalg.norm(gradient - wanted) / np.linalg.norm(wanted)
        assert error <= GRADIENT_TOLERANCE, name
        compared += 1
    assert compared >= len(parameters) - 1


def assert_transformers_opens(model: GPT, folder: Path, **config: Any) -> Any:
    """Save it, open it with transformers without a complaint, and compare the logits."""
    model.save_pretrained(folder)
    opened, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder, output_loading_info=True
    )
    assert not any(info.values()), info
    for key, value in config.items():
        assert getattr(opened.config, key) == value, key
    ids = ids_of(model.config.n_vocab)
    with torch.no_grad():
        expected = logits_of(opened.eval(), ids)[..., : model.config.n_vocab].numpy()
    assert_close(model(ids), expected)
    again = GPT.from_pretrained(folder)
    assert {n: a.tobytes() for n, a in again.parameters.items()} == {
        n: a.tobytes() for n, a in model.parameters.items()
    }
    return opened


# ---- minGPT, makemore, nanoGPT ------------------------------------------------------------------


@pytest.mark.parametrize("model_type", ["gpt-nano", "gpt-micro", None])
def test_mingpt(tmp_path: Path, model_type: str | None) -> None:
    """Its folder as its trainer leaves it: sizes by the name of a type, or stated."""
    torch.manual_seed(0)
    n_layer, n_head, n_embd = MINGPT_SIZES[model_type] if model_type else (2, 4, 24)
    peer = PublishedGPT(65, 16, n_layer, n_head, n_embd, tied=False, exact=False)
    train(peer, 65, SEQ)
    stated = {} if model_type else {"n_layer": n_layer, "n_head": n_head, "n_embd": n_embd}
    save_mingpt(peer, tmp_path / "run", model_type, **stated)
    for place in (tmp_path / "run", tmp_path / "run" / "model.pt"):
        model = GPT.from_pretrained(place)
        assert model.config == GPTConfig(65, 16, n_embd, n_head, n_layer, tie_word_embeddings=False)
        assert_same_model(model, peer)
    assert_transformers_opens(model, tmp_path / "hub", tie_word_embeddings=False)
    with pytest.raises(CheckpointError, match=r"n_head is .*, as its files say, not 2"):
        GPT.from_pretrained(tmp_path / "run", n_head=2)
    with pytest.raises(ValueError, match=r"tie_word_embeddings is False: .*lm_head\.weight"):
        model.save_pretrained(tmp_path / "openai", format="openai")
    assert not (tmp_path / "openai").exists()


def test_makemore(tmp_path: Path) -> None:
    """A state dict and nothing else: the sizes are the tensors', the heads the caller's."""
    torch.manual_seed(0)
    peer = PublishedGPT(27, 16, 4, 4, 64, tied=False, exact=False)
    train(peer, 27, SEQ)
    torch.save(peer.state_dict(), tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=r"how many attention heads.* give n_head \(--n-head"):
        GPT.from_pretrained(tmp_path)
    model = GPT.from_pretrained(tmp_path / "model.pt", n_head=4)
    assert model.config == GPTConfig(27, 16, 64, 4, 4, tie_word_embeddings=False)
    assert_same_model(model, peer)
    assert_transformers_opens(model, tmp_path / "hub")
    with pytest.raises(CheckpointError, match="n_embd 64 is not a multiple of n_head 5"):
        GPT.from_pretrained(tmp_path, n_head=5)


@pytest.mark.parametrize("bias", [True, False])
def test_nanogpt(tmp_path: Path, bias: bool) -> None:
    torch.manual_seed(0)
    peer = PublishedGPT(96, 16, 2, 3, 24, tied=True, exact=True, bias=bias, masks=False)
    train(peer, 96, SEQ)
    sizes = {"n_layer": 2, "n_head": 3, "n_embd": 24, "block_size": 16, "vocab_size": 96}
    saved = nanogpt_checkpoint(peer, **sizes, bias=bias, dropout=0.0)
    torch.save(saved, tmp_path / "ckpt.pt")
    model = GPT.from_pretrained(tmp_path)
    assert model.config == GPTConfig(96, 16, 24, 3, 2, activation_function="gelu")
    assert_same_model(model, peer)
    assert_transformers_opens(model, tmp_path / "hub", activation_function="gelu")


def test_the_oldest_of_nanogpt_s_checkpoints(tmp_path: Path) -> None:
    """They do not say ``bias``, and have GPT-2's form of the GELU."""
    torch.manual_seed(0)
    peer = PublishedGPT(96, 16, 2, 3, 24, tied=True, exact=False)
    train(peer, 96, SEQ)
    sizes = {"n_layer": 2, "n_head": 3, "n_embd": 24, "block_size": 16, "vocab_size": 96}
    torch.save(nanogpt_checkpoint(peer, **sizes, dropout=0.0), tmp_path / "ckpt.pt")
    assert_same_model(GPT.from_pretrained(tmp_path), peer)


# ---- transformers' GPT2LMHeadModel, with options ------------------------------------------------

OPTIONS: dict[str, dict[str, Any]] = {
    "an output layer of its own": {"tie_word_embeddings": False},
    "a narrow feed-forward network": {"n_inner": 20},
    "a wide one": {"n_inner": 200},
    "the exact GELU": {"activation_function": "gelu"},
    "the exact GELU by another name": {"activation_function": "gelu_python"},
    "gelu_fast": {"activation_function": "gelu_fast"},
    "gelu_pytorch_tanh": {"activation_function": "gelu_pytorch_tanh"},
    "gelu_accurate": {"activation_function": "gelu_accurate"},
    "gelu_python_tanh": {"activation_function": "gelu_python_tanh"},
    "scores by depth": {"scale_attn_by_inverse_layer_idx": True, "reorder_and_upcast_attn": True},
    "all of them": {
        "tie_word_embeddings": False,
        "n_inner": 40,
        "activation_function": "gelu",
        "scale_attn_by_inverse_layer_idx": True,
    },
}


def trained(vocab_size: int = 70, n_tokens: int = 70, **options: Any) -> Any:
    torch.manual_seed(0)
    peer = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=vocab_size,
            n_positions=16,
            n_embd=24,
            n_head=3,
            n_layer=3,
            **NO_DROPOUT,
            **{"bos_token_id": 5, "eos_token_id": 6} | options,
        )
    )
    train(peer, n_tokens, SEQ)
    return peer


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_transformers_with_options(tmp_path: Path, options: dict[str, Any]) -> None:
    peer = trained(**options)
    peer.save_pretrained(tmp_path / "theirs")
    model = GPT.from_pretrained(tmp_path / "theirs")
    assert_same_model(model, peer)
    kept = {
        k: v
        for k, v in options.items()
        if k not in ("activation_function", "reorder_and_upcast_attn")
    }
    opened = assert_transformers_opens(model, tmp_path / "ours", **kept)
    assert (opened.config.bos_token_id, opened.config.eos_token_id) == (5, 6)


def gpt1(**options: Any) -> Any:
    torch.manual_seed(0)
    peer = transformers.OpenAIGPTLMHeadModel(
        transformers.OpenAIGPTConfig(
            vocab_size=70,
            n_positions=16,
            n_embd=24,
            n_head=3,
            n_layer=3,
            **NO_DROPOUT,
            **options,
        )
    )
    train(peer, 70, SEQ)
    return peer


def gpt2_names(peer: Any) -> dict[str, Any]:
    """GPT-1's parameters by the names that GPT-2's have."""
    table = {"tokens_embed.weight": "wte.weight", "positions_embed.weight": "wpe.weight"}
    return {table.get(n, n): p for n, p in peer.transformer.named_parameters()}


@pytest.mark.parametrize("options", [{}, {"layer_norm_epsilon": 0.1}])
def test_gpt1(tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    peer = gpt1(**options)
    peer.save_pretrained(tmp_path / "theirs")
    model = GPT.from_pretrained(tmp_path / "theirs")
    assert model.config.post_norm and model.config.n_vocab == 70
    monkeypatch.setattr(peer, "named_parameters", lambda **_: gpt2_names(peer).items())
    assert_same_model(model, peer)
    opened = assert_transformers_opens(model, tmp_path / "ours")
    assert type(opened).__name__ == "OpenAIGPTLMHeadModel"


def test_gpt1_in_openai_s_pieces(tmp_path: Path) -> None:
    """Ten pieces of one row, cut without regard to where a tensor ends."""
    peer = gpt1()
    named = gpt2_names(peer)
    leaves = ["attn.c_attn", "attn.c_proj", "ln_1", "mlp.c_fc", "mlp.c_proj", "ln_2"]
    names = ["wpe.weight", "wte.weight"]
    for i in range(3):
        names += [f"h.{i}.{leaf}.{kind}" for leaf in leaves for kind in ("weight", "bias")]
    arrays = [named[name].detach().numpy() for name in names]
    row = np.concatenate([array.ravel() for array in arrays])
    for i, piece in enumerate(np.array_split(row, 10)):
        np.save(tmp_path / f"params_{i}.npy", piece)
    shapes = [
        [1, *a.shape] if a.ndim == 2 and n[0] != "w" else list(a.shape)
        for n, a in zip(names, arrays, strict=True)
    ]
    (tmp_path / "params_shapes.json").write_text(json.dumps(shapes))
    model = GPT.from_pretrained(tmp_path, n_head=3)
    assert model.config.post_norm
    ids = ids_of(70)
    with torch.no_grad():
        assert_close(model(ids), logits_of(peer, ids).numpy())
    for name, tensor in named.items():
        assert np.array_equal(model.parameters[name], tensor.detach().numpy())


@pytest.mark.parametrize("name", ["gelu_10", "relu", "quick_gelu", "silu", "swish", "tanh"])
def test_another_activation_function_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    trained(activation_function=name).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=f"activation_function is '{name}'; gptlite has gelu"):
        GPT.from_pretrained(tmp_path)


def test_every_activation_function_of_transformers_is_told_apart(tmp_path: Path) -> None:
    """Those that are read compute what transformers computes; none that is a GELU is forgotten."""
    from gptlite.activation import ACTIVATIONS
    from gptlite.checkpoints.hub import _ACTIVATIONS

    x = np.linspace(-12, 12, 6001, dtype=np.float32)
    named = {name: ours for ours, names in _ACTIVATIONS.items() for name in names}
    for name in transformers.activations.ACT2FN:
        if name in ("xielu", "prelu"):  # with parameters
            continue
        theirs = transformers.activations.ACT2FN[name](torch.from_numpy(x.copy())).numpy()
        alike = [n for n, f in ACTIVATIONS.items() if np.abs(f(x) - theirs).max() < 2e-6]
        assert alike == ([named[name]] if name in named else []), name


@pytest.mark.parametrize("tied", [True, False])
def test_a_vocabulary_resized_and_padded(tmp_path: Path, tied: bool) -> None:
    """As people add tokens: resize_token_embeddings with pad_to_multiple_of=64."""
    peer = trained(tie_word_embeddings=tied)
    peer.resize_token_embeddings(73, pad_to_multiple_of=64)
    train(peer, 73, SEQ, seed=1)
    peer.save_pretrained(tmp_path / "theirs")
    whole = GPT.from_pretrained(tmp_path / "theirs")
    assert whole.config.n_vocab == 128
    assert_same_model(whole, peer)
    model = GPT(fitted(whole.config, 73, 6, "x"), whole.parameters)
    assert (model.config.n_vocab, model.config.n_padding) == (73, 55)
    assert_same_model(model, peer)
    opened = assert_transformers_opens(model, tmp_path / "ours", vocab_size=128)
    theirs = peer.transformer.wte.weight
    assert torch.equal(opened.transformer.wte.weight, theirs)
    assert torch.equal(opened.lm_head.weight, peer.lm_head.weight)


def test_a_head_of_its_own_whatever_the_configuration_says(tmp_path: Path) -> None:
    """transformers 5 goes by the tensors, too: it ties none that differ."""
    peer = trained(tie_word_embeddings=False)
    peer.config.tie_word_embeddings = True
    peer.config.save_pretrained(tmp_path)
    torch.save(peer.state_dict(), tmp_path / "pytorch_model.bin")
    model = GPT.from_pretrained(tmp_path)
    assert not model.config.tie_word_embeddings
    assert_same_model(model, peer)


def test_a_head_that_the_configuration_promises_is_missing(tmp_path: Path) -> None:
    peer = trained()
    peer.config.tie_word_embeddings = False
    peer.config.save_pretrained(tmp_path)
    state = {n: t for n, t in peer.state_dict().items() if n != "lm_head.weight"}
    torch.save(state, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"missing tensor 'lm_head\.weight'"):
        GPT.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "kind",
    [
        "GPT2ForSequenceClassification",
        "GPT2ForTokenClassification",
        "GPT2ForQuestionAnswering",
        "GPT2DoubleHeadsModel",
    ],
)
def test_a_model_for_another_task_is_called_by_its_name(tmp_path: Path, kind: str) -> None:
    """And what the message advises works."""
    config = trained().config
    config.num_labels, config.pad_token_id = 2, 0
    getattr(transformers, kind)(config).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=f"transformers' {kind}; .*GPT2LMHeadModel"):
        GPT.from_pretrained(tmp_path)
    transformers.GPT2LMHeadModel.from_pretrained(tmp_path).save_pretrained(tmp_path / "lm")
    assert GPT.from_pretrained(tmp_path / "lm").config.n_layer == 3
