"""From text files to batches."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptlite import Tokenizer
from gptlite.pretrain import data
from gptlite.texts import Count, text_files

few = settings(max_examples=50, deadline=None)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(["the cat and the dog and the cat"], 265)


def test_every_document_begins_with_endoftext(tmp_path, tokenizer):
    texts = ["the cat", "<|endoftext|> is text here", "dög"]
    files = [tmp_path / f"{i}.txt" for i in range(3)]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, encoding="utf-8")
    data.write_token_file(tmp_path / "tokens.npy", tokenizer, files)
    tokens = data.open_token_file(tmp_path / "tokens.npy", tokenizer.n_vocab, 8)
    assert isinstance(tokens, np.memmap)
    assert not tokens.flags.writeable
    starts = np.flatnonzero(tokens == tokenizer.eot)
    assert len(starts) == 3
    documents = np.split(tokens, starts)[1:]
    assert [tokenizer.decode(document[1:].tolist()) for document in documents] == texts


def test_every_document_of_a_file_begins_with_endoftext(tmp_path, tokenizer):
    mark = tokenizer.decode([tokenizer.eot])
    (tmp_path / "a.txt").write_text(f"the cat\n{mark}\nthe dog\n{mark}\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("and\n", encoding="utf-8")
    (tmp_path / "c.jsonl").write_text('{"text": "dog"}\n{"text": ""}\n{"text": "cat"}')
    count = data.write_token_file(tmp_path / "t.npy", tokenizer, text_files([tmp_path]))
    tokens = data.open_token_file(tmp_path / "t.npy", tokenizer.n_vocab, 1).tolist()
    documents = ("the cat", "the dog", "and\n", "dog", "cat")
    assert tokens == list(chain(*([tokenizer.eot, *tokenizer.encode(d)] for d in documents)))
    n_bytes = sum(map(len, documents))
    assert count == Count(3, len(documents), n_bytes, len(tokens), empty=1, inside=0)


@pytest.mark.parametrize(
    ("n_vocab", "dtype"), [(65535, np.uint16), (65536, np.uint16), (65537, np.uint32)]
)
def test_two_bytes_a_token_where_they_suffice(tmp_path, n_vocab, dtype):
    class Wide:  # the greatest id there is, three times
        eot = n_vocab - 1

        def __init__(self) -> None:
            self.n_vocab = n_vocab

        def encode(self, text: str) -> list[int]:
            return [n_vocab - 1] * 2

    (tmp_path / "a.txt").write_text("x")
    data.write_token_file(tmp_path / "tokens.npy", Wide(), [tmp_path / "a.txt"])
    tokens = data.open_token_file(tmp_path / "tokens.npy", n_vocab, 2)
    assert tokens.dtype == dtype
    assert tokens.tolist() == [n_vocab - 1] * 3


def test_what_is_no_token_file_is_refused(tmp_path):
    path = tmp_path / "tokens.npy"
    with pytest.raises(FileNotFoundError):
        data.open_token_file(path, 300, 4)

    def refused(message: str) -> None:
        with pytest.raises(ValueError, match=message) as caught:
            data.open_token_file(path, 300, 4)
        assert str(path) in str(caught.value) or "too few" in message  # then the texts are short
        assert "\n" not in str(caught.value)

    for content in (b"", b"\x93NUMPY", b"once upon a time", b"PK\x03\x04" + bytes(30)):
        path.write_bytes(content)
        refused("not a token file")
    with path.open("wb") as file:
        np.savez(file, tokens=np.arange(9, dtype=np.uint16))
    refused("not a token file")
    with path.open("wb") as file:
        np.save(file, np.array([{}] * 9, object), allow_pickle=True)
    refused("not a token file")
    for array in (
        np.arange(9.0),
        np.arange(9),
        np.ones((3, 3), np.uint16),
        np.arange(9, dtype=">u2"),
    ):
        np.save(path, array)
        refused(r"expected uint16 or uint32 \[tokens\], found")
    np.save(path, np.arange(4, dtype=np.uint16))
    refused("4 tokens are too few for a context of 4")
    np.save(path, np.arange(296, 301, dtype=np.uint16))
    refused("token id 300 is outside 0 to 299")
    np.save(path, np.arange(5, dtype=np.uint16))
    path.write_bytes(path.read_bytes()[:-1])
    refused("not a token file")


@given(st.data())
@settings(max_examples=150, deadline=None)
@pytest.mark.filterwarnings("ignore:Reading `.npy`")
def test_a_damaged_token_file_is_refused_or_read(tmp_path_factory, data_):
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    np.save(path, np.arange(50, dtype=np.uint16))
    content = bytearray(path.read_bytes())
    for _ in range(data_.draw(st.integers(1, 3))):
        content[data_.draw(st.integers(0, 90))] = data_.draw(st.integers(0, 255))
    path.write_bytes(content[: data_.draw(st.integers(0, len(content)))])
    tokens, refusal = [0], ""
    try:
        tokens = data.open_token_file(path, 300, 4)
    except ValueError as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert max(tokens) < 300


# ---- Batches ------------------------------------------------------------------------------------


@given(
    st.integers(1, 9), st.integers(1, 70), st.integers(1, 5), st.integers(0, 99), st.integers(0, 9)
)
@few
def test_each_epoch_takes_each_window_once(n_ctx, more, batch, seed, epoch):
    tokens = np.arange(n_ctx + more, dtype=np.uint16)  # each token says where it stands
    n_windows = max(1, (len(tokens) - 1) // n_ctx - 1)
    first, end = epoch * n_windows, (epoch + 1) * n_windows
    starts = []
    for step in range(first // batch, -(-end // batch)):
        inputs, targets = data.batch_at(step, tokens, batch, n_ctx, seed)
        assert inputs.shape == targets.shape == (batch, n_ctx)
        assert inputs.dtype == targets.dtype == np.int64
        assert np.array_equal(inputs, inputs[:, :1] + np.arange(n_ctx))
        assert np.array_equal(targets, inputs + 1)
        starts += [int(inputs[row, 0]) for row in range(batch) if first <= step * batch + row < end]
    # Side by side from one start on, and none beyond the last token, which arange would show.
    assert sorted(starts) == [min(starts) + n_ctx * i for i in range(n_windows)]
    assert max(starts) + n_ctx < len(tokens)
    # What an epoch leaves out is less than two windows.
    assert len(tokens) - 1 - n_ctx * n_windows < 2 * n_ctx


def test_every_token_is_reached():
    """The start of an epoch varies, so that the ends of the file are seen as well."""
    for n_tokens in range(5, 30):
        tokens = np.arange(n_tokens, dtype=np.uint16)
        batches = [data.batch_at(step, tokens, 8, 4, 0) for step in range(40)]
        assert set(np.concatenate([x for x, _ in batches]).flat) == set(range(n_tokens - 1))
        assert set(np.concatenate([y for _, y in batches]).flat) == set(range(1, n_tokens))


def test_a_batch_depends_on_its_step_and_the_seed_alone():
    tokens = np.arange(400, dtype=np.uint16)
    forwards = [data.batch_at(step, tokens, 4, 8, 7)[0] for step in range(40)]
    backwards = [data.batch_at(step, tokens, 4, 8, 7)[0] for step in reversed(range(40))]
    assert all(np.array_equal(a, b) for a, b in zip(forwards, reversed(backwards), strict=True))
    other = [data.batch_at(step, tokens, 4, 8, 8)[0] for step in range(40)]
    assert not any(np.array_equal(a, b) for a, b in zip(forwards, other, strict=True))


def test_epochs_differ_in_order_and_start():
    tokens = np.arange(400, dtype=np.uint16)
    n_windows = 399 // 8 - 1  # 48: an epoch is 12 batches of 4
    epochs = [
        np.concatenate([data.batch_at(step, tokens, 4, 8, 0)[0][:, 0] for step in range(e, e + 12)])
        for e in range(0, 120, 12)
    ]
    assert all(len(epoch) == n_windows for epoch in epochs)
    assert len({tuple((epoch - epoch.min()).tolist()) for epoch in epochs}) == 10
    assert len({int(epoch.min()) for epoch in epochs}) > 3
