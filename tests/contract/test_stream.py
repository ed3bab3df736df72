"""The contract of a stream, held by the engine's and by the fake that stands in for it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.testing import FakeStream, pack_samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_agent.session import Stream

    Make = Callable[[int, int], Stream]

CHANNELS = 2
SHAPES = [(4, 1), (4, 2), (4, 4), (3, 5), (1, 1), (2, 7)]


def fake_stream(window: int, hop: int) -> Stream:
    """Make the fake."""
    return FakeStream(window, hop, CHANNELS)


def native_stream(window: int, hop: int) -> Stream:
    """Make the engine's stream over a model that gives the mean of each channel."""
    edgekit_runtime = pytest.importorskip("edgekit_runtime")
    stream: Stream = edgekit_runtime.Session(
        edgekit_runtime.import_onnx(_model(_means(), window))
    ).stream(hop)
    return stream


def incremental_stream(window: int, hop: int) -> Stream:
    """Make the same of a model that takes one hop; where windows do not overlap there is none, and windows do."""
    edgekit_runtime = pytest.importorskip("edgekit_runtime")
    form = pytest.importorskip("edgekit.model.incremental.form")
    if not 0 < hop < window:
        return native_stream(window, hop)
    found = form.incremental_form(_model(_means(), window), hop)
    archive = edgekit_runtime.import_onnx(found.onnx, state=found.state, window=window)
    stream: Stream = edgekit_runtime.Session(archive).stream(hop)
    assert stream.mode == "incremental"
    return stream


def fake_stateful(window: int, hop: int) -> Stream:
    """Make the fake with a state: the sum of the means so far."""
    return FakeStream(window, hop, CHANNELS, mode="stateful")


def native_stateful(window: int, hop: int) -> Stream:
    """Make the same of a model that takes that sum and gives the next."""
    edgekit_runtime = pytest.importorskip("edgekit_runtime")
    helper = pytest.importorskip("onnx").helper
    nodes = [
        *_means("mean"),
        helper.make_node("Add", ["mean", "before"], ["after"]),
        helper.make_node("Identity", ["after"], ["prediction"]),
    ]
    archive = edgekit_runtime.import_onnx(
        _model(nodes, window, state=True), state=[("before", "after")]
    )
    stream: Stream = edgekit_runtime.Session(archive).stream(hop)
    return stream


def _means(output: str = "prediction") -> list[Any]:
    helper = pytest.importorskip("onnx").helper
    return [helper.make_node("ReduceMean", ["samples"], [output], axes=[0], keepdims=0)]


def _model(nodes: list[Any], window: int, *, state: bool = False) -> bytes:
    onnx = pytest.importorskip("onnx")
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info("samples", float32, [window, CHANNELS])]
    outputs = [helper.make_tensor_value_info("prediction", float32, [CHANNELS])]
    if state:
        inputs.append(helper.make_tensor_value_info("before", float32, [CHANNELS]))
        outputs.append(helper.make_tensor_value_info("after", float32, [CHANNELS]))
    graph = helper.make_graph(nodes, "graph", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    found: bytes = model.SerializeToString()
    return found


MAKERS = [
    pytest.param(fake_stream, id="fake"),
    pytest.param(native_stream, id="native", marks=pytest.mark.native),
    pytest.param(incremental_stream, id="incremental", marks=pytest.mark.native),
]
STATEFUL = [
    pytest.param(fake_stateful, id="fake"),
    pytest.param(native_stateful, id="native", marks=pytest.mark.native),
]


def ramp(count: int) -> bytes:
    """Return `count` samples, each with its number."""
    return pack_samples([(i, -i) for i in range(count)])


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(("window", "hop"), SHAPES)
def test_windows_are_where_they_belong(make: Make, window: int, hop: int) -> None:
    """Window k ends at k·hop + window samples and holds the samples before that."""
    found = make(window, hop).push(ramp(50))

    expected = [end for end in range(1, 51) if end >= window and (end - window) % hop == 0]
    assert [end for end, _ in found] == expected
    for end, values in found:
        mean = end - (window + 1) / 2
        assert struct.unpack("<2f", values) == pytest.approx((mean, -mean))


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(("window", "hop"), SHAPES)
def test_pieces_make_no_difference(make: Make, window: int, hop: int) -> None:
    """One push, or one a sample: the predictions are the same."""
    samples = ramp(40)
    whole = make(window, hop).push(samples)
    stream = make(window, hop)
    size = 4 * CHANNELS

    pieces = [
        found
        for at in range(0, len(samples), size)
        for found in stream.push(samples[at : at + size])
    ]

    assert pieces == whole


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(("window", "hop"), SHAPES)
def test_every_sample_is_accounted_for(make: Make, window: int, hop: int) -> None:
    """After any number of samples: pushed = in windows + skipped + pending."""
    stream = make(window, hop)
    windowed = last = 0
    for pushed in range(1, 41):
        for end, _ in stream.push(pack_samples([(0.0, 0.0)])):
            windowed += min(window, end - last)
            last = end

        assert pushed == windowed + stream.skipped + stream.pending


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(("window", "hop"), SHAPES)
def test_windows_passed_over_leave_the_others_as_they_are(
    make: Make, window: int, hop: int
) -> None:
    """With every third sample pushed without inference, the rest is the subset of the full stream's predictions."""
    whole = dict(make(window, hop).push(ramp(50)))
    stream, full = make(window, hop), make(window, hop)
    samples, size = ramp(50), 4 * CHANNELS

    for at in range(50):
        infer = at % 3 != 0
        found = stream.push(samples[at * size : (at + 1) * size], infer=infer)
        full.push(samples[at * size : (at + 1) * size])
        assert dict(found) == ({at + 1: whole[at + 1]} if infer and at + 1 in whole else {})
        assert (stream.pending, stream.skipped) == (full.pending, full.skipped)


@pytest.mark.parametrize("make", MAKERS)
def test_reset_starts_anew(make: Make) -> None:
    """Reset tells how many were pending, and the next window holds only what comes after."""
    stream = make(4, 2)
    stream.push(ramp(7))

    assert stream.reset() == 1
    assert (stream.pending, stream.skipped) == (0, 0)
    assert stream.push(ramp(3)) == []
    assert [end for end, _ in stream.push(ramp(1))] == [4]


@pytest.mark.parametrize("make", MAKERS)
def test_half_a_sample_is_refused(make: Make) -> None:
    """Bytes that are no whole number of samples are a ValueError, and nothing of them is taken."""
    stream = make(4, 2)
    for infer in (True, False):
        with pytest.raises(ValueError, match="sample"):
            stream.push(b"\0" * 12, infer=infer)

    assert stream.pending == 0
    assert stream.push(b"") == []


@pytest.mark.parametrize("make", MAKERS)
def test_the_shape_is_told(make: Make) -> None:
    """A stream knows its window, hop, channels and outputs."""
    stream = make(4, 3)

    assert (stream.window, stream.hop, stream.channels, stream.outputs) == (4, 3, CHANNELS, 2)


@pytest.mark.parametrize("make", MAKERS)
def test_a_hop_of_nothing_is_refused(make: Make) -> None:
    """A stream that never moves on is a ValueError."""
    with pytest.raises(ValueError, match="hop"):
        make(4, 0)


@pytest.mark.parametrize("make", STATEFUL)
def test_state_goes_on_until_reset_or_a_gap(make: Make) -> None:
    """A stateful stream adds up over its windows; a reset, and a window passed over, begin anew."""
    stream = make(2, 2)
    assert stream.mode == "stateful"

    def push(value: float, *, infer: bool = True) -> list[float]:
        found = stream.push(pack_samples([(value, -value)] * 2), infer=infer)
        return [struct.unpack("<2f", values)[0] for _, values in found]

    assert [push(1.0), push(2.0), push(4.0)] == [[1.0], [3.0], [7.0]]
    assert [push(8.0, infer=False), push(16.0), push(1.0)] == [[], [16.0], [17.0]]
    stream.reset()
    assert push(1.0) == [1.0]


@pytest.mark.native
@given(
    window=st.integers(1, 6),
    hop=st.integers(1, 9),
    pushes=st.lists(st.one_of(st.integers(0, 9), st.just(-1)), max_size=12),
)
def test_fake_and_native_keep_the_same_accounts(window: int, hop: int, pushes: list[int]) -> None:
    """Any pushes and resets (-1): the same predictions, pending and skipped at every step."""
    fake = fake_stream(window, hop)
    others = [native_stream(window, hop), incremental_stream(window, hop)]
    for count in pushes:
        if count < 0:
            pending = fake.reset()
            assert [stream.reset() for stream in others] == [pending, pending]
        else:
            ends = [end for end, _ in fake.push(ramp(count))]
            for stream in others:
                assert [end for end, _ in stream.push(ramp(count))] == ends
        for stream in others:
            assert (fake.pending, fake.skipped) == (stream.pending, stream.skipped)
