"""``tokenizer.json``: a whole tokenizer in one file, as Hugging Face's library saves it.

Since version 5 transformers saves no other file. Besides the vocabulary the file says how text is
prepared, cut, encoded and decoded. GPT-2's way is one of many:

    added_tokens    any, each with its id (see special.py)
    normalizer      none
    pre_tokenizer   ByteLevel with GPT-2's pattern
    model           BPE: vocab {symbols: id}, and merges in order, each "a b" or ["a", "b"]
    post_processor  one that adds no tokens
    decoder         ByteLevel

and GPT-1's, as that library has it (plain_words.py), another:

    normalizer      BertNormalizer
    pre_tokenizer   BertPreTokenizer
    model           BPE, with "</w>" at the end of a word
    decoder         BPEDecoder

Whatever would give different ids is refused by name. Options that cannot change an id are ignored:
how batches were last padded and cut short, which affects no later call; the tokens between a pair
of texts; and the characters that a token is said to cover.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gptlite.alphabet import BYTE_SYMBOLS, CUTS
from gptlite.checkpoints.added_tokens import Declared, parse_token
from gptlite.checkpoints.strict_json import shown
from gptlite.errors import CheckpointError
from gptlite.gpt1_words import END, UNKNOWN
from gptlite.rules import Rules
from gptlite.special import AddedToken

_Options = Mapping[str, tuple[Any, ...]]  # key -> the values that are GPT-2's
_SYMBOLS = set(BYTE_SYMBOLS.values())
_ANY = (...,)  # any value: it makes no difference to ids, or has a check of its own

_FILE: _Options = {
    "version": ("1.0",),
    "normalizer": (None,),
    **dict.fromkeys(["truncation", "padding"], _ANY),
    **dict.fromkeys(["added_tokens", "pre_tokenizer", "model", "post_processor", "decoder"], _ANY),
}
_MODEL: _Options = {
    "type": ("BPE",),
    "dropout": (None, 0.0),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "byte_fallback": (False,),
    "ignore_merges": (False,),
    **dict.fromkeys(["unk_token", "fuse_unk", "vocab", "merges"], _ANY),
}
# GPT-1's, as transformers makes it.
_WORDS_MODEL: _Options = {
    **_MODEL,
    "end_of_word_suffix": (END,),
    "unk_token": (UNKNOWN,),
    "fuse_unk": (False,),
}
_WORDS_NORMALIZER: _Options = {
    "type": ("BertNormalizer",),
    "strip_accents": (None, True),
    **dict.fromkeys(["clean_text", "handle_chinese_chars", "lowercase"], (True,)),
}
_WORDS_CUT: _Options = {"type": ("BertPreTokenizer",)}
_WORDS_DECODER: _Options = {"type": ("BPEDecoder",), "suffix": (END,)}
_ADDED_TOKEN: _Options = dict.fromkeys(
    ["id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"], _ANY
)
_BYTE_LEVEL: _Options = {"type": ("ByteLevel",), "trim_offsets": _ANY}
_EITHER, _NO, _YES = (False, True), (False,), (True,)
_CUT_BY_BYTE_LEVEL: _Options = {**_BYTE_LEVEL, "add_prefix_space": _EITHER, "use_regex": _YES}
# The same cut in two steps: the pattern spelled out, then bytes for characters.
_CUT_BY_PATTERN: _Options = {
    "type": ("Split",),
    "pattern": ({"Regex": CUTS},),
    "behavior": ("Isolated",),
    "invert": (False,),
}
_BYTES_ONLY: _Options = {**_BYTE_LEVEL, "add_prefix_space": _NO, "use_regex": _NO}
# ByteLevel as a post-processor or decoder, where neither option makes a difference.
_AFTER: _Options = {**_BYTE_LEVEL, **dict.fromkeys(["add_prefix_space", "use_regex"], _ANY)}
_TEMPLATE: _Options = {
    "type": ("TemplateProcessing",),
    "single": ([{"Sequence": {"id": "A", "type_id": 0}}],),
    **dict.fromkeys(["pair", "special_tokens"], _ANY),
}


def parse_tokenizer(
    tokenizer: Mapping[str, Any], where: str
) -> tuple[dict[str, Any], list[tuple[str, str]], list[Declared], Rules]:
    """Parse the vocabulary and the merges of a tokenizer that does what GPT-2's or GPT-1's does.

    Args:
        tokenizer: the object in the file.
        where: the file, for error messages.

    Returns:
        {symbols: id}, the merges' pairs of symbols, the added tokens with their ids, and the rules.
        Ids and symbols are not checked here.

    Raises:
        CheckpointError: a tokenizer of another kind; an option that would give different ids.
    """
    if "model" not in tokenizer and "pre_tokenizer" not in tokenizer:
        raise CheckpointError(
            f"{where}: not a tokenizer.json of Hugging Face's library, which has a model and a "
            f"pre_tokenizer: found {shown(list(tokenizer))}"
        )
    found = tokenizer.get("model")
    words = isinstance(found, dict) and found.get("end_of_word_suffix") == END
    _check(tokenizer, {**_FILE, "normalizer": _ANY} if words else _FILE, where)
    for step in _steps(tokenizer.get("post_processor"), "processors"):
        after = _TEMPLATE if _type(step) == "TemplateProcessing" else _AFTER
        _check(step, after, f"{where}: post_processor", needed=("type",))
    rules = _rules_of_words(tokenizer, where) if words else _rules_of_bytes(tokenizer, where)
    model = tokenizer["model"]
    vocab, merges = model["vocab"], model["merges"]
    if not isinstance(vocab, dict):
        raise CheckpointError(f"{where}: vocab: expected an object, found {shown(vocab)}")
    if not isinstance(merges, list):
        raise CheckpointError(f"{where}: merges: expected a list, found {shown(merges)}")
    added = _added_tokens(tokenizer.get("added_tokens"), f"{where}: added_tokens")
    if rules.unknown not in (None, *vocab, *(one.token.name for one in added)):
        raise CheckpointError(f"{where}: unk_token {shown(rules.unknown)} is not in the vocabulary")
    return vocab, [_pair(merge, n, where) for n, merge in enumerate(merges, 1)], added, rules


def _rules_of_words(tokenizer: Mapping[str, Any], where: str) -> Rules:
    """Check that a tokenizer is GPT-1's in all its steps."""
    for name, options in {
        "normalizer": _WORDS_NORMALIZER,
        "pre_tokenizer": _WORDS_CUT,
        "decoder": _WORDS_DECODER,
    }.items():
        _check(tokenizer.get(name), options, f"{where}: {name}", needed=tuple(options))
    _check(tokenizer["model"], _WORDS_MODEL, f"{where}: model", ("vocab", "merges", "unk_token"))
    return Rules(plain_words=True)


def _rules_of_bytes(tokenizer: Mapping[str, Any], where: str) -> Rules:
    """Check that a tokenizer is GPT-2's in all its steps, and see where it has a choice."""
    _check_cut(tokenizer.get("pre_tokenizer"), f"{where}: pre_tokenizer")
    decoder = _steps(tokenizer.get("decoder"), "decoders")
    if len(decoder) != 1:
        raise CheckpointError(
            f"{where}: decoder: expected ByteLevel, found {shown([_type(d) for d in decoder])}"
        )
    _check(decoder[0], _AFTER, f"{where}: decoder", needed=("type",))
    model = _check(tokenizer.get("model"), _MODEL, f"{where}: model", ("vocab", "merges"))
    unknown, fuse = model.get("unk_token"), model.get("fuse_unk", False)
    if not isinstance(unknown, (str, type(None))) or type(fuse) is not bool:
        raise CheckpointError(
            f"{where}: model: expected the name of unk_token, and true or false for fuse_unk, "
            f"found {shown(unknown)} and {shown(fuse)}"
        )
    lacks = isinstance(model["vocab"], dict) and not model["vocab"].keys() >= _SYMBOLS
    cut = _steps(tokenizer["pre_tokenizer"], "pretokenizers")[-1]
    prefix_space = isinstance(cut, dict) and cut.get("add_prefix_space") is True
    # The other two make a difference only where a byte has no token.
    return Rules(prefix_space, unknown if lacks else None, lacks and unknown is not None and fuse)


def _check_cut(found: object, where: str) -> None:
    """Check that text is cut into GPT-2's pieces, by ByteLevel or by the pattern spelled out."""
    steps = _steps(found, "pretokenizers")
    if [_type(step) for step in steps] == ["Split", "ByteLevel"]:
        _check(steps[0], _CUT_BY_PATTERN, where, needed=tuple(_CUT_BY_PATTERN))
        _check(steps[1], _BYTES_ONLY, where, needed=("add_prefix_space", "use_regex"))
    elif len(steps) == 1:
        _check(steps[0], _CUT_BY_BYTE_LEVEL, where, needed=("type", "add_prefix_space"))
    else:
        names = [_type(step) for step in steps]
        raise CheckpointError(f"{where}: expected ByteLevel, found {shown(names)}")


def _added_tokens(found: object, where: str) -> list[Declared]:
    """Parse the added tokens, with their ids."""
    if found is None:
        return []
    if not isinstance(found, list):
        raise CheckpointError(f"{where}: expected a list, found {shown(found)}")
    checked = [_check(one, _ADDED_TOKEN, where, needed=("content", "id")) for one in found]
    return [Declared(parse_token(token, where), token["id"], where) for token in checked]


def format_tokenizer(
    vocab: Mapping[str, int],
    merges: Sequence[tuple[str, str]],
    added: Iterable[AddedToken],
    rules: Rules,
) -> bytes:
    """Write a ``tokenizer.json``, for a tokenizer that a pair of files cannot describe."""
    by_bytes = {"type": "ByteLevel", "trim_offsets": True, "use_regex": True}
    tokens = [
        {"id": vocab[token.name], "content": token.name}
        | {option: getattr(token, option) for option in list(_ADDED_TOKEN)[2:]}
        for token in sorted(added, key=lambda token: vocab[token.name])
    ]
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": UNKNOWN if rules.plain_words else rules.unknown,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": END if rules.plain_words else None,
        "fuse_unk": rules.fuse_unknown,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": vocab,
        "merges": merges,
    }
    plain = {name: allowed[0] for name, allowed in _WORDS_NORMALIZER.items()}
    words = {"normalizer": plain, "pre_tokenizer": {"type": "BertPreTokenizer"}}
    cut = {
        "normalizer": None,
        "pre_tokenizer": {**by_bytes, "add_prefix_space": rules.prefix_space},
    }
    whole = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": tokens,
        **(words if rules.plain_words else cut),
        "post_processor": None,
        "decoder": {"type": "BPEDecoder", "suffix": END}
        if rules.plain_words
        else {**by_bytes, "add_prefix_space": True},
        "model": model,
    }
    return (json.dumps(whole, indent=1) + "\n").encode("ascii")


def _pair(merge: object, number: int, where: str) -> tuple[str, str]:
    """Parse one merge, ``"a b"`` in older files and ``["a", "b"]`` in newer ones."""
    symbols = merge.split(" ", 2) if isinstance(merge, str) else merge
    if isinstance(symbols, list) and len(symbols) == 2:
        first, second = symbols
        if isinstance(first, str) and isinstance(second, str) and first and second:
            return first, second
    raise CheckpointError(
        f"{where}: merge {number}: expected two symbols, as 'a b' or ['a', 'b'], "
        f"found {shown(merge)}"
    )


def _steps(found: object, inner: str) -> list[object]:
    """List the steps that are done one after the other: none, one, or those of a Sequence."""
    if found is None:
        return []
    if (
        isinstance(found, dict)
        and found.get("type") == "Sequence"
        and found.keys() <= {"type", inner}
    ):
        steps = found.get(inner)
        return steps if isinstance(steps, list) else [found]
    return [found]


def _type(step: object) -> object:
    return step.get("type") if isinstance(step, dict) else step


def _check(
    found: object, options: _Options, where: str, needed: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return an object all of whose keys and values the options allow; refuse any other.

    Args:
        needed: the options that must be there.
    """
    if not isinstance(found, dict):
        raise CheckpointError(f"{where}: expected an object, found {shown(found)}")
    for key, allowed in options.items():
        if key not in found:
            if key in needed:
                raise CheckpointError(f"{where}: missing {key}")
        elif allowed != _ANY and not any(_same(found[key], value) for value in allowed):
            raise CheckpointError(
                f"{where}: {key} is {shown(found[key])}; gptlite has GPT-2's {allowed[0]!r} only"
            )
    for key in found:
        if key not in options:
            raise CheckpointError(f"{where}: expected nothing else, found {shown(key)}")
    return found


def _same(found: object, value: object) -> bool:
    """Say whether two values are equal and of the same type: 0 is not False here."""
    return type(found) is type(value) and found == value
