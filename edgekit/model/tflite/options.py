"""Options of the operators, by the names that the schema gives them: what is read of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Fields:
    """One table of options."""

    table: str
    fields: Mapping[str, str] = field(default_factory=dict)
    """Our name: the schema's."""
    vectors: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """What stands where a file has no table of options."""


_ACTIVATION: Final = {"activation": "FusedActivationFunction"}
_STRIDES: Final = {"padding": "Padding", "stride_w": "StrideW", "stride_h": "StrideH"}
_DILATIONS: Final = {"dilation_w": "DilationWFactor", "dilation_h": "DilationHFactor"}
_POOL: Final = Fields(
    table="Pool2DOptions",
    fields={**_STRIDES, **_ACTIVATION, "filter_w": "FilterWidth", "filter_h": "FilterHeight"},
)
_REDUCER: Final = Fields(
    table="ReducerOptions", fields={"keep_dims": "KeepDims"}, defaults={"keep_dims": False}
)
_RESIZE: Final = {"align_corners": "AlignCorners", "half_pixel": "HalfPixelCenters"}


def _fused(table: str) -> Fields:
    return Fields(table=table, fields=_ACTIVATION, defaults={"activation": 0})


FIELDS: Final[Mapping[str, Fields]] = {
    "CONV_2D": Fields(table="Conv2DOptions", fields={**_STRIDES, **_DILATIONS, **_ACTIVATION}),
    "DEPTHWISE_CONV_2D": Fields(
        table="DepthwiseConv2DOptions", fields={**_STRIDES, **_DILATIONS, **_ACTIVATION}
    ),
    "TRANSPOSE_CONV": Fields(table="TransposeConvOptions", fields={**_STRIDES, **_ACTIVATION}),
    "FULLY_CONNECTED": Fields(
        table="FullyConnectedOptions",
        fields={
            **_ACTIVATION,
            "weights_format": "WeightsFormat",
            "asymmetric": "AsymmetricQuantizeInputs",
        },
        defaults={"activation": 0, "weights_format": 0, "asymmetric": False},
    ),
    "BATCH_MATMUL": Fields(
        table="BatchMatMulOptions",
        fields={"adj_x": "AdjX", "adj_y": "AdjY", "asymmetric": "AsymmetricQuantizeInputs"},
        defaults={"adj_x": False, "adj_y": False, "asymmetric": False},
    ),
    "AVERAGE_POOL_2D": _POOL,
    "MAX_POOL_2D": _POOL,
    "MEAN": _REDUCER,
    "SUM": _REDUCER,
    "REDUCE_MAX": _REDUCER,
    "REDUCE_MIN": _REDUCER,
    "REDUCE_PROD": _REDUCER,
    "SOFTMAX": Fields(table="SoftmaxOptions", fields={"beta": "Beta"}, defaults={"beta": 1.0}),
    "ADD": _fused("AddOptions"),
    "SUB": _fused("SubOptions"),
    "MUL": _fused("MulOptions"),
    "DIV": _fused("DivOptions"),
    "CONCATENATION": Fields(table="ConcatenationOptions", fields={"axis": "Axis", **_ACTIVATION}),
    "SQUEEZE": Fields(table="SqueezeOptions"),
    "STRIDED_SLICE": Fields(
        table="StridedSliceOptions",
        fields={
            "begin_mask": "BeginMask",
            "end_mask": "EndMask",
            "ellipsis_mask": "EllipsisMask",
            "new_axis_mask": "NewAxisMask",
            "shrink_axis_mask": "ShrinkAxisMask",
            "offset": "Offset",
        },
    ),
    "PACK": Fields(table="PackOptions", fields={"axis": "Axis"}, defaults={"axis": 0}),
    "UNPACK": Fields(table="UnpackOptions", fields={"axis": "Axis"}, defaults={"axis": 0}),
    "RESIZE_BILINEAR": Fields(
        table="ResizeBilinearOptions",
        fields=_RESIZE,
        defaults={"align_corners": False, "half_pixel": False},
    ),
    "RESIZE_NEAREST_NEIGHBOR": Fields(
        table="ResizeNearestNeighborOptions",
        fields=_RESIZE,
        defaults={"align_corners": False, "half_pixel": False},
    ),
    "MIRROR_PAD": Fields(table="MirrorPadOptions", fields={"mode": "Mode"}, defaults={"mode": 0}),
    "LEAKY_RELU": Fields(
        table="LeakyReluOptions", fields={"alpha": "Alpha"}, defaults={"alpha": 0.0}
    ),
    "GATHER": Fields(
        table="GatherOptions",
        fields={"axis": "Axis", "batch_dims": "BatchDims"},
        defaults={"axis": 0, "batch_dims": 0},
    ),
    "GELU": Fields(
        table="GeluOptions",
        fields={"approximate": "Approximate"},
        defaults={"approximate": False},
    ),
}
"""Operators whose options matter; shapes are read from the tensors, which the reference checks against the options."""
