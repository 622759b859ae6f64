"""All benchmarks, by the name that ``--only`` takes."""

from __future__ import annotations

from benchmark.basics import Benchmark
from benchmark.contestants import finetuning, model, start, storyteller, text, training

BENCHMARKS: dict[str, Benchmark] = {
    **model.BENCHMARKS,
    **start.BENCHMARKS,
    **training.BENCHMARKS,
    **finetuning.BENCHMARKS,
    **text.BENCHMARKS,
    **storyteller.BENCHMARKS,
}
