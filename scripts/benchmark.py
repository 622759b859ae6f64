"""Measure gptlite's speed beside its peers': ratios from one run, printed as a Markdown table.

    python scripts/benchmark.py                         # all benchmarks, some minutes
    python scripts/benchmark.py --quick --only training encode

Every contestant is a process of its own, all with the same number of threads. The parent tells them
in turn to do one measured run (A B A B ...), so that whatever else the machine does meets all of
them alike. The table goes to standard output, the progress bar to standard error.

Peers that are not installed, and benchmarks whose data are missing, are left out and named.

To add a benchmark: write a function for each contestant, which gets everything ready and gives back
what does one measured run; then list them in ``BENCHMARKS``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import random
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
# From a clone the package need not be installed.
sys.path.insert(0, str(ROOT))

import gptlite  # noqa: E402
from gptlite import GPT, GPTConfig, KVCache, Tokenizer, Trace  # noqa: E402
from gptlite.command import FAILURES, Parser, complain  # noqa: E402
from gptlite.generate import generate_tokens, stream_samples  # noqa: E402
from gptlite.sampling import Sampler  # noqa: E402
from gptlite.training.data import read_texts, text_files  # noqa: E402
from gptlite.training.loop import Recipe, Trainer  # noqa: E402
from gptlite.training.threads import cpu_count  # noqa: E402

PROGRAM = "benchmark.py"
DATA = Path(os.environ.get("GPTLITE_TEST_DATA", ROOT.parent / "shared"))
OFFICIAL_VOCABULARY = DATA / "gpt2-tokenizer"
TALES = DATA / "corpora" / "tales" / "train"
STORYTELLER = ROOT / "gptlite" / "storyteller"

TRAINING_CONFIG = GPTConfig(n_vocab=4096, n_ctx=256, n_embd=256, n_head=4, n_layer=6)
TRAINING_BATCH = 16
GPT2_CONFIG = GPTConfig.preset("gpt2")
PROMPT_TOKENS, NEW_TOKENS = 32, 64
PREFILL_TOKENS = 1024
ENCODED_BYTES = 1_000_000
LEARNED_TOKENS = (4096, 32_000)
STORY_TOKENS = 200

# Contestants' threads may go on spinning for a moment after their work: the next one waits it out.
PAUSE_SECONDS = 0.1
WARM_UPS = 1  # rounds not counted: memory is claimed and threads are started in them

Rates = dict[str, float]  # {part of the benchmark: amount per second}; "" where it has one part
MeasuredRun = Callable[[], Rates]


def per_second(amount: float, work: Callable[[], object]) -> float:
    """Do the work; how much of it a second."""
    began = time.perf_counter()
    work()
    return amount / (time.perf_counter() - began)


def random_ids(config: GPTConfig, *shape: int) -> np.ndarray:
    """Token ids, the same for every contestant."""
    return np.random.default_rng(0).integers(0, config.n_vocab, shape)


def transformers_model(config: GPTConfig, attention: str, threads: int) -> Any:
    """Hugging Face's GPT-2 with the weights of ``GPT.init(config)``, without dropout."""
    import torch
    import transformers

    torch.set_num_threads(threads)
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
    weights = peer.transformer.state_dict()
    for name, array in GPT.init(config).parameters.items():
        weights[name].copy_(torch.from_numpy(array))
    return peer.eval()


def tales() -> list[str]:
    """The training tales, a text for each book."""
    return list(read_texts(text_files([TALES])))


def encoded_text() -> str:
    """The first megabyte of the tales."""
    return "\n".join(tales()).encode()[:ENCODED_BYTES].decode(errors="ignore")


# ---- Training: one step of gradients, clipping and AdamW ----------------------------------------


def training_batch() -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets ``[batch, n_ctx]``."""
    ids = random_ids(TRAINING_CONFIG, TRAINING_BATCH, TRAINING_CONFIG.n_ctx + 1)
    return np.ascontiguousarray(ids[:, :-1]), np.ascontiguousarray(ids[:, 1:])


def training_gptlite(threads: int) -> MeasuredRun:
    inputs, targets = training_batch()
    recipe = Recipe(batch=TRAINING_BATCH, n_steps=10_000, threads=threads)
    trainer = Trainer(GPT.init(TRAINING_CONFIG), recipe)
    return lambda: {"": per_second(inputs.size, lambda: trainer.train_step(inputs, targets))}


def training_transformers(attention: str, threads: int) -> MeasuredRun:
    import torch

    inputs, targets = map(torch.from_numpy, training_batch())
    peer = transformers_model(TRAINING_CONFIG, attention, threads).train()
    optimizer = torch.optim.AdamW(peer.parameters(), lr=1e-4, betas=(0.9, 0.99), weight_decay=0.1)

    def train_step() -> float:
        logits = peer(inputs, use_cache=False).logits  # [batch, n_ctx, n_vocab]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(peer.parameters(), 1.0)
        optimizer.step()
        return float(loss.detach())

    return lambda: {"": per_second(inputs.numel(), train_step)}


# ---- Decoding: token after token, greedily ------------------------------------------------------


def decode_gptlite(threads: int) -> MeasuredRun:
    # NumPy took its number of threads from the environment: see Worker.
    model, prompt = GPT.init(GPT2_CONFIG), random_ids(GPT2_CONFIG, PROMPT_TOKENS)

    def decode() -> None:
        steps = list(generate_tokens(model, [prompt], Sampler(temperature=0), NEW_TOKENS))
        assert len(steps) == NEW_TOKENS

    return lambda: {"": per_second(NEW_TOKENS, decode)}


def decode_transformers(attention: str, threads: int) -> MeasuredRun:
    import torch

    peer = transformers_model(GPT2_CONFIG, attention, threads)
    prompt = torch.from_numpy(random_ids(GPT2_CONFIG, 1, PROMPT_TOKENS))
    mask = torch.ones_like(prompt)

    def decode() -> None:
        ids = peer.generate(
            prompt, attention_mask=mask, max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=0
        )
        assert ids.shape == (1, PROMPT_TOKENS + NEW_TOKENS)

    return lambda: {"": per_second(NEW_TOKENS, decode)}


# ---- Prefill: a long prompt into the cache, and the logits of its last position -----------------


def prefill_gptlite(threads: int) -> MeasuredRun:
    model, ids = GPT.init(GPT2_CONFIG), random_ids(GPT2_CONFIG, 1, PREFILL_TOKENS)

    def prefill() -> None:
        model(ids, cache=KVCache(GPT2_CONFIG), logits_to_keep=1)

    return lambda: {"": per_second(PREFILL_TOKENS, prefill)}


def prefill_transformers(attention: str, threads: int) -> MeasuredRun:
    import torch

    peer = transformers_model(GPT2_CONFIG, attention, threads)
    ids = torch.from_numpy(random_ids(GPT2_CONFIG, 1, PREFILL_TOKENS))

    def prefill() -> None:
        with torch.inference_mode():
            peer(ids, use_cache=True, logits_to_keep=1)

    return lambda: {"": per_second(PREFILL_TOKENS, prefill)}


# ---- Trace: a short text, every intermediate array kept, beside the same call without -----------


def traced_gptlite(keeps: bool, threads: int) -> MeasuredRun:
    model, ids = GPT.init(GPT2_CONFIG), random_ids(GPT2_CONFIG, 1, PROMPT_TOKENS)

    def call() -> None:
        model(ids, trace=Trace() if keeps else None)

    return lambda: {"": per_second(PROMPT_TOKENS, call)}


# ---- Encoding and decoding, with a new tokenizer and with one that has seen the text -------------


def hard_texts() -> dict[str, str]:
    """Texts of one long word each, for which a careless encoder needs the square of the time."""
    letters = random.Random(0).choices(string.ascii_lowercase, k=ENCODED_BYTES)
    return {
        "a million equal letters, first pass": "a" * ENCODED_BYTES,
        "a million random letters, first pass": "".join(letters),
    }


Encode, Decode = Callable[[str], list[int]], Callable[[list[int]], str]


def two_passes(new_tokenizer: Callable[[], tuple[Encode, Decode]]) -> MeasuredRun:
    """Time encoding and decoding of the text, and of the hard ones; each run takes a new one."""
    text, hard = encoded_text(), hard_texts()
    megabytes = len(text.encode()) / 1e6

    def measured_run() -> Rates:
        encode, decode = new_tokenizer()
        ids: list[int] = []
        rates = {
            "first pass": per_second(megabytes, lambda: ids.extend(encode(text))),
            "second pass": per_second(megabytes, lambda: encode(text)),
            "decoding its ids": per_second(megabytes, lambda: decode(ids)),
        }
        for name, hard_text in hard.items():
            rates[name] = per_second(len(hard_text) / 1e6, partial(encode, hard_text))
        return rates

    return measured_run


def encode_gptlite(threads: int) -> MeasuredRun:
    def new_tokenizer() -> tuple[Encode, Decode]:
        tokenizer = Tokenizer.from_pretrained(OFFICIAL_VOCABULARY)
        return tokenizer.encode, tokenizer.decode

    return two_passes(new_tokenizer)


def encode_tiktoken(threads: int) -> MeasuredRun:
    # Its loader would keep copies of the files in a folder of its own.
    os.environ["TIKTOKEN_CACHE_DIR"] = ""
    import tiktoken
    from tiktoken.load import data_gym_to_mergeable_bpe_ranks
    from tiktoken_ext.openai_public import r50k_pat_str

    ranks = data_gym_to_mergeable_bpe_ranks(
        vocab_bpe_file=str(OFFICIAL_VOCABULARY / "vocab.bpe"),
        encoder_json_file=str(OFFICIAL_VOCABULARY / "encoder.json"),
    )
    special = {"<|endoftext|>": len(ranks)}

    def new_tokenizer() -> tuple[Encode, Decode]:
        tokenizer = tiktoken.Encoding(
            "gpt2", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens=special
        )
        return tokenizer.encode_ordinary, tokenizer.decode

    return two_passes(new_tokenizer)


# ---- Learning a vocabulary ----------------------------------------------------------------------


def learn(train: Callable[[list[str], int], int]) -> MeasuredRun:
    """Time learning vocabularies of all sizes; ``train`` gives back how many tokens it learned."""
    texts = tales()
    megabytes = sum(len(text.encode()) for text in texts) / 1e6

    def train_and_check(n_vocab: int) -> None:
        learned = train(texts, n_vocab)
        assert learned == n_vocab, f"{learned} tokens learned, not {n_vocab}"

    return lambda: {
        f"{n_vocab:,} tokens": per_second(megabytes, partial(train_and_check, n_vocab))
        for n_vocab in LEARNED_TOKENS
    }


def learn_gptlite(threads: int) -> MeasuredRun:
    return learn(lambda texts, n_vocab: Tokenizer.train(texts, n_vocab).n_vocab)


def learn_tokenizers(threads: int) -> MeasuredRun:
    import tokenizers
    from tokenizers.pre_tokenizers import ByteLevel

    def train(texts: list[str], n_vocab: int) -> int:
        peer = tokenizers.Tokenizer(tokenizers.models.BPE())
        peer.pre_tokenizer = ByteLevel(add_prefix_space=False)
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=n_vocab,
            special_tokens=["<|endoftext|>"],
            initial_alphabet=ByteLevel.alphabet(),
            show_progress=False,
        )
        peer.train_from_iterator(texts, trainer)
        return int(peer.get_vocab_size())

    return learn(train)


# ---- The storyteller, as its user meets it ------------------------------------------------------


def storyteller_gptlite(threads: int) -> MeasuredRun:
    model, tokenizer = gptlite.load(STORYTELLER)
    n_tokens = min(STORY_TOKENS, model.config.n_ctx // 2)

    def measured_run() -> Rates:
        began = time.perf_counter()
        pieces = stream_samples(
            model, tokenizer, "Once upon a time", max_new_tokens=n_tokens, seed=0
        )
        # A piece for each token and one more at the end, unless the story ended before.
        made = min(n_tokens, sum(1 for _ in pieces))
        return {"": made / (time.perf_counter() - began)}

    return measured_run


# ---- The list -----------------------------------------------------------------------------------


class Contestant(NamedTuple):
    """Who takes part: how its measured run is prepared, and the packages that needs."""

    name: str
    prepare: Callable[[int], MeasuredRun]  # called with the number of threads
    packages: tuple[str, ...] = ()


class Benchmark(NamedTuple):
    """What is measured, of whom (gptlite first), in how many rounds, and the files that needs."""

    title: str
    unit: str
    rounds: int
    quick_rounds: int
    contestants: tuple[Contestant, ...]
    files: tuple[Path, ...] = ()


def of_transformers(prepare: Callable[[str, int], MeasuredRun]) -> tuple[Contestant, ...]:
    """PyTorch with either way to compute attention: which is faster depends on the machine."""
    return tuple(
        Contestant(
            f"transformers on PyTorch, {attention} attention",
            partial(prepare, attention),
            ("torch", "transformers"),
        )
        for attention in ("eager", "sdpa")
    )


BENCHMARKS = {
    "training": Benchmark(
        "training step, 6 layers, 256 wide, 4 heads, context 256, vocabulary 4,096, batch 16",
        "tokens/s",
        rounds=15,
        quick_rounds=3,
        contestants=(
            Contestant("gptlite", training_gptlite),
            *of_transformers(training_transformers),
        ),
    ),
    "decode": Benchmark(
        f"decode, 124M shape, batch 1, greedy, {NEW_TOKENS} tokens after {PROMPT_TOKENS}",
        "tokens/s",
        rounds=9,
        quick_rounds=2,
        contestants=(Contestant("gptlite", decode_gptlite), *of_transformers(decode_transformers)),
    ),
    "prefill": Benchmark(
        f"prefill, 124M shape, {PREFILL_TOKENS:,} tokens, last logits",
        "tokens/s",
        rounds=9,
        quick_rounds=2,
        contestants=(
            Contestant("gptlite", prefill_gptlite),
            *of_transformers(prefill_transformers),
        ),
    ),
    "trace": Benchmark(
        f"with a trace, 124M shape, {PROMPT_TOKENS} tokens",
        "tokens/s",
        rounds=25,
        quick_rounds=7,
        contestants=(
            Contestant("gptlite", partial(traced_gptlite, True)),
            Contestant("gptlite without a trace", partial(traced_gptlite, False)),
        ),
    ),
    "encode": Benchmark(
        "encode 1 MB, the official vocabulary",
        "MB/s",
        rounds=15,
        quick_rounds=5,
        contestants=(
            Contestant("gptlite", encode_gptlite),
            Contestant("tiktoken", encode_tiktoken, ("tiktoken",)),
        ),
        files=(OFFICIAL_VOCABULARY / "encoder.json", OFFICIAL_VOCABULARY / "vocab.bpe", TALES),
    ),
    "learn": Benchmark(
        "learn a vocabulary from the tales",
        "MB/s",
        rounds=5,
        quick_rounds=1,
        contestants=(
            Contestant("gptlite", learn_gptlite),
            Contestant("Hugging Face tokenizers", learn_tokenizers, ("tokenizers",)),
        ),
        files=(TALES,),
    ),
    "storyteller": Benchmark(
        "the storyteller, streaming",
        "tokens/s",
        rounds=9,
        quick_rounds=3,
        contestants=(Contestant("gptlite", storyteller_gptlite),),
        files=(STORYTELLER / "config.json", STORYTELLER / "model.safetensors"),
    ),
}


# ---- A contestant's process ---------------------------------------------------------------------


def serve(benchmark: str, contestant: str, threads: int) -> None:
    """Be one contestant: prepare, say so, then one measured run for each line of standard input."""
    # Only answers go to standard output, whatever a library may print there.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    [prepare] = [c.prepare for c in BENCHMARKS[benchmark].contestants if c.name == contestant]
    measured_run = prepare(threads)
    print("{}", file=answers, flush=True)  # ready
    for _ in sys.stdin:
        print(json.dumps(measured_run()), file=answers, flush=True)


class Worker:
    """A contestant's process as the parent sees it."""

    def __init__(self, benchmark: str, contestant: str, threads: int) -> None:
        self.name = f"{benchmark}, {contestant}"
        n = str(threads)
        # The numerical libraries ask for their number of threads as they are loaded.
        environment = {
            **os.environ,
            "OPENBLAS_NUM_THREADS": n,
            "MKL_NUM_THREADS": n,
            "VECLIB_MAXIMUM_THREADS": n,
            "OMP_NUM_THREADS": n,
            "RAYON_NUM_THREADS": n,
            "TOKENIZERS_PARALLELISM": "true",
            "HF_HUB_OFFLINE": "1",
        }
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  (close() closes it)
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", benchmark, contestant, "--threads", n],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            encoding="utf-8",
            env=environment,
        )

    def answer(self) -> Rates:
        """The next line it answers.

        Raises:
            ChildProcessError: it ended instead; the message has its last words.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            self.errors.seek(0)
            words = self.errors.read().decode(errors="replace").strip().splitlines()
            raise ChildProcessError(f"{self.name}: {words[-1] if words else f'exit {status}'}")
        rates: Rates = json.loads(line)
        return rates

    def run(self) -> Rates:
        """One measured run."""
        assert self.process.stdin is not None
        time.sleep(PAUSE_SECONDS)
        try:
            self.process.stdin.write("run\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: answer() says why
        return self.answer()

    def close(self) -> None:
        """End it, whatever it is doing."""
        self.process.kill()
        self.process.communicate()
        self.errors.close()


@contextmanager
def started(benchmark: str, contestants: list[Contestant], threads: int) -> Iterator[list[Worker]]:
    """The contestants' processes, all of them ready; ended when the block ends."""
    with ExitStack() as stack:
        workers = []
        for contestant in contestants:
            workers.append(Worker(benchmark, contestant.name, threads))
            stack.callback(workers[-1].close)
        for worker in workers:
            worker.answer()
        yield workers


# ---- Measuring, and the table -------------------------------------------------------------------


class Row(NamedTuple):
    """Rates of one part of a benchmark, round by round: gptlite's, and each peer's by its name."""

    title: str
    unit: str
    gptlite: list[float]
    peers: dict[str, list[float]]


def measure(
    name: str, contestants: list[Contestant], rounds: int, threads: int, bar: tqdm[Any]
) -> list[Row]:
    """One round to warm up, then the measured ones: in each the contestants take turns."""
    history: list[list[Rates]] = []  # [round][contestant]
    bar.set_description(name)
    with started(name, contestants, threads) as workers:
        for _ in range(WARM_UPS + rounds):
            history.append([worker.run() for worker in workers])
            bar.update()
    benchmark, measured = BENCHMARKS[name], history[WARM_UPS:]
    rows = []
    for part in measured[0][0]:
        rates = {
            contestant.name: [of_round[i][part] for of_round in measured]
            for i, contestant in enumerate(contestants)
        }
        title = f"{benchmark.title}, {part}" if part else benchmark.title
        rows.append(Row(title, benchmark.unit, rates.pop("gptlite"), rates))
    return rows


def who_takes_part(names: Iterable[str]) -> tuple[dict[str, list[Contestant]], list[str]]:
    """For each benchmark that can be run its contestants; and who is left out, with the reason."""
    takes_part: dict[str, list[Contestant]] = {}
    absent = []
    for name in names:
        missing = [file for file in BENCHMARKS[name].files if not file.exists()]
        if missing:
            absent.append(f"{name} ({missing[0]} is missing)")
            continue
        takes_part[name] = []
        for contestant in BENCHMARKS[name].contestants:
            needed = [p for p in contestant.packages if importlib.util.find_spec(p) is None]
            if needed:
                absent.append(f"{contestant.name} in {name} ({needed[0]} is not installed)")
            else:
                takes_part[name].append(contestant)
    return takes_part, absent


def number(rate: float) -> str:
    """Three digits that count, or all before the decimal point."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:#.3g}"


def table(rows: list[Row]) -> str:
    """The rows in Markdown, each against the fastest of its peers."""
    lines = [
        "| benchmark | unit | gptlite | peer | which peer | ratio | lowest to highest | rounds |",
        "|---|---|--:|--:|---|--:|--:|--:|",
    ]
    for row in rows:
        cells = [row.title, row.unit, number(median(row.gptlite)), "", "", "", ""]
        if row.peers:
            fastest = max(row.peers, key=lambda name: median(row.peers[name]))
            peer = row.peers[fastest]
            # Round by round: what slowed the machine for a while slowed both.
            ratios = [ours / theirs for ours, theirs in zip(row.gptlite, peer, strict=True)]
            cells[3:] = [
                number(median(peer)),
                fastest,
                f"{median(ratios):.2f}",
                f"{min(ratios):.2f} to {max(ratios):.2f}",
            ]
        lines.append(f"| {' | '.join(cells)} | {len(row.gptlite)} |")
    return "\n".join(lines)


def slower_variants(rows: list[Row]) -> list[str]:
    """The peers that the table does not show, since another did better."""
    notes = []
    for row in rows:
        ordered = sorted(row.peers, key=lambda name: median(row.peers[name]))
        notes += [
            f"{row.title}: {name} {number(median(row.peers[name]))} {row.unit}"
            for name in ordered[:-1]
        ]
    return notes


def cpu_name() -> str:
    """The processor's name as the system has it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def machine(threads: int, packages: list[str]) -> str:
    """One line: the processor, the threads used, how busy it was before, the versions."""
    versions = [f"{package} {importlib.metadata.version(package)}" for package in packages]
    # Above nearly 0 other programs were running, and the numbers are not to be quoted.
    load = f", load before {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{cpu_name()}, {cpu_count()} cores, {threads} threads for each contestant{load}; "
        f"{platform.system()}, Python {platform.python_version()}, gptlite {gptlite.__version__}, "
        f"{', '.join(versions)}."
    )


# ---- The command --------------------------------------------------------------------------------


def command_line() -> Parser:
    """The command's options."""
    p = Parser(PROGRAM, description="Measure gptlite's speed beside its peers'.")
    p.add_argument("--quick", action="store_true", help="fewer rounds, for a first look")
    p.add_argument(
        "--only", nargs="+", choices=BENCHMARKS, metavar="NAME", help=f"of {', '.join(BENCHMARKS)}"
    )
    p.add_argument(
        "--threads", type=int, default=cpu_count(), help="for each contestant (all processors)"
    )
    p.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)  # this process is a contestant
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status: 0, or 2 after an error, or 130 after Ctrl-C."""
    options = command_line().parse_args(argv)
    if options.worker:
        serve(*options.worker, options.threads)
        return 0
    try:
        if options.threads < 1:
            raise ValueError(f"--threads must be at least 1, not {options.threads}")
        print(report(options), flush=True)
    except KeyboardInterrupt:
        complain(PROGRAM, "interrupted")
        return 130
    except FAILURES as failure:
        complain(PROGRAM, failure)
        return 2
    return 0


def report(options: argparse.Namespace) -> str:
    """Measure what was asked for; the table and the notes that belong to it."""
    takes_part, absent = who_takes_part(options.only or BENCHMARKS)
    if not takes_part:
        raise ValueError(f"nothing to measure: left out {'; '.join(absent)}")
    packages = {p for present in takes_part.values() for c in present for p in c.packages}
    about = machine(options.threads, ["numpy", *sorted(packages)])

    rounds = {
        name: BENCHMARKS[name].quick_rounds if options.quick else BENCHMARKS[name].rounds
        for name in takes_part
    }
    rows = []
    total = sum(WARM_UPS + n for n in rounds.values())
    with tqdm(total=total, unit="round", disable=None) as bar:
        for name, present in takes_part.items():
            rows += measure(name, present, rounds[name], options.threads, bar)

    notes = [
        "Medians. The ratio is gptlite's speed over its peer's in the same round: above 1, gptlite "
        "is the faster.",
        about,
    ]
    if slower := slower_variants(rows):
        notes.append(f"Slower than the peer shown: {'; '.join(slower)}.")
    if absent:
        notes.append(f"Left out: {'; '.join(absent)}.")
    return "\n\n".join([table(rows), *notes])


if __name__ == "__main__":
    raise SystemExit(main())
