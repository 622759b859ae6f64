"""generate/: the loop in tokens, and its text; the command is in test_generate_command.py."""

import inspect
import math
from collections.abc import Collection, Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptlite.config import GPTConfig
from gptlite.errors import ContextOverflowError
from gptlite.generate import (
    GrowingText,
    begin,
    generate,
    generate_samples,
    generate_tokens,
    left_padded,
    stream,
)
from gptlite.model import GPT
from gptlite.sampling import Sampler, log_softmax
from gptlite.trace import Trace
from gptlite.views import patched

EOT = 256
CONFIG = GPTConfig(n_vocab=257, n_ctx=16, n_embd=16, n_head=2, n_layer=2)
GREEDY = Sampler(temperature=0)
DRAW = Sampler(temperature=1.0, top_k=0)


class Bytes:
    """A tokenizer whose tokens are the 256 bytes and ``<|endoftext|>``."""

    eot, has_eot, n_vocab = EOT, True, 257

    def encode(self, text: str, allowed_special: Collection[str] = ()) -> list[int]:
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, not {type(text).__name__}")
        return list(text.encode())

    def decode_bytes(self, ids) -> bytes:
        return b"".join(b"<|endoftext|>" if i == EOT else bytes([i]) for i in ids)

    def decode(self, ids) -> str:
        return self.decode_bytes(ids).decode(errors="replace")


class Scripted:
    """Stands in for a model: says what its script says, a list of tokens for each row."""

    def __init__(self, *rows: list[int], n_ctx: int = 64) -> None:
        self.config = GPTConfig(n_vocab=257, n_ctx=n_ctx, n_embd=2, n_head=1, n_layer=1)
        self.rows, self.read = rows, []

    def __call__(self, ids, cache=None, trace=None, attention_mask=None, logits_to_keep=None):
        said = [row[len(self.read)] for row in self.rows]
        self.read.append(ids.tolist())
        return np.eye(257, dtype=np.float32)[said][:, None, :] * 50


def scripted(text: str | bytes, *end: int, n_ctx: int = 64) -> Scripted:
    data = text.encode() if isinstance(text, str) else text
    return Scripted([*data, *end], n_ctx=n_ctx)


@pytest.fixture(scope="module")
def model() -> GPT:
    """Untrained, with weights large enough that what it says depends on what it read, and where."""
    model = GPT.init(CONFIG, seed=0)
    for name, array in model.parameters.items():
        if array.ndim == 2:
            array *= {"wte.weight": 20, "wpe.weight": 100}.get(name, 30)
    return model


def tokens(steps: Iterator) -> list[list[int]]:
    """The ids of all steps: a list for each row."""
    return np.stack([step.ids for step in steps], axis=1).tolist()


# ---- The loop, in tokens ------------------------------------------------------------------------


def test_greedy_is_the_article_s_loop(model):
    ids = [1, 2, 3]
    for _ in range(10):
        ids.append(int(model(ids)[0, -1].argmax()))
    [continuation] = tokens(generate_tokens(model, [[1, 2, 3]], GREEDY, max_new_tokens=10))
    assert continuation == ids[3:]
    assert len(set(continuation)) > 3


def test_a_step_has_what_it_chose_and_the_logits_it_chose_from(model):
    steps = list(generate_tokens(model, [[1, 2, 3], [4, 5]], DRAW, 5, seed=0))
    assert len(steps) == 5
    ids = [1, 2, 3]
    for step in steps:
        assert step.ids.shape == (2,)
        assert step.ids.dtype == np.int64
        assert step.logits.shape == (2, 257)
        assert step.logits.dtype == np.float32
        assert np.allclose(step.logits[0], model(ids)[0, -1], atol=1e-4)
        ids.append(int(step.ids[0]))


def test_logprobs_are_the_model_s_own_whatever_the_sampler(model):
    prompt, sampler = [1, 2, 3], Sampler(0.5, 3, 0.9, 1.5)
    steps = list(generate_tokens(model, [prompt], sampler, 10, seed=0))
    text = prompt + [int(step.ids[0]) for step in steps]
    scores = log_softmax(model(text[:-1])[0])  # [seq, n_vocab]
    expected = [scores[i - 1, text[i]] for i in range(3, 13)]
    assert np.allclose([step.logprobs[0] for step in steps], expected, atol=1e-4)
    assert steps[0].logprobs.shape == (1,)
    assert steps[0].logprobs.dtype == np.float32


PROMPTS = [[1, 2, 3, 4, 5], [6], [7, 8, 9], [10, 11, 12, 13, 14]]


@pytest.mark.parametrize("sampler", [GREEDY, DRAW, Sampler(0.9, 20, 0.9, 1.3)])
@pytest.mark.parametrize("prompts", [PROMPTS[:1], PROMPTS])
@pytest.mark.parametrize(("n", "overflow"), [(11, "error"), (60, "slide")])
def test_the_cache_changes_nothing(model, sampler, prompts, n, overflow):
    kept, plain = (
        list(generate_tokens(model, prompts, sampler, n, 0, overflow, use_cache))
        for use_cache in (True, False)
    )
    assert tokens(kept) == tokens(plain)
    for a, b in zip(kept, plain, strict=True):
        assert np.allclose(a.logits, b.logits, atol=1e-3)


def test_with_the_cache_every_token_is_read_once():
    script = Scripted(list(range(40)), n_ctx=64)
    list(generate_tokens(script, [[100, 101, 102]], GREEDY, 5))
    assert script.read == [[[100, 101, 102]], [[0]], [[1]], [[2]], [[3]]]
    script = Scripted(list(range(40)), n_ctx=64)
    list(generate_tokens(script, [[100, 101]], GREEDY, 3, use_cache=False))
    assert script.read == [[[100, 101]], [[100, 101, 0]], [[100, 101, 0, 1]]]


@pytest.mark.parametrize(("n", "overflow"), [(11, "error"), (60, "slide")])
@pytest.mark.parametrize("use_cache", [True, False])
def test_a_batch_of_differing_lengths_equals_one_by_one(model, n, overflow, use_cache):
    sampler = Sampler(0, repetition_penalty=1.2)
    together = tokens(generate_tokens(model, PROMPTS, sampler, n, None, overflow, use_cache))
    alone = [tokens(generate_tokens(model, [p], sampler, n, None, overflow))[0] for p in PROMPTS]
    assert together == alone


def test_a_row_s_draws_depend_on_the_seed_and_the_row_alone(model):
    def drawn(prompts, seed):
        return tokens(generate_tokens(model, prompts, DRAW, 10, seed))

    four = drawn([[1, 2]] * 4, seed=7)
    assert drawn([[1, 2]] * 2, seed=7) == four[:2]
    assert drawn([[3], [4], [1, 2], [5, 6]], seed=7)[2] == four[2]
    assert len(set(map(tuple, four))) == 4
    assert drawn([[1, 2]], seed=8) != four[:1]
    assert drawn([[1, 2]], seed=np.int64(7)) == four[:1]


def test_without_a_seed_every_run_differs(model):
    runs = [tokens(generate_tokens(model, [[1, 2]] * 2, DRAW, 10)) for _ in range(2)]
    rows = runs[0] + runs[1]
    assert len(set(map(tuple, rows))) == 4


def test_the_repetition_penalty_knows_the_prompt_and_what_was_added():
    class Steady(Scripted):
        def __call__(self, ids, **_):
            return np.array([[[4, 3, 2, 1]]], np.float32)

    model, sampler = Steady(), Sampler(0, repetition_penalty=10)
    assert tokens(generate_tokens(model, [[3]], sampler, 3)) == [[0, 1, 2]]
    assert tokens(generate_tokens(model, [[0, 1]], sampler, 3)) == [[2, 3, 0]]


# ---- The end of the context ---------------------------------------------------------------------


def test_the_context_can_be_filled_to_the_brim(model):
    """The last token is made of all positions, and is not read again: it needs none."""
    text = tokens(generate_tokens(model, [[5]], GREEDY, 16))[0]
    for n_prompt in (1, 10, 15, 16):
        prompt = [5, *text[: n_prompt - 1]]
        for options in ({"use_cache": False}, {"speculate": 8}, {"overflow": "slide"}, {}):
            steps = generate_tokens(model, [prompt], GREEDY, 17 - n_prompt, **options)
            assert tokens(steps)[0] == text[n_prompt - 1 :]


@pytest.mark.parametrize(
    ("n_prompt", "n_new", "message"),
    [
        (10, 8, "the context holds 16 tokens and the prompt has 10: 7 new tokens fit, not 8"),
        (16, 2, "the context holds 16 tokens and the prompt has 16: 1 new token fits, not 2"),
        (17, 0, "the context holds 16 tokens and the prompt has 17: it does not fit"),
        (17, None, "the context holds 16 tokens and the prompt has 17: it does not fit"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(n_prompt, n_new, message):
    script = Scripted([0] * 300, n_ctx=16)
    for prompts in ([[1] * n_prompt], [[1], [1] * n_prompt]):
        with pytest.raises(ContextOverflowError) as caught:
            generate_tokens(script, prompts, GREEDY, n_new)
        assert (
            str(caught.value)
            == message + " (with overflow slide it goes on, and forgets the older half)"
        )
    assert script.read == []
    for function in (generate, stream, generate_samples):
        with pytest.raises(ContextOverflowError, match=message):
            function(script, Bytes(), "x" * n_prompt, max_new_tokens=n_new)


LENGTHS = [(64, "error", 62), (3, "error", 1), (64, "slide", 200), (500, "error", 200)]


def test_as_many_tokens_as_fit_unless_told():
    for n_ctx, overflow, expected in LENGTHS:
        script = Scripted([1] * 500, n_ctx=n_ctx)
        steps = generate_tokens(script, [[1, 2, 3]], GREEDY, overflow=overflow)
        assert len(list(steps)) == expected


def test_the_window_slides_to_its_newer_half():
    script = Scripted(list(range(100)), n_ctx=6)
    assert tokens(generate_tokens(script, [[201, 202]], GREEDY, 12, overflow="slide")) == [
        list(range(12))
    ]
    read = [ids for [ids] in script.read]
    # 201 202 0 1 2 3 are six; with 4 there would be seven, so 2 3 4 are read again.
    assert read == [[201, 202], [0], [1], [2], [3], [2, 3, 4], [5], [6], [7], [6, 7, 8], [9], [10]]


def test_a_prompt_longer_than_the_context_slides_before_it_is_read():
    script = Scripted(list(range(100)), n_ctx=6)
    list(generate_tokens(script, [list(range(200, 207))], GREEDY, 2, overflow="slide"))
    assert script.read == [[[204, 205, 206]], [[0]]]
    script = Scripted(list(range(100)), n_ctx=6)
    list(generate_tokens(script, [list(range(200, 206))], GREEDY, 2, overflow="slide"))
    assert script.read == [[list(range(200, 206))], [[204, 205, 0]]]


def test_sliding_changes_nothing_before_the_end_of_the_context(model):
    plain = tokens(generate_tokens(model, [[1, 2, 3]], DRAW, 13, 0))
    slid = tokens(generate_tokens(model, [[1, 2, 3]], DRAW, 40, 0, "slide"))
    assert slid[0][:13] == plain[0]


@pytest.mark.parametrize("n_ctx", [1, 2, 3])
@pytest.mark.parametrize("use_cache", [True, False])
def test_the_smallest_contexts_slide_too(n_ctx, use_cache):
    model = GPT.init(GPTConfig(n_vocab=5, n_ctx=n_ctx, n_embd=2, n_head=1, n_layer=1))
    steps = generate_tokens(model, [[1, 2, 3, 4]], GREEDY, 9, None, "slide", use_cache)
    assert len(list(steps)) == 9


# ---- The loop, in text --------------------------------------------------------------------------


LEADS = b"a\x80\x90\xa0\xc0\xc2\xe0\xed\xf0\xf4\xff"
TEXTS = st.text(st.sampled_from("ab \nüé€漢字🙂") | st.characters(codec="utf-8"), max_size=30)


@given(TEXTS)
def test_pieces_are_whole_characters(text):
    pieces = list(stream(scripted(text, EOT, n_ctx=256), Bytes(), max_new_tokens=200))
    assert "".join(pieces) == text
    assert "" not in pieces
    # A token a byte: each piece is one character, as soon as its last byte is there.
    assert pieces == list(text)


@given(st.binary(max_size=30) | st.lists(st.sampled_from(LEADS), max_size=6).map(bytes))
def test_bytes_that_are_not_text_are_what_decode_makes_of_them(data):
    script = scripted(data, EOT, n_ctx=64)
    text = generate(script, Bytes(), max_new_tokens=40)
    whole = Bytes().decode(data)
    assert whole.startswith(text)
    # Only the bytes of an unfinished character at the end, if there is one, are left off.
    assert whole.removeprefix(text).strip("\ufffd") == ""
    assert Bytes().decode(data + b"|") == generate(
        scripted(data + b"|", EOT, n_ctx=64), Bytes(), max_new_tokens=40
    )


def test_an_unfinished_last_character_is_left_off():
    for n, text in enumerate(["", "", "", "漢", "漢", "漢", "漢字"]):
        assert generate(scripted("漢字"), Bytes(), max_new_tokens=n) == text


def test_the_text_ends_at_endoftext_which_is_not_printed():
    script = scripted("one", EOT, *b"two")
    assert list(stream(script, Bytes(), "x")) == ["o", "n", "e"]
    assert len(script.read) == 4  # nothing is computed that is not used
    assert generate(scripted("", EOT), Bytes(), "x") == ""


def complete_first(text: str, stops: list[str]) -> str:
    """What is left of a text: a character at a time, until it ends in a stop string."""
    for end in range(1, len(text) + 1):
        cuts = [end - len(s) for s in stops if text[:end].endswith(s)]
        if cuts:
            return text[: min(cuts)]
    return text


@settings(max_examples=500)
@given(
    st.lists(st.text("abé", max_size=4), max_size=12),
    st.lists(st.text("abé", min_size=1, max_size=4), max_size=3),
)
def test_stop_strings_end_the_text_wherever_tokens_end(parts, stops):
    tokenizer = SimpleNamespace(
        eot=-1, has_eot=True, decode_bytes=lambda ids: parts[ids[0]].encode()
    )
    text = GrowingText(tokenizer, stops)
    expected = complete_first("".join(parts), stops)
    given_out = ""
    for token in range(len(parts)):
        given_out += text.add(token)
        assert expected.startswith(given_out)
        so_far = "".join(parts[: token + 1])
        assert text.ended == (complete_first(so_far, stops) != so_far)
        # No more is held back than could be the beginning of a stop string.
        held = so_far[len(given_out) :]
        assert text.ended or held == "" or any(s.startswith(held) for s in stops)
    assert given_out + text.end() == expected


def test_stop_strings_may_cross_tokens_and_be_several():
    for stop in ("\n\n", ["\n\n"], ("xyz", "\n\n"), {"\n\n"}):
        script = scripted("one\ntwo\n\nthree")
        pieces = list(stream(script, Bytes(), stop=stop, max_new_tokens=14))
        assert pieces == ["o", "n", "e", "\nt", "w", "o"]
        assert len(script.read) == 9


def test_what_might_have_been_a_stop_string_is_given_out_at_the_end():
    assert generate(scripted("one\n", EOT), Bytes(), stop="\n\n") == "one\n"
    assert generate(scripted("one\ntwo"), Bytes(), stop="\n\n", max_new_tokens=4) == "one\n"


def test_a_stop_string_in_the_prompt_is_not_the_text_s():
    assert generate(scripted("b|c", EOT), Bytes(), "a|", stop="|") == "b"
    assert generate(scripted("|c", EOT), Bytes(), "a|", stop="||") == "|c"


def test_without_a_prompt_the_model_begins_after_endoftext():
    for prompt in (None, ""):
        script = scripted("one", EOT)
        assert generate(script, Bytes(), prompt) == "one"
        assert script.read[0] == [[EOT]]


def test_pieces_come_as_soon_as_they_are_made():
    script = scripted("one", EOT)
    pieces = stream(script, Bytes(), "x")
    assert script.read == []
    assert next(pieces) == "o"
    assert len(script.read) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"seed": 0},
        {"seed": 3, "temperature": 1.0, "top_k": 0, "top_p": 0.9, "repetition_penalty": 1.2},
        {"seed": 1, "stop": ["a", "e", "\ufffd"]},
        {"seed": 2, "max_new_tokens": 50, "overflow": "slide"},
        {"temperature": 0},
    ],
)
def test_stream_generate_and_samples_give_the_same_text(model, options):
    text = generate(model, Bytes(), "abc", **options)
    assert "".join(stream(model, Bytes(), "abc", **options)) == text
    assert generate(model, Bytes(), "abc", **options) == text
    samples = generate_samples(model, Bytes(), "abc", 3, **options)
    assert samples[0] == text
    assert generate_samples(model, Bytes(), "abc", 2, **options) == samples[:2]
    assert (len(set(samples)) == 1) == (options == {"temperature": 0})


def test_samples_end_each_at_its_own_place():
    script = Scripted([*b"one", EOT, *b"xxxx"], [*b"threes", EOT, 0], [*b"se|ven", 0, 0])
    assert generate_samples(script, Bytes(), "x", 3, stop="|") == ["one", "threes", "se"]
    assert len(script.read) == 7
    assert generate_samples(scripted("abc"), Bytes(), "x", max_new_tokens=0) == [""]


def test_the_four_ways_have_the_same_defaults(model):
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(generate).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    sampler = Sampler()
    for name in ("temperature", "top_k", "top_p", "repetition_penalty"):
        assert defaults.pop(name) == getattr(sampler, name)
    others = inspect.signature(begin).parameters
    assert {name: others[name].default for name in defaults} == defaults


# ---- Bad arguments ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"temperature": -1}, ValueError, "temperature must be at least 0, not -1"),
        ({"temperature": math.nan}, ValueError, "temperature must be finite, not nan"),
        ({"top_k": -1}, ValueError, "top_k must be at least 0, not -1"),
        ({"top_k": 1.5}, TypeError, "top_k must be an int, not 1.5"),
        ({"top_p": 0}, ValueError, r"top_p must lie in \(0, 1\], not 0"),
        ({"top_p": 1.5}, ValueError, r"top_p must lie in \(0, 1\], not 1.5"),
        ({"repetition_penalty": 0}, ValueError, "repetition_penalty must be above 0, not 0"),
        ({"max_new_tokens": -1}, ValueError, "max_new_tokens must be at least 0, not -1"),
        ({"max_new_tokens": 2.0}, TypeError, "max_new_tokens must be an int, not 2.0"),
        ({"seed": 0.5}, TypeError, "seed must be an int, not 0.5"),
        ({"seed": "0"}, TypeError, "seed must be an int, not '0'"),
        ({"seed": -1}, ValueError, "seed must be at least 0, not -1"),
        ({"stop": ""}, ValueError, "stop string must not be empty"),
        ({"stop": ["a", ""]}, ValueError, "stop string must not be empty"),
        ({"stop": 5}, TypeError, "stop must be a string or a list of strings, not 5"),
        ({"stop": [5]}, TypeError, r"stop must be a string or a list of strings, not \[5\]"),
        ({"stop": None}, TypeError, "stop must be a string or a list of strings, not None"),
        ({"overflow": "wrap"}, ValueError, "overflow must be 'error' or 'slide', not 'wrap'"),
        ({"prompt": 5}, TypeError, "must be a str(, or a list of them)?, not int"),
        ({"prompt": b"x"}, TypeError, "must be a str(, or a list of them)?, not bytes"),
        ({"prompt": [["x"]]}, TypeError, "must be a str(, or a list of them)?, not list"),
    ],
)
def test_a_bad_argument_is_named_before_any_work(options, error, message):
    for function in (generate, stream, generate_samples):
        script = scripted("one", EOT)
        with pytest.raises(error, match=message) as caught:
            function(script, Bytes(), **options)
        assert type(caught.value) is error
        assert "\n" not in str(caught.value)
        assert script.read == []


@pytest.mark.parametrize("function", [stream, generate_samples])
def test_an_option_that_there_is_not_is_named_with_those_there_are(function):
    for name, hint in (("topk", "did you mean top_k?"), ("max_length", "there are model, token")):
        with pytest.raises(TypeError) as caught:
            function(scripted("one"), Bytes(), **{name: 5})
        assert f"generate has no option {name!r}: {hint}" in str(caught.value)


def test_one_text_is_not_several():
    for function in (generate, stream):
        with pytest.raises(TypeError, match="text must be a str, not list"):
            function(scripted("one"), Bytes(), ["x"])


@pytest.mark.parametrize("function", [generate, stream, generate_samples])
def test_a_tokenizer_that_is_forgotten_is_named(function):
    with pytest.raises(TypeError, match=r"expected a model and a tokenizer.* found Scripted and s"):
        function(scripted("one"), "hi")
    with pytest.raises(TypeError, match=r"expected a model and a tokenizer.* found Bytes and Scri"):
        function(Bytes(), scripted("one"), "hi")


def test_several_samples_are_not_one_stream():
    with pytest.raises(TypeError, match="num_samples"):
        stream(scripted("x"), Bytes(), num_samples=2)


@pytest.mark.parametrize(("n", "error"), [(0, ValueError), (-1, ValueError), (1.0, TypeError)])
def test_the_number_of_samples_is_at_least_1(n, error):
    with pytest.raises(error, match="num_samples must be"):
        generate_samples(scripted("x"), Bytes(), num_samples=n)


@pytest.mark.parametrize(
    ("prompts", "error", "message"),
    [
        ([], ValueError, "no prompts"),
        ([[]], ValueError, "a prompt has no token ids"),
        ([[1], []], ValueError, "a prompt has no token ids"),
        ([np.zeros(0, np.int64)], ValueError, "a prompt has no token ids"),
        ([1, 2], TypeError, r"a prompt must be a list of token ids, not int64 \[\]"),
        ([[[1, 2]]], TypeError, r"a prompt must be a list of token ids, not int64 \[1, 2\]"),
        ([[1.0]], TypeError, r"a prompt must be a list of token ids, not float64 \[1\]"),
        (["one"], TypeError, "a prompt must be a list of token ids"),
        ([[1, 257]], ValueError, "token id 257 is outside 0 to 256"),
        ([[-1, 2], [1]], ValueError, "token id -1 is outside 0 to 256"),
    ],
)
def test_bad_token_ids_are_named(model, prompts, error, message):
    with pytest.raises(error, match=message):
        list(generate_tokens(model, prompts, GREEDY, 1))


def test_a_broken_model_is_named(model):
    broken = GPT.init(CONFIG)
    broken.parameters["ln_f.bias"][0] = np.nan
    with pytest.raises(ValueError, match="logits hold NaN or infinity"):
        generate(broken, Bytes(), "x", max_new_tokens=1)


def test_the_positions_of_the_arguments_are_part_of_the_public_face(model):
    options = {"max_new_tokens": 5, "temperature": 2.0, "top_k": 9, "top_p": 0.9, "seed": 7}
    expected = generate(model, Bytes(), "a", **options)
    assert generate(model, Bytes(), "a", 5, 2.0, 9, 0.9, 7) == expected


# ---- Several prompts, and a trace ----------------------------------------------------------------


def test_several_prompts_are_continued_side_by_side(model):
    prompts = ["a", "", "a longer one"]
    for options in ({"temperature": 0}, {"temperature": 1.5, "top_k": 0, "seed": 3}):
        options["max_new_tokens"] = 4
        found = generate_samples(model, Bytes(), prompts, 2, **options)
        assert len(found) == 6
        assert found[:2] == generate_samples(model, Bytes(), "a", 2, **options)
    greedy = {"temperature": 0, "max_new_tokens": 4}
    for kind in (list, tuple):
        found = generate_samples(model, Bytes(), kind(prompts), **greedy)
        assert found == [generate(model, Bytes(), prompt, **greedy) for prompt in prompts]
    with pytest.raises(ValueError, match="no prompts"):
        generate_samples(model, Bytes(), [])
    with pytest.raises(ContextOverflowError, match="the prompt has 12: 5 new tokens fit"):
        generate_samples(model, Bytes(), prompts, max_new_tokens=6)


def test_each_step_leaves_the_trace_of_the_text_so_far(model):
    trace, plain = Trace(), Trace()
    steps = generate_tokens(model, [[1, 2, 3], [4]], GREEDY, 4, trace=trace)
    rows = [[1, 2, 3], [4]]
    for step in steps:
        ids, mask = left_padded(rows)
        model(ids, attention_mask=mask, trace=plain, logits_to_keep=1)
        assert all(np.array_equal(trace[name], plain[name]) for name in plain)
        assert np.array_equal(step.logits, trace["logits"][:, -1])
        for row, token in zip(rows, step.ids.tolist(), strict=True):
            row.append(token)
    assert trace["embed"].shape[:2] == (2, 6)  # the last token was not read


def test_looking_changes_nothing(model):
    options = {"temperature": 0, "max_new_tokens": 9}
    text = generate(model, Bytes(), "abc", **options)
    for more in ({}, {"speculate": 8}, {"overflow": "slide", "max_new_tokens": 9}):
        trace = Trace()
        assert generate(model, Bytes(), "abc", **options | more, trace=trace) == text
        assert trace["h.1.attn.weights"].shape == (1, 2, 11, 11)
    long = options | {"max_new_tokens": 30, "overflow": "slide"}
    assert "".join(stream(model, Bytes(), "abc", **long, trace=Trace())) == "".join(
        stream(model, Bytes(), "abc", **long)
    )


def test_an_edit_changes_every_step_and_finds_each_position_in_its_place(model):
    """Without a cache: what an earlier step kept would be from before or after the edit."""
    other = Trace()
    model([9, 9, 9], trace=other)
    for edits in ({"h.0.attn.out": 0}, {"h.1.attn.k": -2}, patched(other, "h.0.out", [1])):
        steps = generate_tokens(model, [[1, 2, 3]], GREEDY, 6, trace=Trace(edits))
        found, text = tokens(steps)[0], [1, 2, 3]
        for token in found:
            logits = model(text, trace=Trace(edits), logits_to_keep=1)
            assert token == logits[0, -1].argmax()
            text.append(token)


def test_edits_alone_are_those_of_a_trace(model):
    options = {"max_new_tokens": 6, "temperature": 0}
    edits = {"h.0.attn.out": 0, "h.1.mlp.out": -3}
    edited = generate(model, Bytes(), "abc", edits=edits, **options)
    assert edited == generate(model, Bytes(), "abc", trace=Trace(edits), **options)
    assert "".join(stream(model, Bytes(), "abc", edits=edits, **options)) == edited
    with pytest.raises(TypeError, match="edits belong to a trace"):
        generate(model, Bytes(), "abc", trace=Trace(), edits=edits)


def test_an_edit_of_no_array_is_refused_when_the_text_begins(model):
    with pytest.raises(ValueError, match=r"no array is named 'h\.9\.out'"):
        generate(model, Bytes(), "abc", max_new_tokens=2, trace=Trace({"h.9.out": 0}))
