"""The demonstrations: their data, on made-up tales, their file of results, the README's tables."""

import doctest
import importlib.util
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import gptlite

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from demonstrations import (
    cloze,
    entailment,
    fables,
    morals,
    next_paragraph,
    results,
    table,
    tales,
    which_book,
)
from demonstrations.tales import Layout, Tale

from gptlite.finetune.examples import read_examples

ROOT = Path(__file__).resolve().parents[2]
MODULES = (cloze, entailment, fables, morals, next_paragraph, results, table, tales, which_book)
NOUNS = [*("goat", "hill", "stone", "river", "tree", "house"), *("bird", "cloud", "road", "field")]
NOUNS += ["well", "gate"]


def tale(book: int, number: int, n_paragraphs: int = 8) -> Tale:
    """A made-up tale whose every word but the little ones is its own."""
    own = [f"{noun}{chr(97 + book)}{chr(97 + number)}" for noun in NOUNS]
    rng = np.random.default_rng([book, number])
    paragraphs = []
    for _ in range(n_paragraphs):
        sentences = []
        for _ in range(4):
            a, b, c = rng.permutation(own)[:3]
            sentences.append(f"The {a} of Meg was near the {b}, and there was a {c}.")
        paragraphs.append(" ".join(sentences))
    return Tale(book, tuple(paragraphs))


@pytest.fixture(scope="module")
def made_up():
    return [tale(book, number) for book in (1, 2, 3) for number in range(8)]


def own_words(text: str) -> set[str]:
    """The words that tell which made-up tale a text is from: (book, number) in their last two."""
    return {word[-2:] for word in tales.words_of(text) if word[:-2] in NOUNS}


# ---- Tales --------------------------------------------------------------------------------------


BOOK = """\
CONTENTS

The First Tale

The First Tale

'Good day,' said the goat. 'It's late.'

12

The page ends within

13 a sentence, and the goat's horn is long.

[From the German.]

Line-Art Drawing

The Second Tale

It rained.

NOTES

The Third Tale

No tale."""
LAYOUT = Layout("The First Tale", r"The \w+ Tale", "NOTES", single_quotes=True)


def test_a_book_is_cut_into_its_tales():
    assert tales.cut_into_tales(BOOK, 7, LAYOUT) == [
        Tale(
            7,
            (
                '"Good day," said the goat. "It\'s late."',
                "The page ends within a sentence, and the goat's horn is long.",
            ),
        ),
        Tale(7, ("It rained.",)),
    ]


@pytest.mark.parametrize("change", [{"first": "The Fourth Tale"}, {"after": "INDEX"}])
def test_a_book_that_is_not_as_expected_is_an_error(change):
    (missing,) = change.values()
    with pytest.raises(ValueError, match=f"book 7: no paragraph is '{missing}'"):
        tales.cut_into_tales(BOOK, 7, LAYOUT._replace(**change))


def test_tales_are_split_by_tale_and_every_book_is_in_both_parts(made_up):
    for seed in range(5):
        first, second = tales.split_tales(made_up, 0.6, seed)
        assert sorted(first + second) == sorted(made_up)
        assert {t.book for t in first} == {t.book for t in second} == {1, 2, 3}
        assert len(first) == 15  # of 8 equal tales a book, 5 are at least six tenths
    assert tales.split_tales(made_up, 0.6, 0) != tales.split_tales(made_up, 0.6, 1)


def test_no_data_is_an_error_that_names_the_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("GPTLITE_TEST_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"no tales in .*GPTLITE_TEST_DATA"):
        tales.unseen_tales()


def test_the_unseen_books_are_cut_as_they_should_be(shared, monkeypatch):
    monkeypatch.setenv("GPTLITE_TEST_DATA", str(shared))
    found = tales.unseen_tales()
    numbers = {book: sum(t.book == book for t in found) for book in tales.LAYOUTS}
    # Chapters and tales as the books' lists of contents count them.
    assert numbers == {16: 17, 54: 24, 1825: 26, 2435: 36, 7128: 29}
    text = "\n".join(paragraph for t in found for paragraph in t.paragraphs)
    assert not re.search(r"(?i)line-art|gutenberg|\bsource\b\.--", text)


# ---- Which book ---------------------------------------------------------------------------------


def test_passages_are_balanced_without_names_and_of_other_tales(made_up):
    train, test = which_book.make(made_up, 30, 15, seed=0)
    for part, n in ((train, 10), (test, 5)):
        assert np.bincount([p.label for p in part]).tolist() == [n, n, n]
    # Every beginning of the training examples is balanced, too.
    assert np.bincount([p.label for p in train[:6]]).tolist() == [2, 2, 2]
    assert not any("Meg" in p.text for p in train + test)
    assert all("Somebody" in p.text for p in train)
    words = [set().union(*(own_words(p.text) for p in part)) for part in (train, test)]
    assert not words[0] & words[1]
    # The label is that of the book the words are from.
    assert all(own[0] == "bcd"[p.label] for p in train + test for own in own_words(p.text))


@pytest.mark.parametrize(
    ("sentence", "struck"),
    [
        ("Tip saw Mr. Jack Pumpkinhead, and Mrs. Fox.", "Somebody saw Somebody, and Somebody."),
        (
            '"Go!" said I to the King. "Come with me."',
            '"Go!" said I to the Somebody. "Come with me."',
        ),
        ("Then Meg's goat and Tip's goat ate.", "Then Somebody's goat and Somebody's goat ate."),
    ],
)
def test_names_are_struck_out(sentence, struck):
    assert which_book.without_names(sentence, frozenset({"Tip"})) == struck


def test_a_name_is_what_has_a_capital_within_sentences():
    t = Tale(1, ("Then Tip came. Tip ran. Grass grew, and the grass was wet. The Grass sang.",))
    assert which_book.names_of([t]) == {"Tip"}


def test_too_few_passages_are_an_error(made_up):
    with pytest.raises(ValueError, match=r"book 1: .* passages"):
        which_book.make(made_up, 30_000, 15, seed=0)


# ---- The next paragraph -------------------------------------------------------------------------


@pytest.mark.parametrize("same_book", [False, True])
def test_pairs_are_balanced_and_right_and_of_other_tales(made_up, same_book):
    train, test = next_paragraph.make(made_up, 40, 20, seed=3, same_book=same_book)
    text = {t: " ".join(t.paragraphs) for t in made_up}
    for part, n in ((train, 40), (test, 20)):
        assert len(part) == n
        assert sum(pair.label for pair in part) == n // 2
        for pair in part:
            right, wrong = pair.choices[pair.label], pair.choices[1 - pair.label]
            (own,) = {t for t in made_up if f"{pair.context} {right}" in text[t]}
            (other,) = {t for t in made_up if wrong in text[t]}
            assert other != own and (other.book == own.book) == same_book
    words = [
        set().union(*(own_words(" ".join([p.context, *p.choices])) for p in part))
        for part in (train, test)
    ]
    assert not words[0] & words[1]


def test_common_words_choose_the_paragraph_of_the_tale(made_up):
    pairs, _ = next_paragraph.make(made_up, 40, 20, seed=0)
    frequency = dict.fromkeys(tales.words_of("The of Meg was near the, and there was a."), 10_000)
    right = [next_paragraph.by_common_words(p, frequency) == p.label for p in pairs]
    assert np.mean(right) > 0.9  # a beginning and an end may by chance have no word in common


# ---- Entailment ---------------------------------------------------------------------------------


def parsed(example: entailment.Example) -> tuple[str, ...]:
    """The rule's kind and property, a name and its kind, the hypothesis's name and property."""
    rule = re.search(r"[Ee]very (\w+) is (\w+)\.", example.premise)
    fact = re.search(r"(\w+) is an? (\w+)\.", example.premise)
    concluded = re.fullmatch(r"(\w+) is (\w+)\.", example.hypothesis)
    assert rule and fact and concluded, example
    return *rule.groups(), *fact.groups(), *concluded.groups()


@pytest.mark.parametrize("comparisons", [1, 2])
def test_what_follows_follows_and_nothing_else_does(comparisons):
    train, tests = entailment.make(400, 200, seed=1, comparisons=comparisons)
    for part in (train, *tests):
        kinds = [parsed(example) for example in part]
        follows = [
            name == other and kind == own and quality == found
            for kind, quality, name, own, other, found in kinds
        ]
        assert follows == [bool(example.label) for example in part]
        assert np.mean(follows) == 0.5
        by_quality = np.mean([(k[1] == k[5]) == yes for k, yes in zip(kinds, follows, strict=True)])
        by_kind = np.mean([(k[0] == k[3]) == yes for k, yes in zip(kinds, follows, strict=True)])
        # Where two comparisons are asked for, neither is enough by itself.
        assert (by_quality, by_kind) == {1: (1, 0.5), 2: (0.75, 0.75)}[comparisons]


def test_examples_are_split_by_rule_and_by_word():
    train, tests = entailment.make(400, 200, seed=1)
    learned = {parsed(example)[:2] for example in train}
    words = {word for example in train for word in parsed(example)}
    for example in tests.unknown_rules:
        assert parsed(example)[:2] not in learned
        assert example.premise not in {e.premise for e in train}
    for example in tests.unknown_words:
        assert not words & set(parsed(example))


def test_no_place_tells_what_a_word_is():
    train, _ = entailment.make(400, 200, seed=1)
    orders = [e.premise.index(" every ") if " every " in e.premise else 0 for e in train]
    assert len(set(orders)) > 4
    first = [e.premise.startswith(parsed(e)[2]) for e in train]
    assert 0.4 < np.mean(first) < 0.6


def test_the_words_of_the_closed_world_are_different_ones_and_a_token_each():
    every = [*entailment.KINDS, *entailment.PROPERTIES, *entailment.NAMES]
    assert len({word.lower() for word in every}) == len(every)
    _, tokenizer = gptlite.load()
    assert {word for word in every if len(tokenizer.encode(" " + word)) > 1} == set()


# ---- Cloze --------------------------------------------------------------------------------------


def test_gap_sentences_are_right():
    nouns = frozenset(NOUNS)
    sentences = [f"The {NOUNS[i % 12]} was near the {NOUNS[(i + 5) % 12]}." for i in range(21)]
    sentences[20] = "A saw-goat, the gate and the hill: the hill was high."
    question = cloze.question_at(sentences, 0, nouns, np.random.default_rng(0))
    assert question is not None
    # Not the hill, which is there twice, nor the goat, which is half a word.
    assert question.query == "A saw-goat, the XXXXX and the hill: the hill was high."
    assert question.candidates[question.answer] == "gate"
    assert question.context == " ".join(sentences[:20])
    assert len(set(question.candidates)) == 10
    assert set(question.candidates) <= nouns - {"hill"}


@pytest.mark.parametrize(
    "last", ["It rained.", "The hill and the hill.", "The wolf ate.", "Goat hill stone river."]
)
def test_sentences_without_a_question(last):
    nouns = frozenset([*NOUNS[:10], "wolf"])
    sentences = [*(f"The {NOUNS[i % 10]} was there." for i in range(20)), last]
    assert cloze.question_at(sentences, 0, nouns, np.random.default_rng(0)) is None


def test_questions_share_no_sentence():
    t = Tale(
        1,
        tuple(
            f"The {a} of day {i} sees the {b}. No {b} saw it."
            for i, (a, b) in enumerate(zip(NOUNS * 9, NOUNS[3:] * 12, strict=False))
        ),
    )
    questions = cloze.make([t], frozenset(NOUNS), 5, seed=2)
    days = [set(re.findall(r"day \d+", q.context + q.query)) for q in questions]
    assert all(len(day) >= 10 for day in days)
    for i, one in enumerate(days):
        # A paragraph has two sentences: the last day of one question may begin the next.
        assert all(len(one & another) <= 1 for another in days[i + 1 :])


def test_nouns_are_told_from_adjectives():
    text = "An old goat was on a hill. Then the goat, an old one, ate the grass of the hill." * 40
    assert cloze.nouns_of([text]) >= {"goat", "hill"}
    assert "old" not in cloze.nouns_of([text])


def test_the_baselines_of_cloze():
    words = ("river", "hill", *"abcdefgh")
    question = cloze.Question("goat hill hill goat river hill a b c d e f g h", "XXXXX.", words, 1)
    assert cloze.by_frequency_here(question) == 1
    assert cloze.by_frequency(question, {"river": 9, "hill": 3}) == 0


# ---- Morals -------------------------------------------------------------------------------------


def test_fables_are_read_with_their_morals():
    book = "CONTENTS\n\nTHE GOAT AND THE HILL\n\nIt climbed.\n\nIt fell.\n\nLook before\nyou climb."
    book += '\n\nTHE END OF IT\n\nNo moral in it.\n\nTHE RIVER\n\nIt ran.\n\n"Stop!" it cried.'
    assert morals.fables_of(book) == [
        morals.Fable("It climbed.\n\nIt fell.", "Look before you climb.")
    ]
    with pytest.raises(ValueError, match="without fables"):
        morals.fables_of("No fable.")


def test_each_fable_has_its_moral_among_ten():
    own = {fable.text: fable.moral for fable in fables.FABLES}
    questions = morals.make(fables.FABLES, len(fables.FABLES), seed=0)
    assert len(questions) == len(own) == len(set(own.values())) == 30
    assert {q.text for q in questions} == set(own)
    for question in questions:
        assert len(set(question.morals)) == 10
        assert question.morals[question.answer] == own[question.text]
    # No place among the ten is the answer's more often than chance would have it.
    assert len({q.answer for q in questions}) > 5
    with pytest.raises(ValueError, match="fewer than"):
        morals.make(fables.FABLES, 31, seed=0)


# ---- Results and tables -------------------------------------------------------------------------


def test_a_run_is_made_once_and_again_when_the_settings_change(tmp_path):
    path = tmp_path / "results.json"
    made = []

    def measure(x):
        made.append(x)
        return {"accuracy": 0.123456}

    for _ in range(2):
        runs = results.Results(path).begin("demo", {"seeds": (0, 1)})
        for seed in (0, 1):
            runs.once({"arm": "a", "seed": seed}, measure, seed)
    assert made == [0, 1]
    assert [run["accuracy"] for run in runs.runs] == [0.1235, 0.1235]
    found = json.loads(path.read_text())
    assert found["demonstrations"]["demo"]["settings"] == {"seeds": [0, 1]}
    assert found["environment"]["numpy"] == np.__version__
    assert results.Results(path).begin("demo", {"seeds": (0, 1, 2)}).runs == []


def test_runs_of_two_processes_are_both_kept(tmp_path):
    path = tmp_path / "results.json"
    one = results.Results(path).begin("demo", {})
    two = results.Results(path).begin("other", {})
    three = results.Results(path).begin("demo", {})
    for i, runs in enumerate((one, two, three)):
        runs.once({"seed": i}, lambda: {"accuracy": 1.0})
    found = results.Results(path).content["demonstrations"]
    assert [run["seed"] for run in found["demo"]["runs"]] == [0, 2]
    assert [run["seed"] for run in found["other"]["runs"]] == [1]


def test_a_run_that_fails_leaves_those_before(tmp_path):
    path = tmp_path / "results.json"
    runs = results.Results(path).begin("demo", {})
    runs.once({"seed": 0}, lambda: {"accuracy": 1.0})
    with pytest.raises(ZeroDivisionError):
        runs.once({"seed": 1}, lambda: {"accuracy": 1 / 0})
    assert [run["seed"] for run in results.Results(path).begin("demo", {}).runs] == [0]


def test_runs_of_another_model_are_dropped_and_none_is_taken_for_this_one_s(tmp_path, capsys):
    path = tmp_path / "results.json"
    runs = results.Results(path).begin("demo", {})
    runs.once({"seed": 0}, lambda: {"accuracy": 1.0})
    content = json.loads(path.read_text())
    named = content["environment"]["model"]
    assert named["n_params"] == gptlite.load()[0].config.n_params
    assert re.fullmatch("[0-9a-f]{8}", named["sha256"])
    named["sha256"] = "00000000"
    path.write_text(json.dumps(content))
    runs.once({"seed": 1}, lambda: {"accuracy": 0.5})
    assert "another model" in capsys.readouterr().err
    assert [run["seed"] for run in results.read(path)["demonstrations"]["demo"]["runs"]] == [1]


@pytest.mark.parametrize("text", ["", "[]", '{"demonstrations": {"a": 1}}'])
def test_a_damaged_file_of_results_is_refused(tmp_path, text):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="not a file of results"):
        results.Results(path)


def test_the_committed_tables_have_not_drifted(capsys):
    status = script().main(["--check"])
    assert status == 0, "".join(capsys.readouterr())


def test_the_examples_are_files_that_fine_tuning_reads(tmp_path):
    assert script().main(["--examples", str(tmp_path / "world")]) == 0
    found = {p.stem: read_examples(p, "entailment") for p in (tmp_path / "world").iterdir()}
    _, tests = entailment.make(12000, 400, seed=0)
    wanted = [(e.premise, e.hypothesis) for e in tests.unknown_words]
    assert [example.texts for example in found["unknown_words"]] == wanted
    assert {name: len(examples) for name, examples in found.items()} == {
        "train": 12000,
        "unknown_rules": 400,
        "unknown_words": 400,
    }
    assert {example.label for example in found["train"]} == {"yes", "no"}


def script():
    """scripts/demonstrations.py, whose name its package hides."""
    spec = importlib.util.spec_from_file_location("script", ROOT / "scripts" / "demonstrations.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_write_then_check_then_drift(tmp_path, capsys):
    (tmp_path / "gptlite" / "storyteller").mkdir(parents=True)
    path = tmp_path / "gptlite" / "storyteller" / "demonstrations.json"
    runs = results.Results(path).begin("cloze", {})
    for seed, x in enumerate((0.25, 0.35)):
        runs.once({"arm": "zero-shot", "seed": seed}, lambda x=x: {"accuracy": x})
    readme = tmp_path / "README.md"
    readme.write_text(f"# Title\n\n{table.BEGIN}\n{table.END}\n\nEnd.\n")
    main = script().main
    assert main(["--check"], tmp_path) == 1
    assert main(["--readme"], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    assert "30 ± 7" in readme.read_text()
    assert readme.read_text().endswith(f"{table.END}\n\nEnd.\n")
    runs.once({"arm": "zero-shot", "seed": 2}, lambda: {"accuracy": 0.6})
    assert main(["--check"], tmp_path) == 1
    assert "drifted" in capsys.readouterr().err
    readme.write_text("# Title\n")
    assert main(["--readme"], tmp_path) == 2


def test_the_results_hold_no_text_of_a_book():
    path = ROOT / "gptlite" / "storyteller" / "demonstrations.json"
    content = path.read_text(encoding="utf-8")
    longest = max(re.findall(r'"([^"]*)"', content), key=len)
    assert len(longest) < 60, longest


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_in_the_modules(module):
    failed, _ = doctest.testmod(module)
    assert failed == 0
