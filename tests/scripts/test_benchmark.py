"""The benchmark: who takes part, how ratios are told, and one run of it from end to end."""

import doctest
import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from benchmark import conditions, measuring, processes, record, report
from benchmark.basics import Contestant, Setup
from benchmark.catalogue import BENCHMARKS
from benchmark.measuring import Row

QUIET = conditions.Conditions("a processor", 2, 2, 0.0, "a BLAS", "a system", {"Python": "3"})
RATE = Row("decode", "tokens/s", [10.0, 20.0], {"a": [5.0, 10.0], "b": [8.0, 10.0]})
TIME = Row("start", "s", [1.0, 3.0], {"a": [2.0, 3.0], "b": [4.0, 6.0]})


def setup(quick: bool = True) -> Setup:
    return Setup(threads=1, size="gpt2", folder=Path("nowhere"), quick=quick)


def test_the_best_of_the_others_has_the_highest_rate_or_the_lowest_time():
    assert report.best_first(RATE) == ["b", "a"]
    assert report.best_first(TIME) == ["a", "b"]


def test_a_ratio_above_1_says_that_gptlite_is_the_better():
    assert record.ratios(RATE, "a") == [2.0, 2.0]
    assert record.ratios(TIME, "b") == [4.0, 2.0]


def test_the_table_shows_the_best_and_a_note_names_the_rest():
    table = report.table([RATE, TIME], QUIET)
    assert "| decode | tokens/s | 15.0 | 9.00 | b | 1.62 (2 pairs) | 1.25 to 2.00 | 2 |" in table
    assert "| s (less is better) | 2.00 | 2.50 | a | 1.50 (2 pairs) | 1.00 to 2.00 | 2 |" in table
    assert report.lesser_variants([RATE, TIME]) == [
        "decode: a 7.50 tokens/s",
        "start: b 5.00 s",
    ]


def test_a_ratio_says_why_it_is_not_to_be_quoted():
    assert conditions.doubts(QUIET, 5) == []
    assert conditions.doubts(QUIET, 1) == ["one pair"]
    assert conditions.doubts(QUIET._replace(load=1.5), 5) == ["busy machine"]
    assert conditions.doubts(QUIET._replace(load=1.5), 4) == ["busy machine", "4 pairs"]
    assert conditions.doubts(QUIET._replace(load=None), 5) == []  # Windows does not tell
    five = Row("decode", "tokens/s", [2.0] * 5, {"a": [1.0] * 5})
    assert "| 2.00 | 2.00 to 2.00 | 5 |" in report.table([five], QUIET)


def test_a_package_s_version_is_found_by_the_name_it_is_imported_by():
    found = conditions.versions_of(["_pytest", "numpy"])
    assert found == {"_pytest": pytest.__version__, "numpy": np.__version__}


def test_contestants_have_the_kernel_that_openblas_chooses(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "64")
    of_blas = {k: v for k, v in processes.environment(2).items() if k.startswith("OPENBLAS_")}
    assert of_blas == {"OPENBLAS_NUM_THREADS": "2"}


# ---- Records ------------------------------------------------------------------------------------


def kept(*rows, about=QUIET):
    return record.Record(about, list(rows), [], ["somebody in decode"], ["learn, b: died"])


def test_a_record_is_read_as_it_was_written(tmp_path):
    whole = kept(RATE, TIME)
    record.write_record(whole, tmp_path / "run.json")
    assert record.read_record(tmp_path / "run.json") == whole
    record.check_place(tmp_path / "run.json")  # a record may replace a record
    (tmp_path / "other.json").write_text('{"other": 1}')
    with pytest.raises(ValueError, match="holds something else"):
        record.check_place(tmp_path / "other.json")


def changed(**row) -> str:
    """A record as JSON, with something else in its row."""
    data = {"conditions": QUIET._asdict(), "rows": [{**RATE._asdict(), **row}]}
    return json.dumps({**data, "besides": [], "absent": [], "failed": []})


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"conditions": {}, "rows": []}', "[" * 100_000),
        *(changed(gptlite=3), changed(gptlite=None), changed(gptlite=["a", "b"])),
        *(changed(others=[[1.0, 2.0]]), changed(others={"a": [1.0]}), changed(others={"a": 3})),
        *(changed(unit=3), changed().replace('{"Python": "3"}', "[]")),
    ],
)
def test_what_is_no_record_is_refused(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=r"run\.json: not a record of this benchmark"):
        record.read_record(tmp_path / "run.json")


def test_changes_are_told_as_measured_and_beside_the_others():
    now = RATE._replace(gptlite=[20.0, 40.0], others={"a": [10.0, 20.0], "c": [1.0, 1.0]})
    [change] = record.changes(kept(RATE, TIME), kept(now))
    assert change[:5] == ("decode", "tokens/s", 15.0, 30.0, 2.0)
    assert change.beside == {"a": 1.0}  # the machine has become faster, and gptlite has not
    [change] = record.changes(kept(TIME), kept(TIME._replace(gptlite=[2.0, 6.0])))
    assert (change.times, change.beside) == (0.5, {"a": 0.5, "b": 0.5})
    alone = Row("stream", "tokens/s", [10.0], {})
    [change] = record.changes(kept(alone), kept(alone._replace(gptlite=[5.0])))
    assert (change.times, change.beside) == (0.5, {})


def test_a_comparison_says_what_it_is_worth():
    told = record.comparison(kept(RATE), kept(RATE, about=QUIET._replace(load=2.0)))
    assert "| decode | tokens/s | 15.0 | 15.0 | 1.00 | a 1.00, b 1.00 |" in told
    assert "Not to be quoted: 2 pairs, busy machine." in told
    assert "different processors" not in told
    other = kept(RATE, about=QUIET._replace(processor="another"))
    assert "different processors" in record.comparison(other, kept(RATE))
    with pytest.raises(ValueError, match="none of the benchmarks"):
        record.comparison(kept(RATE), kept(TIME))


# ---- A run --------------------------------------------------------------------------------------


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


def no_space(setup):
    raise OSError(28, "No space left on device", "a file")


def test_what_fails_costs_its_own_figures_alone(monkeypatch):
    """A benchmark whose gptlite fails, one whose files cannot be made, and a peer that fails."""
    known = BENCHMARKS["import"]  # a contestant's process looks up what it is to do by name
    whole = {
        "broken": known,
        "full": known._replace(make=no_space),
        "import": known._replace(contestants=(known.contestants[0], Contestant("nobody", exit))),
    }
    for module in (measuring, report):
        monkeypatch.setattr(module, "BENCHMARKS", whole)
    measured = report.run(whole, setup())
    [row] = measured.rows
    assert row.title == known.title and len(row.gptlite) > 0 and not row.others
    assert [sentence.partition(": ")[0] for sentence in measured.failed] == [
        *("broken, gptlite", "full", "import, nobody")
    ]
    assert f"Failed: {'; '.join(measured.failed)}." in report.report(measured)
    with pytest.raises(ChildProcessError, match="broken, gptlite: "):
        report.run({"broken": known}, setup())


def test_a_quick_run_of_one_benchmark_prints_its_row():
    assert processes.DOOR.is_file()
    printed = report.report(report.run(["import"], setup()))
    assert "| import gptlite, numpy having been imported | s (less is better) |" in printed
    assert "| import numpy |" in printed


def test_examples_in_the_modules():
    assert doctest.testmod(measuring) == (0, 1)
