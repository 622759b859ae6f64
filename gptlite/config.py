"""The sizes of a GPT-2: five numbers that fix the shape of every array.

GPT-2 comes in four sizes, which differ in the number of decoder blocks (``n_layer``) and in the
width of the residual stream (``n_embd``). What others have changed since then follows after these.
"""

import math
from dataclasses import dataclass, field, fields

from gptlite.activation import ACTIVATIONS
from gptlite.checks import check_int, check_kind, check_range


@dataclass(frozen=True)
class GPTConfig:
    """The hyper-parameters of one GPT-2, under OpenAI's names (``hparams.json``).

    Attributes:
        n_vocab: number of tokens the model knows.
        n_ctx: number of positions: the most tokens that fit in the context.
        n_embd: width of the residual stream, the length of the vector that stands for one token.
        n_head: attention heads in each block, each ``head_dim = n_embd / n_head`` wide.
        n_layer: number of decoder blocks.
        layer_norm_epsilon: added to the variance in layer normalisation, so that it is never 0.
        n_inner: width of the feed-forward network's hidden layer; 0 stands for ``4 * n_embd``.
        activation_function: "gelu_new" is GPT-2's, "gelu" the exact form (activation.py).
        scale_attn_by_inverse_layer_idx: True if block i divides its scores by i + 1 as well.
        post_norm: True for GPT-1, whose layer norms follow the sums; none is at the top (gpt1.py).
        tie_word_embeddings: False if the output layer is a matrix of its own, ``lm_head.weight``.
        n_padding: rows that follow the tokens' in ``wte`` and ``lm_head``, and stand for no token:
            they make the number of rows a round one, and no logits are computed for them.
        bos_token_id, eos_token_id: the tokens that begin and end a text, where that is known. The
            model does not use them; they go into its files, for programs that do.

    Raises:
        TypeError: a size or a token is not an int, or an option not a bool.
        ValueError: a size is below 1 or a token below 0, ``n_embd`` is not a multiple of
            ``n_head``, or the activation function is unknown.
    """

    n_vocab: int = 50257
    n_ctx: int = 1024
    n_embd: int = 768
    n_head: int = 12
    n_layer: int = 12
    layer_norm_epsilon: float = 1e-5
    n_inner: int = 0
    activation_function: str = "gelu_new"
    scale_attn_by_inverse_layer_idx: bool = False
    post_norm: bool = False
    tie_word_embeddings: bool = True
    n_padding: int = 0
    bos_token_id: int | None = field(default=None, compare=False)
    eos_token_id: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name in ("n_vocab", "n_ctx", "n_embd", "n_head", "n_layer", "n_inner", "n_padding"):
            least = 0 if name in ("n_inner", "n_padding") else 1
            check_int(name, size := getattr(self, name), least)
            object.__setattr__(self, name, int(size))  # NumPy's ints would not go into a file
        object.__setattr__(self, "n_inner", self.n_inner or 4 * self.n_embd)
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd {self.n_embd} is not a multiple of n_head {self.n_head}")
        check_range("layer_norm_epsilon", self.layer_norm_epsilon, 0, 1, "()")
        object.__setattr__(self, "layer_norm_epsilon", float(self.layer_norm_epsilon))
        for name in ("scale_attn_by_inverse_layer_idx", "post_norm", "tie_word_embeddings"):
            check_kind(name, getattr(self, name), bool)
        for name in ("bos_token_id", "eos_token_id"):
            if (token := getattr(self, name)) is not None:
                check_int(name, token, least=0)
                object.__setattr__(self, name, int(token))
        if not isinstance(self.activation_function, str) or (
            self.activation_function not in ACTIVATIONS
        ):
            known = " or ".join(map(repr, ACTIVATIONS))
            raise ValueError(
                f"activation_function must be {known}, not {self.activation_function!r}"
            )

    def __repr__(self) -> str:
        """Name GPT-2's six numbers, and what of the rest is not as in GPT-2."""
        usual = {field.name: field.default for field in fields(self) if field.compare}
        usual["n_inner"] = 4 * self.n_embd
        first = list(usual)[:6]
        values = {name: getattr(self, name) for name in usual}
        shown = {n: value for n, value in values.items() if n in first or value != usual[n]}
        return f"GPTConfig({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.n_embd // self.n_head

    @property
    def n_params(self) -> int:
        """Number of parameters; an input embedding that is also the output layer counts once.

        >>> GPTConfig.preset("gpt2").n_params
        124439808
        """
        return sum(math.prod(shape) for shape in parameter_shapes(self).values())

    @classmethod
    def preset(cls, name: str) -> "GPTConfig":
        """Look up one of OpenAI's four sizes by its name on the hub.

        Article: "Transformers for Language Modeling".

        >>> GPTConfig.preset("gpt2-xl").n_layer
        48

        Raises:
            ValueError: the name is unknown; the message lists the known ones.
        """
        if name not in PRESETS:
            raise ValueError(f"unknown size {name!r}; the sizes are {', '.join(PRESETS)}")
        return PRESETS[name]


# GPT-2 paper, table 2 (the parameter counts printed there are too small; these shapes are right).
PRESETS = {
    "gpt2": GPTConfig(n_embd=768, n_head=12, n_layer=12),
    "gpt2-medium": GPTConfig(n_embd=1024, n_head=16, n_layer=24),
    "gpt2-large": GPTConfig(n_embd=1280, n_head=20, n_layer=36),
    "gpt2-xl": GPTConfig(n_embd=1600, n_head=25, n_layer=48),
}

GPT1 = GPTConfig(40478, 512, n_embd=768, n_head=12, n_layer=12, post_norm=True)


def parameter_shapes(config: GPTConfig) -> dict[str, tuple[int, ...]]:
    """List every parameter's name and shape, in the order of the forward pass.

    Article: "You've Made It!", whose table leaves out ``ln_f`` and makes ``c_fc``'s bias too short.
    """
    d, rows = config.n_embd, config.n_vocab + config.n_padding
    shapes: dict[str, tuple[int, ...]] = {
        "wte.weight": (rows, d),
        "wpe.weight": (config.n_ctx, d),
    }
    for i in range(config.n_layer):
        for leaf, shape in {
            "ln_1.weight": (d,),
            "ln_1.bias": (d,),
            "attn.c_attn.weight": (d, 3 * d),
            "attn.c_attn.bias": (3 * d,),
            "attn.c_proj.weight": (d, d),
            "attn.c_proj.bias": (d,),
            "ln_2.weight": (d,),
            "ln_2.bias": (d,),
            "mlp.c_fc.weight": (d, config.n_inner),
            "mlp.c_fc.bias": (config.n_inner,),
            "mlp.c_proj.weight": (config.n_inner, d),
            "mlp.c_proj.bias": (d,),
        }.items():
            shapes[f"h.{i}.{leaf}"] = shape
    if not config.post_norm:
        shapes |= {"ln_f.weight": (d,), "ln_f.bias": (d,)}
    return shapes if config.tie_word_embeddings else shapes | {"lm_head.weight": (rows, d)}
