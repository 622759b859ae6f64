"""Training against PyTorch and transformers: gradients, dropout, clipping, AdamW, bits per byte."""

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gptlite
from gptlite import GPT, GPTConfig
from gptlite.pretrain.__main__ import main
from gptlite.pretrain.trainer import Recipe, Trainer
from gptlite.training.dropout import DropoutTrace
from gptlite.training.gradients import loss_and_gradients
from gptlite.training.losses import bits_per_byte
from gptlite.training.optimizer import BETA_1, BETA_2, EPSILON, learning_rate_at
from models import random_model

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.peers

# Relative, of each tensor of gradients: |found - expected| / |expected|.
TOLERANCE = 1e-4


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def peer_of(model: GPT) -> Any:
    """GPT2LMHeadModel with the same sizes and weights, and without dropout."""
    sizes = model.config
    peer = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=sizes.n_vocab,
            n_positions=sizes.n_ctx,
            n_embd=sizes.n_embd,
            n_head=sizes.n_head,
            n_layer=sizes.n_layer,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=0,
            eos_token_id=0,
            attn_implementation="eager",
        )
    )
    weights = peer.transformer.state_dict()
    assert set(model.parameters) <= set(weights)
    for name, array in model.parameters.items():
        weights[name].copy_(torch.from_numpy(array))
    return peer.train()


def peer_loss(peer: Any, ids: np.ndarray, targets: np.ndarray) -> Any:
    logits = peer(torch.from_numpy(ids)).logits
    return torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), torch.from_numpy(targets).reshape(-1)
    )


def batch(config: GPTConfig, rows: int, seq: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    ids = np.random.default_rng(seed).integers(0, config.n_vocab, (rows, seq + 1))
    return np.ascontiguousarray(ids[:, :-1]), np.ascontiguousarray(ids[:, 1:])


def assert_gradients_of(peer: Any, gradients: dict[str, np.ndarray]) -> None:
    expected = {name: p.grad for name, p in peer.transformer.named_parameters()}
    assert gradients.keys() == expected.keys()
    worst = 0.0
    for name, gradient in gradients.items():
        wanted = expected[name].numpy()
        error = np.linalg.norm(gradient - wanted) / np.linalg.norm(wanted)
        assert error <= TOLERANCE, name
        worst = max(worst, float(error))
    print(f"worst relative error {worst:.1e}")


@pytest.mark.parametrize(
    ("sizes", "rows", "seq"),
    [
        ({"n_vocab": 97, "n_ctx": 24, "n_embd": 48, "n_head": 3, "n_layer": 3}, 3, 20),
        ({"n_vocab": 97, "n_ctx": 24, "n_embd": 48, "n_head": 3, "n_layer": 3}, 4, 24),
        ({"n_vocab": 11, "n_ctx": 8, "n_embd": 16, "n_head": 16, "n_layer": 1}, 2, 8),
        ({"n_vocab": 11, "n_ctx": 8, "n_embd": 16, "n_head": 1, "n_layer": 8}, 1, 8),
        ({"n_vocab": 512, "n_ctx": 64, "n_embd": 64, "n_head": 4, "n_layer": 2}, 8, 64),
    ],
)
def test_gradients(sizes, rows, seq):
    config = GPTConfig(**sizes)
    model, (ids, targets) = random_model(config, noise=0.1), batch(config, rows, seq)
    peer = peer_of(model)
    expected = peer_loss(peer, ids, targets)
    expected.backward()
    loss, gradients = loss_and_gradients(model, ids, targets)
    assert loss == pytest.approx(expected.item(), rel=1e-6)
    assert_gradients_of(peer, gradients)


def test_gradients_of_a_model_as_it_is_drawn():
    """At first biases are 0 and gains 1, and the gradients of the queries are tiny."""
    config = GPTConfig(n_vocab=97, n_ctx=24, n_embd=48, n_head=3, n_layer=3)
    model, (ids, targets) = GPT.init(config), batch(config, 4, 24)
    peer = peer_of(model)
    peer_loss(peer, ids, targets).backward()
    assert_gradients_of(peer, loss_and_gradients(model, ids, targets)[1])


def test_gradients_in_shards_and_threads():
    config = GPTConfig(n_vocab=97, n_ctx=24, n_embd=48, n_head=3, n_layer=2)
    model, (ids, targets) = random_model(config, noise=0.1), batch(config, 7, 24)
    peer = peer_of(model)
    peer_loss(peer, ids, targets).backward()
    trainer = Trainer(model, Recipe(threads=3))
    _, gradients = trainer.gradients(trainer.shards(ids, targets))
    assert_gradients_of(peer, gradients)


def test_dropout(monkeypatch):
    """Where transformers drops out, in the order it does, it is given the masks gptlite drew."""
    config = GPTConfig(n_vocab=97, n_ctx=24, n_embd=48, n_head=3, n_layer=2)
    model, (ids, targets) = random_model(config, noise=0.1), batch(config, 3, 20)
    drawn = DropoutTrace(0.2, np.random.default_rng(1))
    model(ids, trace=drawn)
    masks = iter([drawn.pop_mask(name) for name in list(drawn.kept)])

    def dropout(x: Any, *_: Any, **__: Any) -> Any:
        mask = torch.from_numpy(next(masks))
        assert mask.shape == x.shape
        return x * mask

    monkeypatch.setattr(torch.nn.functional, "dropout", dropout)
    peer = peer_of(model)
    expected = peer_loss(peer, ids, targets)
    expected.backward()
    loss, gradients = loss_and_gradients(
        model, ids, targets, DropoutTrace(0.2, np.random.default_rng(1))
    )
    assert next(masks, None) is None, "a place where only gptlite drops out"
    assert loss == pytest.approx(expected.item(), rel=1e-6)
    assert_gradients_of(peer, gradients)


@pytest.mark.parametrize("clip", [0.5, 1e6])
def test_ten_steps_of_training(clip):
    """The same weights and batches: warm-up, cosine, clipping, weight decay of matrices."""
    config = GPTConfig(n_vocab=97, n_ctx=24, n_embd=48, n_head=3, n_layer=2)
    recipe = Recipe(batch=4, n_steps=10, learning_rate=1e-2, warm_up=3, clip=clip, threads=2)
    trainer = Trainer(random_model(config, noise=0.1), recipe)
    peer = peer_of(trainer.model)
    parameters = list(peer.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=(BETA_1, BETA_2), eps=EPSILON)
    assert (BETA_1, BETA_2) == (0.9, 0.99)

    losses, expected = [], []
    for step in range(10):
        ids, targets = batch(config, 4, 24, seed=step)
        losses.append(trainer.train_step(trainer.shards(ids, targets)))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step + 1, 10, 3, 1e-2)
        optimizer.zero_grad()
        loss = peer_loss(peer, ids, targets)
        loss.backward()
        length = torch.nn.utils.clip_grad_norm_(parameters, clip)
        assert (length > clip) == (clip == 0.5)
        optimizer.step()
        expected.append(loss.item())
    print(f"worst difference of losses {np.abs(np.subtract(losses, expected)).max():.1e}")
    assert losses == pytest.approx(expected, abs=1e-4)
    assert max(losses) - min(losses) > 0.1  # something was learned


def test_bits_per_byte_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """From text to transformers: what the command prints is what GPT2LMHeadModel needs."""
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdeéö", k=rng.randint(1, 6))) for _ in range(40)]
    for name, n in {"train": 600, "held-out": 150}.items():
        text = " ".join(rng.choices(words, k=n))
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    held_out, out = tmp_path / "held-out.txt", tmp_path / "run"
    sizes = {"n-vocab": 270, "n-ctx": 16, "n-embd": 16, "n-head": 2, "n-layer": 2, "tokens": 3000}
    options = [word for name, size in sizes.items() for word in (f"--{name}", str(size))]
    texts = ["--data", str(tmp_path / "train.txt"), "--validation", str(held_out)]
    assert main([*texts, "--out", str(out), *options]) == 0
    printed = float(capsys.readouterr().out.split()[0])
    found = bits_per_byte(*gptlite.load(out), held_out.read_text(encoding="utf-8"))

    peer = transformers.GPT2LMHeadModel.from_pretrained(out).eval()
    tokenizer = transformers.GPT2TokenizerFast.from_pretrained(out)
    text = held_out.read_text(encoding="utf-8")
    ids = torch.tensor([tokenizer.eos_token_id, *tokenizer(text).input_ids])
    assert tokenizer.eos_token == "<|endoftext|>"
    nats = 0.0
    with torch.no_grad():
        for start in range(0, len(ids) - 1, 16):  # windows of n_ctx, the last one shorter
            window = ids[start : start + 17]
            logits = peer(window[None, :-1]).logits[0]
            nats += torch.nn.functional.cross_entropy(logits, window[1:], reduction="sum").item()
    bits = nats / math.log(2) / len(text.encode())
    print(f"{found} bits per byte, transformers {bits}")
    assert found == pytest.approx(bits, rel=1e-5)
    assert printed == pytest.approx(bits, rel=5.1e-3)  # it prints three digits
