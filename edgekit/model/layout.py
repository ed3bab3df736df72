"""Which axis of the model's input is time, which is channels and which is features, decided from its shape."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

from edgekit.errors import ConfigError, ModelError
from edgekit.features_section import FeatureLayout
from edgekit.model.features import suggestion
from edgekit.model.graph_spec import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekit.features_section import Features
    from edgekit.model.graph_spec import GraphSpec
    from edgekit.model.source import TensorSpec

_MOST_OPEN_AXES = 4

_AXES: Final = ("time", "channel", "value")

Name = Layout | FeatureLayout


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How samples `[window, channels]`, or features `[frames, channels, values]`, become the model's input."""

    shape: tuple[int, ...]
    """The model's own input shape, every axis fixed."""
    layout: Name
    """The order of the model's axes, by name."""

    @property
    def order(self) -> tuple[int, ...]:
        """The model's axes as numbers of (time, channel), or of (time, channel, value)."""
        return _order(self.layout)


def fit(tensor: TensorSpec, spec: GraphSpec) -> Fit:
    """
    Lay a window of samples, or the features of one, over the model's input.

    Axes of length 1 carry nothing and are dropped; what is left must be the axes in some order, neighbours perhaps
    flattened into one. Open axes take what makes it match, the first one preferably 1 (a batch).
    Raises ConfigError if the shapes do not go together, or if the order of the axes is open and `layout` does not say it.
    """
    if tensor.shape is None:
        raise ModelError(
            f"input `{tensor.name}` of the model has no shape",
            hint="export the model with a fixed input shape",
        )
    lengths = _lengths(spec)
    fits = _fits(tensor.shape, lengths, _layouts(spec))
    if not fits:
        raise _mismatch(tensor, spec)
    batched = [found for found in fits if found.shape[0] == 1]
    candidates = batched or fits
    if any(found.layout != candidates[0].layout for found in candidates):
        raise _ambiguous(tensor, spec, [found.layout for found in candidates])
    return candidates[0]


def _lengths(spec: GraphSpec) -> tuple[int, ...]:
    """Return how long the axes (time, channel), with features (time, channel, value), are."""
    if spec.features is None:
        return spec.window, spec.channels
    values = spec.features.values_a_frame(spec.rate_hz or 0.0)
    return spec.features.frames_in(spec.window), spec.channels, values


def _layouts(spec: GraphSpec) -> tuple[Name, ...]:
    """Return the orders that come into question, one of those that differ in axes of length 1 only."""
    if spec.features is None:
        names: tuple[Name, ...] = (spec.layout,) if spec.layout else get_args(Layout)
    else:
        names = (spec.features.layout,) if spec.features.layout else get_args(FeatureLayout)
    lengths = _lengths(spec)
    found: dict[tuple[int, ...], Name] = {}
    for name in names:
        found.setdefault(tuple(axis for axis in _order(name) if lengths[axis] != 1), name)
    return tuple(found.values())


def _order(layout: str) -> tuple[int, ...]:
    return tuple(_AXES.index(name) for name in layout.split("-"))


def _fits(
    shape: tuple[int | None, ...],
    lengths: tuple[int, ...],
    layouts: Sequence[Name],
) -> list[Fit]:
    if sum(length is None for length in shape) > _MOST_OPEN_AXES:
        return []
    forms = {layout: _forms([lengths[axis] for axis in _order(layout)]) for layout in layouts}
    usable = dict.fromkeys(length for each in forms.values() for form in each for length in form)
    choices = [(1, *usable) if length is None else (length,) for length in shape]
    fits = []
    for fixed in dict.fromkeys(itertools.product(*choices)):
        kept = tuple(length for length in fixed if length != 1)
        fits += [Fit(shape=fixed, layout=layout) for layout in layouts if kept in forms[layout]]
    return fits


def _forms(lengths: Sequence[int]) -> set[tuple[int, ...]]:
    """Return what axes in this order may be written as: as they are, or with neighbours flattened into one."""
    axes = [length for length in lengths if length != 1]
    found = set()
    for cuts in itertools.product((False, True), repeat=max(0, len(axes) - 1)):
        form = axes[:1]
        for cut, length in zip(cuts, axes[1:], strict=True):
            form = [*form, length] if cut else [*form[:-1], form[-1] * length]
        found.add(tuple(form))
    return found


def _ambiguous(tensor: TensorSpec, spec: GraphSpec, layouts: Sequence[Name]) -> ConfigError:
    if spec.features is None:
        return ConfigError(
            f"input `{tensor.name}` of the model is {tensor.shape_text()}: whether time or channels come first cannot be "
            f"seen from {spec.channels} channels × {spec.window} samples",  # noqa: RUF001 (a product)
            hint='say it in edgekit.toml: [input] `layout = "time-channel"` or `layout = "channel-time"`',
        )
    choice = " or ".join(f'`layout = "{layout}"`' for layout in dict.fromkeys(layouts))
    return ConfigError(
        f"input `{tensor.name}` of the model is {tensor.shape_text()}: the order of {_given(spec, spec.features)} "
        "cannot be seen from that",
        hint=f"say it in edgekit.toml, inside `features`: {choice}",
    )


def _given(spec: GraphSpec, features: Features) -> str:
    frames, channels, values = _lengths(spec)
    return f"{frames} frames × {channels} channels × {values} {features.kind} values"  # noqa: RUF001 (a product)


def _mismatch(tensor: TensorSpec, spec: GraphSpec) -> ConfigError:
    fixed = [length for length in tensor.shape or () if length is not None]
    kept = [length for length in fixed if length != 1]
    takes = f"the model takes {tensor.shape_text()}"
    if spec.features is not None:
        return ConfigError(
            f"{takes}, the project gives {_given(spec, spec.features)}",
            hint=suggestion.of_features(kept, spec, spec.features),
        )
    gives = f"the project gives {spec.channels} channels × {spec.window} samples"  # noqa: RUF001 (a product)
    if math.prod(fixed) == spec.window * spec.channels and spec.layout is not None:
        return ConfigError(
            f"{takes}, {gives}",
            hint=f'remove `layout = "{spec.layout}"` from [input], or set the other one',
        )
    features = suggestion.of_samples(kept, spec)
    if features is not None:
        count = " × ".join(map(str, kept))  # noqa: RUF001 (a product)
        raw = f"{spec.channels}×{spec.window} raw samples"  # noqa: RUF001 (a product)
        return ConfigError(
            f"{takes}: it expects {count} features and is given {raw}", hint=features
        )
    return ConfigError(
        f"{takes}, {gives}",
        hint="set `window` and `channels` in [input] to what the model was trained on",
    )
