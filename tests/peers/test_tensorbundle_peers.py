"""TensorFlow's checkpoints against TensorFlow: each reads what the other wrote, bit for bit."""

import os
import random
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundles import packed, read, same_bits, table_of
from gptlite import GPT, GPTConfig
from gptlite.checkpoints import read_checkpoint
from gptlite.checkpoints.stored import Checksum
from gptlite.checkpoints.tensorflow.crc32c import crc32c
from gptlite.checkpoints.tensorflow.sstable import encode_block, read_table
from gptlite.checkpoints.tensorflow.tensorbundle import read_contents, write_bundle
from gptlite.errors import CheckpointError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "scripts/fixtures"))

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TensorFlow's own, while it is imported
    tf = pytest.importorskip("tensorflow")
v1 = tf.compat.v1

pytestmark = pytest.mark.peers

CONFIG = GPTConfig(n_vocab=50, n_ctx=16, n_embd=8, n_head=2, n_layer=12)  # h10 comes before h2


def openai_variables() -> dict[str, np.ndarray]:
    """As OpenAI's code names and shapes them, written down once more."""
    rng = np.random.default_rng(0)
    d = CONFIG.n_embd
    shapes = {"wte": (CONFIG.n_vocab, d), "wpe": (CONFIG.n_ctx, d), "ln_f/g": (d,), "ln_f/b": (d,)}
    for i in range(CONFIG.n_layer):
        shapes |= {f"h{i}/{ln}/{leaf}": (d,) for ln in ("ln_1", "ln_2") for leaf in "gb"}
        shapes |= {f"h{i}/attn/c_attn/w": (1, d, 3 * d), f"h{i}/attn/c_attn/b": (3 * d,)}
        shapes |= {f"h{i}/attn/c_proj/w": (1, d, d), f"h{i}/attn/c_proj/b": (d,)}
        shapes |= {f"h{i}/mlp/c_fc/w": (1, d, 4 * d), f"h{i}/mlp/c_fc/b": (4 * d,)}
        shapes |= {f"h{i}/mlp/c_proj/w": (1, 4 * d, d), f"h{i}/mlp/c_proj/b": (d,)}
    return {f"model/{name}": rng.standard_normal(s, np.float32) for name, s in shapes.items()}


def save(prefix: Path, arrays: dict[str, Any], n_devices: int = 1, **options: Any) -> None:
    """Save through the Saver, with variables spread over ``n_devices`` devices."""
    config = v1.ConfigProto(device_count={"CPU": n_devices})
    with tf.Graph().as_default(), v1.Session(config=config) as session:
        variables = []
        for n, (name, array) in enumerate(arrays.items()):
            with tf.device(f"/cpu:{n % n_devices}"):
                variables.append(v1.Variable(tf.constant(array), name=name, use_resource=False))
        session.run(v1.global_variables_initializer())
        v1.train.Saver(variables, **options).save(session, str(prefix))


def save_at_once(prefix: Path, arrays: dict[str, np.ndarray]) -> None:
    """Through the operation that the Saver uses: one shard, no graph, no order of its own."""
    arrays = dict(sorted(arrays.items()))
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(arrays),
        shape_and_slices=[""] * len(arrays),
        tensors=[tf.constant(array) for array in arrays.values()],
    )


def read_by_tensorflow(prefix: Path) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(str(prefix))
    return {n: np.asarray(reader.get_tensor(n)) for n in reader.get_variable_to_shape_map()}


def same_files(a: Path, b: Path) -> bool:
    return all(
        a.with_name(a.name + end).read_bytes() == b.with_name(b.name + end).read_bytes()
        for end in (".index", ".data-00000-of-00001")
    )


# ---- TensorFlow writes --------------------------------------------------------------------------


def test_the_fixture_is_what_tensorflow_writes(tmp_path: Path) -> None:
    from write_tensorflow import FOLDER, write_tensorflow

    write_tensorflow(tmp_path)
    assert sorted(f.name for f in tmp_path.iterdir()) == sorted(f.name for f in FOLDER.iterdir())
    for file in FOLDER.iterdir():
        if file.suffix != ".npz":
            assert (tmp_path / file.name).read_bytes() == file.read_bytes()
    with np.load(tmp_path / "expected.npz") as new, np.load(FOLDER / "expected.npz") as old:
        assert same_bits(dict(new), dict(old))


def test_openai_s_variables(tmp_path: Path) -> None:
    arrays = openai_variables()
    save(tmp_path / "theirs", arrays)
    assert same_bits(read(tmp_path / "theirs"), dict(sorted(arrays.items())))
    write_bundle(tmp_path / "ours", arrays)
    assert same_files(tmp_path / "ours", tmp_path / "theirs")


@pytest.mark.parametrize("n_devices", [1, 3])
def test_shards(tmp_path: Path, n_devices: int) -> None:
    arrays = openai_variables()
    save(tmp_path / "x", arrays, n_devices, sharded=True)
    assert len(list(tmp_path.glob("x.data-*-of-0000?"))) == n_devices
    assert len(list(tmp_path.glob(f"x.data-*-of-0000{n_devices}"))) == n_devices
    assert same_bits(read(tmp_path / "x"), arrays)


def test_partitioned_variables_are_refused_by_name(tmp_path: Path) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable(
            "model/wte", (6, 4), partitioner=v1.fixed_size_partitioner(3), use_resource=False
        )
        v1.get_variable("model/wpe", (6, 4), use_resource=False)
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(tmp_path / "x"))
    with pytest.raises(CheckpointError, match="partitioned variable 'model/wte'"):
        read_contents(tmp_path / "x")


def test_other_kinds_of_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    halves = rng.standard_normal((3, 5), np.float32).astype(np.float16)
    brain = tf.constant(rng.standard_normal((4, 2), np.float32), tf.bfloat16)
    kinds = {
        "F64": np.float64(1.5),
        "I32": np.int32([1, -2]),
        "I64": np.int64([[1], [-2]]),
        "I16": np.int16([3]),
        "I8": np.int8([3]),
        "U8": np.uint8([3, 4]),
        "U16": np.uint16([3, 4]),
        "U32": np.uint32([3, 4]),
        "U64": np.uint64([3, 4]),
        "BOOL": np.array([True, False, True]),
        "C64": np.complex64([1j]),
        "STRING": np.array([b"some", b"bytes"]),
        "F32": np.zeros((2, 0, 3), np.float32),
    }
    save_at_once(tmp_path / "x", kinds | {"F16": halves, "BF16": brain, "DT_18": np.complex128(1j)})
    contents = read_contents(tmp_path / "x")
    assert {name: stored.dtype for name, stored in contents.items()} == {n: n for n in contents}
    assert len(contents) == len(kinds) + 3
    shapes = {name: np.shape(array) for name, array in kinds.items()}
    assert all(contents[name].shape == shape for name, shape in shapes.items())
    data = (tmp_path / "x.data-00000-of-00001").read_bytes()
    for name, array in kinds.items():
        if name != "STRING":
            stored, raw = contents[name], array.tobytes()
            assert data[stored.begin : stored.begin + len(raw)] == raw
            assert stored.checksum == Checksum("crc32c", crc32c(raw), len(raw))
    found = read(tmp_path / "x")
    assert set(found) == {"F32", "F16", "BF16"}
    assert found["F16"].tobytes() == halves.astype(np.float32).tobytes()
    assert found["BF16"].tobytes() == tf.cast(brain, tf.float32).numpy().tobytes()


def test_a_checkpoint_of_objects(tmp_path: Path) -> None:
    """TensorFlow 2's own way, with a string that holds the graph of objects."""
    array = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    path = tf.train.Checkpoint(wte=tf.Variable(array)).write(str(tmp_path / "x"))
    contents = read_contents(Path(path))
    assert contents["_CHECKPOINTABLE_OBJECT_GRAPH"].dtype == "STRING"
    assert same_bits(read(Path(path)), {"wte/.ATTRIBUTES/VARIABLE_VALUE": array})


def test_a_v1_checkpoint_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "x", {"a": np.float32([1])}, write_version=v1.train.SaverDef.V1)
    with pytest.raises(CheckpointError, match="V1 checkpoints are not supported"):
        read_contents(tmp_path / "x")


# ---- gptlite writes -----------------------------------------------------------------------------


def test_what_is_written_is_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = openai_variables() | {
        "scalar": np.array(3, np.float32),
        "empty": np.zeros((0, 4), np.float32),
        "transposed": rng.standard_normal((3, 5), np.float32).T,
        "strided": rng.standard_normal((6, 6), np.float32)[::2, ::3],
        "special": np.float32([np.inf, -np.inf, np.nan, -0.0, 1e-45]),
    }
    write_bundle(tmp_path / "ours", arrays)
    assert same_bits(read_by_tensorflow(tmp_path / "ours"), arrays)
    save_at_once(tmp_path / "theirs", arrays)
    assert same_files(tmp_path / "ours", tmp_path / "theirs")


def test_an_index_of_several_blocks(tmp_path: Path) -> None:
    """More than 256 KiB of names, which share much or nothing."""
    rng = random.Random(0)
    arrays = {}
    for n in range(4500):
        name = f"{rng.choice('abcd')}{rng.randrange(10**6)}/" + "long/" * rng.randrange(25) + str(n)
        arrays[name] = np.float32([n])
    write_bundle(tmp_path / "ours", arrays)
    save_at_once(tmp_path / "theirs", arrays)
    assert (tmp_path / "ours.index").stat().st_size > 300_000
    assert same_files(tmp_path / "ours", tmp_path / "theirs")
    assert same_bits(read(tmp_path / "theirs"), arrays)
    assert same_bits(read_by_tensorflow(tmp_path / "ours"), arrays)


def test_a_compressed_index(tmp_path: Path) -> None:
    """TensorFlow agrees on what is in it, so that snappy is read right here, too."""
    arrays = openai_variables()
    write_bundle(tmp_path / "x", arrays)
    index = tmp_path / "x.index"
    block = packed(encode_block(read_table(index.read_bytes()), interval=16)[0])
    index.write_bytes(table_of(block, compression=1))
    assert same_bits(read_by_tensorflow(tmp_path / "x"), arrays)
    assert same_bits(read(tmp_path / "x"), arrays)


def test_a_model_as_openai_has_it(tmp_path: Path) -> None:
    """A model is saved, loaded by TensorFlow, saved by TensorFlow, and loaded again."""
    model = GPT.init(CONFIG, seed=1)
    model.save_pretrained(tmp_path, format="openai")
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "model.ckpt")
    variables = read_by_tensorflow(tmp_path / "model.ckpt")
    expected = openai_variables()
    assert {n: a.shape for n, a in variables.items()} == {n: a.shape for n, a in expected.items()}
    (tmp_path / "again").mkdir()
    save(tmp_path / "again" / "model.ckpt", variables)
    shutil.copy(tmp_path / "hparams.json", tmp_path / "again")
    config, parameters = read_checkpoint(tmp_path / "again")
    assert config == CONFIG and same_bits(parameters, dict(model.parameters))
