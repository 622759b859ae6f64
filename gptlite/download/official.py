"""OpenAI's models: their names, their sources, and their files with sizes and checksums.

Each model has two sources with the same weights and the same tokenizer: OpenAI's own, a TensorFlow
checkpoint; and Hugging Face's hub, safetensors at a fixed revision. The hub comes first because a
checksum of each whole file is known there. Only some of OpenAI's files have a known checksum; the
others are checked by their contents, the weights by the checksum of every tensor.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from gptlite.checkpoints.strict_json import MAX_BYTES, parse_object, shown
from gptlite.config import GPT1, PRESETS
from gptlite.download.digests import wrong_checksum
from gptlite.download.web import without_credentials
from gptlite.errors import CheckpointError
from gptlite.files import read_small


class OfficialFile(NamedTuple):
    """One file of a model; its size in bytes and checksum (see digests.py), where known."""

    name: str
    size: int | None = None
    checksum: str | None = None


class Source(NamedTuple):
    """A place on the network that has a complete model.

    Attributes:
        owner: who owns the place, for messages.
        host: the beginning of the address.
        variable: the environment variable that puts a mirror in place of ``host``.
        folder: the rest of the address, to which the name of a file is added.
        files: the small ones first, the weights last.
    """

    owner: str
    host: str
    variable: str
    folder: str
    files: tuple[OfficialFile, ...]

    def url(self, file: str) -> str:
        """Return the address of one of the files, on the host or on its mirror, to be shown too."""
        host = os.environ.get(self.variable, "").strip().rstrip("/") or self.host
        return f"{without_credentials(host)}/{self.folder}/{file}"


# The tokenizer is the same for all sizes, and the same to the byte from both sources.
_TOKENS = (1_042_301, "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783")
_MERGES = (456_318, "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5")


def _hub(repository: str, revision: str, config: OfficialFile, weights: OfficialFile) -> Source:
    return Source(
        owner="Hugging Face",
        host="https://huggingface.co",
        variable="HF_ENDPOINT",
        folder=f"openai-community/{repository}/resolve/{revision}",
        files=(
            config,
            OfficialFile("merges.txt", *_MERGES),
            OfficialFile("vocab.json", *_TOKENS),
            weights,
        ),
    )


def _openai(size: str, index: int | None, weights: OfficialFile) -> Source:
    return Source(
        owner="OpenAI",
        host="https://openaipublic.blob.core.windows.net/gpt-2/models",
        variable="GPTLITE_OPENAI_URL",
        folder=size,
        files=(
            OfficialFile("hparams.json"),
            OfficialFile("model.ckpt.index", index),
            OfficialFile("vocab.bpe", *_MERGES),
            OfficialFile("encoder.json", *_TOKENS),
            weights,
        ),
    )


_DATA, _WEIGHTS = "model.ckpt.data-00000-of-00001", "model.safetensors"

# A size or checksum is given only if it was found published or seen to the byte; others are None.
SOURCES: dict[str, tuple[Source, ...]] = {
    "gpt2": (
        _hub(
            "gpt2",
            "607a30d783dfa663caf39e06633721c8d4cfcd7e",
            OfficialFile(
                "config.json",
                665,
                "0daed7749b4f02b8f76240d5444551d7b08712dab4d0adb8239c56ba823bb7b4",
            ),
            OfficialFile(
                _WEIGHTS,
                548_105_171,
                "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707",
            ),
        ),
        _openai(
            "124M",
            5_215,
            OfficialFile(
                _DATA,
                497_759_232,
                "2060c885360cc0cf41d7a6dbc4d24b5127aae20260c8b5ae521b5a6578407118",
            ),
        ),
    ),
    "gpt2-medium": (
        _hub(
            "gpt2-medium",
            "6dcaa7a952f72f9298047fd5137cd6e4f05f41da",
            OfficialFile(
                "config.json",
                718,
                "ef1a44d889ad1a0acc7731c78134f1b87d2d222f110e97dd10fd4117331caf22",
            ),
            OfficialFile(
                _WEIGHTS,
                1_519_984_962,
                "fc5a354a19255ad494f3d71549390baca1ccf61d1d822b9408971705c687c9cd",
            ),
        ),
        _openai("355M", 10_399, OfficialFile(_DATA, 1_419_292_672)),
    ),
    "gpt2-large": (
        _hub(
            "gpt2-large",
            "32b71b12589c2f8d625668d2335a01cac3249519",
            OfficialFile(
                "config.json",
                666,
                "7fccdcfd6622055342a734c663ee0b61ff4fd697f42467595df0bf4448c8c170",
            ),
            OfficialFile(
                _WEIGHTS, None, "5f47f3e12f91cd33b662ce7e433b6150ad5512b5884a2cee961b50e9c3bbebce"
            ),
        ),
        _openai("774M", None, OfficialFile(_DATA)),
    ),
    "gpt2-xl": (
        _hub(
            "gpt2-xl",
            "15ea56dee5df4983c59b2538573817e1667135e2",
            OfficialFile(
                "config.json",
                689,
                "be48115d52314bc27327e160bf10197760db02ea689d10adb24db4102edf7a8a",
            ),
            OfficialFile(
                _WEIGHTS, None, "0f8b28eb05a8075f48b61b6f35332978c74fc7763fa9fb4051a1c30511736a6a"
            ),
        ),
        _openai("1558M", None, OfficialFile(_DATA)),
    ),
}

# GPT-1 at a commit of the hub. No checksum of its weights was found published, so that the hub is
# asked for those of all its files, as for any other commit (revisions.py).
GPT1_NAME, _GPT1_COMMIT = "openai-gpt", "1e0d4f3028acbffb47fe933cea64619c5ec1a002"
_GPT1 = SOURCES["gpt2"][0]._replace(
    folder=f"openai-community/{GPT1_NAME}/resolve/{_GPT1_COMMIT}",
    files=tuple(OfficialFile(file.name) for file in SOURCES["gpt2"][0].files),
)

# 117M and 345M were OpenAI's first counts of the parameters, corrected in August 2019.
_ALIASES = {
    "gpt2": ("small", "124M", "117M"),
    "gpt2-medium": ("medium", "355M", "345M"),
    "gpt2-large": ("large", "774M"),
    "gpt2-xl": ("xl", "1558M"),
}
_CANONICAL = {
    alias: name
    for name, aliases in _ALIASES.items()
    for alias in (name, *aliases, f"openai-community/{name}")
}
_CANONICAL |= dict.fromkeys((GPT1_NAME, f"openai-community/{GPT1_NAME}"), GPT1_NAME)
KNOWN = (*SOURCES, GPT1_NAME)


# A branch, a tag or a commit of the hub. It becomes the end of a folder's name, where Windows would
# drop a full stop.
_REVISION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")


def canonical_name(name: str) -> str | None:
    """Return an official model's name on the hub, given any of its names; None for other names.

    A revision of the hub may follow after an ``@``, in place of the one in the table. GPT-1's name
    always has one.

    >>> canonical_name("345M"), canonical_name("gpt2-xl"), canonical_name("gpt3")
    ('gpt2-medium', 'gpt2-xl', None)
    >>> canonical_name("345M@main")
    'gpt2-medium@main'
    """
    model, at, revision = name.partition("@")
    if model not in _CANONICAL or (at and not _REVISION.fullmatch(revision)):
        return None
    if _CANONICAL[model] == GPT1_NAME and not at:
        at, revision = "@", _GPT1_COMMIT
    return _CANONICAL[model] + at + revision


def other_names(name: str) -> list[str]:
    """List the other names of an official model: the one with its owner's, the usual one, others.

    >>> other_names("small@main")
    ['openai-community/gpt2@main', 'gpt2@main', '117M@main', '124M@main']
    """
    model, at, revision = name.partition("@")
    same = [n for n, canonical in _CANONICAL.items() if canonical == _CANONICAL[model]]
    others = sorted(n for n in same if n != model)
    others.sort(key=lambda other: ("/" not in other, other != _CANONICAL[model]))
    return [other + at + revision for other in others]


def hub_source(name: str) -> Source:
    """Return the source of an official model on the hub, at the table's revision.

    Args:
        name: canonical name; its revision is of no account.
    """
    model = name.partition("@")[0]
    return _GPT1 if model == GPT1_NAME else SOURCES[model][0]


def required_name(name: str) -> str:
    """Return the ``canonical_name`` of a name that must be an official model's.

    Raises:
        ValueError: any other name; the message lists the official models.
    """
    canonical = canonical_name(name)
    if canonical is None:
        raise ValueError(f"unknown model {name!r}: expected one of {', '.join(KNOWN)}")
    return canonical


def most_bytes(model: str, file: str) -> int:
    """Say how large a file can be at most, whatever a server says or sends.

    Args:
        model: canonical name of the model that the file belongs to.
        file: the file's name.
    """
    if file not in (_DATA, _WEIGHTS):
        return MAX_BYTES
    # Four bytes a parameter, and the masks that Hugging Face's files have: a tenth of GPT-2 small.
    config = (PRESETS | {GPT1_NAME: GPT1})[model.partition("@")[0]]
    return 5 * config.n_params + MAX_BYTES


def check_file(model: str, file: OfficialFile, path: Path, folder: Path) -> None:
    """Refuse a file that differs from the official one.

    The file is checked by size and checksum where they are known; without a checksum, by its
    contents: hparams.json must state the model's sizes; the index must have the model's variables,
    and blocks that match their checksums; the weights must have tensors that match the index's
    checksums, and nothing after them.

    Args:
        model: canonical name of the model that the file belongs to.
        path: where the file is, perhaps under another name.
        folder: where the files before it in ``Source.files`` are.

    Raises:
        CheckpointError: the file is not the official one, or is damaged.
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        raise CheckpointError(f"{path}: expected {file.size:,} bytes, found {size:,}")
    if file.checksum is not None:
        if wrong := wrong_checksum(path, file.checksum):
            raise CheckpointError(f"{path}: {wrong}")
    elif file.name == "hparams.json":
        from gptlite.checkpoints.tensorflow.openai import read_hparams

        config = read_hparams(parse_object(read_small(path, MAX_BYTES), str(path)), str(path))
        if config != PRESETS[model]:
            raise CheckpointError(f"{path}: expected the sizes of {model}, found {config}")
    elif file.name == "model.ckpt.index":
        _check_variables(model, path)
    elif file.name == _DATA:
        _check_tensors(folder / "model.ckpt.index", path)


def _check_variables(model: str, index: Path) -> None:
    """Refuse the index of another model, or of weights in several files, which are not fetched."""
    from gptlite.checkpoints.names import match_openai_names
    from gptlite.checkpoints.tensorflow.tensorbundle import read_index

    n_shards, entries = read_index(index)
    shapes = {name: entry.shape for name, entry in entries.items()}
    n_expected = len(match_openai_names(shapes, PRESETS[model], str(index)))
    if (n_shards, len(entries)) != (1, n_expected):
        raise CheckpointError(
            f"{index}: expected {n_expected} variables in 1 shard, "
            f"found {len(entries)} in {n_shards}"
        )


def _check_tensors(index: Path, data: Path) -> None:
    """Compare the checksum of every tensor in the file ``data`` with the index's.

    (``tensorbundle.read_contents`` wants the weights under their final name, which they get only
    after this check.)
    """
    from gptlite.checkpoints.tensorflow.crc32c import crc32c
    from gptlite.checkpoints.tensorflow.tensorbundle import read_index

    _, entries = read_index(index)
    end = max((entry.offset + entry.size for entry in entries.values()), default=0)
    with open(data, "rb", buffering=0) as file:
        for name, entry in entries.items():
            file.seek(entry.offset)
            crc, left = 0, entry.size
            while left and (block := file.read(min(left, 1 << 24))):
                crc, left = crc32c(block, crc), left - len(block)
            if left or crc != entry.crc:
                what = "the file ends within it" if left else f"found {crc:08x}"
                raise CheckpointError(
                    f"{data}: tensor {shown(name)}: expected crc32c {entry.crc:08x}, {what}"
                )
    if (size := data.stat().st_size) != end:
        raise CheckpointError(
            f"{data}: expected {end:,} bytes ({index.name} says so), found {size:,}"
        )
