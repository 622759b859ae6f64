"""What others published of OpenAI's smallest model: texts, choices and losses to be met again.

Run with ``python -m pytest -m weights``; skipped where the weights are not cached, for nothing is
fetched here (``python -m gptlite.download gpt2`` does). Sources stand with each test. Benchmarks
are read from the folder ``benchmarks`` of the test data, where they are there; each takes from half
an hour to hours.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gptlite
from gptlite import GPT, Tokenizer
from gptlite.config import PRESETS
from gptlite.download.places import find_model
from gptlite.evaluate.__main__ import main as evaluate
from gptlite.generate import generate
from gptlite.training.backward import cross_entropy
from gptlite.training.losses import next_token_losses

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def gpt2() -> tuple[GPT, Tokenizer]:
    if find_model("gpt2") is None:
        pytest.skip("gpt2 is not cached (python -m gptlite.download gpt2)")
    return gptlite.load("gpt2")


def greedy(gpt2: tuple[GPT, Tokenizer], prompt: str, n: int) -> str:
    return generate(*gpt2, prompt, max_new_tokens=n, temperature=0)


def losses(model: GPT, ids: list[list[int]], targets: list[list[int]]) -> float:
    """Mean cross-entropy in nats."""
    logits = model(ids).reshape(-1, model.config.n_vocab)
    return cross_entropy(logits, np.ravel(targets), 1 / np.size(targets))[0]


PARAMETERS = dict(zip(PRESETS, [124_439_808, 354_823_168, 774_030_080, 1_557_611_200], strict=True))


@pytest.mark.parametrize("name", PRESETS)
def test_the_sizes(name: str) -> None:
    if find_model(name) is None:
        pytest.skip(f"{name} is not cached (python -m gptlite.download {name})")
    model, tokenizer = gptlite.load(name, dtype="float16")
    assert model.config == PRESETS[name]
    assert tokenizer.n_vocab == 50257 and tokenizer.eot == 50256
    assert sum(array.size for array in model.parameters.values()) == PARAMETERS[name]


PICOGPT = "Alan Turing theorized that computers would one day become"


def test_the_text_in_picogpt_s_readme(gpt2: tuple[GPT, Tokenizer]) -> None:
    assert greedy(gpt2, PICOGPT, 40) == (
        " the most powerful machines on the planet.\n\nThe computer is a machine that can perform "
        "complex calculations, and it can perform these calculations in a way that is very similar "
        "to the human brain.\n"
    )


def test_the_choice_after_every_position(gpt2: tuple[GPT, Tokenizer]) -> None:
    """One forward pass, every row of it (picoGPT's prompt, and the first token it goes on with)."""
    model, tokenizer = gpt2
    choices = model(tokenizer.encode(PICOGPT + " the"))[0].argmax(axis=-1)
    assert choices.tolist() == [11, 11, 1143, 326, 262, 714, 307, 1110, 307, 262, 749]


@pytest.mark.parametrize(
    ("prompt", "ids"),
    [
        (
            PICOGPT + " very powerful, but even he could not imagine",
            [
                *(703, 484, 561, 307, 1498, 284, 466, 523, 13, 198),
                *(198, 1, 40, 892, 326, 262, 749, 1593, 1517, 318),
            ],
        ),
        (
            "Ondřej Čertík was born in",
            [1248, 5332, 287, 262, 7404, 286, 25370, 254, 368, 83, 6557, 81, 11],
        ),
    ],
)
def test_fastgpt_s_examples(gpt2: tuple[GPT, Tokenizer], prompt: str, ids: list[int]) -> None:
    assert greedy(gpt2, prompt, len(ids)) == gpt2[1].decode(ids)


# transformers, tests/models/gpt2/test_modeling_gpt2.py; rasbt/LLMs-from-scratch, ch05/02; the
# article "How to generate text" on Hugging Face's blog.
TEXTS = {
    "The dog": " was found in a field near the intersection of West and West Streets.\n\nThe dog",
    "Hello, my dog is a little": " bit of a mess. I'm not sure if he's going",
    "Today, I": "'m going to be doing a lot of research on this. I",
    "I enjoy walking with my cute dog": (
        ", but I'm not sure if I'll ever be able to walk with my dog. I'm not sure if I'll ever be "
        "able to walk with my dog.\n\nI'm not sure if I'll"
    ),
    "Every effort moves": (
        " forward, but it's not enough.\n\n\"I'm not going to sit here and say, 'I'm not going to "
        "do this,'\n"
    ),
}


@pytest.mark.parametrize("prompt", TEXTS)
def test_greedy_texts(gpt2: tuple[GPT, Tokenizer], prompt: str) -> None:
    n = len(gpt2[1].encode(TEXTS[prompt]))
    assert greedy(gpt2, prompt, n) == TEXTS[prompt]


def test_a_padded_batch_chooses_as_each_text_alone(gpt2: tuple[GPT, Tokenizer]) -> None:
    model, tokenizer = gpt2
    long, short = (tokenizer.encode(text) for text in ("Hello, my dog is a little", "Today, I"))
    gap = len(long) - len(short)
    mask = [[1] * len(long), [0] * gap + [1] * len(short)]
    logits = model([long, [tokenizer.eot] * gap + short], attention_mask=mask)
    assert tokenizer.decode([int(logits[0, -1].argmax())]) == " bit"
    assert tokenizer.decode([int(logits[1, -1].argmax())]) == "'m"


@pytest.mark.parametrize(
    ("ids", "expected", "tolerance"),
    [
        # TransformerLens's acceptance test: "Hello world!" after <|endoftext|>.
        ([50256, 15496, 995, 0], 5.331855773925781, 1e-4),
        # transformers' issue 9173: "Hello, my".
        ([15496, 11, 616], 3.0698, 1e-4),
    ],
)
def test_published_losses(
    gpt2: tuple[GPT, Tokenizer], ids: list[int], expected: float, tolerance: float
) -> None:
    assert losses(gpt2[0], [ids[:-1]], [ids[1:]]) == pytest.approx(expected, abs=tolerance)


# llm.c's batch of tinyshakespeare: 4 sequences of 64 tokens and the one after each of them.
LLMC = """
50256 5962 22307 25 198 8421 356 5120 597 2252 11 3285 502 2740 13 628 50256 3237 25 198 5248 461
11 2740 13 628 50256 5962 22307 25 198 1639 389 477 12939 2138 284 4656 621 284 1145 680 30 628
50256 3237 25 198 4965 5634 13 12939 13 628 50256 5962 22307 25 198 5962 11 345 760 327 1872 385
1526 28599 318 4039 4472 284 262 661 13 628 50256 3237 25 198 1135 760 470 11 356 760 470 13 628
50256 5962 22307 25 198 5756 514 1494 683 11 290 356 1183 423 11676 379 674 898 2756 13 198 3792
470 257 15593 30 628 50256 3237 25 198 2949 517 3375 319 470 26 1309 340 307 1760 25 1497 11 1497
0 628 50256 12211 22307 25 198 3198 1573 11 922 4290 13 628 50256 5962 22307 25 198 1135 389 17830
3595 4290 11 262 1458 1173 1547 922 13 198 2061 4934 969 5036 896 319 561 26958 514 25 611 484 198
19188 7800 514 475 262 48713 414 11 981 340 547 198 1929 4316 462 11 356 1244 4724 484 22598 514
31533 306 26 198 4360 484 892 356 389 1165 13674 25 262 10904 1108 326 198 2001 42267 514 11 262
2134 286 674 24672 11 318 355 281 198 24807 284 1948 786 511 20038 26 674 198 82 13712 590 318 257
4461 284 606 3914 514 15827 428 351 198 454 279
"""


def test_llm_c_s_loss(gpt2: tuple[GPT, Tokenizer]) -> None:
    ids = np.array([int(word) for word in LLMC.split()])
    assert ids.shape == (257,)
    inputs, targets = ids[:256].reshape(4, 64), ids[1:].reshape(4, 64)
    assert losses(gpt2[0], inputs, targets) == pytest.approx(5.270007133483887, abs=1e-4)


# ---- Benchmarks ---------------------------------------------------------------------------------


def benchmark(shared: Path, name: str) -> Path:
    path = shared / "benchmarks" / name
    if not path.is_file():
        pytest.skip(f"no {path}")
    return path


def evaluated(form: str, path: Path, out: Path) -> dict[str, Any]:
    assert evaluate([form, str(path), "--model", "gpt2", "-o", str(out)]) == 0
    results: dict[str, Any] = json.loads(out.read_text())["results"]
    return results


def test_lambada(gpt2: tuple[GPT, Tokenizer], shared: Path, tmp_path: Path) -> None:
    """OpenAI's file; lm-evaluation-harness, issue 2159, task lambada_openai."""
    path = benchmark(shared, "lambada_test.jsonl")
    found = evaluated("lambada", path, tmp_path / "out.json")
    assert (found["items"], found["items_cut"]) == (5153, 0)
    # The harness computes in half precision, so a few guesses in a thousand differ.
    assert found["accuracy"] == pytest.approx(0.3256, abs=0.003)
    assert found["perplexity"] == pytest.approx(40.0554, rel=0.005)


def test_hellaswag(gpt2: tuple[GPT, Tokenizer], shared: Path, tmp_path: Path) -> None:
    """The validation file; llm.c, dev/data/hellaswag.py, whose acc_norm is per token."""
    path = benchmark(shared, "hellaswag_val.jsonl")
    found = evaluated("hellaswag", path, tmp_path / "out.json")
    assert (found["items"], found["items_cut"]) == (10042, 0)
    assert found["accuracy"] == pytest.approx(0.2859, abs=0.003)
    assert found["accuracy_per_token"] == pytest.approx(0.2955, abs=0.003)


def test_wikitext_2(gpt2: tuple[GPT, Tokenizer], shared: Path) -> None:
    """wiki.test.raw, its lines joined as in Hugging Face's guide; transformers, issue 13761."""
    path = benchmark(shared, "wiki.test.raw")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    model, tokenizer = gpt2
    ids = tokenizer.encode("\n\n".join("" if line.isspace() else line for line in lines))
    assert len(ids) == 287_644
    perplexity = math.exp(float(next_token_losses(model, ids).mean(dtype=np.float64)))
    assert perplexity == pytest.approx(29.94, rel=0.005)
