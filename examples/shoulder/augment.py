"""Training batches: random windows, changed in the ways in which wearing a watch and moving an arm differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from dataset import Recording
    from jax import Array

OTHER_ARM: Final = np.array([-1, 1, 1, 1, -1, -1], np.float32)
"""
The mirror image of a movement, as the watch on the other arm sees it.

In the data the mean of `ax` has opposite signs on the two arms, `ay` and `az` have not: the x axis lies along the
forearm. A mirror flips the component of acceleration along its normal, and of angular velocity (an axial vector) the
two others.
"""


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How much a window is changed."""

    tempo: float = 0.3
    """Faster or slower by up to this, as a logarithm; angular velocity grows with the tempo."""
    tilt_degrees: float = 8.0
    """Standard deviation of a rotation of the watch about each axis."""
    gain: float = 0.05
    """Relative standard deviation of each channel's gain."""
    noise: float = 0.05
    """Standard deviation of noise on each value, in standard deviations of its channel."""


class Pool(NamedTuple):
    """All training recordings, one behind the other, and where each begins."""

    samples: Array
    starts: Array
    lengths: Array
    exercises: Array

    @classmethod
    def of(cls, recordings: list[Recording]) -> Pool:
        """Join recordings."""
        lengths = np.array([len(one.samples) for one in recordings])
        return cls(
            samples=jnp.concatenate([one.samples for one in recordings]),
            starts=jnp.array(np.cumsum(lengths) - lengths),
            lengths=jnp.array(lengths),
            exercises=jnp.array([one.exercise for one in recordings]),
        )


class Batch(NamedTuple):
    """Raw windows `[n, window, 6]`, what noise to add after normalisation, and the exercises `[n]`."""

    windows: Array
    noise: Array
    exercises: Array


def draw(key: Array, pool: Pool, size: int, window: int, how: Augmentation) -> Batch:
    """Draw windows from anywhere in the pool, and change them."""
    keys = iter(jax.random.split(key, 7))
    chosen = jax.random.randint(next(keys), (size,), 0, len(pool.starts))
    tempo = jnp.exp(jax.random.uniform(next(keys), (size,), minval=-how.tempo, maxval=how.tempo))
    windows = _resampled(next(keys), pool, chosen, tempo, window)
    gain = 1 + how.gain * jax.random.normal(next(keys), (size, 1, 6))
    windows = windows * gain
    turn = _rotations(next(keys), size, np.deg2rad(how.tilt_degrees))
    windows = jnp.concatenate([windows[..., :3] @ turn, windows[..., 3:] @ turn], axis=-1)
    mirrored = jax.random.bernoulli(next(keys), 0.5, (size, 1, 1))
    windows = jnp.where(mirrored, windows * OTHER_ARM, windows)
    noise = how.noise * jax.random.normal(next(keys), windows.shape)
    return Batch(windows, noise, pool.exercises[chosen])


def _resampled(key: Array, pool: Pool, chosen: Array, tempo: Array, window: int) -> Array:
    """Read `window` samples, `tempo` samples of the recording apart, interpolating linearly."""
    room = pool.lengths[chosen] - 2 - tempo * (window - 1)
    begin = jax.random.uniform(key, tempo.shape) * room
    positions = begin[:, jnp.newaxis] + tempo[:, jnp.newaxis] * jnp.arange(window)
    before = jnp.floor(positions).astype(jnp.int32)
    share = (positions - before)[..., jnp.newaxis]
    at = pool.starts[chosen][:, jnp.newaxis] + before
    windows = pool.samples[at] * (1 - share) + pool.samples[at + 1] * share
    factors = jnp.where(jnp.arange(6) < 3, 1, tempo[:, jnp.newaxis])  # noqa: PLR2004 (gyroscope channels)
    scaled: Array = windows * factors[:, jnp.newaxis]
    return scaled


def _rotations(key: Array, size: int, deviation: float) -> Array:
    """Draw rotation matrices `[n, 3, 3]` (Rodrigues' formula) about axes of any direction."""
    vectors = deviation * jax.random.normal(key, (size, 3))
    angles = jnp.linalg.norm(vectors, axis=1)[:, jnp.newaxis, jnp.newaxis] + 1e-9
    x, y, z = vectors.T
    zero = jnp.zeros(size)
    rows = [[zero, -z, y], [z, zero, -x], [-y, x, zero]]
    across = jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=1) / angles
    turns: Array = jnp.eye(3) + jnp.sin(angles) * across + (1 - jnp.cos(angles)) * (across @ across)
    return turns
