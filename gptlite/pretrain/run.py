"""A run of pre-training in its directory: prepared or resumed, trained, measured.

The run starts from text files. It learns a vocabulary, encodes the texts, trains, and writes
``config.json``, ``model.safetensors``, ``vocab.json`` and ``merges.txt`` to a directory that
``gptlite.load`` opens. Beside them are ``log.jsonl`` (a line of measurements for each report) and
the files that ``--resume`` needs.

A run may be killed at any moment. ``state.npz`` is written last, after all files of the same step:
if it is there, the others are too, and anything newer is made again.

GPT-1 paper, section 3.1 (unsupervised pre-training); GPT-2 paper, section 2.
"""

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gptlite.checkpoints.strict_json import MAX_BYTES, parse_object
from gptlite.checks import check_int, check_range
from gptlite.command import say, uninterrupted
from gptlite.config import GPTConfig
from gptlite.errors import CheckpointError
from gptlite.fast.threads import cpu_count
from gptlite.files import read_small, write_atomically
from gptlite.model import GPT
from gptlite.outputs import check_room, output_folder, undone_on_failure
from gptlite.pretrain.clock import Clock
from gptlite.pretrain.data import open_token_file, write_token_file
from gptlite.pretrain.held_out import (
    held_out_windows,
    print_bits_per_byte,
    sample,
    validation_loss,
)
from gptlite.pretrain.log import RunLog, starting_line, vocabulary_warning
from gptlite.pretrain.trainer import STATE_FILE, Recipe, Trainer, seconds_per_step, train
from gptlite.texts import read_documents, text_files
from gptlite.tokenizer import Tokenizer
from gptlite.training.backward import Ids
from gptlite.views.curve import character_plot
from gptlite.views.learning import loss_curve

TOKEN_FILE, RUN_FILE, LOG_FILE = "tokens.npy", "run.json", "log.jsonl"


def pretrain(options: argparse.Namespace) -> None:
    """Prepare or resume the run, train to its end, and print its measurements.

    Args:
        options: see ``__main__.py``.

    Raises:
        CheckpointError, DownloadError, OSError, ValueError: a file or an option is not what it
            should be.
        FloatingPointError: training has diverged.
    """
    check_int("--every", options.every, least=1)
    check_range("--report-seconds", options.report_seconds, 0, math.inf)
    options.sample.encode()  # refuses what is not UTF-8, before the first report does
    # Read these now: an unreadable text should be refused before the training, not after it.
    texts = {file: read_documents(file).texts for file in text_files(options.validation or [])}
    out = Path(options.out)
    if not options.overwrite and not options.resume and (out / STATE_FILE).exists():
        raise ValueError(
            f"{out} holds a run already: --resume goes on with it, another --out or --overwrite "
            "begins anew"
        )
    with output_folder(options.out, STATE_FILE, options.overwrite or options.resume):
        if options.resume:
            trainer, tokenizer, tokens = resume(out)  # [tokens]
        else:
            with undone_on_failure(out):
                trainer, tokenizer, tokens = prepare(options, out)  # [tokens]
        learn(trainer, tokenizer, tokens, texts, options)
        print_bits_per_byte(trainer, tokenizer, texts, out)


def learn(
    trainer: Trainer,
    tokenizer: Tokenizer,
    tokens: Ids,
    texts: Mapping[Path, Sequence[str]],
    options: argparse.Namespace,
) -> None:
    """Train to the end, with reports; after Ctrl-C, save what has been learned.

    Args:
        tokens: the corpus, ``[tokens]``.
        texts: the documents of each validation file.
    """
    out = Path(options.out)
    log = RunLog(out / LOG_FILE, trainer.step)
    windows = held_out_windows(texts, tokenizer, trainer.model.config.n_ctx)
    if options.resume:
        say(f"going on from step {trainer.step:,} of {trainer.n_steps:,}")

    def report(trainer: Trainer, loss: float, speed: float) -> None:
        line: dict[str, Any] = {
            "step": trainer.step,
            "tokens": trainer.step * trainer.tokens_per_step,
            "loss": round(loss, 4),
            "tokens_per_second": round(speed),
        }
        line |= validation_loss(trainer.model, tokenizer, windows)
        line["sample"] = sample(trainer.model, tokenizer, options.sample)
        with uninterrupted():
            trainer.model.save_pretrained(out)
            log.write(line)
            trainer.save_state(out)

    try:
        train(trainer, tokens, options.every, report, options.report_seconds)
    except KeyboardInterrupt:
        with uninterrupted():
            trainer.model.save_pretrained(out)
            trainer.save_state(out)
            say(f"step {trainer.step:,} of {trainer.n_steps:,} is saved")
        raise
    if len(log.lines) > 1:
        marks = "\u25cf\u25cb" if sys.stderr.isatty() else "*o"
        say(character_plot(loss_curve(log.lines), marks))


def prepare(options: argparse.Namespace, out: Path) -> tuple[Trainer, Tokenizer, Ids]:
    """Learn the vocabulary, encode the texts, draw the first weights, and write it all to ``out``.

    Returns:
        The trainer, the tokenizer, and the corpus, ``[tokens]``.

    Raises:
        ValueError, OSError, CheckpointError, DownloadError: see ``pretrain``.
    """

    def recipe(n_steps: int) -> Recipe:
        return Recipe(
            batch=options.batch,
            n_steps=n_steps,
            learning_rate=options.learning_rate,
            warm_up=max(1, min(200, n_steps // 10)),
            weight_decay=options.weight_decay,
            dropout=options.dropout,
            seed=options.seed,
            threads=cpu_count(),
        )

    def config(n_vocab: int, eot: int | None = None) -> GPTConfig:
        sizes = n_vocab, options.n_ctx, options.n_embd, options.n_head, options.n_layer
        return GPTConfig(*sizes, bos_token_id=eot, eos_token_id=eot)

    # Check everything that can be checked before the slow work, and before anything is written.
    if not options.data:
        raise ValueError("--data is needed: text files, or folders of them")
    files = text_files(options.data)
    for name in ("tokens", "minutes"):
        if getattr(options, name) is not None:
            check_range(f"--{name}", getattr(options, name), 0, math.inf, "()")
    if options.n_vocab < 257:
        raise ValueError(
            f"--n-vocab must be at least 257 (256 bytes, <|endoftext|>), not {options.n_vocab}"
        )
    sizes = config(options.n_vocab)
    recipe(1)
    # The state has three numbers for each parameter, the model one; each file is written beside the
    # one that it replaces. The tokens take no more room than the texts.
    check_room(out, 8 * 4 * sizes.n_params + sum(file.stat().st_size for file in files))
    for name in (STATE_FILE, LOG_FILE):  # of a run that is overwritten: --resume must not find it
        (out / name).unlink(missing_ok=True)
    if options.tokenizer:
        tokenizer = Tokenizer.from_pretrained(options.tokenizer)
    else:
        documents = (text for file in files for text in read_documents(file).texts)
        tokenizer = Tokenizer.train(documents, options.n_vocab)
    tokenizer.save_pretrained(out)
    count = write_token_file(out / TOKEN_FILE, tokenizer, files)
    # [tokens]
    tokens = open_token_file(out / TOKEN_FILE, tokenizer.n_vocab, options.n_ctx)
    eot = tokenizer.eot if tokenizer.has_eot else None
    model = GPT.init(config(tokenizer.n_vocab, eot), options.seed)
    # A trainer to be wasted, whose memory is free again before the run has its own.
    pace = seconds_per_step(Trainer(GPT.init(model.config), recipe(10_000)), tokens)
    clock = None
    if options.minutes is not None:
        n_steps = max(1, round(options.minutes * 60 / pace))
        clock = Clock(options.minutes * 60, n_steps)
    else:
        n_steps = math.ceil(options.tokens / (options.batch * options.n_ctx))
    trainer = Trainer(model, recipe(n_steps), clock)
    say(
        starting_line(trainer, count, pace),
        count.warning(),
        vocabulary_warning(tokenizer.n_vocab, len(tokens)),
    )

    here = ("out", "resume", "overwrite")
    kept = {name: value for name, value in vars(options).items() if name not in here}
    about = {
        "options": kept,
        "tokens_sha256": hashlib.sha256(tokens.data).hexdigest(),
        "vocabulary_sha256": vocabulary_sha256(tokenizer),
    }
    with write_atomically(out / RUN_FILE) as file:
        file.write(json.dumps(about, indent=1).encode())
    model.save_pretrained(out)
    trainer.save_state(out)
    return trainer, tokenizer, tokens


def read_run_file(out: Path) -> dict[str, Any]:
    """Read what ``prepare`` wrote down: the ``options``, and the sha256 of tokens and vocabulary.

    Raises:
        CheckpointError: there is no such file, or it is damaged.
    """
    path = out / RUN_FILE
    try:
        about = parse_object(read_small(path, MAX_BYTES), str(path))
        sums = {name: str(about[name]) for name in ("tokens_sha256", "vocabulary_sha256")}
        return {"options": dict(about["options"]), **sums}
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file: nothing to resume") from None
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: not the options of a run ({error!r})") from error


def vocabulary_sha256(tokenizer: Tokenizer) -> str:
    """Compute the sha256 of a vocabulary: its tokens with their ids, and its merges in order."""
    parts = [sorted(tokenizer.vocab.items()), tokenizer.merges]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def resume(out: Path) -> tuple[Trainer, Tokenizer, Ids]:
    """Open the trainer, the tokenizer and the corpus of a run, as they stand now.

    Raises:
        CheckpointError: a file is missing, damaged, or not of this run.
        ValueError, FileNotFoundError: the token file is damaged or missing.
    """
    trainer, tokenizer = Trainer.from_state(out), Tokenizer.from_pretrained(out)
    config = trainer.model.config
    if tokenizer.n_vocab != config.n_vocab:
        raise CheckpointError(
            f"{out}: the vocabulary has {tokenizer.n_vocab} tokens, the model {config.n_vocab}"
        )
    # [tokens]
    tokens = open_token_file(out / TOKEN_FILE, config.n_vocab, config.n_ctx)
    began_with = read_run_file(out)
    if hashlib.sha256(tokens.data).hexdigest() != began_with["tokens_sha256"]:
        raise CheckpointError(f"{out / TOKEN_FILE}: not the tokens that this run began with")
    if vocabulary_sha256(tokenizer) != began_with["vocabulary_sha256"]:
        raise CheckpointError(f"{out}: not the vocabulary that this run began with")
    # A run that was killed while writing leaves these behind.
    for name in (STATE_FILE, "model.safetensors"):
        for leftover in out.glob(f".{name}.*.tmp"):
            leftover.unlink()
    return trainer, tokenizer, tokens
