"""All judges of answers, by the numbers of the notebook and of the exercise."""

from gptlite.exercises.answers import descent, inside, learning, texts, writing
from gptlite.exercises.answers.kinds import Judge

ANSWERS: dict[str, Judge] = {
    **texts.ANSWERS,
    **inside.ANSWERS,
    **writing.ANSWERS,
    **learning.ANSWERS,
    **descent.ANSWERS,
}
