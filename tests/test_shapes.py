"""The shapes in comments are those of the arrays, on the reading path and where models learn."""

import importlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from runpy import run_path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

import gptlite
from tracer import Tracer, faults

ROOT = Path(gptlite.__file__).resolve().parent.parent

# The files whose every array has its shape beside it.
READING_PATH = (
    *("layers.py", "block.py", "model.py", "cache.py", "call.py", "sampling.py", "trace.py"),
    *("activation.py", "tree.py", "gpt1.py"),
    *("generate/loop.py", "generate/samples.py", "generate/speculation.py"),
)
FAST = (
    *("fast/chunks.py", "fast/memory.py", "fast/bpe.py", "fast/merging.py"),
    *("fast/pairs.py", "fast/rows.py", "fast/words.py"),
    *("fast/joining.py", "fast/products.py"),
    "offsets.py",
)
LEARNING = ("training", "pretrain", "finetune")  # each file that computes with NumPy, but doors


def with_arrays(folder: str) -> list[str]:
    """List a folder's files that compute with arrays, except its door."""
    paths = sorted((ROOT / "gptlite" / folder).glob("[!_]*.py"))
    return [
        f"{folder}/{path.name}"
        for path in paths
        if re.search("import numpy|Array", path.read_text("utf-8"))
    ]


FILES = (*READING_PATH, *FAST, *(file for folder in LEARNING for file in with_arrays(folder)))

# Sizes that are all different, as are those that the code makes of them: 3 * 15, 4 * 7.
SIZES = {"n_vocab": 23, "n_ctx": 13, "n_embd": 15, "head": 3, "head_dim": 5, "n_layer": 2}
SIZES |= {"n_inner": 60}


# ---- Calls that together run every such line ----------------------------------------------------
#
# The package is imported within these functions, for there it is the one that speaks.


def model_of(n_ctx: int = 13, n_vocab: int = 23) -> Any:
    """Make a random model of those sizes."""
    from gptlite import GPTConfig

    random_model = run_path(str(Path(__file__).with_name("models.py")))["random_model"]
    return random_model(GPTConfig(n_vocab=n_vocab, n_ctx=n_ctx, n_embd=15, n_head=3, n_layer=2))


def ids_of(batch: int, seq: int) -> np.ndarray[Any, Any]:
    """Draw token ids that any of the models knows."""
    return np.random.default_rng(seq).integers(0, 23, (batch, seq))


def forward(tracer: Tracer) -> None:
    """Run the model: whole, with padding, with a cache, in float16, with a trace and with edits."""
    from gptlite import GPT, KVCache, Trace
    from gptlite.trace import Unmasked

    assert repr(copy(model_of())).startswith("GPT(")
    model, ids, mask = model_of(), ids_of(4, 7), np.ones((4, 7))
    mask[0, :3] = 0
    with tracer.of(**SIZES, batch=4, seq=7, total=7):
        for kept in (None, 6):
            with tracer.of(**{} if kept is None else {"kept": kept}):
                model(ids, trace=Trace(), logits_to_keep=kept)
                model(ids, attention_mask=mask, logits_to_keep=kept)
        silent = {"h.0.attn.out": 0, "h.1.mlp.gelu": np.ones((4, 7, 60))}
        model(ids, trace=Trace({**silent, "h.1.attn.scores": lambda x, trace: x + 1}))
        half = {
            name: array.astype(np.float16) if array.ndim == 2 else array
            for name, array in model.parameters.items()
        }
        with tracer.of(rows=28):
            small = GPT(model.config, half)
            small(ids)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("gptlite.fast.products.HAS_BLAS", False)
                small(ids)
            weight = small.blocks[0]["mlp"]["c_fc"]["weight"]
            weight *= 2
        with TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            GPT.from_pretrained(folder)
    with tracer.of(**SIZES, batch=4):
        cache = KVCache(model.config, 4)
        with tracer.of(seq=4, total=4):
            model(ids[:, :4], cache)
        edits = {"h.0.attn.scores": 2, "h.1.attn.scores": Unmasked(2)}
        with tracer.of(seq=7, total=11):
            model(ids, cache.copy(), Trace(edits))
            model(ids, cache, attention_mask=np.pad(mask, [(0, 0), (4, 0)]))
        with tracer.of(seq=1, total=12):
            model(ids[:, :1], cache, trace := Trace())
        with pytest.raises(KeyError, match=r"no array named 'h.0.attn.z1': did you mean 'h.0.attn"):
            trace["h.0.attn.z1"]
        assert "    h.1.attn.k        [4, 3, 12, 5]" in repr(trace).splitlines()


def a_long_text(tracer: Tracer) -> None:
    """Run the model on more tokens than attention takes at a time."""
    from gptlite import KVCache

    model, ids = model_of(n_ctx=83), ids_of(4, 73)
    with tracer.of(**SIZES | {"n_ctx": 83}, batch=4):
        for mask in (None, np.ones((4, 73))):
            cache = KVCache(model.config, 4)
            model(ids[:, :2], cache)
            model(ids[:, 2:], cache, attention_mask=mask)


def shared_out(tracer: Tracer) -> None:
    """Multiply a few rows in blocks, all in one thread."""
    from gptlite.fast import lanes, products

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes, "hand_over", lambda *_: None)
        patch.setattr(products, "LEAST", 8)
        patch.setattr(products, "lanes", lambda: 2)
        patch.setattr(products, "BLOCK", 40)
        x = np.random.default_rng(0).standard_normal((5, 15), np.float32)
        for rows in (2, 5):
            with tracer.of(rows=rows):
                for weight in (np.ones((15, 9), np.float32), np.ones((9, 15), np.float32).T):
                    products.matrix_product(x[:rows], weight)


def sampling(tracer: Tracer) -> None:
    """Choose tokens with every filter, and greedily."""
    from gptlite.sampling import Sampler

    rngs = [np.random.default_rng(i) for i in range(4)]
    logits = rngs[0].standard_normal((4, 23), np.float32)
    with tracer.of(n_vocab=23, batch=4):
        for temperature in (0, 0.5):
            Sampler(temperature, 7, 0.9, 1.5)(logits, [[1, 2, 3]] * 4, rngs)


def generation(tracer: Tracer) -> None:
    """Generate rows side by side and one alone, past the context, without a cache, with guesses."""
    from gptlite.generate import generate_tokens
    from gptlite.sampling import Sampler

    model, sampler, rows = model_of(), Sampler(), [[1, 2, 3], [4, 5, 6, 7, 8], [9], [10, 11]]
    with tracer.of(**SIZES, batch=4):
        for cached in (True, False):
            for step in generate_tokens(model, rows, sampler, 15, 0, "slide", use_cache=cached):
                assert step.logprobs.shape == (4,)
    with tracer.of(**SIZES, batch=1):
        steps = generate_tokens(model, [[1, 2, 3] * 3], Sampler(0), 15, 0, "slide", speculate=4)
        assert len(list(steps)) == 15


def tokens_to_text(tracer: Tracer) -> None:
    """Learn a vocabulary, put the bytes of many tokens together, and generate text."""
    from gptlite import Tokenizer
    from gptlite.alphabet import EOT
    from gptlite.fast.pairs import PairRanks
    from gptlite.generate import generate, generate_samples, stream
    from gptlite.rules import Rules
    from gptlite.special import AddedToken

    tokenizer = Tokenizer.train(["the cat and the dog", "aaaaa"] * 3, 260)
    texts = ("", "the cat and the dog", "aaathe" * 20, "aaaaa the", " the cat and the dog" * 100)
    several = " ".join(f"the{n}." for n in range(300))  # pieces enough for the rounds
    # Long ones first: what is known by then is encoded no more.
    for text in (several, *("".join(texts[n:]) for n in range(3)), *texts):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode_batch(["the cat", "a"])[1] == tokenizer.encode("a")
    ids = np.random.default_rng(0).permutation(600).reshape(2, 300)  # enough: some share a slot
    ranks = {pair: rank for rank, pair in enumerate(zip(*ids.tolist(), strict=True))}
    assert np.array_equal(PairRanks(*ids, ranks).find(*ids), np.arange(300))
    assert tokenizer.offsets("thé") == [(0, 1), (1, 2), (2, 3), (2, 3)]
    few = {"t": 0, "h": 1, "Ġ": 2, EOT: 3, "<unk>": 4}
    lacking = Tokenizer(few, [])  # other bytes are left out
    assert lacking.decode(lacking.encode("a" + "the cat " * 400)) == "th t " * 400
    assert lacking.encode("a" * 2000) == []
    unknown = Tokenizer(few, [], (AddedToken("<unk>"),), Rules(unknown="<unk>"))
    assert unknown.offsets("tea") == [(0, 1), (1, 2), (2, 3)]
    with tracer.of(**SIZES | {"n_vocab": 260}):
        for write in (generate, generate_samples, stream):
            assert list(write(model_of(n_vocab=260), tokenizer, "a", seed=1, stop="the"))


def gradients(tracer: Tracer) -> None:
    """Compute gradients with dropout and without, with targets that do not count."""
    from gptlite.training.dropout import DropoutTrace
    from gptlite.training.gradients import IGNORED, loss_and_gradients

    model, ids = model_of(), ids_of(4, 7)
    targets = np.where(ids % 3 == 0, IGNORED, ids)
    predictions = int((targets != IGNORED).sum())
    with tracer.of(**SIZES, batch=4, seq=7, predictions=predictions):
        for trace in (None, DropoutTrace(0.5, np.random.default_rng(0))):
            loss_and_gradients(model, ids, targets, trace)


def relatives(tracer: Tracer) -> None:
    """Run and train a model that differs from GPT-2 in everything it may differ in."""
    from gptlite import GPTConfig, Trace
    from gptlite.finetune.classifier import Classifier
    from gptlite.training.gradients import loss_and_gradients

    random_model = run_path(str(Path(__file__).with_name("models.py")))["random_model"]
    other = {"activation_function": "gelu", "scale_attn_by_inverse_layer_idx": True}
    other |= {"tie_word_embeddings": False, "n_padding": 2}
    config = GPTConfig(n_vocab=23, n_ctx=13, n_embd=15, n_head=3, n_layer=2, **other)
    ids = ids_of(4, 7)
    for model in (random_model(config), random_model(replace(config, post_norm=True))):
        with tracer.of(**SIZES, batch=4, seq=7, total=7):
            model(ids, trace=Trace())
            loss_and_gradients(model, ids, ids)
        Classifier.build(model, 2)


def losses(tracer: Tracer) -> None:
    """Measure how well a text is predicted, in windows that overlap."""
    from gptlite import Tokenizer
    from gptlite.training.losses import bits_per_byte, next_token_losses

    with tracer.of(**SIZES):
        next_token_losses(model_of(), ids_of(1, 61)[0], context=11, stride=8)
    tokenizer = Tokenizer.train([], 257)
    with tracer.of(**SIZES | {"n_vocab": 257}):
        bits_per_byte(model_of(n_vocab=257), tokenizer, "the cat and the dog")


def commands(tracer: Tracer) -> None:
    """Pre-train, go on, and fine-tune what came of it, by the commands."""
    from gptlite import GPT, Tokenizer
    from gptlite.pretrain.__main__ import main

    sizes = {name: size for name, size in SIZES.items() if name != "n_vocab"}  # which will grow
    with TemporaryDirectory() as folder, tracer.of(**sizes):
        at = Path(folder)
        (at / "texts").mkdir()
        for i in range(3):
            (at / "texts" / f"{i}.txt").write_text("the cat and the dog " * 3, "utf-8")
        held_out = [str(at / "texts" / f"{i}.txt") for i in (1, 2)]
        data = ["--data", str(at / "texts"), "--validation", *held_out]
        shape = ["--n-vocab", "257", "--n-ctx", "13", "--n-embd", "15", "--n-head", "3"]
        options = [*data, *shape, "--n-layer", "2", "--batch", "6", "--dropout", "0.1"]
        run(main, [*options, "--tokens", "156", "--every", "1", "--out", str(at / "run")])
        run(main, ["--resume", "--out", str(at / "run")])
        again = ["--data", str(at / "texts"), *shape[2:], "--n-layer", "2", "--minutes", "0.0001"]
        run(main, [*again, "--tokenizer", str(at / "run"), "--out", str(at / "again")])
        random = model_of(n_vocab=257)
        random.save_pretrained(at / "model")
        Tokenizer.from_pretrained(at / "run").save_pretrained(at / "model")
        assert GPT.from_pretrained(at / "run").config == random.config
        tasks(tracer, at)
        more_text(tracer, at)


def run(main: Callable[[list[str]], int], options: list[str]) -> None:
    """Run a command."""
    assert main(options) == 0


def tasks(tracer: Tracer, at: Path) -> None:
    """Fine-tune on one row an example, on two, on choices; frozen, and with blocks anew."""
    from gptlite.finetune import FineTuned
    from gptlite.finetune.__main__ import main
    from gptlite.finetune.classifier import predict

    texts = {"text": "a", "premise": "b", "hypothesis": "c", "first": "a", "second": "b"}
    choices = {"context": "b", **{f"choice_{i + 1}": "abc"[i % 3] for i in range(6)}}
    lines = [texts | choices | {"label": 1 + i % 6} for i in range(7)]
    data = at / "examples.jsonl"
    data.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    for n, (task, n_rows, more) in enumerate(
        (
            ("classification", 1, ["--arm", "scratch"]),
            ("similarity", 2, ["--arm", "frozen"]),
            ("similarity", 2, ["--arm", "1", "--lm-weight", "0"]),
            ("choice", 6, ["--arm", "full"]),
            ("choice", 6, ["--arm", "frozen"]),
        )
    ):
        out, n_outputs = str(at / f"task{n}"), 1 if task == "choice" else 6
        options = ["--data", str(data), "--validation", str(data), "--task", task, "--out", out]
        quick = ["--model", str(at / "model"), "--epochs", "1", "--batch", "4", "--threads", "2"]
        with tracer.of(n_rows=n_rows, n_labels=6, n_outputs=n_outputs):
            run(main, [*options, *quick, *more])
            opened = FineTuned.from_pretrained(out)
            assert repr(opened).startswith("FineTuned(")
            opened.predict([["a"] * {"classification": 1, "choice": 8}.get(task, 2)])
            predict(opened.classifier, [[[1, 2, 3]] * n_rows])


def more_text(tracer: Tracer, at: Path) -> None:
    """Fine-tune a language model on text, and on what follows a prompt."""
    from gptlite.finetune.__main__ import main

    for name, pairs in {"learned": ("abc", "bca"), "held": ("xyz", "zxy")}.items():
        lines = [{"prompt": prompt, "completion": prompt + "!"} for prompt in pairs]
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        (at / f"{name}.jsonl").write_text(text, "utf-8")
    options = ["--model", str(at / "model"), "--objective", "lm", "--epochs", "2"]
    data = ["--data", str(at / "learned.jsonl"), "--validation", str(at / "held.jsonl")]
    with tracer.of(seq=7):  # "abc", "abc!", <|endoftext|>: 8 tokens, of which the last is predicted
        run(main, [*options, *data, "--mask-prompts", "--out", str(at / "pairs")])
    run(main, [*options, "--data", str(at / "texts"), "--out", str(at / "more")])


@pytest.fixture(scope="module")
def traced() -> Tracer:
    """Run all of them once."""
    tracer = Tracer()
    with tracer.importing(ROOT, "gptlite", FILES):
        for file in FILES:
            importlib.import_module(f"gptlite.{file.removesuffix('.py').replace('/', '.')}")
        for drive in (forward, a_long_text, shared_out, sampling, generation, tokens_to_text):
            drive(tracer)
        for drive in (gradients, relatives, losses, commands):
            drive(tracer)
    return tracer


# ---- The comments -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(traced: Tracer) -> dict[str, list[str]]:
    """Give all that is wrong, by what is wrong with it."""
    return {
        "wrong": traced.wrong(),
        "missing": traced.missing(),
        "unrun": traced.unrun(),
        "unreached": traced.unreached(),
    }


@pytest.mark.parametrize("file", FILES)
def test_a_shape_in_a_comment_is_the_array_s(found: dict[str, list[str]], file: str) -> None:
    assert not of_file(found["wrong"], file)


@pytest.mark.parametrize("file", FILES)
def test_each_line_that_makes_an_array_says_its_shape(
    found: dict[str, list[str]], file: str
) -> None:
    assert not of_file(found["missing"], file)


@pytest.mark.parametrize("file", FILES)
def test_each_shape_in_a_comment_was_seen(found: dict[str, list[str]], file: str) -> None:
    assert not of_file(found["unrun"], file)


@pytest.mark.parametrize("file", FILES)
def test_each_line_that_might_make_an_array_was_run(found: dict[str, list[str]], file: str) -> None:
    assert not of_file(found["unreached"], file)


def of_file(lines: list[str], file: str) -> list[str]:
    """Give what is said of one file."""
    return [line for line in lines if line.startswith(f"{file}:")]


# Comments that say no more than how many axes there are: the matrix may be any of the model's.
OF_ANY_MATRIX = {("training/initial.py", "n_in, n_out")}


def test_two_axes_exchanged_in_any_comment_would_be_found(traced: Tracer) -> None:
    """The sizes differ, and the symbols are bound, so that no wrong order of axes can pass."""
    comments, calls, unfound = traced.comments(), defaultdict(list), []
    for call in traced.different_calls():
        for number in {said[0] for said in call[1] if not isinstance(said, int)}:
            calls[number].append(call)
    for number, comment in comments.items():
        site = traced.sites[number]
        for other in exchanged(comment):
            lies = (
                faults(traced.sites, {**comments, number: other}, *said) for said in calls[number]
            )
            seen = any(True for lie in lies for _ in lie)
            if not seen and (site.path, *comment) not in OF_ANY_MATRIX:
                unfound.append(f"{site.place}: {comment} might be {other}")
    assert not unfound, "\n".join(unfound)
    assert {(site.path, *site.comment) for site in traced.sites} >= OF_ANY_MATRIX


def exchanged(comment: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Give a comment with two neighbouring axes exchanged, in every place where they differ."""
    for i, bracket in enumerate(comment):
        axes = bracket.split(", ")
        for j, (left, right) in enumerate(pairwise(axes)):
            if left not in ("...", right):
                other = ", ".join([*axes[:j], right, left, *axes[j + 2 :]])
                yield (*comment[:i], other, *comment[i + 1 :])
