"""Special and added tokens against the libraries that write them, and against tiktoken."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gptlite
from gptlite import Tokenizer
from gptlite.alphabet import EOT

pytestmark = pytest.mark.peers

STORY = "The cat and the dog sat in the sand, and then the cat said: that's that!\n  The end.\n"
FIVE = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
NAMES = [
    *FIVE,
    EOT,
    "[PAD]",
    "<BOS>",
    "<user>",
    "<user> ",
    "COVID-19",
    "the",
    " cat",
    "sat",
    "\t<x>",
]
PIECES = [
    *NAMES,
    " ",
    "  ",
    "\n",
    "\t",
    "a",
    "cat",
    "1",
    "é",
    "_",
    "\u3000",
    "\x1c",
    "\u200d",
    ".",
    "🤗",
]
TEXTS = [
    "", STORY, *NAMES, "".join(NAMES), " ".join(NAMES), "  ".join(reversed(NAMES)), f"a{EOT}b",
    *(f"x {name} y{name}z\n{name} \t{name}{name} é{name}\u3000_{name}1" for name in NAMES),
]  # fmt: skip


def texts() -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)


def mixed(n: int) -> list[str]:
    rng = random.Random(0)
    return ["".join(rng.choices(PIECES, k=rng.randint(1, 12))) for _ in range(n)]


@pytest.fixture(scope="module")
def tokenizers():
    return pytest.importorskip("tokenizers")


@pytest.fixture(scope="module")
def transformers():
    return pytest.importorskip("transformers")


def equal_to_transformers(folder: Path, transformers, tmp_path: Path, more: int = 300) -> Tokenizer:
    """The same ids, and again after gptlite has saved what it read."""
    theirs = transformers.GPT2TokenizerFast.from_pretrained(folder)
    ours = Tokenizer.from_pretrained(folder)
    words = [token for token in theirs.added_tokens_decoder.values() if not token.special]
    takes_space = any(token.lstrip or token.rstrip for token in words)
    assert ours.n_vocab == len(theirs)
    again_folder = tmp_path / "again"
    ours.save_pretrained(again_folder)
    again = Tokenizer.from_pretrained(again_folder)
    theirs_again = transformers.GPT2TokenizerFast.from_pretrained(again_folder)
    for text in [*TEXTS, *mixed(more)]:
        ids = theirs(text).input_ids
        for found in (ours, again):
            assert found.encode(text, "all") == ids, text
            decoded = found.decode(found.encode(text))
            assert decoded == text or (takes_space and len(decoded) < len(text))
        assert theirs_again(text).input_ids == ids, text
    assert (again.vocab, again.eot, again.special_tokens) == (
        ours.vocab,
        ours.eot,
        ours.special_tokens,
    )
    return ours


# ---- Trained with special tokens ----------------------------------------------------------------


@pytest.fixture(scope="module")
def five(tokenizers):
    """The commonest way to make a vocabulary of one's own: five special tokens, then bytes."""
    tokenizer = tokenizers.ByteLevelBPETokenizer()
    tokenizer.train_from_iterator([STORY] * 3, vocab_size=300, special_tokens=FIVE)
    return tokenizer


def test_five_special_tokens_in_one_file(five, tmp_path):
    five.save(str(tmp_path / "tokenizer.json"))
    ours = Tokenizer.from_pretrained(tmp_path)
    assert ours.special_tokens == {name: i for i, name in enumerate(FIVE)}
    assert (ours.eot, ours.has_eot) == (2, True)
    for text in [*TEXTS, *mixed(500)]:
        assert ours.encode(text, "all") == five.encode(text).ids, text


@pytest.mark.parametrize("prefix", [None, "story"])
def test_five_special_tokens_in_a_pair_of_files(five, transformers, tmp_path, prefix):
    """Files that do not say what is special: by name, the ids of the tokenizer that was trained."""
    five.save_model(str(tmp_path), prefix)
    ours = Tokenizer.from_pretrained(tmp_path)
    assert ours.special_tokens == {name: i for i, name in enumerate(FIVE)}
    assert ours.eot == 2
    theirs = transformers.GPT2TokenizerFast(
        *(str(next(tmp_path.glob(end))) for end in ("*vocab.json", "*merges.txt")),
        eos_token="</s>",
        bos_token="<s>",
        unk_token="<unk>",
    )
    for text in [*TEXTS, *mixed(300)]:
        assert ours.encode(text, FIVE) == five.encode(text).ids, text
        assert ours.encode(text, ["<s>", "</s>", "<unk>"]) == theirs(text).input_ids, text
        assert ours.decode(ours.encode(text)) == text


def test_a_pair_of_files_alone_declares_nothing(five, transformers, tmp_path):
    five.save_model(str(tmp_path))
    ours = Tokenizer.from_pretrained(tmp_path)
    theirs = transformers.GPT2TokenizerFast.from_pretrained(tmp_path)
    for text in [*TEXTS, *mixed(300)]:
        if EOT not in text:  # which transformers adds to a vocabulary that has none
            assert ours.encode(text, "all") == theirs(text).input_ids == ours.encode(text), text


def test_a_trainer_with_special_tokens_first(tokenizers, transformers, tmp_path):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=310,
        special_tokens=["<BOS>", EOT, "[PAD]"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([STORY], trainer)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    ours = equal_to_transformers(tmp_path, transformers, tmp_path)
    assert ours.eot == 1
    for text in [*TEXTS, *mixed(300)]:
        assert ours.encode(text, "all") == tokenizer.encode(text).ids, text


# ---- Added to a vocabulary ----------------------------------------------------------------------


def with_added(transformers, folder: Path, seed: int, without: str = EOT):
    """GPT-2's kind of tokenizer with tokens added, their options drawn at random."""
    rng = random.Random(seed)
    Tokenizer.train([STORY, *["that"] * 9], 280).save_pretrained(folder)
    theirs = transformers.GPT2TokenizerFast.from_pretrained(folder)
    names = rng.sample([name for name in NAMES if name not in (EOT, without)], rng.randint(1, 8))
    for name in names:
        options = {key: rng.random() < 0.4 for key in ("lstrip", "rstrip", "single_word")}
        if rng.random() < 0.5:
            options["normalized"] = rng.random() < 0.5
        token = transformers.AddedToken(name, **options)
        theirs.add_tokens([token], special_tokens=rng.random() < 0.5)
    if rng.random() < 0.5:
        role = rng.choice(["pad_token", "eos_token", "bos_token", "mask_token"])
        theirs.add_special_tokens({role: rng.choice(names)})
    return theirs


def save_old(theirs, folder: Path, form: str) -> None:
    """As versions before 5 saved it: a pair of files, and the tokens in files of their own."""
    theirs.save_pretrained(folder)
    whole = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    (folder / "tokenizer.json").unlink()
    model = whole["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    lines = ["#version: 0.2", *map(" ".join, model["merges"])]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    added = whole["added_tokens"]
    if form == "decoder":
        config["added_tokens_decoder"] = {token.pop("id"): token for token in added}
        config["model_max_length"] = int(1e30)
    else:
        roles = {key: config.pop(key) for key in list(config) if key.endswith("_token")}
        roles = {key: name for key, name in roles.items() if isinstance(name, str)}
        ids = {t["content"]: t["id"] for t in added if t["content"] not in model["vocab"]}
        special = [t["content"] for t in added if t["special"]]
        roles["additional_special_tokens"] = [s for s in special if s not in roles.values()]
        config = {"tokenizer_class": "GPT2Tokenizer"}
        (folder / "special_tokens_map.json").write_text(json.dumps(roles))
        (folder / "added_tokens.json").write_text(json.dumps(ids))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("seed", range(12))
def test_added_tokens_in_one_file(transformers, tmp_path, seed):
    theirs = with_added(transformers, tmp_path / "base", seed)
    theirs.save_pretrained(tmp_path / "saved")
    ours = equal_to_transformers(tmp_path / "saved", transformers, tmp_path)
    special = {t.content for t in theirs.added_tokens_decoder.values() if t.special}
    assert set(ours.special_tokens) == special
    assert ours.eot == theirs.eos_token_id


@pytest.mark.parametrize("form", ["decoder", "maps"])
@pytest.mark.parametrize("seed", range(12))
def test_added_tokens_in_files_of_their_own(transformers, tmp_path, form, seed):
    # Version 5 does not take these files' additional_special_tokens for special, as version 4 did
    # and gptlite does. That changes an id only where one name begins with another.
    without = "<user> " if form == "maps" else EOT
    theirs = with_added(transformers, tmp_path / "base", seed, without)
    save_old(theirs, tmp_path / "saved", form)
    ours = equal_to_transformers(tmp_path / "saved", transformers, tmp_path)
    assert ours.eot == theirs.eos_token_id


@pytest.mark.parametrize("seed", range(3))
def test_any_text_with_added_tokens(transformers, tmp_path, seed):
    theirs = with_added(transformers, tmp_path / "base", 100 + seed)
    theirs.save_pretrained(tmp_path / "saved")
    ours = Tokenizer.from_pretrained(tmp_path / "saved")

    @given(texts())
    @settings(deadline=None, max_examples=300)
    def test(text):
        whole = theirs(text, return_offsets_mapping=True)
        assert ours.encode(text, "all") == whole.input_ids
        assert ours.offsets(text, "all") == whole.offset_mapping

    test()


def test_the_end_of_text_in_added_tokens_alone(transformers, tmp_path):
    base = Tokenizer.train([STORY], 280)
    vocab = {name: i for name, i in base.vocab.items() if name != EOT}
    base.save_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "vocab.json").write_text(json.dumps(vocab))
    (tmp_path / "saved" / "added_tokens.json").write_text(json.dumps({EOT: 279}))
    ours = equal_to_transformers(tmp_path / "saved", transformers, tmp_path)
    assert ours.eot == 279 and ours.vocab == base.vocab


# ---- tiktoken -----------------------------------------------------------------------------------


def test_the_stream_of_a_training_file_is_tiktoken_s(shared):
    tiktoken = pytest.importorskip("tiktoken")
    from tiktoken.load import data_gym_to_mergeable_bpe_ranks

    folder = shared / "gpt2-tokenizer"
    ranks = data_gym_to_mergeable_bpe_ranks(
        vocab_bpe_file=str(folder / "vocab.bpe"), encoder_json_file=str(folder / "encoder.json")
    )
    pattern = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
    specials = {EOT: 50256}
    theirs = tiktoken.Encoding(
        "gpt2", pat_str=pattern, mergeable_ranks=ranks, special_tokens=specials
    )
    ours = Tokenizer.from_pretrained(folder)
    files = sorted((shared / "corpora").rglob("*.txt"))[:20]
    stories = [path.read_text(encoding="utf-8")[:5000] for path in files]
    for mark in (EOT, f"\n{EOT}\n", f" {EOT} ", f"{EOT}{EOT}"):
        text = mark.join(stories)
        ids = theirs.encode(text, allowed_special={EOT})
        assert ours.encode(text, {EOT}) == ids == ours.encode(text, "all")
        assert ids.count(50256) == text.count(EOT)
        assert ours.encode(text) == theirs.encode(text, disallowed_special=())
        assert ours.decode(ids) == text
        starts = theirs.decode_with_offsets(ids)[1]
        assert [start for start, _ in ours.offsets(text, "all")] == starts


# ---- A model with its tokenizer -----------------------------------------------------------------


@pytest.mark.parametrize("form", ["whole", "decoder", "maps"])
def test_a_model_with_added_tokens_opens_and_ends_as_it_does_there(transformers, tmp_path, form):
    torch = pytest.importorskip("torch")
    Tokenizer.train([STORY, *["that"] * 9], 280).save_pretrained(tmp_path / "base")
    theirs = transformers.GPT2TokenizerFast.from_pretrained(tmp_path / "base")
    theirs.add_special_tokens({"pad_token": "[PAD]", "eos_token": "<end>"})
    theirs.add_tokens(["COVID-19"])
    if form == "whole":
        theirs.save_pretrained(tmp_path / "m")
    else:
        save_old(theirs, tmp_path / "m", form)
    config = transformers.GPT2Config(
        vocab_size=len(theirs), n_positions=32, n_embd=8, n_layer=1, n_head=2
    )
    torch.manual_seed(0)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path / "m")
    model, ours = gptlite.load(tmp_path / "m")
    model.save_pretrained(tmp_path / "again")
    ours.save_pretrained(tmp_path / "again")
    again = transformers.GPT2LMHeadModel.from_pretrained(tmp_path / "again")
    tokens = transformers.AutoTokenizer.from_pretrained(tmp_path / "again")
    text = "[PAD]The cat<end> COVID-19 the"
    ids = theirs(text).input_ids
    assert ours.encode(text, "all") == ids == tokens(text).input_ids
    assert ours.eot == theirs.eos_token_id == tokens.eos_token_id == again.config.eos_token_id
    assert tokens.pad_token == "[PAD]"
    with torch.no_grad():
        logits = again(torch.tensor([ids])).logits[0].numpy()
    assert abs(model(ids) - logits).max() < 1e-5


# ---- Rules that are not GPT-2's -----------------------------------------------------------------


@pytest.mark.parametrize("space", [False, True])
@pytest.mark.parametrize(
    "unknown", [{}, {"unk_token": "<unk>"}, {"unk_token": "<unk>", "fuse_unk": 1}]
)
def test_a_vocabulary_that_lacks_bytes_and_has_gaps(tokenizers, tmp_path, unknown, space):
    """As a trainer makes it that was not given the alphabet of bytes."""
    rare = ("c", "q", "z", "Ã", "<", EOT)
    small = Tokenizer.train([STORY], 280)
    merges = [pair for pair in small.merges if "c" not in "".join(pair)]
    vocab = {name: 2 * i for name, i in small.vocab.items() if name not in rare and "c" not in name}
    vocab |= {"<unk>": 599, "<s>": 601}
    unknown = {**unknown, **({"fuse_unk": True} if "fuse_unk" in unknown else {})}
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocab, merges=merges, **unknown))
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=space)
    theirs.decoder = tokenizers.decoders.ByteLevel()
    theirs.add_special_tokens(["<s>", "<unk>"])
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours = Tokenizer.from_pretrained(tmp_path)
    ours.save_pretrained(tmp_path / "again")
    again = Tokenizer.from_pretrained(tmp_path / "again")
    for text in [*TEXTS, *mixed(300)]:
        found = theirs.encode(text)
        assert ours.encode(text, "all") == again.encode(text, "all") == found.ids, text
        if unknown:  # without, the library counts as if nothing were left out
            assert ours.offsets(text, "all") == [tuple(place) for place in found.offsets], text
        assert ours.decode(found.ids) == theirs.decode(found.ids, skip_special_tokens=False)
    if unknown:
        back = tokenizers.Tokenizer.from_file(str(tmp_path / "again" / "tokenizer.json"))
        assert [back.encode(t).ids for t in TEXTS] == [theirs.encode(t).ids for t in TEXTS]


def test_a_space_before_a_text_in_a_pair_of_files(transformers, tmp_path):
    Tokenizer.train([STORY], 280).save_pretrained(tmp_path)
    config = {
        "tokenizer_class": "GPT2Tokenizer",
        "add_prefix_space": True,
        "chat_template": "{{ a }}",
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    ours = Tokenizer.from_pretrained(tmp_path)
    ours.save_pretrained(tmp_path / "again")
    for folder in (tmp_path, tmp_path / "again"):
        theirs = transformers.GPT2TokenizerFast.from_pretrained(folder)
        assert theirs.chat_template == "{{ a }}"
        for text in [*TEXTS, *mixed(200)]:
            found = theirs(text, return_offsets_mapping=True)
            assert ours.encode(text, "all") == found.input_ids, text
            assert ours.offsets(text, "all") == [tuple(p) for p in found.offset_mapping], text


def test_gpt1_s_tokenizer_json(transformers, shared, tmp_path):
    folder = shared / "gpt1-tokenizer"
    if not folder.is_dir():
        pytest.skip("no gpt1-tokenizer in the test data")
    pair = Tokenizer.from_pretrained(folder)
    theirs = transformers.OpenAIGPTTokenizer(vocab=pair.vocab, merges=pair.merges)
    theirs.save_pretrained(tmp_path)
    ours = Tokenizer.from_pretrained(tmp_path)
    ours.save_pretrained(tmp_path / "again")
    back = transformers.OpenAIGPTTokenizer.from_pretrained(tmp_path / "again")
    more = [
        "Don't say née! 3.5km\n\nMr. Fox 中文 \x00\x07\u200d\ufffd İstanbul ΣΑΣ a<unk>b 한국 ﬁ ①"
    ]
    for text in [*TEXTS, *mixed(300), *more]:
        found = theirs(text, return_offsets_mapping=True)
        assert ours.encode(text, "all") == found.input_ids == back(text).input_ids, text
        assert ours.offsets(text, "all") == [tuple(p) for p in found.offset_mapping], text
