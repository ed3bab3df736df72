"""
Statistics as ONNX operators, in float64 from the sums on.

Sums of float32 samples are exact there as long as the samples are of similar size, so that a mean that equals
a sample does so in the graph and in the reference: crossings are counted alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgekit.features_section import StatisticsFeatures
    from edgekit.model.features.emitter import Emitter

NOTHING_VARIES = 1e-15
"""Of the mean: a smaller deviation is rounding, and skewness and kurtosis are 0; the same bound as in scipy.stats."""


def write(chain: Emitter, features: StatisticsFeatures, frames: int) -> None:
    """Go from samples `[channels, time]` float32 to features `[channels, frames, values]` float64."""
    _frame(chain, features.frame, features.step, frames)
    chain.node("Cast", "frames", to=TensorProto.DOUBLE)
    statistics = _Statistics(chain, features.frame)
    columns = [getattr(statistics, name.replace("-", "_"))() for name in features.values]
    chain.from_(columns[0])
    if len(columns) > 1:
        chain.node("Concat", "statistics", columns[1:], axis=2)


def _frame(chain: Emitter, frame: int, step: int, frames: int) -> None:
    """Make `[channels, frames, frame]` of `[channels, time]`; still float32, as nothing is computed."""
    if frames == 1:
        chain.slice("frame", 0, frame, 1)
        chain.node("Unsqueeze", "framed", [chain.axes("framed_axis", 1)])
        return
    # Each kernel picks one sample of the frame: a convolution can be streamed, slices of fixed places cannot.
    kernels = np.eye(frame, dtype=np.float32)[:, np.newaxis, :]
    chain.node("Unsqueeze", "signal", [chain.axes("signal_axis", 1)])
    picks = chain.constant("picks", kernels)
    chain.node("Conv", "picked", [picks], kernel_shape=[frame], strides=[step])
    chain.node("Transpose", "framed", perm=[0, 2, 1])


class _Statistics:
    """Each statistic `[channels, frames, 1]` of the frames `[channels, frames, frame]`; what several need is made once."""

    def __init__(self, chain: Emitter, frame: int) -> None:
        self._chain = chain
        self._frames = chain.at
        self._frame = frame
        self._made: dict[str, str] = {}

    def mean(self) -> str:
        return self._once("mean", lambda: self._mean_of(self._frames, "mean"))

    def variance(self) -> str:
        return self._once("variance", lambda: self._mean_of(self._power(2), "variance"))

    def std(self) -> str:
        return self._chain.from_(self.variance()).node("Sqrt", "std")

    def min(self) -> str:
        return self._once("min", lambda: self._extreme("ReduceMin", "min"))

    def max(self) -> str:
        return self._once("max", lambda: self._extreme("ReduceMax", "max"))

    def range(self) -> str:
        least = self.min()
        return self._chain.from_(self.max()).node("Sub", "range", [least])

    def rms(self) -> str:
        # Not the mean of squares, written out: the engine has an operator for that, which computes in float32.
        mean, variance = self.mean(), self.variance()
        self._chain.from_(mean).node("Mul", "mean_squared", [mean])
        self._chain.node("Add", "mean_square", [variance])
        return self._chain.node("Sqrt", "rms")

    def mean_abs(self) -> str:
        sizes = self._chain.from_(self._frames).node("Abs", "sizes")
        return self._mean_of(sizes, "mean_abs")

    def skewness(self) -> str:
        third = self._mean_of(self._power(3), "third_moment")
        spread = self._safe_variance()
        self._chain.from_(spread).node("Sqrt", "skewness_root")
        cubed = self._chain.node("Mul", "skewness_cubed", [spread])
        self._chain.from_(third).node("Div", "skewness_ratio", [cubed])
        return self._chain.node("Mul", "skewness", [self._varies()])

    def kurtosis(self) -> str:
        chain = self._chain
        fourth = self._mean_of(self._power(4), "fourth_moment")
        spread = self._safe_variance()
        squared = chain.from_(spread).node("Mul", "kurtosis_squared", [spread])
        chain.from_(fourth).node("Div", "kurtosis_ratio", [squared])
        chain.node("Sub", "kurtosis_excess", [chain.constant("normal_kurtosis", np.array(3.0))])
        return chain.node("Mul", "kurtosis", [self._varies()])

    def zero_crossings(self) -> str:
        return self._crossings(self._frames, "zero_crossings")

    def mean_crossings(self) -> str:
        # n x - sum and not x - mean: a sample may equal the mean, and the engine multiplies by a rounded 1/n.
        chain = self._chain
        total = chain.from_(self._frames).sum("crossed_sum", 2, keep=True)
        count = chain.constant("crossed_count", np.array(float(self._frame)))
        chain.from_(self._frames).node("Mul", "multiplied", [count])
        return self._crossings(chain.node("Sub", "around_mean", [total]), "mean_crossings")

    def _once(self, name: str, make: Callable[[], str]) -> str:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def _power(self, exponent: int) -> str:
        """Return the deviations from the frame's mean, to a power."""
        if exponent == 1:
            mean = self.mean()
            return self._once(
                "power1", lambda: self._chain.from_(self._frames).node("Sub", "deviations", [mean])
            )
        one, lower = self._power(1), self._power(exponent - 1)
        name = f"power{exponent}"
        return self._once(
            name, lambda: self._chain.from_(lower).node("Mul", f"deviations_{name}", [one])
        )

    def _mean_of(self, tensor: str, name: str) -> str:
        self._chain.from_(tensor).sum(f"{name}_sum", 2, keep=True)
        count = self._chain.constant(f"{name}_count", np.array(float(self._frame)))
        return self._chain.node("Div", name, [count])

    def _extreme(self, op_type: str, name: str) -> str:
        return self._chain.from_(self._frames).reduce(op_type, name, 2)

    def _varies(self) -> str:
        """Return 1 where a frame varies, 0 where its deviation is rounding."""

        def make() -> str:
            variance, chain = self.variance(), self._chain
            chain.from_(self.mean()).node(
                "Mul", "rounding", [chain.constant("nothing_varies", np.array(NOTHING_VARIES))]
            )
            rounding = chain.node("Mul", "rounding_squared", [chain.at])
            chain.from_(variance).node("Greater", "is_varied", [rounding])
            return chain.node("Cast", "varied", to=TensorProto.DOUBLE)

        return self._once("varies", make)

    def _safe_variance(self) -> str:
        """Return the variance, and 1 where nothing varies: it is divided by."""

        def make() -> str:
            variance, varies, chain = self.variance(), self._varies(), self._chain
            one = chain.constant("one", np.array(1.0))
            still = chain.from_(one).node("Sub", "still", [varies])
            return chain.from_(variance).node("Add", "safe_variance", [still])

        return self._once("safe_variance", make)

    def _crossings(self, tensor: str, name: str) -> str:
        """Count the neighbours of which one is negative and the other is not."""
        chain = self._chain
        zero = chain.constant(f"{name}_zero", np.array(0.0))
        chain.from_(tensor).node("Less", f"{name}_negative", [zero])
        signs = chain.node("Cast", f"{name}_signs", to=TensorProto.DOUBLE)
        earlier = chain.slice(f"{name}_earlier", 0, self._frame - 1, 2)
        chain.from_(signs).slice(f"{name}_later", 1, self._frame, 2)
        chain.node("Sub", f"{name}_changes", [earlier])
        chain.node("Abs", f"{name}_changed")
        return chain.sum(name, 2, keep=True)
