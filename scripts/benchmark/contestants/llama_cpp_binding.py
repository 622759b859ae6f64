"""GPT-2 in llama.cpp, float32, by its Python binding: a peer in C++ with a graph of its own.

The binding has no wheel on PyPI; pip builds it, which takes a C++ compiler and ten minutes:
``pip install llama-cpp-python==0.3.36 gguf==0.19.0``.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from benchmark.basics import Setup
from gptlite import GPT, GPTConfig

PACKAGES = ("llama_cpp", "gguf")
MOST = 1024  # tokens in one call

# Names in Hugging Face's files, and in llama.cpp's; the matrices are transposed there.
NAMES = {"wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm"}
NAMES_IN_BLOCK = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}


def write_weights(config: GPTConfig, file: Path) -> None:
    """Write a GGUF file with the weights of ``GPT.init(config)``, in float32."""
    from gguf import GGUFWriter

    writer = GGUFWriter(file, "gpt2")
    writer.add_block_count(config.n_layer)
    writer.add_context_length(config.n_ctx)
    writer.add_embedding_length(config.n_embd)
    writer.add_feed_forward_length(4 * config.n_embd)
    writer.add_head_count(config.n_head)
    writer.add_layer_norm_eps(config.layer_norm_epsilon)
    writer.add_vocab_size(config.n_vocab)
    writer.add_tokenizer_model("none")
    for name, array in GPT.init(config).parameters.items():
        place, _, kind = name.rpartition(".")
        if place in NAMES:
            writer.add_tensor(f"{NAMES[place]}.{kind}", array)
            continue
        _, block, part = place.split(".", 2)
        transposed = np.ascontiguousarray(array.T)  # [n_out, n_in] or [n]
        writer.add_tensor(f"blk.{block}.{NAMES_IN_BLOCK[part]}.{kind}", transposed)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Model:
    """The model in llama.cpp, with a cache for so many texts side by side."""

    def __init__(self, batch: int, setup: Setup) -> None:
        import llama_cpp

        self.cpp, self.n_vocab = llama_cpp, setup.config.n_vocab
        self.silent = llama_cpp.llama_log_callback(lambda level, text, data: None)
        llama_cpp.llama_log_set(self.silent, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        file = setup.folder / f"{setup.size}.gguf"
        if not file.exists():
            write_weights(setup.config, file)
        model = llama_cpp.llama_model_load_from_file(
            str(file).encode(), llama_cpp.llama_model_default_params()
        )
        options = llama_cpp.llama_context_default_params()
        options.n_ctx, options.n_seq_max = batch * setup.config.n_ctx, batch
        options.n_batch = options.n_ubatch = MOST
        options.n_threads = options.n_threads_batch = setup.threads
        options.type_k = options.type_v = 0  # float32
        self.context = llama_cpp.llama_init_from_model(model, options)
        if not self.context:
            raise RuntimeError("llama.cpp cannot open the model")
        self.tokens = llama_cpp.llama_batch_init(MOST, 0, 1)

    def forget(self, batch: int) -> None:
        """Begin a text."""
        self.cpp.llama_memory_clear(self.cpp.llama_get_memory(self.context), True)
        self.length = 0

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        """Read new ids ``[batch, seq]``; return the last position's logits ``[batch, n_vocab]``."""
        batch, seq = ids.shape
        tokens, lasts = self.tokens, []
        tokens.n_tokens = ids.size
        for row in range(batch):
            for at, token in enumerate(ids[row].tolist()):
                i = row * seq + at
                tokens.token[i], tokens.pos[i] = token, self.length + at
                tokens.n_seq_id[i], tokens.seq_id[i][0] = 1, row
                tokens.logits[i] = at == seq - 1
            lasts.append(row * seq + seq - 1)
        if self.cpp.llama_decode(self.context, tokens):
            raise RuntimeError("llama.cpp cannot read these tokens")
        self.length += seq
        return np.stack(
            [
                np.ctypeslib.as_array(
                    self.cpp.llama_get_logits_ith(self.context, i), shape=(self.n_vocab,)
                )
                for i in lasts
            ]
        )
