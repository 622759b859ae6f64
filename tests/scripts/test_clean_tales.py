"""Cleaning a book: what is removed, what stays as it is, what is refused. The books are made up."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from storyteller import clean_tales
from storyteller.clean_tales import Anchors, clean_book

NUMBER = 999_999
STORY = [
    "CHAPTER I. The Hill",
    'Once there was a hill, and on it stood a goat. "Good day!" said the goat--to nobody.',
    "It was a fine day (as days go), and the goat ate grass.",
    "CHAPTER II. The Valley",
    "Down in the valley it rained for so long that the goat went home and stayed there.",
    " ".join(["It ate hay, and it slept, and it thought of the hill."] * 20),
]


def book(*paragraphs: str) -> str:
    return "\n\n".join(paragraphs) + "\n"


@pytest.fixture
def anchors(monkeypatch):
    """Enter the made-up book in the table."""

    def enter(heading="CHAPTER I. The Hill", first="Once there was a hill", **more):
        monkeypatch.setitem(clean_tales.ANCHORS, NUMBER, Anchors(heading, first, **more))

    enter()
    return enter


def test_story_without_anything_around_it_stays_byte_for_byte(anchors):
    assert clean_book(book(*STORY), NUMBER) == book(*STORY)


def test_front_matter_goes_and_the_first_heading_stays(anchors):
    front = ["THE GOAT", "By A. Writer", "CONTENTS", "I. The Hill II. The Valley"]
    assert clean_book(book(*front, *STORY), NUMBER) == book(*STORY)


def test_heading_in_the_list_of_contents_is_not_the_start(anchors):
    front = ["CONTENTS", "CHAPTER I. The Hill", "CHAPTER II. The Valley"]
    assert clean_book(book(*front, *STORY), NUMBER) == book(*STORY)


def test_other_heading_than_in_the_table_starts_at_the_first_words(anchors):
    text = book("THE GOAT", "Part the First", *STORY[1:])
    assert clean_book(text, NUMBER) == book(*STORY[1:])


def test_case_and_line_breaks_of_anchors_do_not_count(anchors):
    anchors("chapter I. the hill", "ONCE there was a hill")
    assert clean_book(book("THE GOAT", *STORY), NUMBER) == book(*STORY)


def test_what_follows_the_story_goes_though_its_heading_is_in_the_contents(anchors):
    anchors(after="NOTES AND REFERENCES")
    text = book("CONTENTS", "NOTES AND REFERENCES", *STORY, "NOTES AND REFERENCES", "Source.--Me.")
    assert clean_book(text, NUMBER) == book(*STORY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"first": "Twice there was a hill"}, "first words .* 'Twice there was a hill'"),
        ({"after": "THE FAMOUS GOAT BOOKS"}, "follow its story .* 'THE FAMOUS GOAT BOOKS'"),
    ],
)
def test_anchor_that_is_not_in_the_book_is_an_error(anchors, changes, message):
    anchors(**changes)
    with pytest.raises(ValueError, match=message):
        clean_book(book(*STORY), NUMBER)


def test_anchor_must_begin_a_paragraph(anchors):
    with pytest.raises(ValueError, match="first words"):
        clean_book(book("He said: Once there was a hill, far away."), NUMBER)


def test_book_that_is_not_in_the_table_is_an_error():
    with pytest.raises(ValueError, match="book 424242"):
        clean_book(book(*STORY), 424242)


def test_cut_larger_than_the_table_expects_is_an_error(anchors):
    preface = "It is a pleasure to present this goat to the public. " * 10
    with pytest.raises(ValueError, match="more than the 15%"):
        clean_book(book(preface, *STORY), NUMBER)
    anchors(largest_cut=0.6)
    assert clean_book(book(preface, *STORY), NUMBER) == book(*STORY)


@pytest.mark.parametrize(
    ("marked", "clean"),
    [
        ("The goat [Footnote 3: A kind of sheep.] ate.", "The goat ate."),
        ("The goat[4] ate.", "The goat ate."),
        ("The goat ate. [Illustration: A goat]", "The goat ate."),
        ("{Illustration: A goat}", ""),
        ("[Picture: Decorative graphic of a goat]", ""),
        ("+------+ | NO | | GOATS. | +------+", "NO GOATS."),
        ("The goat [the old one] ate.", "The goat [the old one] ate."),
        ("The goat {so to speak} ate.", "The goat {so to speak} ate."),
    ],
)
def test_marks(marked, clean):
    assert clean_tales.remove_marks(marked) == clean


def test_paragraph_that_is_only_a_picture_goes(anchors):
    text = book(*STORY[:2], "[Illustration: A goat]", *STORY[2:])
    assert clean_book(text, NUMBER) == book(*STORY)


@pytest.mark.parametrize("mark", ["(1)", "[*]", "*", "[FN#1]"])
def test_footnote_goes_with_its_mark(mark):
    text = [f"The goat{mark} ate.", "It slept.", f"{mark} A kind of sheep."]
    assert clean_tales.remove_footnotes(text) == ["The goat ate.", "It slept."]


def test_footnote_takes_the_nearest_mark_before_it():
    text = ["One.(1)", "(1) Grimm.", "Two.(1)", "(1) Perrault."]
    assert clean_tales.remove_footnotes(text) == ["One.", "Two."]
    text = ["He drew a * in the sand, and a goat.*", "* A kind of sheep."]
    assert clean_tales.remove_footnotes(text) == ["He drew a * in the sand, and a goat."]


def test_numbered_points_and_scene_breaks_are_no_footnotes():
    text = ["They knew:", "(1) That it rained.", "(2) That it was late.", "* * *", "They went."]
    assert clean_tales.remove_footnotes(text) == text


@pytest.mark.parametrize(
    "note",
    [
        "[From the German, Kletke.]",
        "(Japanische Marchen.)",
        "Grimm.",
        "By the Comte de Caylus.",
        "Translated from the Danish.",
        "From 'West Highland Tales.'",
    ],
)
def test_source_of_a_tale_goes_from_a_collection_only(anchors, monkeypatch, note):
    text = book(*STORY, note)
    assert clean_book(text, NUMBER) == text
    monkeypatch.setattr(clean_tales, "COLLECTIONS", frozenset({NUMBER}))
    assert clean_book(text, NUMBER) == book(*STORY)


@pytest.mark.parametrize(
    "paragraph",
    [
        "'From the market,' answered Simon.",
        "From that day on the goat was called Grimm.",
        "THE GOAT (From the German)",
        "(Repeat the verses.)",
        "(All day) the goat stood still.",
    ],
)
def test_paragraph_of_a_story_is_no_source(paragraph):
    assert not clean_tales.is_source_note(paragraph)


def test_scene_breaks_that_follow_one_another_are_one():
    text = ["It fell.", "* * * *", "* * *", "* * * *", "It stood.", "*****", "It ate."]
    assert clean_tales.merge_scene_breaks(text) == [
        *["It fell.", "* * * *", "It stood.", "*****", "It ate."]
    ]


def test_cleaning_twice_is_cleaning_once(anchors):
    text = book("THE GOAT", *STORY, "The goat* ate.", "* A kind of sheep.", "* * *", "* * *")
    once = clean_book(text, NUMBER)
    assert clean_book(once, NUMBER) == once
