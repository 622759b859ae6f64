"""Learning merges: against counting all pairs anew for each merge, and at the edges."""

import random
import sys
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gptlite.training.merges
from gptlite import Tokenizer
from gptlite.alphabet import BYTE_SYMBOLS, EOT, PATTERN
from gptlite.training.merges import learn_merges, learn_vocabulary

ID_OF_BYTE = {byte: i for i, byte in enumerate(BYTE_SYMBOLS)}


def joined(row: list[int], pair: tuple[int, int], new: int) -> list[int]:
    out, i = [], 0
    while i < len(row):
        if tuple(row[i : i + 2]) == pair:
            out.append(new)
            i += 2
        else:
            out.append(row[i])
            i += 1
    return out


def merges_by_counting_anew(texts: list[str], n_merges: int) -> list[tuple[int, int]]:
    pieces = [piece for text in texts for piece in PATTERN.findall(text)]
    rows = [[ID_OF_BYTE[byte] for byte in piece.encode()] for piece in pieces]
    merges: list[tuple[int, int]] = []
    while len(merges) < n_merges:
        counts = Counter(pair for row in rows for pair in pairwise(row))
        if not counts:
            break
        pair = min(counts, key=lambda pair: (-counts[pair], pair))
        rows = [joined(row, pair, 256 + len(merges)) for row in rows]
        merges.append(pair)
    return merges


@given(
    st.lists(st.text(alphabet="ab ") | st.text(alphabet="aé 1,\n") | st.text(), max_size=5),
    st.integers(0, 60),
)
@settings(deadline=None, max_examples=300)
def test_the_same_merges_as_by_counting_anew(texts, n_merges):
    expected = merges_by_counting_anew(texts, n_merges)
    assert learn_merges(texts, n_merges) == expected
    tokenizer = Tokenizer.train(texts, 257 + n_merges)
    assert tokenizer.n_vocab == 257 + len(expected)
    for text in texts:
        assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("text", ["a" * 50, "ab" * 40, "aaab" * 20, "abaab" * 20])
def test_overlapping_pairs(text):
    assert learn_merges([text, text[1:]], 40) == merges_by_counting_anew([text, text[1:]], 40)


def test_a_book_and_its_tokens(shared):
    text = (shared / "corpora/tinyshakespeare/input.txt").read_text(encoding="utf-8")[:30_000]
    assert learn_merges([text], 100) == merges_by_counting_anew([text], 100)


def test_the_example_of_the_literature():
    """minbpe's worked example, its ids [258, 100, 258, 97, 99] told as bytes."""
    tokenizer = Tokenizer.train(["aaabdaaabac"], 256 + 3 + 1)
    ids = tokenizer.encode("aaabdaaabac")
    assert ids[0] == ids[2] == 258
    assert [tokenizer.decode_bytes([i]) for i in ids] == [b"aaab", b"d", b"aaab", b"a", b"c"]


def test_training_ends_in_the_text_it_learned():
    """Encoding replays training: each piece ends as the trainer left it."""
    text = "low low low lower lower newest newest widest"
    tokenizer = Tokenizer.train([text], 1000)
    assert [tokenizer.decode([i]) for i in tokenizer.encode(text)] == PATTERN.findall(text)


def test_ties_go_to_the_smaller_ids():
    a, b, c, d = (ID_OF_BYTE[byte] for byte in b"abcd")
    for texts in (["cd", "ab"], ["ab", "cd"]):
        assert learn_merges(texts, 9) == [(a, b), (c, d)]


def test_the_order_of_texts_does_not_matter():
    texts = ["the", "cat", "and", "the", "dog", "saw", "a", "hat", "and", "the", "cat", "sat"]
    expected = learn_merges(texts, 20)
    for seed in range(5):
        random.Random(seed).shuffle(texts)
        assert learn_merges(iter(texts), 20) == expected


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["a"], ["a", "b"], ["a b"[:1]]])
def test_texts_without_neighbours_give_the_bytes_alone(texts):
    tokenizer = Tokenizer.train(texts, 1000)
    assert (tokenizer.n_vocab, tokenizer.eot) == (257, 256)
    assert len(tokenizer.encode("a cat")) == 5


def test_fewer_merges_than_wanted():
    assert Tokenizer.train(["abc"], 1000).n_vocab == 257 + 2


def test_special_tokens_in_the_texts_are_plain():
    tokenizer = Tokenizer.train([EOT * 3], 1000)
    assert tokenizer.eot == tokenizer.n_vocab - 1
    assert tokenizer.eot not in tokenizer.encode(EOT)


@pytest.mark.parametrize("n_vocab", [256, 1, 0, -5])
def test_too_few_tokens(n_vocab):
    with pytest.raises(ValueError, match=f"n_vocab must be at least 257 .*, not {n_vocab}"):
        Tokenizer.train(["the cat"], n_vocab)


def test_lone_surrogates():
    with pytest.raises(ValueError, match=r"lone surrogate, '\\ud800'"):
        Tokenizer.train(["a cat", "a \ud800"], 300)


def test_nothing_is_printed_off_a_terminal(capsys):
    Tokenizer.train(["the cat and the dog"], 262)
    assert capsys.readouterr() == ("", "")


def test_cost_goes_with_different_pieces_not_with_length(monkeypatch):
    """Counted in pairs taken from the heap and places put in order: ten times the text with the
    same words costs no more, ten times the merges and words about ten times as much.
    """
    work = [0]
    heappop = gptlite.training.merges.heappop

    def counted(heap):
        work[0] += 1
        return heappop(heap)

    def counted_sort(places):
        work[0] += len(places)
        return sorted(places)

    monkeypatch.setattr(gptlite.training.merges, "heappop", counted)
    monkeypatch.setattr(gptlite.training.merges, "sorted", counted_sort, raising=False)

    def cost(texts, n_merges):
        work[0] = 0
        assert len(learn_merges(texts, n_merges)) == n_merges
        return work[0]

    letters = random.Random(0)
    words = [" " + "".join(letters.choices("abcdefgh", k=8)) for _ in range(3000)]
    once = cost(["".join(words[:300])], 100)
    assert cost(["".join(words[:300])] * 10, 100) == once
    assert 100 <= once <= 10_000
    assert cost(["".join(words)], 1000) < 20 * once


def lines_run(texts: list[str], n_merges: int) -> int:
    """Count the lines of the module that run while the merges are learned."""
    lines = [0]

    def count(frame, event, _):
        if frame.f_code.co_filename != gptlite.training.merges.__file__:
            return None
        lines[0] += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        assert len(learn_merges(texts, n_merges)) == n_merges
    finally:
        sys.settrace(before)
    return lines[0]


def test_lines_run_go_with_different_pieces_and_places():
    letters = random.Random(0)
    words = [" " + "".join(letters.choices("abcdefgh", k=8)) for _ in range(3000)]
    once = lines_run(["".join(words[:300])], 100)
    assert lines_run(["".join(words[:300] * 10)], 100) == once
    assert lines_run(["".join(words)], 1000) < 20 * once


def test_marks_between_documents_are_not_learned():
    documents = ["a low cat", "the lower cat", "the lowest cat <|endoftext|> of all"]
    marked = "\n<|endoftext|>\n".join(documents)
    assert learn_vocabulary([marked], 270) == learn_vocabulary(documents, 270)
    within, _ = learn_vocabulary(["a<|endoftext|>\n" * 9], 270)
    assert any("end" in token for token in within if token != "<|endoftext|>")
