"""Write the checkpoints in tests/fixtures/hub: ``python scripts/fixtures_hub.py``.

Needs the extra `peers`. Run once; the files are committed, so that the tests need no transformers.
One tiny GPT-2 as transformers saves it, in one file and in several, and as safetensors saves it in
bfloat16 with another's prefix and the output embedding a second time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import transformers
from fixtures_shapes import SIZES, parameters
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "hub"


def main() -> None:
    """Write the files."""
    argparse.ArgumentParser(description=__doc__.partition(":")[0]).parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    arrays = parameters()
    np.savez_compressed(FOLDER / "expected.npz", **arrays)
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    config = transformers.GPT2Config(
        vocab_size=SIZES["n_vocab"],
        n_positions=SIZES["n_ctx"],
        **{name: SIZES[name] for name in ("n_embd", "n_head", "n_layer")},
        bos_token_id=SIZES["n_vocab"] - 1,
        eos_token_id=SIZES["n_vocab"] - 1,
    )
    model = transformers.GPT2LMHeadModel(config)
    model.transformer.load_state_dict(state, strict=True)
    model.save_pretrained(FOLDER / "single")
    model.save_pretrained(FOLDER / "sharded", max_shard_size="8KB")
    half = {f"transformer.{name}": tensor.bfloat16() for name, tensor in state.items()}
    half["lm_head.weight"] = half["transformer.wte.weight"].clone()
    config.save_pretrained(FOLDER / "bfloat16")
    save_file(half, FOLDER / "bfloat16" / "model.safetensors", {"format": "pt"})
    for folder in ("single", "sharded", "bfloat16"):
        (FOLDER / folder / "generation_config.json").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
