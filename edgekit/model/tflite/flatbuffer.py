"""
Reading the flatbuffer: the one place that knows the package with TensorFlow Lite's schema.

The bytes are somebody else's: every offset, length and index is checked before it is used, and whatever the decoder
trips over becomes one sentence. Meant to run in the limited child all the same.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edgekit.errors import ModelError
from edgekit.model.tflite import options
from edgekit.model.tflite.graph import QUANTISED, Graph, Operator, Quantisation, Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    Array = np.ndarray[Any, Any]

MISSING: Final = 'install it: `pip install "edgekit[tflite]"` (the reader, and LiteRT as the reference of the proof)'

_MOST_ITEMS: Final = 65536
"""Tensors, operators or buffers: the models that fit on a board have hundreds."""
_MOST_AXES: Final = 8
_MOST_ELEMENTS: Final = 2**31
_SCHEMA_VERSION: Final = 3
_AGAIN: Final = "compare its size with the original, or convert it again"
_DECODING: Final = (
    *(struct.error, IndexError, ValueError, TypeError, OverflowError),
    *(KeyError, AttributeError, BufferError),
)
"""What Python's decoder of flatbuffers raises over bytes that are none."""
_FOUR_BITS: Final = "int4"
_DTYPES: Final = {
    "FLOAT32": "float32",
    "FLOAT16": "float16",
    "FLOAT64": "float64",
    "INT8": "int8",
    "UINT8": "uint8",
    "INT16": "int16",
    "UINT16": "uint16",
    "INT32": "int32",
    "UINT32": "uint32",
    "INT64": "int64",
    "BOOL": "bool",
    "INT4": _FOUR_BITS,
}


def read(data: bytes) -> Graph:
    """
    Return what a .tflite holds.

    Raises ModelError if it is damaged, or without the package that reads it; the message is what follows the file's name
    in a sentence, here and in all of this package.
    """
    schema = _schema()
    try:
        return _Reader(data, schema).graph()
    except ModelError:
        raise
    except _DECODING as error:
        raise _broken(f"what it points to is not there ({type(error).__name__})") from error


def _schema() -> ModuleType:
    try:
        import tflite  # noqa: PLC0415 (an extra: only who has a .tflite needs it)
    except ImportError as error:
        raise ModelError(
            "is a TensorFlow Lite model, and the package `tflite` is missing", hint=MISSING
        ) from error
    return tflite  # type: ignore[no-any-return]


class _Reader:
    """Decodes one file."""

    def __init__(self, data: bytes, schema: ModuleType) -> None:
        self.data = data
        self.schema: Any = schema
        if data[4:8] != b"TFL3":
            raise _broken("it does not begin as one")
        self.model = self.schema.Model.GetRootAs(data, 0)
        if self.model.Version() != _SCHEMA_VERSION:
            raise _broken(f"its schema is version {self.model.Version()}, not {_SCHEMA_VERSION}")
        self.dtypes = {
            getattr(self.schema.TensorType, key): name
            for key, name in _DTYPES.items()
            if hasattr(self.schema.TensorType, key)
        }

    def graph(self) -> Graph:
        """Return the main subgraph."""
        if _count(self.model.SubgraphsLength(), "subgraphs") == 0:
            raise _broken("it holds no graph")
        graph = self.model.Subgraphs(0)
        count = _count(graph.TensorsLength(), "tensors")
        raw = [self._tensor(graph.Tensors(index), index) for index in range(count)]
        tensors = _with_unique_names(raw)
        operators = tuple(
            self._operator(graph.Operators(number), number, tensors)
            for number in range(_count(graph.OperatorsLength(), "operators"))
        )
        return Graph(
            tensors=tuple(tensors),
            inputs=self._ends(graph.InputsLength(), graph.Inputs, tensors),
            outputs=self._ends(graph.OutputsLength(), graph.Outputs, tensors),
            operators=operators,
        )

    def _ends(
        self, length: int, at: Callable[[int], int], tensors: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        return tuple(
            tensors[_index(at(number), tensors, "tensor")]
            for number in range(_count(length, "inputs"))
        )

    def _tensor(self, raw: Any, index: int) -> Tensor:
        name = _text(raw.Name())
        dtype = self.dtypes.get(raw.Type(), f"type {raw.Type()}")
        axes = _count(raw.ShapeLength(), "axes", _MOST_AXES)
        shape = tuple(int(raw.Shape(axis)) for axis in range(axes))
        if any(length < 0 for length in shape) or math.prod(shape) > _MOST_ELEMENTS:
            raise _broken(f"tensor `{name}` has shape {list(shape)}")
        if raw.Sparsity() is not None:
            raise ModelError(
                f"holds `{name}` as a sparse tensor",
                hint="convert it without sparsity",
            )
        data = self._constant(raw.Buffer(), name, dtype, shape)
        quantisation = _quantisation(raw.Quantization(), shape, name, dtype)
        if data is None and quantisation is not None and quantisation.scales.size > 1:
            raise ModelError(
                f"computes `{name}` with a scale for each channel, which only weights may have",
                hint="convert it again",
            )
        return Tensor(
            index=index,
            name=name,
            # from here on two codes in a byte are codes like others
            dtype="int8" if dtype == _FOUR_BITS else dtype,
            shape=shape,
            quantisation=quantisation,
            data=data,
        )

    def _constant(self, number: int, name: str, dtype: str, shape: tuple[int, ...]) -> Array | None:
        """Return the data of a constant; None for what is computed."""
        buffers = _count(self.model.BuffersLength(), "buffers")
        if not 0 <= number < max(1, buffers):
            raise _broken(f"tensor `{name}` points to buffer {number} of {buffers}")
        if number == 0 or buffers == 0:
            return None
        content = self._bytes(self.model.Buffers(number))
        if not content:
            return None
        if dtype == _FOUR_BITS:
            return _unpacked(content, shape, name)
        if dtype.startswith("type "):
            raise ModelError(
                f"holds `{name}` of an element type that is not supported ({dtype})",
                hint="convert it to float32, float16 weights or int8",
            )
        values = np.frombuffer(content, dtype)
        if values.size != math.prod(shape):
            raise _broken(
                f"tensor `{name}` of shape {list(shape)} has {len(content):,} bytes of data"
            )
        return values.reshape(shape)

    def _bytes(self, buffer: Any) -> bytes:
        """Return a buffer's bytes; those of large models stand behind the flatbuffer."""
        start, size = int(buffer.Offset()), int(buffer.Size())
        if start > 1:
            if start + size > len(self.data):
                raise _broken("a buffer ends behind the end of the file")
            return self.data[start : start + size]
        if buffer.DataLength() == 0:
            return b""
        content: bytes = buffer.DataAsNumpy().tobytes()
        return content

    def _operator(self, raw: Any, number: int, tensors: Sequence[Tensor]) -> Operator:
        code = self.model.OperatorCodes(
            _index(raw.OpcodeIndex(), range(self.model.OperatorCodesLength()), "operator code")
        )
        # the newer field holds what the older one, of 8 bits, cannot
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name: str = self.schema.utils.BUILTIN_OPCODE2NAME.get(builtin, f"operator {builtin}")
        if name == "CUSTOM":
            name = f"custom `{_text(code.CustomCode())}`"
        inputs = tuple(
            None if position == -1 else tensors[_index(position, tensors, "tensor")]
            for position in _vector(raw.InputsLength(), raw.Inputs)
        )
        outputs = tuple(
            tensors[_index(position, tensors, "tensor")]
            for position in _vector(raw.OutputsLength(), raw.Outputs)
        )
        return Operator(
            number=number,
            name=name,
            inputs=inputs,
            outputs=outputs,
            options=self._options(raw, name),
        )

    def _options(self, raw: Any, name: str) -> dict[str, Any]:
        """Return the operator's options, with the schema's defaults where it has none."""
        wanted = options.FIELDS.get(name)
        if wanted is None:
            return {}
        table = getattr(self.schema, wanted.table)()
        given = raw.BuiltinOptions()
        kind = getattr(self.schema.BuiltinOptions, wanted.table)
        if given is None:
            return dict(wanted.defaults)
        if raw.BuiltinOptionsType() != kind:
            raise _broken(f"the options of {name} are of another operator")
        table.Init(given.Bytes, given.Pos)
        read = {key: getattr(table, method)() for key, method in wanted.fields.items()}
        for key, method in wanted.vectors.items():
            read[key] = _vector(getattr(table, f"{method}Length")(), getattr(table, method))
        return read


def _quantisation(raw: Any, shape: tuple[int, ...], name: str, dtype: str) -> Quantisation | None:
    if raw is None or raw.ScaleLength() == 0:
        return None
    count = _count(raw.ScaleLength(), "scales", _MOST_ELEMENTS)
    axis = raw.QuantizedDimension()
    scales = np.array(raw.ScaleAsNumpy(), np.float32)
    zeros = (
        np.array(raw.ZeroPointAsNumpy(), np.int64)
        if raw.ZeroPointLength()
        else np.zeros(count, np.int64)
    )
    if zeros.size == 1:
        zeros = np.repeat(zeros, count)
    along = shape[axis] if 0 <= axis < len(shape) else None
    if zeros.size != count or (count > 1 and count != along):
        raise _broken(f"tensor `{name}` has {count} scales along axis {axis} of {list(shape)}")
    low, high = _codes(dtype)
    if not (np.isfinite(scales) & (scales >= 0) & (low <= zeros) & (zeros <= high)).all():
        raise _broken(f"tensor `{name}` has a scale or a zero point that cannot be one")
    if not scales.any():  # converters write 0 for what is not quantised
        return None
    return Quantisation(scales=scales, zero_points=zeros, axis=axis)


def _codes(dtype: str) -> tuple[int, int]:
    """Return the range in which a zero point of codes of this type lies."""
    limits = np.iinfo(dtype if dtype in QUANTISED else np.int32)
    return int(limits.min), int(limits.max)


def _unpacked(content: bytes, shape: tuple[int, ...], name: str) -> Array:
    """Return int4 values, of which two stand in a byte, the first in its low half."""
    size = math.prod(shape)
    pairs = np.frombuffer(content, np.uint8)
    if pairs.size != (size + 1) // 2:
        raise _broken(f"tensor `{name}` of shape {list(shape)} has {len(content):,} bytes of data")
    nibbles = np.stack([pairs & 15, pairs >> 4], axis=1).reshape(-1)[:size].astype(np.int8)
    values: Array = np.where(nibbles > 7, nibbles - 16, nibbles).astype(np.int8).reshape(shape)  # noqa: PLR2004 (largest of 4 bits)
    return values


def _with_unique_names(tensors: list[Tensor]) -> list[Tensor]:
    """Return the tensors, renamed where a name is empty or taken: ONNX knows tensors by name alone."""
    names = unique_names([tensor.name for tensor in tensors])
    return [
        Tensor(**{**vars(tensor), "name": name})
        for tensor, name in zip(tensors, names, strict=True)
    ]


def unique_names(names: Sequence[str]) -> list[str]:
    """Return as many different names; the first one with a name keeps it."""
    taken, unique = set(names), list[str]()
    seen = set[str]()
    for index, name in enumerate(names):
        new = name or f"tensor_{index}"
        while new in seen or (new != name and new in taken):
            new += f"_{index}"
        seen.add(new)
        unique.append(new)
    return unique


def _vector(length: int, at: Callable[[int], int]) -> list[int]:
    return [int(at(number)) for number in range(_count(length, "values"))]


def _count(length: int, what: str, most: int = _MOST_ITEMS) -> int:
    if length > most:
        raise _broken(f"it says that it has {length:,} {what}")
    return length


def _index(number: int, items: Sequence[object], what: str) -> int:
    if not 0 <= number < len(items):
        raise _broken(f"it points to {what} {number} of {len(items)}")
    return number


def _text(raw: bytes | None) -> str:
    text = (raw or b"").decode("utf-8", errors="replace")
    # it reaches the terminal and the names of arrays in files
    return text if text.isprintable() else ascii(text)


def _broken(why: str) -> ModelError:
    return ModelError(f"is damaged or was cut short: {why}", hint=_AGAIN)
