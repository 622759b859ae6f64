"""The tokenizer against tiktoken, the trainer of Hugging Face tokenizers, and transformers."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptlite import Tokenizer
from gptlite.tokenizer import BYTE_SYMBOLS, EOT

pytestmark = pytest.mark.peers

# As tiktoken writes GPT-2's pattern (tiktoken_ext/openai_public.py, r50k_pat_str).
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""


@pytest.fixture(scope="module")
def official(shared) -> Tokenizer:
    return Tokenizer.from_pretrained(shared / "gpt2-tokenizer")


@pytest.fixture(scope="module")
def theirs(shared):
    tiktoken = pytest.importorskip("tiktoken")
    from tiktoken.load import data_gym_to_mergeable_bpe_ranks

    folder = shared / "gpt2-tokenizer"
    ranks = data_gym_to_mergeable_bpe_ranks(
        vocab_bpe_file=str(folder / "vocab.bpe"), encoder_json_file=str(folder / "encoder.json")
    )
    return tiktoken.Encoding(
        "gpt2", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={EOT: 50256}
    )


def test_every_corpus(official, theirs, shared):
    files = sorted(path for path in (shared / "corpora").rglob("*") if path.is_file())
    assert len(files) > 50
    for path in files:
        text = path.read_bytes().decode()
        ids = official.encode(text)
        assert ids == theirs.encode_ordinary(text), path
        assert official.decode_bytes(ids) == text.encode(), path


def test_every_character(official, theirs):
    """In company that tells letters, digits, white space and the rest apart. The planes left out
    have no characters, or only those of private use.
    """
    for start in [*range(0, 0xD800, 256), *range(0xE000, 0x34000, 256), 0xE0000, 0xE0100, 0x10FF00]:
        text = "".join(
            f"\na{c}a 1{c}1 .{c}. {c} {c}a  {c}{c} x{c}"
            for c in map(chr, range(start, start + 256))
        )
        assert official.encode(text) == theirs.encode_ordinary(text), hex(start)


@given(st.text() | st.text(alphabet="thecat 's'll\n\t\r\x00\x1c\x85\xa0\u3000１²é🤗\u200d,!"))
@settings(deadline=None, max_examples=1000)
def test_any_text(official, theirs, text):
    ids = official.encode(text)
    assert ids == theirs.encode_ordinary(text)
    assert official.decode_bytes(ids) == text.encode()
    assert official.decode(ids) == theirs.decode(ids)


@given(st.lists(st.integers(0, 50256), max_size=20))
@settings(deadline=None)
def test_any_ids(official, theirs, ids):
    assert official.decode_bytes(ids) == theirs.decode_bytes(ids)
    assert official.decode(ids) == theirs.decode(ids)


@pytest.mark.parametrize("text", [EOT, f"a {EOT} b{EOT}{EOT}", "<|endoftext", f"{EOT}|>"])
def test_special_tokens(official, theirs, text):
    assert official.encode(text) == theirs.encode(text, disallowed_special=())
    assert official.encode(text, {EOT}) == theirs.encode(text, allowed_special={EOT})


@pytest.mark.parametrize("n", [1000, 100_000])
def test_long_runs(official, theirs, n):
    letters = "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz", k=n))
    for text in ("a" * n, "0" * n, letters, " " * n, "\n" * n, " \n" * n, "é" * n, "!?" * n):
        assert official.encode(text) == theirs.encode_ordinary(text)


# Training


def hugging_face_trained(texts, n_vocab):
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=n_vocab - 1,  # without <|endoftext|>
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def merges_of(tokenizer) -> list[tuple[str, str]]:
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


@pytest.mark.parametrize("name", ["tinyshakespeare/input.txt", "tales"])
def test_the_same_merges(shared, name):
    """Ties too: both take the pair with the smaller ids, and both number bytes by their symbol."""
    assert list(BYTE_SYMBOLS.values()) == sorted(BYTE_SYMBOLS.values())
    place = shared / "corpora" / name
    files = [place] if place.is_file() else sorted((place / "train").iterdir())[:8]
    texts = [path.read_text(encoding="utf-8") for path in files]
    ours, theirs = Tokenizer.train(texts, 3000), hugging_face_trained(texts, 3000)
    assert ours._merges == merges_of(theirs)
    for text in texts:
        assert ours.encode(text[:50_000]) == theirs.encode(text[:50_000]).ids


@given(st.lists(st.text(alphabet="ab ") | st.text(alphabet="aé 1,\n"), max_size=5))
@settings(deadline=None, max_examples=200)
def test_the_same_merges_of_texts_full_of_ties(texts):
    ours, theirs = Tokenizer.train(texts, 290), hugging_face_trained(texts, 290)
    assert ours._merges == merges_of(theirs)


# The files


def test_what_is_saved_opens_in_transformers(tmp_path, shared):
    transformers = pytest.importorskip("transformers")
    text = (shared / "corpora/tinyshakespeare/input.txt").read_text(encoding="utf-8")[:50_000]
    text += "  two spaces\n\n\n 's't é 🤗 \u3000\t１２ 12 <|endoftext| "
    ours = Tokenizer.train([text], 1000)
    ours.save_pretrained(tmp_path)
    theirs = transformers.GPT2Tokenizer.from_pretrained(tmp_path)
    assert theirs(text).input_ids == ours.encode(text)
    assert theirs(f"a{EOT}b").input_ids == ours.encode(f"a{EOT}b", {EOT})
    assert theirs.eos_token_id == ours.eot
    assert len(theirs) == ours.n_vocab
    assert theirs.decode(ours.encode(text)) == text


def test_what_transformers_saves_opens_here(tmp_path, shared):
    transformers = pytest.importorskip("transformers")
    Tokenizer.train(["the cat and the dog and the cat"], 270).save_pretrained(tmp_path / "a")
    theirs = transformers.GPT2Tokenizer.from_pretrained(tmp_path / "a")
    theirs.backend_tokenizer.model.save(str(tmp_path / "a"))  # vocab.json, merges.txt
    ours = Tokenizer.from_pretrained(tmp_path / "a")
    assert ours.encode("the cat, the dog\n") == theirs("the cat, the dog\n").input_ids
