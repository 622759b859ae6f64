"""Wrong merges, heads, scores and masks, as students write them."""

import math
from itertools import pairwise

import numpy as np

from exercises.marks import wrong
from gptlite.alphabet import BYTE_SYMBOLS

# ---- merged -------------------------------------------------------------------------------------


def join_pair(row, i):
    """Join the tokens at i and i + 1."""
    new = list(row)
    new[i : i + 2] = ["".join(new[i : i + 2])]
    return new


@wrong("merged", "begins with characters")
def merged_of_characters(piece, rank):
    row = [c if c != " " else "Ġ" for c in piece.decode()]
    rows = [row]
    while True:
        best, place = None, None
        for i in range(len(row) - 1):
            r = rank.get((row[i], row[i + 1]))
            if r is not None and (best is None or r < best):
                best, place = r, i
        if place is None:
            return rows
        row = join_pair(row, place)
        rows.append(row)


def symbols(piece):
    """Spell a piece in the alphabet of the vocabulary."""
    return [BYTE_SYMBOLS[b] for b in piece]


@wrong("merged", "joins the leftmost pair")
def merged_from_the_left(piece, rank):
    row = symbols(piece)
    rows = [row]
    i = 0
    while i < len(row) - 1:
        if (row[i], row[i + 1]) in rank:
            row = join_pair(row, i)
            rows.append(row)
            i = 0
        else:
            i += 1
    return rows


@wrong("merged", "highest rank")
def merged_last_first(piece, rank):
    rows = [symbols(piece)]
    while True:
        row = rows[-1]
        pairs = [(a, b) for a, b in pairwise(row) if (a, b) in rank]
        if not pairs:
            return rows
        pairs.sort(key=lambda pair: -rank[pair])
        for i in range(len(row) - 1):
            if (row[i], row[i + 1]) == pairs[0]:
                rows.append(join_pair(row, i))
                break


@wrong("merged", "stops after the first merge")
def merged_once(piece, rank):
    row = symbols(piece)
    ranked = sorted(
        (rank[row[i], row[i + 1]], i) for i in range(len(row) - 1) if (row[i], row[i + 1]) in rank
    )
    return [row, join_pair(row, ranked[0][1])] if ranked else [row]


@wrong("merged", "the first row is missing")
def merged_without_bytes(piece, rank):
    row, rows = symbols(piece), []
    while True:
        ranked = sorted((rank.get(p, 10**9), i) for i, p in enumerate(pairwise(row)))
        if not ranked or ranked[0][0] == 10**9:
            return rows
        row = join_pair(row, ranked[0][1])
        rows.append(row)


@wrong("merged", "the same list was appended")
def merged_into_one_list(piece, rank):
    row = symbols(piece)
    rows = [row]
    while True:
        ranked = sorted((rank.get(p, 10**9), i) for i, p in enumerate(pairwise(row)))
        if not ranked or ranked[0][0] == 10**9:
            return rows
        i = ranked[0][1]
        row[i] += row.pop(i + 1)
        rows.append(row)


@wrong("merged", "returns the last row alone")
def merged_to_the_end(piece, rank):
    row = symbols(piece)
    while True:
        ranked = sorted((rank.get(p, 10**9), i) for i, p in enumerate(pairwise(row)))
        if not ranked or ranked[0][0] == 10**9:
            return row
        row = join_pair(row, ranked[0][1])


# ---- split_heads --------------------------------------------------------------------------------


@wrong("split_heads", "heads hold other tokens' numbers")
def split_in_one_go(x, n_head):
    b, s, d = x.shape
    return np.reshape(x, (b, n_head, s, d // n_head))


@wrong("split_heads", "heads should come before the positions")
def split_without_swapping(x, n_head):
    return np.stack(np.split(x, n_head, axis=2), axis=2)


@wrong("split_heads", "every n-th number")
def split_interleaved(x, n_head):
    return np.stack([x[:, :, h::n_head] for h in range(n_head)], axis=1)


@wrong("split_heads", "last two axes are exchanged")
def split_and_turned(x, n_head):
    width = x.shape[-1] // n_head
    heads = [x[..., h * width : (h + 1) * width] for h in range(n_head)]
    return np.array([np.transpose(head, (0, 2, 1)) for head in heads]).swapaxes(0, 1)


@wrong("split_heads", "batch should stay in front")
def split_heads_in_front(x, n_head):
    return np.array(np.split(x, n_head, axis=-1))


# ---- attention_scores ---------------------------------------------------------------------------


@wrong("attention_scores", "scale is left out")
def scores_unscaled(q, k):
    return np.einsum("bhqd,bhkd->bhqk", q, k)


@wrong("attention_scores", "scale is squared")
def scores_over_head_dim(q, k):
    return np.einsum("bhqd,bhkd->bhqk", q, k) / k.shape[3]


@wrong("attention_scores", "should be divided by it")
def scores_times_root(q, k):
    return np.matmul(q * math.sqrt(q.shape[-1]), np.transpose(k, (0, 1, 3, 2)))


@wrong("attention_scores", "number of heads")
def scores_root_of_heads(q, k):
    _, n, _, _ = q.shape
    return np.matmul(q, np.transpose(k, (0, 1, 3, 2))) / math.sqrt(n)


@wrong("attention_scores", "number of queries")
def scores_root_of_queries(q, k):
    return np.matmul(q, np.transpose(k, (0, 1, 3, 2))) / math.sqrt(len(q[0, 0]))


@wrong("attention_scores", "that of n_embd")
def scores_root_of_width(q, k):
    _, heads, _, d = q.shape
    return np.einsum("...qd,...kd->...qk", q, k) / math.sqrt(heads * d)


@wrong("attention_scores", "rows and columns are exchanged")
def scores_turned(q, k):
    return np.einsum("bhqd,bhkd->bhkq", q, k) / math.sqrt(k.shape[-1])


@wrong("attention_scores", r"`\.T` reverses all of them")
def scores_all_axes_reversed(q, k):
    return q @ k.T / math.sqrt(q.shape[-1])


# ---- mask_future --------------------------------------------------------------------------------


def by_place(scores, is_hidden):
    """Copy scores, and hide place by place."""
    out, (seq, total) = scores.copy(), scores.shape[-2:]
    for i in range(seq):
        for j in range(total):
            if is_hidden(i, j, total - seq):
                out[..., i, j] = -np.inf
    return out


@wrong("mask_future", "hides each position from itself")
def mask_itself_too(scores):
    return by_place(scores, lambda i, j, cached: j >= i + cached)


@wrong("mask_future", "still sees the next one")
def mask_one_late(scores):
    return by_place(scores, lambda i, j, cached: j > i + cached + 1)


@wrong("mask_future", "wrong half is hidden")
def mask_the_past(scores):
    return by_place(scores, lambda i, j, cached: j < i + cached)


@wrong("mask_future", "forgets the positions in the cache")
def mask_from_the_left(scores):
    return by_place(scores, lambda i, j, cached: j > i)


@wrong("mask_future", "triangle is square")
def mask_square(scores):
    seq = scores.shape[-2]
    mask = np.zeros((seq, seq), np.float32)
    mask[np.triu_indices(seq, 1)] = -1e10
    return scores + mask


@wrong("mask_future", "hidden scores are 0")
def mask_by_zeros(scores):
    seq, total = scores.shape[-2:]
    return np.tril(scores, total - seq)


@wrong("mask_future", "lowered by 10 only")
def mask_too_weak(scores):
    seq, total = scores.shape[-2:]
    return (scores - 10 * np.triu(np.ones((seq, total)), total - seq + 1)).astype(np.float32)


@wrong("mask_future", "minus infinity was multiplied by a 0")
def mask_infinity_times_zero(scores):
    seq, total = scores.shape[-2:]
    return scores + np.triu(np.ones((seq, total), np.float32), total - seq + 1) * -np.inf


@wrong("mask_future", "mask alone")
def mask_without_scores(scores):
    seq, total = scores.shape[-2:]
    return np.zeros_like(scores) + np.triu(np.full((seq, total), -1e9), total - seq + 1)
