"""A benchmark and its contestants: what they are given, and what they give back."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gptlite import GPT, GPTConfig

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("GPTLITE_TEST_DATA", ROOT.parent / "shared"))
OFFICIAL_VOCABULARY = DATA / "gpt2-tokenizer"
VOCABULARY_FILES = (OFFICIAL_VOCABULARY / "encoder.json", OFFICIAL_VOCABULARY / "vocab.bpe")

Figures = dict[str, float]  # {part of the benchmark: its figure}; "" where it has one part
MeasuredRun = Callable[[], Figures]


class Setup(NamedTuple):
    """The settings that all contestants are given."""

    threads: int
    size: str  # one of the official ones, for the benchmarks of a size to choose
    folder: Path  # where a benchmark's files are made; gone when all is measured
    quick: bool

    @property
    def config(self) -> GPTConfig:
        """The shape of the size."""
        return GPTConfig.preset(self.size)


class Contestant(NamedTuple):
    """A participant, and how its measured run is prepared.

    Attributes:
        prepare: gets everything ready, and gives back what does one measured run.
        packages: packages that it needs installed.
        yardstick: no peer but something to measure by, with a row of its own: a floor, or gptlite
            itself at something else. Figures that gptlite has no equal of go into the notes.
        thorough: left out of a quick look.
    """

    name: str
    prepare: Callable[[Setup], MeasuredRun]
    packages: tuple[str, ...] = ()
    yardstick: bool = False
    thorough: bool = False


class Benchmark(NamedTuple):
    """A thing to measure, and its contestants.

    Attributes:
        title: "{shape}" in it stands for the shape of ``Setup.size``.
        unit: of the figures. Figures per second are the better the higher; all others (seconds,
            GB) the lower.
        rounds, quick_rounds: measured rounds, in full and in a quick look; 0 leaves it out of one.
        warm_ups: rounds before the measured ones, not counted: memory is claimed and threads are
            started in them. A quick look of a single round does without.
        contestants: gptlite first.
        units: the units of parts that have another.
        files: files that must exist.
        make: makes the files that the contestants read, once, before they start.
        holds_weights: every contestant has a model of ``Setup.size`` in memory; where they do not
            fit side by side, the last of them are left out.
    """

    title: str
    unit: str
    rounds: int
    quick_rounds: int
    contestants: tuple[Contestant, ...]
    warm_ups: int = 1
    units: dict[str, str] = {}  # noqa: RUF012  (never changed)
    files: tuple[Path, ...] = ()
    make: Callable[[Setup], None] | None = None
    holds_weights: bool = False


def seconds(work: Callable[[], object]) -> float:
    """Do the work; return the seconds it took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def per_second(amount: float, work: Callable[[], object]) -> float:
    """Do the work; return how much of it was done per second."""
    return amount / seconds(work)


def random_ids(config: GPTConfig, *shape: int) -> np.ndarray:
    """Draw token ids, the same for every contestant."""
    return np.random.default_rng(0).integers(0, config.n_vocab, shape)


def of_transformers(prepare: Callable[[str, Setup], MeasuredRun]) -> tuple[Contestant, ...]:
    """Enter PyTorch with both ways to compute attention: the faster depends on the machine."""
    return tuple(
        Contestant(
            f"transformers on PyTorch, {attention} attention",
            partial(prepare, attention),
            ("torch", "transformers"),
            thorough=attention == "eager",
        )
        for attention in ("sdpa", "eager")  # the first is what transformers takes if not told
    )


def transformers_model(config: GPTConfig, attention: str, threads: int) -> Any:
    """Hugging Face's GPT-2 with the weights of ``GPT.init(config)``, without dropout."""
    import torch
    import transformers

    torch.set_num_threads(threads)
    with torch.device("meta"):  # without weights of its own, or it would hold two models at first
        peer = transformers.GPT2LMHeadModel(
            transformers.GPT2Config(
                vocab_size=config.n_vocab,
                n_positions=config.n_ctx,
                n_embd=config.n_embd,
                n_head=config.n_head,
                n_layer=config.n_layer,
                layer_norm_epsilon=config.layer_norm_epsilon,
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
                # No token ends a text, or the contestants might not generate equally many.
                bos_token_id=None,
                eos_token_id=None,
                attn_implementation=attention,
            )
        )
    weights = {n: torch.from_numpy(array) for n, array in GPT.init(config).parameters.items()}
    peer.transformer.load_state_dict(weights, assign=True)
    peer.tie_weights()
    return peer.eval()
