"""From a file to a proven model, through the real engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import edgekit
from edgekit.errors import ConfigError, ModelError, NotProven
from edgekit.model.compile import compile_project
from edgekit.model.proof.proof import Proof
from edgekit.project import Project

pytestmark = pytest.mark.native

MakeOnnx = Callable[..., Path]

FLOAT, INT8 = TensorProto.FLOAT, TensorProto.INT8

PROJECT = """
[project]
name = "gait"
[model]
path = "classifier.onnx"
labels = ["a", "b", "c", "d"]
[input]
channels = ["ax", "ay", "az"]
rate_hz = 50
window = 16
hop = 4
scale = 0.5
"""


@pytest.fixture
def project(classifier: Path) -> Path:
    """Return the folder of a project around the classifier."""
    (classifier.parent / "edgekit.toml").write_text(PROJECT)
    return classifier.parent


def _windows(count: int = 7) -> np.ndarray[Any, Any]:
    return np.random.default_rng(5).normal(size=(count, 16, 3)).astype(np.float32)


def test_channels_may_be_given_by_name(classifier: Path) -> None:
    """As many as there are names; they are kept for comparing, and the model is shown in a line."""
    model = edgekit.compile(classifier, window=16, channels=["ax", "ay", "az"])

    assert (model.channels, model.spec and model.spec.channels) == (("ax", "ay", "az"), 3)
    assert repr(model).startswith(f"<CompiledModel `{classifier}`: proven, takes windows [16, 3], ")
    assert len(repr(model)) < len(str(classifier)) + 100


@pytest.mark.parametrize(
    ("channels", "said"), [("ax", "is the text `ax`"), (["ax", "ay", "ax"], "names `ax` twice")]
)
def test_wrong_names_of_channels(classifier: Path, channels: object, said: str) -> None:
    """One text is no list of names."""
    with pytest.raises(ConfigError, match=said):
        edgekit.compile(classifier, window=16, channels=channels)  # type: ignore[arg-type]


def test_a_stream_model_is_proven_and_runs(classifier: Path) -> None:
    """Predictions of the engine are the reference's; the stream gives the same at every hop."""
    model = edgekit.compile(
        classifier, window=16, channels=3, hop=4, scale=2.0, labels=["a", "b", "c", "d"]
    )
    windows = _windows()

    ours = model.predict(windows)

    assert model.proof.verdict == "proven"
    assert model.labels == ("a", "b", "c", "d")
    np.testing.assert_allclose(ours, model.reference().predict(windows), atol=1e-6)
    np.testing.assert_array_equal(model.predict(windows[0]), ours[0])
    signal = windows.reshape(-1, 3)
    predictions = model.stream().push(signal.tobytes())
    assert [end for end, _ in predictions] == list(range(16, len(signal) + 1, 4))
    assert np.frombuffer(predictions[4][1], np.float32).tolist() == ours[1].tolist()


def test_a_tensor_model_keeps_its_names(classifier: Path) -> None:
    """Without a window the model is called as it was exported."""
    model = edgekit.compile(classifier)
    frame = np.ones((1, 3, 16), np.float32)

    given = model.predict({"x": frame})

    assert model.spec is None
    assert given["y"].shape == (1, 4)
    np.testing.assert_allclose(given["y"], model.reference().run([{"x": frame}])[0]["y"], atol=1e-6)


def test_a_wrong_shape_is_a_value_error(classifier: Path) -> None:
    """It says what was given and what is expected."""
    stream, tensor = edgekit.compile(classifier, window=16, channels=3), edgekit.compile(classifier)

    with pytest.raises(ValueError, match=r"samples have shape \(16, 4\)"):
        stream.predict(np.zeros((16, 4)))
    with pytest.raises(
        ValueError, match=r"input `x` is float32 \(3, 16\): expected float32 \(1, 3, 16\)"
    ):
        tensor.predict({"x": np.zeros((3, 16), np.float32)})
    with pytest.raises(ValueError, match="x"):
        tensor.predict({"z": np.zeros((1, 3, 16), np.float32)})
    with pytest.raises(TypeError, match="named tensors"):
        tensor.stream(4)


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("LogSoftmax", ["x"], ["y"], axis=1)],
        [helper.make_node("Softplus", ["x"], ["y"])],
        [helper.make_node("ReduceLogSumExp", ["x"], ["y"], axes=[0])],
        # Gelu as PyTorch writes it
        [
            helper.make_node("Div", ["x", "root"], ["a"]),
            helper.make_node("Erf", ["a"], ["b"]),
            helper.make_node("Add", ["b", "one"], ["c"]),
            helper.make_node("Mul", ["x", "c"], ["d"]),
            helper.make_node("Mul", ["d", "half"], ["y"]),
        ],
    ],
    ids=lambda nodes: nodes[-1].op_type,
)
def test_the_engine_computes_what_it_alone_would_not(
    make_onnx: MakeOnnx, nodes: list[onnx.NodeProto]
) -> None:
    """Tract 0.23.9 overflows in the first three and cannot write the last."""
    weights = {"root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5)}

    assert edgekit.compile(make_onnx(nodes, weights)).proof.verdict == "proven"


def test_gelu_of_opset_20_is_proven(make_onnx: MakeOnnx) -> None:
    """The operator itself, too."""
    path = make_onnx([helper.make_node("Gelu", ["x"], ["y"])], opset=20)

    assert edgekit.compile(path).proof.verdict == "proven"


def test_what_is_not_finite_is_a_value_error(classifier: Path) -> None:
    """The engine's Relu makes 0 of NaN: a plausible prediction of nothing."""
    stream, tensor = edgekit.compile(classifier, window=16, channels=3), edgekit.compile(classifier)
    windows, frame = np.zeros((3, 16, 3)), np.zeros((1, 3, 16), np.float32)
    windows[2, 5, 1], frame[0, 1, 4] = np.nan, -np.inf

    with pytest.raises(ValueError, match=r"samples at \[2, 5, 1\] is nan"):
        stream.predict(windows)
    with pytest.raises(ValueError, match=r"input `x` at \[0, 1, 4\] is -inf"):
        tensor.predict({"x": frame})


def test_an_output_may_leave_its_shape_out(make_onnx: MakeOnnx) -> None:
    """ONNX Runtime finds it by itself."""
    path = make_onnx([helper.make_node("Relu", ["x"], ["y"])], outputs=[("y", FLOAT, None)])

    assert edgekit.compile(path).proof.verdict == "proven"


def test_indices_are_tried_below_zero(make_onnx: MakeOnnx) -> None:
    """An embedding takes them from its end; those out of the table run nowhere and are left out."""
    path = make_onnx(
        [helper.make_node("Gather", ["table", "x"], ["y"])],
        {"table": np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)},
        inputs=[("x", TensorProto.INT64, [1])],
        outputs=[("y", FLOAT, [1, 3])],
    )

    proof = edgekit.compile(path).proof

    assert proof.verdict == "proven"
    assert 0 < proof.skipped < 40


def test_no_numbers_out_of_range_reach_the_terminal(
    classifier: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Overflow is what some inputs of the proof are about; pytest makes an error of NumPy's warning."""
    edgekit.compile(classifier, window=16, channels=3, scale=1e-36)

    assert capfd.readouterr() == ("", "")


def test_no_windows_give_no_predictions(classifier: Path) -> None:
    """An empty recording has an empty answer of the right width."""
    model = edgekit.compile(classifier, window=16, channels=3)

    assert model.predict(np.empty((0, 16, 3))).shape == (0, 4)


def test_recorded_windows_are_part_of_the_proof(classifier: Path) -> None:
    """They are counted, and their range is the range of the random ones."""
    model = edgekit.compile(classifier, window=16, channels=3, recorded=_windows(30))

    assert model.proof.to_json()["inputs"]["recorded"] == 30


def test_a_project_is_compiled_by_its_folder(project: Path) -> None:
    """edgekit.toml says everything; its own file works as well."""
    model = edgekit.compile(project)

    assert model.labels == ("a", "b", "c", "d")
    assert model.hop == 4
    assert edgekit.compile(project / "edgekit.toml").sha256 == model.sha256
    with pytest.raises(ConfigError, match="is a project, which says `window` itself"):
        edgekit.compile(project, window=16, channels=3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"window": 16}, "go together"),
        ({"scale": 2.0}, "`scale` is for a stream"),
        ({"mean": np.zeros(3), "std": np.ones(3)}, "`mean` is for a stream"),
        ({"activation": "softmax"}, "`activation` is for a stream"),
        ({"kind": "anomaly"}, "`kind` is for a stream"),
        ({"recorded": np.zeros((1, 16, 3))}, "`recorded` is for a stream"),
        ({"window": 16, "channels": 3, "hop": 0}, "`hop` is 0"),
        ({"window": 99, "channels": 3}, "the project gives 3 channels"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    classifier: Path, arguments: dict[str, Any], says: str
) -> None:
    """Before any child is started."""
    with pytest.raises(ConfigError, match=says):
        edgekit.compile(classifier, **arguments)


def test_recorded_windows_of_another_shape_are_a_value_error(classifier: Path) -> None:
    """A notebook hands over the whole signal instead of its windows."""
    with pytest.raises(ValueError, match=r"`recorded` has shape \(100, 3\): expected \[n, 16, 3\]"):
        edgekit.compile(classifier, window=16, channels=3, recorded=np.zeros((100, 3)))


def test_paths_may_have_spaces_and_umlauts(classifier: Path) -> None:
    """Users keep their models where they keep them."""
    folder = classifier.parent / "Prüf ordner 模型"
    folder.mkdir()
    moved = classifier.rename(folder / "mein Modell (1).onnx")

    assert edgekit.compile(moved, window=16, channels=3).proof.verdict == "proven"


def test_the_same_input_gives_the_same_archive(classifier: Path) -> None:
    """Bundles made twice are equal: no time, no path, no order of a hash in them."""
    first = edgekit.compile(classifier, window=16, channels=3)
    moved = classifier.rename(classifier.with_name("other.onnx"))
    second = edgekit.compile(moved, window=16, channels=3)

    assert first.archive == second.archive
    assert first.proof == second.proof


def test_the_memory_of_the_model_is_counted(classifier: Path) -> None:
    """At least its weights are alive, and a run needs more."""
    memory = edgekit.compile(classifier, window=16, channels=3).proof.memory

    assert 4 * (5 * 3 * 3 + 5 * 4) < memory["live_bytes"] < memory["peak_bytes"] < 10_000_000


def _overflowing(given: str, made: str) -> tuple[list[onnx.NodeProto], dict[str, Any]]:
    """Return nodes in which tract and ONNX Runtime differ, powers beyond 32 bits, with their constants."""
    nodes = [
        helper.make_node("Mul", [given, "thousand"], ["large"]),
        helper.make_node("Cast", ["large"], ["whole"], to=TensorProto.INT32),
        helper.make_node("Pow", ["whole", "eight"], ["far"]),
        helper.make_node("Cast", ["far"], [made], to=TensorProto.FLOAT),
    ]
    return nodes, {"thousand": np.float32(1000), "eight": np.int32(8)}


class TestRefused:
    """A model whose results would be wrong does not get through."""

    def test_a_wrong_operator_is_refused_and_named(self, make_onnx: MakeOnnx) -> None:
        """Tract 0.23.9 makes something else than ONNX Runtime of integers that overflow, without any error."""
        nodes, constants = _overflowing("x", "bent")
        path = make_onnx(
            [*nodes, helper.make_node("Mul", ["bent", "half"], ["y"])],
            {**constants, "half": np.float32(0.5)},
        )

        with pytest.raises(
            NotProven, match=r"output `y` differs from ONNX Runtime .*input"
        ) as caught:
            edgekit.compile(path)

        proof: Proof = caught.value.proof
        assert proof.verdict == "refused"
        assert proof.suspect is not None
        assert (proof.suspect.tensor, proof.suspect.chain) == ("far", "Cast → Pow")
        assert "from tensor `far` on (Cast → Pow)" in str(caught.value)
        assert "without Cast → Pow" in str(caught.value.hint)
        assert Proof.from_json(proof.to_json()) == proof

    def test_a_wrong_operator_is_found_in_a_stream_too(self, make_onnx: MakeOnnx) -> None:
        """The graph around the model does not hide it."""
        path = make_onnx(*_overflowing("x", "y"))

        with pytest.raises(
            NotProven,
            match=r"output `prediction` differs .* from tensor `far` on \(Cast → Pow\)",
        ):
            edgekit.compile(
                path, window=4, channels=1, activation="softmax", recorded=-np.ones((3, 4, 1))
            )

    @pytest.mark.parametrize(
        "meaning", [{"activation": "softmax"}, {"activation": "sigmoid"}, {"kind": "anomaly"}]
    )
    def test_codes_are_not_computed_with(
        self, make_onnx: MakeOnnx, meaning: dict[str, Any]
    ) -> None:
        """A quantised output stands for other numbers than its codes are."""
        path = make_onnx(
            [helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["y"])],
            {"scale": np.float32(0.01), "zero": np.int8(3)},
            outputs=[("y", TensorProto.INT8, None)],
        )

        with pytest.raises(ConfigError, match=r"output `y` int8 .* is codes"):
            edgekit.compile(path, window=4, channels=1, **meaning)

    def test_quantised_softmax_is_right(self, make_onnx: MakeOnnx) -> None:
        """Tract alone folds int8 → Softmax → int8 into a table of single values; here it is exact."""
        path = make_onnx(
            [
                helper.make_node("DequantizeLinear", ["x", "s", "z"], ["logits"]),
                helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
                helper.make_node("QuantizeLinear", ["scores", "t", "low"], ["y"]),
            ],
            {"s": np.float32(0.1), "z": np.int8(0), "t": np.float32(1 / 256), "low": np.int8(-128)},
            inputs=[("x", INT8, [1, 12])],
            outputs=[("y", INT8, [1, 12])],
        )

        assert edgekit.compile(path).proof.worst.max_abs_error == 0

    def test_an_output_that_ignores_the_input_is_refused(self, make_onnx: MakeOnnx) -> None:
        """Equal to the reference, and no use to anyone."""
        path = make_onnx(
            [
                helper.make_node("Mul", ["x", "zero"], ["a"]),
                helper.make_node("Add", ["a", "one"], ["y"]),
            ],
            {"zero": np.zeros(4, np.float32), "one": np.ones(4, np.float32)},
        )

        with pytest.raises(NotProven, match="does not depend on its input"):
            edgekit.compile(path)

    def test_a_model_of_nan_is_refused(self, make_onnx: MakeOnnx) -> None:
        """Training diverged, and both agree about it."""
        weights = np.ones((4, 4), np.float32)
        weights[2, 1] = np.nan
        path = make_onnx([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": weights})

        with pytest.raises(NotProven, match=r"output `y`, element 1 is NaN on all .* hold NaN"):
            edgekit.compile(path)

    def test_a_branch_far_from_the_usual_range_is_run(self, make_onnx: MakeOnnx) -> None:
        """Nothing differs below a mean of 100; above, tract's power is another."""
        nodes, constants = _overflowing("x", "bent")
        path = make_onnx(
            [
                helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0),
                helper.make_node("Greater", ["mean", "limit"], ["above"]),
                *nodes,
                helper.make_node("Less", ["mean", "end"], ["below"]),
                helper.make_node("And", ["above", "below"], ["between"]),
                helper.make_node("Where", ["between", "bent", "x"], ["y"]),
            ],
            {**constants, "limit": np.float32(100), "end": np.float32(900)},
        )

        with pytest.raises(NotProven, match="on wide input"):
            edgekit.compile(path)

    def test_a_tree_is_run_on_both_sides_of_its_thresholds(self, tmp_path: Path) -> None:
        """With one negative vote ONNX Runtime chooses among the voted classes, tract among all."""
        tree = helper.make_node(
            "TreeEnsembleClassifier",
            ["x"],
            ["label", "scores"],
            domain="ai.onnx.ml",
            nodes_treeids=[0] * 5,
            nodes_nodeids=[0, 1, 2, 3, 4],
            nodes_featureids=[0] * 5,
            nodes_values=[50.0, 0.0, 150.0, 0.0, 0.0],
            nodes_modes=["BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"],
            nodes_truenodeids=[1, 0, 3, 0, 0],
            nodes_falsenodeids=[2, 0, 4, 0, 0],
            class_treeids=[0] * 3,
            class_nodeids=[1, 3, 4],
            class_ids=[0, 1, 2],
            class_weights=[1.0, -0.5, 1.0],
            classlabels_int64s=[0, 1, 2],
            post_transform="NONE",
        )
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            [tree],
            "tree",
            [value("x", FLOAT, [1, 1])],
            [value("label", TensorProto.INT64, [1]), value("scores", FLOAT, [1, 3])],
        )
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
        path = tmp_path / "tree.onnx"
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)

        with pytest.raises(NotProven, match=r"output `label` differs .* on threshold input"):
            edgekit.compile(path)

    def test_an_invalid_model_is_told_before_anything_runs_it(self, make_onnx: MakeOnnx) -> None:
        """Integer weights wired into a float operator, as one converter writes them."""
        path = make_onnx(
            [helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": np.ones((4, 4), np.int8)}
        )

        with pytest.raises(ModelError, match=r"wires the int8 numbers `w` into operator `MatMul`"):
            edgekit.compile(path)

    def test_a_shape_that_depends_on_the_data_is_refused(self, make_onnx: MakeOnnx) -> None:
        """A board cannot plan its memory for that."""
        path = make_onnx(
            [helper.make_node("NonZero", ["x"], ["y"])],
            outputs=[("y", TensorProto.INT64, ["rank", "found"])],
        )

        with pytest.raises(ModelError, match="shape of the model's outputs depends on its input"):
            edgekit.compile(path)

    def test_an_operator_that_the_engine_lacks_is_named(self, make_onnx: MakeOnnx) -> None:
        """ONNX Runtime has it, tract does not."""
        path = make_onnx(
            [helper.make_node("Det", ["x"], ["y"], name="determinant")],
            inputs=[("x", FLOAT, [1, 2, 2])],
            outputs=[("y", FLOAT, [1])],
        )

        with pytest.raises(ModelError, match=r"the engine cannot run .*Det"):
            edgekit.compile(path)


class TestCache:
    """A project that was proven once starts at once."""

    @pytest.fixture
    def no_child(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        """Return a function after whose call no model can be converted."""
        compile_project(Project.load(project), project)

        def forbid(*_: object, **__: object) -> None:
            pytest.fail("converted again")

        return lambda: monkeypatch.setattr("edgekit.model.compile.convert_and_prove", forbid)

    def test_the_second_time_needs_no_child(
        self, project: Path, no_child: Callable[[], None]
    ) -> None:
        """The same archive and the same proof."""
        first = compile_project(Project.load(project), project)
        no_child()

        second = compile_project(Project.load(project), project)

        assert (project / ".edgekit" / ".gitignore").read_text() == "*\n"
        assert (second.archive, second.proof, second.rewrites) == (
            first.archive,
            first.proof,
            first.rewrites,
        )

    @pytest.mark.parametrize(
        ("before", "after"),
        [("scale = 0.5", "scale = 0.25"), ("hop = 4", "hop = 5"), ("classifier", "other")],
    )
    def test_what_the_proof_depends_on_is_part_of_the_key(
        self, project: Path, before: str, after: str
    ) -> None:
        """Another scale, hop or model is another entry."""
        compile_project(Project.load(project), project)
        other = onnx.load(project / "classifier.onnx")
        other.graph.initializer[3].raw_data = np.arange(4, dtype=np.float32).tobytes()
        onnx.save(other, project / "other.onnx")
        (project / "edgekit.toml").write_text(PROJECT.replace(before, after))

        compile_project(Project.load(project), project)

        assert len(list((project / ".edgekit" / "cache").iterdir())) == 2

    def test_new_recordings_are_proven_again(self, project: Path) -> None:
        """And then kept: the same recording a second time, or none, takes that proof."""
        loaded = Project.load(project)
        compile_project(loaded, project)

        proven = compile_project(loaded, project, recorded=_windows(9))

        assert proven.proof.to_json()["inputs"]["recorded"] == 9
        assert compile_project(loaded, project).proof == proven.proof

    @pytest.mark.parametrize("file", ["model.nnef.tar", "entry.json"])
    @pytest.mark.parametrize("damage", [b"", b"\x00garbage", None])
    def test_a_damaged_entry_is_made_again(
        self, project: Path, file: str, damage: bytes | None
    ) -> None:
        """A half-written or changed file is never loaded."""
        loaded = Project.load(project)
        first = compile_project(loaded, project)
        (entry,) = (project / ".edgekit" / "cache").iterdir()
        whole = (entry / file).read_bytes()
        if damage is None:
            damage = (
                whole.replace(b"proven", b"approv") if file == "entry.json" else whole[:-1] + b"!"
            )
        (entry / file).write_bytes(damage)

        again = compile_project(loaded, project)

        assert (again.archive, again.proof) == (first.archive, first.proof)
        assert (entry / file).read_bytes() != damage

    def test_a_project_that_cannot_be_written_is_compiled_all_the_same(self, project: Path) -> None:
        """A file is where the folder should be: there is no cache then, and no error."""
        (project / ".edgekit").write_text("in the way")

        assert compile_project(Project.load(project), project).proof.verdict == "proven"

    def test_a_refused_model_is_refused_again(
        self, project: Path, make_onnx: MakeOnnx, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The next run says it again, from what was found; with a reason it is given all the same, stamped."""
        make_onnx(
            [helper.make_node("Mul", ["x", "zero"], ["y"])],
            {"zero": np.zeros(1, np.float32)},
            inputs=[("x", FLOAT, [1, 16, 3])],
            outputs=[("y", FLOAT, [1, 16, 3])],
            name="classifier.onnx",
        )
        with pytest.raises(NotProven) as first:
            compile_project(Project.load(project), project)
        monkeypatch.delattr("edgekit.model.compile.convert_and_prove")

        with pytest.raises(NotProven) as second:
            compile_project(Project.load(project), project)
        allowed = compile_project(Project.load(project), project, allow_unproven="a bench test")

        assert second.value.message == first.value.message
        assert (allowed.proof.verdict, allowed.unproven) == ("refused", "a bench test")
