"""The native engine from Python: what it takes, what it gives, what it refuses, what it costs."""

from __future__ import annotations

import os
import platform
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import edgekit_runtime as ek
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.native

CHANNELS = 3


def onnx_bytes(
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, tuple[int, Sequence[int | str]]],
    outputs: Sequence[str],
    constants: dict[str, Any] | None = None,
) -> bytes:
    """Serialise a graph; an input is its element type and shape."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(np.asarray(it), name) for name, it in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    serialized: bytes = model.SerializeToString()
    return serialized


def doubling(window: int) -> ek.Session:
    """Make a session of a model that doubles a window."""
    model = onnx_bytes(
        [helper.make_node("Mul", ["x", "two"], ["y"])],
        {"x": (TensorProto.FLOAT, [window, CHANNELS])},
        ["y"],
        {"two": np.array([2], np.float32)},
    )
    return ek.Session(ek.import_onnx(model))


def several() -> bytes:
    """Make a model of several inputs and outputs, of several types."""
    return onnx_bytes(
        [
            helper.make_node("Neg", ["floats"], ["negated"]),
            helper.make_node("Add", ["longs", "longs"], ["sums"]),
            helper.make_node("Not", ["flags"], ["opposite"]),
            helper.make_node("Cast", ["octets"], ["doubles"], to=TensorProto.DOUBLE),
        ],
        {
            "floats": (TensorProto.FLOAT, [2, 2]),
            "longs": (TensorProto.INT64, [3]),
            "flags": (TensorProto.BOOL, [4]),
            "octets": (TensorProto.UINT8, [1, 2]),
        },
        ["negated", "sums", "opposite", "doubles"],
    )


def samples(start: int, stop: int) -> bytes:
    """Make samples `start` to `stop - 1`, each number its place in the stream."""
    return np.arange(start * CHANNELS, stop * CHANNELS, dtype=np.float32).tobytes()


def test_the_engine_says_what_it_is() -> None:
    """A manifest compares these with what an archive needs."""
    engine = ek.engine()

    assert (engine.name, engine.can_import) == ("tract", True)
    assert engine.version.split(".")[:2] == ["0", "23"]
    assert {"tract_nnef", "tract_core", "tract_onnx", "tract_pulse"} <= set(engine.registries)


def test_the_engine_names_the_kernels_it_really_has() -> None:
    """The one in use is in the list, which is in order and holds those of plain Rust."""
    kernels = ek.kernels()

    assert kernels.float32 in kernels.available
    assert list(kernels.available) == sorted(set(kernels.available))
    assert {"generic_f32_4x4", "generic_i32_4x4"} <= set(kernels.available)
    assert kernels.chosen.isascii()
    assert kernels.chosen.islower()


@pytest.mark.skipif(platform.machine() != "aarch64", reason="tells Arm cores apart")
@pytest.mark.parametrize(("core", "kernel"), [("a53", "a53"), ("a55", "a55"), ("a72", "gen")])
def test_the_environment_says_which_core_this_is(core: str, kernel: str) -> None:
    """An emulator may show another CPU than it emulates; only a53 and a55 have kernels of their own."""
    program = "import edgekit_runtime as ek; k = ek.kernels(); print(k.chosen, k.float32)"
    environment = {**os.environ, "TRACT_CPU_AARCH64_KIND": core}

    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )

    assert run.stdout.split() == [core, f"arm64simd_mmm_f32_8x8_{kernel}"]


def test_tensors_of_several_types_go_in_and_out() -> None:
    """Every output comes by name, with its own type and shape."""
    session = ek.Session(ek.import_onnx(several()))
    inputs = {
        "octets": np.array([[7, 255]], np.uint8),
        "flags": np.array([True, False, False, True]),
        "longs": np.array([1, -2, 2**40], np.int64),
        "floats": np.array([[1, -2], [0.5, 0]], np.float32),
    }

    outputs = session.run({name: array.tobytes() for name, array in inputs.items()})

    told = [(it.name, it.dtype, it.shape, it.size_bytes) for it in session.outputs]
    assert told == [
        ("negated", "float32", (2, 2), 16),
        ("sums", "int64", (3,), 24),
        ("opposite", "bool", (4,), 4),
        ("doubles", "float64", (1, 2), 16),
    ]
    arrays = {it.name: np.frombuffer(outputs[it.name], it.dtype) for it in session.outputs}
    assert arrays["negated"].tolist() == [-1, 2, -0.5, 0]
    assert arrays["sums"].tolist() == [2, -4, 2**41]
    assert arrays["opposite"].tolist() == [False, True, True, False]
    assert arrays["doubles"].tolist() == [7, 255]


def test_shapes_and_quantised_codes_are_integers() -> None:
    """Two things that NNEF has no word for, spelled out by the importer."""
    model = onnx_bytes(
        [
            helper.make_node("Shape", ["x"], ["shape"]),
            helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["codes"]),
            helper.make_node("DequantizeLinear", ["codes", "scale", "zero"], ["y"]),
        ],
        {"x": (TensorProto.FLOAT, [1, 5])},
        ["shape", "codes", "y"],
        {"scale": np.array(0.5, np.float32), "zero": np.array(-3, np.int8)},
    )
    session = ek.Session(ek.import_onnx(model))

    outputs = session.run({"x": np.array([-99, -0.25, 0, 0.75, 99], np.float32).tobytes()})

    assert np.frombuffer(outputs["shape"], np.int64).tolist() == [1, 5]
    assert np.frombuffer(outputs["codes"], np.int8).tolist() == [-128, -3, -3, -1, 127]
    assert np.frombuffer(outputs["y"], np.float32).tolist() == [-62.5, 0, 0, 1, 65]


@pytest.mark.parametrize(
    "name",
    [
        "serving_default_x:0",
        "/conv/Relu.1",
        "0",
        "mit Leer; 'x'",
        "größe",
        "graph",
        '"',
        "\\",
        "😀",
    ],
)
def test_names_survive(name: str) -> None:
    """Exporters make names that are no identifiers anywhere else."""
    twin = name.replace(name[-1], "_") if name[-1].isascii() else f"{name}_"
    model = onnx_bytes(
        [
            helper.make_node("Neg", [name], [f"{name}/y"]),
            helper.make_node("Abs", [twin], [f"{twin}/y"]),
        ],
        {name: (TensorProto.FLOAT, [1]), twin: (TensorProto.FLOAT, [1])},
        [f"{name}/y", f"{twin}/y"],
    )

    session = ek.Session(ek.import_onnx(model))
    outputs = session.run({name: np.float32(1).tobytes(), twin: np.float32(-2).tobytes()})

    assert [it.name for it in session.inputs] == [name, twin]
    assert {key: np.frombuffer(it, np.float32)[0] for key, it in outputs.items()} == {
        f"{name}/y": -1,
        f"{twin}/y": 2,
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"longs": None}, "input `longs` is missing"),
        ({"long": b""}, "unknown input `long`; the model takes `floats`, `longs`"),
        ({"longs": bytes(23)}, "input `longs` takes 24 bytes, not 23"),
        ({"floats": b""}, "input `floats` takes 16 bytes, not 0"),
        ({"flags": bytes([0, 1, 2, 0])}, "input `flags` is bool, and its byte 2 is 2"),
    ],
)
def test_a_wrong_input_is_a_value_error_and_harmless(
    change: dict[str, bytes | None], message: str
) -> None:
    """The session works as before after the caller's mistake."""
    session = ek.Session(ek.import_onnx(several()))
    good = {it.name: bytes(it.size_bytes) for it in session.inputs}
    before = session.run(good)

    with pytest.raises(ValueError, match=message):
        session.run({name: it for name, it in (good | change).items() if it is not None})

    assert session.run(good) == before


def test_what_is_no_bytes_is_a_type_error() -> None:
    """An array does not cross the boundary by itself."""
    session = doubling(2)

    with pytest.raises(TypeError):
        session.run({"x": np.zeros((2, CHANNELS), np.float32)})  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        ek.Session("model.nnef.tar")  # type: ignore[arg-type]


def test_a_bytearray_will_do() -> None:
    """Sources fill bytearrays in place."""
    session = doubling(2)
    inputs = bytearray(samples(0, 2))

    assert session.run({"x": inputs}) == session.run({"x": bytes(inputs)})
    assert session.stream(2).push(inputs) == session.stream(2).push(bytes(inputs))


def test_a_panic_in_the_engine_is_an_error_and_harmless(capfd: pytest.CaptureFixture[str]) -> None:
    """Integer division by zero: the process lives, nothing is printed, the session works."""
    model = onnx_bytes(
        [helper.make_node("Div", ["a", "b"], ["ratio"])],
        {"a": (TensorProto.INT32, [1]), "b": (TensorProto.INT32, [1])},
        ["ratio"],
    )
    session = ek.Session(ek.import_onnx(model))
    hundred = np.int32(100).tobytes()

    with pytest.raises(ek.EngineError, match="divide by zero"):
        session.run({"a": hundred, "b": bytes(4)})

    ratio = session.run({"a": hundred, "b": np.int32(7).tobytes()})["ratio"]
    assert np.frombuffer(ratio, np.int32)[0] == 14
    assert capfd.readouterr() == ("", "")


def test_subnormals_are_zero_in_the_engine_only() -> None:
    """The interpreter's floats are as they were."""
    session = doubling(1)
    subnormal = np.full(CHANNELS, np.finfo(np.float32).smallest_subnormal)

    outputs = session.run({"x": subnormal.tobytes()})

    assert not np.frombuffer(outputs["y"], np.float32).any()
    assert sys.float_info.min / 2 > 0
    assert (subnormal * np.float32(2)).all()


@pytest.mark.parametrize("operator", ["GRU", "LSTM", "RNN"])
def test_a_recurrence_starts_anew_in_every_run(operator: str) -> None:
    """ONNX has no memory between runs; tract has, unless told otherwise."""
    gates = {"GRU": 3, "LSTM": 4, "RNN": 1}[operator]
    generator = np.random.default_rng(0)
    weights = {
        "w": generator.normal(size=(1, gates * 4, CHANNELS)).astype(np.float32),
        "r": generator.normal(size=(1, gates * 4, 4)).astype(np.float32),
    }
    model = onnx_bytes(
        [helper.make_node(operator, ["x", "w", "r"], ["y"], hidden_size=4)],
        {"x": (TensorProto.FLOAT, [5, 1, CHANNELS])},
        ["y"],
        weights,
    )
    session = ek.Session(ek.import_onnx(model))
    inputs = {"x": generator.normal(size=(5, 1, CHANNELS)).astype(np.float32).tobytes()}

    first, second = session.run(inputs), session.run(inputs)

    assert first == second
    session.reset()
    assert session.run(inputs) == first


def test_a_reverse_recurrence_is_refused() -> None:
    """The engine would run it forward without a word."""
    model = onnx_bytes(
        [helper.make_node("GRU", ["x", "w", "r"], ["y"], hidden_size=1, direction="reverse")],
        {"x": (TensorProto.FLOAT, [5, 1, 1])},
        ["y"],
        {"w": np.zeros((1, 3, 1), np.float32), "r": np.zeros((1, 3, 1), np.float32)},
    )

    with pytest.raises(ek.EngineError, match="node `y` is a reverse GRU"):
        ek.import_onnx(model)


@pytest.mark.parametrize("hop", [1, 2, 4, 5, 7])
@pytest.mark.parametrize("block", [1, 3, 4, 30])
def test_a_stream_gives_what_its_windows_give(hop: int, block: int) -> None:
    """Every window of four samples, however the samples arrive."""
    session = doubling(4)
    stream = session.stream(hop)

    predictions = []
    for start in range(0, 30, block):
        predictions += stream.push(samples(start, min(start + block, 30)))

    ends = range(4, 31, hop)
    assert predictions == [(end, session.run({"x": samples(end - 4, end)})["y"]) for end in ends]
    next_start = len(ends) * hop
    held = sum(any(end - 4 <= i < end for end in ends) for i in range(30))
    assert stream.pending == max(0, 30 - max(next_start, ends[-1]))
    assert held + stream.skipped + stream.pending == 30


def test_a_stream_tells_its_shape() -> None:
    """The agent sizes its buffers by these."""
    stream = doubling(8).stream(hop=3)

    assert (stream.window, stream.hop, stream.channels) == (8, 3, CHANNELS)
    assert stream.outputs == 8 * CHANNELS
    assert stream.push(b"") == []


def test_a_stream_starts_anew_after_a_reset() -> None:
    """What was pending is told, and counting starts at 0."""
    stream = doubling(4).stream(hop=4)
    stream.push(samples(0, 7))

    assert (stream.pending, stream.reset(), stream.pending) == (3, 3, 0)
    assert [end for end, _ in stream.push(samples(0, 4))] == [4]


def test_a_partial_sample_is_refused_whole() -> None:
    """Nothing of a wrong block is taken."""
    stream = doubling(4).stream(hop=4)

    with pytest.raises(ValueError, match="25 bytes are no whole number of samples of 12 bytes"):
        stream.push(bytes(25))

    assert stream.pending == 0


@pytest.mark.parametrize("hop", [0, -1])
def test_a_hop_is_positive(hop: int) -> None:
    """No hop, no stream."""
    with pytest.raises(ValueError, match="`hop` must be positive"):
        doubling(4).stream(hop)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ((TensorProto.FLOAT, [1, 4, CHANNELS]), r"one float32 input \[1, 4, 3\]"),
        ((TensorProto.INT32, [4, CHANNELS]), r"one int32 input \[4, 3\]"),
    ],
)
def test_a_stream_needs_a_stream_model(kind: tuple[int, list[int | str]], found: str) -> None:
    """The error says what the model has instead."""
    model = onnx_bytes([helper.make_node("Neg", ["x"], ["y"])], {"x": kind}, ["y"])

    with pytest.raises(ValueError, match=f"one float32 input .*; the model has {found}"):
        ek.Session(ek.import_onnx(model)).stream(1)


def test_the_same_model_gives_the_same_bytes() -> None:
    """Bundles are compared by digest, so no date and no chance may leave a trace."""
    model = several()

    assert ek.import_onnx(model) == ek.import_onnx(bytearray(model))


def test_other_tensors_can_be_the_outputs() -> None:
    """A model can be cut short of its last layers."""
    model = onnx_bytes(
        [helper.make_node("Neg", ["x"], ["h:0"]), helper.make_node("Exp", ["h:0"], ["y"])],
        {"x": (TensorProto.FLOAT, [2])},
        ["y"],
    )

    session = ek.Session(ek.import_onnx(model, outputs=["h:0"]))

    assert [it.name for it in session.outputs] == ["h:0"]
    given, negated = np.array([[1, -2], [-1, 2]], np.float32)
    assert session.run({"x": given.tobytes()}) == {"h:0": negated.tobytes()}
    with pytest.raises(ek.EngineError, match="no tensor `z`"):
        ek.import_onnx(model, outputs=["z"])


def test_external_data_is_refused() -> None:
    """A model file is all there is; another file could be anyone's."""
    model = onnx.load_from_string(several())
    tensor = numpy_helper.from_array(np.zeros(1, np.float32), "outside")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/hostname")
    model.graph.initializer.append(tensor)

    with pytest.raises(ek.EngineError, match="the data of `outside` is not in the file"):
        ek.import_onnx(model.SerializeToString())


def test_an_open_shape_is_refused() -> None:
    """The host fixes every dimension before it imports."""
    model = onnx_bytes(
        [helper.make_node("Neg", ["x"], ["y"])], {"x": (TensorProto.FLOAT, ["batch", 3])}, ["y"]
    )

    with pytest.raises(ek.EngineError, match=r"the shape of `x` is not fixed: \[batch, 3\]"):
        ek.import_onnx(model)


def test_an_unknown_operator_is_named() -> None:
    """Without a page of backtrace, even where RUST_BACKTRACE is set."""
    model = onnx_bytes(
        [helper.make_node("Telepathy", ["x"], ["y"])], {"x": (TensorProto.FLOAT, [1])}, ["y"]
    )

    with pytest.raises(ek.EngineError, match="Telepathy") as caught:
        ek.import_onnx(model)

    assert "backtrace" not in str(caught.value).lower()


@pytest.mark.parametrize("seed", range(20))
def test_garbage_is_an_engine_error(seed: int) -> None:
    """Whatever the bytes, the process lives."""
    generator = random.Random(seed)
    garbage = generator.randbytes(generator.randrange(5000))

    with pytest.raises(ek.EngineError):
        ek.Session(garbage)
    with pytest.raises(ek.EngineError):
        ek.Session(garbage + bytes(-len(garbage) % 512 + 1024))
    with pytest.raises(ek.EngineError):
        ek.import_onnx(b"\x3a" + garbage)


def test_a_cut_archive_is_an_engine_error() -> None:
    """A download that ended early."""
    archive = ek.import_onnx(several())

    for length in range(0, len(archive), 100):
        with pytest.raises(ek.EngineError, match="cannot load the archive"):
            ek.Session(archive[:length])


def test_memory_is_counted() -> None:
    """A loaded model is live until it is gone; a run shows in the peak."""
    doubling(2)
    before = ek.memory()
    session = doubling(4096)
    loaded = ek.memory()
    ek.reset_peak()
    session.run({"x": samples(0, 4096)})
    ran = ek.memory()
    del session

    assert loaded.live_bytes > before.live_bytes
    assert ran.peak_bytes > loaded.live_bytes + 4096 * CHANNELS * 4
    assert ran.allocations > loaded.allocations
    assert ek.memory().live_bytes < loaded.live_bytes


@pytest.mark.parametrize("times", [10_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_memory_does_not_grow(times: int) -> None:
    """After any number of inferences what is live is what was live after the first thousand."""
    session = doubling(16)
    stream = session.stream(hop=4)
    inputs, block = {"x": samples(0, 16)}, samples(0, 4)

    def live_bytes_after(count: int) -> int:
        for _ in range(count):
            session.run(inputs)
            stream.push(block)
        return ek.memory().live_bytes

    early = live_bytes_after(1_000)
    assert live_bytes_after(times - 1_000) == early
