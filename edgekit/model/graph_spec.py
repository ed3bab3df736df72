"""What the graph must do besides the model itself: the part of a project that becomes operators."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from edgekit.errors import ConfigError
from edgekit.features_section import KINDS, Features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekit.project import Project

Layout = Literal["time-channel", "channel-time"]
OutputKind = Literal["classes", "value", "anomaly", "raw"]
Activation = Literal["softmax", "sigmoid", "none"]


@dataclass(frozen=True, kw_only=True)
class GraphSpec:
    """
    The stream form of a model: samples `[window, channels]` float32 in, `[n]` float32 out.

    `scale`/`offset` (`x * scale + offset`) or `mean`/`std` (`(x - mean) / std`) have one value a channel and
    are computed in float32; None means that the step is not there.
    """

    window: int
    channels: int
    layout: Layout | None = None
    """Order of the model's own axes; None: found from its shape."""
    scale: tuple[float, ...] | None = None
    offset: tuple[float, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    output_kind: OutputKind = "classes"
    activation: Activation = "none"
    output_name: str | None = None
    features: Features | None = None
    """What is computed of the samples, behind scale or mean, in front of the model."""
    rate_hz: float | None = None
    """Samples a second; the features' frequencies are of these, nothing else is."""

    def __post_init__(self) -> None:
        for name in ("window", "channels"):
            if getattr(self, name) < 1:
                raise ConfigError(f"`{name}` is {getattr(self, name)}: must be positive")
        for name in ("scale", "offset", "mean", "std"):
            value = getattr(self, name)
            if value is not None and len(value) != self.channels:
                raise ConfigError(f"`{name}` has {len(value)} values for {self.channels} channels")
            _check_float32(name, value or ())
        if (self.mean is None) != (self.std is None):
            raise ConfigError("`mean` and `std` go together: one of them is missing")
        if self.mean is not None and (self.scale is not None or self.offset is not None):
            raise ConfigError(
                "`mean`/`std` and `scale`/`offset` are two ways to say the same: keep one pair"
            )
        if self.features is not None:
            self._check_features(self.features)
        if self.output_kind == "anomaly" and self.activation != "none":
            raise ConfigError(
                f'`activation = "{self.activation}"` does not go with `kind = "anomaly"`: '
                "the error is computed from the reconstruction as it is",
                hint="remove `activation` from [output]",
            )

    def _check_features(self, features: Features) -> None:
        if self.rate_hz is None:
            raise ConfigError("`features` need `rate_hz`: what the samples per second are")
        try:
            features.check(window=self.window, channels=self.channels, rate_hz=self.rate_hz)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        if self.layout is not None:
            raise ConfigError(
                f'`layout = "{self.layout}"` is the order of samples, and the model takes features',
                hint='say the order in `features`: `layout = "time-channel-value"` or another',
            )

    @classmethod
    def of(cls, project: Project) -> GraphSpec | None:
        """Return the stream form that a project asks for; None if it calls the model with named tensors."""
        stream = project.input
        if stream.kind == "tensor":
            return None
        channels = len(stream.channels)
        return cls(
            window=stream.window,
            channels=channels,
            layout=stream.layout,
            scale=per_channel(stream.scale, channels),
            offset=per_channel(stream.offset, channels),
            mean=per_channel(stream.mean, channels),
            std=per_channel(stream.std, channels),
            output_kind=project.output.kind,
            activation=project.output.activation,
            output_name=project.output.name,
            features=stream.features,
            rate_hz=None if stream.features is None else stream.rate_hz,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what `to_json` gave."""
        read = _with_tuples(value)
        if read.get("features") is not None:
            features = _with_tuples(read["features"])
            read["features"] = KINDS[features["kind"]](**features)
        return cls(**read)


def _with_tuples(value: dict[str, Any]) -> dict[str, Any]:
    """Return a dataclass's values from JSON, which has lists in place of tuples."""
    return {key: tuple(item) if isinstance(item, list) else item for key, item in value.items()}


def _check_float32(name: str, values: Sequence[float]) -> None:
    """Refuse what the graph, which computes in float32, would make infinite, NaN or nothing of."""
    with np.errstate(over="ignore"):
        cast = np.array(values, np.float32)
    for channel, (value, number) in enumerate(zip(values, cast, strict=True)):
        what = f"`{name}` of channel {channel} is {value:g}"
        if not np.isfinite(number):
            raise ConfigError(f"{what}: must be a finite float32 number")
        # the engine flushes subnormal numbers to zero
        vanishes = bool(abs(number) < np.finfo(np.float32).tiny)
        if name == "std" and (vanishes or number < 0):
            raise ConfigError(
                f"{what}: must be positive" if number < 0 else f"{what}: cannot divide by it",
                hint="a channel that never varied in training says nothing: give it `std = 1`",
            )
        if name == "scale" and vanishes:
            raise ConfigError(
                f"{what}: nothing would be left of the samples",
                hint="give the factor from raw value to model value; without `scale` it is 1",
            )


def per_channel(value: float | Sequence[float] | None, channels: int) -> tuple[float, ...] | None:
    """Return one value a channel, from one for each or from a number for all of them."""
    if value is None:
        return None
    if isinstance(value, int | float):
        return (float(value),) * channels
    return tuple(float(number) for number in value)
