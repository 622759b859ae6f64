"""Fine-tuning against PyTorch: L3 with every gradient, and steps of learning."""

from typing import Any

import numpy as np
import pytest

from gptlite import GPT, GPTConfig, Tokenizer
from gptlite.finetune import FineTuned
from gptlite.finetune.classifier import HEAD, Classifier
from gptlite.finetune.classifier_gradients import accumulate_classifier_gradients
from gptlite.finetune.epochs import FineTuning
from gptlite.finetune.examples import pack
from gptlite.finetune.learners import (
    Labelled,
    TextRow,
    fine_tune,
    fine_tune_language_model,
)
from gptlite.finetune.packing import NewTokens, pack_entailment
from gptlite.training.dropout import DropoutTrace
from gptlite.training.gradients import IGNORED, loss_and_gradients
from gptlite.training.optimizer import BETA_1, BETA_2, EPSILON
from gptlite.training.tape import Gradients
from models import random_classifier

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.peers

# Relative, of each tensor of gradients: |found - expected| / |expected|.
TOLERANCE = 1e-4
TOKENIZER = Tokenizer.train(["the cat and the dog"], 262)
CONFIG = GPTConfig(TOKENIZER.n_vocab, n_ctx=20, n_embd=48, n_head=3, n_layer=3)
NEW = NewTokens.after(TOKENIZER.n_vocab)
N_ROWS = {"classification": 1, "entailment": 1, "similarity": 2, "choice": 4}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def noisy(task: str = "classification", seed: int = 0) -> Classifier:
    return random_classifier(CONFIG, choosing=task == "choice", seed=seed, noise=0.1)


def examples_of(task: str, n: int = 5, seed: int = 0) -> tuple[list[list[list[int]]], np.ndarray]:
    """Rows of different lengths that begin and end with new tokens, and labels.

    An entailment's are as ``pack_entailment`` makes them, with the delimiter in them.
    """
    rng = np.random.default_rng(seed)

    def words() -> str:
        return " ".join(rng.choice(["the", "cat", "and", "dog"], rng.integers(1, 6)))

    def row() -> list[int]:
        ids = rng.integers(0, TOKENIZER.n_vocab, rng.integers(1, 18)).tolist()
        return [NEW.start, *ids, NEW.extract]

    examples = [
        pack_entailment(TOKENIZER, words(), words(), CONFIG.n_ctx)
        if task == "entailment"
        else [row() for _ in range(N_ROWS[task])]
        for _ in range(n)
    ]
    return examples, rng.integers(0, 4 if task == "choice" else 3, n)


class Peer(torch.nn.Module):
    """The same out of PyTorch's parts: padded to the longest row, with the mask of the padding."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        sizes = classifier.model.config
        self.gpt = transformers.GPT2LMHeadModel(
            transformers.GPT2Config(
                vocab_size=sizes.n_vocab,
                n_positions=sizes.n_ctx,
                n_embd=sizes.n_embd,
                n_head=sizes.n_head,
                n_layer=sizes.n_layer,
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
                bos_token_id=0,
                eos_token_id=0,
                attn_implementation="eager",
            )
        ).train()
        weights = self.gpt.transformer.state_dict()
        for name, array in classifier.model.parameters.items():
            weights[name].copy_(torch.from_numpy(array))
        self.head = torch.nn.Parameter(torch.from_numpy(classifier.head.copy()))  # W_y
        self.choosing = classifier.choosing

    def losses(self, examples: list[list[list[int]]], labels: np.ndarray) -> tuple[Any, Any]:
        """L2 and L1."""
        rows = [torch.tensor(row) for example in examples for row in example]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=7)
        lengths = torch.tensor([len(row) for row in rows])
        real = torch.arange(ids.shape[1]) < lengths[:, None]  # [rows, seq]
        top = self.gpt.transformer(ids, attention_mask=real.long()).last_hidden_state
        read = top[torch.arange(len(rows)), lengths - 1].unflatten(0, (len(examples), -1))
        logits = (read @ self.head).squeeze(-1) if self.choosing else read.sum(1) @ self.head
        l2 = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels))
        targets = ids.masked_fill(~real, IGNORED)[:, 1:]
        l1 = torch.nn.functional.cross_entropy(
            self.gpt.lm_head(top)[:, :-1].flatten(0, 1), targets.flatten(), ignore_index=IGNORED
        )
        return l2, l1

    def named(self) -> dict[str, Any]:
        """The parameters under gptlite's names."""
        return {**dict(self.gpt.transformer.named_parameters()), HEAD: self.head}


def assert_gradients_of(peer: Peer, gradients: dict[str, np.ndarray]) -> None:
    expected = {name: parameter.grad.numpy() for name, parameter in peer.named().items()}
    assert gradients.keys() == expected.keys()
    # Where a gradient cancels out (as ln_f.bias's in a choice with lambda 0) there are only
    # rounding errors, which are measured by the whole.
    whole = np.sqrt(sum(float(np.vdot(array, array)) for array in expected.values()))
    errors = {
        name: float(np.linalg.norm(gradient - expected[name]))
        / max(float(np.linalg.norm(expected[name])), 1e-3 * whole)
        for name, gradient in gradients.items()
    }
    print(f"worst relative error {max(errors.values()):.1e}")
    assert max(errors.values()) <= TOLERANCE, max(errors, key=errors.__getitem__)
    of_tokens = gradients["wte.weight"], expected["wte.weight"]  # [n_vocab, n_embd] each
    for token in NEW:  # each by itself: among all the others a single one would not show
        found, wanted = (array[token] for array in of_tokens)  # [n_embd]
        assert np.linalg.norm(found - wanted) <= TOLERANCE * np.linalg.norm(wanted), token


def gradients_of(
    classifier: Classifier, examples: Any, labels: np.ndarray, lm_weight: float, trace: Any = None
) -> tuple[float, float, dict[str, np.ndarray]]:
    gradients = Gradients()
    n_predictions = sum(len(row) - 1 for example in examples for row in example)
    l2, l1 = accumulate_classifier_gradients(
        classifier, examples, labels, len(examples), n_predictions, lm_weight, gradients, trace
    )
    return l2, l1, gradients


@pytest.mark.parametrize("task", N_ROWS)
@pytest.mark.parametrize("lm_weight", [0.0, 0.5, 2.0])
def test_the_loss_and_every_gradient(task, lm_weight):
    classifier, (examples, labels) = noisy(task), examples_of(task)
    peer = Peer(classifier)
    expected_l2, expected_l1 = peer.losses(examples, labels)
    (expected_l2 + lm_weight * expected_l1).backward()
    l2, l1, gradients = gradients_of(classifier, examples, labels, lm_weight)
    assert l2 == pytest.approx(expected_l2.item(), rel=1e-5)
    assert l1 == pytest.approx(expected_l1.item() if lm_weight else 0.0, rel=1e-5)
    assert_gradients_of(peer, gradients)


@pytest.mark.parametrize("task", N_ROWS)
def test_dropout(task, monkeypatch):
    """PyTorch is given the masks that gptlite drew, the head's among them."""
    classifier, (examples, labels) = noisy(task), examples_of(task)
    masks: list[np.ndarray] = []
    draw = DropoutTrace.mask

    def noted(self: DropoutTrace, shape: tuple[int, ...]) -> np.ndarray:
        masks.append(draw(self, shape))
        return masks[-1]

    monkeypatch.setattr(DropoutTrace, "mask", noted)
    trace = DropoutTrace(0.2, np.random.default_rng(1))
    l2, l1, gradients = gradients_of(classifier, examples, labels, 0.5, trace)

    of_head = torch.from_numpy(masks.pop())  # [batch, 1, n_embd]
    rest = iter(masks)
    monkeypatch.setattr(
        torch.nn.functional, "dropout", lambda x, *_, **__: x * torch.from_numpy(next(rest))
    )
    peer = Peer(classifier)
    # The head is linear: thinning what it reads is thinning it, example by example.
    whole = peer.head
    unflatten = torch.Tensor.unflatten
    monkeypatch.setattr(torch.Tensor, "unflatten", lambda x, *a: unflatten(x, *a) * of_head)
    expected_l2, expected_l1 = peer.losses(examples, labels)
    (expected_l2 + 0.5 * expected_l1).backward()
    assert whole.grad is not None
    assert next(rest, None) is None, "a place where only gptlite drops out"
    assert (l2, l1) == pytest.approx((expected_l2.item(), expected_l1.item()), rel=1e-5)
    assert_gradients_of(peer, gradients)


def optimizer_of(peer: Peer) -> Any:
    parameters = list(peer.named().values())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(BETA_1, BETA_2), eps=EPSILON)


# By hand: up to the peak with the second of five steps, then down to a quarter of it.
RATES = (0.5, 1.0, 0.75, 0.5, 0.25)


@pytest.mark.parametrize("task", N_ROWS)
@pytest.mark.parametrize("threads", [1, 3])
def test_five_steps(task, threads):
    """Fine-tuning with lambda 0.5 in five epochs of one batch each, whose order does not matter."""
    classifier, (examples, labels) = noisy(task), examples_of(task, 7)
    before = classifier.head.copy()
    peer = Peer(classifier)
    recipe = FineTuning(5, 7, 1e-2, 0.4, dropout=0.0, threads=threads)
    epochs = fine_tune(classifier, Labelled(examples, labels), None, recipe)

    optimizer, expected = optimizer_of(peer), []
    for rate in RATES:
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * rate
        optimizer.zero_grad()
        l2, l1 = peer.losses(examples, labels)
        (l2 + 0.5 * l1).backward()
        torch.nn.utils.clip_grad_norm_(list(peer.named().values()), 1.0)
        optimizer.step()
        expected.append(float((l2 + 0.5 * l1).detach()))
    losses = [epoch.loss for epoch in epochs]
    print(f"worst difference of losses {np.abs(np.subtract(losses, expected)).max():.1e}")
    assert losses == pytest.approx(expected, abs=1e-4)
    assert losses[0] - losses[-1] > 0.1
    for name, parameter in peer.named().items():
        found, wanted = classifier.parameters[name], parameter.detach().numpy()
        if name.endswith("c_attn.bias"):
            # The keys' bias adds the same to all scores of a query: its derivative is 0, and AdamW
            # makes steps of the rounding error.
            found, wanted = np.delete(found, range(48, 96)), np.delete(wanted, range(48, 96))
        assert np.linalg.norm(found - wanted) <= 1e-3 * np.linalg.norm(wanted), name
    assert not np.allclose(classifier.head, before, atol=1e-2)


def test_a_frozen_body(monkeypatch):
    """Only W_y learns, of features that are computed once."""
    classifier, (examples, labels) = noisy(), examples_of("classification", 7)
    peer = Peer(classifier)
    body = {name: array.copy() for name, array in classifier.model.parameters.items()}
    calls = []
    top_of_stack = GPT.top_of_stack
    monkeypatch.setattr(
        GPT, "top_of_stack", lambda self, *a, **k: calls.append(1) or top_of_stack(self, *a, **k)
    )
    recipe = FineTuning(5, 7, 1e-2, 0.4, dropout=0.0, frozen=True)
    epochs = fine_tune(classifier, Labelled(examples, labels), None, recipe)
    assert len(calls) == 1
    assert all(np.array_equal(classifier.model.parameters[name], body[name]) for name in body)

    optimizer, expected = optimizer_of(peer), []
    for rate in RATES:
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * rate
        optimizer.zero_grad()
        l2, _ = peer.losses(examples, labels)
        l2.backward()
        torch.nn.utils.clip_grad_norm_([peer.head], 1.0)
        for parameter in peer.gpt.parameters():
            parameter.grad = None
        optimizer.step()
        expected.append(float(l2.detach()))
    assert [epoch.loss for epoch in epochs] == pytest.approx(expected, abs=1e-5)
    np.testing.assert_allclose(classifier.head, peer.head.detach().numpy(), atol=1e-5)


def texts_and_peer_loss(peer: Peer) -> tuple[list[TextRow], Any]:
    rng = np.random.default_rng(3)
    texts = [
        TextRow(rng.integers(0, CONFIG.n_vocab + len(NEW), n).tolist(), given)
        for n, given in [(9, 1), (20, 6), (5, 4), (14, 9)]
    ]

    def loss() -> Any:
        total, n = 0.0, 0
        for ids, n_given in texts:
            logits = peer.gpt(torch.tensor([ids[:-1]])).logits[0, n_given - 1 :]
            wanted = torch.tensor(ids[n_given:])
            total = total + torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")
            n += len(wanted)
        return total / n

    return texts, loss


def test_masked_prompts():
    """Each text by itself in PyTorch, without padding; all in one batch here."""
    model = noisy().model
    peer = Peer(noisy())
    texts, peer_loss = texts_and_peer_loss(peer)
    expected = peer_loss()
    expected.backward()
    ids = np.zeros((4, 19), np.int64)
    targets = np.full((4, 19), IGNORED)
    for i, (row, given) in enumerate(texts):
        ids[i, : len(row) - 1] = row[:-1]
        targets[i, given - 1 : len(row) - 1] = row[given:]
    loss, gradients = loss_and_gradients(model, ids, targets)
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    for name, parameter in peer.gpt.transformer.named_parameters():
        wanted = parameter.grad.numpy()
        assert np.linalg.norm(gradients[name] - wanted) <= TOLERANCE * np.linalg.norm(wanted), name


def test_five_steps_as_a_language_model():
    model = noisy().model
    peer = Peer(noisy())
    texts, peer_loss = texts_and_peer_loss(peer)
    recipe = FineTuning(5, 4, 1e-2, 0.4, dropout=0.0, threads=2)
    epochs = fine_tune_language_model(model, texts, texts, recipe)
    optimizer, expected = optimizer_of(peer), []
    for rate in RATES:
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * rate
        optimizer.zero_grad()
        loss = peer_loss()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(peer.gpt.parameters(), 1.0)
        optimizer.step()
        expected.append(loss.item())
    expected.append(peer_loss().item())
    assert [epoch.loss for epoch in epochs] == pytest.approx(expected[:-1], abs=1e-4)
    # What an epoch's validation measures is what the next one's only batch begins with.
    seen = [epoch.validation.loss for epoch in epochs if epoch.validation]
    assert seen == pytest.approx(expected[1:], abs=1e-4)


@pytest.mark.parametrize("task", ["classification", "entailment"])
def test_transformers_opens_a_classifier(task, tmp_path):
    """As a GPT2ForSequenceClassification, which reads the last token that is no padding."""
    tokenizer = Tokenizer.train(["the cat and the dog"], 262)
    config = GPTConfig(n_vocab=262, n_ctx=16, n_embd=8, n_head=2, n_layer=2)
    classifier = Classifier.build(GPT.init(config), 3)
    fine_tuned = FineTuned(classifier, tokenizer, task, ["x", "y", "z"], 12)
    fine_tuned.save_pretrained(tmp_path)
    peer, report = transformers.GPT2ForSequenceClassification.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not any(report.values()), report
    assert peer.config.id2label == {0: "x", 1: "y", 2: "z"}
    texts = [["the cat", "a dog"], ["the dog and the cat and all of it", "no"]]
    texts = texts if task == "entailment" else [[text] for pair in texts for text in pair]
    rows = [torch.tensor(pack(tokenizer, task, each, 12)[0]) for each in texts]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=tokenizer.eot)
    with torch.no_grad():
        expected = peer.eval()(ids).logits.softmax(-1).numpy()
    np.testing.assert_allclose(fine_tuned.probabilities(texts), expected, rtol=1e-4, atol=1e-6)
