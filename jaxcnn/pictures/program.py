"""A net as compiled programs that tell what its logits come from."""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.analysis.trace import Shape, applied, shapes_of
from jaxcnn.errors import UserError, unknown_word
from jaxcnn.layers.variables import init_variables
from jaxcnn.pictures.capture import capture
from jaxcnn.pictures.onward import last_map, returned
from jaxcnn.pictures.rectifiers import Rule, evaluate, rectifier_behind, rectifiers
from jaxcnn.types import Array, Variables

_SHOWN = 6
"""Most layers that a message names."""


def _compiled(*static: str) -> Callable[[Callable[..., Any]], Any]:
    """Makes a method compiled for each program, and for each value of the arguments of these names."""
    return functools.partial(jax.jit, static_argnames=("self", *static))


class Program:
    """A net in evaluation, whatever its weights. What is compiled is compiled at its first call.

    In what follows, `images` are (batch, height, width, channels) float32, whitened, and `classes` (batch,) int32: the
    output of each image that is meant.

    Attributes:
        model: any linen module that maps images to logits.
        image_shape: (height, width, channels).
        layers: by name, the shape of the output of each layer for one image, in the order of computation: first what
            the net sows as the outputs of its stages, then each module by its path.
    """

    def __init__(self, model: nn.Module, image_shape: Shape) -> None:
        self.model, self.image_shape = model, image_shape
        self._image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
        self.shapes: Variables = shapes_of(model, self._image)
        """Of the variables, and their dtypes."""
        self.layers: dict[str, tuple[int, ...]] = {}
        self.stages: list[str] = []

        def note(variables: Variables, image: Array) -> None:  # inside, since jax sorts the names of what is returned
            found = capture(model, variables, image)
            self.stages.extend(found.stages)
            self.layers |= {name: value.shape[1:] for name, value in (found.stages | found.outputs).items()}

        jax.eval_shape(note, self.shapes, self._image)

    def layer(self, name: str | None) -> str:
        """Returns the name of a layer that has a map, of any number of cells.

        Args:
            name: None: the last stage whose map has more than one cell, or of a net without stages the last module.

        Raises:
            UserError: if there is none.
        """
        if name is None:
            return self._last_map()
        if name not in self.layers:
            raise unknown_word("layer", name, self.stages or self.layers)
        if len(self.layers[name]) != 3:
            raise UserError(f"the output of layer {name} is no map; there are {', '.join(self._maps()[-_SHOWN:])}")
        return name

    def _maps(self) -> list[str]:
        """Returns the stages with a map of more than one cell, or if there are none, the modules."""
        maps = [name for name, shape in self.layers.items() if len(shape) == 3 and max(shape[:2]) > 1]
        return [name for name in maps if name in self.stages] or maps

    def _last_map(self) -> str:
        maps = self._maps()
        if not maps:
            raise UserError("no layer of the net has a map of more than one cell, so none says where it looks")
        return maps[-1]

    @_compiled()
    def logits(self, variables: Variables, images: Array) -> Array:
        """Returns (batch, classes) float32."""
        return self._apply(variables, images)

    @_compiled("rule")
    def gradient(
        self, variables: Variables, images: Array, classes: Array, rule: Rule | None = None
    ) -> tuple[Array, Array]:
        """Returns the logits, and the gradient of the logits of `classes` by the images, of their shape.

        Args:
            variables: of the net.
            images: see above.
            classes: see above.
            rule: another gradient of rectifiers.
        """

        def chosen(images: Array) -> tuple[Array, Array]:
            logits = _evaluated(self._apply, variables, images, rule)
            return _sum_of(logits, classes), logits

        found, logits = jax.grad(chosen, has_aux=True)(images)
        return logits, found

    @_compiled("layer")
    def at_map(
        self, variables: Variables, images: Array, classes: Array, layer: str | None
    ) -> tuple[Array, Array, Array]:
        """Returns the logits, a map, and the gradient of the logits of `classes` by it.

        The last two are (batch, rows, columns, channels).

        Args:
            variables: of the net.
            images: see above.
            classes: see above.
            layer: whose output the map is; None: the map that `last_map` names.

        Raises:
            UserError: if the logits do not come from this output, as where it is that of one turn of a loop.
        """
        traced, variable = self._with_map(variables, images, layer)
        operands = jax.tree.leaves((variables, images))

        def chosen(added: Array) -> tuple[Array, tuple[Array, Array]]:
            logits, output = evaluate(traced, operands, added={variable: added})
            return _sum_of(logits, classes), (logits, output)

        gradient, (logits, output) = jax.grad(chosen, has_aux=True)(jnp.zeros(variable.aval.shape, variable.aval.dtype))
        return logits, output, gradient

    @_compiled("layer", "rule")
    def unit(
        self, variables: Variables, images: Array, place: Array, weights: Array, layer: str, rule: Rule | None = None
    ) -> Array:
        """Returns the gradient of a weighted sum of the channels at one cell of a layer's map, of the images' shape.

        Args:
            variables: of the net.
            images: see above.
            place: (batch, 2) int32, row and column of the cell.
            weights: (batch, channels) float32.
            layer: its name.
            rule: another gradient of rectifiers.
        """

        def chosen(images: Array) -> Array:
            output = _evaluated(functools.partial(self.output, layer=layer), variables, images, rule)
            cell = output[jnp.arange(len(images)), place[:, 0], place[:, 1]]
            return jnp.sum(cell.astype(jnp.float32) * weights)

        return jax.grad(chosen)(images)

    @_compiled("layers")
    def outputs(self, variables: Variables, images: Array, layers: tuple[str, ...]) -> list[Array]:
        """Returns the outputs of layers, each (batch, ...)."""
        found = capture(self.model, variables, images)
        return [(found.outputs | found.stages)[layer] for layer in layers]

    def output(self, variables: Variables, images: Array, layer: str) -> Array:
        """Returns the output of one layer; it is to be traced."""
        found = capture(self.model, variables, images)
        return (found.outputs | found.stages)[layer]

    @_compiled()
    def redrawn(self, seed: Array | int) -> Variables:
        """Returns new weights, from the net's own initializers."""
        return init_variables(self.model, self.image_shape, jax.random.key(seed))

    def rectifiers(self) -> int:
        """Returns the number of rectifiers whose gradient a rule changes."""
        return rectifiers(jax.make_jaxpr(self._apply)(self.shapes, self._image).jaxpr)

    def rectifier_behind(self, layer: str) -> str:
        """Returns the name of the rectifier that reads the output of a layer, as "relu"; "" if none does."""
        traced = jax.make_jaxpr(functools.partial(self.output, layer=layer))(self.shapes, self._image).jaxpr
        return rectifier_behind(traced, traced.outvars[0])

    def last_map(self, layer: str | None) -> str:
        """Returns the name of the map that `at_map` takes, as "stage4", or "relu behind norm"; errors as of `layer`.

        By default it is the last stage with a map of more than one cell. A net that sows no stages has the last map
        that the way of its last such module to the logits goes through: behind its sum and its activation, before the
        pooling or the flattening.
        """
        if layer is not None or self.stages:
            return self.layer(layer)
        return self._own_map

    @functools.cached_property
    def _own_map(self) -> str:
        name = self.layer(None)
        traced = self._traced(self.shapes, self._image, name)
        found = last_map(traced.jaxpr, returned(traced.jaxpr, traced.jaxpr.outvars[1]))
        return f"{found.name} behind {name}" if found and found.name else name

    def _with_map(self, variables: Variables, images: Array, layer: str | None) -> tuple[Any, Any]:
        """Returns the net traced to its logits and a map, and the variable of the map; as of `at_map`."""
        name = self.layer(None) if layer is None else layer
        traced = self._traced(variables, images, name)
        jaxpr = traced.jaxpr
        output = returned(jaxpr, jaxpr.outvars[1])
        found = last_map(jaxpr, output)
        if found is None:
            raise UserError(f"the logits do not come from the output of {name} as it is: name another layer")
        variable = output if layer is not None or self.stages else found.value
        return traced.replace(jaxpr=jaxpr.replace(outvars=[jaxpr.outvars[0], variable])), variable

    def _traced(self, variables: Variables, images: Any, layer: str) -> Any:
        """Returns the jaxpr of (variables, images) -> the logits and the output of a layer."""

        def both(variables: Variables, images: Array) -> tuple[Array, Array]:
            found = capture(self.model, variables, images)
            return found.logits, (found.outputs | found.stages)[layer]

        return jax.make_jaxpr(both)(variables, images)

    def _apply(self, variables: Variables, images: Array) -> Array:
        return applied(self.model, variables, images, train=False)[0]


def _evaluated(function: Callable[..., Array], variables: Variables, images: Array, rule: Rule | None) -> Array:
    if rule is None:
        return function(variables, images)
    traced = jax.make_jaxpr(function)(variables, images)
    return evaluate(traced, jax.tree.leaves((variables, images)), rule)[0]


def _sum_of(logits: Array, classes: Array) -> Array:
    return jnp.sum(jnp.take_along_axis(logits, classes[:, None], axis=1))
