"""The sizes of a GPT-2: five numbers that fix the shape of every array.

GPT-2 comes in four sizes, which differ in the number of decoder blocks (``n_layer``) and in the
width of the residual stream (``n_embd``).
"""

import math
from dataclasses import dataclass

from gptlite.checks import check_int, check_range


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

    Raises:
        TypeError: a size is not an int.
        ValueError: a size is below 1, or ``n_embd`` is not a multiple of ``n_head``.
    """

    n_vocab: int = 50257
    n_ctx: int = 1024
    n_embd: int = 768
    n_head: int = 12
    n_layer: int = 12
    layer_norm_epsilon: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("n_vocab", "n_ctx", "n_embd", "n_head", "n_layer"):
            check_int(name, size := getattr(self, name), least=1)
            object.__setattr__(self, name, int(size))  # NumPy's ints would not go into a file
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd {self.n_embd} is not a multiple of n_head {self.n_head}")
        check_range("layer_norm_epsilon", self.layer_norm_epsilon, 0, 1, "()")

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.n_embd // self.n_head

    @property
    def n_params(self) -> int:
        """Number of parameters; the input embedding, which is also the output layer, counts once.

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


def parameter_shapes(config: GPTConfig) -> dict[str, tuple[int, ...]]:
    """List every parameter's name and shape, in the order of the forward pass.

    Article: "You've Made It!", whose table leaves out ``ln_f`` and makes ``c_fc``'s bias too short.
    """
    d = config.n_embd
    shapes: dict[str, tuple[int, ...]] = {
        "wte.weight": (config.n_vocab, d),
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
            "mlp.c_fc.weight": (d, 4 * d),
            "mlp.c_fc.bias": (4 * d,),
            "mlp.c_proj.weight": (4 * d, d),
            "mlp.c_proj.bias": (d,),
        }.items():
            shapes[f"h.{i}.{leaf}"] = shape
    return shapes | {"ln_f.weight": (d,), "ln_f.bias": (d,)}
