"""Numbers too small for float32: without it a function runs the same, in NumPy's usual settings.

They become 0, which is right wherever probabilities are computed, and NumPy says nothing. But a
program may have told NumPy to raise an error instead (``np.seterr(all="raise")``).
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

Given = ParamSpec("Given")
Result = TypeVar("Result")


def rounds_to_zero(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Let what is too small for float32 become 0 within a function, whatever NumPy was told."""

    @wraps(function)
    def wrapped(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        with np.errstate(under="ignore"):
            return function(*args, **kwargs)

    return wrapped
