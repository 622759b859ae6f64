r"""The arrays of a call in the order in which they are made, and what there is to say of each.

An entry stands for an array of the trace: "ln_1" for ``h.0.ln_1``, ``h.1.ln_1`` and so on. Two
entries are no arrays: "tokens", with which a call begins, and "next", the draw that follows it.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gptlite.activation import exact_gelu
from gptlite.article import section_url
from gptlite.block import (
    attend,
    attention,
    attention_scores,
    decoder_block,
    mask_future,
    merge_heads,
    mlp,
    queries_keys_values,
    split_heads,
)
from gptlite.config import GPTConfig
from gptlite.lab.formula import math_tree
from gptlite.lab.source import source_lines
from gptlite.layers import centred_and_inverse_std, gelu, layer_norm, linear, softmax
from gptlite.model import GPT
from gptlite.sampling import Sampler, choose
from gptlite.tokenizer import Tokenizer
from gptlite.trace import BLOCK_STEPS
from gptlite.tree import attend_divided

Source = tuple[Callable[..., Any], str]  # a function, and the mark of a statement in it


class Step(NamedTuple):
    """An array that a call makes, in words.

    Attributes:
        title: what happens here, as a heading.
        field: what the field calls it.
        shape: its axes, in the notation of block.py, without the batch.
        tex: the equation, in the commands of formula.py.
        where: what each letter of the equation is.
        source: the statements that make it.
        sections: of the article.
    """

    title: str
    field: str
    shape: tuple[str, ...]
    tex: str
    where: str
    source: tuple[Source, ...]
    sections: tuple[str, ...]


STREAM = ("seq", "n_embd")
HEADS = ("head", "seq", "head_dim")
SQUARE = ("head", "seq", "seq")
NORM = r"y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \odot \gamma + \beta"
NORM_WHERE = (
    "μ and σ² are the mean and the variance of the vector x; γ and β, gain and shift, are learned"
)
QKV = "y is the normed stream; W and b are a third of the columns of c_attn, split into heads"
FULL = "GPT-2 Fully-Connected Neural Network: Layer #"

STEPS = {
    "tokens": Step(
        "Tokens",
        "tokenisation, by byte-pair encoding (BPE)",
        ("seq",),
        r"t_0, t_1, \dots, t_{n-1} = \op{encode}(\text{text})",
        "each t is a token’s id, its row in the vocabulary",
        ((Tokenizer.encode, ""),),
        ("End of part #1: The GPT-2, Ladies and Gentlemen",),
    ),
    "embed": Step(
        "Embeddings and positions",
        "token embedding plus learned positional encoding",
        STREAM,
        r"x_j = \op{wte}_{t_j} + \op{wpe}_j",
        "wte has a row for each token, wpe one for each position; j counts from 0",
        ((GPT.embed, "self.wte[ids]"),),
        ("Input Encoding",),
    ),
    "ln_1": Step(
        "Normalise the stream",
        "layer normalisation, before the sub-layer (pre-norm)",
        STREAM,
        NORM,
        NORM_WHERE,
        ((decoder_block, 'record("ln_1"'), (layer_norm, ""), (centred_and_inverse_std, "")),
        ("End of part #1: The GPT-2, Ladies and Gentlemen",),
    ),
    "attn.q": Step(
        "Query",
        "query vectors, by a linear projection",
        HEADS,
        r"q_j = y_j W_q + b_q",
        QKV,
        ((queries_keys_values, "linear(x"), (queries_keys_values, "qkv[..., :d]")),
        ("GPT-2 Self-attention: 1- Creating queries, keys, and values",),
    ),
    "attn.k": Step(
        "Key",
        "key vectors, by the same projection",
        HEADS,
        r"k_j = y_j W_k + b_k",
        QKV,
        ((queries_keys_values, "qkv[..., :d]"), (queries_keys_values, "return split_heads")),
        ("1- Create Query, Key, and Value Vectors",),
    ),
    "attn.v": Step(
        "Value",
        "value vectors, by the same projection",
        HEADS,
        r"v_j = y_j W_v + b_v",
        QKV,
        ((queries_keys_values, "qkv[..., :d]"), (split_heads, "")),
        ("GPT-2 Self-attention: 1.5- Splitting into attention heads",),
    ),
    "attn.scores": Step(
        "Score, then mask",
        "scaled dot products with a causal mask",
        SQUARE,
        r"s_{jk} = \frac{q_j \cdot k_k}{\sqrt{d}} + m_{jk}",
        "d is the width of a head; m is 0 where k ≤ j, and −10,000,000,000 where k comes later",
        ((attention_scores, ""), (mask_future, "future = "), (mask_future, "+= future")),
        ("GPT-2 Self-attention: 2- Scoring", "The Illustrated Masked Self-Attention"),
    ),
    "attn.weights": Step(
        "Softmax",
        "attention weights, by softmax",
        SQUARE,
        r"a_{jk} = \frac{\op{exp}(s_{jk})}{\sum_l \op{exp}(s_{jl})}",
        "each row of a is positive and adds up to 1",
        ((attend, 'record("attn.weights"'), (softmax, "")),
        ("2- Score",),
    ),
    "attn.z": Step(
        "Weighted sum",
        "the heads’ outputs, concatenated",
        STREAM,
        r"z_j = \sum_{k \le j} a_{jk} v_k",
        "one such sum for each head; the heads’ results lie side by side",
        ((attend, "return weights @ v"), (merge_heads, "")),
        ("GPT-2 Self-attention: 3- Sum", "GPT-2 Self-attention: 3.5- Merge attention heads"),
    ),
    "attn.out": Step(
        "Project",
        "output projection of multi-head attention",
        STREAM,
        r"o_j = z_j W_o + b_o",
        "W and b are c_proj’s",
        ((attention, 'record("attn.out"'), (linear, "")),
        ("GPT-2 Self-attention: 4- Projecting",),
    ),
    "mid": Step(
        "Add attention to the stream",
        "residual connection (skip connection)",
        STREAM,
        r"x_j^{\op{mid}} = x_j + o_j",
        "x is the stream that entered the block, o what attention found",
        ((decoder_block, 'record("mid"'),),
        ("A journey up the Stack",),
    ),
    "ln_2": Step(
        "Normalise again",
        "layer normalisation, before the sub-layer (pre-norm)",
        STREAM,
        NORM,
        NORM_WHERE,
        ((decoder_block, 'record("ln_2"'), (layer_norm, "")),
        ("End of part #1: The GPT-2, Ladies and Gentlemen",),
    ),
    "mlp.fc": Step(
        "Widen",
        "hidden layer of the feed-forward network (MLP)",
        ("seq", "n_inner"),
        r"u_j = y_j W_1 + b_1",
        "W and b are c_fc’s, whose columns are the hidden units",
        ((mlp, 'record("mlp.fc"'), (linear, "")),
        (FULL + "1",),
    ),
    "mlp.gelu": Step(
        "Activate",
        "activation function: GELU, the non-linearity",
        ("seq", "n_inner"),
        r"g = \frac{u}{2} (1 + \op{tanh}(\sqrt{\frac{2}{\pi}} (u + 0.044715 u^3)))",
        "for each number by itself",
        ((mlp, 'record("mlp.gelu"'), (gelu, "")),
        (FULL + "1",),
    ),
    "mlp.out": Step(
        "Project back",
        "output layer of the feed-forward network",
        STREAM,
        r"o_j = g_j W_2 + b_2",
        "W and b are c_proj’s, the MLP’s own",
        ((mlp, 'record("mlp.out"'), (linear, "")),
        (FULL + "2 - Projecting to model dimension",),
    ),
    "out": Step(
        "Add the network to the stream",
        "residual connection; the block’s output",
        STREAM,
        r"x_j^{\op{out}} = x_j^{\op{mid}} + o_j",
        "this is what enters the next block",
        ((decoder_block, 'record("out"'),),
        ("A journey up the Stack",),
    ),
    "ln_f": Step(
        "Normalise once more",
        "final layer normalisation",
        STREAM,
        NORM,
        NORM_WHERE,
        ((GPT.top_of_stack, 'record("ln_f"'), (GPT.last_norm, "")),
        ("End of part #1: The GPT-2, Ladies and Gentlemen",),
    ),
    "logits": Step(
        "Scores for every token",
        "logits, by the unembedding (language-model head)",
        ("seq", "n_vocab"),
        r"l_j = h_j \op{wte}^\top",
        "h is the normed stream; wte is the token embedding again: the weights are tied",
        ((GPT.unembed, ""),),
        ("Model Output",),
    ),
    "next": Step(
        "The next token",
        "sampling: temperature, top-k, top-p (nucleus)",
        ("n_vocab",),
        r"p_i = \frac{\op{exp}(l_i / T)}{\sum_n \op{exp}(l_n / T)}",
        "T is the temperature; the sum is over the tokens that top-k and top-p leave",
        (
            *((Sampler.filter, "apply_temperature"), (Sampler.filter, "apply_top_k")),
            *((Sampler.filter, "apply_top_p"), (choose, "borders")),
        ),
        ("Model Output",),
    ),
}


def described(config: GPTConfig) -> dict[str, dict[str, Any]]:
    """Describe each entry of ``STEPS`` for a model, as the protocol has it (engine.py)."""
    steps = STEPS | (EXACT if config.activation_function == "gelu" else {})
    if not config.tie_word_embeddings:
        steps = steps | UNTIED
    if config.scale_attn_by_inverse_layer_idx:
        steps = steps | BY_DEPTH
    return {
        name: {
            "title": step.title,
            "field": step.field,
            "axes": list(step.shape),
            "equation": math_tree(step.tex),
            "where": step.where,
            "source": [source_lines(*source) for source in step.source],
            "article": [{"title": title, "url": section_url(title)} for title in step.sections],
        }
        for name, step in steps.items()
    }


EXACT = {
    "mlp.gelu": STEPS["mlp.gelu"]._replace(
        tex=r"g = u \Phi(u)",
        where="Φ(u) is the share of a normal distribution below u; for each number by itself",
        source=((mlp, 'record("mlp.gelu"'), (exact_gelu, "")),
    )
}
UNTIED = {
    "logits": STEPS["logits"]._replace(
        tex=r"l_j = h_j \op{lm_head}^\top",
        where="h is the normed stream; lm_head is a matrix of this model’s own: not tied to wte",
    )
}

BY_DEPTH = {
    "attn.scores": STEPS["attn.scores"]._replace(
        tex=r"s_{jk} = \frac{q_j \cdot k_k}{(i + 1) \sqrt{d}} + m_{jk}",
        where="i is the block, counted from 0; " + STEPS["attn.scores"].where,
        source=((attend_divided, ""), *STEPS["attn.scores"].source),
    )
}


def walk(n_layer: int) -> list[str]:
    """List every stop of the walk through a call: tokens, the trace's arrays in order, the draw.

    >>> len(walk(6))
    89
    """
    blocks = [f"h.{i}.{step}" for i in range(n_layer) for step in BLOCK_STEPS]
    return ["tokens", "embed", *blocks, "ln_f", "logits", "next"]


def tour(n_layer: int) -> list[str]:
    """List the stops of a short walk: one block in full, the top of the stack, and the draw."""
    first = [f"h.0.{step}" for step in BLOCK_STEPS]
    last: Sequence[str] = [f"h.{n_layer - 1}.out"] if n_layer > 1 else []
    return ["tokens", "embed", *first, *last, "ln_f", "logits", "next"]
