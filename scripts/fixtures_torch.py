"""Write the files in tests/fixtures/torch: ``python scripts/fixtures_torch.py``.

Needs torch. Run once; the files are committed, so that the plain tests need no torch. They hold one
tiny GPT-2 in the forms that are found in the wild: as transformers saves it, zip and legacy; as a
checkpoint of nanoGPT's train.py; as a state dict of minGPT's.
"""

from __future__ import annotations

import argparse
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fixtures_shapes import SIZES, parameters

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "torch"
LINEAR = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def write_torch(folder: Path) -> None:
    """Write the four files, and ``expected.npz`` with every parameter's array under its name."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = parameters()
    np.savez_compressed(folder / "expected.npz", **arrays)

    hub = state_dict(arrays) | masks()
    hub._metadata = OrderedDict({"": {"version": 1}})  # as torch.nn.Module.state_dict adds it
    torch.save(hub, folder / "hub_zip.bin")
    torch.save(hub, folder / "hub_legacy.bin", _use_new_zipfile_serialization=False)

    nanogpt = state_dict(linear_layout(arrays))
    nanogpt["lm_head.weight"] = nanogpt["transformer.wte.weight"]  # one storage
    torch.save(nanogpt_checkpoint(nanogpt), folder / "nanogpt.pt")

    mingpt = state_dict(linear_layout(arrays)) | masks("transformer.")
    mingpt["lm_head.weight"] = mingpt["transformer.wte.weight"].clone()  # not tied, only equal
    torch.save(mingpt, folder / "mingpt.pt")


def state_dict(arrays: dict[str, np.ndarray]) -> OrderedDict[str, torch.Tensor]:
    """The same in torch, each in a storage of its own."""
    return OrderedDict((name, torch.from_numpy(a.copy())) for name, a in arrays.items())


def masks(prefix: str = "") -> OrderedDict[str, torch.Tensor]:
    """The causal masks, which older code saved as if they were weights."""
    mask = torch.tril(torch.ones(SIZES["n_ctx"], SIZES["n_ctx"]))[None, None]
    names = [f"{prefix}h.{i}.attn.bias" for i in range(SIZES["n_layer"])]
    return OrderedDict((name, mask.clone()) for name in names)


def linear_layout(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """nanoGPT's and minGPT's names, and matrices as torch.nn.Linear has them: [n_out, n_in]."""
    return {
        f"transformer.{name}": np.ascontiguousarray(a.T) if name.endswith(LINEAR) else a
        for name, a in arrays.items()
    }


def nanogpt_checkpoint(state: OrderedDict[str, torch.Tensor]) -> dict[str, Any]:
    """What nanoGPT's train.py saves; for brevity its optimizer has one parameter, of its own."""
    weight = torch.nn.Parameter(torch.ones(SIZES["n_embd"]))
    optimizer = torch.optim.AdamW([weight])
    weight.grad = torch.ones_like(weight)
    optimizer.step()
    model_args = {key: SIZES[key] for key in ("n_layer", "n_head", "n_embd")}
    model_args |= {"block_size": SIZES["n_ctx"], "bias": True, "vocab_size": SIZES["n_vocab"]}
    return {
        "model": state,
        "optimizer": optimizer.state_dict(),
        "model_args": model_args | {"dropout": 0.0},
        "iter_num": 2000,
        "best_val_loss": torch.tensor(3.25),
        "config": {"out_dir": "out", "compile": True, "learning_rate": 6e-4},
    }


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.partition(":")[0]).parse_args()
    write_torch(FOLDER)
