"""Labelled texts from CSV, TSV and JSON lines, and what is said of files that are wrong."""

import csv
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gptlite import Tokenizer
from gptlite.finetune.completions import Completion, read_completions
from gptlite.finetune.examples import (
    Example,
    labels_of,
    number_labels,
    pack,
    read_columns,
    read_examples,
)
from gptlite.finetune.packing import pack_choices, pack_similarity


def written(folder, name: str, content: str | bytes):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(folder, name: str, content: str | bytes, task: str = "classification", **more) -> str:
    path = written(folder, name, content)
    with pytest.raises(ValueError) as caught:
        read_examples(path, task, **more)
    assert str(path) in str(caught.value)
    return str(caught.value).removeprefix(str(path))


def test_csv(tmp_path):
    path = written(tmp_path, "a.csv", 'id,label,text\n1,x,"Well, ""yes""."\n\n2,y,No.\n')
    assert read_examples(path, "classification") == [
        Example(str(path), 2, ('Well, "yes".',), "x"),
        Example(str(path), 4, ("No.",), "y"),
    ]


def test_tsv_with_a_byte_order_mark_and_windows_line_ends(tmp_path):
    content = b"\xef\xbb\xbfpremise\thypothesis\tlabel\r\nA, b\tC\tyes\r\n"
    path = written(tmp_path, "a.TSV", content)
    assert read_examples(path, "entailment") == [Example(str(path), 2, ("A, b", "C"), "yes")]


def test_json_lines(tmp_path):
    rows = [
        {"first": "ä\n", "second": "b", "label": 1},
        {"first": "c", "second": "d", "label": "0"},
    ]
    path = written(tmp_path, "a.jsonl", "\n\n".join(map(json.dumps, rows)))
    found = read_examples(path, "similarity")
    assert found == [
        Example(str(path), 1, ("ä\n", "b"), "1"),
        Example(str(path), 3, ("c", "d"), "0"),
    ]
    assert labels_of("similarity", found) == ["0", "1"]
    assert number_labels(found, ["0", "1"]) == [1, 0]


def test_columns_that_nobody_asked_for_may_hold_anything(tmp_path):
    row = {"text": "a", "label": True, "score": 0.5, "note": None, "tags": ["x"], "more": {}}
    path = written(tmp_path, "a.jsonl", json.dumps(row))
    assert read_examples(path, "classification") == [Example(str(path), 1, ("a",), "true")]
    row = {"prompt": "Q: ", "completion": 4, "id": None}
    path = written(tmp_path, "b.jsonl", json.dumps(row))
    assert read_completions(path) == [Completion("Q: ", "4")]


def test_quotes_in_a_tsv_are_text(tmp_path):
    content = 'text\tlabel\n"Well," he said.\tx\n"Yes"\t"\n""\t1\n'
    found = read_examples(written(tmp_path, "a.tsv", content), "classification")
    assert [(example.line, *example.texts, example.label) for example in found] == [
        (2, '"Well," he said.', "x"),
        (3, '"Yes"', '"'),
        (4, '""', "1"),
    ]


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_a_text_of_any_length(tmp_path, suffix):
    """``csv`` refuses more than 131,072 characters unless told; others keep their limit."""
    limit = csv.field_size_limit()
    long = "word " * 40_000
    separator = {"csv": ",", "tsv": "\t"}[suffix]
    path = written(
        tmp_path, f"a.{suffix}", f"text{separator}label\n{long}{separator}x\na{separator}y"
    )
    records = read_columns(path)
    assert next(records).values["text"] == long
    assert csv.field_size_limit() == limit
    with pytest.raises(csv.Error, match="field larger than field limit"):
        list(csv.reader([long]))
    assert next(records).values == {"text": "a", "label": "y"}


def test_a_record_of_several_lines(tmp_path):
    path = written(tmp_path, "a.csv", 'text,label\n"one\ntwo",x\nthree,y\n')
    assert [example.line for example in read_examples(path, "classification")] == [3, 4]


def test_choices_with_and_without_a_question(tmp_path):
    header = "context,choice_2,choice_1,label"
    path = written(tmp_path, "a.csv", f"{header}\nz,b,a,2\n")
    found = read_examples(path, "choice")
    assert found == [Example(str(path), 2, ("z", "", "a", "b"), "2")]
    assert labels_of("choice", found) == ["1", "2"]
    path = written(tmp_path, "b.csv", f"{header},question\nz,b,a,1,q\nz,b,a,1,\n")
    assert [example.texts for example in read_examples(path, "choice")] == [
        ("z", "q", "a", "b"),
        ("z", "", "a", "b"),
    ]


def test_choices_by_other_names(tmp_path):
    path = written(tmp_path, "a.csv", "context,right,wrong,label\nz,a,b,1\n")
    columns = {"choice_1": "right", "choice_2": "wrong"}
    assert read_examples(path, "choice", columns) == [
        Example(str(path), 2, ("z", "", "a", "b"), "1")
    ]


def test_columns_by_other_names(tmp_path):
    path = written(tmp_path, "a.csv", "label,sentence,class\n0,Hm.,x\n")
    columns = {"text": "sentence", "label": "class"}
    assert read_examples(path, "classification", columns) == [Example(str(path), 2, ("Hm.",), "x")]
    # A column that happens to have the name itself is not meant, whether before or after.
    path = written(tmp_path, "b.csv", "sentence,class,label,text\nHm.,x,0,no\n")
    assert read_examples(path, "classification", columns) == [Example(str(path), 2, ("Hm.",), "x")]
    with pytest.raises(ValueError, match=r"b\.csv, line 1: no column 'kind': found 'sentence', '"):
        read_examples(path, "classification", {"label": "kind"})
    with pytest.raises(
        ValueError, match="classification has no column 'words': it has label, text"
    ):
        read_examples(path, "classification", {"words": "sentence"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("words,label\nhm,x\n", ", line 1: no column 'text': found 'words', 'label'"),
        ("\n\na,b\nhm,x\n", ", line 3: no column 'text': found 'a', 'b'"),
        ("\na,b\nhm\n", ", line 3: 1 fields, but line 2 names 2 columns"),
        (
            ",".join("abcdefghijkl") + "\n" + 11 * ",",
            ", line 1: no column 'text': found 'a', 'b', "
            "'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', ...",
        ),
        ("text,label\nhm,x\n ,y\n", ", line 3: column 'text' is empty"),
        ("text,label\nhm,\n", ", line 2: column 'label' is empty"),
        ("text,label\nhm,x,y\n", ", line 2: 3 fields, but line 1 names 2 columns"),
        ("text,label\nhm\n", ", line 2: 1 fields, but line 1 names 2 columns"),
        ("text,text,label\na,b,c\n", ", line 1: a column's name is there twice"),
        ('text,label\na,x\n"b,y\n', ", line 3: unexpected end of data"),
        ('text,label\n"a"b,x\n', ", line 2: ',' expected after '\"'"),
        (b"text,label\na,x\n\xff,y\n", ", line 3: not UTF-8"),
        ("text,label\n", ": no examples"),
        ("", ": no examples"),
    ],
)
def test_a_wrong_table_is_refused_with_the_line(tmp_path, content, message):
    assert refusal(tmp_path, "a.csv", content) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "a", "label": "x"}\n{"text": "a"}', ", line 2: no column 'label': found 'text'"),
        ("{}", ", line 1: no column 'text': found none"),
        (
            '{"text": null, "label": "x"}',
            ", line 1: column 'text': expected text or a whole number",
        ),
        (
            '{"text": "a", "label": 0.5}',
            ", line 1: column 'label': expected text or a whole number",
        ),
        ('\n{"text": "a\\ud800", "label": "x"}', ", line 2: a lone surrogate, '\\ud800', which is"),
        ('{"text": "a", "label": "x"}\n\n[1]', ", line 3: expected a JSON object, {...}, found"),
        ('{"text": "a"', ", line 1: not JSON"),
        ('{"text": ["a"], "label": "x"}', ", line 1: column 'text': expected text or a whole"),
        ('{"text": "", "label": "x"}', ", line 1: column 'text' is empty"),
    ],
)
def test_wrong_json_lines_are_refused_with_the_line(tmp_path, content, message):
    assert refusal(tmp_path, "a.jsonl", content).startswith(message)


def test_wrong_choices_are_refused_with_the_line(tmp_path):
    def said(content: str) -> str:
        return refusal(tmp_path, "a.jsonl", content, "choice")

    one = {"context": "z", "choice_1": "a", "label": 1}
    two, three = {**one, "choice_2": "b"}, {**one, "choice_2": "b", "choice_3": "c"}
    gap = {**one, "choice_3": "c"}
    there = "'context', 'choice_1', 'label'"
    assert said(json.dumps(one)) == f", line 1: no column 'choice_2': found {there}"
    assert said(json.dumps(gap)) == f", line 1: no column 'choice_2': found {there}, 'choice_3'"
    both = f"{json.dumps(two)}\n{json.dumps(three)}"
    assert said(both) == ", line 2: 3 choices, but line 1 has 2"


def test_a_file_of_another_kind_is_refused(tmp_path):
    said = refusal(tmp_path, "a.txt", "text,label\na,b\n")
    assert said == ": expected a name that ends in one of .csv, .tsv, .jsonl, .json"
    with pytest.raises(FileNotFoundError):
        read_examples(tmp_path / "no.csv", "classification")


def test_an_unknown_label_is_refused_with_the_line(tmp_path):
    path = written(tmp_path, "a.csv", "text,label\na,x\nb,z\n")
    found = read_examples(path, "classification")
    with pytest.raises(ValueError, match=r"a\.csv, line 3: unknown label 'z': expected one of 'x'"):
        number_labels(found, ["x", "y"])


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\t\r\n"), min_size=1)


def filled(cell: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[str, str]]]:
    return st.lists(st.tuples(cell, cell).filter(lambda row: all(map(str.strip, row))), min_size=1)


def stripped(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A label has no spaces around it, a text may have."""
    return [(text, label.strip()) for text, label in rows]


def read_again(path) -> list[tuple[str, str]]:
    found = read_examples(path, "classification")
    return [(example.texts[0], example.label) for example in found]


@given(filled(CELL))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_comes_back_from_csv(tmp_path, rows):
    buffer = io.StringIO()
    csv.writer(buffer).writerows([("text", "label"), *rows])
    assert read_again(written(tmp_path, "a.csv", buffer.getvalue())) == stripped(rows)


@given(filled(PLAIN))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_of_one_line_without_tabs_comes_back_from_tsv(tmp_path, rows):
    lines = ["\t".join(row) for row in [("text", "label"), *rows]]
    assert read_again(written(tmp_path, "a.tsv", "\n".join(lines))) == stripped(rows)


# ---- Rows, prompts ------------------------------------------------------------------------------


def test_pack_takes_the_texts_in_the_order_of_an_example():
    letters = Tokenizer.train([], 257)
    texts = ("z", "q", "a", "b")
    expected = pack_choices(letters, "z", ["a", "b"], 9, question="q")
    assert pack(letters, "choice", texts, 9) == expected
    assert pack(letters, "similarity", ("a", "b"), 9) == pack_similarity(letters, "a", "b", 9)
    assert pack(letters, "classification", ("a",), 9) == [[257, 64, 259]]
    assert pack(letters, "entailment", ("a", "b"), 9) == [[257, 64, 258, 65, 259]]
    with pytest.raises(ValueError, match="entailment needs premise, hypothesis: not 1 texts"):
        pack(letters, "entailment", ("a",), 9)
    with pytest.raises(ValueError, match="choice needs context, question, 2 choices or more"):
        pack(letters, "choice", ("z", "", "a"), 9)


def test_prompts_and_completions(tmp_path):
    path = written(tmp_path, "a.jsonl", '{"prompt": "Q: ", "completion": " A", "id": 3}\n')
    assert read_completions(path) == [Completion("Q: ", " A")]
    path = written(tmp_path, "b.csv", "prompt,completion\na,b\nc,\n")
    with pytest.raises(ValueError, match=r"b\.csv, line 3: column 'completion' is empty"):
        read_completions(path)
    path = written(tmp_path, "c.csv", "prompt\na\n")
    with pytest.raises(ValueError, match=r"c\.csv, line 1: no column 'completion': found 'prompt'"):
        read_completions(path)


def test_a_json_list_is_a_table(tmp_path):
    rows = [{"text": "Tick\n", "label": "a"}, {"text": "Tock", "label": 2}]
    for name, content in {
        "t.json": "\ufeff" + json.dumps(rows, indent=1),
        "t.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
    }.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    listed, lined = (
        [(each.texts, each.label) for each in read_examples(tmp_path / name, "classification")]
        for name in ("t.json", "t.jsonl")
    )
    assert listed == lined == [(("Tick\n",), "a"), (("Tock",), "2")]


@pytest.mark.parametrize("content", ["{}", "[1]", '[{"text": "a"}', '["\\ud800"]', "", "[" * 9999])
def test_a_json_file_that_is_no_list_of_objects(tmp_path, content):
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(ValueError, match=r"t\.json: (not JSON|expected a JSON list of objects)"):
        read_examples(tmp_path / "t.json", "classification")
