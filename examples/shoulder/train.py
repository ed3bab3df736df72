"""
Train the network, judge it on subjects it has never seen, and write all files of this example.

    python train.py               # about a minute; rewrites the files in this folder
    python train.py --validate    # what the recipe was chosen by: leave one training session out, in turn
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
import optax
from augment import Augmentation, Batch, Pool, draw
from dataset import CHANNELS, HELD_OUT, LABELS, TRAINING_SESSIONS, cut, load
from export import to_onnx
from network import Network, dense, features, initial, logits
from project_files import project_text, read_slice, write_slice

import edgekit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataset import Recording
    from jax import Array
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    State = tuple[Network, Any, Network]
    """Parameters, state of the optimiser, running average of the parameters."""

FOLDER: Final = Path(__file__).resolve().parent
WINDOW: Final = 128  # 2.56 s: about one repetition of the slowest exercises, two of the quickest
HOP: Final = 16
MOST_DIFFERENCE: Final = 1e-4  # of a logit: room for float32 sums in another order


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train; chosen on the training sessions alone."""

    seed: int = 0
    steps: int = 800
    batch: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 1e-3
    dropout: float = 0.2
    """Share of the features that the dense layer does not see in a step."""
    smoothing: float = 0.05
    """Share of each target that is spread over all classes."""
    average: float = 0.99
    """Decay of the running average of the parameters, which is the result (Polyak and Juditsky, 1992)."""
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A network and the normalisation that belongs to it."""

    network: Network
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def logits(self, raw: Floats) -> Floats:
        """Return the logits of raw windows `[n, window, 6]`."""
        windows = (jnp.asarray(raw) - jnp.array(self.mean)) / jnp.array(self.std)
        return np.asarray(jax.jit(logits)(self.network, windows))

    def probabilities(self, raw: Floats) -> Floats:
        """Return what the pipeline on the device has to give: `[n, classes]` of raw windows."""
        return np.asarray(jax.nn.softmax(self.logits(raw)))

    def right(self, recordings: Sequence[tuple[Floats, int]]) -> tuple[int, int]:
        """Return the number of windows that are right and the number of windows of recordings of one exercise each."""
        answers = [
            (self.logits(cut(samples, WINDOW, HOP)).argmax(axis=1) == exercise)
            for samples, exercise in recordings
        ]
        together = np.concatenate(answers)
        return int(together.sum()), len(together)


def normalisation(recordings: list[Recording]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel, with as many decimals as edgekit.toml has."""
    samples = np.concatenate([one.samples for one in recordings]).astype(np.float64)
    mean, std = samples.mean(axis=0), samples.std(axis=0)
    return tuple(mean.round(4).tolist()), tuple(std.round(4).tolist())


def train(recordings: list[Recording], recipe: Recipe) -> Trained:
    """Train on all of some recordings."""
    mean, std = normalisation(recordings)
    keys = jax.random.split(jax.random.key(recipe.seed), recipe.steps + 1)
    network = initial(keys[0], len(CHANNELS), len(LABELS))
    rate = optax.cosine_decay_schedule(recipe.learning_rate, recipe.steps)
    optimiser = optax.adamw(rate, weight_decay=recipe.weight_decay)
    training = Training(recipe=recipe, optimiser=optimiser, mean=mean, std=std)
    begin = (network, optimiser.init(network), network)
    (_, _, averaged), losses = training.run(Pool.of(recordings), begin, keys[1:])
    print(f"loss {losses[:50].mean():.3f} → {losses[-50:].mean():.3f}", flush=True)
    return Trained(network=averaged, mean=mean, std=std)


@dataclass(frozen=True, kw_only=True)
class Training:
    """Gradient descent on batches drawn from a pool."""

    recipe: Recipe
    optimiser: optax.GradientTransformation
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def run(self, pool: Pool, begin: State, keys: Array) -> tuple[State, Array]:
        """Take a step for each key; return the last state and the loss of each step."""
        scan = jax.jit(lambda pool: jax.lax.scan(partial(self.step, pool), begin, keys))
        result: tuple[State, Array] = scan(pool)
        return result

    def step(self, pool: Pool, state: State, key: Array) -> tuple[State, Array]:
        """Take one step; return the new state and the loss."""
        network, moments, averaged = state
        key_batch, key_dropout = jax.random.split(key)
        batch = draw(key_batch, pool, self.recipe.batch, WINDOW, self.recipe.augmentation)
        value, gradient = jax.value_and_grad(self.loss)(network, batch, key_dropout)
        updates, moments = self.optimiser.update(gradient, moments, network)
        network = optax.apply_updates(network, updates)
        averaged = optax.incremental_update(network, averaged, 1 - self.recipe.average)
        return (network, moments, averaged), value

    def loss(self, network: Network, batch: Batch, key: Array) -> Array:
        """Return the cross entropy with smoothed targets, some features left out."""
        windows = (batch.windows - jnp.array(self.mean)) / jnp.array(self.std) + batch.noise
        seen = features(network, windows)
        kept = jax.random.bernoulli(key, 1 - self.recipe.dropout, seen.shape)
        answers = dense(network, seen * kept / (1 - self.recipe.dropout))
        targets = jax.nn.one_hot(batch.exercises, len(LABELS))
        smoothed = optax.smooth_labels(targets, self.recipe.smoothing)
        mean: Array = optax.softmax_cross_entropy(answers, smoothed).mean()
        return mean


def labelled(recordings: list[Recording]) -> list[tuple[Floats, int]]:
    """Return samples and exercise of each recording."""
    return [(one.samples, one.exercise) for one in recordings]


def validate(recipe: Recipe) -> None:
    """Print the accuracy on each training session of a network trained on the others."""
    shares = []
    for session in TRAINING_SESSIONS:
        others = {subject for pair in TRAINING_SESSIONS for subject in pair} - set(session)
        right, windows = train(load(others), recipe).right(labelled(load(session)))
        shares.append(right / windows)
        print(
            f"subjects {session}: {right} of {windows} windows right, {shares[-1]:.1%}", flush=True
        )
    print(f"mean {np.mean(shares):.1%}")


def make(recipe: Recipe) -> None:
    """Train on all training subjects and write the files."""
    trained = train(load({subject for pair in TRAINING_SESSIONS for subject in pair}), recipe)
    model = to_onnx(trained.network, window=WINDOW, channels=len(CHANNELS))
    (FOLDER / "shoulder.onnx").write_bytes(model)
    held_out = load(HELD_OUT)
    write_slice(FOLDER / "held-out.csv", held_out)
    cut_out = read_slice(FOLDER / "held-out.csv")
    report = {
        "held_out": {"subjects": HELD_OUT, **score(trained, labelled(held_out))},
        "slice": {"file": "held-out.csv", **score(trained, cut_out)},
        "model": {
            "file": "shoulder.onnx",
            "bytes": len(model),
            "sha256": hashlib.sha256(model).hexdigest(),
            "parameters": sum(leaf.size for leaf in jax.tree.leaves(trained.network)),
            "max_difference_to_onnxruntime": compare(model, trained, cut_out),
        },
        "made_with": {name: version(name) for name in ("jax", "jaxlib", "numpy", "onnx", "optax")},
    }
    (FOLDER / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    first = np.stack([samples[:WINDOW] for samples, _ in cut_out])
    probabilities = trained.probabilities(first)
    edgekit.golden(first, probabilities, FOLDER / "golden.npz", channels=CHANNELS, labels=LABELS)
    (FOLDER / "edgekit.toml").write_text(
        project_text(
            window=WINDOW,
            hop=HOP,
            mean=trained.mean,
            std=trained.std,
            min_accuracy=math.floor(report["slice"]["accuracy"] * 100 - 1) / 100,
        )
    )
    print(json.dumps(report, indent=2))


def score(trained: Trained, recordings: Sequence[tuple[Floats, int]]) -> dict[str, Any]:
    """Judge all windows of some recordings."""
    right, windows = trained.right(recordings)
    return {
        "recordings": len(recordings),
        "samples": sum(len(samples) for samples, _ in recordings),
        "windows": windows,
        "right": right,
        "accuracy": right / windows,
    }


def compare(model: bytes, trained: Trained, recordings: Sequence[tuple[Floats, int]]) -> float:
    """Return the largest difference of a logit in ONNX Runtime and in jax; raise ValueError if it is too large."""
    raw = np.concatenate([cut(samples, WINDOW, HOP) for samples, _ in recordings])
    windows = (raw - np.array(trained.mean, np.float32)) / np.array(trained.std, np.float32)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, {"samples": windows.transpose(0, 2, 1)})
    difference = float(np.abs(theirs - trained.logits(raw)).max())
    if not difference <= MOST_DIFFERENCE:
        raise ValueError(f"the exported model differs from the trained one by {difference}")
    return float(f"{difference:.1e}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--validate", action="store_true", help="judge the recipe, write nothing")
    validating = parser.parse_args().validate
    # Before jax starts: one thread, so that sums are always made in the same order and a rerun gives the same bytes.
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    (validate if validating else make)(Recipe())


if __name__ == "__main__":
    main()
