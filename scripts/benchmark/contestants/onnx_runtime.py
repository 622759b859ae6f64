"""GPT-2 as a graph of ONNX's standard operators, for ONNX Runtime: a peer without PyTorch.

One graph does all: it takes new ids and the keys and values of the positions before, and gives the
logits of the last position and all keys and values. At run time ONNX Runtime fuses what it can.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmark.basics import Setup
from gptlite import GPT, GPTConfig

PACKAGES = ("onnx", "onnxruntime")
OPSET = 20  # the first with Gelu


class Graph:
    """A graph that is being built: its nodes and its constants."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, array: Any, dtype: Any = np.float32) -> str:
        """Add a constant; return its name."""
        from onnx import numpy_helper

        name = f"constant.{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def add(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add an operator with one output; return the output's name."""
        from onnx import helper

        output = output or f"{kind}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output


def write_graph(config: GPTConfig, file: Path) -> None:
    """Write the graph of GPT-2 with the weights of ``GPT.init(config)``."""
    import onnx
    from onnx import TensorProto, helper

    g, p = Graph(), GPT.init(config).parameters
    n_head, head_dim = config.n_head, config.head_dim

    def linear(x: str, name: str) -> str:
        x = g.add("MatMul", x, g.constant(p[f"{name}.weight"]))
        return g.add("Add", x, g.constant(p[f"{name}.bias"]))

    def norm(x: str, name: str) -> str:
        weight, bias = g.constant(p[f"{name}.weight"]), g.constant(p[f"{name}.bias"])
        return g.add(
            "LayerNormalization", x, weight, bias, axis=-1, epsilon=config.layer_norm_epsilon
        )

    def heads(x: str) -> str:  # [batch, seq, n_embd] -> [batch, head, seq, head_dim]
        x = g.add("Reshape", x, g.constant([0, 0, n_head, head_dim], np.int64))
        return g.add("Transpose", x, perm=[0, 2, 1, 3])

    wte, wpe = g.constant(p["wte.weight"]), g.constant(p["wpe.weight"])
    positions, mask = "positions", "mask"  # [seq]; [seq, total], 0 or a large negative number
    x = g.add("Add", g.add("Gather", wte, "ids"), g.add("Gather", wpe, positions))
    three = g.constant([config.n_embd] * 3, np.int64)
    presents = []
    for i in range(config.n_layer):
        h = f"h.{i}"
        qkv = linear(norm(x, f"{h}.ln_1"), f"{h}.attn.c_attn")
        parts = [f"{h}.{part}" for part in "qkv"]
        g.nodes.append(helper.make_node("Split", [qkv, three], parts, axis=-1))
        q, k, v = map(heads, parts)
        k = g.add("Concat", f"past.{i}.k", k, output=f"present.{i}.k", axis=2)
        v = g.add("Concat", f"past.{i}.v", v, output=f"present.{i}.v", axis=2)
        presents += [k, v]
        q = g.add("Mul", q, g.constant(head_dim**-0.5))
        scores = g.add("MatMul", q, g.add("Transpose", k, perm=[0, 1, 3, 2]))
        weights = g.add("Softmax", g.add("Add", scores, mask), axis=-1)
        z = g.add("Transpose", g.add("MatMul", weights, v), perm=[0, 2, 1, 3])
        z = g.add("Reshape", z, g.constant([0, 0, config.n_embd], np.int64))
        x = g.add("Add", x, linear(z, f"{h}.attn.c_proj"))
        hidden = linear(norm(x, f"{h}.ln_2"), f"{h}.mlp.c_fc")
        hidden = g.add("Gelu", hidden, approximate="tanh")
        x = g.add("Add", x, linear(hidden, f"{h}.mlp.c_proj"))
    last = g.add("Gather", x, g.constant(-1, np.int64), axis=1)  # [batch, n_embd]
    g.add("MatMul", norm(last, "ln_f"), g.add("Transpose", wte, perm=[1, 0]), output="logits")

    def value(name: str, kind: int, *shape: Any) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    real, past = TensorProto.FLOAT, ["batch", n_head, "past", head_dim]
    names = [f"past.{i}.{part}" for i in range(config.n_layer) for part in "kv"]
    inputs = [value("ids", TensorProto.INT64, "batch", "seq")]
    inputs += [value(positions, TensorProto.INT64, "seq"), value(mask, real, "seq", "total")]
    inputs += [value(name, real, *past) for name in names]
    outputs = [value("logits", real, "batch", config.n_vocab)]
    outputs += [value(name, real, "batch", n_head, "total", head_dim) for name in presents]
    graph = helper.make_graph(g.nodes, "gpt2", inputs, outputs, g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.save(model, file, save_as_external_data=True, location=file.name + ".data")


class Model:
    """The graph in ONNX Runtime, with keys and values kept between calls."""

    def __init__(self, batch: int, setup: Setup) -> None:
        import onnxruntime

        file = setup.folder / f"{setup.size}.onnx"
        if not file.exists():
            write_graph(setup.config, file)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = setup.threads, 1
        self.session = onnxruntime.InferenceSession(
            file, options, providers=["CPUExecutionProvider"]
        )
        self.runtime, self.config = onnxruntime, setup.config
        self.names = [output.name for output in self.session.get_outputs()]

    def forget(self, batch: int) -> None:
        """Begin a text."""
        config = self.config
        empty = np.zeros((batch, config.n_head, 0, config.head_dim), np.float32)
        value = self.runtime.OrtValue.ortvalue_from_numpy(empty)
        self.past = {f"past.{name.removeprefix('present.')}": value for name in self.names[1:]}
        self.length = 0

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        """Read new ids ``[batch, seq]``; return the last position's logits ``[batch, n_vocab]``."""
        seq = ids.shape[1]
        future = np.triu(np.full((seq, seq), -1e10, np.float32), 1)  # [seq, seq]
        mask = np.pad(future, ((0, 0), (self.length, 0)))  # [seq, total]
        binding = self.session.io_binding()  # keys and values stay where they are
        binding.bind_cpu_input("ids", ids)
        binding.bind_cpu_input("positions", np.arange(self.length, self.length + seq))
        binding.bind_cpu_input("mask", mask)
        for name, value in self.past.items():
            binding.bind_ortvalue_input(name, value)
        for name in self.names:
            binding.bind_output(name)
        self.session.run_with_iobinding(binding)
        logits, *present = binding.get_outputs()
        self.past = dict(zip(self.past, present, strict=True))
        self.length += seq
        array: np.ndarray = logits.numpy()
        return array
