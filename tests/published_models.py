"""Other people's GPTs in PyTorch, written here after what they publish: names, shapes, mathematics.

Each is trained for some steps, because an untrained model hides its differences: an output layer
copied from the input embedding is told from a tied one only when both have moved.
"""

import json
import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional

NO_DROPOUT = dict.fromkeys(["resid_pdrop", "embd_pdrop", "attn_pdrop"], 0.0)  # transformers'
MINGPT_SIZES = {"gpt-nano": (3, 3, 48), "gpt-micro": (4, 4, 128)}  # n_layer, n_head, n_embd


class NewGELU(nn.Module):
    """minGPT's and makemore's activation function: GPT-2's own."""

    def forward(self, x: Any) -> Any:
        inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))
        return 0.5 * x * (1.0 + torch.tanh(inner))


class CausalSelfAttention(nn.Module):
    def __init__(self, n_embd: int, n_head: int, block_size: int, bias: bool, masks: bool) -> None:
        super().__init__()
        self.n_head = n_head
        self.c_attn = nn.Linear(n_embd, 3 * n_embd, bias=bias)
        self.c_proj = nn.Linear(n_embd, n_embd, bias=bias)
        if masks:
            mask = torch.tril(torch.ones(block_size, block_size))
            self.register_buffer("bias", mask.view(1, 1, block_size, block_size))

    def forward(self, x: Any) -> Any:
        batch, seq, width = x.shape
        q, k, v = (
            part.view(batch, seq, self.n_head, -1).transpose(1, 2)
            for part in self.c_attn(x).split(width, dim=2)
        )
        scores = q @ k.transpose(-2, -1) / math.sqrt(k.shape[-1])
        future = torch.ones(seq, seq, dtype=torch.bool).triu(1)
        y = F.softmax(scores.masked_fill(future, -torch.inf), dim=-1) @ v
        return self.c_proj(y.transpose(1, 2).reshape(batch, seq, width))


class LayerNorm(nn.Module):
    """nanoGPT's: its shift may be missing."""

    def __init__(self, n_embd: int, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_embd))
        self.bias = nn.Parameter(torch.zeros(n_embd)) if bias else None

    def forward(self, x: Any) -> Any:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


class MLP(nn.Module):
    def __init__(self, n_embd: int, bias: bool, activation: nn.Module) -> None:
        super().__init__()
        self.c_fc = nn.Linear(n_embd, 4 * n_embd, bias=bias)
        self.c_proj = nn.Linear(4 * n_embd, n_embd, bias=bias)
        self.activation = activation

    def forward(self, x: Any) -> Any:
        return self.c_proj(self.activation(self.c_fc(x)))


class Block(nn.Module):
    def __init__(
        self, n_embd: int, n_head: int, block_size: int, bias: bool, masks: bool, exact: bool
    ) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(n_embd, bias)
        self.attn = CausalSelfAttention(n_embd, n_head, block_size, bias, masks)
        self.ln_2 = LayerNorm(n_embd, bias)
        self.mlp = MLP(n_embd, bias, nn.GELU() if exact else NewGELU())

    def forward(self, x: Any) -> Any:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class PublishedGPT(nn.Module):
    """minGPT, makemore's Transformer, or nanoGPT, without dropout.

    Args:
        tied, exact: nanoGPT's output layer is its input embedding, and its GELU the exact one; the
            two others have a layer of its own and the tanh form.
        bias: nanoGPT may have no biases.
        masks: minGPT and makemore save the causal masks with the weights.
    """

    def __init__(
        self,
        vocab_size: int,
        block_size: int,
        n_layer: int,
        n_head: int,
        n_embd: int,
        tied: bool,
        exact: bool,
        bias: bool = True,
        masks: bool = True,
    ) -> None:
        super().__init__()
        block = n_embd, n_head, block_size, bias, masks, exact
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(vocab_size, n_embd),
                "wpe": nn.Embedding(block_size, n_embd),
                "h": nn.ModuleList([Block(*block) for _ in range(n_layer)]),
                "ln_f": LayerNorm(n_embd, bias),
            }
        )
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)
        if tied:
            self.transformer.wte.weight = self.lm_head.weight

    def forward(self, ids: Any) -> Any:
        part = self.transformer
        x = part.wte(ids) + part.wpe(torch.arange(ids.shape[1]))
        for block in part.h:
            x = block(x)
        return self.lm_head(part.ln_f(x))


def train(model: nn.Module, n_tokens: int, seq: int, steps: int = 12, seed: int = 0) -> None:
    """Train for a few large steps on random ids, until no gain is 1 and no bias 0."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    for _ in range(steps):
        ids = torch.randint(n_tokens, (4, seq + 1), generator=generator)
        found = model(ids[:, :-1])
        logits = getattr(found, "logits", found)
        F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()


def save_mingpt(model: nn.Module, folder: Path, model_type: str | None, **sizes: Any) -> None:
    """Save what minGPT's chargpt.py leaves in its folder: model.pt, config.json and args.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), folder / "model.pt")
    unset = dict.fromkeys(["n_layer", "n_head", "n_embd", "vocab_size", "block_size"])
    config = {
        "system": {"seed": 1337, "work_dir": "./out/chargpt"},
        "data": {"block_size": 128},
        "model": {"model_type": model_type, **unset, "embd_pdrop": 0.1, "attn_pdrop": 0.1} | sizes,
        "trainer": {"device": "auto", "num_workers": 4, "betas": [0.9, 0.95], "max_iters": None},
    }
    (folder / "config.json").write_text(json.dumps(config, indent=4))
    (folder / "args.txt").write_text("chargpt.py")


def nanogpt_checkpoint(model: nn.Module, **model_args: Any) -> dict[str, Any]:
    """Make what nanoGPT's train.py saves as ckpt.pt."""
    optimizer = torch.optim.AdamW(model.parameters())
    return {
        "model": OrderedDict((f"_orig_mod.{n}", t) for n, t in model.state_dict().items()),
        "optimizer": optimizer.state_dict(),
        "model_args": model_args,
        "iter_num": 2000,
        "best_val_loss": torch.tensor(3.25),
        "config": {"out_dir": "out", "compile": True, "learning_rate": 6e-4},
    }
