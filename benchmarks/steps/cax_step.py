"""cax's automaton of the same shape, from its own parts, compiled by JAX for the CPU."""

import jax
import jax.numpy as jnp
import optax
from cax.core.cs import ComplexSystem
from cax.core.perceive.conv_perceive import ConvPerceive
from cax.core.perceive.kernels import grad_kernel, identity_kernel
from cax.core.update.nca_update import NCAUpdate
from flax import nnx
from serve import CHANNELS, HIDDEN, LEARNING_RATE, SETTINGS, serve

side, batch, steps, *_ = SETTINGS["growing"]


class Cells(ComplexSystem):
    """Perceive, then update."""

    def __init__(self, rngs):
        self.perceive = ConvPerceive(
            channel_size=CHANNELS, perception_size=3 * CHANNELS, feature_group_count=CHANNELS, rngs=rngs
        )
        kernel = jnp.concatenate([identity_kernel(2), grad_kernel(2)], axis=-1)
        self.perceive.conv.kernel[...] = jnp.tile(kernel[:, :, None], (1, 1, 1, CHANNELS))
        self.update = NCAUpdate(
            channel_size=CHANNELS,
            perception_size=3 * CHANNELS,
            hidden_layer_sizes=(HIDDEN,),
            cell_dropout_rate=0.5,
            rngs=rngs,
        )

    def _step(self, state, input=None, *, sow=False):
        return self.update(state, self.perceive(state), input)


cells = Cells(nnx.Rngs(0))
trained = nnx.All(nnx.Param, nnx.PathContains("update"))
optimiser = nnx.Optimizer(cells, optax.adam(LEARNING_RATE), wrt=trained)
key = jax.random.key(0)
start = jax.random.uniform(key, (batch, side, side, CHANNELS))
target = jax.random.uniform(key, (batch, side, side, 4))


@nnx.jit
def epoch(cells, optimiser):
    """Rollout, loss, backward, one step of the optimiser."""

    def loss(cells):
        return jnp.mean((cells(start, num_steps=steps)[..., -4:] - target) ** 2)

    value, gradient = nnx.value_and_grad(loss, argnums=nnx.DiffState(0, trained))(cells)
    optimiser.update(cells, gradient)
    return value


def grow():
    """A rollout alone."""
    cells(start, num_steps=steps).block_until_ready()


def train():
    """An epoch."""
    epoch(cells, optimiser).block_until_ready()


serve({"rollout": grow, "training": train})
