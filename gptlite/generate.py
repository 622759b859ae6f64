"""Auto-regression: each token chosen is added to the text, and the text read again for the next.

First comes the loop, in tokens; then the same in text, which can be printed as it is made; last the
command, ``python -m gptlite.generate "Once upon a time"``.
"""

import argparse
import codecs
import sys
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

import gptlite
from gptlite.command import Parser, complain, finish, speak_utf8, standard_input, utf8
from gptlite.errors import ContextOverflowError
from gptlite.layers import Array
from gptlite.model import GPT, KVCache
from gptlite.sampling import Sampler, check_int, log_softmax
from gptlite.speculation import Lookup
from gptlite.tokenizer import Tokenizer

Overflow = Literal["error", "slide"]
DEFAULT_NEW_TOKENS = 200
PROGRAM = "gptlite-generate"


# ---- The loop, in tokens ------------------------------------------------------------------------


class Step(NamedTuple):
    """One turn of the loop: the token chosen for each row, and the logits it was chosen from."""

    ids: NDArray[np.int64]  # [batch]
    logits: Array  # [batch, n_vocab]

    @property
    def logprobs(self) -> Array:
        """Log-probability of each chosen token, ``[batch]``, in nats.

        It is the model's own, before temperature and filters, so that it can be compared between
        samplers and summed to score a text.
        """
        return log_softmax(self.logits)[np.arange(len(self.ids)), self.ids]


def auto_regress(
    model: GPT,
    windows: list[list[int]],
    max_new_tokens: int,
    sampler: Sampler,
    rngs: Sequence[np.random.Generator],
    use_cache: bool,
    speculate: int,
) -> Iterator[Step]:
    """Read, choose, append, and again. ``windows``: for each row, the tokens the model looks at.

    Article: "One Difference From BERT" and "Evaluation Time: Processing One Token at a Time". With
    a cache every token is read once; without, all of them are read again at every step, and the
    result is the same.

    When a row outgrows the context, its older half is forgotten (by the repetition penalty too) and
    the newer half read again: keys and values were computed for the old positions.

    With speculation the tokens that may come next are guessed, and read together with the one that
    was chosen last. Every token is still chosen from the model's own logits, and once one differs
    from the guess the rest of the pass is forgotten: the result is the same again.
    """
    cache, n_made, n_ctx = None, 0, model.config.n_ctx
    lookup = Lookup(windows[0]) if speculate else None
    while n_made < max_new_tokens:
        guessed: list[int] = []
        if cache is None:
            unread, mask = left_padded(windows)  # [batch, seq]
            cache = KVCache(model.config, len(windows)) if use_cache else None
        elif lookup is not None:
            wanted = max_new_tokens - n_made - 1, n_ctx - len(windows[0])
            guessed = lookup.guess(min(speculate, *wanted))
            unread = np.append(unread, [guessed], axis=1).astype(np.int64)  # [1, 1 + guessed]
        n_guessed = len(guessed)
        logits = model(unread, cache=cache, attention_mask=mask, logits_to_keep=1 + n_guessed)
        for n_right in range(1 + n_guessed):
            ids = sampler(logits[:, n_right], windows, rngs)  # [batch]
            n_made += 1
            yield Step(ids, logits[:, n_right])
            for window, chosen in zip(windows, ids.tolist(), strict=True):
                window.append(chosen)
                if slide(window, n_ctx):
                    cache = None
            if lookup is not None:
                lookup.extend(ids.tolist())
            if guessed[n_right : n_right + 1] != ids.tolist():
                break
        if cache is not None:
            cache.length -= n_guessed - n_right
        unread = ids[:, None]  # [batch, 1]
        if mask is not None:
            mask = np.pad(mask, [(0, 0), (0, 1)], constant_values=True)  # [batch, total + 1]


def slide(window: list[int], n_ctx: int) -> bool:
    """If the window outgrew the context, keep its last ``n_ctx // 2`` tokens (at least one)."""
    outgrown = len(window) > n_ctx
    if outgrown:
        del window[: -max(1, n_ctx // 2)]
    return outgrown


def left_padded(rows: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    """Rows as ``[batch, seq]``, and a mask, False at padding; None where no row is shorter.

    >>> ids, mask = left_padded([[5], [6, 7]])
    >>> ids.tolist(), mask.tolist()
    ([[0, 5], [6, 7]], [[False, True], [True, True]])
    """
    lengths = np.array([[len(row)] for row in rows])  # [batch, 1]
    seq = lengths.max()
    mask = np.arange(seq) >= seq - lengths  # [batch, seq]
    ids = np.zeros(mask.shape, np.int64)  # [batch, seq]
    ids[mask] = np.concatenate(rows)
    return ids, None if mask.all() else mask


def generate_tokens(
    model: GPT,
    prompts: Sequence[ArrayLike],
    sampler: Sampler,
    max_new_tokens: int | None = None,
    seed: int | None = None,
    overflow: Overflow = "error",
    use_cache: bool = True,
    speculate: int = 0,
) -> Iterator[Step]:
    """Continue rows of token ids side by side, one ``Step`` at a time.

    It goes on past ``<|endoftext|>``: whoever reads the steps decides when to stop.

    Args:
        prompts: for each row its token ids; their numbers may differ.
        sampler: how the next token is chosen.
        max_new_tokens: how many steps; None for 200, or as many as fit if those are fewer.
        seed: row i draws from ``np.random.default_rng([seed, i])``, whatever other rows there are;
            None for other tokens every time.
        overflow: past ``n_ctx`` tokens, "error" refuses before any work, "slide" goes on with the
            newer half of the tokens.
        use_cache: keep keys and values instead of computing them again.
        speculate: how many tokens to guess at most, of a single row: see ``generate``.

    Raises:
        ContextOverflowError: a prompt and its new tokens are more than ``n_ctx``.
        TypeError, ValueError: an argument is not what it should be.
    """
    windows = [checked_ids(prompt) for prompt in prompts]
    if not windows:
        raise ValueError("no prompts: give at least one row of token ids")
    if overflow not in ("error", "slide"):
        raise ValueError(f"overflow must be 'error' or 'slide', not {overflow!r}")
    if seed is not None:
        check_int("seed", seed, least=0)
    check_int("speculate", speculate, least=0)
    if speculate and len(windows) > 1:
        raise ValueError(f"speculate is for a single text, not for {len(windows)} side by side")
    n_ctx, longest = model.config.n_ctx, max(map(len, windows))
    room = n_ctx - longest
    if max_new_tokens is None:
        max_new_tokens = DEFAULT_NEW_TOKENS
        if overflow == "error" and 0 < room < max_new_tokens:
            max_new_tokens = room
    check_int("max_new_tokens", max_new_tokens, least=0)
    if overflow == "error" and max_new_tokens > room:
        fit = f"{room} new tokens fit, not {max_new_tokens}" if room >= 0 else "it does not fit"
        raise ContextOverflowError(
            f"the context holds {n_ctx} tokens and the prompt has {longest}: {fit} "
            "(with overflow slide it goes on, and forgets the older half)"
        )
    for window in windows:
        slide(window, n_ctx)
    keys = [None if seed is None else [seed, row] for row in range(len(windows))]
    rngs = [np.random.default_rng(key) for key in keys]
    return auto_regress(model, windows, max_new_tokens, sampler, rngs, use_cache, speculate)


def checked_ids(prompt: ArrayLike) -> list[int]:
    """One row of token ids as a list, or the error that says what is wrong with it."""
    ids = np.asarray(prompt)
    if ids.size == 0:
        raise ValueError(
            "a prompt has no token ids: give at least one (an empty text has <|endoftext|>)"
        )
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        raise TypeError(f"a prompt must be a list of token ids, not {ids.dtype} {list(ids.shape)}")
    row: list[int] = ids.tolist()
    return row


# ---- The loop, in text --------------------------------------------------------------------------


class Text:
    """The text of one sample as it grows: in whole characters, and without its stop string."""

    def __init__(self, tokenizer: Tokenizer, stop: Collection[str]) -> None:
        self.tokenizer = tokenizer
        self.stop = stop
        # A token may end inside a character: its bytes wait in the decoder for the rest.
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.held = ""
        self.ended = False

    def add(self, token: int) -> str:
        """The piece of text that is now certain, or ""."""
        if token == self.tokenizer.eot:
            return self.end()
        if self.ended:
            return ""
        self.held += self.decoder.decode(self.tokenizer.decode_bytes([token]))
        found = [(at + len(s), at) for s in self.stop if (at := self.held.find(s)) >= 0]
        if found:
            _, at = min(found)  # the stop string that was complete first
            self.held = self.held[:at]
            return self.end()
        # What could be the beginning of a stop string is held back until more is known.
        beginnings = (s[:n] for s in self.stop for n in range(1, len(s)))
        wait = max((len(s) for s in beginnings if self.held.endswith(s)), default=0)
        certain = len(self.held) - wait
        piece, self.held = self.held[:certain], self.held[certain:]
        return piece

    def end(self) -> str:
        """The piece that was held back: no more tokens come."""
        piece, self.held, self.ended = self.held, "", True
        return piece


def generate(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str | None = None,
    max_new_tokens: int | None = None,
    temperature: float = 0.8,
    top_k: int = 40,
    top_p: float = 1.0,
    seed: int | None = None,
    repetition_penalty: float = 1.0,
    stop: str | Collection[str] = (),
    overflow: Overflow = "error",
    speculate: int = 0,
) -> str:
    """Continue a text.

    Article: "Crash Course in Brain Surgery: Looking Inside GPT-2".

    Args:
        prompt: the text; None or "" for ``<|endoftext|>``, after which the model begins a new one.
        max_new_tokens: the most tokens to add; None for 200, or as many as fit if those are fewer.
        temperature, top_k, top_p, repetition_penalty: see ``Sampler``; temperature 0 is greedy.
        seed: the same seed gives the same text; None a new one every time.
        stop: strings at which the text ends, as it does at ``<|endoftext|>``; they are left off.
        overflow: past ``n_ctx`` tokens, "error" refuses before any work, "slide" goes on with the
            newer half of the tokens.
        speculate: where the text ends as it ended before, guess up to so many tokens to go on as it
            did then, and check them in one pass. The text is the same; it comes faster where it
            repeats itself (code, refrains, quotations). 8 is a good number.

    Returns:
        The continuation, without the prompt. A last character cut short by the length is left off.

    Raises:
        ContextOverflowError: the prompt and the new tokens are more than ``n_ctx``.
        TypeError, ValueError: an argument is not what it should be.
    """
    pieces = stream(
        model,
        tokenizer,
        prompt,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        repetition_penalty=repetition_penalty,
        seed=seed,
        stop=stop,
        overflow=overflow,
        speculate=speculate,
    )
    return "".join(pieces)


def stream(
    model: GPT, tokenizer: Tokenizer, prompt: str | None = None, **options: Any
) -> Iterator[str]:
    """The text of ``generate``, which see for the options, in pieces as they are made."""
    return (piece for [piece] in stream_samples(model, tokenizer, prompt, 1, **options) if piece)


def generate_samples(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str | None = None,
    num_samples: int = 1,
    **options: Any,
) -> list[str]:
    """Several continuations of one prompt, computed side by side; the options are ``generate``'s.

    The first is what ``generate`` gives; none depends on how many others there are.
    """
    steps = stream_samples(model, tokenizer, prompt, num_samples, **options)
    return ["".join(pieces) for pieces in zip(*steps, strict=True)]


def stream_samples(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str | None = None,
    num_samples: int = 1,
    **options: Any,
) -> Iterator[list[str]]:
    """The next piece of every sample, side by side, until all have ended; a piece may be ""."""
    return text_pieces(*begin(model, tokenizer, prompt, num_samples, **options))


def begin(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str | None = None,
    num_samples: int = 1,
    max_new_tokens: int | None = None,
    seed: int | None = None,
    stop: str | Collection[str] = (),
    overflow: Overflow = "error",
    speculate: int = 0,
    **sampling: Any,
) -> tuple[Iterator[Step], list[Text]]:
    """The steps of a generation to come, and for each sample the text they will make."""
    check_int("num_samples", num_samples, least=1)
    stop = [stop] if isinstance(stop, str) else stop
    if not isinstance(stop, Collection) or not all(isinstance(s, str) for s in stop):
        raise TypeError(f"stop must be a string or a list of strings, not {stop!r}")
    if "" in stop:
        raise ValueError("a stop string must not be empty")
    ids = tokenizer.encode("" if prompt is None else prompt) or [tokenizer.eot]
    prompts, sampler = [ids] * num_samples, Sampler(**sampling)
    steps = generate_tokens(
        model, prompts, sampler, max_new_tokens, seed, overflow, speculate=speculate
    )
    return steps, [Text(tokenizer, stop) for _ in prompts]


def text_pieces(steps: Iterator[Step], texts: list[Text]) -> Iterator[list[str]]:
    """The tokens of each step as text, one piece for each row."""
    for step in steps:
        yield [text.add(token) for text, token in zip(texts, step.ids.tolist(), strict=True)]
        if all(text.ended for text in texts):
            return
    yield [text.end() for text in texts]


# ---- The command --------------------------------------------------------------------------------


def command_line() -> Parser:
    """The command's options, under the names of ``generate``'s arguments."""
    parser = Parser(PROGRAM, description="Continue a text with a GPT-2, or begin one.")
    add, or_else = parser.add_argument, "(default: %(default)s)"
    add("prompt", nargs="?", type=utf8, metavar="PROMPT", help="the text; - reads standard input")
    add("--model", help="a name or a path (default: the storyteller that ships with gptlite)")
    add("--max-new-tokens", type=int, metavar="N", help="(default: 200, or as many as fit)")
    add("--temperature", type=float, default=0.8, metavar="T", help=f"0 is greedy {or_else}")
    add("--top-k", type=int, default=40, metavar="K", help=f"0 cuts nothing {or_else}")
    add("--top-p", type=float, default=1.0, metavar="P", help=f"1 cuts nothing {or_else}")
    add("--repetition-penalty", type=float, default=1.0, metavar="R", help=f"1 is none {or_else}")
    add("--seed", type=int, metavar="N", help="same seed, same text (default: new every time)")
    add(
        "--num-samples",
        type=int,
        default=1,
        metavar="N",
        help=f"how many texts; several are not streamed {or_else}",
    )
    add("--stop", type=utf8, action="append", default=[], metavar="TEXT", help="end before TEXT")
    add(
        "--overflow",
        choices=["error", "slide"],
        default="error",
        help=f"when the context is full: refuse, or forget its older half {or_else}",
    )
    add("--speculate", type=int, default=0, metavar="N", help=f"guess N tokens ahead {or_else}")
    add("--no-stream", action="store_true", help="print the text when it is complete")
    add("--show", action="store_true", help="each token's probability and its runners-up")
    add("--interactive", action="store_true", help="continue each line of standard input")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0, or 2 after an error, or 130 after Ctrl-C.
    """
    speak_utf8()
    return finish(PROGRAM, lambda: run(command_line().parse_args(argv)))


def run(args: argparse.Namespace) -> None:
    """Load the model and answer the one prompt, or each line of standard input."""
    # The settings are checked before a model is loaded, which may take long.
    Sampler(args.temperature, args.top_k, args.top_p, args.repetition_penalty)
    if args.show and args.num_samples != 1:
        raise ValueError("--show follows one sample: leave --num-samples out")
    prompt = args.prompt or ""
    if args.interactive and prompt:
        raise ValueError("--interactive reads its prompts from standard input: leave PROMPT out")
    if prompt == "-":
        prompt = standard_input(whole=True).removesuffix("\n")
    model, tokenizer = gptlite.load(args.model)
    if not args.interactive:
        answer(model, tokenizer, prompt, args)
        return
    while True:
        print("prompt> ", end="", file=sys.stderr, flush=True)
        line = standard_input(whole=False)
        if not line:
            return
        try:
            answer(model, tokenizer, line.removesuffix("\n"), args)
        except ContextOverflowError as failure:
            complain(PROGRAM, failure)  # a shorter line may do better


def answer(model: GPT, tokenizer: Tokenizer, prompt: str, args: argparse.Namespace) -> None:
    """Print the prompt and its continuation; where several are asked for, each under a heading."""
    others = ("prompt", "model", "num_samples", "no_stream", "show", "interactive")
    options = {name: value for name, value in vars(args).items() if name not in others}
    if args.show:
        from gptlite.views.terminal import has_colour, lines_of_steps

        steps, [growing] = begin(model, tokenizer, prompt, **options)
        for line in lines_of_steps(tokenizer, prompt, steps, growing, has_colour(sys.stdout)):
            print(line, flush=True)
        return
    if args.num_samples != 1:
        texts = generate_samples(model, tokenizer, prompt, args.num_samples, **options)
        for number, text in enumerate(texts, 1):
            print(f"=== sample {number} ===\n{prompt}{text}", flush=True)
        return
    pieces = stream(model, tokenizer, prompt, **options)
    if args.no_stream:
        pieces = iter(["".join(pieces)])
    try:
        print(prompt, end="", flush=True)
        for piece in pieces:
            print(piece, end="", flush=True)
    finally:
        print(flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
