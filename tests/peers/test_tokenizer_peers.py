"""The tokenizer against tiktoken, the trainer of Hugging Face tokenizers, and transformers."""

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gptlite.tokenizer
from gptlite import CheckpointError, Tokenizer
from gptlite.alphabet import BYTE_SYMBOLS, EOT
from gptlite.pretrain.data import write_token_file
from gptlite.texts import text_files

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


def test_documents_of_marked_files(official, theirs, shared, tmp_path):
    """A corpus in tokens is what tiktoken makes of it, marks and all."""
    files = sorted((shared / "corpora" / "stories" / "validation").glob("*.txt"))
    texts = files[0].read_text("utf-8").split(f"\n{EOT}\n")[:40]
    (tmp_path / "a.txt").write_text(f"\n{EOT}\n".join(texts[:30]), encoding="utf-8")
    rows = [json.dumps({"text": text}) for text in texts[30:]]
    (tmp_path / "b.jsonl").write_text("\n".join(rows))
    write_token_file(tmp_path / "tokens.npy", official, text_files([tmp_path]))
    marked = "".join(EOT + text for text in texts)
    expected = theirs.encode(marked, allowed_special={EOT})
    assert np.load(tmp_path / "tokens.npy").tolist() == expected
    assert official.encode(marked, allowed_special={EOT}) == expected


def test_every_character(official, theirs):
    """Among neighbours that tell letters, digits, white space and the rest apart. The planes left
    out have no characters, or only those of private use.
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

STORY = "The cat and the dog sat in the sand, and then the cat said: that's that!\n  The end.\n"


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
    assert ours.merges == merges_of(theirs)
    for text in texts:
        assert ours.encode(text[:50_000]) == theirs.encode(text[:50_000]).ids


@given(st.lists(st.text(alphabet="ab ") | st.text(alphabet="aé 1,\n"), max_size=5))
@settings(deadline=None, max_examples=200)
def test_the_same_merges_of_texts_full_of_ties(texts):
    ours, theirs = Tokenizer.train(texts, 290), hugging_face_trained(texts, 290)
    assert ours.merges == merges_of(theirs)


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


# tokenizer.json


@pytest.fixture(scope="module")
def saved(shared, tmp_path_factory):
    """GPT-2's tokenizer as transformers saves it, and as it opens that again."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("saved")
    Tokenizer.from_pretrained(shared / "gpt2-tokenizer").save_pretrained(folder / "a")
    transformers.GPT2TokenizerFast.from_pretrained(folder / "a").save_pretrained(folder / "b")
    assert sorted(p.name for p in (folder / "b").iterdir()) == [
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    # The kind of model tells transformers the kind of tokenizer.
    (folder / "b" / "config.json").write_text('{"model_type": "gpt2"}')
    return folder / "b", transformers.AutoTokenizer.from_pretrained(folder / "b")


def test_tokenizer_json_is_read(saved, official, shared):
    folder, theirs = saved
    ours = Tokenizer.from_pretrained(folder)
    assert ours.vocab == official.vocab and ours.merges == official.merges
    for path in sorted((shared / "corpora").rglob("*.txt"))[:10]:
        text = path.read_text(encoding="utf-8")[:50_000]
        # transformers always reads the name of the special token as the token.
        assert ours.encode(text, {EOT}) == theirs(text).input_ids
    assert theirs(f"a{EOT} b").input_ids == ours.encode(f"a{EOT} b", {EOT})


# The library's tables of characters may be of another year's Unicode.
@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cn"]))
    | st.text(alphabet="thecat 's'll\n\t\r\x00\x1c\x85\xa0\u3000１²é🤗\u200d,!")
)
@settings(deadline=None, max_examples=1000)
def test_any_text_of_tokenizer_json(saved, official, text):
    assert saved[1](text).input_ids == official.encode(text, {EOT})


def small_file(tmp_path, transformers, **options):
    """What transformers saves of a small tokenizer, as a dict."""
    Tokenizer.train([STORY, *["that"] * 9], 280).save_pretrained(tmp_path / "small")
    tokenizer = transformers.GPT2TokenizerFast.from_pretrained(tmp_path / "small", **options)
    if not options:  # as after training in batches
        tokenizer.pad_token = tokenizer.eos_token
        tokenizer([STORY, "a"], padding=True, truncation=True, max_length=3)
    tokenizer.save_pretrained(tmp_path / "saved")
    return json.loads((tmp_path / "saved" / "tokenizer.json").read_text(encoding="utf-8"))


def test_how_a_batch_was_made_is_forgotten(tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer = small_file(tmp_path, transformers)
    assert tokenizer["padding"] and tokenizer["truncation"]["max_length"] == 3
    ours = Tokenizer.from_pretrained(tmp_path / "saved")
    theirs = transformers.GPT2TokenizerFast.from_pretrained(tmp_path / "saved")
    assert ours.encode(STORY) == theirs(STORY).input_ids == theirs.encode(STORY)


def test_a_space_before_the_text_as_transformers_has_it(tmp_path):
    transformers = pytest.importorskip("transformers")
    small_file(tmp_path, transformers, add_prefix_space=True)
    theirs = transformers.GPT2TokenizerFast.from_pretrained(tmp_path / "saved")
    ours = Tokenizer.from_pretrained(tmp_path / "saved")
    for text in (STORY, " " + STORY, "\n" + STORY, ""):
        assert ours.encode(text) == theirs(text).input_ids


def test_an_option_of_transformers_that_gives_other_ids_is_refused(tmp_path):
    small_file(tmp_path, pytest.importorskip("transformers"), add_bos_token=True)
    with pytest.raises(CheckpointError, match="post_processor: single is"):
        Tokenizer.from_pretrained(tmp_path / "saved")


def containers(value):
    """The objects and lists of a JSON value that are not empty, but for each merge's own."""
    if isinstance(value, dict | list) and value:
        yield value
        inner = list(value.values()) if isinstance(value, dict) else value
        if len(inner) < 12:
            for one in inner:
                yield from containers(one)


def test_whatever_is_accepted_is_what_the_library_makes_of_it(tmp_path):
    """Options set, taken away and exchanged at random."""
    tokenizers = pytest.importorskip("tokenizers")
    whole = small_file(tmp_path, pytest.importorskip("transformers"))
    texts = [STORY, f" the{EOT} cat", "that's  \n１２ 12 é🤗\n", "that'that"]
    byte_level = whole["pre_tokenizer"]
    split = {"type": "Split", "pattern": {"Regex": gptlite.tokenizer.PATTERN.pattern}}
    split |= {"behavior": "Isolated", "invert": False}
    values = [None, True, False, 0, 0.0, 1.0, "", EOT, "BPE", [], {}, {"type": "NFC"}]
    values += [byte_level, byte_level | {"use_regex": False}, split, {"type": "Whitespace"}]
    lists = [[split, byte_level], [split, values[-3]], [byte_level], [byte_level, byte_level]]
    values += [{"type": "Sequence", "pretokenizers": steps} for steps in lists]
    values += [{"type": "Sequence", "decoders": [whole["decoder"]]}]
    merges = [" ".join(pair) for pair in whole["model"]["merges"]]
    rng = random.Random(0)
    n_read = 0
    for n in range(4000):
        tokenizer = json.loads(json.dumps(whole | {"truncation": None, "padding": None}))
        if n % 2:
            tokenizer["model"]["merges"] = list(merges)
        for _ in range(rng.randint(1, 2)):
            within = rng.choice(list(containers(tokenizer)))
            keys = list(within) if isinstance(within, dict) else range(len(within))
            key = rng.choice(keys)
            if rng.random() < 0.3:
                del within[key]
            else:
                other = rng.choice(keys)
                value = rng.choice([*values, within[other]])
                within[key] = json.loads(json.dumps(value))
        text = json.dumps(tokenizer)
        (tmp_path / "tokenizer.json").write_text(text)
        try:
            ours = Tokenizer.from_pretrained(tmp_path)
        except CheckpointError:
            continue
        try:
            theirs = tokenizers.Tokenizer.from_str(text)
        except Exception:  # the only one it has: here gptlite is the more lenient
            continue
        theirs.no_truncation()
        theirs.no_padding()
        n_read += 1
        allowed = {EOT} if tokenizer.get("added_tokens") else set()
        for text in texts:
            assert ours.encode(text, allowed) == theirs.encode(text).ids, tokenizer
            ids = ours.encode(text)
            assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=False), tokenizer
    assert 200 < n_read < 3000
