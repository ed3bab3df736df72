"""How streams are computed: in steps where that is cheaper, window by window where it is not, never otherwise than proven."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import edgekit_runtime
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import edgekit
from edgekit.errors import ModelError, NotProven
from edgekit.model import streaming
from edgekit.model.compile import compile_project
from edgekit.model.foresight import foreseen
from edgekit.model.incremental.form import IncrementalForm, incremental_form
from edgekit.model.meaning.meaning import findings
from edgekit.model.proof import tolerance
from edgekit.model.recorded import recorded_windows
from edgekit.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekit.model.proof.proof import Proof

    Array = np.ndarray[Any, Any]
    MakeOnnx = Callable[..., Path]

pytestmark = pytest.mark.native

MODELS = Path(
    os.environ.get(
        "EDGEKIT_REFERENCE_MODELS", Path(__file__).parents[3] / "shared" / "reference-models"
    )
)
needs_models = pytest.mark.skipif(
    not MODELS.is_dir(),
    reason=f"the reference models are not at {MODELS}; EDGEKIT_REFERENCE_MODELS says where they are",
)

RNG = np.random.default_rng(5)
node = helper.make_node
FLOAT = TensorProto.FLOAT


def noise(*shape: int) -> Array:
    """Return weights."""
    return RNG.normal(size=shape).astype(np.float32) / 4


def windows(
    nodes: Sequence[onnx.NodeProto], weights: dict[str, Array], window: int, channels: int
) -> bytes:
    """Return a graph from `samples` [window, channels] to `prediction`."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("samples", FLOAT, [window, channels])],
        [helper.make_tensor_value_info("prediction", FLOAT, None)],
        [numpy_helper.from_array(value, key) for key, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def share_of_a_window(proof: Proof) -> float:
    """Return the cost of a step by that of a window."""
    cost = proof.cost or {}
    step, whole = cost["incremental"], cost["window"]
    assert step is not None
    assert whole is not None
    return step / whole


CLASSIFIER = [
    node("Conv", ["x", "kernel"], ["c"]),
    node("Relu", ["c"], ["r"]),
    node("Conv", ["r", "kernel2"], ["c2"]),
    node("GlobalAveragePool", ["c2"], ["p"]),
    node("Flatten", ["p"], ["y"]),
]
CONVOLUTIONS = {"kernel": noise(32, 3, 5), "kernel2": noise(32, 32, 5)}


def recurrence(operator: str, direction: str) -> list[onnx.NodeProto]:
    """Return a recurrence over a window, and its last state."""
    return [
        node("Transpose", ["x"], ["sequence"], perm=[2, 0, 1]),
        node(
            operator,
            ["sequence", "w", "r"],
            ["", "y"],
            name="it",
            hidden_size=8,
            direction=direction,
        ),
    ]


ONLY_WINDOWS: dict[str, tuple[list[onnx.NodeProto], dict[str, Array], str]] = {
    "LSTM": (
        recurrence("LSTM", "forward"),
        {"w": noise(1, 32, 3), "r": noise(1, 32, 8)},
        "starts from zero at every window's first sample",
    ),
    "BiLSTM": (
        recurrence("LSTM", "bidirectional"),
        {"w": noise(2, 32, 3), "r": noise(2, 32, 8)},
        "window",
    ),
    "softmax over time": (
        [node("Softmax", ["x"], ["y"], axis=2, name="it")],
        {},
        "`it` (Softmax) adds up over the whole window",
    ),
    "attention over time": (
        [
            node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
            node("MatMul", ["t", "x"], ["scores"], name="it"),
            node("Softmax", ["scores"], ["weights"], axis=-1),
            node("MatMul", ["weights", "t"], ["y"]),
        ],
        {},
        "(MatMul) multiplies parts of the window with each other",
    ),
    "flattened time": (
        [node("Flatten", ["x"], ["flat"], name="it"), node("Gemm", ["flat", "head"], ["y"])],
        {"head": noise(120, 4)},
        "`it` (Flatten) mixes samples and channels of the whole window",
    ),
    "padding": (
        [
            node("Conv", ["x", "kernel"], ["c"], auto_pad="SAME_UPPER", name="it"),
            node("GlobalAveragePool", ["c"], ["y"]),
        ],
        {"kernel": noise(32, 3, 5)},
        "`it` (Conv) is padded at the window's edges",
    ),
}


@pytest.mark.parametrize("case", ONLY_WINDOWS)
def test_what_a_streaming_transform_gets_wrong_runs_in_windows(
    make_onnx: MakeOnnx, case: str
) -> None:
    """Proven, window by window, and the reason is a sentence with the operator in it."""
    nodes, weights, reason = ONLY_WINDOWS[case]
    path = make_onnx(
        nodes, weights, inputs=[("x", FLOAT, [1, 3, 40])], outputs=[("y", FLOAT, None)], opset=17
    )

    proof = edgekit.compile(path, window=40, channels=3, hop=1, kind="raw").proof

    assert (proof.verdict, proof.mode) == ("proven", "window")
    assert proof.mode_reason.startswith("steps of one hop would cost")
    assert reason in proof.mode_reason


def test_a_classifier_runs_in_steps_and_is_proven_as_it_ships(make_onnx: MakeOnnx) -> None:
    """Valid convolutions and a mean over time: no rewriting by hand, a fraction of the operations, the same numbers."""
    path = make_onnx(
        CLASSIFIER,
        CONVOLUTIONS,
        inputs=[("x", FLOAT, [1, 3, 100])],
        outputs=[("y", FLOAT, None)],
        opset=17,
    )

    compiled = edgekit.compile(path, window=100, channels=3, hop=4, kind="raw")

    proof, stream = compiled.proof, compiled.stream()
    assert (proof.verdict, proof.mode, proof.mode_reason) == ("proven", "incremental", "")
    assert share_of_a_window(proof) < 0.2
    assert (stream.mode, stream.window, stream.hop) == ("incremental", 100, 4)


def test_the_project_can_ask_for_either(make_onnx: MakeOnnx) -> None:
    """`mode` overrules the cost, both ways; steps that there cannot be are refused."""
    classifier = make_onnx(
        CLASSIFIER,
        CONVOLUTIONS,
        inputs=[("x", FLOAT, [1, 3, 100])],
        outputs=[("y", FLOAT, None)],
        opset=17,
    )
    recurrent = make_onnx(
        recurrence("GRU", "forward"),
        {"w": noise(1, 24, 3), "r": noise(1, 24, 8)},
        inputs=[("x", FLOAT, [1, 3, 12])],
        outputs=[("y", FLOAT, None)],
        opset=17,
        name="recurrent.onnx",
    )

    by_windows = edgekit.compile(
        classifier, window=100, channels=3, hop=4, kind="raw", mode="window"
    )
    in_steps = edgekit.compile(
        recurrent, window=12, channels=3, hop=3, kind="raw", mode="incremental"
    )

    assert by_windows.stream().mode == "window"
    assert (in_steps.proof.verdict, in_steps.stream().mode) == ("proven", "incremental")
    with pytest.raises(ModelError, match="windows do not overlap"):
        edgekit.compile(classifier, window=100, channels=3, hop=100, kind="raw", mode="incremental")


def _in_steps(model: bytes, hop: int) -> tuple[streaming.Streamed, bytes, IncrementalForm]:
    """Return a graph of windows in steps, converted, and the windows' archive."""
    form = incremental_form(model, hop)
    assert isinstance(form, IncrementalForm)
    archive = edgekit_runtime.import_onnx(form.onnx, state=form.state, window=form.window)
    streamed = streaming.Streamed(
        mode="incremental",
        archive=archive,
        reason="",
        rewrites=(),
        cost={"window": 1, "incremental": form.operations},
    )
    return streamed, edgekit_runtime.import_onnx(model), form


def _channels_first(nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    return [
        node("Transpose", ["samples"], ["cf"], perm=[1, 0]),
        node("Unsqueeze", ["cf", "zero"], ["x"]),
        *nodes,
        node("Reshape", ["y", "minus"], ["prediction"]),
    ]


ENDS = {"zero": np.array([0]), "minus": np.array([-1])}


@pytest.mark.parametrize("hop", [1, 3, 7, 20])
def test_steps_hold_whatever_the_blocks_resets_and_gaps(hop: int) -> None:
    """Over ten windows: cold, in blocks of several sizes, after a reset, with windows passed over."""
    model = windows(_channels_first(CLASSIFIER), {**CONVOLUTIONS, **ENDS}, 50, 3)
    streamed, archive, _ = _in_steps(model, hop)
    signal = RNG.normal(size=(600, 3)).astype(np.float32)

    found = streaming.against_windows(streamed, archive, signal, hop)

    assert found["ends"][-1] >= 10 * 50
    assert streaming.why_not_held(found) == ""


def test_a_state_that_reaches_back_beyond_the_window_is_found_out() -> None:
    """A sum that never ends is no window's: the comparison says so, and the stream goes back to windows."""
    hop = windows(
        [
            node("Add", ["samples", "before"], ["after"]),
            node("ReduceSum", ["after"], ["prediction"], keepdims=0),
        ],
        {},
        2,
        1,
    )
    model = onnx.ModelProto.FromString(hop)
    model.graph.input.append(helper.make_tensor_value_info("before", FLOAT, [2, 1]))
    model.graph.output.append(helper.make_tensor_value_info("after", FLOAT, [2, 1]))
    leaking = edgekit_runtime.import_onnx(
        model.SerializeToString(), state=[("before", "after")], window=6
    )
    archive = edgekit_runtime.import_onnx(
        windows([node("ReduceSum", ["samples"], ["prediction"], keepdims=0)], {}, 6, 1)
    )
    streamed = streaming.Streamed(
        mode="incremental",
        archive=leaking,
        reason="",
        rewrites=(),
        cost={"window": 9, "incremental": 3},
    )

    wanted = streaming.Wanted(hop=2, mode="auto", has_state=False, frames=1)
    signal = RNG.normal(size=(90, 1)).astype(np.float32)

    windowed, found = streaming.prove(streamed, archive, wanted, signal)

    assert (windowed.mode, windowed.archive) == ("window", archive)
    assert "differ" in windowed.reason or "other numbers" in windowed.reason
    np.testing.assert_array_equal(found["streamed"], found["alone"])
    with pytest.raises(ModelError, match="cannot be computed in steps"):
        streaming.prove(streamed, archive, wanted._replace(mode="incremental"), signal)


@needs_models
def test_the_wake_word_model_costs_less_than_half_in_steps() -> None:
    """One 32 ms frame a hop, over windows of thirty: counted, so the same on every machine."""
    compiled = edgekit.compile(
        MODELS / "sww/str_ww_stream_S.onnx", window=30, channels=40, hop=1, kind="raw"
    )

    proof = compiled.proof
    assert (proof.verdict, proof.mode) == ("proven", "incremental")
    assert share_of_a_window(proof) < 0.5


@needs_models
def test_silero_follows_a_minute_of_sound() -> None:
    """State recognised by name, carried by the engine: within tolerance of ONNX Runtime at every step."""
    path = MODELS / "silero/silero_vad_openvino_16k.onnx"
    compiled = edgekit.compile(path, window=576, channels=1, hop=512, kind="raw")
    seconds = np.arange(60 * 16_000) / 16_000
    voice = sum(
        np.sin(2 * math.pi * 140 * k * seconds + np.sin(3 * seconds)) / k for k in (1, 2, 3)
    )
    sound = voice * (np.sin(2 * math.pi * 0.7 * seconds) > 0) * 0.2
    sound = (sound + RNG.normal(size=seconds.size) * 0.01).astype(np.float32)

    stream = compiled.stream()
    found = stream.push(sound.tobytes())

    assert stream.mode == "stateful"
    assert [end for end, _ in found] == list(range(576, sound.size + 1, 512))
    session = onnxruntime.InferenceSession(path)
    state = np.zeros((2, 1, 128), np.float32)
    off = []
    for end, values in found:
        step = {"input": sound[None, end - 576 : end], "state": state}
        wanted, state = session.run(["output", "stateN"], step)
        off.append(abs(float(wanted[0, 0]) - np.frombuffer(values, np.float32)[0]))
    assert max(off) <= 1e-5


def test_an_evaluation_begins_with_fresh_state(make_onnx: MakeOnnx) -> None:
    """What was predicted before changes neither it nor what is predicted after it."""
    path = make_onnx(
        [
            helper.make_node("Add", ["x", "state"], ["next_state"]),
            helper.make_node("Identity", ["next_state"], ["y"]),
        ],
        {},
        inputs=[("x", TensorProto.FLOAT, [1, 1]), ("state", TensorProto.FLOAT, [1, 1])],
        outputs=[("y", TensorProto.FLOAT, [1, 1]), ("next_state", TensorProto.FLOAT, [1, 1])],
    )
    compiled = edgekit.compile(path, state={"state": "next_state"})
    frame = {"x": np.ones((1, 1), np.float32)}
    assert [compiled.predict(frame)["y"].item() for _ in range(2)] == [1, 2]

    evaluation = compiled.evaluate({"x": np.ones((1, 1, 1), np.float32)}, [1.0])

    assert evaluation.agreement.max_abs_difference == 0
    assert compiled.predict(frame)["y"].item() == 1


@needs_models
def test_a_refused_state_is_not_searched_for_a_suspect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its numbers depend on the runs before, which a search in one input does not have."""
    for name in ("RELATIVE", "ROUNDING", "SMALLEST", "NOISE", "LARGEST_RELATIVE"):
        monkeypatch.setattr(tolerance, name, 0.0)

    with pytest.raises(NotProven) as caught:
        edgekit.compile(
            MODELS / "silero/silero_vad_openvino_16k.onnx",
            window=576,
            channels=1,
            hop=512,
            kind="raw",
        )

    assert "is refused: output `prediction` differs" in caught.value.message
    assert "the search failed" not in caught.value.message


@needs_models
def test_a_model_with_state_is_checked_on_a_recording(tmp_path: Path) -> None:
    """What the recording says of its inputs concerns those that are no state."""
    sound = (RNG.normal(size=4000) * 0.1).astype(np.float32)
    rows = "\n".join(f"{at / 16_000:.7f},{value:.5f}" for at, value in enumerate(sound))
    (tmp_path / "sound.csv").write_text(f"t,audio\n{rows}\n")
    (tmp_path / "edgekit.toml").write_text(f"""
[project]
name = "vad"
[model]
path = "{MODELS / "silero/silero_vad_openvino_16k.onnx"}"
[input]
channels = ["audio"]
rate_hz = 16000
window = 576
hop = 512
[output]
kind = "value"
[test]
data = "sound.csv"
""")

    project = Project.load(tmp_path / "edgekit.toml")
    recorded = recorded_windows(tmp_path / "sound.csv", project.input, project.columns)  # type: ignore[arg-type]

    compiled = compile_project(project, tmp_path, recorded=recorded.raw)

    assert (compiled.proof.verdict, compiled.mode) == ("proven", "stateful")
    assert foreseen(compiled.source, project) is None
    assert isinstance(findings(compiled, recorded, project), tuple)
