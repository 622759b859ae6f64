"""A student's function tried on the cases of its exercise, and what is wrong with it put in words.

The order is that in which a teacher would look. Does it run, and return something? Are the numbers
right, and if not, are they those of a known mistake? Only then: float32, and arguments left alone.
"""

import inspect
from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np

from gptlite.exercises.calling import Outcome, outcome_of
from gptlite.exercises.differences import described, difference, raised
from gptlite.exercises.exercise import Case, Exercise, Function, same
from gptlite.exercises.verdict import Verdict


def examine(name: str, exercise: Exercise, function: Any) -> Verdict:
    """Try a function on every case of an exercise."""
    cases = exercise.cases()
    if not callable(function):
        return Verdict(False, name, f"expected a function, found {type(function).__name__}.")
    if said := unfit(function, cases[0]):
        return Verdict(False, name, said)
    outcomes = [outcome_of(function, case) for case in cases]
    expected = [
        outcome_of(exercise.right, case).value if case.expected is None else case.expected
        for case in cases
    ]
    for other in exercise.also:
        by_other = [outcome_of(other, case).value for case in cases]
        if all(
            same(outcome.value, value) for outcome, value in zip(outcomes, by_other, strict=True)
        ):
            expected = by_other
    with np.errstate(all="ignore"):  # infinity compared with infinity
        says = (
            nothing(outcomes)
            or other_number_of_outputs(exercise, outcomes)
            or wrong_numbers(exercise, cases, outcomes, expected)
            or unlike_float32(exercise, outcomes)
            or changed_arguments(function, outcomes)
        )
    if says:
        return Verdict(False, name, says)
    told = [case for case in cases if case.expected is not None]
    own = " and on the storyteller's own" if told else ""
    return Verdict(True, name, f"right, on {len(cases) - len(told)} made-up examples{own}.")


def unfit(function: Function, case: Case) -> str:
    """Say if a function cannot be called with a case's arguments; else ""."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # one of NumPy's own
        return ""
    try:
        signature.bind(*case.arguments)
    except TypeError:
        count = len(case.arguments)
        return f"it takes {signature}, but is called with {count} arguments: {case.what}."
    return ""


# ---- What may be wrong, in the order in which it is looked for ----------------------------------


def nothing(outcomes: list[Outcome]) -> str:
    """Say if the function returns nothing; else ""."""
    if any(outcome.value is ... for outcome in outcomes):
        return "nothing is written yet: replace the `...`."
    if any(outcome.value is None and outcome.error is None for outcome in outcomes):
        return "it returns None: it is still empty, or the last line lacks a `return`."
    return ""


def other_number_of_outputs(exercise: Exercise, outcomes: list[Outcome]) -> str:
    """Say if there are not as many outputs as there should be; else ""."""
    count = len(exercise.outputs)
    for outcome in outcomes:
        if not count or outcome.error is not None:
            continue
        value = outcome.value
        if not isinstance(value, (tuple, list)) or len(value) != count:
            wanted = ", ".join(exercise.outputs)
            number = (
                f"{len(value)} things" if isinstance(value, (tuple, list)) else described(value)
            )
            return f"expected {count} results, {wanted}; it returns {number}."
    return ""


def wrong_numbers(
    exercise: Exercise, cases: list[Case], outcomes: list[Outcome], expected: list[Any]
) -> str:
    """Say which output is wrong and by which mistake, or where it differs first; else ""."""
    if exercise.outputs and (said := wrong_order(exercise, outcomes, expected)):
        return said
    found_wrong, stopped = [], ""
    for output, name in enumerate(exercise.outputs or ("",)):
        take = taker(exercise, output)
        found = [take(outcome) for outcome in outcomes]
        wanted = [take(Outcome(value, None, ())) for value in expected]
        pairs = list(zip(found, wanted, strict=True))
        wrong = [i for i, (mine, right) in enumerate(pairs) if not agree(mine, right)]
        if not wrong:
            continue
        first = wrong[0]
        said = diagnosis(exercise, cases, found, output)
        if not said and (error := outcomes[first].error) is not None:
            stopped = raised(error, cases[first])
            continue
        said = said or f"{difference(found[first], wanted[first], cases[first])} {exercise.unknown}"
        found_wrong.append((f"{name}: {said}" if name else said).rstrip())
    return "\n".join(found_wrong) or stopped


def taker(exercise: Exercise, output: int) -> Callable[[Outcome], Any]:
    """Make the function that takes one output from an outcome, or the error in its place."""

    def take(outcome: Outcome) -> Any:
        if outcome.error is not None:
            return outcome.error
        value = outcome.value[output] if exercise.outputs else outcome.value
        return exercise.canonical(value)

    return take


def agree(found: Any, expected: Any) -> bool:
    """Compare two outputs; one that is an error agrees with any error, and with nothing else."""
    if isinstance(found, Exception) or isinstance(expected, Exception):
        return isinstance(found, Exception) and isinstance(expected, Exception)
    return same(found, expected)


def diagnosis(exercise: Exercise, cases: list[Case], found: list[Any], output: int) -> str:
    """Find the known mistake that gives these outputs in every case; "" if there is none."""
    for mistake in exercise.mistakes:
        if mistake.output != output:
            continue
        pairs = []
        for case, mine in zip(cases, found, strict=True):
            outcome = outcome_of(mistake.wrong, case)
            theirs = outcome.error or exercise.canonical(outcome.value)
            pairs.append((mine, theirs))
            if not agree(mine, theirs):
                break
        else:
            # Where every case is an error, the two have nothing in common that is known.
            if not all(isinstance(mine, Exception) for mine, _ in pairs):
                return mistake.words
    return ""


def wrong_order(exercise: Exercise, outcomes: list[Outcome], expected: list[Any]) -> str:
    """Say if the outputs are right, but in another order; else ""."""
    if any(outcome.error is not None for outcome in outcomes):
        return ""
    usual = tuple(range(len(exercise.outputs)))
    for order in permutations(usual):
        if all(
            same(outcome.value[i], value[order[i]])
            for outcome, value in zip(outcomes, expected, strict=True)
            for i in usual
        ):
            if order == usual:
                return ""
            return f"the right arrays in another order: expected {', '.join(exercise.outputs)}."
    return ""


def unlike_float32(exercise: Exercise, outcomes: list[Outcome]) -> str:
    """Say if a result that should be float32 is of another kind; else ""."""
    for outcome in outcomes:
        values = outcome.value if exercise.outputs else [outcome.value]
        for value in values:
            is_array = isinstance(value, np.ndarray) and value.dtype.kind == "f"
            if is_array and value.dtype != np.float32:
                return (
                    f"the numbers are right, but in {value.dtype}, where everything from file to "
                    "logits is float32. A NumPy constant (np.sqrt of an int, np.float64) or a new "
                    "array without dtype=np.float32 widens what it meets; a Python float does not."
                )
    return ""


def changed_arguments(function: Function, outcomes: list[Outcome]) -> str:
    """Say which argument was changed in place; "" if none was."""
    places = sorted({place for outcome in outcomes for place in outcome.changed})
    if not places:
        return ""
    names = list(inspect.signature(function).parameters)
    name = names[places[0]] if places[0] < len(names) else f"argument {places[0] + 1}"
    return (
        f"the result is right, but `{name}` is not what it was: it was changed in place (by +=, "
        "append, out=, or through a view), and the caller still needs it. Make a new one."
    )
