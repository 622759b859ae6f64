"""From text files to batches: documents as one long file of token ids, read through a memory map.

A window is ``n_ctx`` tokens of that file, and the token after them, which the last one predicts.
"""

from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np

from gptlite.files import write_atomically
from gptlite.texts import Count, read_documents
from gptlite.tokenizer import Tokenizer
from gptlite.training.backward import Ids


def write_token_file(path: Path, tokenizer: Tokenizer, files: list[Path]) -> Count:
    """Encode the documents, ``<|endoftext|>`` before each, into one NumPy file.

    GPT-2 saw its documents in this form: the token says that the text before it has ended.

    Returns:
        What was found in the files.

    Raises:
        ValueError, OSError: see ``read_documents``.
    """
    from tqdm import tqdm

    dtype = np.uint16 if tokenizer.n_vocab <= 1 << 16 else np.uint32
    count, encoded = Count(), []
    for source in tqdm(files, "encoding", unit="file", disable=None):
        documents = read_documents(source)
        rows = [[tokenizer.eot, *tokenizer.encode(text)] for text in documents.texts]
        encoded.append(np.fromiter(chain.from_iterable(rows), dtype))  # [tokens]
        count.add(documents, len(encoded[-1]))
    with write_atomically(path) as file:
        np.save(file, np.concatenate(encoded))
    return count


def open_token_file(path: Path, n_vocab: int, n_ctx: int) -> Ids:
    """Open a token file: its ids, ``[tokens]``, are read from the disk as they are used.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a token file, holds an id outside the vocabulary, or is too short.
    """
    try:
        tokens: Ids = np.lib.format.open_memmap(path, mode="r")  # [tokens]
    except FileNotFoundError:
        raise
    except Exception as error:  # damaged headers raise many kinds, as for trainer.py's state.npz
        raise ValueError(f"{path}: not a token file ({type(error).__name__}: {error})") from error
    if tokens.ndim != 1 or tokens.dtype not in (np.uint16, np.uint32):
        found = f"{tokens.dtype} {list(tokens.shape)}"
        raise ValueError(f"{path}: expected uint16 or uint32 [tokens], found {found}")
    if len(tokens) <= n_ctx:
        raise ValueError(
            f"{len(tokens)} tokens are too few for a context of {n_ctx}: give more text, or a "
            "smaller context"
        )
    if tokens.max() >= n_vocab:
        raise ValueError(f"{path}: token id {tokens.max()} is outside 0 to {n_vocab - 1}")
    return tokens


def batch_at(step: int, tokens: Ids, batch: int, n_ctx: int, seed: int) -> tuple[Ids, Ids]:
    """Make the batch of a step from its number alone: there is nothing to save, nothing to lose.

    Article: "The Illustrated Masked Self-Attention", where inputs are features and targets labels.

    Each pass over the corpus (epoch) cuts it into windows, from a start of its own, and takes each
    window once, in an order of its own.

    Args:
        step: counted from 0.

    Returns:
        Inputs and targets ``[batch, n_ctx]``: the targets are the inputs' next tokens.
    """
    # One window fewer than fit (but at least one), so that an epoch has room to start elsewhere.
    windows_per_epoch = max(1, (len(tokens) - 1) // n_ctx - 1)
    n_shifts = len(tokens) - n_ctx * windows_per_epoch  # the largest reaches the last token
    starts = []
    for i in range(step * batch, (step + 1) * batch):
        epoch, place = divmod(i, windows_per_epoch)
        # [windows]
        shift, order = _epoch_order(epoch, windows_per_epoch, n_shifts, seed)
        starts.append(shift + n_ctx * order[place])
    rows = np.stack([tokens[start : start + n_ctx + 1] for start in starts])  # [batch, n_ctx + 1]
    rows = rows.astype(np.int64)  # [batch, n_ctx + 1]
    return rows[:, :-1], rows[:, 1:]  # [batch, n_ctx]


@lru_cache(maxsize=1)  # only the epoch at hand
def _epoch_order(epoch: int, n_windows: int, n_shifts: int, seed: int) -> tuple[int, Ids]:
    """Draw the start of an epoch's first window, and the order of its windows, ``[n_windows]``."""
    rng = np.random.default_rng([seed, epoch])
    shift = int(rng.integers(n_shifts))
    order = rng.permutation(n_windows)  # [n_windows]
    return shift, order
