"""The files beside a tokenizer that change how a text is read, or that are kept for transformers.

tokenizer_config.json       add_prefix_space; chat_template, or several of them
chat_template.jinja         the template alone (newer versions)
additional_chat_templates/  more of them, NAME.jinja
"""

from pathlib import Path
from typing import Any

from gptlite.checkpoints.added_tokens import CLASSES, CONFIG_FILE, read_declarations
from gptlite.checkpoints.strict_json import MAX_BYTES, shown
from gptlite.errors import CheckpointError
from gptlite.files import read_small
from gptlite.rules import Rules

TEMPLATE_FILE = "chat_template.jinja"
MORE_TEMPLATES = "additional_chat_templates"
MAX_TEMPLATES = 100

Template = str | list[dict[str, Any]]


def read_rules(folder: Path, prefix: str, own: Rules | None) -> Rules:
    """Read what the files in a folder say of a tokenizer's rules.

    Args:
        prefix: what precedes the files' usual names.
        own: the rules that the tokenizer's own file states; None if it cannot.

    Raises:
        CheckpointError: a file is unreadable or damaged.
    """
    config, file = read_declarations(folder / (prefix + CONFIG_FILE))
    rules = own or Rules()
    given = config.get("add_prefix_space")
    if not isinstance(given, (bool, type(None))):
        raise CheckpointError(
            f"{file}: add_prefix_space: expected true or false, found {shown(given)}"
        )
    # transformers' own class for GPT-2 goes by this file alone, and any other by tokenizer.json.
    kind = config.get("tokenizer_class", None if given is None else CLASSES["GPT-2"])
    if own is None or kind in (CLASSES["GPT-2"], f"{CLASSES['GPT-2']}Fast"):
        rules = rules._replace(prefix_space=given is True and not rules.plain_words)
    return rules._replace(chat_template=_read_template(folder, prefix, config, file))


def _read_template(
    folder: Path, prefix: str, config: dict[str, Any], config_file: Path
) -> Template | None:
    """Read the template, or several with their names; a file of its own comes first."""
    found = config.get("chat_template")
    if not _is_template(found):
        raise CheckpointError(
            f"{config_file}: chat_template: expected a text, or texts with names, "
            f"found {shown(found)}"
        )
    named = {"default": found} if isinstance(found, str) else {}
    if isinstance(found, list):
        named = {one["name"]: one["template"] for one in found}
    files = {"default": folder / (prefix + TEMPLATE_FILE)}
    more = folder / (prefix + MORE_TEMPLATES)
    files |= {file.stem: file for file in sorted(more.glob("*.jinja"))[:MAX_TEMPLATES]}
    for name, file in files.items():
        if file.is_file():
            named[name] = _read_text(file)
    if not named.keys() - {"default"}:
        return named.get("default")
    return [{"name": name, "template": template} for name, template in named.items()]


def _is_template(found: object) -> bool:
    """Say whether a value is a template, several, or none."""
    if isinstance(found, list):
        return all(
            isinstance(one, dict)
            and one.keys() == {"name", "template"}
            and all(isinstance(text, str) for text in one.values())
            for one in found
        )
    return found is None or isinstance(found, str)


def _read_text(file: Path) -> str:
    try:
        return read_small(file, MAX_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{file}: cannot be read: {error}") from error
