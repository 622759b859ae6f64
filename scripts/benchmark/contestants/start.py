"""Before the first token: reading a file of weights, importing the package, starting afresh.

Every file is in the system's cache by the time it is measured.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmark.basics import (
    ROOT,
    VOCABULARY_FILES,
    Benchmark,
    Contestant,
    MeasuredRun,
    Setup,
    per_second,
)
from gptlite import GPT

PROMPT = "Once upon a time"
MINIMAL_TRANSFORMERS = Path(__file__).with_name("minimal_transformers.py")


def model_file(setup: Setup) -> Path:
    """Name the file of random weights of the shape, in safetensors form."""
    return setup.folder / setup.size / "model.safetensors"


def make_model(setup: Setup) -> None:
    """Write the weights and their config.json, unless they are there."""
    if not model_file(setup).exists():
        GPT.init(setup.config).save_pretrained(model_file(setup).parent)


def make_model_and_vocabulary(setup: Setup) -> None:
    """Write the model with the official vocabulary, under the names that both sides know."""
    make_model(setup)
    for file, name in zip(VOCABULARY_FILES, ("vocab.json", "merges.txt"), strict=True):
        shutil.copyfile(file, model_file(setup).with_name(name))


# ---- Loading, beside reading the file -----------------------------------------------------------


def load_gptlite(setup: Setup) -> MeasuredRun:
    file = model_file(setup)
    gigabytes = file.stat().st_size / 1e9
    return lambda: {"": per_second(gigabytes, lambda: GPT.from_pretrained(file))}


def load_safetensors(setup: Setup) -> MeasuredRun:
    from safetensors.numpy import load_file

    file = model_file(setup)
    gigabytes = file.stat().st_size / 1e9
    return lambda: {"": per_second(gigabytes, lambda: load_file(file))}


def load_into_torch(setup: Setup) -> MeasuredRun:
    from safetensors.torch import load_file

    file = model_file(setup)

    def load() -> None:
        for tensor in load_file(file).values():
            tensor.sum()  # it maps the file: only a touch reads it

    return lambda: {"": per_second(file.stat().st_size / 1e9, load)}


def read_file(claimed: bool, setup: Setup) -> MeasuredRun:
    """Read every byte of the file, into memory claimed before or, as a loader must, into new."""
    file = model_file(setup)
    n_bytes = file.stat().st_size
    memory = np.zeros(n_bytes, np.uint8) if claimed else None

    def read() -> None:
        rest = memoryview(np.empty(n_bytes, np.uint8) if memory is None else memory)
        with open(file, "rb", buffering=0) as opened:
            while rest:  # one read gives 2 GB at most
                n_read = opened.readinto(rest)
                assert n_read, "the file has become shorter"
                rest = rest[n_read:]

    return lambda: {"": per_second(n_bytes / 1e9, read)}


# ---- From nothing to the first token's text -----------------------------------------------------


def seconds_to_first_token(command: Sequence[str | Path]) -> float:
    """Time a process from its start until it has printed more than the prompt."""
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        shown = b""
        while len(shown) <= len(PROMPT):
            piece = os.read(process.stdout.fileno(), 4096)
            if not piece:
                raise ChildProcessError(f"{command[1]} ended before the first token")
            shown += piece
        took = time.perf_counter() - began
        process.stdout.read()
    return took


def start_gptlite(setup: Setup) -> MeasuredRun:
    command = [sys.executable, "-m", "gptlite.generate", "--model", model_file(setup).parent]
    command += ["--temperature", "0", "--max-new-tokens", "1", PROMPT]
    return lambda: {"": seconds_to_first_token(command)}


def start_transformers(setup: Setup) -> MeasuredRun:
    command = [sys.executable, MINIMAL_TRANSFORMERS, model_file(setup).parent, PROMPT]
    return lambda: {"": seconds_to_first_token(command)}


# ---- Importing ----------------------------------------------------------------------------------


def importing(package: str, first: str, setup: Setup) -> MeasuredRun:
    """Time, in a new process that has imported ``first``, the import of the package."""
    program = (
        f"import time, {first}\n"
        f"began = time.perf_counter()\nimport {package}\nprint(time.perf_counter() - began)"
    )

    def measured_run() -> dict[str, float]:
        command = [sys.executable, "-c", program]
        ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        return {"": float(ran.stdout)}

    return measured_run


# ---- The list -----------------------------------------------------------------------------------

BENCHMARKS = {
    "load": Benchmark(
        "load a safetensors file, {shape} shape",
        "GB/s",
        rounds=9,
        quick_rounds=2,
        contestants=(
            Contestant("gptlite", load_gptlite),
            Contestant("floor: reading the file", partial(read_file, True), yardstick=True),
            Contestant(
                "reading the file into new memory", partial(read_file, False), yardstick=True
            ),
            Contestant("safetensors.numpy", load_safetensors, ("safetensors",)),
            Contestant("safetensors.torch", load_into_torch, ("safetensors", "torch")),
        ),
        make=make_model,
        holds_weights=True,
    ),
    "start": Benchmark(
        "cold start to the first token's text, {shape} shape",
        "s",
        rounds=7,
        quick_rounds=1,
        contestants=(
            Contestant("gptlite", start_gptlite),
            Contestant(
                "minimal script with transformers", start_transformers, ("torch", "transformers")
            ),
        ),
        files=VOCABULARY_FILES,
        make=make_model_and_vocabulary,
        holds_weights=True,
    ),
    "import": Benchmark(
        "import gptlite, numpy having been imported",
        "s",
        rounds=15,
        quick_rounds=3,
        contestants=(
            Contestant("gptlite", partial(importing, "gptlite", "numpy")),
            Contestant("import numpy", partial(importing, "numpy", "sys"), yardstick=True),
        ),
    ),
}
