"""The storyteller as its user meets it: streaming, and guessing ahead."""

from __future__ import annotations

from functools import partial

import gptlite
from benchmark.basics import ROOT, Benchmark, Contestant, MeasuredRun, Setup, per_second, seconds
from gptlite.generate import generate_tokens, stream_samples
from gptlite.sampling import Sampler

STORYTELLER = ROOT / "gptlite" / "storyteller"
FILES = (STORYTELLER / "config.json", STORYTELLER / "model.safetensors")
BEGINNING = "Once upon a time"
STORY_TOKENS = 200
GUESSES = 8

# After some verses of a refrain the storyteller sings, greedily, one of its own without end.
VERSE = "Row, row, row the boat.\nUp the hill and down the hill.\n\n"
VERSES, SUNG_TOKENS = 3, 150


def stream_story(setup: Setup) -> MeasuredRun:
    model, tokenizer = gptlite.load(STORYTELLER)
    n_tokens = min(STORY_TOKENS, model.config.n_ctx // 2)

    def measured_run() -> dict[str, float]:
        made = 0

        def tell() -> None:
            nonlocal made
            pieces = stream_samples(model, tokenizer, BEGINNING, max_new_tokens=n_tokens, seed=0)
            # A piece for each token and one more at the end, unless the story ended before.
            made = min(n_tokens, sum(1 for _ in pieces))

        took = seconds(tell)
        return {"": made / took}

    return measured_run


def repeats_itself(ids: list[int]) -> bool:
    """Say whether the second half only repeats, word for word, what was said before."""
    half = len(ids) // 2
    return any(ids[half:] == ids[half - back : -back] for back in range(1, half + 1))


def guess_ahead(most: int, setup: Setup) -> MeasuredRun:
    """Time so many guesses, in tokens per second, where guessing pays and where it does not."""
    model, tokenizer = gptlite.load(STORYTELLER)

    def continued(text: str, temperature: float, n_tokens: int) -> list[int]:
        sampler = Sampler(temperature=temperature, top_k=0)
        prompts = [tokenizer.encode(text)]
        steps = generate_tokens(model, prompts, sampler, n_tokens, seed=0, speculate=most)
        return [int(step.ids[0]) for step in steps]

    sing = partial(continued, VERSE * VERSES, 0.0, SUNG_TOKENS)
    tell = partial(continued, BEGINNING, 1.0, STORY_TOKENS)
    if not repeats_itself(sing()) or repeats_itself(tell()):
        raise ValueError("the refrain is to repeat itself and the story is not: choose others")
    return lambda: {
        "a refrain, greedily": per_second(SUNG_TOKENS, sing),
        "a story at temperature 1": per_second(STORY_TOKENS, tell),
    }


BENCHMARKS = {
    "storyteller": Benchmark(
        "the storyteller, streaming",
        "tokens/s",
        rounds=9,
        quick_rounds=3,
        contestants=(Contestant("gptlite", stream_story),),
        files=FILES,
    ),
    "speculate": Benchmark(
        f"the storyteller with speculate={GUESSES}",
        "tokens/s",
        rounds=15,
        quick_rounds=3,
        contestants=(
            Contestant("gptlite", partial(guess_ahead, GUESSES)),
            Contestant("gptlite without guesses", partial(guess_ahead, 0), yardstick=True),
        ),
        files=FILES,
    ),
}
