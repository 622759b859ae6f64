"""Keeping to the clock: the steps of a run that is given minutes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptlite.pretrain.clock import Clock


def ran(clock: Clock, paces: list[float]) -> int:
    """Take steps until the clock says that all are done: how many; the last pace goes on."""
    step = 0
    while step < clock.n_steps:
        clock.tick(paces[min(step, len(paces) - 1)], step + 1)
        step += 1
    return step


@pytest.mark.parametrize("guess", [1, 10, 1000])
def test_at_a_steady_pace_the_plan_is_the_time_by_the_pace(guess):
    clock = Clock(budget=60.0, n_steps=guess)
    assert ran(clock, [0.5]) == 120
    assert clock.spent == 60.0


@given(st.lists(st.floats(0.01, 5), min_size=1, max_size=60), st.floats(1, 100))
def test_the_time_is_kept_to_a_step_whatever_the_pace(paces, budget):
    clock = Clock(budget, n_steps=5)
    step = ran(clock, paces)
    assert clock.n_steps == step
    assert budget <= clock.spent * (1 + 1e-9)
    assert clock.spent - budget <= max(paces)


def test_the_plan_follows_a_machine_that_slows_down():
    clock = Clock(budget=100.0, n_steps=100)
    planned = []
    for step in range(1, 61):
        clock.tick(1.0 if step <= 50 else 5.0, step)
        planned.append(clock.n_steps)
    assert planned[:50] == [100] * 50
    assert planned[50:] == sorted(planned[50:], reverse=True)
    assert planned[-1] == 60
