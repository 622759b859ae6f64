"""Load models of the four official shapes, with random weights, and compare with transformers.

    python scripts/checks/official_sizes.py gpt2 gpt2-medium gpt2-large gpt2-xl

For each size transformers writes a checkpoint and computes logits; gptlite opens it, saves it as
OpenAI's TensorFlow checkpoint, opens that as well, and once more in half precision. Each step is a
process of its own, so that its peak memory is its own. Needs the extra `peers`, and for gpt2-xl
20 GB of disk and 14 GB of memory (transformers needs that much). Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]

COUNTS = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
}
IDS = [464, 3290, 318, 2712, 287, 262, 2137, 13, 50256, 0, 40, 588]

PEER = """
import sys, numpy as np, torch, transformers
from gptlite.config import PRESETS
size, folder, ids = PRESETS[sys.argv[1]], sys.argv[2], eval(sys.argv[3])
torch.manual_seed(0)
model = transformers.GPT2LMHeadModel(transformers.GPT2Config(
    n_embd=size.n_embd, n_head=size.n_head, n_layer=size.n_layer)).eval()
with torch.no_grad():
    np.save(folder + "/logits.npy", model(torch.tensor([ids])).logits[0].numpy())
model.save_pretrained(folder + "/hub", max_shard_size="50GB")
"""

# Peak resident memory is what the kernel says of this process (VmHWM); the code of the process, of
# Python and of NumPy, is in it.
GPTLITE = """
import sys, time, numpy as np
began = time.perf_counter()
from gptlite import GPT
from gptlite.cache import KVCache
folder, place, dtype, ids = sys.argv[1], sys.argv[2], sys.argv[3], eval(sys.argv[4])
model = GPT.from_pretrained(folder + "/" + place, dtype=dtype)
loaded = time.perf_counter() - began
cache = KVCache(model.config)
token = model(ids, cache=cache, logits_to_keep=1).argmax()
model([token], cache=cache)
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
logits, expected = model(ids)[0], np.load(folder + "/logits.npy")
print(model.config.n_params, peak, loaded, np.abs(logits - expected).max() / np.ptp(expected))
if len(sys.argv) > 5:
    model.save_pretrained(folder + "/" + sys.argv[5], format="openai")
"""


class Figures(NamedTuple):
    """The figures of one way of opening a checkpoint.

    Attributes:
        n_params: parameters found.
        peak: peak resident memory of loading and one generated token, bytes.
        seconds: from the start of Python's imports to the loaded model.
        difference: greatest difference from transformers' logits, as a share of their spread.
    """

    n_params: int
    peak: int
    seconds: float
    difference: float


def check(name: str, folder: Path) -> dict[str, Figures]:
    """Write a checkpoint of one size into a folder, open it in every way; way -> figures."""
    run(PEER, name, str(folder), repr(IDS))
    ways = {
        "safetensors": ("hub", "float32", "openai"),
        "TensorFlow": ("openai", "float32"),
        "float16": ("hub", "float16"),
    }
    figures = {}
    for way, (place, dtype, *save) in ways.items():
        n_params, peak, *rest = run(GPTLITE, str(folder), place, dtype, repr(IDS), *save).split()
        figures[way] = Figures(int(n_params), int(peak), *map(float, rest))
    return figures


def index_bytes(folder: Path) -> int:
    """Measure the length in bytes of the TensorFlow index that ``check`` wrote."""
    return (folder / "openai" / "model.ckpt.index").stat().st_size


def allowed_peak(name: str) -> int:
    """Compute the most bytes of memory that loading a size in float32 may take."""
    return int(1.08 * 4 * COUNTS[name] + 100e6)


def run(code: str, *arguments: str) -> str:
    """Run a program; return what it prints. Its own complaints go to stderr."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout


def main() -> None:
    """Check the sizes asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(COUNTS))
    parser.add_argument("--folder", help="where to write, instead of a temporary folder")
    options = parser.parse_args()
    if unknown := set(options.names) - set(COUNTS):
        parser.error(f"unknown size {', '.join(sorted(unknown))}: expected {', '.join(COUNTS)}")
    print("| size | way | parameters | peak, GB | weights, GB | load, s | logits differ by |")
    print("|---|---|---|---|---|---|---|")
    for name in options.names or list(COUNTS):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            for way, found in check(name, Path(folder)).items():
                weights = found.n_params * (2 if way == "float16" else 4)
                print(
                    f"| {name} | {way} | {found.n_params:,} | {found.peak / 1e9:.3f} "
                    f"| {weights / 1e9:.3f} | {found.seconds:.1f} | {found.difference:.1e} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
