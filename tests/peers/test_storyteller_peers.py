"""The storyteller in transformers, as it stands: the same logits, the same story, the same end."""

import numpy as np
import pytest

import gptlite
from gptlite.download.locate import locate
from gptlite.generate import generate_tokens
from gptlite.sampling import Sampler

pytestmark = pytest.mark.peers
BEGINNING = "Once upon a time, there was a little girl named Lily. She had a red ball."


def test_it_tells_the_same_story_there_and_stops_at_its_end():
    import torch
    import transformers

    model, tokenizer = gptlite.load()
    peer = transformers.GPT2LMHeadModel.from_pretrained(locate(), dtype=torch.float32).eval()
    ids = [tokenizer.eot, *tokenizer.encode(BEGINNING)]
    their_tokenizer = transformers.AutoTokenizer.from_pretrained(locate())
    assert their_tokenizer(BEGINNING)["input_ids"] == ids[1:]
    with torch.inference_mode():
        logits = peer(torch.tensor([ids])).logits.numpy()  # [1, seq, n_vocab]
        told = peer.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=400)[0].tolist()
    np.testing.assert_allclose(model(ids), logits, atol=1e-4)
    steps = generate_tokens(model, [ids], Sampler(temperature=0), 400)
    ours = [int(step.ids[0]) for step in steps]
    assert told[len(ids) :] == ours[: ours.index(tokenizer.eot) + 1]
