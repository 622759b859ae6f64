"""Checkpoints against the libraries everyone else uses: safetensors and transformers."""

import json
import logging
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptlite.checkpoints import read_checkpoint, write_checkpoint
from gptlite.checkpoints.safetensors import read_contents, write_tensors
from gptlite.checkpoints.stored import read_into
from gptlite.config import GPTConfig, parameter_shapes
from gptlite.errors import CheckpointError
from gptlite.model import GPT

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors")
transformers = pytest.importorskip("transformers")
safetensors_numpy = pytest.importorskip("safetensors.numpy")
safetensors_torch = pytest.importorskip("safetensors.torch")

pytestmark = pytest.mark.peers

TINY = GPTConfig(50, 16, 8, n_head=2, n_layer=2, bos_token_id=49, eos_token_id=49)
IDS = [3, 1, 4, 1, 5, 49, 2, 6, 0, 7]


def tiny() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {n: rng.standard_normal(s, np.float32) for n, s in parameter_shapes(TINY).items()}


def peer_config(**options: Any) -> Any:
    return transformers.GPT2Config(
        vocab_size=50,
        n_positions=16,
        n_embd=8,
        n_head=2,
        n_layer=2,
        bos_token_id=49,
        eos_token_id=49,
        initializer_range=0.4,  # large enough for the logits to differ
        **options,
    )


def peer_logits(model: Any) -> np.ndarray:
    with torch.no_grad():
        return model.eval()(torch.tensor([IDS])).logits.float().numpy()


def same_bits(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> bool:
    return found.keys() == expected.keys() and all(
        found[n].dtype == np.float32 and found[n].tobytes() == expected[n].tobytes() for n in found
    )


def read(path: Path) -> dict[str, np.ndarray]:
    """Every tensor of a safetensors file."""
    found = {}
    for name, stored in read_contents(path).items():
        found[name] = np.empty(stored.shape, np.float32)
        read_into(found[name], name, stored)
    return found


# ---- The safetensors library --------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_written_byte_for_byte_as_the_library_writes(tmp_path: Path, dtype: str) -> None:
    tensors = tiny() | {"": np.float32(3), 'é \n"\\': np.ones((0, 2), np.float32)}
    write_tensors(tmp_path / "ours", tensors, dtype)
    theirs = {name: np.asarray(array, dtype) for name, array in tensors.items()}
    safetensors_numpy.save_file(theirs, tmp_path / "theirs", {"format": "pt"})
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_every_pattern_of_bits_is_read_as_the_library_reads_it(tmp_path: Path, dtype: str) -> None:
    if dtype == "float32":
        bits = np.random.default_rng(0).integers(0, 2**32, 100_000, np.uint32).view(np.int32)
    else:
        bits = np.arange(2**16, dtype=np.uint16).view(np.int16)  # all there are, NaNs among them
    tensor = torch.from_numpy(bits.copy()).view(getattr(torch, dtype))
    safetensors_torch.save_file({"x": tensor, "a": tensor[:3].clone()}, tmp_path / "x")
    found = read(tmp_path / "x")["x"]
    expected = tensor.float().numpy()
    assert np.array_equal(found, expected, equal_nan=True)
    assert np.array_equal(np.signbit(found), np.signbit(expected))


def test_accepts_no_mutation_that_the_library_refuses(tmp_path: Path) -> None:
    tensors = {"a": np.float32([[1, 2, 3]]), "b": np.float32([4])}
    path = tmp_path / "x.safetensors"
    safetensors_numpy.save_file(tensors, path, {"format": "pt"})
    good = path.read_bytes()
    rng = random.Random(1)
    both = 0
    for _ in range(4000):
        data = bytearray(good)
        for _ in range(rng.choice([1, 1, 2])):
            at = rng.randrange(len(data))
            match rng.randrange(4):
                case 0:
                    data[at] ^= 1 << rng.randrange(8)
                case 1:
                    data[at] = rng.choice(b'0123456789{}[]",:-. e')
                case 2:
                    del data[at : at + rng.randrange(1, 5)]
                case 3:
                    data[at:at] = rng.choice([b" ", b"9", b"null", b"-", rng.randbytes(2)])
        path.write_bytes(data)
        try:
            found = read(path)
        except CheckpointError:
            continue
        expected = safetensors_torch.load(bytes(data))  # raises where the library refuses
        assert found.keys() == expected.keys()
        for name, tensor in expected.items():
            assert list(found[name].shape) == list(tensor.shape)
            assert np.array_equal(found[name], tensor.float().numpy(), equal_nan=True)
        both += 1
    assert both > 100


# ---- transformers -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["GPT2LMHeadModel", "GPT2Model"])
def test_what_transformers_saves_is_read_bit_for_bit(tmp_path: Path, kind: str, dtype: str) -> None:
    """With the prefix ``transformer.`` (the language model) and without (the bare stack)."""
    torch.manual_seed(0)
    peer = getattr(transformers, kind)(peer_config()).to(getattr(torch, dtype))
    peer.save_pretrained(tmp_path)
    config, parameters = read_checkpoint(tmp_path)
    assert config == TINY
    stack = peer.transformer if kind == "GPT2LMHeadModel" else peer
    expected = {n: t.detach().float().numpy() for n, t in stack.named_parameters()}
    assert same_bits(parameters, {n: expected[n] for n in parameter_shapes(TINY)})


def test_the_same_logits_from_what_transformers_saves(tmp_path: Path) -> None:
    torch.manual_seed(0)
    peer = transformers.GPT2LMHeadModel(peer_config(reorder_and_upcast_attn=True))
    peer.save_pretrained(tmp_path)
    found, expected = GPT.from_pretrained(tmp_path)([IDS]), peer_logits(peer)
    assert np.abs(expected).max() > 1
    assert np.abs(found - expected).max() < 1e-5


def test_a_state_dict_saved_by_hand_with_masks_and_output_embedding(tmp_path: Path) -> None:
    torch.manual_seed(0)
    peer = transformers.GPT2LMHeadModel(peer_config())
    peer.config.save_pretrained(tmp_path)
    state = {f"module.{name}": tensor.clone() for name, tensor in peer.state_dict().items()}
    assert "module.lm_head.weight" in state
    for i in range(2):
        mask = torch.tril(torch.ones(16, 16, dtype=torch.bool)).view(1, 1, 16, 16)
        state[f"module.transformer.h.{i}.attn.bias"] = mask
        state[f"module.transformer.h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    safetensors_torch.save_file(state, tmp_path / "model.safetensors")
    assert np.abs(GPT.from_pretrained(tmp_path)([IDS]) - peer_logits(peer)).max() < 1e-5


@pytest.mark.parametrize(
    "options",
    [
        {"activation_function": "relu"},
        {"scale_attn_weights": False},
        {"add_cross_attention": True},
    ],
)
def test_a_relative_of_gpt2_is_refused_by_the_name_of_the_option(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    transformers.GPT2LMHeadModel(peer_config(**options)).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=next(iter(options))):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_transformers_opens_what_gptlite_writes_in_silence(
    tmp_path: Path, dtype: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_checkpoint(tmp_path, TINY, tiny(), dtype)
    library = logging.getLogger("transformers")
    library.addHandler(caplog.handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            peer, info = transformers.AutoModelForCausalLM.from_pretrained(
                tmp_path, output_loading_info=True
            )
    finally:
        library.removeHandler(caplog.handler)
    assert [record.getMessage() for record in caplog.records] == []
    assert not any(info.values()), info
    assert type(peer).__name__ == "GPT2LMHeadModel"
    assert peer.dtype == getattr(torch, dtype)
    assert peer.config.eos_token_id == 49
    stored = {n: a.astype(dtype).astype(np.float32) for n, a in tiny().items()}
    opened = {n: t.detach().float().numpy() for n, t in peer.transformer.named_parameters()}
    assert same_bits({n: opened[n] for n in stored}, stored)
    found, expected = GPT.from_pretrained(tmp_path)([IDS]), peer_logits(peer.float())
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_the_other_name_of_gpt2_s_activation(tmp_path: Path) -> None:
    peer = transformers.GPT2LMHeadModel(peer_config(activation_function="gelu_pytorch_tanh"))
    peer.save_pretrained(tmp_path)
    found, expected = GPT.from_pretrained(tmp_path)([IDS]), peer_logits(peer)
    assert np.abs(found - expected).max() < 1e-5 * np.ptp(expected)


def test_there_and_back_again(tmp_path: Path) -> None:
    """gptlite writes, transformers opens and saves, gptlite reads: the same bits and sizes."""
    write_checkpoint(tmp_path / "ours", TINY, tiny())
    peer = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours")
    peer.save_pretrained(tmp_path / "theirs")
    config, parameters = read_checkpoint(tmp_path / "theirs")
    assert config == TINY and same_bits(parameters, tiny())


def test_every_key_of_our_configuration_is_one_transformers_keeps(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, TINY, tiny())
    ours = json.loads((tmp_path / "config.json").read_text())
    theirs = transformers.AutoConfig.from_pretrained(tmp_path).to_dict()
    assert {key: theirs.get(key) for key in ours} == ours
