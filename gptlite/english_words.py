"""Words as GPT-1 was taught them: a text cut by the rules of a tokenizer for English.

OpenAI wrote each text in plain signs first (``standardised``), and then had spaCy cut it: "don't"
becomes "do" and "n't", "Mr." is one word, and any other full stop is a word by itself. These are
spaCy's rules for English, without its emoticons and addresses of web pages. A chunk of text between
two spaces loses signs at its beginning and at its end, one at a time, until what remains is a word
with an exception, or has none left to lose; then it is cut within.
"""

import re
from collections.abc import Iterator
from functools import cache

from gptlite.patterns import Pattern, compiled

# ---- Plain signs ---------------------------------------------------------------------------------

_PLAIN = str.maketrans({"—": "-", "–": "-", "―": "-", "…": "...", "´": "'"})
_RUN = re.compile(r"-+|~+|!+|\"+|;+|\?+|\++|,+|\)+|\(+|\\+|/+|\*+|\[+|\]+|\}+|\{+|\|+|_+")
_LINE_END = re.compile(r"\s*\n\s*")
_SPACE = re.compile(r"[^\S\n]+")
_SPACE_OR_NOT = re.compile(r"\s+|\S")


def standardised(text: str) -> str:
    r"""Write a text in plain signs, with spaces around most of them.

    >>> standardised("Well—no!!\nYes ...")
    'Well - no !! \n Yes ...'
    """
    text = _RUN.sub(r" \g<0> ", text.translate(_PLAIN))
    return _SPACE.sub(" ", _LINE_END.sub(" \n ", text)).strip()


# ---- The exceptions ------------------------------------------------------------------------------

_WHOLE = """
    '' C++ 'S 's 'd 're em 'em ll 'll nuff 'nuff 'Cause 'cause 'cos 'Cos 'coz 'Coz 'cuz 'Cuz 'bout
    ma'am Ma'am o'clock O'clock and/or w/o doin' Doin' goin' Goin' nothin' Nothin' nuthin'
    Nuthin' ol' Ol' somethin' Somethin' lovin' Lovin' havin' Havin' Mt. Ak. Ala. Apr. Ariz. Ark.
    Aug. Calif. Colo. Conn. Dec. Del. Feb. Fla. Ga. Ia. Id. Ill. Ind. Jan. Jul. Jun. Kan. Kans.
    Ky. La. Mar. Mass. Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Nov. Oct.
    Okla. Ore. Pa. S.C. Sep. Sept. Tenn. Va. Wash. Wis. a.m. Adm. Bros. co. Co. Corp. D.C. Dr.
    e.g. E.g. E.G. Gen. Gov. i.e. I.e. I.E. Inc. Jr. Ltd. Md. Messrs. Mo. Mont. Mr. Mrs. Ms.
    p.m. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s.
"""
_SPLIT = """
    y'|all y|all how|'d|'y How|'d|'y not|'ve not|ve Not|'ve Not|ve can|not Can|not gon|na Gon|na
    got|ta Got|ta let|'s Let|'s c'm|on C'm|on
"""
# Written together these are other words: "well" is not "we" and "ll".
_NOT_SPLIT = "Ill ill Its its Hell hell Shell shell Shed shed were Were Well well Whore whore"
_MODAL = "ca could do does did had may might must need ought sha should wo would"


def _contractions() -> Iterator[list[str]]:
    """List the contractions, each as its parts, with the apostrophe."""
    for subject in ("i", "you", "he", "she", "it", "we", "they"):
        ends = ["'ll", "'ll've", "'d", "'d've"]
        ends += {"i": ["'m", "'ma", "'ve"], "you": ["'ve", "'re"], "he": ["'s"]}.get(
            subject, ["'ve", "'re"] if subject in ("we", "they") else ["'s"]
        )
        yield from ([subject, *_parts(end)] for end in ends)
    for word in ("who", "what", "when", "where", "why", "how", "there", "that", "this"):
        ends = ["'s", "'ll", "'ll've", "'d", "'d've"]
        ends += [] if word in ("that", "this") else ["'re", "'ve"]
        yield from ([word, *_parts(end)] for end in ends)
    for word in ("these", "those"):
        yield from ([word, *_parts(end)] for end in ("'ll", "'ll've", "'re", "'ve", "'d", "'d've"))
    for verb in _MODAL.split():
        yield from ([verb, "n't"], [verb, "n't", "'ve"])
    for verb in ("could", "might", "must", "should", "would"):
        yield [verb, "'ve"]
    for verb in ("ai", "are", "is", "was", "were", "have", "has", "dare"):
        yield [verb, "n't"]


def _parts(end: str) -> list[str]:
    """Split the end of a contraction: "'ll've" is "'ll" and "'ve", "'ma" is "'m" and "a"."""
    return ["'m", "a"] if end == "'ma" else [f"'{part}" for part in end.split("'")[1:]]


def _exceptions() -> dict[str, list[str]]:
    """Make the table {word: its parts}."""
    table: dict[str, list[str]] = {}
    for parts in _contractions():
        for first in (parts[0], parts[0].title()):
            with_apostrophe = [first, *parts[1:]]
            for form in (with_apostrophe, [part.replace("'", "") for part in with_apostrophe]):
                table["".join(form)] = form
    for hour in range(1, 13):
        for half in ("a.m.", "am", "p.m.", "pm"):
            table[f"{hour}{half}"] = [str(hour), half]
    whole = [*_WHOLE.split(), *(f"{letter}." for letter in "abcdefghijklmnopqrstuvwxyz")]
    table |= {word: [word] for word in whole}
    table |= {word.replace("|", ""): word.split("|") for word in _SPLIT.split()}
    return {word: parts for word, parts in table.items() if word not in _NOT_SPLIT.split()}


EXCEPTIONS = _exceptions()

# ---- The signs that a chunk loses ----------------------------------------------------------------

_PUNCT = r"…,:;!?¿؟¡()\[\]{}<>_#*&。？！，、；：～·।،۔؛٪"
_QUOTES = r"'\"”“`‘´’‚„»«「」『』（）〔〕【】《》〈〉⟦⟧"
_MONEY = r"\p{Sc}"
_UNITS = (
    "km/h|kmh|km[²³]?|mph|m/s|[dcm]?m[²³]?|ha|[µn]m|yd|in|ft|[kmµ]?g|lb|oz|h?Pa|mbar|[mMkKgGtT][bB]|"
    "[tTGMK%]"
)
_PREFIX = rf"''|\.\.+|[§%=—–]|\+(?![0-9])|[{_PUNCT}]|[{_QUOTES}]|US\$|C\$|A\$|{_MONEY}|\p{{So}}"
_SUFFIX = (
    rf"(?:''|\.\.+|['’][sS]|[—–]|[{_PUNCT}]|[{_QUOTES}]|\p{{So}}|(?<=[0-9])(?:\+|{_MONEY}|{_UNITS})|"
    rf"(?<=°[FfCcKk])\.|(?<=[0-9\p{{Ll}}%²\-+{_QUOTES}{_PUNCT}])\.|(?<=\p{{Lu}}\p{{Lu}})\.)$"
)
_INFIX = (
    rf"\.\.+|…|\p{{So}}|(?<=[0-9])[+\-*^](?=[0-9-])|(?<=[\p{{Ll}}{_QUOTES}])\.(?=[\p{{Lu}}{_QUOTES}])|"
    r"(?<=\p{L}),(?=\p{L})|(?<=[\p{L}0-9])(?:---|--|[-–—~])(?=\p{L})|"
    r"(?<=[\p{L}0-9])[:<>=/](?=\p{L})"
)


@cache
def _patterns() -> tuple[Pattern, Pattern, Pattern]:
    """Compile ``_PREFIX``, ``_SUFFIX`` and ``_INFIX`` when first needed: GPT-1 alone needs them."""
    return compiled(_PREFIX), compiled(_SUFFIX), compiled(_INFIX)


def words(text: str) -> list[str]:
    """Cut any text into words, in lower case."""
    return [word.lower() for word in words_of(standardised(text))]


def places(text: str) -> list[tuple[int, int]]:
    r"""Say from where to where each character of the words lies in the text.

    >>> places("Ah…\n\n Oh")
    [(0, 1), (1, 2), (2, 3), (2, 3), (2, 3), (3, 5), (6, 7), (7, 8)]
    """
    found = []
    for match in _SPACE_OR_NOT.finditer(text):
        start, stop, part = match.start(), match.end(), match[0]
        if not part.isspace():
            found += [(start, stop)] * len(part.translate(_PLAIN).lower())
        elif "\n" in part and start > 0 and stop < len(text):
            found.append((start + part.index("\n"), start + part.rindex("\n") + 1))
    return found


def words_of(text: str) -> Iterator[str]:
    r"""Cut a text that is ``standardised`` into words; the end of a line is one, too.

    >>> list(words_of("\" Don't, \" said Mr. Fox. \n 3km ..."))
    ['"', 'Do', "n't", ',', '"', 'said', 'Mr.', 'Fox', '.', '\n', '3', 'km', '...']
    """
    for chunk in text.split(" "):
        if chunk == "\n":
            yield chunk
        elif chunk:
            yield from _words_of_chunk(chunk)


def _words_of_chunk(chunk: str) -> Iterator[str]:
    """Cut a chunk without spaces into words."""
    begins, ends, _ = _patterns()
    before: list[str] = []
    after: list[str] = []
    while chunk and chunk not in EXCEPTIONS:
        prefix = found[0] if (found := begins.match(chunk)) else ""
        without = chunk[len(prefix) :]
        suffix = found[0] if (found := ends.search(without)) else ""
        if prefix and without in EXCEPTIONS:
            suffix = ""
        elif suffix and chunk[: -len(suffix)] in EXCEPTIONS:
            prefix = ""
        if not prefix and not suffix:
            break
        before += [prefix] if prefix else []
        after += [suffix] if suffix else []
        chunk = chunk[len(prefix) : len(chunk) - len(suffix)]
    yield from before
    if chunk:
        yield from EXCEPTIONS.get(chunk) or _cut_within(chunk)
    yield from reversed(after)


def _cut_within(chunk: str) -> Iterator[str]:
    """Cut a chunk that has no signs left to lose: at hyphens between letters, and the like."""
    start, within = 0, _patterns()[2]
    for found in within.finditer(chunk):
        if found.start() == 0:
            continue
        if found.start() > start:
            yield chunk[start : found.start()]
        yield found[0]
        start = found.end()
    if start < len(chunk):
        yield chunk[start:]
