"""What the graph computes in front of the model, in NumPy: for looking at samples, not for the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgekit.model.graph_spec import GraphSpec

    Floats = NDArray[np.float32]


@np.errstate(over="ignore", invalid="ignore")  # as the model would see it
def normalise(windows: Floats, spec: GraphSpec) -> Floats:
    """Return what the model was trained on, from raw samples: scale and offset, or mean and std, in float32."""
    values: Floats = windows.astype(np.float32)
    if spec.scale is not None:
        np.multiply(values, np.array(spec.scale, np.float32), out=values)
    if spec.offset is not None:
        np.add(values, np.array(spec.offset, np.float32), out=values)
    if spec.mean is not None and spec.std is not None:
        np.subtract(values, np.array(spec.mean, np.float32), out=values)
        np.divide(values, np.array(spec.std, np.float32), out=values)
    return values
