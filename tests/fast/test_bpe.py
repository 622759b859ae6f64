"""The fast encoding against the plain one, its parts against what they stand for, its cost."""

import random
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gptlite.fast.bpe
import gptlite.fast.joining
import gptlite.fast.merging
import gptlite.fast.pairs
import gptlite.fast.rows
import gptlite.fast.words
import gptlite.training.merges
from fuzz import THOROUGH, times
from gptlite import Tokenizer
from gptlite.alphabet import PATTERN
from gptlite.fast.rows import pair_number, take_rows
from gptlite.fast.words import cut_each, cut_pieces, cut_words, split_at_spaces, split_words
from vocabularies import SMALL, STORY, TEXTS

# The same ids as the plain way


@given(st.lists(st.text(alphabet="aab ").map(str.encode) | st.binary(), max_size=8))
@settings(deadline=None)
def test_merging_by_rounds_one_by_one_and_by_the_heap_agree(pieces):
    tokenizer = Tokenizer.train(["aaaaaaa aab abab baaab " * 3 + STORY], 300)
    merges = tokenizer._encoder._merges
    pieces = [piece for piece in pieces if piece]
    expected = [merges.by_heap(p) for p in pieces]
    assert merges.in_rounds(pieces) == expected
    assert list(map(merges.one, pieces)) == expected


@given(
    st.lists(TEXTS, max_size=3),
    st.sampled_from([0, 8, 1000]),
    st.sampled_from([0, 1000]),
    st.integers(0, 8),
    st.integers(1, 4),
    st.sampled_from([0, 4, 1000]),
    st.sampled_from([1, 5, 1000]),
    st.randoms(),
)
@settings(deadline=None)
def test_encoding_is_the_plain_one_whatever_goes_which_way(
    texts, short, several, long, block, huge, part, rng
):
    """In arrays or piece by piece, by rounds, one by one or by the heap, in whatever parts and
    blocks, whatever is known, whatever ids tokens have.
    """
    vocab, merges = SMALL.vocab, SMALL.merges
    ids = rng.sample(range(len(vocab)), len(vocab))
    tokenizer = Tokenizer(dict(zip(vocab, ids, strict=True)), merges)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gptlite.fast.bpe, "_SHORT", short)
        patch.setattr(gptlite.fast.merging, "_SEVERAL", several)
        patch.setattr(gptlite.fast.bpe, "_LONG", long)
        patch.setattr(gptlite.fast.merging, "_LONG", long)
        patch.setattr(gptlite.fast.merging, "_BLOCK", block)
        patch.setattr(gptlite.fast.merging, "_HUGE", huge)
        patch.setattr(gptlite.fast.words, "_PART", part)
        plain = [[i for step in tokenizer.steps(text) for i in step.ids] for text in texts]
        together = rng.sample([True, False], 2)
        for at_once in together:  # each way, when nothing is known and when all is
            found = tokenizer.encode_batch(texts) if at_once else map(tokenizer.encode, texts)
            assert list(found) == plain


def test_a_long_piece_is_encoded_as_the_plain_way_does():
    letters = random.Random(0)
    for text in ("a" * 300, "ab" * 150, "".join(letters.choices("thecaid", k=300))):
        tokenizer = Tokenizer.train([text[:99], STORY], 300)
        ((_, _, ids),) = tokenizer.steps(text)
        assert tokenizer.encode(text) == ids
        assert len(ids) < len(text)


@given(
    st.randoms(),
    st.text("abc", min_size=3, max_size=5),
    st.lists(st.text("abc", min_size=1, max_size=12), min_size=1),
)
@settings(deadline=None)
def test_a_token_that_several_merges_make(rng, whole, texts):
    """Such a merge can make a pair that was learned before it, which then is the next to join."""
    parts = {whole[i:j] for j in range(len(whole) + 1) for i in range(j)}
    tokens = sorted({"a", "b", "c", *parts})
    vocab = {token: i for i, token in enumerate(tokens)}
    left = [
        (a, b) for a in tokens for b in tokens if a + b in vocab
    ] * 2  # the last of equals counts
    rng.shuffle(left)
    merges, made = [], {"a", "b", "c"}
    while ready := [pair for pair in left if made.issuperset(pair)]:
        merges.append(ready[0])
        left.remove(ready[0])
        made.add("".join(ready[0]))
    tokenizer = Tokenizer(vocab, merges)
    texts = [*texts, whole * 3, whole[:-1] * 20]  # short pieces and a long one
    plain = [[i for step in tokenizer.steps(text) for i in step.ids] for text in texts]
    for several, long in ((0, 64), (1000, 64), (0, 0)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gptlite.fast.merging, "_SEVERAL", several)
            patch.setattr(gptlite.fast.merging, "_LONG", long)
            again = Tokenizer(vocab, merges)
            assert again.encode_batch(texts) == plain
            assert [again.encode(text) for text in texts] == plain


# Words and pieces


def test_pieces_are_the_same_wherever_text_is_cut():
    """Encoding goes by words; the pattern taken over the whole text must give the same pieces."""
    random.seed(0)
    for _ in range(2000):
        text = "".join(random.choices(" \n\t\x1c\x85\u3000ab1.'s", k=12))
        expected = PATTERN.findall(text)
        words = gptlite.fast.words._WORD_START.split(text)
        assert [p for w in words for p in PATTERN.findall(w)] == expected


@given(TEXTS)
@settings(deadline=None)
def test_words_are_the_same_whatever_the_stretches(text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gptlite.fast.words, "_STRETCH", 2)
        first, others = split_words(text)
        words = [first, *(" " + word for word in others)]
    assert words == [
        word for word in gptlite.fast.words._WORD_START.split(text) if word or not first
    ]


@given(TEXTS)
@settings(deadline=None)
def test_words_cut_together_have_the_pieces_of_each(text):
    first, others = split_words(text)
    words = [first, *(" " + word for word in others)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gptlite.fast.words, "_FEW", 0)
        pieces, sizes = cut_words(PATTERN.findall, words)
    assert (pieces, sizes) == cut_each(PATTERN.findall, words)
    rest = iter(pieces)
    for word, size in zip(words, sizes, strict=True):
        assert list(islice(rest, size)) == PATTERN.findall(word)


@given(st.text(st.characters(max_codepoint=127)) | TEXTS)
def test_a_text_of_ascii_is_cut_as_any_other(text):
    assert cut_pieces(text) == PATTERN.findall(text)
    assert cut_pieces(text + "é") == PATTERN.findall(text + "é")


@given(TEXTS)
def test_words_are_the_same_whether_or_not_other_spaces_follow(text):
    assert split_at_spaces(text) == gptlite.fast.words._WORD_SPACE.split(text)


@given(st.lists(st.tuples(st.integers(-1, 9), st.integers(0, 9)), max_size=40), st.integers(1, 4))
def test_the_ranks_of_many_pairs_are_those_of_a_dict(pairs, spare):
    """Whatever shares a slot, and whichever of equal pairs counts."""
    learned, wanted = pairs[: len(pairs) // 2], pairs
    rank = {pair: rank for rank, pair in enumerate(learned)}
    columns = [np.array([pair[i] for pair in learned], np.int64) for i in (0, 1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gptlite.fast.pairs, "_SPARE", spare)
        table = gptlite.fast.pairs.PairRanks(*columns, rank)
    found = table.find(*(np.array([pair[i] for pair in wanted], np.int64) for i in (0, 1)))
    assert found.tolist() == [rank.get(pair, gptlite.fast.pairs.NONE) for pair in wanted]


@given(st.lists(st.binary(max_size=5), min_size=1), st.data())
def test_rows_of_a_flat_array(rows, data):
    which = data.draw(st.lists(st.integers(0, len(rows) - 1)))
    flat = np.frombuffer(b"".join(rows), np.uint8)
    bounds = np.cumsum([0, *map(len, rows)])
    taken = take_rows(flat, bounds, np.array(which, np.uintc))
    assert taken.tobytes() == b"".join(rows[i] for i in which)


# Machines whose own numbers have 32 bits


class Narrow:
    """NumPy as on such a machine: places, and counts of them, are int32, and int64 is too wide."""

    def __getattr__(self, name):
        whole = getattr(np, name)
        if name in ("argsort", "flatnonzero", "searchsorted", "arange"):
            return lambda *args, **options: whole(*args, **options).astype(np.int32)
        if name == "diff":
            return lambda a, **options: whole(a, **options).astype(a.dtype)
        if name in ("repeat", "bincount"):
            return lambda a, *more: self.checked(whole, name, a, *more)
        return np.int32 if name == "intp" else whole

    @staticmethod
    def checked(whole, name, a, *more):
        counts = np.asarray(a if name == "bincount" else more[0])
        plain = name == "repeat" and isinstance(more[0], list)
        if not plain and not np.can_cast(counts.dtype, np.int32, "safe"):
            raise TypeError(f"Cannot cast array data from {counts.dtype} to int32")
        return whole(a, *more)


@pytest.mark.parametrize("short", [0, 10_000])
def test_numbers_do_not_depend_on_the_machine_s_own(short, monkeypatch):
    monkeypatch.setattr(gptlite.fast.bpe, "_SHORT", short)
    words = " ".join("".join(random.Random(n).choices("thecaid é", k=9)) for n in range(300))
    texts = [STORY, words, "x" * 100 + words]
    expected = Tokenizer.train(texts, 400)
    ids = [expected.encode(text) for text in texts]
    for module in (
        *(gptlite.fast.bpe, gptlite.fast.merging, gptlite.fast.rows, gptlite.fast.words),
        *(gptlite.fast.joining, gptlite.fast.pairs, gptlite.training.merges),
    ):
        monkeypatch.setattr(module, "np", Narrow())
    tokenizer = Tokenizer.train(texts, 400)
    assert tokenizer.merges == expected.merges
    assert [tokenizer.encode(text) for text in texts] == ids
    assert [tokenizer.decode(row) for row in ids] == texts


def test_pairs_of_narrow_numbers():
    first, second = np.array([70_000, 1], np.int32), np.array([50_000, 2], np.int32)
    assert pair_number(first, second).tolist() == [70_000 << 32 | 50_000, 1 << 32 | 2]


# What is remembered


@pytest.mark.parametrize("short", [0, 10_000])
def test_the_known_words_stay_few_and_short(short, monkeypatch):
    monkeypatch.setattr(gptlite.fast.bpe, "_SHORT", short)
    tokenizer = Tokenizer.train([""], 257)
    for n in range(3):
        tokenizer.encode(f"{'x' * 1000}{n}! " + "y" * 65)
    assert max(map(len, tokenizer._encoder._pieces)) <= 64


@pytest.mark.parametrize("short", [0, 10_000])
def test_words_are_remembered_up_to_a_number(short, monkeypatch):
    monkeypatch.setattr(gptlite.fast.bpe, "_SHORT", short)
    monkeypatch.setattr(gptlite.fast.bpe, "_MANY", 10)
    tokenizer = Tokenizer.train([""], 257)
    for n in range(100):
        text = f"a cat{n} " + "y" * 65 + " b c d e f g h i j k l m" * (n % 7 == 0)
        assert tokenizer.decode(tokenizer.encode(text)) == text
        for known in (tokenizer._encoder._pieces, tokenizer._encoder._words):
            assert len(known) <= 10
            assert max(map(len, known), default=0) <= 64


@pytest.fixture
def impatient():
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("short", [0, 10_000])
@pytest.mark.parametrize("many", [5, 1 << 18])
def test_threads_share_an_encoder(short, many, monkeypatch):
    """Pieces too long to be remembered, and words enough that what is known is given up."""
    monkeypatch.setattr(gptlite.fast.bpe, "_SHORT", short)
    monkeypatch.setattr(gptlite.fast.bpe, "_MANY", many)
    texts = ["x" * 65, *(f"https://a.b/{'c' * 70}?d={n} the cat {n}" for n in range(7))]
    expected = [Tokenizer(SMALL.vocab, SMALL.merges).encode(text) for text in texts]
    shared = Tokenizer(SMALL.vocab, SMALL.merges)
    n_calls = times(20_000) if short else times(2_000)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(shared.encode, texts * (n_calls // len(texts)), timeout=60)
        for n, ids in enumerate(found):
            assert ids == expected[n % len(texts)]


# Cost


class Counted(dict):
    looked_up = 0

    def get(self, key, default=None):
        self.looked_up += 1
        return dict.get(self, key, default)


@pytest.mark.parametrize("kind", ["one letter", "random letters"])
def test_cost_grows_with_the_length(kind, monkeypatch):
    """Counted in look-ups of pairs, places put in order, and merges taken from the heap."""
    sizes = (10_000, 100_000, 1_000_000) if THOROUGH else (2_000, 20_000, 200_000)
    letters = random.Random(0).choices("abc", k=sizes[-1])
    text = "a" * sizes[-1] if kind == "one letter" else "".join(letters)
    tokenizer = Tokenizer.train([text[:2000]], 400)
    heappop, in_order, work = gptlite.fast.merging.heappop, gptlite.fast.merging.in_order, [0]

    def counted_pop(heap):
        work[0] += 1
        return heappop(heap)

    def counted_sort(places):
        work[0] += len(places)
        return in_order(places)

    monkeypatch.setattr(gptlite.fast.merging, "heappop", counted_pop)
    monkeypatch.setattr(gptlite.fast.merging, "in_order", counted_sort)
    done = {}
    for n in sizes:
        work[0] = 0
        tokenizer._encoder._merges._rank = Counted(tokenizer._encoder._merges._rank)
        ids = tokenizer.encode(text[:n])
        assert tokenizer.decode(ids) == text[:n]
        done[n] = tokenizer._encoder._merges._rank.looked_up + work[0]
        assert n <= done[n] <= 6 * n
    few, more, most = done.values()
    assert most < 11 * more < 121 * few


def memory_to_encode(text):
    """The most memory that encoding takes at any moment, in bytes a letter, beside the text."""
    tokenizer = Tokenizer.train([text[:2000]], 400)
    tokenizer.encode(text[:100])
    tracemalloc.start()
    try:
        ids = tokenizer.encode(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert tokenizer.decode(ids) == text
    return peak / len(text)


@pytest.mark.parametrize("kind", ["one letter", "random letters"])
def test_a_word_without_end_takes_little_memory(kind):
    """With lists in place of arrays it would take a hundred bytes a letter and more."""
    letters = "a" if kind == "one letter" else "abc"
    assert memory_to_encode("".join(random.Random(0).choices(letters, k=70_000))) < 40


def test_a_text_without_end_takes_little_memory(monkeypatch):
    """Only the list of ids grows with it: 8 bytes for each, and no int of its own."""
    monkeypatch.setattr(gptlite.fast.words, "_PART", 1 << 14)
    text = " ".join(f"{n * n % 1000:x}" for n in range(50_000))
    assert memory_to_encode(text) < 10


def test_short_words_take_few_rounds_and_few_pairs(monkeypatch):
    """Counted in pairs looked up: all words together, and two for each merge."""
    calls = []

    def counted(first, second):
        calls.append(len(first))
        return find(first, second)

    monkeypatch.setattr(gptlite.fast.bpe, "_SHORT", 0)
    tokenizer = Tokenizer.train([STORY * 2 + "aaaaaaaabababab"], 300)
    find = tokenizer._encoder._merges._ranks
    tokenizer._encoder._merges._ranks = counted
    letters, done = random.Random(0), {}
    for n in (1000, 10_000):
        words = ["".join(letters.choices("thecaid", k=letters.randint(20, 60))) for _ in range(n)]
        text = " ".join(words)
        calls.clear()
        tokenizer.encode(text)
        assert len(calls) <= 1 + 2 * 61  # a row of all pieces, then rounds of one merge a piece
        done[n] = sum(calls)
        assert len(text) <= done[n] <= 3 * len(text)
    assert 9 * done[1000] < done[10_000] < 11 * done[1000]
