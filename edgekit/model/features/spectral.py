"""
Spectrum, log-mel and mfcc as ONNX operators, in float64.

A Fourier transform of a tone leaves bins a million times below its peak. In float32 these hold rounding, which the
logarithm would make as large as the rest; in float64 they are right, and the graph's features are the reference's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekit.features_section import MelBands, MfccFeatures, SpectrumFeatures
from edgekit.model.features import tables

if TYPE_CHECKING:
    from edgekit.features_section import Spectral
    from edgekit.model.features.emitter import Emitter

_TO_THE_END = np.iinfo(np.int64).max


def write(chain: Emitter, features: Spectral, rate_hz: float) -> None:
    """Go from samples `[channels, time]` to features `[channels, frames, values]`, both float64."""
    if features.pre_emphasis:
        _pre_emphasise(chain, features.pre_emphasis)
    missing = features.length - features.frame
    if missing:
        # In front, and the taper is zero there: at the end a stream would have to wait for samples that do not count.
        chain.node("Pad", "lead_in", [chain.axes("lead_in_pads", 0, missing, 0, 0)])
    chain.node("Unsqueeze", "real", [chain.axes("real_axis", 2)])
    chain.node("Mul", "complex", [chain.constant("one_and_none", np.array([1.0, 0.0]))])
    step = chain.constant("step", np.array(features.step, np.int64))
    chain.node(
        "STFT", "fourier", [step, chain.constant("taper", tables.taper(features))], onesided=0
    )
    first, after = 0, features.length // 2 + 1
    if isinstance(features, SpectrumFeatures):
        first, after = features.bin_range(rate_hz)
    part = chain.slice("bins", first, after, 2)
    chain.node("Mul", "squares", [part])
    chain.sum("power", 3, keep=False)
    if features.power == 1:
        chain.node("Sqrt", "magnitude")
    if isinstance(features, MelBands):
        chain.node("MatMul", "mel", [chain.constant("bands", tables.mel_bands(features, rate_hz))])
    _logarithm(chain, features)
    if isinstance(features, MfccFeatures):
        chain.node("MatMul", "cepstrum", [chain.constant("cosines", tables.cosines(features))])


def _pre_emphasise(chain: Emitter, factor: float) -> None:
    """Take from each sample a part of the one before it; the first one is only that."""
    samples = chain.at
    chain.slice("before", 0, -1, 1)
    before = chain.node("Mul", "carried", [chain.constant("pre_emphasis", np.array(factor))])
    chain.from_(samples).slice("after", 1, _TO_THE_END, 1)
    chain.node("Sub", "emphasised", [before])


def _logarithm(chain: Emitter, features: Spectral) -> None:
    if features.log == "none":
        return
    if features.add:
        chain.node("Add", "added", [chain.constant("add", np.array(features.add))])
    if features.floor:
        chain.node("Max", "floored", [chain.constant("floor", np.array(features.floor))])
    chain.node("Log", "logarithm")
    factor = {"ln": 1.0, "log10": 1 / np.log(10), "db": 20 / features.power / np.log(10)}
    if features.log != "ln":
        chain.node("Mul", "base", [chain.constant("base_factor", np.array(factor[features.log]))])
