"""Clean a children's book of everything that would not be read aloud to a child.

A book from Project Gutenberg begins with a title page, a list of contents and often a preface, and
may end with scholarly notes or with advertisements of other books. Between the two stand footnotes,
their marks, the sources of folk tales and descriptions of pictures. `clean_book` removes these;
chapter headings, paragraphs and the words of the story stay as they are.

Where a story begins cannot be told from the text alone, so `ANCHORS` names it for each of the 56
training books: the heading and the first words of the story and, where something follows the
story, the first words of that. Everything inside the story is cleaned by rules. Words of the table
that are not in a book, and a cut larger than expected, are errors: no book is cut in silence.

A book is text in paragraphs separated by a blank line, each paragraph on one line.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Anchors(NamedTuple):
    """The place of one book's story. Case and line breaks do not count in the search for it.

    heading: the heading before the first words; "" where the prepared file has none
    first: the first words of the story
    after: the first words of what follows the story; "" where the file ends with the story
    largest_cut: the share of the book's characters that cleaning may remove
    """

    heading: str
    first: str
    after: str = ""
    largest_cut: float = 0.15


# Keyed by the book's number at Project Gutenberg.
ANCHORS: dict[int, Anchors] = {
    11: Anchors("CHAPTER I. Down the Rabbit-Hole", "Alice was beginning to get very tired"),
    12: Anchors("CHAPTER I. Looking-Glass house", "One thing was certain, that the WHITE kitten"),
    21: Anchors("", "A BAT who fell upon the ground", "LIFE OF AESOP"),
    55: Anchors("1. The Cyclone", "Dorothy lived in the midst of the great Kansas prairies"),
    113: Anchors("CHAPTER I THERE IS NO ONE LEFT", "When Mary Lennox was sent to Misselthwaite"),
    146: Anchors("1 Sara", "Once on a dark winter's day"),
    225: Anchors("CHAPTER I. THE HAY-LOFT", "I HAVE been asked to tell you about"),
    236: Anchors("Mowgli's Brothers", "Now Rann the Kite brings home the night"),
    271: Anchors("Part I 01 My Early Home", "The first place that I can well remember"),
    289: Anchors("I. THE RIVER BANK", "The Mole had been working very hard"),
    420: Anchors("1. The Earthquake", "The train from 'Frisco was very late"),
    479: Anchors("I", "Cedric himself knew nothing whatever about it"),
    485: Anchors("1. The Way to Butterfield", '"Please, miss," said the shaggy man'),
    486: Anchors("1. The Girl in the Chicken Coop", "The wind blew hard and joggled the water"),
    500: Anchors(
        "How it happened that Mastro Cherry, carpenter, found a piece of wood that wept and laughed"
        " like a child.",
        "Centuries ago there lived--",
    ),
    503: Anchors("THE BRONZE RING", "Once upon a time in a certain country there lived a king"),
    517: Anchors("1. How the Nome King Became Angry", "The Nome King was in an angry mood"),
    540: Anchors("THE TWELVE DANCING PRINCESSES I", "ONCE upon a time there lived in the village"),
    640: Anchors(
        "THE CAT AND THE MOUSE IN PARTNERSHIP", "A cat had made acquaintance with a mouse"
    ),
    641: Anchors(
        "A TALE OF THE TONTLAWALD", "Long, long ago there stood in the midst of a country"
    ),
    708: Anchors(
        "CHAPTER 1 Why the Princess Has a Story About Her", "There was once a little princess"
    ),
    778: Anchors("CHAPTER 1 BEAUTIFUL AS THE DAY", "The house was three miles from the station"),
    836: Anchors("CHAPTER 1. THE EGG", "It began with the day when it was almost"),
    837: Anchors("CHAPTER 1. THE PSAMMEAD", "There were once four children who spent"),
    902: Anchors(
        "The Happy Prince. [Picture: Woman opening window and seeing bird]",
        "HIGH above the city, on a tall",
        "* * * * * Printed by",
    ),
    955: Anchors("Chapter One Ojo and Unc Nunkie", '"Where\'s the butter, Unc Nunkie?"'),
    956: Anchors("Chapter One Ann's Army", '"I won\'t!" cried Ann', "The Wonderful Oz Books by"),
    959: Anchors(
        "CHAPTER 1 A TERRIBLE LOSS",
        "There could be no doubt of the fact",
        "The Wonderful Oz Books by",
    ),
    1448: Anchors(
        "CHAPTER I. UP THE MOUNTAIN TO ALM-UNCLE", "From the old and pleasantly situated village"
    ),
    1937: Anchors("HOW FEAR CAME", "The stream is shrunk--the pool is dry"),
    2441: Anchors(
        "CHAPTER I Jenny Wren Gives Peter Rabbit an Idea",
        "\"As sure as you're alive now, Peter Rabbit",
    ),
    2557: Anchors("", "Old Mother West Wind came down from the Purple Hills in the golden light"),
    2591: Anchors(
        "THE GOLDEN BIRD",
        "A certain king had a beautiful garden",
        "***** The Brothers Grimm, Jacob",
    ),
    2781: Anchors(
        "HOW THE WHALE GOT HIS THROAT", "IN the sea, once upon a time, O my Best Beloved"
    ),
    3027: Anchors(
        "The Story of the Hero Makoma From the Senna (Oral Tradition)",
        "Once upon a time, at the town",
    ),
    3074: Anchors("CHAPTER I. Jenny Wren Arrives.", "Lipperty-lipperty-lip scampered Peter Rabbit"),
    3282: Anchors(
        "What the Rose did to the Cypress [1]", "Once upon a time a great king of the East"
    ),
    3454: Anchors("The Shifty Lad", "In the land of Erin there dwelt long ago a widow"),
    3536: Anchors("", "There were three of them Jerry, Jimmy, and Kathleen"),
    4698: Anchors("CHAPTER I: Whitefoot Spends A Happy Winter", "In all his short life Whitefoot"),
    5110: Anchors("CHAPTER I: Jerry Muskrat Has A Fright", "What was it Mother Muskrat had said"),
    5615: Anchors("The Cat's Elopement", "[From the Japanische Marchen und Sagen"),
    5844: Anchors("I. GENTLE SISTER SOUTH WIND ARRIVES", '"Good news, good news for every one'),
    6746: Anchors("Donkey Skin", "There was once upon a time a king", "End of The Grey Fairy Book"),
    7277: Anchors("THE BLUE BIRD", "Once upon a time there lived a King who was immensely rich"),
    7439: Anchors(
        "TOM TIT TOT",
        "Once upon a time there was a woman, and she baked five pies",
        "In the following notes I give first the source",
        largest_cut=0.25,
    ),
    7885: Anchors(
        "CONNLA AND THE FAIRY MAIDEN",
        "Connla of the Fiery Hair was son of Conn",
        "MAN OR WOMAN BOY OR GIRL THAT READS WHAT FOLLOWS",
        largest_cut=0.25,
    ),
    11339: Anchors("", "A hungry Fox saw some fine bunches of Grapes", "ILLUSTRATIONS"),
    11757: Anchors("", "HERE was once a velveteen rabbit"),
    14375: Anchors("", "Billy Mink ran around the edge of the Smiling Pool"),
    14838: Anchors("", "Once upon a time there were four little Rabbits"),
    17250: Anchors(
        "I WHERE GRANDFATHER FROG GOT HIS BIG MOUTH", "Everybody knows that Grandfather Frog"
    ),
    19994: Anchors("THE WOLF AND THE KID", "There was once a little Kid whose growing horns"),
    22816: Anchors("I BUSTER BEAR GOES FISHING", "Buster Bear yawned as he lay"),
    27200: Anchors("A STORY", "In the garden all the apple-trees were in blossom"),
    28846: Anchors(
        "",
        "IT was a wild story that came to the ears",
        "Little Jack Rabbit Books (Trademark Registered)",
    ),
}

# Andrew Lang's fairy books: most tales are followed by a line that says where they come from. In
# other books a line of the same form is part of the story.
COLLECTIONS = frozenset({503, 540, 640, 641, 3027, 3282, 3454, 5615, 6746, 7277})

# Marks and notes that editors and transcribers put into the text; none of them is the author's.
_EDITORIAL = re.compile(
    r"\s?\[(?:Footnote|Illustration|Picture|Transcriber|FN#\d+:|Drawing|Hieroglyphics omitted"
    r"|later editions)[^\]]*\]"
    r"|\s?\{(?:Illustration|another ed\.)[^}]*\}"
    r"|\s?\[\d+\]"
    r"|[ ]?\[LITTLE RED RIDING HOOD\]|[ ]?\[band-aid\]"
)
# A footnote begins with its mark: "(1) Grimm.", "[*] Simpleton", "[1] A sculptor.", "* Cornmeal".
_FOOTNOTE = re.compile(r"(\(\d+\)|\[\*\]|\[\d+\]|\[FN#\d+\]|\*(?! ?\*))\s")
# How many paragraphs before its footnote a mark may stand: some tales have their notes at the end.
_FOOTNOTE_REACH = 80
# Where a tale comes from: "[From the German, Kletke.]", "(Japanische Marchen.)", "Grimm."
_SOURCE = re.compile(
    r"\[[^\]]*\]\.?"
    r"|\(\d+\) .{0,90}"
    r"|\((?!Repeat)[A-Z][^()]*\)"
    r"|(?:Adapted from|Translated from|From|By) (?:the )?(?:'?[A-Z]\w+'?|German|Comte)\b.{0,90}"
    r"|(?:Comte de Caylus|Grimm|Kletke|Sicilianische Mahrchen|Contes [Pp]opulaires"
    r"|Bibliotheque des Fees|Slavonic story|West Highland Tales|Australian Folk Tale"
    r"|'Legendary Fictions|L'Oiseau Bleu)\b.{0,90}"
)
_SCENE_BREAK = re.compile(r"[*. ]*\*[* ]*")


def clean_book(text: str, number: int) -> str:
    """Cut `text` to the story: nothing around it, and no editorial marks.

    `number` is the book's number at Project Gutenberg.

    Raises:
        ValueError: the book is not in the table, words of the table are not in the book, or more
            would be removed than the table expects.
    """
    if number not in ANCHORS:
        raise ValueError(
            f"book {number} is not in the table of anchors: where does its story begin?"
        )
    story = cut_to_story(text, number)
    paragraphs = [paragraph.strip() for paragraph in story.split("\n\n")]
    paragraphs = remove_footnotes(paragraphs)
    if number in COLLECTIONS:
        paragraphs = [paragraph for paragraph in paragraphs if not is_source_note(paragraph)]
    paragraphs = [remove_marks(paragraph) for paragraph in paragraphs]
    paragraphs = [paragraph for paragraph in paragraphs if paragraph and paragraph != "Footnotes:"]
    cleaned = "\n\n".join(merge_scene_breaks(paragraphs)) + "\n"
    removed = 1 - len(cleaned) / len(text)
    if removed > ANCHORS[number].largest_cut:
        raise ValueError(
            f"book {number}: cleaning would remove {removed:.0%} of it, "
            f"more than the {ANCHORS[number].largest_cut:.0%} that the table expects"
        )
    return cleaned


def cut_to_story(text: str, number: int) -> str:
    """Cut from the heading of the first chapter to the end of the story, by `ANCHORS`."""
    anchors = ANCHORS[number]
    start = _find(text, f"{anchors.heading} {anchors.first}")
    if start is None:
        # Another edition may print the heading differently; the first words are the same.
        start = _find(text, anchors.first)
    if start is None:
        raise ValueError(
            f"book {number}: the first words of its story are not in it: {anchors.first!r}"
        )
    if not anchors.after:
        return text[start:]
    end = _find(text, anchors.after, start)
    if end is None:
        raise ValueError(
            f"book {number}: the words that follow its story are not in it: {anchors.after!r}"
        )
    return text[start:end]


def _find(text: str, words: str, begin: int = 0) -> int | None:
    """Find where a paragraph of `text` begins with `words`; None where none does."""
    pattern = r"(?:^|(?<=\n\n))" + r"\s+".join(re.escape(word) for word in words.split())
    match = re.compile(pattern, re.IGNORECASE).search(text, begin)
    return match.start() if match else None


def remove_footnotes(paragraphs: list[str]) -> list[str]:
    """Drop the paragraphs that are footnotes, and their marks in the paragraphs before.

    A paragraph that begins like a footnote but whose mark stands nowhere before it belongs to the
    story, as the points of a list do, and stays.
    """
    kept: list[str] = []
    for paragraph in paragraphs:
        footnote = _FOOTNOTE.match(paragraph)
        marked = _last_with(kept, footnote.group(1)) if footnote else None
        if footnote is None or marked is None:
            kept.append(paragraph)
            continue
        before, _, after = kept[marked].rpartition(footnote.group(1))
        kept[marked] = before.rstrip() + after
    return kept


def _last_with(paragraphs: list[str], mark: str) -> int | None:
    """Find the last paragraph with `mark` among the latest; None where none has it."""
    for index in range(len(paragraphs) - 1, max(-1, len(paragraphs) - 1 - _FOOTNOTE_REACH), -1):
        if mark in paragraphs[index] and not _SCENE_BREAK.fullmatch(paragraphs[index]):
            return index
    return None


def is_source_note(paragraph: str) -> bool:
    """Say whether a paragraph of the `COLLECTIONS` only tells where a tale comes from."""
    return len(paragraph) <= 200 and _SOURCE.fullmatch(paragraph) is not None


def remove_marks(paragraph: str) -> str:
    """Drop the marks of editors and transcribers, and the drawn frames of signboards."""
    paragraph = _EDITORIAL.sub("", paragraph)
    if paragraph.startswith("+--"):
        paragraph = " ".join(
            word for word in paragraph.split() if word != "|" and not word.startswith("+--")
        )
    return paragraph.strip()


def merge_scene_breaks(paragraphs: list[str]) -> list[str]:
    """Leave one line of asterisks where several follow one another."""
    kept: list[str] = []
    for paragraph in paragraphs:
        if kept and _SCENE_BREAK.fullmatch(paragraph) and _SCENE_BREAK.fullmatch(kept[-1]):
            continue
        kept.append(paragraph)
    return kept
