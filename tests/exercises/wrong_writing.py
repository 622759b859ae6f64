"""Wrong solutions of the loop, of top-k and of top-p, as students write them."""

import numpy as np

from exercises.marks import wrong
from gptlite.layers import softmax

# ---- auto_regress -------------------------------------------------------------------------------


@wrong("auto_regress", "does not stop at the end token")
def loop_never_stops(model, ids, n_new, end):
    ids = list(ids)
    start = len(ids)
    while len(ids) < start + n_new:
        logits = model(ids)
        ids.append(int(np.argmax(logits[0, -1])))
    return ids[start:]


@wrong("auto_regress", "the end token is in the result")
def loop_says_the_end(model, ids, n_new, end):
    new = []
    while len(new) < n_new:
        new.append(int(model([*ids, *new])[0, -1].argmax()))
        if new[-1] == end:
            break
    return new


@wrong("auto_regress", "the prompt is in the result")
def loop_with_prompt(model, ids, n_new, end):
    ids = ids[:]
    for _ in range(n_new):
        token = int(np.argmax(model(ids)[0][-1]))
        if token == end:
            return ids
        ids.append(token)
    return ids


@wrong("auto_regress", "reads the last token alone")
def loop_short_sighted(model, ids, n_new, end):
    last, new = ids[-1], []
    for _ in range(n_new):
        last = int(np.argmax(model([last])[0, -1]))
        if last == end:
            break
        new.append(last)
    return new


@wrong("auto_regress", "does not join the text")
def loop_deaf(model, ids, n_new, end):
    new = []
    for _ in range(n_new):
        token = int(np.argmax(model(ids)[0, -1]))
        if token == end:
            break
        new.append(token)
    return new


@wrong("auto_regress", "first position")
def loop_first_row(model, ids, n_new, end):
    ids, new = list(ids), []
    for _ in range(n_new):
        token = int(np.argmax(model(ids)[0, 0]))
        if token == end:
            break
        ids.append(token)
        new.append(token)
    return new


@wrong("auto_regress", "one token too few")
def loop_too_short(model, ids, n_new, end):
    ids, new = list(ids), []
    for _ in range(1, n_new):
        token = int(np.argmax(model(ids)[0, -1]))
        if token == end:
            break
        ids.append(token)
        new.append(token)
    return new


@wrong("auto_regress", "`ids` is not what it was")
def loop_changes_the_prompt(model, ids, n_new, end):
    start = len(ids)
    for _ in range(n_new):
        token = int(np.argmax(model(ids)[0, -1]))
        if token == end:
            break
        ids.append(token)
    return ids[start:]


@wrong("auto_regress", "n_new is not used")
def loop_without_end(model, ids, n_new, end):
    ids, new = list(ids), []
    while True:
        token = int(np.argmax(model(ids)[0, -1]))
        if token == end:
            return new
        ids.append(token)
        new.append(token)


# ---- apply_top_k --------------------------------------------------------------------------------


@wrong("apply_top_k", "tie for the last place")
def top_k_by_places(logits, k):
    out = np.full_like(logits, -np.inf)
    for row, kept in zip(logits, out, strict=True):
        best = sorted(range(len(row)), key=lambda i: -row[i])[:k]
        kept[best] = row[best]
    return out


@wrong("apply_top_k", "is it > or >=")
def top_k_strict(logits, k):
    out = logits.copy()
    for row in out:
        limit = sorted(row.tolist(), reverse=True)[min(k, len(row)) - 1]
        row[row <= limit] = -np.inf
    return out


@wrong("apply_top_k", "one logit too many")
def top_k_and_one(logits, k):
    out = logits.copy()
    for row in out:
        ranked = sorted(row.tolist(), reverse=True)
        row[row < ranked[min(k, len(row) - 1)]] = -np.inf
    return out


@wrong("apply_top_k", "the lowest logits are kept")
def top_k_lowest(logits, k):
    out = logits.copy()
    for row in out:
        row[row > sorted(row.tolist())[min(k, len(row)) - 1]] = -np.inf
    return out


@wrong("apply_top_k", "dropped logits are 0")
def top_k_zeros(logits, k):
    limit = np.sort(logits, axis=1)[:, -min(k, logits.shape[1])][:, None]
    return logits * (logits >= limit)


@wrong("apply_top_k", "each row has its own")
def top_k_of_all_rows(logits, k):
    flat = np.sort(logits, axis=None)
    limit = flat[max(0, len(flat) - k)]
    return np.where(logits >= limit, logits, -np.inf).astype(np.float32)


@wrong("apply_top_k", "given logits .* and k 100")
def top_k_too_large(logits, k):
    limit = np.sort(logits, axis=1)[:, -k][:, None]
    return np.where(logits >= limit, logits, np.float32(-np.inf))


# ---- apply_top_p --------------------------------------------------------------------------------


def by_row(logits, choose):
    """Drop in each row what ``choose(ids and probabilities, highest first)`` does not return."""
    out = np.full_like(logits, -np.inf)
    for row, kept in zip(logits, out, strict=True):
        p = softmax(row)
        ranked = sorted(enumerate(p.tolist()), key=lambda pair: -pair[1])
        ids = choose(ranked)
        kept[ids] = row[ids]
    return out


def taken(ranked, goes_on):
    """Take ids as long as ``goes_on(the sum so far, the next share)``."""
    ids, total = [], 0.0
    for i, share in ranked:
        if not goes_on(total, share):
            break
        ids.append(i)
        total += share
    return ids


@wrong("apply_top_p", "the token that crosses p is dropped")
def top_p_drops_the_crossing(logits, p):
    return by_row(logits, lambda ranked: taken(ranked, lambda total, share: total + share <= p))


@wrong("apply_top_p", "The first one you keep, well")
def top_p_keeps_the_first(logits, p):
    def goes_on(total, share):
        return total == 0 or total + share <= p

    return by_row(logits, lambda ranked: taken(ranked, goes_on))


@wrong("apply_top_p", "one token too many")
def top_p_and_one(logits, p):
    def choose(ranked):
        ids = taken(ranked, lambda total, share: total < p)
        return [i for i, _ in ranked[: len(ids) + 1]]

    return by_row(logits, choose)


@wrong("apply_top_p", "least likely token")
def top_p_from_the_tail(logits, p):
    return by_row(logits, lambda ranked: taken(ranked[::-1], lambda total, share: total < p))


@wrong("apply_top_p", "in the order of the ids; they must be sorted")
def top_p_unsorted(logits, p):
    sums = np.cumsum(softmax(logits), axis=-1)
    return np.where(sums - softmax(logits) < p, logits, np.float32(-np.inf))


@wrong("apply_top_p", "tokens' own places")
def top_p_not_sorted_back(logits, p):
    ranked = np.sort(softmax(logits), axis=-1)[:, ::-1]
    return np.where(np.cumsum(ranked, axis=-1) - ranked < p, logits, np.float32(-np.inf))


@wrong("apply_top_p", "compared with p by itself")
def top_p_each_alone(logits, p):
    out = logits.copy()
    out[softmax(logits) < p] = -np.inf
    return out
