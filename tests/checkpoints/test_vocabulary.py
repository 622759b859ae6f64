"""A tokenizer's files: which are read, what they declare, characters, and what is refused."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gptlite
from fuzz import times
from gptlite import GPT, CheckpointError, GPTConfig, Tokenizer
from gptlite.alphabet import EOT
from gptlite.special import AddedToken
from vocabularies import SMALL, STORY

FIVE = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
WHOLE = Path(__file__).parents[1] / "fixtures" / "tokenizer" / "new" / "tokenizer.json"
OTHER = Tokenizer.train(["a b c"], 258)


def complaint(place: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        Tokenizer.from_pretrained(place)
    message = str(error.value)
    assert "\n" not in message and len(message) < 500 + len(str(place))
    return message


def saved(folder: Path, tokenizer: Tokenizer = SMALL, prefix: str = "") -> Path:
    """A pair of files, with something before their names."""
    tokenizer.save_pretrained(folder / "new")
    for file in (folder / "new").iterdir():
        file.rename(folder / (prefix + file.name))
    return folder


# ---- Which files --------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["gpt2-", "gpt2_", "gpt2."])
def test_a_name_before_the_usual_names(tmp_path: Path, prefix: str) -> None:
    saved(tmp_path, SMALL, prefix)
    (tmp_path / "weights.safetensors").write_bytes(b"")
    named = [tmp_path / (prefix + name) for name in ("vocab.json", "merges.txt")]
    for place in (tmp_path, tmp_path / "weights.safetensors", *named):
        assert Tokenizer.from_pretrained(place).vocab == SMALL.vocab


def test_the_weights_name_comes_before_the_usual_ones(tmp_path: Path) -> None:
    saved(tmp_path)
    shutil.copy(WHOLE, tmp_path / "story.tokenizer.json")
    (tmp_path / "story.safetensors").write_bytes(b"")
    (tmp_path / "other.pt").write_bytes(b"")
    assert Tokenizer.from_pretrained(tmp_path / "story.safetensors").n_vocab == 275
    assert Tokenizer.from_pretrained(tmp_path / "story.tokenizer.json").n_vocab == 275
    assert Tokenizer.from_pretrained(tmp_path / "other.pt").n_vocab == 280
    assert Tokenizer.from_pretrained(tmp_path).n_vocab == 280


def test_two_tokenizers_of_which_neither_has_the_usual_name(tmp_path: Path) -> None:
    saved(saved(tmp_path, SMALL, "a-"), OTHER, "b-")
    message = complaint(tmp_path)
    assert "expected one tokenizer, found a-vocab.json, b-vocab.json: name the file" in message
    assert Tokenizer.from_pretrained(tmp_path / "b-vocab.json").n_vocab == 258


def test_a_file_of_any_name(tmp_path: Path) -> None:
    shutil.copy(WHOLE, tmp_path / "mine.json")
    assert Tokenizer.from_pretrained(tmp_path / "mine.json").n_vocab == 275
    (tmp_path / "alone.json").write_text(json.dumps(SMALL.vocab))
    assert "expected vocab.json and merges.txt or" in complaint(tmp_path / "alone.json")
    with pytest.raises(CheckpointError, match=r"nothing\.json: no such directory or file"):
        Tokenizer.from_pretrained("nothing.json")


def test_a_model_with_a_tokenizer_from_elsewhere(tmp_path: Path) -> None:
    GPT.init(GPTConfig(280, 4, 2, 1, 1)).save_pretrained(tmp_path / "model")
    saved(tmp_path)
    with pytest.raises(CheckpointError, match="expected vocab"):
        gptlite.load(tmp_path / "model")
    for place in (tmp_path, tmp_path / "vocab.json"):
        assert gptlite.load(tmp_path / "model", tokenizer=place)[1].vocab == SMALL.vocab
    OTHER.save_pretrained(tmp_path / "model")
    assert gptlite.load(tmp_path / "model", tokenizer=tmp_path)[1].vocab == SMALL.vocab


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("vocab.txt", "WordPiece, as BERT's"),
        ("spiece.model", "SentencePiece, as T5's"),
        ("tokenizer.model", "SentencePiece, as Llama's"),
        ("sentencepiece.bpe.model", "SentencePiece, as XLM-R's"),
    ],
)
def test_vocabularies_of_other_kinds_are_named(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_text("x")
    assert f"or tokenizer.json, found {name} ({kind})" in complaint(tmp_path)
    assert f"{name} ({kind})" in complaint(tmp_path / name)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1042301\n"


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt", "tokenizer_config.json"])
def test_a_pointer_in_place_of_a_file(tmp_path: Path, name: str) -> None:
    (saved(tmp_path) / name).write_text(POINTER)
    message = complaint(tmp_path)
    assert f"{name}: expected" in message and "found a Git LFS pointer to" in message


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    saved(tmp_path)
    for file in tmp_path.glob("*.*"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    found = Tokenizer.from_pretrained(tmp_path)
    assert (found.vocab, found.merges) == (SMALL.vocab, SMALL.merges)


# ---- What is declared ---------------------------------------------------------------------------


def with_files(folder: Path, **contents: Any) -> Tokenizer:
    saved(folder)
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return Tokenizer.from_pretrained(folder)


def test_special_tokens_before_the_bytes(tmp_path: Path) -> None:
    """As ByteLevelBPETokenizer saves what it was trained with."""
    ids = [*FIVE, *(name for name in SMALL.vocab if name != EOT)]
    vocab = {name: i for i, name in enumerate(ids)}
    tokenizer = Tokenizer(vocab, SMALL.merges)
    saved(tmp_path, tokenizer)
    found = Tokenizer.from_pretrained(tmp_path)
    assert found.vocab == vocab and list(found.special_tokens) == FIVE
    assert (found.eot, found.has_eot) == (2, True)
    assert found.encode(f"<s>{STORY}</s>", FIVE) == [0, *tokenizer.encode(STORY), 2]


def test_no_special_token_at_all(tmp_path: Path) -> None:
    vocab = {name: i for name, i in SMALL.vocab.items() if name != EOT}
    found = Tokenizer.from_pretrained(saved(tmp_path, Tokenizer(vocab, SMALL.merges)))
    assert found.special_tokens == {} and not found.has_eot
    assert found.decode([found.eot]) == "\n"
    assert found.encode(STORY, "all") == SMALL.encode(STORY)


def test_old_files(tmp_path: Path) -> None:
    tokenizer = with_files(
        tmp_path,
        added_tokens={"[PAD]": 280, "COVID-19": 281, "<user>": 282},
        special_tokens_map={
            "pad_token": "[PAD]",
            "eos_token": {"content": EOT, "lstrip": False, "normalized": True},
            "additional_special_tokens": ["<user>"],
        },
    )
    assert tokenizer.special_tokens == {EOT: 279, "[PAD]": 280, "<user>": 282}
    assert 281 in tokenizer.encode("a COVID-19 b")
    assert tokenizer.eot == 279


def test_new_files(tmp_path: Path) -> None:
    options = {"lstrip": True, "rstrip": False, "normalized": False, "single_word": False}
    tokenizer = with_files(
        tmp_path,
        tokenizer_config={
            "added_tokens_decoder": {
                "279": {"content": EOT, "special": True},
                "280": {"content": "<BOS>", **options, "special": True},
                "281": {"content": "<end>", **options, "special": False},
            },
            "bos_token": "<BOS>",
            "eos_token": {"__type": "AddedToken", "content": "<end>", **options},
            "add_bos_token": False,
            "chat_template": "{{ messages }}",
            "model_max_length": 1000000000000000019884624838656,
        },
        # Not read where the other file has the ids, as in transformers
        added_tokens={"[PAD]": 282},
    )
    assert tokenizer.special_tokens == {EOT: 279, "<BOS>": 280, "<end>": 281}
    assert tokenizer.eot == 281
    assert tokenizer.encode("a  <BOS>", "all") == [*tokenizer.encode("a"), 280]
    tokenizer.save_pretrained(tmp_path / "again")
    names = ["merges.txt", "tokenizer_config.json", "vocab.json"]
    assert sorted(file.name for file in (tmp_path / "again").iterdir()) == names
    again = Tokenizer.from_pretrained(tmp_path / "again")
    assert set(again._special.added) == set(tokenizer._special.added)
    tokenizer.save_pretrained(tmp_path / "openai", "openai")
    again = Tokenizer.from_pretrained(tmp_path / "openai")
    assert set(again._special.added) == set(tokenizer._special.added)


def test_files_beside_a_named_one_have_its_prefix(tmp_path: Path) -> None:
    saved(tmp_path, SMALL, "a-")
    (tmp_path / "added_tokens.json").write_text('{"<x>": 280}')
    assert Tokenizer.from_pretrained(tmp_path / "a-vocab.json").n_vocab == 280
    (tmp_path / "a-added_tokens.json").write_text('{"<y>": 280}')
    assert "<y>" in Tokenizer.from_pretrained(tmp_path / "a-vocab.json").vocab


def test_what_cannot_be_as_in_transformers_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = {"add_bos_token": True, "pad_token": "[PAD]"}
    assert with_files(tmp_path, tokenizer_config=config).vocab == SMALL.vocab
    assert "add_bos_token: transformers puts a token before a text, gptlite none" in caplog.text
    assert "the token '[PAD]' has no id in any file, and is left out" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("added_tokens", {"<x>": 1 << 20}, "expected ids from 0 to 1048575, found 1048576"),
        ("added_tokens", {"<x>": 3}, "an id of its own for each token, found 3 for both"),
        ("added_tokens", {"<x>": "280"}, "expected 'an int' as id of '<x>', found '280'"),
        ("added_tokens", {"<x>": True}, "expected 'an int' as id of '<x>', found True"),
        (
            "added_tokens",
            {EOT: 280},
            f"added_tokens.json: expected 279 as id of '{EOT}', found 280",
        ),
        ("added_tokens", {"": 280}, "expected the content of a token, found ''"),
        ("added_tokens", {"\ud800": 280}, r"expected the content of a token, found '\ud800'"),
        ("added_tokens", [3], "added_tokens.json: expected a JSON object, found [3]"),
        ("special_tokens_map", {"pad_token": {"id": 3}}, "pad_token: expected the content"),
        ("special_tokens_map", {"additional_special_tokens": [3]}, "expected the content of"),
        (
            "special_tokens_map",
            {"additional_special_tokens": 3},
            "expected the content of a token, found 3",
        ),
        ("tokenizer_config", {"added_tokens_decoder": []}, "decoder: expected an object"),
        ("tokenizer_config", {"added_tokens_decoder": {"x": {}}}, "expected the id of a token"),
        ("tokenizer_config", {"added_tokens_decoder": {"1": 2}}, "expected the content of a"),
        (
            "tokenizer_config",
            {"added_tokens_decoder": {"280": {"content": "<x>", "lstrip": "yes"}}},
            "'280': lstrip: expected true or false, found 'yes'",
        ),
    ],
)
def test_declarations_that_are_refused(
    tmp_path: Path, name: str, content: Any, message: str
) -> None:
    (saved(tmp_path) / f"{name}.json").write_text(json.dumps(content))
    assert message in complaint(tmp_path)


KEYS = ["content", "special", "lstrip", "280", "281", "<x>", "<y>", EOT, "eos_token", "pad_token"]
KEYS += ["added_tokens_decoder", "additional_special_tokens", "__type"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 283) | st.sampled_from(["", "<x>", EOT, "he", "é"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.data())
@settings(max_examples=times(1500))
def test_any_declarations_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("declared")
    SMALL.save_pretrained(folder)
    for name in ("tokenizer_config", "special_tokens_map", "added_tokens"):
        if data.draw(st.booleans()):
            (folder / f"{name}.json").write_text(json.dumps(data.draw(JSON)))
    try:
        tokenizer = Tokenizer.from_pretrained(folder)
    except CheckpointError as error:
        assert "\n" not in str(error) and str(folder) in str(error)
    else:
        for allowed in ((), "all", tokenizer.special_tokens):
            ids = tokenizer.encode(f"the <x> cat{EOT}", allowed)
            assert len(tokenizer.offsets(f"the <x> cat{EOT}", allowed)) == len(ids)
            assert max(ids) < tokenizer.n_vocab
        tokenizer.save_pretrained(folder / "again")
        again = Tokenizer.from_pretrained(folder / "again")
        assert again.vocab == tokenizer.vocab and again.eot == tokenizer.eot
        assert again.special_tokens == tokenizer.special_tokens


def test_another_tokenizer_s_declarations_are_not_mixed_with_those_saved(tmp_path: Path) -> None:
    for name in ("tokenizer_config", "special_tokens_map", "added_tokens", "tokenizer"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"{name}.json").write_text("{}")
        with pytest.raises(FileExistsError, match=f"holds {name}.json, which would be read"):
            SMALL.save_pretrained(folder)
        assert [file.name for file in folder.iterdir()] == [f"{name}.json"]
    tokenizer = Tokenizer({**SMALL.vocab, "<x>": 280}, SMALL.merges, [AddedToken("<x>")])
    for _ in range(2):  # its own file is written again
        tokenizer.save_pretrained(tmp_path / "own")


# ---- Characters ---------------------------------------------------------------------------------

CHARACTERS = sorted(set(STORY))
STOI = {character: i for i, character in enumerate(CHARACTERS)}
META = {
    "vocab_size": len(STOI),
    "itos": dict(enumerate(CHARACTERS)),
    "stoi": STOI,
}


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_nanogpt_s_characters(tmp_path: Path, protocol: int) -> None:
    (tmp_path / "meta.pkl").write_bytes(pickle.dumps(META, protocol))
    for place in (tmp_path, tmp_path / "meta.pkl"):
        tokenizer = Tokenizer.from_pretrained(place)
        assert tokenizer.vocab == STOI and tokenizer.n_vocab == len(STOI)
        ids = tokenizer.encode(STORY)
        assert ids == [STOI[character] for character in STORY]
        assert tokenizer.decode(ids) == STORY and tokenizer.decode_bytes(ids) == STORY.encode()
        assert tokenizer.encode(STORY, "all") == ids
        assert tokenizer.offsets(STORY) == [(i, i + 1) for i in range(len(STORY))]
        assert (tokenizer.eot, tokenizer.has_eot) == (STOI["\n"], False)
        assert tokenizer.special_tokens == {} and tokenizer.merges == []
        assert [step.ids for step in tokenizer.steps("The")] == [[STOI[c]] for c in "The"]
        for call in (tokenizer.encode, tokenizer.steps, tokenizer.offsets):
            with pytest.raises(ValueError, match=f"'é' is not one of the vocabulary's {len(STOI)}"):
                call("caté")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("vocab.json", STOI),
        ("characters.json", STOI),
        ("tokenizer.json", STOI),
        ("stoi.json", {"stoi": STOI, "itos": {}}),
    ],
)
def test_characters_in_json(tmp_path: Path, name: str, content: Any) -> None:
    (tmp_path / name).write_text(json.dumps(content))
    tokenizer = Tokenizer.from_pretrained(tmp_path / name)
    assert tokenizer.encode(STORY) == [STOI[character] for character in STORY]
    tokenizer.save_pretrained(tmp_path / "again")
    assert [file.name for file in (tmp_path / "again").iterdir()] == ["vocab.json"]
    again = Tokenizer.from_pretrained(tmp_path / "again")
    assert again.vocab == STOI and again.encode(STORY) == tokenizer.encode(STORY)
    with pytest.raises(ValueError, match="OpenAI's format holds bytes and merges"):
        tokenizer.save_pretrained(tmp_path / "again", "openai")


def test_characters_with_special_tokens_and_without_a_line_feed(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text(json.dumps({"é": 0, "b": 1, "<eos>": 2, "[UNK]": 3}))
    tokenizer = Tokenizer.from_pretrained(tmp_path)
    assert tokenizer.special_tokens == {"<eos>": 2, "[UNK]": 3}
    assert (tokenizer.eot, tokenizer.has_eot) == (2, True)
    assert tokenizer.encode("éb<eos>", ["<eos>"]) == [0, 1, 2]
    assert tokenizer.offsets("éb<eos>", ["<eos>"]) == [(0, 1), (1, 2), (2, 7)]
    assert tokenizer.decode([0, 1, 2]) == "éb<eos>"
    assert Tokenizer({"b": 0, "a": 1}, None).eot == 0


def test_a_model_of_characters_writes(tmp_path: Path) -> None:
    from gptlite.generate import generate

    GPT.init(GPTConfig(len(STOI), 16, 4, 1, 1)).save_pretrained(tmp_path)
    (tmp_path / "meta.pkl").write_bytes(pickle.dumps(META))
    model, tokenizer = gptlite.load(tmp_path)
    # A line feed is no end here, though it begins the text.
    assert len(generate(model, tokenizer, max_new_tokens=15, seed=0, temperature=9, top_k=0)) == 15


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("executed",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(META | {"more": Evil()}), "meta.pkl: pickle, before byte"),
        (pickle.dumps(META | {"more": print}), "meta.pkl: pickle, before byte"),
        (pickle.dumps(META, 0), "expected a pickle of protocol 2 or 3 or 4 or 5"),
        (pickle.dumps([1]), "expected nanoGPT's stoi"),
        (pickle.dumps({"stoi": 3}), "expected nanoGPT's stoi"),
        (pickle.dumps({"stoi": {"ab": 0}}), "expected nanoGPT's stoi"),
        (pickle.dumps({"stoi": {"a": "0"}}), "expected nanoGPT's stoi"),
        (pickle.dumps({"stoi": {"a": True}}), "expected nanoGPT's stoi"),
        (pickle.dumps({"stoi": {"a": 0}, "itos": {0: "b"}}), "expected itos to be the reverse"),
        (pickle.dumps({"stoi": {"a": -1}}), "expected ids from 0 to 1048575, found -1 for 'a'"),
        (pickle.dumps(META)[:-9], "meta.pkl: pickle"),
        (b"", "meta.pkl: pickle"),
        (POINTER.encode(), "found a Git LFS pointer"),
    ],
)
def test_a_meta_pkl_that_is_refused(
    tmp_path: Path, content: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "meta.pkl").write_bytes(content)
    assert message in complaint(tmp_path)
    assert capsys.readouterr().out == ""


def test_bytes_without_their_merges_are_no_characters(tmp_path: Path) -> None:
    bare = {name: i for i, name in enumerate(list(SMALL.vocab)[:256])}
    (tmp_path / "vocab.json").write_text(json.dumps(bare))
    assert "found vocab.json" in complaint(tmp_path)
