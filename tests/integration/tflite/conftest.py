"""Small TensorFlow Lite models, written by the tests themselves: no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import pytest
import tflite
from ai_edge_litert import interpreter

TYPES = {
    "float32": tflite.TensorType.FLOAT32,
    "float16": tflite.TensorType.FLOAT16,
    "int8": tflite.TensorType.INT8,
    "uint8": tflite.TensorType.UINT8,
    "int16": tflite.TensorType.INT16,
    "int32": tflite.TensorType.INT32,
    "int64": tflite.TensorType.INT64,
    "bool": tflite.TensorType.BOOL,
}


@dataclass(frozen=True, kw_only=True)
class Made:
    """A tensor to write: `data` makes it a constant; `scale` and `zero` (one or several) its codes' meaning."""

    shape: Sequence[int]
    dtype: str = "float32"
    data: Any = None
    scale: Any = None
    zero: Any = 0
    axis: int = 0
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Step:
    """An operator to write: numbers of tensors, -1 for one that is left out; options by the schema's names."""

    name: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: Mapping[str, Any] = field(default_factory=dict)
    table: str = ""
    version: int = 1


class Tflite:
    """One model being written: tensors and operators are added, `finish` gives the bytes."""

    def __init__(self) -> None:
        self.tensors: list[Made] = []
        self.steps: list[Step] = []

    def tensor(self, shape: Sequence[int], dtype: str = "float32", **about: Any) -> int:
        """Add a tensor; return its number."""
        self.tensors.append(Made(shape=tuple(shape), dtype=dtype, **about))
        return len(self.tensors) - 1

    def constant(self, data: Any, dtype: str = "float32", **about: Any) -> int:
        """Add a constant; return its number."""
        return self.tensor(np.shape(data), dtype, data=data, **about)

    def step(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        table: str = "",
        **options: Any,
    ) -> None:
        """Add an operator; `options` by the schema's names, `version` of the operator beside them."""
        version = options.pop("version", 1)
        self.steps.append(
            Step(
                name=name,
                inputs=inputs,
                outputs=outputs,
                table=table,
                options=options,
                version=version,
            )
        )

    def finish(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """Return the file."""
        return write(self.tensors, self.steps, inputs, outputs)


@pytest.fixture(scope="session")
def new_tflite() -> type[Tflite]:
    """Return the class of a model being written."""
    return Tflite


RunLitert = Callable[[bytes, Sequence[Sequence[Any]]], list[list[Any]]]


@pytest.fixture(scope="session")
def litert() -> RunLitert:
    """Return a function that runs a model in LiteRT's reference kernels over frames of inputs."""

    def run(data: bytes, frames: Sequence[Sequence[Any]]) -> list[list[Any]]:
        model = _opened(data)
        results = []
        for frame in frames:
            for detail, values in zip(model.get_input_details(), frame, strict=True):
                model.set_tensor(detail["index"], values)
            model.invoke()
            results.append(
                [model.get_tensor(detail["index"]) for detail in model.get_output_details()]
            )
        return results

    return run


def _opened(data: bytes) -> Any:
    """Return an interpreter with reference kernels; ELU has none and gets an optimised one."""
    kinds = interpreter.OpResolverType
    try:
        return _allocated(data, kinds.BUILTIN_REF)
    except ValueError:
        return _allocated(data, kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES)


def _allocated(data: bytes, kernels: Any) -> Any:
    model = interpreter.Interpreter(
        model_content=data, experimental_op_resolver_type=kernels, num_threads=1
    )
    model.allocate_tensors()
    return model


def write(
    tensors: Sequence[Made], steps: Sequence[Step], inputs: Sequence[int], outputs: Sequence[int]
) -> bytes:
    """Return the bytes of a model."""
    builder = flatbuffers.Builder(4096)
    buffers = [_buffer(builder, None)]
    made = []
    for number, tensor in enumerate(tensors):
        position = 0
        if tensor.data is not None:
            position = len(buffers)
            buffers.append(_buffer(builder, np.asarray(tensor.data, tensor.dtype).tobytes()))
        made.append(_tensor(builder, tensor, number, position))
    codes = [_code(builder, step) for step in steps]
    operators = [_operator(builder, step, number) for number, step in enumerate(steps)]
    graph = _graph(builder, made, operators, inputs, outputs)
    parts = {
        "Buffers": _offsets(builder, buffers),
        "OperatorCodes": _offsets(builder, codes),
        "Subgraphs": _offsets(builder, [graph]),
    }
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, 3)
    for name, part in parts.items():
        getattr(tflite, f"ModelAdd{name}")(builder, part)
    builder.Finish(tflite.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def _graph(
    builder: Any,
    tensors: Sequence[int],
    operators: Sequence[int],
    inputs: Sequence[int],
    outputs: Sequence[int],
) -> int:
    parts = {
        "Tensors": _offsets(builder, tensors),
        "Operators": _offsets(builder, operators),
        "Inputs": _numbers(builder, inputs, np.int32),
        "Outputs": _numbers(builder, outputs, np.int32),
    }
    tflite.SubGraphStart(builder)
    for name, part in parts.items():
        getattr(tflite, f"SubGraphAdd{name}")(builder, part)
    end: int = tflite.SubGraphEnd(builder)
    return end


def _buffer(builder: Any, data: bytes | None) -> int:
    if data is not None:
        builder.StartVector(1, len(data), 16)
        builder.head -= len(data)
        builder.Bytes[builder.Head() : builder.Head() + len(data)] = data
        vector = builder.EndVector()
    tflite.BufferStart(builder)
    if data is not None:
        tflite.BufferAddData(builder, vector)
    end: int = tflite.BufferEnd(builder)
    return end


def _tensor(builder: Any, tensor: Made, number: int, position: int) -> int:
    quantisation = None
    if tensor.scale is not None:
        scales = np.atleast_1d(np.asarray(tensor.scale, np.float32))
        zeros = np.broadcast_to(np.atleast_1d(tensor.zero), scales.shape)
        parts = (_numbers(builder, scales, np.float32), _numbers(builder, zeros, np.int64))
        tflite.QuantizationParametersStart(builder)
        tflite.QuantizationParametersAddScale(builder, parts[0])
        tflite.QuantizationParametersAddZeroPoint(builder, parts[1])
        tflite.QuantizationParametersAddQuantizedDimension(builder, tensor.axis)
        quantisation = tflite.QuantizationParametersEnd(builder)
    name = builder.CreateString(f"t{number}" if tensor.name is None else tensor.name)
    shape = _numbers(builder, tensor.shape, np.int32)
    tflite.TensorStart(builder)
    tflite.TensorAddShape(builder, shape)
    tflite.TensorAddType(builder, TYPES[tensor.dtype])
    tflite.TensorAddBuffer(builder, position)
    tflite.TensorAddName(builder, name)
    if quantisation is not None:
        tflite.TensorAddQuantization(builder, quantisation)
    end: int = tflite.TensorEnd(builder)
    return end


def _code(builder: Any, step: Step) -> int:
    number = getattr(tflite.BuiltinOperator, step.name)
    tflite.OperatorCodeStart(builder)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, min(number, 127))
    tflite.OperatorCodeAddBuiltinCode(builder, number)
    tflite.OperatorCodeAddVersion(builder, step.version)
    end: int = tflite.OperatorCodeEnd(builder)
    return end


def _operator(builder: Any, step: Step, number: int) -> int:
    options = None
    if step.table:
        values = {
            key: _numbers(builder, value, np.int32) if isinstance(value, list) else value
            for key, value in step.options.items()
        }
        getattr(tflite, f"{step.table}Start")(builder)
        for key, value in values.items():
            getattr(tflite, f"{step.table}Add{key}")(builder, value)
        options = getattr(tflite, f"{step.table}End")(builder)
    inputs = _numbers(builder, step.inputs, np.int32)
    outputs = _numbers(builder, step.outputs, np.int32)
    tflite.OperatorStart(builder)
    tflite.OperatorAddOpcodeIndex(builder, number)
    tflite.OperatorAddInputs(builder, inputs)
    tflite.OperatorAddOutputs(builder, outputs)
    if options is not None:
        tflite.OperatorAddBuiltinOptionsType(builder, getattr(tflite.BuiltinOptions, step.table))
        tflite.OperatorAddBuiltinOptions(builder, options)
    end: int = tflite.OperatorEnd(builder)
    return end


def _offsets(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    end: int = builder.EndVector()
    return end


def _numbers(builder: Any, values: Any, dtype: Any) -> int:
    end: int = builder.CreateNumpyVector(np.array(values, dtype))
    return end
