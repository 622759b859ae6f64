"""Tasks that GPT-2 does without being trained for them: both the task and its answer are text.

score.py         how likely a model finds each of several options after a prompt
choice.py        the likeliest option as an answer, and how often it is right
cloze.py, winograd.py, sentiment.py, entail.py
                 tasks that are choices: each has its options and the prompt before them
continuation.py  an answer that the model writes
summarise.py, answer.py, translate.py
                 tasks that are written: each has its prompt, and keeps some of what follows
sentences.py     where sentences end
__main__.py      the command: python -m gptlite.tasks sentiment "The king was kind. He was"

    from gptlite import load
    from gptlite.tasks.score import score

    model, tokenizer = load()
    score(model, tokenizer, "Once upon a", [" time", " spoon"])  # nats: the first is likelier

GPT-1 paper, section 5 (zero-shot behaviours); GPT-2 paper, section 3. Neither paper has entailment
without training: that prompt is gptlite's own.
"""
