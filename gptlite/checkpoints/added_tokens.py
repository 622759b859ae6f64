"""The files beside a tokenizer that declare its special and added tokens, as transformers has them.

    tokenizer_config.json     added_tokens_decoder, {id: token with options}; the tokens' uses:
                              eos_token, pad_token, ...
    special_tokens_map.json   the uses, and options (older versions)
    added_tokens.json         {name: id} (older versions)

They are read in transformers' order: ``added_tokens_decoder`` decides; without it the other two
files do, after the tokens of a ``tokenizer.json``. Only the first file is written here.
"""

import json
from collections.abc import Iterable, Mapping
from os.path import isfile
from pathlib import Path
from typing import Any, NamedTuple

from gptlite.alphabet import EOT
from gptlite.checkpoints.strict_json import parse_object, shown
from gptlite.checkpoints.vocabulary_files import TOKENIZER_FILE, read_file
from gptlite.checkpoints.warning import warn
from gptlite.errors import CheckpointError
from gptlite.gpt1_words import is_of_words
from gptlite.rules import Rules
from gptlite.special import AddedToken

CONFIG_FILE = "tokenizer_config.json"
MAP_FILE = "special_tokens_map.json"
ADDED_FILE = "added_tokens.json"

_OPTIONS = ("lstrip", "rstrip", "single_word", "normalized", "special")
# transformers' classes: the last takes a tokenizer.json as it is.
CLASSES = {
    "GPT-1": "OpenAIGPTTokenizer",
    "GPT-2": "GPT2Tokenizer",
    "any": "PreTrainedTokenizerFast",
}
_LISTS = ("additional_special_tokens", "extra_special_tokens")
# What transformers' GPT2Tokenizer takes for <|endoftext|>, unless told otherwise.
_DEFAULT_ROLES = ("bos_token", "eos_token", "unk_token")


class Declared(NamedTuple):
    """A token, its id in a file, and where that is, for error messages."""

    token: AddedToken
    id: object
    where: str


def is_utf8(name: str) -> bool:
    """Say whether a name can stand in a text: JSON may have half a character."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse_token(found: object, where: str, special: bool = False) -> AddedToken:
    """Parse a token with its options.

    Args:
        special: the answer where the options leave that open.

    Raises:
        CheckpointError: no name, or an option that is not true or false.
    """
    options: Mapping[str, Any] = found if isinstance(found, dict) else {"content": found}
    name = options.get("content")
    if not isinstance(name, str) or not name or not is_utf8(name):
        raise CheckpointError(f"{where}: expected the content of a token, found {shown(name)}")
    given = {key: options[key] for key in _OPTIONS if key in options}
    for key, value in given.items():
        if type(value) is not bool:
            raise CheckpointError(f"{where}: {key}: expected true or false, found {shown(value)}")
    given.setdefault("special", special)
    given.setdefault("normalized", not given["special"])
    return AddedToken(name, **given)


def read_added(
    folder: Path, prefix: str, own: Iterable[Declared], vocab: dict[str, Any]
) -> tuple[AddedToken, ...]:
    """Read what the files in a folder declare, and add the tokens that are new to a vocabulary.

    Args:
        prefix: what precedes the files' usual names.
        own: the tokens that the tokenizer's own file declares.
        vocab: {token: id}, which grows.

    Raises:
        CheckpointError: a file is unreadable or damaged, or gives a token another id.
    """
    config, config_file = read_declarations(folder / (prefix + CONFIG_FILE))
    if config.get("add_bos_token") is True and not isfile(folder / (prefix + TOKENIZER_FILE)):
        warn(f"{config_file}: add_bos_token: transformers puts a token before a text, gptlite none")
    declared = list(_decoder(config.get("added_tokens_decoder"), str(config_file)))
    named = {**config}
    more: dict[str, Any] = {}
    if "added_tokens_decoder" not in config:
        uses, _ = read_declarations(folder / (prefix + MAP_FILE))
        named |= uses
        more, more_file = read_declarations(folder / (prefix + ADDED_FILE))
    roles: dict[str, list[str]] = {}
    of_roles: dict[str, AddedToken] = {}
    if any(role not in named for role in _DEFAULT_ROLES):
        of_roles[EOT], roles[EOT] = AddedToken(EOT), []
    for role, found in _special(named):
        token = parse_token(found, f"{config_file}: {role}", special=True)
        of_roles.setdefault(token.name, token._replace(special=True))
        roles.setdefault(token.name, []).extend([role] if role.endswith("_token") else [])
    declared += own
    for name, i in more.items():
        where = f"{more_file}: {shown(name)}"
        token = parse_token(name, where, special=name in of_roles)
        declared.append(Declared(token, i, str(more_file)))
    tokens: dict[str, AddedToken] = {}
    for token, i, where in declared:
        name, expected = shown(token.name), vocab.get(token.name, "an int")
        if type(i) is not int or i != vocab.get(token.name, i):
            raise CheckpointError(
                f"{where}: expected {shown(expected)} as id of {name}, found {shown(i)}"
            )
        vocab[token.name] = i
        tokens.setdefault(token.name, token)
    for name, token in of_roles.items():
        if name in vocab:
            tokens[name] = tokens.get(name, token)._replace(special=True, roles=tuple(roles[name]))
        elif name != EOT:
            warn(f"{folder}: the token {shown(name)} has no id in any file, and is left out")
    return tuple(tokens.values())


def format_declarations(
    added: Iterable[AddedToken], vocab: Mapping[str, int], rules: Rules
) -> bytes | None:
    """Write ``tokenizer_config.json``; None where the other files say all, as for GPT-2's."""
    tokens = [token for token in added if _as_gpt2(token) != AddedToken(EOT)]
    if not tokens and not rules.prefix_space and rules.chat_template is None:
        return None
    decoder = {
        str(vocab[token.name]): {"content": token.name}
        | {option: getattr(token, option) for option in _OPTIONS}
        for token in sorted(added, key=lambda token: vocab[token.name])
    }
    roles: dict[str, str | None] = {r: token.name for token in added for r in token.roles}
    words = is_of_words(vocab)
    if EOT not in vocab:  # or transformers would add it
        roles = {**dict.fromkeys(_DEFAULT_ROLES[: 2 if words else 3]), **roles}
    config: dict[str, Any] = {
        "tokenizer_class": CLASSES["GPT-1" if words else "any" if rules.unknown else "GPT-2"],
        "added_tokens_decoder": decoder,
        **roles,
    }
    if rules.prefix_space:
        config["add_prefix_space"] = True
    if rules.chat_template is not None:
        config["chat_template"] = rules.chat_template
    return (json.dumps(config, indent=2) + "\n").encode("ascii")


def _as_gpt2(token: AddedToken) -> AddedToken:
    """Leave out what ``<|endoftext|>`` is without being told, and what makes no difference."""
    implied = token.name == EOT and set(token.roles) <= set(_DEFAULT_ROLES)
    return token._replace(roles=(), normalized=False) if implied else token


def _decoder(found: object, where: str) -> Iterable[Declared]:
    if found is None:
        return
    if not isinstance(found, dict):
        raise CheckpointError(f"{where}: added_tokens_decoder: expected an object")
    for key, token in found.items():
        where_token = f"{where}: added_tokens_decoder: {shown(key)}"
        if not key.isdecimal() or len(key) > 9:
            raise CheckpointError(f"{where_token}: expected the id of a token")
        yield Declared(parse_token(token, where_token), int(key), where)


def _special(named: Mapping[str, Any]) -> Iterable[tuple[str, object]]:
    """List the special tokens that an object names, each with the key under which it does."""
    for key, found in named.items():
        if key in _LISTS and found is not None:
            tokens = list(found.values()) if isinstance(found, dict) else found
            # Anything else is no token, and is refused as one.
            yield from ((key, token) for token in (tokens if isinstance(tokens, list) else [found]))
        elif key.endswith("_token") and isinstance(found, (str, dict)) and found:
            yield key, found


def read_declarations(file: Path) -> tuple[dict[str, Any], Path]:
    """Read a file of declarations; an empty object where there is none."""
    if not isfile(file):
        return {}, file
    # A text's greatest length may be given as 10**30, for none.
    return parse_object(read_file(file), str(file), max_digits=40), file
