"""What scripts/lessons.py measures: on made-up stories, and on models whose answer is known."""

import importlib.util
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gptlite import GPT, GPTConfig, Tokenizer
from gptlite.generate import generate
from gptlite.sampling import Sampler
from gptlite.tasks.cloze import GAP

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from lessons import gaps, induction, stories, texts
from lessons.stories import Story

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("lessons_door", ROOT / "scripts" / "lessons.py")
door = importlib.util.module_from_spec(spec)
spec.loader.exec_module(door)

TRAINING = [
    "Once there was a boy and Tim was his name. The goat saw Tim. So Tim ran to the hill.",
    "She saw Sue. The stone fell, and Sue was sad. On that Monday the goat came to Sue.",
    "Let us go, said Tim. They let Sue go. Let it be.",
]
NAMES = {"Tim", "Sue"}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(TRAINING, 300)


@pytest.fixture(scope="module")
def model(tokenizer) -> GPT:
    return GPT.init(GPTConfig(n_vocab=300, n_ctx=64, n_embd=16, n_head=2, n_layer=2))


def always(tokenizer: Tokenizer, token: int) -> GPT:
    """A model that finds one token likelier than all others, whatever came before."""
    model = GPT.init(GPTConfig(tokenizer.n_vocab, n_ctx=64, n_embd=16, n_head=2, n_layer=1))
    model.parameters["ln_f.weight"][:] = 0
    model.parameters["ln_f.bias"][:] = 50 * model.parameters["wte.weight"][token]
    model.parameters["wte.weight"][token] *= 50
    return model


# ---- Names and words ----------------------------------------------------------------------------


def test_names_have_a_capital_within_sentences_and_never_none():
    # "Let" stands in lower case too, and a day is nobody.
    assert texts.names_of(TRAINING, least=1) == NAMES
    assert texts.names_of([*TRAINING, "Then Tim came."], least=5) == {"Tim"}


@pytest.mark.parametrize(
    ("text", "keeps"),
    [
        ("Tim had a goat. It ran away. Tim found it.", True),
        ("Tim had a goat. Tim fell. It ran away, far away.", False),  # not in the last third
        ("Tim had a goat. It ran away. Sue found it.", False),  # another's name
        ("It was late, and the goat ran far away to Tim.", False),  # not again
        ("The goat ran away. Timothy was not there.", None),
    ],
)
def test_whether_a_story_keeps_its_first_name(text, keeps):
    assert stories.keeps_its_name(text, NAMES) is keeps


def test_stories_without_a_name_do_not_count():
    kept, lost, without = "Tim ran. Then came Tim.", "Tim ran. Then came Sue.", "It ran."
    assert stories.share_that_keeps([kept, lost, without, kept], NAMES) == (2 / 3, 3)
    assert stories.share_that_keeps([without], NAMES) == (pytest.approx(np.nan, nan_ok=True), 0)


def test_words_that_are_no_words():
    told = [Story("Tim's goat blimmed. It's gone", True), Story("The goat's hill was ver", False)]
    known = {"tim", "goat", "it's", "gone", "the", "hill", "was"}
    # The last word of a story that was cut off is no word yet.
    assert stories.unknown_words(told, known) == (["blimmed"], 9)


# ---- Stories ------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["", "The goat"])
def test_a_story_is_the_text_that_generate_makes(model, tokenizer, prompt):
    sampler = Sampler(temperature=0.7)
    story = stories.tell(model, tokenizer, prompt, 3, sampler, 40)
    assert story.text == prompt + generate(
        model, tokenizer, prompt, max_new_tokens=40, temperature=0.7, seed=3
    )


def test_a_story_ends_by_itself_or_is_cut_off(tokenizer):
    ends, goes_on = always(tokenizer, tokenizer.eot), always(tokenizer, tokenizer.encode("a")[0])
    greedy = Sampler(temperature=0)
    assert stories.tell(ends, tokenizer, "The goat", 0, greedy, 9) == Story("The goat", True)
    # Longer than the context, for the older half is forgotten.
    assert stories.tell(goes_on, tokenizer, "", 0, greedy, 99) == Story("a" * 99, False)


# ---- Induction ----------------------------------------------------------------------------------


def test_repeated_rows_hold_different_tokens_twice():
    ids = induction.repeated(20, 8, rows=3)
    assert ids.shape == (3, 16)
    np.testing.assert_array_equal(ids[:, :8], ids[:, 8:])
    assert all(len(set(row.tolist())) == 8 and max(row) < 20 for row in ids)


def test_the_induction_score_is_the_attention_to_what_came_after_the_same_token():
    model = GPT.init(GPTConfig(n_vocab=20, n_ctx=16, n_embd=16, n_head=2, n_layer=2))
    # The second block's first head looks back by as much as a half less one: at what came after.
    back, places = 7, np.arange(16)
    weights = np.zeros((1, 2, 16, 16), np.float32)
    weights[:, :, places, np.maximum(places - back, 0)] = 1

    def look_back(array, _):
        array[:, 0] = weights[:, 0]
        return array

    ids = induction.repeated(20, 8, rows=3)
    assert induction.induction_scores(model, ids).max() < 0.2

    class Edited(GPT):
        def __call__(self, ids, trace=None, **options):
            trace.edits = {"h.1.attn.weights": look_back}
            return super().__call__(ids, trace=trace, **options)

    scores = induction.induction_scores(Edited(model.config, model.parameters), ids)
    assert scores.shape == (2, 2)
    assert scores[1, 0] == pytest.approx(1)
    assert scores[1, 1] < 0.2


# ---- Gaps ---------------------------------------------------------------------------------------


NOUNS = [f"goat{chr(97 + i)}{chr(97 + j)}" for i in range(5) for j in range(10)]
COUNTS = Counter({noun: 1000 - 10 * i for i, noun in enumerate(NOUNS)})
TOLD = [f"It was late. The {a} saw a {b}. The {b} had a {b}.\n\nIt ran. Then the {a} fell."
        for a, b in zip(NOUNS, reversed(NOUNS), strict=True)]  # fmt: skip


def test_a_gap_is_in_the_second_half_and_its_nouns_are_about_as_frequent():
    found = list(gaps.gaps(TOLD, NOUNS, COUNTS, n=30))
    assert len(found) == 30
    for before, query, candidates, answer in found:
        # "The goat had a goat" has the noun twice, and is not taken.
        assert query == f"Then the {GAP} fell."
        assert before + query.replace(GAP, candidates[answer]) in TOLD
        assert len(set(candidates)) == gaps.CANDIDATES
        ranks = [NOUNS.index(candidate) for candidate in candidates]
        assert max(ranks) - min(ranks) <= 4 * gaps.CANDIDATES
    assert len({candidates[answer] for _, _, candidates, answer in found}) == 30  # each its own
    assert len({answer for _, _, _, answer in found}) > 5


def test_the_same_seed_gives_the_same_gaps():
    first, again, other = (
        list(gaps.gaps(TOLD, NOUNS, COUNTS, n=9, seed=seed)) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_too_few_gaps_are_an_error():
    with pytest.raises(ValueError, match="the stories make 50 sentences with a gap, 51 are wanted"):
        list(gaps.gaps(TOLD, NOUNS, COUNTS, n=51))
    with pytest.raises(ValueError, match="19 nouns are too few for 10 to choose from"):
        list(gaps.gaps(TOLD, NOUNS[:19], COUNTS, n=1))


def test_choices_have_the_story_before_the_gap_or_not():
    gap = ("It was late. ", f"The {GAP} fell.", ("goat", "hill"), 1)
    told, alone = (next(gaps.gap_choices([gap], with_story)) for with_story in (True, False))
    assert told == ("It was late. The ", ("goat fell.", "hill fell."), 1)
    assert alone == ("The ", ("goat fell.", "hill fell."), 1)


# ---- The table ----------------------------------------------------------------------------------


@pytest.fixture
def test_data(tmp_path, monkeypatch) -> Path:
    """A folder of test data with made-up stories and tales."""
    nouns = " ".join(f"Here the {noun} was. " * 40 for noun in NOUNS)
    texts = {
        "stories/train": "\n<|endoftext|>\n".join([*TRAINING * 4, nouns]),
        "stories/validation": "\n<|endoftext|>\n".join(TOLD),
        "tales/train": "There was a king.",
        "tales/validation": "There was a queen.",
    }
    for name, text in texts.items():
        folder = tmp_path / "corpora" / name
        folder.mkdir(parents=True)
        (folder / "a.txt").write_text(text, encoding="utf-8")
    monkeypatch.setenv("GPTLITE_TEST_DATA", str(tmp_path))
    return tmp_path


def test_the_table_of_a_model(test_data, model, tokenizer, tmp_path, capsys):
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    few = ["--seeds", "2", "--gaps", "3", "--stories", "1"]
    assert door.main([str(tmp_path / "model"), *few]) == 0
    printed = capsys.readouterr().out
    table, *stories = printed.split("\nSeed 0:\n\n")
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    assert len(rows) == 8
    assert rows[2][1] in ("0 of 2", "1 of 2", "2 of 2")
    assert rows[5][1].replace("|", "") == " robot"
    assert rows[5][3] == "no"
    assert rows[7][1].startswith(("0% of 3", "33% of 3", "67% of 3", "100% of 3"))
    assert len(stories) == 1
    assert stories[0].startswith("Once upon a time")


def test_measures_can_be_chosen(test_data, capsys):
    assert door.main(["--only", "robot"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[2].startswith('| " robot" in tokens | ')


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "beauty"], "--only beauty: there are stories, tales, endings, "),
        (["--seeds", "0"], "--seeds must be at least 1, not 0"),
        (["--gaps", "-1"], "--gaps must be at least 1, not -1"),
        (["--temperature", "-1"], "temperature must be at least 0, not -1.0"),
        (["nowhere"], "nowhere"),
    ],
)
def test_options_that_cannot_be(test_data, capsys, options, message):
    assert door.main(options) == 2
    printed, complaint = capsys.readouterr()
    assert not printed
    assert complaint.startswith("lessons.py: error: ")
    assert message in complaint


def test_the_folder_of_test_data_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GPTLITE_TEST_DATA", str(tmp_path))
    assert door.main(["--only", "tales"]) == 2
    assert "no tales in" in capsys.readouterr().err


def test_it_measures_the_storyteller_that_ships(shared, capsys, monkeypatch):
    monkeypatch.setenv("GPTLITE_TEST_DATA", str(shared))
    assert door.main(["--only", "robot", "induction"]) == 0
    assert re.search(r"best head \| 0\.\d\d \(block \d, head \d\) \|", capsys.readouterr().out)
