"""The inputs of a proof: recorded, random, extreme, constant, wide and large; the same ones every time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edgekit.model import quantisation, stream_form
from edgekit.model.proof import tree_probes
from edgekit.model.proof.tolerance import LARGE, WIDE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from edgekit.model.graph_spec import GraphSpec
    from edgekit.model.source import SourceModel, TensorSpec

    Array = np.ndarray[Any, Any]
    Floats = npt.NDArray[np.float32]

SEED: Final = 20261122
"""Fixed, so that a proof can be made again."""

MOST_RECORDED: Final = 1000
_FEWEST_RANDOM: Final = 8
_MOST_RANDOM: Final = 64
_RANDOM_VALUES: Final = 2**20
"""Random numbers that are worth making: there are fewer frames of a large input."""
_CONSTANTS: Final = 5
_FAR: Final = 1000.0
_RIPPLE: Final = 0.01
_FACTORS: Final = (3.0, 10.0, 30.0, 100.0, 300.0)
"""Times the usual range, from its centre: what lies between the usual inputs and those that are `_FAR` times larger."""
_MOST_WIDE: Final = 4
"""Wide inputs for each factor, unless the input is so large that there are few of any kind."""
_ZOOMS: Final = (1.0, 0.3, 0.1, 0.03)
"""Random inputs also fill only part of the range: a model that saturates at the whole of it would hide an error."""
_PLAIN_RANGE: Final = (-2.0, 2.0)
"""In the model's units, where neither a recording nor a quantisation tells: inputs are mostly normalised."""
_PLAIN_INTEGERS: Final = (0.0, 9.0)
"""For integers of no stated range, which are mostly indices and counts; wide ones are negative as well."""
THRESHOLD: Final = "threshold"
"""Kind of the inputs around the thresholds of a tree ensemble."""


@dataclass(frozen=True, kw_only=True)
class Probes:
    """Frames to try: `inputs[name][i]` and `kinds[i]` belong together."""

    inputs: Mapping[str, Array]
    kinds: tuple[str, ...]


def for_stream(source: SourceModel, spec: GraphSpec, recorded: npt.ArrayLike | None) -> Probes:
    """Return raw samples `[n, window, channels]`, in the range of the recording or of what the model can take."""
    shape = (spec.window, spec.channels)
    windows = np.empty((0, *shape), np.float32)
    if recorded is not None:
        windows = spread(np.asarray(recorded, np.float32), MOST_RECORDED)
    low, high = stream_range(source, spec, windows)
    made = _made(shape, low, high, np.random.default_rng(SEED))
    kinds = ["recorded"] * len(windows) + [kind for kind, _ in made]
    samples = np.concatenate([windows, *(frame[np.newaxis] for _, frame in made)])
    return Probes(inputs={stream_form.INPUT: samples.astype(np.float32)}, kinds=tuple(kinds))


def for_tensors(source: SourceModel, shapes: Mapping[str, tuple[int, ...]]) -> Probes:
    """
    Return frames for named inputs; every input is drawn on its own, all of the same kind at once.

    Integers of no stated range have wide frames of their own: one that is no index ends a run, and with it what the
    other inputs of that frame would have shown.
    """
    rng = np.random.default_rng(SEED)
    half = _random_frames(sum(math.prod(shape) for shape in shapes.values())) // 2
    wide = len(_wide_plan(half)) * (2 if _has_open_integers(source) else 1)
    kinds = ["random"] * 2 * half + ["constant"] * _CONSTANTS + ["extreme"] * 4
    kinds += [WIDE] * wide + [LARGE] * 3
    inputs = {
        tensor.name: _tensor_frames(source, tensor, shapes[tensor.name], half, rng)
        for tensor in source.inputs
    }
    for tensor in source.inputs:
        shape = shapes[tensor.name]
        near = tree_probes.near_thresholds(source, tensor, math.prod(shape), rng)
        if near is not None:
            # the other inputs take what they had in the random frames, in turn
            again = np.arange(len(near)) % (2 * half)
            more = {name: array[again] for name, array in inputs.items()}
            more[tensor.name] = near.reshape(-1, *shape).astype(tensor.dtype)
            inputs = {name: np.concatenate([inputs[name], more[name]]) for name in inputs}
            kinds += [THRESHOLD] * len(near)
    return Probes(inputs=inputs, kinds=tuple(kinds))


def spread(windows: Floats, most: int) -> Floats:
    """Return the windows without gaps in them, at most so many, evenly spread."""
    finite: Floats = windows[np.isfinite(windows).all(axis=(1, 2))]
    if len(finite) <= most:
        return finite
    chosen: Floats = finite[np.linspace(0, len(finite) - 1, most).astype(int)]
    return chosen


def stream_range(source: SourceModel, spec: GraphSpec, windows: Floats) -> tuple[Floats, Floats]:
    """Return least and largest raw value a channel: of the windows, or of what the model can take if there are none."""
    if len(windows):
        low, high = windows.min(axis=(0, 1)), windows.max(axis=(0, 1))
    else:
        low, high = _raw_range(source, spec)
    return low, np.where(high > low, high, low + 1)


def tensor_range(source: SourceModel, tensor: TensorSpec) -> tuple[float, float]:
    """Return least and largest usual value of a named input."""
    kind = np.dtype(tensor.dtype).kind
    default = {"f": _PLAIN_RANGE, "b": (0.0, 1.0)}.get(kind, _PLAIN_INTEGERS)
    return quantisation.input_range(source, tensor.name) or default


def _raw_range(source: SourceModel, spec: GraphSpec) -> tuple[Floats, Floats]:
    """Return least and largest raw value a channel, from those in the model's units."""
    units = _PLAIN_RANGE
    if spec.features is None:  # a quantised input says what features may be, not samples
        name = stream_form.the_input(source).name
        units = quantisation.input_range(source, name) or _PLAIN_RANGE
    ends = np.array([[unit] * spec.channels for unit in units])
    if spec.mean is not None and spec.std is not None:
        ends = ends * np.array(spec.std) + np.array(spec.mean)
    else:
        scale = np.array(spec.scale or [1.0] * spec.channels)
        ends = (ends - np.array(spec.offset or 0.0)) / np.where(scale == 0, 1.0, scale)
    return ends.min(axis=0).astype(np.float32), ends.max(axis=0).astype(np.float32)


def _made(
    shape: tuple[int, int], low: Floats, high: Floats, rng: np.random.Generator
) -> list[tuple[str, Array]]:
    window = shape[0]
    half = _random_frames(math.prod(shape)) // 2
    centre, spread = (low + high) / 2, (high - low) / 4
    even = (np.arange(window) % 2 == 0)[:, np.newaxis]
    middle = (np.arange(window) == window // 2)[:, np.newaxis]
    later = (np.arange(window) >= window // 2)[:, np.newaxis]
    full = np.zeros(shape)
    levels = np.linspace(0, 1, _CONSTANTS)
    return [
        *(
            ("random", centre + _zoom(i) * rng.uniform(low - centre, high - centre, shape))
            for i in range(half)
        ),
        *(("random", centre + _zoom(i) * rng.normal(0.0, spread, shape)) for i in range(half)),
        *(("constant", full + low + level * (high - low)) for level in levels),
        ("extreme", full),
        ("extreme", np.where(even, low, high)),
        ("extreme", np.where(middle, high, 0.0)),
        ("extreme", np.where(later, high, low)),
        *((WIDE, frame) for frame in _wide(shape, low, high, half, rng)),
        (LARGE, _rippled(full + _FAR * high)),
        (LARGE, _rippled(full + _FAR * low)),
        (LARGE, _FAR * rng.uniform(low, high, shape)),
    ]


def _tensor_frames(
    source: SourceModel,
    tensor: TensorSpec,
    shape: tuple[int, ...],
    half: int,
    rng: np.random.Generator,
) -> Array:
    """Return frames in the order of `for_tensors`' kinds."""
    dtype = np.dtype(tensor.dtype)
    low, high = tensor_range(source, tensor)
    far = _FAR if dtype.kind == "f" else 1.0
    centre, spread = (low + high) / 2, (high - low) / 4
    alternating = np.where(np.arange(math.prod(shape)) % 2 == 0, low, high).reshape(shape)
    usual = [
        *(centre + _zoom(i) * rng.uniform(low - centre, high - centre, shape) for i in range(half)),
        *(centre + _zoom(i) * rng.normal(0.0, spread, shape) for i in range(half)),
        *(np.full(shape, level) for level in np.linspace(low, high, _CONSTANTS)),
        np.zeros(shape),
        alternating,
        np.full(shape, low),
        np.full(shape, high),
    ]
    wide = _wide(shape, np.float64(low), np.float64(high), half, rng)
    still = [rng.uniform(low, high, shape) for _ in wide]
    if _has_open_integers(source):  # floats go wide first, then the integers
        wide = [*still, *wide] if dtype.kind in "iu" else [*wide, *still]
    large = [
        _rippled(np.full(shape, far * low)),
        _rippled(np.full(shape, far * high)),
        far * rng.uniform(low, high, shape),
    ]
    if dtype.kind == "f":
        return np.stack([frame.astype(dtype) for frame in (*usual, *wide, *large)])
    # an index must stay in its table: what is drawn outside of the range goes back in, but for the wide ones
    least, largest = low, high
    if _is_open_integer(source, tensor):
        least, largest = float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
    whole = [
        *(np.clip(np.rint(frame), low, high) for frame in usual),
        *(np.clip(np.rint(frame), least, largest) for frame in wide),
        *(np.clip(np.rint(frame), low, high) for frame in large),
    ]
    return np.stack([frame.astype(dtype) for frame in whole])


def _rippled(frame: Array) -> Array:
    """
    Return a large constant frame, its values in turn 1 % smaller.

    Of one that is quite constant, a normalisation over time divides the reference's own rounding by next to nothing.
    """
    factors = np.where(np.arange(frame.size) % 3 == 0, 1 - _RIPPLE, 1.0)
    return frame * factors.reshape(frame.shape)


def _has_open_integers(source: SourceModel) -> bool:
    return any(_is_open_integer(source, tensor) for tensor in source.inputs)


def _is_open_integer(source: SourceModel, tensor: TensorSpec) -> bool:
    """Tell whether nothing says which numbers an integer input takes."""
    integer = np.dtype(tensor.dtype).kind in "iu"
    return integer and quantisation.input_range(source, tensor.name) is None


def _wide(
    shape: tuple[int, ...],
    low: Floats | np.float64,
    high: Floats | np.float64,
    half: int,
    rng: np.random.Generator,
) -> list[Array]:
    """Return frames outside of the usual range: spread over a wider one, or moved up or down as a whole."""
    centre, reach = (low + high) / 2, (high - low) / 2
    frames = []
    for factor, way in _wide_plan(half):
        if way == 0:
            frame = centre + factor * reach * rng.uniform(-1, 1, shape)
        else:
            frame = centre + reach * (way * factor + rng.uniform(-1, 1, shape))
        frames.append(frame)
    return frames


def _wide_plan(half: int) -> list[tuple[float, int]]:
    """Return factor and way (0: spread, 1: up, -1: down) of each wide frame; few where `half` the random ones are few."""
    each = min(_MOST_WIDE, half * _MOST_WIDE * 2 // _MOST_RANDOM + 1)
    return [
        (factor, (0, 1, -1)[(number + turn) % 3])
        for number, factor in enumerate(_FACTORS)
        for turn in range(each)
    ]


def _random_frames(values: int) -> int:
    """Return how many random frames of so many values are made, an even number."""
    return 2 * min(_MOST_RANDOM // 2, max(_FEWEST_RANDOM // 2, _RANDOM_VALUES // (2 * values)))


def _zoom(index: int) -> float:
    return _ZOOMS[index % len(_ZOOMS)]
