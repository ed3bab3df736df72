"""The trained network as ONNX: the operators that an export of PyTorch has, `[N, channels, time]` in, logits out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from network import DILATIONS, KERNEL, STRIDES
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from network import Layer, Network
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

OPSET = 17
IR_VERSION = 8  # what opset 17 came with: older runtimes read it


def to_onnx(network: Network, *, window: int, channels: int) -> bytes:
    """Return the model's bytes; the same parameters give the same bytes. Normalisation and softmax are not in it."""
    nodes, weights = [], []
    name, width = "samples", channels
    for index, layer in enumerate(network.convolutions):
        weights += _parameters(f"conv{index}", _kernel(layer, width), layer.bias)
        nodes += _convolution(index, name)
        name, width = f"relu{index}", len(layer.bias)
    weights += _parameters("dense", np.asarray(network.dense.weight).T, network.dense.bias)
    nodes += [
        helper.make_node("GlobalAveragePool", [name], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["features"], "flatten", axis=1),
        helper.make_node(
            "Gemm", ["features", "dense.weight", "dense.bias"], ["logits"], "dense", transB=1
        ),
    ]
    classes = len(network.dense.bias)
    graph = helper.make_graph(
        nodes,
        "shoulder",
        [helper.make_tensor_value_info("samples", TensorProto.FLOAT, ["N", channels, window])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", classes])],
        weights,
    )
    model = helper.make_model(
        graph,
        producer_name="examples/shoulder",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _kernel(layer: Layer, width: int) -> Floats:
    """Return ONNX's `[out, in, kernel]` of a weight `[kernel · in, out]`."""
    weight = np.asarray(layer.weight).reshape(KERNEL, width, -1)
    return np.ascontiguousarray(weight.transpose(2, 1, 0))


def _convolution(index: int, source: str) -> list[onnx.NodeProto]:
    convolution = helper.make_node(
        "Conv",
        [source, f"conv{index}.weight", f"conv{index}.bias"],
        [f"conv{index}"],
        f"conv{index}",
        kernel_shape=[KERNEL],
        dilations=[DILATIONS[index]],
        strides=[STRIDES[index]],
        pads=[0, 0],
    )
    return [
        convolution,
        helper.make_node("Relu", [f"conv{index}"], [f"relu{index}"], f"relu{index}"),
    ]


def _parameters(name: str, weight: object, bias: object) -> list[onnx.TensorProto]:
    return [
        numpy_helper.from_array(np.asarray(weight, np.float32), f"{name}.weight"),
        numpy_helper.from_array(np.asarray(bias, np.float32), f"{name}.bias"),
    ]
