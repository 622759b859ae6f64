"""Arguments that a stranger might give: each is refused in one line, or gives the right result.

The line is gptlite's own: it names the argument, what was expected and what was found. None of
these errors comes from NumPy, or from an attribute that the wrong thing does not have.
"""

import re
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gptlite import GPT, GPTConfig, KVCache, Tokenizer, Trace
from gptlite.generate import generate, generate_samples, generate_tokens
from gptlite.sampling import Sampler
from gptlite.tasks.score import score
from gptlite.training.gradients import loss_and_gradients
from gptlite.training.losses import next_token_losses
from gptlite.views import without_heads
from models import random_model

TOKENIZER = Tokenizer.train(["the cat sat on the mat"], 270)
MODEL = random_model(GPTConfig(TOKENIZER.n_vocab, 16, 8, 2, 2))
PARAMETERS = dict(MODEL.parameters)
SIZES = {"n_vocab": 11, "n_ctx": 8, "n_embd": 4, "n_head": 2, "n_layer": 2}
RAGGED = [[1, 2], [3]]
UNEQUAL = "expected rows of equal length, found rows of different lengths"


def config(**changes: Any) -> GPTConfig:
    return GPTConfig(**{**SIZES, **changes})


def generated(prompt: Any = "the", **options: Any) -> str:
    return generate(MODEL, TOKENIZER, prompt, **{"max_new_tokens": 2, "seed": 0, **options})


def samples(prompts: Any, **options: Any) -> list[str]:
    return generate_samples(MODEL, TOKENIZER, prompts, max_new_tokens=2, seed=0, **options)


def tokens(prompts: Any, sampler: Any = Sampler()) -> list[Any]:  # noqa: B008
    return list(generate_tokens(MODEL, prompts, sampler, 2, 0))


def lengthened(length: Any) -> Any:
    cache = KVCache(MODEL.config)
    cache.length = length
    return MODEL([1], cache=cache)


def encoded(allowed: Any) -> list[int]:
    return TOKENIZER.encode("the", allowed)


# name: (the call, its error, a part of the message)
REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    # ---- ids and masks
    "ids of two lengths": (lambda: MODEL(RAGGED), ValueError, f"token ids: {UNEQUAL}"),
    "ids: a text": (lambda: MODEL("hi"), TypeError, "token ids must be integers, not str"),
    "ids: None": (lambda: MODEL(None), TypeError, "token ids must be integers, not NoneType"),
    "ids: a generator": (lambda: MODEL(i for i in [1]), TypeError, "integers, not generator"),
    "a mask of two lengths": (
        lambda: MODEL([1, 2], attention_mask=RAGGED),
        ValueError,
        f"attention_mask: {UNEQUAL}",
    ),
    "gradients": (lambda: loss_and_gradients(MODEL, RAGGED, RAGGED), ValueError, UNEQUAL),
    "targets": (lambda: loss_and_gradients(MODEL, [1], RAGGED), ValueError, f"targets: {UNEQUAL}"),
    "losses": (lambda: next_token_losses(MODEL, RAGGED), ValueError, f"token ids: {UNEQUAL}"),
    "losses of a text": (lambda: next_token_losses(MODEL, ["a"]), TypeError, "must be integers"),
    # ---- the companions of a call
    "trace: a dict": (
        lambda: MODEL([1], trace={}),
        TypeError,
        "trace must be of type Trace, not dict",
    ),
    "trace: the class": (lambda: MODEL([1], trace=Trace), TypeError, "not the class Trace"),
    "cache: a list": (
        lambda: MODEL([1], cache=[]),
        TypeError,
        "cache must be of type KVCache, not list",
    ),
    "cache of another": (
        lambda: MODEL([1], cache=KVCache(config())),
        ValueError,
        "the cache was made for another model",
    ),
    "length: below 0": (lambda: lengthened(-1), ValueError, "cache.length must be at least 0"),
    "length: a float": (lambda: lengthened(2.0), TypeError, "cache.length must be an int, not 2.0"),
    "length: too long": (lambda: lengthened(99), ValueError, "the cache holds 99, so 0 fit"),
    "batch: a float": (lambda: KVCache(config(), 1.5), TypeError, "batch must be an int, not 1.5"),
    "batch: True": (lambda: KVCache(config(), True), TypeError, "batch must be an int, not True"),
    "batch: 0": (lambda: KVCache(config(), 0), ValueError, "batch must be at least 1, not 0"),
    "batch: no memory": (lambda: KVCache(config(), 10**15), MemoryError, "bytes"),
    "batch: no number": (lambda: KVCache(config(), 10**30), MemoryError, "bytes"),
    "cache of a model": (
        lambda: KVCache(MODEL),
        TypeError,
        "config must be of type GPTConfig, not GPT",
    ),
    # ---- edits
    "edits: a number": (lambda: Trace(3), TypeError, "edits must be of type Mapping, not int"),
    "edits: a list": (lambda: Trace([("embed", 0)]), TypeError, "edits must be of type Mapping"),
    "edits: of 3 and x": (
        lambda: MODEL([1], trace=Trace({3: 0, "x": 0})),
        ValueError,
        "no array is named 3",
    ),
    "edit of two lengths": (
        lambda: MODEL([1], trace=Trace({"embed": RAGGED})),
        ValueError,
        f"edit of embed: {UNEQUAL}",
    ),
    "edit that returns it": (
        lambda: MODEL([1], trace=Trace({"embed": lambda array, trace: RAGGED})),
        ValueError,
        f"edit of embed: {UNEQUAL}",
    ),
    "heads: one number": (
        lambda: without_heads(0, 1),
        TypeError,
        "heads must be of type Collection",
    ),
    # ---- text
    "allowed: None": (lambda: encoded(None), TypeError, "'all' or a collection of names, not None"),
    "allowed: 3": (lambda: encoded(3), TypeError, "'all' or a collection of names, not 3"),
    # Each text, and each part of it, asks again: a generator would allow the names once.
    "allowed: once": (lambda: encoded(n for n in ["x"]), TypeError, "a collection of names"),
    "allowed: nested": (lambda: encoded([["x"]]), TypeError, "a name must be a str, not ['x']"),
    "allowed: of None": (lambda: encoded([None]), TypeError, "a name must be a str, not None"),
    "allowed: a number": (lambda: encoded([3]), TypeError, "a name must be a str, not 3"),
    "texts: None": (lambda: TOKENIZER.encode_batch(None), TypeError, "texts must be an iterable"),
    "texts: 3": (lambda: Tokenizer.train(3, 300), TypeError, "an iterable of str, not int"),
    "decode: bytes": (lambda: TOKENIZER.decode(b"ab"), TypeError, "a row of token ids, not bytes"),
    "decode: a text": (
        lambda: TOKENIZER.decode("ab"),
        TypeError,
        "token ids must be ints, not str",
    ),
    "score: no prompt": (lambda: score(MODEL, TOKENIZER, None, ["a"]), TypeError, "not NoneType"),
    "score: a number": (lambda: score(MODEL, TOKENIZER, "a", [3]), TypeError, "a str, not int"),
    # ---- generation
    "overflow": (
        lambda: generated(overflow=np.array(["a", "b"])),
        ValueError,
        "'error' or 'slide'",
    ),
    "prompts: an array": (lambda: samples(np.array(["a"])), TypeError, "list of them, not ndarray"),
    "prompts: a deque": (
        lambda: samples(deque(["a"])),
        TypeError,
        "prompt must be a str, or a list",
    ),
    "prompts: of None": (lambda: samples([None]), TypeError, "or a list of them, not NoneType"),
    "rows: None": (lambda: tokens(None), TypeError, "must be rows of token ids, not NoneType"),
    "rows: 3": (lambda: tokens(3), TypeError, "prompts must be rows of token ids, not int"),
    "rows: a text": (lambda: tokens("ab"), TypeError, "must be rows of token ids, not str"),
    "rows of two lengths": (lambda: tokens([RAGGED]), ValueError, f"a prompt: {UNEQUAL}"),
    "sampler: None": (lambda: tokens([[1]], None), TypeError, "of type Sampler, not NoneType"),
    "sampler: the class": (lambda: tokens([[1]], Sampler), TypeError, "not the class Sampler"),
    # ---- models and tokenizers
    "sizes: none": (lambda: GPT(None, PARAMETERS), TypeError, "config must be of type GPTConfig"),
    "swapped": (lambda: GPT(PARAMETERS, MODEL.config), TypeError, "of type GPTConfig, not dict"),
    "parameters: None": (
        lambda: GPT(config(), None),
        TypeError,
        "must be of type Mapping, not NoneType",
    ),
    "parameters: 3 and x": (
        lambda: GPT(MODEL.config, {**PARAMETERS, 3: 0, "x": 0}),
        ValueError,
        "parameters missing or unknown: 3, x",
    ),
    "parameters: lists": (
        lambda: GPT(MODEL.config, {name: array.tolist() for name, array in PARAMETERS.items()}),
        ValueError,
        ", 8], found float64 [",
    ),
    "seed: a text": (lambda: GPT.init(config(), "a"), TypeError, "seed must be an int, not 'a'"),
    "seed: -1": (lambda: GPT.init(config(), -1), ValueError, "seed must be at least 0, not -1"),
    "tied: a text": (
        lambda: config(tie_word_embeddings="no"),
        TypeError,
        "tie_word_embeddings must be of type bool, not str",
    ),
    "post_norm: None": (
        lambda: config(post_norm=None),
        TypeError,
        "must be of type bool, not NoneType",
    ),
    "activation: a list": (lambda: config(activation_function=[]), ValueError, "'gelu', not []"),
    "end: a text": (lambda: config(eos_token_id="a"), TypeError, "eos_token_id must be an int"),
    "end: -1": (lambda: config(eos_token_id=-1), ValueError, "eos_token_id must be at least 0"),
    "vocabulary: none": (lambda: Tokenizer({}, []), ValueError, "at least one token"),
    "vocabulary: a list": (lambda: Tokenizer(["a"], None), TypeError, "{token: id}, not list"),
    "token: 3": (lambda: Tokenizer({3: 0}, None), TypeError, "must be a str, not 3"),
    "id: a text": (lambda: Tokenizer({"a": "0"}, None), TypeError, "must be an int, not '0'"),
    "id: -1": (lambda: Tokenizer({"a": -1}, None), ValueError, "in [0, 1048575], not -1"),
    "id: huge": (lambda: Tokenizer({"a": 10**9}, None), ValueError, "not 1000000000"),
    "ids: twice": (lambda: Tokenizer({"a": 0, "b": 0}, None), ValueError, "an id of its own"),
    "merge: one": (
        lambda: Tokenizer({"a": 0}, [("a",)]),
        TypeError,
        "a pair of tokens, not ('a',)",
    ),
    "merge: a text": (lambda: Tokenizer({"a": 0}, ["ab"]), TypeError, "a pair of tokens, not 'ab'"),
    "merge: of none": (lambda: Tokenizer({"a": 0}, [("a", "b")]), ValueError, "'b' is no token"),
    # ---- files: pathlib takes "" for the current folder
    "folder: no name": (lambda: MODEL.save_pretrained(""), ValueError, "must have a name"),
    "tokenizer: no name": (lambda: TOKENIZER.save_pretrained(""), ValueError, "must have a name"),
    "folder: a file": (
        lambda: MODEL.save_pretrained(__file__),
        FileExistsError,
        "expected a folder, found something else",
    ),
    "dtype: NumPy's": (
        lambda: MODEL.save_pretrained("x", np.float32),
        ValueError,
        "dtype must be 'float32' or 'float16', not <class 'numpy.float32'>",
    ),
    "path: 3": (lambda: GPT.from_pretrained(3), TypeError, "a name or a path as str, not int"),
    "added: a name": (lambda: Tokenizer({"a": 0}, None, ["a"]), TypeError, "be of type AddedToken"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_named(name: str) -> None:
    call, kind, message = REFUSED[name]
    with pytest.raises(kind, match=re.escape(message)) as caught:
        call()
    assert type(caught.value) in (kind, *kind.__subclasses__()) and "\n" not in str(caught.value)


def test_numpy_s_numbers_and_any_collection_will_do() -> None:
    """What is only of another type is as good, and gives the same."""
    assert GPT.init(config(), np.int64(3)).config == config(n_ctx=np.int32(8))
    assert KVCache(MODEL.config, np.int64(2)).keys.shape[1] == 2
    expected = generated()
    for same in (np.str_("the"), np.array(["the"])[0]):
        assert generated(same) == expected
    assert samples(("the", "cat")) == samples(["the", "cat"])
    row = np.array(TOKENIZER.encode("the"))
    row.flags.writeable = False
    for rows in ([row], row[None], [tuple(row.tolist())], [row.astype(np.uint64)]):
        assert [step.ids.tolist() for step in tokens(rows)] == [
            step.ids.tolist() for step in tokens([row.tolist()])
        ]
    eot = "<|endoftext|>"
    for names in ([eot], (eot,), {eot}, {eot: 1}, np.array([eot, eot]), np.str_("all")):
        assert TOKENIZER.encode(eot, names) == [TOKENIZER.eot]


def test_a_configuration_in_numpy_s_numbers_is_saved(tmp_path: Any) -> None:
    saved = config(layer_norm_epsilon=np.float32(1e-3), eos_token_id=np.int64(3))
    GPT.init(saved).save_pretrained(tmp_path)
    found = GPT.from_pretrained(tmp_path).config
    assert found == saved and found.eos_token_id == 3


def test_a_generation_that_is_left_half_way_harms_no_other() -> None:
    expected = samples("the")
    for n_steps in (0, 1):
        steps = generate_tokens(MODEL, [TOKENIZER.encode("the")], Sampler(), 8, 0)
        for _ in range(n_steps):
            next(steps)
        steps.close()
        del steps
        assert samples("the") == expected
