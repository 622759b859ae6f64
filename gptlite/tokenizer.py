"""Text to token ids and back: the byte-level byte-pair encoding (BPE) of GPT-2.

A model computes with numbers, so text has to become a list of ids out of a fixed vocabulary. Three
ideas make GPT-2's (section 2.2 of "Language Models are Unsupervised Multitask Learners"; section
"A Deeper Look Inside: Input Encoding" of "The Illustrated GPT-2"):

1. **Bytes.** The smallest tokens are the 256 values of a byte of UTF-8. Every text in every script
   is a row of bytes, so nothing is ever "unknown", and the base vocabulary is 256, not 150,000.
2. **Pieces.** Text is first cut into words, numbers, punctuation and white space (``PATTERN``), and
   no token reaches over a cut: otherwise "dog.", "dog!" and "dog?" would each win a place in the
   vocabulary. A space goes with the word after it, so most words in a sentence are " word".
3. **Merges.** Inside a piece neighbours are joined into longer and longer tokens. Which pairs may
   join was learned once from a corpus, by joining its most frequent pair again and again
   (``gptlite.training.merges``). The order of that learning is the *rank* of a merge, and encoding
   replays it: of all pairs that could join, the one learned first does.
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import chain
from pathlib import Path

import regex

from gptlite.errors import CheckpointError
from gptlite.files import write_atomically

EOT = "<|endoftext|>"
PATTERN = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)
# Before a space that a word follows there is always a cut, whatever stands around it. So text can
# be encoded from one such place to the next, and what was seen before is looked up.
_WORD_START = re.compile(r"(?= \S)")

_PRINTABLE = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
#: The character that stands for each byte in vocabulary files, in the order of GPT-2's ids 0 to 255:
#: printable Latin-1 characters stand for themselves, the others (space is "Ġ", line feed "Ċ") borrow
#: the characters from U+0100 on, so that no token in a file contains white space.
BYTE_SYMBOLS = {byte: chr(byte) for byte in _PRINTABLE} | {
    byte: chr(256 + n) for n, byte in enumerate(_OTHERS)
}
_SYMBOL_BYTES = {symbol: byte for byte, symbol in BYTE_SYMBOLS.items()}


class Tokenizer:
    """A vocabulary and the ways through it: ``encode`` and ``decode``."""

    def __init__(self, vocab: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> None:
        self._vocab = dict(vocab)
        self._merges = list(merges)
        n = len(self._vocab)
        made = {symbol: self._vocab[symbol] for symbol in BYTE_SYMBOLS.values()}
        self._id_of_byte = [self._vocab[BYTE_SYMBOLS[byte]] for byte in range(256)]
        self._joined: dict[tuple[int, int], int] = {}
        self._parts: dict[int, tuple[int, int]] = {}
        for first, second in merges:
            pair = made[first], made[second]
            new = made[first + second] = self._vocab[first + second]
            self._joined[pair] = new
            self._parts[new] = pair
        self._token_bytes = [b""] * n
        for token, i in made.items():
            self._token_bytes[i] = bytes(map(_SYMBOL_BYTES.__getitem__, token))
        self.eot = self._vocab[EOT]
        self._token_bytes[self.eot] = EOT.encode()
        self._known: dict[str, list[int]] = {}

    @classmethod
    def from_pretrained(cls, name_or_path: str | os.PathLike[str] | None = None) -> "Tokenizer":
        from gptlite.checkpoints import locate

        directory = Path(locate(name_or_path))
        for names in (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")):
            vocab_path, merges_path = directory / names[0], directory / names[1]
            if vocab_path.exists():
                break
        vocab = json.loads(vocab_path.read_text(encoding="utf-8"))
        lines = merges_path.read_text(encoding="utf-8").split("\n")
        merges = [tuple(x.split(" ")) for x in lines if x and not x.startswith("#version")]
        return cls(vocab, merges)

    @classmethod
    def train(cls, texts: Iterable[str], n_vocab: int) -> "Tokenizer":
        from gptlite.training.merges import learn_merges

        symbols = list(BYTE_SYMBOLS.values())
        merges = []
        for first, second in learn_merges(texts, n_vocab - 257):
            merges.append((symbols[first], symbols[second]))
            symbols.append(symbols[first] + symbols[second])
        symbols.append(EOT)
        return cls({symbol: i for i, symbol in enumerate(symbols)}, merges)

    def save_pretrained(self, directory: str | os.PathLike[str]) -> None:
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        with write_atomically(directory / "vocab.json") as file:
            file.write(json.dumps(self._vocab).encode())
        with write_atomically(directory / "merges.txt") as file:
            lines = ["#version: 0.2", *map(" ".join, self._merges)]
            file.write("".join(line + "\n" for line in lines).encode())

    @property
    def n_vocab(self) -> int:
        return len(self._token_bytes)

    def encode(self, text: str, allowed_special: Collection[str] = ()) -> list[int]:
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, not {type(text).__name__}")
        parts = text.split(EOT) if EOT in allowed_special else [text]
        ids = self._encode_ordinary(parts[0])
        for part in parts[1:]:
            ids.append(self.eot)
            ids += self._encode_ordinary(part)
        return ids

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        return b"".join(map(self._token_bytes.__getitem__, ids))

    def decode(self, ids: Iterable[int]) -> str:
        return self.decode_bytes(ids).decode(errors="replace")

    def _encode_ordinary(self, text: str) -> list[int]:
        words = _WORD_START.split(text)
        known = self._known
        ids: list[int] = []
        for start in range(0, len(words), 1 << 16):
            block = words[start : start + (1 << 16)]
            try:
                ids += list(chain.from_iterable(map(known.__getitem__, block)))
            except KeyError:
                if len(known) > 1 << 18:
                    known.clear()
                self._learn(set(block).difference(known))
                ids += list(chain.from_iterable(map(known.__getitem__, block)))
                for word in [word for word in block if len(word) > 64]:
                    known.pop(word, None)
        return ids

    def _learn(self, words: Collection[str]) -> None:
        known = self._known
        cut = {word: PATTERN.findall(word) for word in words}
        pieces = list(set(chain.from_iterable(cut.values())).difference(known))
        known.update(zip(pieces, self._merge([p.encode() for p in pieces])))
        for word, parts in cut.items():
            known[word] = list(chain.from_iterable(map(known.__getitem__, parts)))

    def _merge(self, pieces: Sequence[bytes]) -> list[list[int]]:
        id_of_byte, joined, parts = self._id_of_byte, self._joined, self._parts
        row: list[int] = []
        for piece in pieces:
            row.extend(map(id_of_byte.__getitem__, piece))
            row.append(-1)
        right = list(range(1, len(row) + 1))
        left = list(range(-1, len(row) - 1))
        waiting: dict[int, list[int]] = defaultdict(list)
        for i, new in enumerate(map(joined.get, zip(row, row[1:]))):
            if new is not None:
                waiting[new].append(i)
        heap = list(waiting)
        heapify(heap)
        while heap:
            new = heappop(heap)
            first, second = parts[new]
            for i in sorted(waiting.pop(new)):
                j = right[i]
                if row[i] != first or row[j] != second:
                    continue
                row[i], row[j] = new, -2
                h, k = left[i], right[j]
                right[i] = k
                left[k] = i
                for start, pair in ((h, (row[h], new)), (i, (new, row[k]))):
                    wider = joined.get(pair)
                    if wider is not None:
                        if wider not in waiting:
                            heappush(heap, wider)
                        waiting[wider].append(start)
        out: list[list[int]] = [[]]
        for t in row:
            if t >= 0:
                out[-1].append(t)
            elif t == -1:
                out.append([])
        out.pop()
        return out
