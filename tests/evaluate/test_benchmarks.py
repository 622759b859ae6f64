"""The files of the benchmarks, and of texts cut into words, by hand-made examples."""

import json
from pathlib import Path

import pytest

from gptlite.evaluate.benchmarks import read_cbt, read_choices, read_hellaswag, read_lambada
from gptlite.evaluate.detokenise import detokenise
from gptlite.evaluate.lambada import LastWord
from gptlite.tasks.choice import Choice


@pytest.fixture
def written(tmp_path: Path):
    def write(content: str | bytes) -> Path:
        path = tmp_path / "file"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def cbt(query: str = "The XXXXX ran .\tfox\t\tfox|hen", first: int = 1) -> str:
    return "".join(f"{i} Line {i} .\n" for i in range(first, 21)) + f"21 {query}\n"


# ---- What is right ------------------------------------------------------------------------------


def test_lambada(written):
    path = written('{"text": "The dog ran"}\n\n{"text": " It\\nwas é ", "more": 1}\r\n')
    assert read_lambada(path) == {1: LastWord("The dog", " ran"), 3: LastWord("It\nwas", " é")}
    whole = written('{"text": "She laughed \\ud83d\\ude00"}')  # the two halves of one character
    assert read_lambada(whole) == {1: LastWord("She laughed", " \U0001f600")}


def test_choices(written):
    path = written(
        '\ufeff{"prompt": "The ", "options": ["a", " b"], "answer": 1}\n'
        '{"prompt": "", "options": ["a\\n", "b", "c"], "answer": "0"}'
    )
    assert read_choices(path) == {
        1: Choice("The ", ("a", " b"), 1),
        2: Choice("", ("a\n", "b", "c"), 0),
    }


def test_hellaswag(written):
    path = written('{"ctx": "A man ", "endings": ["runs.", " eats.", "is"], "label": 2, "ind": 4}')
    assert read_hellaswag(path) == {1: Choice("A man", (" runs.", " eats.", " is"), 2)}


def test_cbt(written):
    path = written(cbt() + "\n" + cbt("`` I do n't see the XXXXX , '' he said .\then\t\tfox|hen|I"))
    context = " ".join(f"Line {i} ." for i in range(1, 21))
    assert read_cbt(path) == {
        21: Choice(f"{context} The ", ("fox ran .", "hen ran ."), 0),
        43: Choice(
            f"{context} `` I do n't see the ",
            ("fox , '' he said .", "hen , '' he said .", "I , '' he said ."),
            1,
        ),
    }
    joined = context.replace(" .", ".")
    assert read_cbt(path, "ptb")[43] == Choice(
        f"{joined} \"I don't see the ", ('fox," he said.', 'hen," he said.', 'I," he said.'), 1
    )


# ---- What is wrong ------------------------------------------------------------------------------

GOOD = {
    read_lambada: '{"text": "The dog ran"}',
    read_choices: '{"prompt": "The", "options": ["a", " b"], "answer": 1}',
    read_hellaswag: '{"ctx": "The", "endings": ["a", " b"], "label": 1}',
}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", "not JSON: "),
        ("[" * 100_000, "not JSON: "),
        ("[1]", r"expected a JSON object, {\.\.\.}, found '\[1\]'"),
        ('"text"', "expected a JSON object"),
        ('{"id": ["\\udc00\\ud800"]}', r"a lone surrogate, '\\udc00', which is not UTF-8"),
        (b"\xff", "'utf-8' codec can't decode"),
    ],
)
@pytest.mark.parametrize("read", GOOD)
def test_a_line_that_is_no_object(written, read, bad, message):
    bad = bad if isinstance(bad, bytes) else bad.encode()
    path = written(GOOD[read].encode() + b"\n\n" + bad + b"\n" + GOOD[read].encode())
    with pytest.raises(ValueError, match=rf"^{path}, line 3: {message}"):
        read(path)


@pytest.mark.parametrize(
    ("read", "change", "message"),
    [
        (read_lambada, {"text": None}, "expected a text 'text', found None"),
        (read_lambada, {"text": 3}, "expected a text 'text', found 3"),
        (read_lambada, {"text": " word "}, "fewer than two words"),
        (read_lambada, {"text": ""}, "fewer than two words"),
        (read_choices, {"prompt": ["a"]}, "expected a text 'prompt'"),
        (read_choices, {"options": "ab"}, "expected a list of texts 'options'"),
        (read_choices, {"options": ["a", 1]}, "expected a list of texts 'options'"),
        (read_choices, {"options": ["a", " "]}, "none of them blank"),
        (read_choices, {"options": ["a"]}, "expected two texts or more in 'options', found 1"),
        (read_choices, {"answer": None}, "expected 'answer' 0 to 1, found None"),
        (read_choices, {"answer": 2}, "expected 'answer' 0 to 1, found 2"),
        (read_choices, {"answer": -1}, "expected 'answer' 0 to 1, found -1"),
        (read_choices, {"answer": True}, "expected 'answer' 0 to 1, found True"),
        (read_choices, {"answer": 1.0}, "expected 'answer' 0 to 1, found 1.0"),
        (read_choices, {"answer": "b"}, "expected 'answer' 0 to 1, found 'b'"),
        (read_hellaswag, {"ctx": 1}, "expected a text 'ctx'"),
        (read_hellaswag, {"endings": []}, "expected two texts or more in 'endings', found 0"),
        (read_hellaswag, {"label": ""}, "expected 'label' 0 to 1, found ''"),
    ],
)
def test_an_object_that_is_not_right(written, read, change, message):
    path = written(GOOD[read] + "\n" + json.dumps(json.loads(GOOD[read]) | change))
    with pytest.raises(ValueError, match=rf"^{path}, line 2: .*{message}"):
        read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (cbt(first=2), "line 1: expected sentence 1, found '2'"),
        (cbt() + "2 Line .", "line 22: expected sentence 1, found '2'"),
        ("Once\n" + cbt(), "line 1: expected sentence 1, found 'Once'"),
        (cbt("The XXXXX ran ."), "line 21: expected a sentence, its word and the candidates"),
        (cbt("The XXXXX ran .\tfox"), "line 21: expected a sentence, its word and the candid"),
        (cbt("The XXXXX ran .\tcat\t\tfox|hen"), "line 21: the word 'cat' is not among"),
        (cbt("The dog ran .\tfox\t\tfox|hen"), "line 21: expected one gap 'XXXXX'.*found 0"),
        (cbt("The XXXXX ran .\tfox\t\tfox|"), "line 21: a candidate is empty"),
        (cbt() + "1 Line .\n2 Line .\n", "ends after sentence 2 of 21"),
    ],
)
def test_a_children_s_book_that_is_not_right(written, text, message):
    path = written(text)
    with pytest.raises(ValueError, match=f"{path}[,:] {message}"):
        read_cbt(path)


@pytest.mark.parametrize("read", [*GOOD, read_cbt])
def test_no_lines(written, read, tmp_path):
    for blank in ("", "\n \n"):
        with pytest.raises(ValueError, match="an empty file: expected one example a line"):
            read(written(blank))
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nowhere")


# ---- Words put together -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cut", "whole"),
    [
        ("none", " a , b \n = = C = =", " a , b \n = = C = ="),
        ("wikitext", " = = Career = = \n Born in 1 @,@ 900", " == Career ==\nBorn in 1,900"),
        ("wikitext", 'said " no ! " ; the players \' hall', 'said "no!"; the players\' hall'),
        ("wikitext", "a 2 @.@ 5 % share ( of $ 3 ) , 's", "a 2.5% share (of $3),'s"),
        ("wikitext", 'line " one \n line " two', 'line " one\nline " two'),
        ("ptb", "-LRB- a -RRB- `` b '' , I ca n't , it 's", "(a) \"b\", I can't, it's"),
    ],
)
def test_detokenisers(name, cut, whole):
    assert detokenise(cut, name) == whole


def test_no_such_detokeniser():
    with pytest.raises(ValueError, match="the detokenisers are none, wikitext, ptb, not 'ptc'"):
        detokenise("a", "ptc")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Hello\nworld", ("Hello\n", "world")),
        ("Hello\n world ", ("Hello\n", " world")),
        ("one two  three", ("one two ", " three")),
        ("one\ttwo", ("one\t", "two")),
    ],
)
def test_a_word_after_any_white_space(written, text, parts):
    assert read_lambada(written(json.dumps({"text": text}))) == {1: LastWord(*parts)}
