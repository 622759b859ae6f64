"""All benchmarks, by the name that ``--only`` takes."""

from __future__ import annotations

from benchmark.basics import Benchmark
from benchmark.contestants import (
    finetuning,
    model,
    short_texts,
    start,
    storyteller,
    text,
    training,
)

BENCHMARKS: dict[str, Benchmark] = {
    **model.BENCHMARKS,
    **start.BENCHMARKS,
    **training.BENCHMARKS,
    **finetuning.BENCHMARKS,
    **text.BENCHMARKS,
    **short_texts.BENCHMARKS,
    **storyteller.BENCHMARKS,
}
