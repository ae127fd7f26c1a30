"""Where the branches of a block meet."""

from flax import linen as nn

from jaxcnn.types import Array


class Join(nn.Module):
    """The end of a block: a sum or a concatenation with what came in, of which the next block is one again.

    It computes nothing: it gives a name to what runs through the whole net.
    """

    def __call__(self, x: Array) -> Array:
        """Returns x, of any shape and dtype."""
        return x
