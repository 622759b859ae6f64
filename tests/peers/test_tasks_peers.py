"""Scores and evaluations against transformers on the same weights, computed the plain way.

The plain way: the tokens of a text from transformers' own tokenizer, one full forward pass for each
candidate, a log-softmax of everything, and the sum over the tokens after the prompt's.
"""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gptlite
from gptlite import GPT, GPTConfig, Tokenizer
from gptlite.evaluate.__main__ import main
from gptlite.tasks.cloze import cloze
from gptlite.tasks.score import score
from gptlite.tasks.winograd import winograd

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.peers

TOLERANCE = 1e-4  # absolute of log-probabilities in nats and of shares, relative of perplexities
N_CTX = 48
TEXT = (
    "Once upon a time there was a fox who lived in the wood, and there was a hen who did not. "
    '"Why don\'t you come?" said the fox; the hen said nothing, for she was no fool.\n\n'
)
WORDS = [word for word in re.findall(r"\S+", TEXT) if word.isalpha()]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder, rng = tmp_path_factory.mktemp("model"), np.random.default_rng(0)
    tokenizer = Tokenizer.train([TEXT] * 3, 330)
    model = GPT.init(GPTConfig(tokenizer.n_vocab, n_ctx=N_CTX, n_embd=24, n_head=3, n_layer=3))
    for array in model.parameters.values():
        array += 0.2 * rng.standard_normal(array.shape, np.float32)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def ours(folder) -> tuple[GPT, Tokenizer]:
    return gptlite.load(folder)


@pytest.fixture(scope="module")
def theirs(folder) -> tuple[Any, Any]:
    peer = transformers.GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
    return peer, transformers.GPT2Tokenizer.from_pretrained(folder)


def log_softmax(theirs: tuple[Any, Any], ids: Sequence[int]) -> Any:
    with torch.no_grad():
        logits = theirs[0](torch.tensor([ids])).logits[0].double()
    return torch.log_softmax(logits, dim=-1)


def option_logprobs(theirs: tuple[Any, Any], prompt: str, option: str, keep: int) -> list[float]:
    """The log-probability of each token of the option, after at most ``keep`` of the prompt's.

    The prompt has no space at its end and the option one at its beginning: no token has both.
    """
    encode = theirs[1].encode
    n_prompt, ids = len(encode(prompt)), encode(prompt + option)
    assert encode(prompt) == ids[:n_prompt]
    ids = ids[max(0, n_prompt - keep) :]
    start = min(n_prompt, keep)
    logprobs = log_softmax(theirs, ids[:-1])
    return [float(logprobs[i - 1, ids[i]]) for i in range(start, len(ids))]


def expected_rows(
    theirs: tuple[Any, Any], prompt: str, options: Sequence[str]
) -> list[list[float]]:
    longest = max(len(theirs[1].encode(option)) for option in options)
    keep = N_CTX + 1 - longest
    return [option_logprobs(theirs, prompt, option, keep) for option in options]


def words(rng: np.random.Generator, n: int) -> str:
    return " ".join(rng.choice(WORDS, n))


def results(folder: Path, tmp_path: Path, *args: str) -> dict[str, Any]:
    out = tmp_path / "out.json"
    assert main([*args, "--model", str(folder), "-o", str(out)]) == 0
    written: dict[str, Any] = json.loads(out.read_text())
    return written


# ---- Scores -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_scores(ours, theirs, seed):
    rng = np.random.default_rng(seed)
    prompt = words(rng, int(rng.integers(1, 20)))
    options = [" " + words(rng, int(n)) for n in rng.integers(1, 8, 5)]
    rows = expected_rows(theirs, prompt, options)
    np.testing.assert_allclose(
        score(*ours, prompt, options), [sum(row) for row in rows], rtol=0, atol=TOLERANCE
    )
    means = [sum(row) / len(row) for row in rows]
    np.testing.assert_allclose(score(*ours, prompt, options, "mean"), means, rtol=0, atol=TOLERANCE)


def test_tokens_over_the_border(ours, theirs):
    """The prompt's space goes with the option, and all is one text to the tokenizer."""
    for prompt, options in [("Once upon a ", ["time", "fox"]), ("the wood\n\n", ["the", "\n"])]:
        encode = theirs[1].encode
        rows = [encode(prompt + option) for option in options]
        shared = len(encode(prompt.rstrip()))
        assert len({tuple(row[:shared]) for row in rows}) == 1
        expected = []
        for row in rows:
            logprobs = log_softmax(theirs, row)
            expected.append(sum(float(logprobs[i - 1, row[i]]) for i in range(shared, len(row))))
        found = score(*ours, prompt, options)
        # Where both go on with the same token, it may be counted or not, but for both the same.
        gap = float(found[0] - found[1])
        assert gap == pytest.approx(expected[0] - expected[1], abs=TOLERANCE)


def test_gaps_and_pronouns(ours, theirs):
    before, after = "the fox said to the", " who was there"
    options = [" hen", " fox", " wood"]
    rows = expected_rows(theirs, before, [option + after for option in options])
    names = [option.strip() for option in options]
    found = cloze(*ours, f"{before} XXXXX{after}", names)
    np.testing.assert_allclose(found, [sum(row) for row in rows], rtol=0, atol=TOLERANCE)
    found = winograd(*ours, f"{before} _{after}", names)
    n = len(theirs[1].encode(after))
    means = [sum(row[-n:]) / n for row in rows]
    np.testing.assert_allclose(found, means, rtol=0, atol=TOLERANCE)


# ---- Evaluations --------------------------------------------------------------------------------


@pytest.mark.parametrize(("context", "stride"), [(N_CTX, N_CTX), (N_CTX, 16), (20, 7)])
def test_perplexity(folder, theirs, tmp_path, context, stride):
    path = tmp_path / "text"
    text = TEXT * 2 + words(np.random.default_rng(0), 200)
    path.write_text(text)
    options = ["--context", str(context), "--stride", str(stride)]
    found = results(folder, tmp_path, "perplexity", str(path), *options)["results"]
    ids = [theirs[0].config.vocab_size - 1, *theirs[1].encode(text)]
    nats, done = 0.0, 1
    for start in range(0, len(ids), stride):
        end = min(start + context, len(ids) - 1)
        logprobs = log_softmax(theirs, ids[start:end])
        for i in range(done, end + 1):
            nats -= float(logprobs[i - 1 - start, ids[i]])
        done = end + 1
        if done == len(ids):
            break
    assert found["tokens"] == len(ids) - 1
    assert found["perplexity"] == pytest.approx(math.exp(nats / (len(ids) - 1)), rel=TOLERANCE)
    bits = nats / math.log(2) / len(text.encode())
    assert found["bits_per_byte"] == pytest.approx(bits, abs=TOLERANCE)


def test_lambada(folder, theirs, tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "lambada.jsonl"
    texts = [words(rng, int(n)) for n in rng.integers(2, 70, 40)]
    # A word that greedy decoding writes: without one, nothing would tell right from wrong.
    encode, decode = theirs[1].encode, theirs[1].decode
    for text in list(texts):
        ids = encode(text)[-N_CTX + 1 :]
        best = decode([int(log_softmax(theirs, ids)[-1].argmax())])
        if re.fullmatch(r" [a-z]+", best):
            texts.append(text + best)
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    written = results(folder, tmp_path, "lambada", str(path))
    by_line = {row["line"]: row for row in written["items"]}
    nats, right = 0.0, []
    for line, text in enumerate(texts, 1):
        word = text.rpartition(" ")[2]
        n_word = len(encode(" " + word))
        ids = encode(text)[-(N_CTX + 1) :]
        logprobs = log_softmax(theirs, ids[:-1])
        positions = range(len(ids) - n_word, len(ids))
        expected = sum(float(logprobs[i - 1, ids[i]]) for i in positions)
        assert by_line[line]["logprob"] == pytest.approx(expected, abs=TOLERANCE)
        right.append(all(int(logprobs[i - 1].argmax()) == ids[i] for i in positions))
        assert by_line[line]["right"] == right[-1]
        assert by_line[line]["cut"] == max(0, len(encode(text)) - (N_CTX + 1))
        nats -= expected
    assert 0 < sum(right) < len(texts) and written["results"]["items_cut"] > 0
    assert written["results"]["accuracy"] == pytest.approx(sum(right) / len(texts), abs=TOLERANCE)
    expected = math.exp(nats / len(texts))
    assert written["results"]["perplexity"] == pytest.approx(expected, rel=TOLERANCE)


def compare_choices(
    written: dict[str, Any],
    theirs: tuple[Any, Any],
    items: list[tuple[str, list[str], int]],
) -> None:
    sums, means = [], []
    for row, (prompt, options, answer) in zip(written["items"], items, strict=True):
        rows = expected_rows(theirs, prompt, options)
        by_sum = int(np.argmax([sum(logprobs) for logprobs in rows]))
        by_mean = int(np.argmax([sum(logprobs) / len(logprobs) for logprobs in rows]))
        assert (row["by_sum"], row["by_mean"]) == (by_sum, by_mean)
        sums.append(by_sum == answer)
        means.append(by_mean == answer)
    found = written["results"]
    assert found["accuracy"] == pytest.approx(np.mean(sums), abs=TOLERANCE)
    assert found["accuracy_per_token"] == pytest.approx(np.mean(means), abs=TOLERANCE)
    assert 0 < np.mean(sums) < 1 and sums != means


def test_hellaswag_and_choices(folder, theirs, tmp_path):
    rng, path = np.random.default_rng(4), tmp_path / "lines.jsonl"
    items = []
    for _ in range(20):
        endings = [words(rng, int(n)) for n in rng.integers(1, 8, 4)]
        items.append((words(rng, int(rng.integers(2, 60))), endings, int(rng.integers(4))))
    spaced = [(prompt, [f" {end}" for end in endings], label) for prompt, endings, label in items]
    for form, names, content in [
        ("hellaswag", ("ctx", "endings", "label"), items),
        ("choice", ("prompt", "options", "answer"), spaced),
    ]:
        rows = [json.dumps(dict(zip(names, item, strict=True))) for item in content]
        path.write_text("\n".join(rows))
        written = results(folder, tmp_path, form, str(path))
        assert written["results"]["items_cut"] > 0
        compare_choices(written, theirs, spaced)


def test_the_children_s_book_test(folder, theirs, tmp_path):
    rng, path = np.random.default_rng(2), tmp_path / "cbt.txt"
    items, lines = [], []
    for _ in range(30):
        sentences = [words(rng, 2) + " ." for _ in range(20)]
        before, after = words(rng, 2), f" {words(rng, 2)} ."
        candidates = [str(word) for word in rng.choice(sorted(set(WORDS)), 10, replace=False)]
        answer = int(rng.integers(10))
        lines += [f"{i} {sentence}" for i, sentence in enumerate(sentences, 1)]
        query = f"{before} XXXXX{after}"
        lines += [f"21 {query}\t{candidates[answer]}\t\t{'|'.join(candidates)}", ""]
        prompt = " ".join([*sentences, before])
        options = [f" {word}{after}" for word in candidates]
        items.append((prompt, options, candidates.index(candidates[answer])))
    path.write_text("\n".join(lines))
    compare_choices(results(folder, tmp_path, "cbt", str(path)), theirs, items)
