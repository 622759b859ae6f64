"""Floors: the products that a pass of GPT-2 cannot do without, and nothing else."""

from __future__ import annotations

import numpy as np

from benchmark.basics import MeasuredRun, Setup, seconds
from gptlite import GPTConfig

# Queries whose scores are made together, no key after the last of them being looked at.
QUERIES = 128


def matrices(config: GPTConfig) -> tuple[list[list[np.ndarray]], np.ndarray]:
    """Draw each block's four matrices ``[n_in, n_out]`` and the embedding ``[n_vocab, n_embd]``."""
    rng, d = np.random.default_rng(0), config.n_embd
    shapes = [(d, 3 * d), (d, d), (d, 4 * d), (4 * d, d)]
    blocks = [
        [rng.standard_normal(shape, np.float32) for shape in shapes] for _ in range(config.n_layer)
    ]
    return blocks, rng.standard_normal((config.n_vocab, d), np.float32)


def matrix_vector(n_tokens: int, setup: Setup) -> MeasuredRun:
    """Prepare a decoded token's products: a vector by every matrix, each read from memory once."""
    blocks, embedding = matrices(setup.config)
    d = setup.config.n_embd
    vectors = {n: np.ones(n, np.float32) for n in (d, 4 * d)}
    n_bytes = embedding.nbytes + sum(matrix.nbytes for block in blocks for matrix in block)

    def products() -> None:
        for _ in range(n_tokens):
            for block in blocks:
                for matrix in block:
                    vectors[len(matrix)] @ matrix
            embedding @ vectors[d]

    def measured_run() -> dict[str, float]:
        took = seconds(products)
        return {"": n_tokens / took, "GB/s": n_tokens * n_bytes / took / 1e9}

    return measured_run


def matrix_matrix(seq: int, setup: Setup) -> MeasuredRun:
    """Prepare a prompt's products: all positions by every matrix, and attention's two.

    Scores of keys that are hidden from a whole block of queries are not made, and of the logits
    only the last position's.
    """
    config = setup.config
    blocks, embedding = matrices(config)
    d, n_head = config.n_embd, config.n_head
    inputs = {n: np.ones((seq, n), np.float32) for n in (d, 4 * d)}  # [seq, n]
    # [3, head, seq, head_dim]: views, as a model has them
    q, k, v = np.ones((seq, 3, n_head, config.head_dim), np.float32).transpose(1, 2, 0, 3)
    starts = range(0, seq, QUERIES)
    seen = sum(min(QUERIES, seq - start) * min(start + QUERIES, seq) for start in starts)
    weights = sum(matrix.size for block in blocks for matrix in block)
    n_operations = 2 * (seq * weights + 2 * config.n_layer * seen * d + embedding.size)

    def products() -> None:
        for block in blocks:
            for matrix in block:
                inputs[len(matrix)] @ matrix
            for start in starts:
                end = start + QUERIES
                scores = q[:, start:end] @ k[:, :end].swapaxes(1, 2)  # [head, queries, seen]
                scores @ v[:, :end]
        embedding @ inputs[d][-1]

    def measured_run() -> dict[str, float]:
        took = seconds(products)
        return {"": seq / took, "GFLOP/s": n_operations / took / 1e9}

    return measured_run
