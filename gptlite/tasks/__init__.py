"""Tasks that GPT-2 does without training for them: the task is text, and so is the answer.

    score.py         how likely a model finds each of several options after a prompt
    choice.py        the option it would choose; cloze and Winograd's pronouns are such choices

    from gptlite import load
    from gptlite.tasks.score import score

    model, tokenizer = load()
    score(model, tokenizer, "Once upon a", [" time", " spoon"])  # nats: the first is likelier

GPT-1 paper, section 5 (zero-shot behaviours); GPT-2 paper, section 3.
"""
