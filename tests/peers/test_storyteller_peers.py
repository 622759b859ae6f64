"""The model that ships opens in Hugging Face transformers as it stands."""

import numpy as np
import pytest

import gptlite
from gptlite.download.locate import locate

pytestmark = pytest.mark.peers

TEXT = 'Once upon a time there was a King\'s daughter -- "so they say," said the Fox.\n\nÇa va?'


def test_the_same_tokens_and_the_same_logits():
    import torch
    from transformers import AutoModelForCausalLM, GPT2Tokenizer

    torch.set_num_threads(1)
    model, tokenizer = gptlite.load()
    their_tokenizer = GPT2Tokenizer.from_pretrained(locate())
    ids = tokenizer.encode(TEXT)
    assert their_tokenizer(TEXT)["input_ids"] == ids
    assert their_tokenizer.decode(ids) == TEXT
    assert their_tokenizer.eos_token_id == tokenizer.eot

    their_model = AutoModelForCausalLM.from_pretrained(locate(), dtype=torch.float32).eval()
    with torch.no_grad():
        expected = their_model(torch.tensor([ids])).logits.numpy()
    logits = model(ids)
    assert np.abs(logits - expected).max() <= 2e-5 * (expected.max() - expected.min())
