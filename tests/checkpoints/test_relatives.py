"""Models that differ from GPT-2 in a detail, as their own programs saved them once trained."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gptlite import GPT, GPTConfig
from gptlite.checkpoints import fitted, read_checkpoint
from gptlite.checkpoints.mingpt import N_HEAD
from gptlite.errors import CheckpointError
from tiny_checkpoints import FIXTURES, refusal

RELATIVES = FIXTURES / "relatives"

CONFIGS = {
    "mingpt": GPTConfig(30, 12, 16, 2, 2, tie_word_embeddings=False),
    "makemore": GPTConfig(27, 16, 16, 4, 2, tie_word_embeddings=False),
    "gpt1": GPTConfig(40, 12, 16, 2, 2, post_norm=True),
    "nanogpt": GPTConfig(40, 12, 16, 2, 2, activation_function="gelu"),
    "transformers": GPTConfig(
        43,
        12,
        16,
        2,
        2,
        n_inner=24,
        activation_function="gelu",
        scale_attn_by_inverse_layer_idx=True,
        tie_word_embeddings=False,
        n_padding=21,
    ),
}


def opened(name: str) -> GPT:
    """Open a fixture; of transformers' a tokenizer would say that it has 43 tokens."""
    config, parameters = read_checkpoint(RELATIVES / name, n_head=4 if name == "makemore" else None)
    if name == "transformers":
        config = fitted(config, 43, 2, name)
    return GPT(config, parameters)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_logits_are_those_of_the_program_that_made_it(name: str, tmp_path: Path) -> None:
    model = opened(name)
    assert model.config == CONFIGS[name]
    with np.load(RELATIVES / name / "expected.npz") as expected:
        ids, logits = expected["ids"], expected["logits"]
    spread = np.ptp(logits)
    assert np.abs(model(ids) - logits).max() < 5e-6 * spread
    n_params = sum(array.size for array in model.parameters.values())
    assert model.config.n_params == n_params
    model.save_pretrained(tmp_path)
    again = GPT(
        fitted(read_checkpoint(tmp_path)[0], model.config.n_vocab, 2, name), model.parameters
    )
    assert again.config == model.config
    np.testing.assert_array_equal(again(ids), model(ids))


def test_the_head_is_not_the_embedding() -> None:
    """A fixture whose head was a copy would not tell one from the other."""
    for name, config in CONFIGS.items():
        if config.tie_word_embeddings:
            continue
        model = opened(name)
        assert list(model.parameters)[-1] == "lm_head.weight"
        assert np.abs(model.lm_head - model.wte).max() > 0.1
        with np.load(RELATIVES / name / "expected.npz") as expected:
            tied = GPT(
                GPTConfig(**{**vars(config), "tie_word_embeddings": True}),
                {n: a for n, a in model.parameters.items() if n != "lm_head.weight"},
            )
            logits = expected["logits"]
            assert np.abs(tied(expected["ids"]) - logits).max() > 0.1 * np.ptp(logits)


# ---- minGPT's config.json -----------------------------------------------------------------------


@pytest.fixture
def mingpt(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RELATIVES / "mingpt", tmp_path / "mingpt"))


def change_model(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["model"] |= changes
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(("model_type", "n_head"), N_HEAD.items())
def test_a_name_of_mingpt_s_gives_the_number_of_heads(
    mingpt: Path, model_type: str, n_head: int
) -> None:
    change_model(mingpt, model_type=model_type, n_head=None)
    if 16 % n_head:
        assert f"n_embd 16 is not a multiple of n_head {n_head}" in refusal(mingpt)
    else:
        assert read_checkpoint(mingpt)[0].n_head == n_head


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt-huge", "n_head": None}, "(openai-gpt, gpt2, gpt2-medium, "),
        ({"model_type": None, "n_head": None}, "or a model_type of minGPT's"),
        ({"model_type": ["gpt2"], "n_head": None}, "found ['gpt2']"),
        ({"n_head": "2"}, "config.json: model: n_head: expected a positive integer, found '2'"),
        ({"n_head": 3}, "n_embd 16 is not a multiple of n_head 3"),
    ],
)
def test_a_configuration_of_mingpt_s_that_is_wrong(
    mingpt: Path, changes: dict[str, object], message: str
) -> None:
    change_model(mingpt, **changes)
    text = refusal(mingpt)
    assert text.startswith(str(mingpt)) and message in text


def test_the_heads_that_mingpt_states_are_not_changed(mingpt: Path) -> None:
    with pytest.raises(CheckpointError, match="n_head is 2, as its files say, not 4"):
        read_checkpoint(mingpt, n_head=4)
