"""The tracer finds a comment that lies, one that is missing, and one that was never seen."""

import importlib
import sys
from itertools import count
from pathlib import Path
from textwrap import dedent

import pytest

from tracer import Tracer

NUMBER = count()


def traced(folder: Path, source: str, **sizes: int) -> Tracer:
    """Run the function ``f`` of a module with this source, on ``x`` of the shape [2, 3, 5]."""
    package = f"little{next(NUMBER)}"
    (folder / package).mkdir()
    (folder / package / "__init__.py").touch()
    head = "from typing import NamedTuple\nimport numpy as np\n"
    (folder / package / "code.py").write_text(head + dedent(source), encoding="utf-8")
    tracer = Tracer()
    with tracer.importing(folder, package, ["code.py"]), tracer.of(**sizes):
        code = importlib.import_module(f"{package}.code")
        code.f(code.np.zeros((2, 3, 5)))
    return tracer


def complaints(folder: Path, source: str, **sizes: int) -> list[str]:
    """Give all that is wrong with a source."""
    tracer = traced(folder, source, **sizes)
    return [*tracer.wrong(), *tracer.missing(), *tracer.unrun(), *tracer.unreached()]


@pytest.mark.parametrize(
    "comment",
    [
        "[batch, seq, n_embd]",
        "[batch, seq, n_embd], and then some words [sic]",
        "[batch, seq, batch + seq]",
        "[batch, seq, 5]",
        "[batch, seq, 2 * seq - 1]",
        "[batch, 1 + batch, n]",
        "[..., n_embd]",
        "[..., seq, n_embd]",
        "[..., batch, seq, n_embd]",
        "[...]",
        "[a, b, c]",
        "[a, a + 1, c]",
    ],
)
def test_a_comment_that_is_true(tmp_path: Path, comment: str) -> None:
    source = f"""
        def f(x):
            y = x + 1  # {comment}
            return y
        """
    assert not complaints(tmp_path, source, batch=2, seq=3, n_embd=5)


@pytest.mark.parametrize(
    "comment",
    [
        "[batch, seq, head]",
        "[seq, batch, n_embd]",
        "[batch, n_embd, seq]",
        "[batch, seq]",
        "[batch, seq, n_embd, 1]",
        "[batch, seq, 1]",
        "[batch, seq, 2 * n_embd]",
        "[..., seq]",
        "[..., 1, batch, seq, n_embd]",
        "[n, n, n_embd]",
        "[batch, seq, 2 * n]",
        "[batch, seq, the width]",
        "[batch, seq, ceil(n / 2)]",
        "[batch, seq, n_embd], [batch]",
        "y [batch, seq, n_embd]",
    ],
)
def test_a_comment_that_is_not(tmp_path: Path, comment: str) -> None:
    source = f"""
        def f(x):
            y = x + 1  # {comment}
            return y
        """
    [found] = complaints(tmp_path, source, batch=2, seq=3, n_embd=5, head=7)
    assert found.startswith("code.py:5: ")


@pytest.mark.parametrize(
    "line",
    [
        "y = x + 1",
        "y: np.ndarray = x + 1",
        "y = x[0]",
        "y = z = x.T",
        "x = np.exp(x)",
        "y, n = x + 1, 1",
        "y, z = (x[i] for i in range(2))",
        "y, *z = x + 1, x + 1",
        "d = {}; d['y'] = x + 1",
        "if (y := x + 1).any(): pass",
        "return x + 1",
        "return x, x + 1",
        "return x[0] if len(x) else None",
        "yield x + 1",
    ],
)
def test_an_array_without_a_comment(tmp_path: Path, line: str) -> None:
    source = f"""
        def f(x):
            {line}
        """
    if line.startswith("yield"):
        source = source.replace("def f", "def g") + "\n        def f(x):\n            list(g(x))\n"
    found = complaints(tmp_path, source)
    assert found and all(each.startswith("code.py:5: no shape for (") for each in found)


@pytest.mark.parametrize(
    "line",
    [
        "y = x",
        "y = z = x",
        "y = x.sum()",
        "y = float(x.sum())",
        "y = handed(x)",
        "y, n = handed(x), 1",
        "y = [x][0]",
        "y = held['a']",
        "y = {'x': x + 1}",
        "x += 1",
        "x[0] = x[1] + 1",
        "x[0], n = x[1], 1",
        "np.exp(x, out=x)",
        "y = [x + 1]",
        "return x",
        "return handed(x)",
        "return x, 1",
        "for row in x: pass",
    ],
)
def test_what_was_there_before_needs_none(tmp_path: Path, line: str) -> None:
    source = f"""
        def handed(x):
            return x

        def f(x):
            g(x, {{"a": x + 1}})

        def g(x, held):
            {line}
        """
    assert not traced(tmp_path, source).missing()


def test_a_comment_may_stand_above_or_on_any_line_of_its_statement(tmp_path: Path) -> None:
    source = """
        def f(x):
            # [batch, seq, wrong]
            y = x + 1
            y = np.add(  # [batch, wrong, n]
                y,
                x,
            )
            return np.add(
                y,
                x,  # [wrong, seq, n]
            )
        """
    found = complaints(tmp_path, source, batch=2, seq=3, wrong=7)
    assert [each[:10] for each in found] == ["code.py:6:", "code.py:7:", "code.py:11"]


def test_arrays_have_a_bracket_each_or_one_if_they_are_alike(tmp_path: Path) -> None:
    source = """
        def f(x):
            a, b = x + 1, x - 1  # [batch, seq, 5]
            a, b = x[0], x[:, 0]  # [seq, 5], [batch, 5]
            a, n, b = x[0], 7, x[:, 0]  # [seq, 5] and [batch, 5]
            return a + 1, b + 1  # {}
        """
    assert not complaints(tmp_path, source.format("[seq, 5], [batch, 5]"), batch=2, seq=3)
    for lie in ("[seq, 5]", "[batch, 5], [seq, 5]", "[seq, 5], [batch, 5], [5]"):
        [found] = complaints(tmp_path, source.format(lie), batch=2, seq=3)
        assert found.startswith("code.py:8:")


def test_a_line_that_adds_to_an_array_may_say_what_it_adds(tmp_path: Path) -> None:
    source = """
        def f(x):
            x += np.ones(5)  # [{}]
            x[0] = np.ones((3, 1))  # [seq, 1]
            return x
        """
    assert not complaints(tmp_path, source.format("n_embd"), n_embd=5, seq=3)
    assert len(complaints(tmp_path, source.format("seq"), n_embd=5, seq=3)) == 1


def test_a_call_by_itself_may_say_what_it_is_given(tmp_path: Path) -> None:
    source = """
        def f(x):
            kept = []
            kept.append(x[0])  # {}
        """
    assert not complaints(tmp_path, source.format("[seq, 5]"), seq=3)
    assert len(complaints(tmp_path, source.format("[5, seq]"), seq=3)) == 1


def test_the_fields_of_a_named_tuple_may_say_their_shapes(tmp_path: Path) -> None:
    source = """
        class Step(NamedTuple):
            ids: np.ndarray  # [seq]
            logits: np.ndarray  # [{}]

        def f(x):
            return Step(x[0, :, 0], x[0])  # [seq], [seq, 5]
        """
    assert not complaints(tmp_path, source.format("seq, n_vocab"), seq=3)
    for lie in ("n_vocab, seq", "seq"):
        [found] = complaints(tmp_path, source.format(lie), seq=3)
        assert found.startswith("code.py:6:")


def test_a_symbol_is_the_same_within_a_call_and_may_differ_between_calls(tmp_path: Path) -> None:
    source = """
        def g(x, y):
            a = x + 1  # [n, m]
            b = y + 1  # [n]
            return a, b

        def f(x):
            g(x[0], x[0, :, 0])
            g(x[:, 0], x[:, {}])
        """
    assert not complaints(tmp_path, source.format("0, 0"))
    [found] = complaints(tmp_path, source.format("0, 0].repeat(2)[:1"))
    assert found.startswith("code.py:6: [n] is n = 2 at 1")


def test_a_symbol_of_a_loop_may_differ_from_turn_to_turn(tmp_path: Path) -> None:
    source = """
        def f(x):
            {}
            for i in range(1, 4):
                a = x[0, :i]  # [n, 5]
                b = a + 1  # [n, 5]
        """
    assert not complaints(tmp_path, source.format("pass"))
    found = complaints(tmp_path, source.format("c = x[0, :1]  # [n, 5]"))
    assert [each[:10] for each in found] == ["code.py:7:", "code.py:8:"]


def test_a_symbol_of_a_list_may_differ_from_array_to_array(tmp_path: Path) -> None:
    source = """
        def f(x):
            {}
            return [x[0, :i] for i in range(1, 4)]  # [n, n_embd]
        """
    assert not complaints(tmp_path, source.format("pass"), n_embd=5)
    assert len(complaints(tmp_path, source.format("pass"), n_embd=4)) == 1
    assert len(complaints(tmp_path, source.format("y = x[0, :1]  # [n, n_embd]"), n_embd=5)) == 1


def test_a_symbol_is_the_int_of_its_name(tmp_path: Path) -> None:
    source = """
        def f(x):
            n = {}
            return x[0, 0] + 1  # [n]
        """
    assert not complaints(tmp_path, source.format(5), n=7)
    assert len(complaints(tmp_path, source.format(6))) == 1


def test_a_comment_that_was_never_seen(tmp_path: Path) -> None:
    source = """
        def f(x):
            if x.any():
                x = x + 1  # [2, 3, 5]
                n = 1
            y = None  # [2]
            if x.shape == 0:  # [2, 3, 5]
                raise ValueError
            if len(x) == 3:
                message = "3"
                raise ValueError(message)
        """
    tracer = traced(tmp_path, source)
    lines = [each.split(":")[1] for each in tracer.unrun()]
    assert lines == ["6", "8", "9"]
    assert [each.split(":")[1] for each in tracer.unreached()] == ["6", "7"]


def test_a_line_that_might_make_an_array_was_run(tmp_path: Path) -> None:
    source = """
        def without_arrays(n):
            if n:
                n = 1
            return n

        def never(n):
            return n

        def with_arrays(n, x):
            if n:
                x = x + n
            return x + 1  # [2, 3, 5]

        def f(x):
            with_arrays(without_arrays(0), x)
        """
    lines = [each.split(":")[1] for each in traced(tmp_path, source).unreached()]
    assert lines == ["10", "14"]


def test_a_comment_is_true_in_every_call(tmp_path: Path) -> None:
    source = """
        def f(x):
            for y in {}:
                g(y)

        def g(x):
            y = x + 1  # [batch, seq, n_embd]
            return y
        """
    assert not complaints(tmp_path, source.format("[x, x + 1]"), batch=2, seq=3, n_embd=5)
    [found] = complaints(tmp_path, source.format("[x, x[0]]"), batch=2, seq=3, n_embd=5)
    assert found.endswith("has not as many axes as (3, 5)")


def test_the_modules_that_were_there_are_there_again(tmp_path: Path) -> None:
    import gptlite
    from gptlite import layers

    tracer = Tracer()
    root = Path(gptlite.__file__).parent.parent
    with tracer.importing(root, "gptlite", ["layers.py"]):
        again = importlib.import_module("gptlite.layers")
        assert again is not layers
        assert "_shapes" in vars(again)
    assert sys.modules["gptlite.layers"] is layers
    assert "_shapes" not in vars(layers)
