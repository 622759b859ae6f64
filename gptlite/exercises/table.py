"""All exercises in which a function is to be written, in the order of the notebook."""

from gptlite.exercises.attend import ATTEND_BACKWARD
from gptlite.exercises.attention import ATTENTION
from gptlite.exercises.block import DECODER_BLOCK, MLP
from gptlite.exercises.exercise import Exercise
from gptlite.exercises.filters import TOP_K, TOP_P
from gptlite.exercises.heads import ATTENTION_SCORES, MASK_FUTURE, SPLIT_HEADS
from gptlite.exercises.layers import GELU, SOFTMAX
from gptlite.exercises.linear import EMBEDDING_BACKWARD, LINEAR_BACKWARD
from gptlite.exercises.loop import AUTO_REGRESS
from gptlite.exercises.loss import CROSS_ENTROPY
from gptlite.exercises.norm import LAYER_NORM
from gptlite.exercises.norm_backward import LAYER_NORM_BACKWARD
from gptlite.exercises.tokens import MERGED

FUNCTIONS: dict[str, Exercise] = {
    "merged": MERGED,
    "softmax": SOFTMAX,
    "layer_norm": LAYER_NORM,
    "gelu": GELU,
    "split_heads": SPLIT_HEADS,
    "attention_scores": ATTENTION_SCORES,
    "mask_future": MASK_FUTURE,
    "attention": ATTENTION,
    "mlp": MLP,
    "decoder_block": DECODER_BLOCK,
    "auto_regress": AUTO_REGRESS,
    "apply_top_k": TOP_K,
    "apply_top_p": TOP_P,
    "linear_backward": LINEAR_BACKWARD,
    "cross_entropy": CROSS_ENTROPY,
    "embedding_backward": EMBEDDING_BACKWARD,
    "layer_norm_backward": LAYER_NORM_BACKWARD,
    "attend_backward": ATTEND_BACKWARD,
}
