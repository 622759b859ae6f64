"""The companions of the way back: the tape that is read, the gradients that are written."""

from gptlite.layers import Array
from gptlite.trace import Trace

# The arrays that no derivative reads.
UNREAD = ("attn.scores", "attn.out", "mlp.out")


class Tape(Trace):
    """A trace that keeps only what the derivatives read.

    Each step of the way back pops the arrays that its forward step wrote, so that their memory can
    be used again.
    """

    def record(self, prefix: str, name: str, array: Array) -> Array:
        """Keep the array if a derivative reads it, and pass it on."""
        return array if name in UNREAD else super().record(prefix, name, array)  # [...]

    def pop_mask(self, name: str) -> Array | None:
        """Return the factors that ``record`` multiplied an array by: none here.

        ``DropoutTrace`` has some.
        """
        return None


def pop_mask(tape: Trace, name: str) -> Array | None:
    """Return the factors that ``tape.record`` multiplied an array by, or None."""
    return tape.pop_mask(name) if isinstance(tape, Tape) else None  # [...]


def record_backward(tape: Trace, name: str, dy: Array) -> Array:
    """Carry a gradient back through ``tape.record``: what was dropped gets 0.

    Args:
        dy: the gradient at what ``record`` passed on; the result has the same shape.
    """
    mask = pop_mask(tape, name)  # [...]
    return dy if mask is None else dy * mask  # [...]


class Gradients(dict[str, Array]):
    """A gradient for each parameter, by its name: the sum so far."""

    def add(self, name: str, gradient: Array) -> None:
        """Add to a parameter's gradient; the first array becomes the sum, later ones go into it.

        Args:
            gradient: shaped like the parameter.
        """
        if name in self:
            self[name] += gradient
        else:
            self[name] = gradient
