"""A run that is given minutes instead of tokens: its steps are planned anew as it goes."""

import math
from dataclasses import dataclass


@dataclass
class Clock:
    """The time that a run may take, and the steps that fit into it.

    The learning rate falls to 0 with the last step. A number of steps fixed at the start would
    miss the time on a machine that has other work to do; so after each step the rest of the time is
    divided by the time that a step has taken so far. The plan settles as the end comes near.

    Attributes:
        budget: seconds that the run may take, its reports included.
        n_steps: steps planned in all.
        spent: seconds that the run has taken.
    """

    budget: float
    n_steps: int
    spent: float = 0.0

    def tick(self, seconds: float, step: int) -> None:
        """Count the seconds of a step, and plan the rest.

        Args:
            seconds: since the last tick.
            step: steps done, at least 1.
        """
        self.spent += seconds
        left = max(0.0, self.budget - self.spent)
        self.n_steps = step + math.ceil(left / (self.spent / step))
