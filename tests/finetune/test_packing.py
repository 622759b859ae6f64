"""Texts as rows of tokens: by hand, and what gives way where they are too long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptlite import Tokenizer
from gptlite.finetune.completions import Completion, pack_completion
from gptlite.finetune.packing import (
    NewTokens,
    allowances,
    pack_choices,
    pack_classification,
    pack_entailment,
    pack_similarity,
)

# A token a byte, in GPT-2's order: "a" is 64, "b" 65, and so on; then <|endoftext|>.
LETTERS = Tokenizer.train([], 257)
A, B, C, D, E = range(64, 69)
START, DELIMITER, EXTRACT = 257, 258, 259


def test_the_new_tokens_are_those_after_the_vocabulary():
    assert LETTERS.encode("abcde") == [A, B, C, D, E]
    assert LETTERS.n_vocab == 257
    assert NewTokens.after(257) == (START, DELIMITER, EXTRACT)


def test_classification():
    assert pack_classification(LETTERS, "abc", 9) == [[START, A, B, C, EXTRACT]]
    assert pack_classification(LETTERS, "abc", 5) == [[START, A, B, C, EXTRACT]]
    assert pack_classification(LETTERS, "abc", 4) == [[START, A, B, EXTRACT]]
    assert pack_classification(LETTERS, "", 4) == [[START, EXTRACT]]


def test_entailment():
    row = [START, A, B, DELIMITER, C, D, E, EXTRACT]
    assert pack_entailment(LETTERS, "ab", "cde", 8) == [row]
    # The longer gives way, the first where they are equally long.
    row = [START, A, B, DELIMITER, C, D, EXTRACT]
    assert pack_entailment(LETTERS, "ab", "cde", 7) == [row]
    row = [START, A, DELIMITER, C, D, EXTRACT]
    assert pack_entailment(LETTERS, "ab", "cde", 6) == [row]
    assert pack_entailment(LETTERS, "ab", "cde", 4) == [[START, DELIMITER, C, EXTRACT]]


def test_similarity_has_both_orders():
    assert pack_similarity(LETTERS, "ab", "c", 9) == [
        [START, A, B, DELIMITER, C, EXTRACT],
        [START, C, DELIMITER, A, B, EXTRACT],
    ]


def test_choices():
    """[z; q; $; a_k], as GPT-1's paper writes it (section 3.3)."""
    assert pack_choices(LETTERS, "ab", ["d", "ee"], 20, question="c") == [
        [START, A, B, C, DELIMITER, D, EXTRACT],
        [START, A, B, C, DELIMITER, E, E, EXTRACT],
    ]
    assert pack_choices(LETTERS, "ab", ["d", "ee"], 20) == [
        [START, A, B, DELIMITER, D, EXTRACT],
        [START, A, B, DELIMITER, E, E, EXTRACT],
    ]


def test_the_context_of_a_choice_loses_its_beginning_in_all_rows_alike():
    assert pack_choices(LETTERS, "abcd", ["d", "ee"], 8) == [
        [START, B, C, D, DELIMITER, D, EXTRACT],
        [START, B, C, D, DELIMITER, E, E, EXTRACT],
    ]
    assert pack_choices(LETTERS, "a", ["abcd", "ee"], 6) == [
        [START, A, DELIMITER, A, B, EXTRACT],
        [START, A, DELIMITER, E, E, EXTRACT],
    ]


def test_what_cannot_be_packed_is_refused():
    with pytest.raises(ValueError, match="no choices"):
        pack_choices(LETTERS, "ab", [], 20)
    with pytest.raises(ValueError, match="leaves room for 0 tokens of text"):
        pack_classification(LETTERS, "abc", 2)
    with pytest.raises(ValueError, match="leaves room for 0 tokens of text"):
        pack_entailment(LETTERS, "a", "b", 3)


def test_no_text_can_forge_a_new_token():
    (row,) = pack_classification(LETTERS, "<|endoftext|>_start_", 99)
    assert max(row[1:-1]) < 256


def test_completions():
    assert pack_completion(LETTERS, Completion("ab", "cd"), 8) == ([A, B, C, D, 256], 2)
    # n_ctx + 1 tokens are n_ctx predictions. The prompt loses its beginning.
    assert pack_completion(LETTERS, Completion("ab", "cd"), 4) == ([A, B, C, D, 256], 2)
    assert pack_completion(LETTERS, Completion("ab", "cd"), 3) == ([B, C, D, 256], 1)
    assert pack_completion(LETTERS, Completion("a", "cde"), 3) == ([A, C, D, 256], 1)


def slowly(lengths: list[int], room: int) -> list[int]:
    """Token by token, as the docstring says."""
    kept = list(lengths)
    while sum(kept) > room:
        kept[kept.index(max(kept))] -= 1
    return kept


@given(st.lists(st.integers(0, 40), min_size=1, max_size=4), st.integers(1, 80))
def test_allowances_are_those_of_taking_a_token_at_a_time(lengths, room):
    assert allowances(lengths, room) == slowly(lengths, room)
