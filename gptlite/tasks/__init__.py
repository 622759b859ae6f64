"""Tasks that GPT-2 does without training for them, and those that it is fine-tuned for.

Without training the task is text, and so is the answer; for fine-tuning it is rows of tokens with
labels.

    score.py         how likely a model finds each of several options after a prompt
    choice.py        the option it would choose; cloze and Winograd's pronouns are such choices
    packing.py       texts as rows of tokens for a classifier to read; examples.py reads the files

    from gptlite import load
    from gptlite.tasks.score import score

    model, tokenizer = load()
    score(model, tokenizer, "Once upon a", [" time", " spoon"])  # nats: the first is likelier

GPT-1 paper, sections 3.3 and 5 (zero-shot behaviours); GPT-2 paper, section 3.
"""
