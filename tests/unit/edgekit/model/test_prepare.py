"""Preparing a model: the graph that EdgeKit writes computes what plain NumPy around the original computes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from edgekit.errors import ConfigError, ModelError
from edgekit.model.graph_spec import GraphSpec
from edgekit.model.prepare import prepare
from edgekit.model.proof.reference import Reference
from edgekit.model.source import SourceModel

MakeOnnx = Callable[..., Path]
Array = np.ndarray[Any, Any]

FLOAT, INT8 = TensorProto.FLOAT, TensorProto.INT8


def _run(model: bytes, inputs: dict[str, Array]) -> list[Array]:
    """Run a model in ONNX Runtime as it is."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    outputs: list[Array] = onnxruntime.InferenceSession(model, options).run(None, inputs)
    return outputs


def _stream(path: Path, spec: GraphSpec, samples: Array) -> Array:
    """Run the stream form over one window after the other."""
    model = prepare(SourceModel.load(path), spec).onnx
    return np.stack([_run(model, {"samples": window})[0] for window in samples])


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"scale": (0.5, 2.0, -1.0), "offset": (0.1, 0.0, 3.0)},
        {"mean": (1.0, -2.0, 0.0), "std": (2.0, 0.5, 10.0)},
        {"activation": "softmax"},
        {"activation": "sigmoid"},
        {"output_kind": "raw"},
    ],
)
def test_the_stream_form_is_the_reference(classifier: Path, extra: dict[str, Any]) -> None:
    """Scaling, transposing, activation: the graph's numbers are NumPy's."""
    spec = GraphSpec(window=16, channels=3, **extra)
    samples = np.random.default_rng(1).normal(size=(5, 16, 3)).astype(np.float32)

    ours = _stream(classifier, spec, samples)

    assert ours.shape == (5, 4)
    np.testing.assert_allclose(
        ours, Reference(SourceModel.load(classifier), spec).predict(samples), atol=2e-7
    )


def test_the_stream_form_of_the_classifier_is_known_by_hand(make_onnx: MakeOnnx) -> None:
    """A model that gives its input back shows the order of the axes and the scaling as numbers."""
    path = make_onnx(
        [helper.make_node("Identity", ["x"], ["y"])],
        inputs=[("x", FLOAT, [1, 2, 3])],
        outputs=[("y", FLOAT, [1, 2, 3])],
    )
    spec = GraphSpec(
        window=3, channels=2, scale=(10.0, 100.0), offset=(1.0, 2.0), output_kind="raw"
    )
    samples = np.array([[[0, 1], [2, 3], [4, 5]]], np.float32)

    ours = _stream(path, spec, samples)

    np.testing.assert_array_equal(ours, [[1, 21, 41, 102, 302, 502]])


def test_the_reconstruction_error_is_in_the_graph(make_onnx: MakeOnnx) -> None:
    """Mean of the squared differences between what the model takes and gives, in the model's units."""
    path = make_onnx(
        [helper.make_node("Mul", ["x", "half"], ["y"])],
        {"half": np.float32(0.5)},
        inputs=[("x", FLOAT, [1, 4, 2])],
        outputs=[("y", FLOAT, [1, 4, 2])],
    )
    spec = GraphSpec(window=4, channels=2, scale=(2.0, 2.0), output_kind="anomaly")
    samples = np.full((1, 4, 2), 3.0, np.float32)

    ours = _stream(path, spec, samples)

    np.testing.assert_allclose(ours, [[9.0]])
    np.testing.assert_allclose(Reference(SourceModel.load(path), spec).predict(samples), [[9.0]])


def test_an_anomaly_model_gives_its_input_back(classifier: Path) -> None:
    """A classifier declared as an autoencoder is told so, with both shapes."""
    spec = GraphSpec(window=16, channels=3, output_kind="anomaly")
    source = SourceModel.load(classifier)

    for use in (
        lambda: Reference(source, spec).predict(np.zeros((1, 16, 3))),
        lambda: prepare(source, spec),
    ):
        with pytest.raises(ModelError, match=r"takes \[1, 3, 16\] and gives \[1, 4\]"):
            use()


@pytest.mark.parametrize(
    ("shape", "arguments", "says"),
    [
        ([1, 2, 4], {"output_kind": "anomaly"}, r"takes \[1, 4, 2\] and gives \[1, 2, 4\]"),
        ([1, 2, 4], {"activation": "softmax"}, "softmax needs one row of values"),
        ([4, 1, 2], {"output_kind": "anomaly"}, None),
        ([8, 1], {"activation": "softmax"}, None),
    ],
)
def test_the_shape_of_the_output_must_have_the_meaning(
    make_onnx: MakeOnnx, shape: list[int], arguments: dict[str, Any], says: str | None
) -> None:
    """As many values in another order are other values; axes of length 1 carry nothing. The file may say nothing."""
    path = make_onnx(
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        {"shape": np.array(shape)},
        inputs=[("x", FLOAT, [1, 4, 2])],
        outputs=[("y", FLOAT, None)],
    )
    source, spec = SourceModel.load(path), GraphSpec(window=4, channels=2, **arguments)
    samples = np.ones((1, 4, 2), np.float32)

    for use in (lambda: Reference(source, spec).predict(samples), lambda: prepare(source, spec)):
        with pytest.raises(ModelError, match=says) if says else contextlib.nullcontext():
            use()


def test_samples_for_an_integer_model_are_rounded_and_clipped(make_onnx: MakeOnnx) -> None:
    """Half to even, as ONNX rounds, and no overflow from one end to the other."""
    path = make_onnx(
        [helper.make_node("Identity", ["x"], ["y"])],
        inputs=[("x", INT8, [1, 5])],
        outputs=[("y", INT8, [1, 5])],
    )
    spec = GraphSpec(window=5, channels=1, output_kind="raw")
    samples = np.array([[[0.5], [1.5], [-300], [300], [-2.5]]], np.float32)

    ours = _stream(path, spec, samples)

    np.testing.assert_array_equal(ours, [[0, 2, -128, 127, -2]])
    np.testing.assert_array_equal(Reference(SourceModel.load(path), spec).predict(samples), ours)


def test_names_of_the_model_may_be_ours(make_onnx: MakeOnnx) -> None:
    """A model whose own tensors are called `samples` and `prediction` is no problem."""
    path = make_onnx(
        [
            helper.make_node("Neg", ["samples"], ["edgekit_flat"]),
            helper.make_node("Abs", ["edgekit_flat"], ["prediction"]),
        ],
        inputs=[("samples", FLOAT, [1, 2, 2])],
        outputs=[("prediction", FLOAT, [1, 2, 2])],
    )
    samples = np.array([[[-1, 2], [-3, 4]]], np.float32)

    ours = _stream(path, GraphSpec(window=2, channels=2, layout="time-channel"), samples)

    np.testing.assert_array_equal(ours, [[1, 2, 3, 4]])


class TestOutputs:
    """Which output is the prediction."""

    @pytest.fixture
    def sklearn_like(self, make_onnx: MakeOnnx) -> Path:
        """Return a model with a label and probabilities, as skl2onnx writes it."""
        return make_onnx(
            [
                helper.make_node("Softmax", ["x"], ["probabilities"], axis=1),
                helper.make_node("ArgMax", ["x"], ["label"], axis=1, keepdims=0),
            ],
            outputs=[("label", TensorProto.INT64, [1]), ("probabilities", FLOAT, [1, 4])],
        )

    def test_the_only_float_output_is_it(self, sklearn_like: Path) -> None:
        """The label is left out, and the report says so."""
        prepared = prepare(SourceModel.load(sklearn_like), GraphSpec(window=4, channels=1))

        assert "output `probabilities` is the prediction; left out: `label`" in prepared.rewrites

    def test_a_named_output_is_it(self, sklearn_like: Path) -> None:
        """`[output] name` decides, also for integers."""
        spec = GraphSpec(window=4, channels=1, output_name="label", output_kind="raw")

        ours = _stream(sklearn_like, spec, np.array([[[0], [3], [1], [2]]], np.float32))

        np.testing.assert_array_equal(ours, [[1.0]])

    def test_an_unknown_name_suggests_the_near_one(self, sklearn_like: Path) -> None:
        """A typing mistake in edgekit.toml."""
        spec = GraphSpec(window=4, channels=1, output_name="probabilites")

        with pytest.raises(ConfigError, match="no output `probabilites`") as caught:
            prepare(SourceModel.load(sklearn_like), spec)

        assert caught.value.hint == "did you mean `probabilities`?"

    def test_several_float_outputs_are_asked_for(self, make_onnx: MakeOnnx) -> None:
        """All are listed."""
        path = make_onnx(
            [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Neg", ["x"], ["b"])],
            outputs=[("a", FLOAT, [1, 4]), ("b", FLOAT, [1, 4])],
        )

        with pytest.raises(ConfigError, match=r"2 outputs: `a` float32 .*, `b` float32") as caught:
            prepare(SourceModel.load(path), GraphSpec(window=4, channels=1))

        assert '`name = "a"`' in str(caught.value.hint)

    def test_a_zipmap_is_refused_with_the_export_option(self, make_onnx: MakeOnnx) -> None:
        """A sequence of maps is no tensor."""
        path = make_onnx([helper.make_node("Relu", ["x"], ["y"])])
        model = onnx.load(path)
        mapped = helper.make_sequence_type_proto(
            helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(FLOAT, []))
        )
        model.graph.output[0].CopyFrom(helper.make_value_info("y", mapped))
        onnx.save(model, path)

        with pytest.raises(ModelError, match="no tensor of numbers") as caught:
            prepare(SourceModel.load(path), GraphSpec(window=4, channels=1))

        assert '"zipmap": False' in str(caught.value.hint)


class TestNamedTensors:
    """Without a stream the model keeps its ends."""

    def test_names_and_types_stay(self, classifier: Path) -> None:
        """Only the open batch axis is fixed."""
        prepared = prepare(SourceModel.load(classifier), None)
        frame = np.random.default_rng(2).normal(size=(1, 3, 16)).astype(np.float32)

        assert prepared.rewrites == ("open axes fixed: `x` [1, 3, 16]",)
        np.testing.assert_array_equal(
            _run(prepared.onnx, {"x": frame})[0], _run(classifier.read_bytes(), {"x": frame})[0]
        )

    def test_another_open_axis_is_refused(self, make_onnx: MakeOnnx) -> None:
        """Nobody but the user knows its length."""
        path = make_onnx(
            [helper.make_node("Relu", ["x"], ["y"])], inputs=[("x", FLOAT, ["N", "T", 6])]
        )

        with pytest.raises(ModelError, match=r"open axis 1 \(`T`\)"):
            prepare(SourceModel.load(path), None)

    def test_the_batch_may_be_elsewhere_by_name(self, make_onnx: MakeOnnx) -> None:
        """A recurrent state has the batch as its second axis."""
        path = make_onnx(
            [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Relu", ["h"], ["z"])],
            inputs=[("x", FLOAT, ["N", 4]), ("h", FLOAT, [2, "N", 8])],
            outputs=[("y", FLOAT, ["N", 4]), ("z", FLOAT, [2, "N", 8])],
        )

        prepared = onnx.ModelProto.FromString(prepare(SourceModel.load(path), None).onnx)

        lengths = [
            [axis.dim_value for axis in value.type.tensor_type.shape.dim]
            for value in prepared.graph.input
        ]
        assert lengths == [[1, 4], [2, 1, 8]]

    def test_a_bomb_of_an_input_is_refused(self, make_onnx: MakeOnnx) -> None:
        """The shape alone asks for terabytes."""
        path = make_onnx(
            [helper.make_node("Relu", ["x"], ["y"])], inputs=[("x", FLOAT, [1, 2**40])]
        )

        with pytest.raises(ModelError, match="takes 1,099,511,627,776 values"):
            prepare(SourceModel.load(path), None)


def test_the_source_is_never_changed(classifier: Path) -> None:
    """The reference is the file as it was given, whatever is written beside it."""
    source = SourceModel.load(classifier)
    before = source.proto.SerializeToString(deterministic=True)

    prepare(source, GraphSpec(window=16, channels=3, activation="softmax"))

    assert source.proto.SerializeToString(deterministic=True) == before


def test_preparing_twice_gives_the_same_bytes(classifier: Path) -> None:
    """A bundle made again is the same bundle."""
    spec = GraphSpec(window=16, channels=3, mean=(0.0,) * 3, std=(1.0,) * 3)

    first, second = (prepare(SourceModel.load(classifier), spec) for _ in range(2))

    assert first == second
