"""The inputs of a proof: plausible for the model, the same every time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.model import quantisation
from edgekit.model.graph_spec import GraphSpec
from edgekit.model.prepare import input_shapes
from edgekit.model.proof import probes
from edgekit.model.source import SourceModel

MakeOnnx = Callable[..., Path]

SPEC = GraphSpec(window=16, channels=3)


def test_the_same_inputs_every_time(classifier: Path) -> None:
    """A proof can be made again, bit by bit."""
    source = SourceModel.load(classifier)
    first, second = (probes.for_stream(source, SPEC, None) for _ in range(2))

    np.testing.assert_array_equal(first.inputs["samples"], second.inputs["samples"])
    assert first.kinds == second.kinds
    assert {"random", "constant", "extreme", "wide", "large"} == set(first.kinds)


def test_a_recording_comes_first_and_gives_the_range(classifier: Path) -> None:
    """Random samples fill the range that each channel really has."""
    rng = np.random.default_rng(0)
    recorded = rng.uniform([0, -1, 900], [1, 1, 1100], (20, 16, 3)).astype(np.float32)

    tried = probes.for_stream(SourceModel.load(classifier), SPEC, recorded)

    samples, kinds = tried.inputs["samples"], np.array(tried.kinds)
    np.testing.assert_array_equal(samples[:20], recorded)
    plausible = samples[kinds == "random"][:32]
    np.testing.assert_allclose(plausible.min(axis=(0, 1)), [0, -1, 900], atol=0.03, rtol=0.01)
    np.testing.assert_allclose(plausible.max(axis=(0, 1)), [1, 1, 1100], atol=0.03, rtol=0.01)


def test_windows_with_gaps_are_no_windows(classifier: Path) -> None:
    """NaN in a recording is dropped before the model sees it, on the device and here."""
    recorded = np.zeros((4, 16, 3), np.float32)
    recorded[1, 5, 0], recorded[2, 0, 2] = np.nan, np.inf

    tried = probes.for_stream(SourceModel.load(classifier), SPEC, recorded)

    assert tried.kinds.count("recorded") == 2
    assert np.isfinite(tried.inputs["samples"]).all()


def test_a_long_recording_is_thinned_out_evenly(classifier: Path) -> None:
    """The last window counts as much as the first."""
    count = probes.MOST_RECORDED * 3
    recorded = np.broadcast_to(np.arange(count, dtype=np.float32)[:, None, None], (count, 16, 3))

    tried = probes.for_stream(SourceModel.load(classifier), SPEC, recorded)

    first = tried.inputs["samples"][: probes.MOST_RECORDED, 0, 0]
    assert tried.kinds.count("recorded") == probes.MOST_RECORDED
    assert (first[0], first[-1]) == (0, count - 1)


def test_raw_values_are_what_the_model_was_trained_on(classifier: Path) -> None:
    """Without a recording the range is that of the model's units, back through mean and std."""
    spec = GraphSpec(window=16, channels=3, mean=(0.0, 1000.0, -5.0), std=(1.0, 100.0, 0.5))

    tried = probes.for_stream(SourceModel.load(classifier), spec, None)

    plausible = tried.inputs["samples"][np.array(tried.kinds) == "random"]
    centre = plausible.mean(axis=(0, 1))
    np.testing.assert_allclose((centre - np.array(spec.mean)) / np.array(spec.std), 0, atol=0.2)


@pytest.mark.parametrize("stream", [True, False])
def test_inputs_between_the_usual_and_the_large_are_tried(
    classifier: Path, make_onnx: MakeOnnx, stream: bool
) -> None:
    """A branch may begin anywhere: single values and whole windows reach 3 to 300 times the range, both ways."""
    if stream:
        tried = probes.for_stream(SourceModel.load(classifier), SPEC, None)
    else:
        source = SourceModel.load(make_onnx([helper.make_node("Relu", ["x"], ["y"])]))
        tried = probes.for_tensors(source, input_shapes(source, None))

    wide = next(iter(tried.inputs.values()))[np.array(tried.kinds) == "wide"]
    rows = wide.reshape(len(wide), -1)
    for factor in (3, 10, 30, 100, 300):
        reach = 2 * factor
        peaks = np.abs(rows).max(axis=1)
        assert ((peaks > reach / 4) & (peaks < 2 * reach)).any()
        assert any(abs(row.mean() - reach) < 3 for row in rows)
        assert any(abs(row.mean() + reach) < 3 for row in rows)


def test_wide_inputs_surround_the_centre_of_the_recording(classifier: Path) -> None:
    """Three times the range of a barometer is a little more pressure, not three atmospheres."""
    recorded = np.random.default_rng(0).uniform(999, 1001, (5, 16, 3)).astype(np.float32)

    tried = probes.for_stream(SourceModel.load(classifier), SPEC, recorded)

    wide = tried.inputs["samples"][np.array(tried.kinds) == "wide"]
    assert ((wide > 990) & (wide < 1010)).all(axis=(1, 2)).any()
    assert (wide > 1250).any()
    assert (wide < 750).any()


def test_large_tensors_are_not_only_constant(make_onnx: MakeOnnx) -> None:
    """A difference of equal values would hide everything."""
    source = SourceModel.load(make_onnx([helper.make_node("Relu", ["x"], ["y"])]))
    tried = probes.for_tensors(source, input_shapes(source, None))

    large = tried.inputs["x"][np.array(tried.kinds) == "large"]

    assert any(len(np.unique(frame)) > 1 for frame in large)


def test_large_inputs_are_fewer(make_onnx: MakeOnnx) -> None:
    """A camera frame is tried eight times at random, not sixty-four."""
    path = make_onnx(
        [helper.make_node("Relu", ["x"], ["y"])],
        inputs=[("x", TensorProto.FLOAT, [1, 3, 320, 320])],
    )
    source = SourceModel.load(path)

    tried = probes.for_tensors(source, input_shapes(source, None))

    assert tried.kinds.count("random") == 8
    assert tried.kinds.count("wide") == 5
    assert tried.inputs["x"].shape == (len(tried.kinds), 1, 3, 320, 320)


def test_every_type_of_input_gets_its_own_values(make_onnx: MakeOnnx) -> None:
    """Integers are whole, indices small and not negative but for wide ones, truth values both."""
    path = make_onnx(
        [helper.make_node("Relu", ["x"], ["y"])],
        inputs=[
            ("x", TensorProto.FLOAT, [1, 4]),
            ("i", TensorProto.INT64, [1]),
            ("q", TensorProto.INT8, [1, 8]),
            ("b", TensorProto.BOOL, [1, 4]),
        ],
    )
    source = SourceModel.load(path)

    tried = probes.for_tensors(source, input_shapes(source, None))
    inputs = tried.inputs

    assert {name: array.dtype.name for name, array in inputs.items()} == {
        "x": "float32",
        "i": "int64",
        "q": "int8",
        "b": "bool",
    }
    assert len({len(array) for array in inputs.values()}) == 1
    wide = np.array(tried.kinds) == "wide"
    usual = inputs["i"][~wide]
    assert (usual.min(), usual.max()) == (0, 9)
    assert inputs["i"][wide].min() < -1000
    assert inputs["i"][wide].max() > 1000
    # where the floats go wide the indices do not, and the other way round
    count = int(wide.sum())
    far = [
        np.abs(inputs[name][wide].reshape(count, -1)).max(axis=1) > limit
        for name, limit in (("x", 2), ("i", 9))
    ]
    assert not (far[0] & far[1]).any()
    assert all(each.sum() > 10 for each in far)
    assert (inputs["q"].min(), inputs["q"].max()) == (-128, 127)
    assert set(inputs["b"].ravel().tolist()) == {True, False}


class TestQuantisation:
    """What a graph says of the numbers at its ends."""

    def test_a_quantised_input_tells_its_range(self, make_onnx: MakeOnnx) -> None:
        """Also behind a Transpose, which moves values but changes none."""
        path = make_onnx(
            [
                helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0]),
                helper.make_node("QuantizeLinear", ["t", "s", "z"], ["q"]),
                helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
            ],
            {"s": np.float32(0.5), "z": np.int8(-128)},
        )
        source = SourceModel.load(path)

        assert quantisation.input_range(source, "x") == (0.0, 127.5)
        assert quantisation.nature_of(source.proto.graph, "y").step == 0.5
        assert quantisation.nature_of(source.proto.graph, "q").step == 1.0

    def test_a_float_model_tells_nothing(self, classifier: Path) -> None:
        """Softmax makes probabilities, the rest is open."""
        source = SourceModel.load(classifier)

        assert quantisation.input_range(source, "x") is None
        assert quantisation.nature_of(source.proto.graph, "y").probability
        assert not quantisation.nature_of(source.proto.graph, "logits").probability

    @pytest.mark.parametrize(("other", "is_one"), [("Sigmoid", True), ("Relu", False)])
    def test_a_mean_of_probabilities_in_every_branch_is_one(self, other: str, is_one: bool) -> None:
        """As voice detectors with a branch for each sample rate end."""

        def branch(op_type: str) -> onnx.GraphProto:
            nodes = [
                helper.make_node(op_type, ["x"], ["p"]),
                helper.make_node("ReduceMean", ["p"], ["mean"]),
            ]
            end = helper.make_tensor_value_info("mean", TensorProto.FLOAT, None)
            return helper.make_graph(nodes, op_type, [], [end])

        node = helper.make_node(
            "If", ["c"], ["y"], then_branch=branch("Sigmoid"), else_branch=branch(other)
        )
        graph = helper.make_graph([node], "graph", [], [])

        assert quantisation.nature_of(graph, "y").probability == is_one

    def test_a_mean_of_codes_has_no_step(self) -> None:
        """It lies between them."""
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
            helper.make_node("ReduceMean", ["q"], ["y"]),
        ]
        graph = helper.make_graph(nodes, "graph", [], [])

        assert quantisation.nature_of(graph, "y").step == 0
