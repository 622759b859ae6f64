"""Exercises that answer back: write GPT-2 yourself, and be told what is right, and what is not.

    from gptlite.exercises import check

    def softmax(x):
        p = np.exp(x - x.max(axis=0))
        return p / p.sum(axis=0)

    check(softmax)
    # ✗ softmax: your numbers add up to 1 along the first axis; they should along the last one ...

exercise.py     what an exercise is; table.py has them all
examine.py      a function tried, and what is wrong with it in words; calling.py, differences.py
samples.py      arrays to try functions with: of odd sizes, and the storyteller's own
tokens.py, layers.py, norm.py, heads.py, attention.py, block.py, loop.py, filters.py, linear.py,
loss.py, norm_backward.py, attend.py
                the functions to write: right ones, cases, and the mistakes that are recognised
answers/        the exercises at the end of each notebook, whose answers are values
story.py        the student's functions in the place of gptlite's
"""

from gptlite.exercises.checking import check
from gptlite.exercises.story import my_gpt
from gptlite.exercises.verdict import Verdict

__all__ = ["Verdict", "check", "my_gpt"]
