"""
The feature graph: from samples `[window, channels]` to features `[channels, frames, values]`, both float32.

    samples → transpose → (float64) statistics, or: pre-emphasis → Fourier transform → power → mel → logarithm → cosines
            → scale and offset, or mean and std → clip → float32
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import onnx
from onnx import TensorProto

from edgekit.errors import ModelError
from edgekit.features_section import MelBands, StatisticsFeatures
from edgekit.model.features import spectral, statistics, tables
from edgekit.model.features.emitter import Emitter

if TYPE_CHECKING:
    from edgekit.features_section import Features
    from edgekit.model.graph_spec import GraphSpec

OPSET: Final = 17
"""The first one with STFT."""

_SAME_BUT_NUMBER: Final = 13
"""From this opset to `OPSET` no operator changed its meaning at inference: raising the number is all there is to do."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What is put in front of the model."""

    nodes: list[onnx.NodeProto]
    constants: list[onnx.TensorProto]
    at: str
    """Tensor `[channels, frames, values]` float32."""
    line: str
    """For the report."""


def write(spec: GraphSpec, at: str, opset: int) -> Written:
    """Return the operators that make features of the tensor `at`, `[window, channels]` float32."""
    features = spec.features
    if features is None or spec.rate_hz is None:
        raise TypeError("the stream form has no features")
    chain = Emitter(at, opset)
    chain.node("Transpose", "by_channel", perm=[1, 0])
    if isinstance(features, StatisticsFeatures):
        statistics.write(chain, features, features.frames_in(spec.window))
    else:
        chain.node("Cast", "exact_samples", to=TensorProto.DOUBLE)
        spectral.write(chain, features, spec.rate_hz)
    _finish(chain, features, spec.channels, features.values_a_frame(spec.rate_hz))
    return Written(
        nodes=chain.nodes,
        constants=chain.constants,
        at=chain.at,
        line=_line(features, spec.window, spec.rate_hz),
    )


def raise_opset(model: onnx.ModelProto) -> None:
    """Bring the model's standard operators to the version that features are written in, in place."""
    for item in model.opset_import:
        if item.domain not in ("", "ai.onnx") or item.version >= OPSET:
            continue
        if item.version >= _SAME_BUT_NUMBER:
            item.version = OPSET
            return
        with contextlib.suppress(RuntimeError, ValueError, onnx.checker.ValidationError):
            model.CopyFrom(onnx.version_converter.convert_version(model, OPSET))
            return
        raise ModelError(
            f"the model is written in opset {item.version}: features need opset {OPSET}",
            hint=f"export the model with opset {OPSET} or newer",
        )


def _finish(chain: Emitter, features: Features, channels: int, values: int) -> None:
    def constant(name: str) -> str:
        return chain.constant(
            f"feature_{name}", tables.per_value(getattr(features, name), channels, values)
        )

    if features.mean is not None:
        chain.node("Sub", "features_centred", [constant("mean")])
        chain.node("Div", "features_standardised", [constant("std")])
    if features.scale is not None:
        chain.node("Mul", "features_scaled", [constant("scale")])
    if features.offset is not None:
        chain.node("Add", "features_shifted", [constant("offset")])
    if features.clip is not None:
        low, high = (np.array(end, np.float64) for end in features.clip)
        chain.node("Min", "features_below", [chain.constant("clip_high", high)])
        chain.node("Max", "features_clipped", [chain.constant("clip_low", low)])
    chain.node("Cast", "features", to=TensorProto.FLOAT)


def _line(features: Features, window: int, rate_hz: float) -> str:
    frames, values = features.frames_in(window), features.values_a_frame(rate_hz)
    line = (
        f"{features.kind} features in the graph: {frames} frames of {features.frame} samples, one every {features.step}, "
        f"{values} values each"
    )
    if isinstance(features, MelBands):
        bands = tables.mel_bands(features, rate_hz)
        empty = int((bands.max(axis=0) <= 0).sum())
        if empty:
            line += f"; {empty} of {features.bins} mel bands hold no bin of the Fourier transform"
    return line
