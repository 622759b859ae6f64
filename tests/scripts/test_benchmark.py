"""The benchmark: who takes part, how ratios are told, and one run of it from end to end."""

import doctest
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from benchmark import measuring, processes, report
from benchmark.basics import Setup
from benchmark.catalogue import BENCHMARKS
from benchmark.measuring import Row

RATE = Row("decode", "tokens/s", [10.0, 20.0], {"a": [5.0, 10.0], "b": [8.0, 10.0]})
TIME = Row("start", "s", [1.0, 3.0], {"a": [2.0, 3.0], "b": [4.0, 6.0]})


def setup(quick: bool = True) -> Setup:
    return Setup(threads=1, size="gpt2", folder=Path("nowhere"), quick=quick)


def test_the_best_of_the_others_has_the_highest_rate_or_the_lowest_time():
    assert report.best_first(RATE) == ["b", "a"]
    assert report.best_first(TIME) == ["a", "b"]


def test_a_ratio_above_1_says_that_gptlite_is_the_better():
    assert report.ratios(RATE, "a") == [2.0, 2.0]
    assert report.ratios(TIME, "b") == [4.0, 2.0]


def test_the_table_shows_the_best_and_a_note_names_the_rest():
    table = report.table([RATE, TIME])
    assert "| decode | tokens/s | 15.0 | 9.00 | b | 1.62 | 1.25 to 2.00 | 2 |" in table
    assert "| start | s (less is better) | 2.00 | 2.50 | a | 1.50 | 1.00 to 2.00 | 2 |" in table
    assert report.lesser_variants([RATE, TIME]) == [
        "decode: a 7.50 tokens/s",
        "start: b 5.00 s",
    ]


def test_a_peer_that_is_not_installed_is_left_out_and_named(monkeypatch):
    monkeypatch.setattr(measuring.importlib.util, "find_spec", lambda name: None)
    present, absent = measuring.who_takes_part(["training"], setup())
    assert [contestant.name for contestant in present["training"]] == ["gptlite"]
    assert any("torch is not installed" in line for line in absent)


def test_gptlite_comes_first_in_every_benchmark():
    assert {benchmark.contestants[0].name for benchmark in BENCHMARKS.values()} == {"gptlite"}


def test_a_contestant_that_fails_is_an_error_with_its_last_words():
    broken = processes.Worker("import", "nobody", setup())
    try:
        with pytest.raises(ChildProcessError, match="import, nobody: ValueError"):
            broken.answer()
    finally:
        broken.close()


def test_a_quick_run_of_one_benchmark_prints_its_row():
    assert processes.DOOR.is_file()
    printed = report.report(["import"], setup())
    assert "| import gptlite, numpy having been imported | s (less is better) |" in printed
    assert "| import numpy |" in printed


def test_examples_in_the_modules():
    assert doctest.testmod(measuring) == (0, 1)
