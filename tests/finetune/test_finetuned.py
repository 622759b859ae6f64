"""A fine-tuned classifier, saved and opened again."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

import gptlite
from gptlite import GPT, CheckpointError, GPTConfig, Tokenizer
from gptlite.checkpoints.safetensors import write_tensors
from gptlite.finetune.finetuned import TASK_FILE, WEIGHTS_FILE, FineTuned
from models import random_classifier

TOKENIZER = Tokenizer.train(["the cat and the dog"], 262)
CONFIG = GPTConfig(n_vocab=262, n_ctx=16, n_embd=8, n_head=2, n_layer=1)
TEXTS = {
    "classification": [["the cat"], ["dog"], ["and the dog and the cat and the dog and all"]],
    "entailment": [["the cat", "dog"], ["dog", "the"]],
    "similarity": [["the cat", "dog"], ["dog", "the"]],
    "choice": [["the", "", "cat", "dog"], ["a", "and", "the", "cat"]],
}
LABELS = {"choice": ["1", "2"]}


def fine_tuned(task: str) -> FineTuned:
    labels = LABELS.get(task, ["ja", "nein", "vielleicht ö"])
    classifier = random_classifier(CONFIG, len(labels), choosing=task == "choice")
    return FineTuned(classifier, TOKENIZER, task, labels, 12)


@pytest.mark.parametrize("task", TEXTS)
def test_saved_and_opened_again(task, tmp_path):
    saved = fine_tuned(task)
    saved.save_pretrained(tmp_path / "new" / "one")
    opened = FineTuned.from_pretrained(tmp_path / "new" / "one")
    assert (opened.task, opened.labels, opened.n_ctx) == (task, saved.labels, 12)
    assert opened.classifier.choosing == (task == "choice")
    assert opened.classifier.model.config == saved.classifier.model.config
    for name, array in saved.classifier.parameters.items():
        assert np.array_equal(opened.classifier.parameters[name], array), name
    p = saved.probabilities(TEXTS[task])
    assert np.array_equal(opened.probabilities(TEXTS[task]), p)
    assert opened.predict(TEXTS[task]) == [saved.labels[i] for i in p.argmax(axis=1)]


@pytest.mark.parametrize("task", ["classification", "choice"])
def test_a_model_that_differs_from_gpt2_is_saved_and_opened_as_it_is(task, tmp_path):
    """An output layer of its own gets a row for each new token; rows without a token go."""
    config = replace(
        CONFIG,
        n_inner=20,
        activation_function="gelu",
        scale_attn_by_inverse_layer_idx=True,
        tie_word_embeddings=False,
        n_padding=5,
    )
    labels = LABELS.get(task, ["yes", "no"])
    classifier = random_classifier(config, len(labels), choosing=task == "choice")
    assert classifier.model.config == replace(config, n_vocab=265, n_padding=0)
    assert classifier.model.lm_head.shape == classifier.model.wte.shape == (265, 8)
    saved = FineTuned(classifier, TOKENIZER, task, labels, 12)
    saved.save_pretrained(tmp_path)
    opened = FineTuned.from_pretrained(tmp_path)
    assert opened.classifier.model.config == classifier.model.config
    for name, array in classifier.parameters.items():
        assert np.array_equal(opened.classifier.parameters[name], array), name
    assert np.array_equal(opened.probabilities(TEXTS[task]), saved.probabilities(TEXTS[task]))


def test_texts_of_another_task_are_refused():
    with pytest.raises(ValueError, match="entailment needs premise, hypothesis: not 1 texts"):
        fine_tuned("entailment").predict([["the cat"]])
    with pytest.raises(ValueError, match="expected at least one example, found none"):
        fine_tuned("entailment").predict([])
    for letters in ("ab", ["ab"], ["the cat", "a cat"]):  # no text is made of letters
        with pytest.raises(TypeError, match=r"an example must be a list of texts, as \['"):
            fine_tuned("entailment").predict(letters)
    choices = ["red", "blue", "green"]
    for ask in (fine_tuned("choice").predict, fine_tuned("choice").probabilities):
        with pytest.raises(ValueError, match="expected 2 choices, found 3"):
            ask([["the", "", *choices]])
        with pytest.raises(ValueError, match="expected 2 choices, found 3"):
            ask([["the", "", *choices[:2]], ["the", "", *choices]])
        with pytest.raises(ValueError, match="2 choices or more: not 1 texts"):
            ask([["the"]])


def refusal(directory) -> str:
    with pytest.raises(CheckpointError) as caught:
        FineTuned.from_pretrained(directory)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_classifier_is_refused(tmp_path):
    assert f"no {TASK_FILE} there" in refusal(tmp_path)
    saved = fine_tuned("entailment")
    saved.save_pretrained(tmp_path)
    path = tmp_path / TASK_FILE
    about = json.loads(path.read_text())
    for wrong in (
        *({"task": "cooking"}, {"task": ["entailment"]}, {"labels": None}, {"labels": [1, 2, 3]}),
        *({"labels": "ab"}, {"labels": {"a": 1}}, {"n_ctx": "x"}, {"n_ctx": "12"}, {"n_ctx": True}),
        *({"n_ctx": 12.0}, {"n_ctx": None}),
    ):
        path.write_text(json.dumps(about | wrong))
        found = refusal(tmp_path)
        assert f"{TASK_FILE}: not the task of a classifier: expected a {next(iter(wrong))}" in found
    for name in about:
        path.write_text(json.dumps({key: about[key] for key in about if key != name}))
        assert f"expected a {name}, found none" in refusal(tmp_path)
    text = json.dumps(about)
    for content in (text.replace("12", "1e400"), text[:-1] + ', "x": ' + "[" * 99999, "[]", "1"):
        assert content != text
        path.write_text(content)
        assert TASK_FILE in refusal(tmp_path)
    path.write_text(json.dumps(about | {"n_ctx": 17}))
    assert f"{TASK_FILE}: n_ctx: expected 1 to 16, found 17" in refusal(tmp_path)
    path.write_text("{")
    assert TASK_FILE in refusal(tmp_path)
    path.write_text(json.dumps(about | {"labels": ["a", "b"]}))
    assert "'score.weight': expected shape [2, 8], found [3, 8]" in refusal(tmp_path)


@pytest.mark.parametrize("task", ["entailment", "choice"])
def test_what_opens_a_model_says_what_opens_a_classifier(task, tmp_path):
    fine_tuned(task).save_pretrained(tmp_path)
    expected = (
        r"model\.safetensors: tensor 'score\.weight' not part of a GPT-2: the directory holds a "
        r"classifier, to be opened with gptlite\.finetune\.FineTuned\.from_pretrained$"
    )
    for opening in (gptlite.load, GPT.from_pretrained):
        with pytest.raises(CheckpointError, match=expected):
            opening(tmp_path)


def test_a_model_without_a_head_is_refused(tmp_path):
    saved = fine_tuned("entailment")
    saved.save_pretrained(tmp_path)
    write_tensors(tmp_path / WEIGHTS_FILE, saved.classifier.model.parameters)
    assert "missing tensor 'score.weight'" in refusal(tmp_path)


def test_another_vocabulary_is_refused(tmp_path):
    fine_tuned("entailment").save_pretrained(tmp_path)
    Tokenizer.train([], 257).save_pretrained(tmp_path)
    assert "expected 3 tokens more than the vocabulary's 257, found 265" in refusal(tmp_path)


def test_a_file_that_might_never_end_is_not_read(tmp_path):
    fine_tuned("entailment").save_pretrained(tmp_path)
    (tmp_path / TASK_FILE).unlink()
    os.mkfifo(tmp_path / TASK_FILE)
    assert f"{TASK_FILE}: cannot be read" in refusal(tmp_path)
    (tmp_path / TASK_FILE).unlink()
    with open(tmp_path / TASK_FILE, "wb") as file:
        file.truncate(2 << 30)
    assert f"{TASK_FILE}: expected at most 5,000,000 bytes, found 2,147,483,648" in refusal(
        tmp_path
    )
