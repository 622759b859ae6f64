"""Tasks that GPT-2 does without training for them, and those that it is fine-tuned for.

Without training the task is text, and so is the answer:

    score.py         how likely a model finds each of several options after a prompt
    choice.py        the likeliest option as an answer, and how often it is right
    cloze.py, winograd.py, sentiment.py, entail.py
                     tasks that are choices: what the options are, and after which prompt
    continuation.py  an answer that the model writes
    summarise.py, answer.py, translate.py
                     tasks that are written: the prompt, and what is kept; with sentences.py
    lambada.py       last words of passages, side by side
    benchmarks.py    the files of benchmarks, with lines.py and detokenise.py
    part.py          what was measured of one so far, to go on with

For fine-tuning it is rows of tokens with a label, or with the part that is to be learned:

    examples.py      labelled texts from tables, whose lines are named where they are wrong
    packing.py       texts as rows of tokens for a classifier to read
    completions.py   prompts with what is to follow them

    from gptlite import load
    from gptlite.tasks.score import score

    model, tokenizer = load()
    score(model, tokenizer, "Once upon a", [" time", " spoon"])  # nats: the first is likelier

GPT-1 paper, sections 3.3 (packing) and 5 (zero-shot behaviours); GPT-2 paper, section 3. Entailment
without training is in neither: that prompt is gptlite's own.
"""
