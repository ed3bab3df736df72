"""The network: unpadded Conv1d and ReLU layers, the mean over time, a dense layer that gives logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from jax import Array

KERNEL: Final = 5
WIDTH: Final = 24
DILATIONS: Final = (1, 1, 2, 4)
STRIDES: Final = (2, 2, 1, 1)
"""
Causal by having no padding: an output depends on its own and earlier samples alone, never on where a window began.

So what was computed for one window is right for the next, and the network can run sample by sample with equal
results. Zeros on the left of every window would be causal too, but would be other zeros for each window. Strides of
2 · 2 = 4 samples divide the hop, so windows keep to the same grid.
"""


class Layer(NamedTuple):
    """Weights `[kernel · in, out]` of a convolution (or `[in, out]` of the dense layer), and its bias."""

    weight: Array
    bias: Array


class Network(NamedTuple):
    """All parameters: a pytree, which is all that jax wants."""

    convolutions: tuple[Layer, ...]
    dense: Layer


def initial(key: Array, channels: int, classes: int) -> Network:
    """Draw parameters: He et al. (2015) before ReLU, Glorot and Bengio (2010, fan-in form) for the dense layer."""
    keys = jax.random.split(key, len(DILATIONS) + 1)
    fans_in = [KERNEL * channels] + [KERNEL * WIDTH] * (len(DILATIONS) - 1)
    convolutions = tuple(
        Layer(jax.random.normal(one, (fan_in, WIDTH)) * np.sqrt(2 / fan_in), jnp.zeros(WIDTH))
        for one, fan_in in zip(keys[:-1], fans_in, strict=True)
    )
    weight = jax.random.normal(keys[-1], (WIDTH, classes)) * np.sqrt(1 / WIDTH)
    return Network(convolutions, Layer(weight, jnp.zeros(classes)))


def features(network: Network, windows: Array) -> Array:
    """Return the mean over time of the last convolution: `[n, WIDTH]` from normalised windows `[n, time, channels]`."""
    values = windows
    for layer, dilation, stride in zip(network.convolutions, DILATIONS, STRIDES, strict=True):
        span = values.shape[1] - dilation * (KERNEL - 1)
        # A convolution is one matrix product over all taps.
        taps = [values[:, tap * dilation : tap * dilation + span : stride] for tap in range(KERNEL)]
        values = jax.nn.relu(jnp.concatenate(taps, axis=-1) @ layer.weight + layer.bias)
    return values.mean(axis=1)


def dense(network: Network, seen: Array) -> Array:
    """Return the logits `[n, classes]` of features `[n, WIDTH]`."""
    return seen @ network.dense.weight + network.dense.bias


def logits(network: Network, windows: Array) -> Array:
    """Return the logits `[n, classes]` of normalised windows `[n, time, channels]`."""
    return dense(network, features(network, windows))
