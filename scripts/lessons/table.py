"""The table: what a model shows of what the lessons are about."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
from demonstrations.cloze import nouns_of
from tqdm import tqdm

from gptlite.model import GPT
from gptlite.sampling import Sampler
from gptlite.tasks.choice import accuracy
from gptlite.tokenizer import Tokenizer
from gptlite.training.losses import bits_per_byte
from lessons.gaps import gap_choices, gaps
from lessons.induction import induction_scores, repeated
from lessons.stories import Story, share_that_keeps, tell, unknown_words
from lessons.texts import Texts

TALES_CONTEXT = 256  # the window that earlier storytellers were measured with
REPEATED = 25  # different random tokens, and then the same again


class Measure(NamedTuple):
    """A line of the table: what was measured, found and wanted.

    Attributes:
        name: what is measured.
        figure: what was found.
        wanted: what a storyteller has to reach.
        reached: whether this one does.
    """

    name: str
    figure: str
    wanted: str
    reached: bool


class Lessons:
    """All measures of one model.

    Attributes:
        model, tokenizer: whose figures they are.
        texts: what they are measured with.
        n_seeds: how many stories of its own it tells, with the seeds from 0 on.
        prompt: what they begin with.
        sampler: how their tokens are drawn.
    """

    def __init__(
        self,
        model: GPT,
        tokenizer: Tokenizer,
        texts: Texts,
        n_seeds: int = 100,
        n_gaps: int = 300,
        prompt: str = "Once upon a time",
        sampler: Sampler | None = None,
    ) -> None:
        self.model, self.tokenizer, self.texts = model, tokenizer, texts
        self.n_seeds, self.n_gaps, self.prompt = n_seeds, n_gaps, prompt
        self.sampler = sampler or Sampler(temperature=0.7)

    @cached_property
    def stories(self) -> list[Story]:
        """Stories of up to 300 new tokens, one for each seed."""
        return [
            tell(self.model, self.tokenizer, self.prompt, seed, self.sampler, 300)
            for seed in tqdm(range(self.n_seeds), desc="telling", leave=False, disable=None)
        ]

    def story_bits(self) -> Measure:
        """Measure the bits per byte of the held-out stories."""
        bits = bits_per_byte(self.model, self.tokenizer, self.texts.held_out)
        name = "bits per byte on held-out stories, each from its start"
        return Measure(name, f"{bits:.4f}", "0.68 or less", bits <= 0.68)

    def tale_bits(self) -> Measure:
        """Measure the bits per byte of the held-out tales, the mean over the books."""
        context = min(TALES_CONTEXT, self.model.config.n_ctx)
        books = [
            bits_per_byte(self.model, self.tokenizer, tale, context) for tale in self.texts.tales
        ]
        bits = float(np.mean(books))
        name = f"bits per byte on held-out tales, windows of {context}, mean of the books"
        return Measure(name, f"{bits:.4f}", "1.60 or less", bits <= 1.60)

    def endings(self) -> Measure:
        """Count the stories that end by themselves."""
        n = sum(story.ended for story in self.stories)
        name = "stories of up to 300 tokens that end by themselves"
        return Measure(name, f"{n} of {self.n_seeds}", "90 %", n >= 0.9 * self.n_seeds)

    def names(self) -> Measure:
        """Count, among the stories that end, those that name their first character again."""
        names = self.texts.names
        share, n = share_that_keeps((s.text for s in self.stories if s.ended), names)
        written, _ = share_that_keeps(self.texts.stories, names)
        name = "of those, the first character named is named again in the last third"
        figure = f"{share:.0%} of {n} (stories for training: {written:.0%})" if n else "none ends"
        return Measure(name, figure, "85 %", n > 0 and share >= 0.85)

    def words(self) -> Measure:
        """Count the words that stand in neither corpus."""
        unknown, n = unknown_words(self.stories, self.texts.counts)
        shown = f": {', '.join(sorted(set(unknown))[:8])}" if unknown else ""
        figure = f"{len(unknown)} of {n:,}{shown}"
        name = "words that are in neither corpus"
        return Measure(name, figure, "fewer than 1 in 500", 500 * len(unknown) < n)

    def robot(self) -> Measure:
        """Encode a word of the article's examples: is it one token?"""
        tokens = [self.tokenizer.decode([i]) for i in self.tokenizer.encode(" robot")]
        return Measure('" robot" in tokens', "|".join(tokens), "one", len(tokens) == 1)

    def induction(self) -> Measure:
        """Measure the induction score of the best head."""
        n = min(REPEATED, self.model.config.n_ctx // 2)
        scores = induction_scores(self.model, repeated(self.tokenizer.n_vocab - 1, n, rows=32))
        layer, head = np.unravel_index(int(scores.argmax()), scores.shape)
        best = float(scores.max())
        figure = f"{best:.2f} (block {layer}, head {head})"
        return Measure("induction score on random tokens, best head", figure, "0.5", best >= 0.5)

    def gaps(self) -> Measure:
        """Measure how often the true noun is the likeliest of ten in a held-out sentence."""
        nouns = nouns_of(self.texts.stories)
        found = list(gaps(self.texts.held_out, nouns, self.texts.counts, self.n_gaps))
        told, alone = (
            accuracy(self.model, self.tokenizer, gap_choices(found, with_story)).by_sum
            for with_story in (True, False)
        )
        figure = f"{told:.0%} of {len(found)} (the sentence alone: {alone:.0%})"
        name = "gap sentences of held-out stories, the true noun among ten"
        return Measure(name, figure, "75 %", told >= 0.75)

    def measures(self) -> dict[str, Callable[[], Measure]]:
        """List the measures by name, in the order of the table."""
        return {
            "stories": self.story_bits,
            "tales": self.tale_bits,
            "endings": self.endings,
            "names": self.names,
            "words": self.words,
            "robot": self.robot,
            "induction": self.induction,
            "gaps": self.gaps,
        }
