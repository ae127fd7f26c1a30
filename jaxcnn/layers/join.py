"""The end of a block's branches."""

from flax import linen as nn

from jaxcnn.types import Array


class Join(nn.Module):
    """The end of a block: its input is the sum or concatenation of the block's input and its branches.

    It computes nothing. It gives this value a name, since such values run through the whole net.
    """

    def __call__(self, x: Array) -> Array:
        """Returns x, of any shape and dtype."""
        return x
