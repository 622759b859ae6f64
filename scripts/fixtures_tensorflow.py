"""Write the checkpoint in tests/fixtures/tensorflow: ``python scripts/fixtures_tensorflow.py``.

Needs tensorflow-cpu. Run once; the files are committed, so that the tests need no TensorFlow. It is
a tiny GPT-2 as OpenAI's code names it, with variables of an optimizer, as a fine-tune leaves them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from fixtures_shapes import SIZES, openai_parameters

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "tensorflow"


def write_tensorflow(folder: Path) -> None:
    """Write ``model.ckpt.*`` and ``checkpoint`` through TensorFlow's Saver, as OpenAI's code did.

    Beside them ``hparams.json``, and ``expected.npz`` with every variable's array under its name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays = dict(openai_parameters())
    rng = np.random.default_rng(1)
    for name in ("model/ln_f/g", "model/h0/attn/c_attn/w"):
        for slot in ("Adam", "Adam_1"):
            arrays[f"{name}/{slot}"] = rng.standard_normal(arrays[name].shape, np.float32)
    arrays |= {"beta1_power": np.array(0.9, np.float32), "beta2_power": np.array(1, np.float32)}
    arrays["global_step"] = np.array(1000, np.int64)
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        variables = [
            v1.get_variable(name, initializer=tf.constant(array), use_resource=False)
            for name, array in arrays.items()
        ]
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(variables, save_relative_paths=True)
        saver.save(session, str(folder / "model.ckpt"), write_meta_graph=False)
    (folder / "hparams.json").write_text(json.dumps(SIZES, indent=2) + "\n")
    np.savez_compressed(folder / "expected.npz", **arrays)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.partition(":")[0]).parse_args()
    write_tensorflow(FOLDER)
