"""Meaning: what is said of a model over a recording, all together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ConfigError
from edgekit.model.graph_spec import GraphSpec
from edgekit.model.meaning.meaning import findings
from edgekit.model.recorded import RecordedWindows
from edgekit.model.source import SourceModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgekit.project import Project

    Make = Callable[[str], Project]

RAW = np.random.default_rng(8).normal(size=(30, 4, 2)).astype(np.float32)


def source(folder: Path, *, quantised: bool = False) -> SourceModel:
    """Write a model that passes its input through, maybe by way of int8 from -4 to 4."""
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    constants = []
    if quantised:
        constants = [
            numpy_helper.from_array(np.array(8 / 255, np.float32), "scale"),
            numpy_helper.from_array(np.array(0, np.int8), "zero"),
        ]
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
        ]
    shape = [1, 4, 2]
    graph = helper.make_graph(
        nodes,
        "pass",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        constants,
    )
    path = folder / "pass.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path
    )
    return SourceModel.load(path)


def recorded(raw: Any = RAW, **more: Any) -> RecordedWindows:
    """Return windows as if read from a file."""
    facts = {"labels": ("left", "right"), "rate_hz_measured": 10.0, "notes": ()}
    return RecordedWindows(raw=raw, unbounded=more.pop("unbounded", raw), **{**facts, **more})


def probabilities(windows: Any) -> Any:
    """Return two probabilities a window."""
    right = (1 + np.tanh(windows.mean(axis=(1, 2), dtype=np.float32))) / 2
    return np.stack([1 - right, right], axis=1)


@pytest.fixture
def fine(compiled: Any, tmp_path: Path) -> Any:
    """Return a model of which nothing is to be said."""
    return compiled.but(source=source(tmp_path), reference_model=probabilities)


def test_nothing_to_say(fine: Any, project: Make) -> None:
    """No finding where nothing is odd."""
    assert findings(fine, recorded(), project("[decision]\nthreshold = 0.8\n")) == ()


def test_another_rate(fine: Any, project: Make) -> None:
    """Both rates, and what to set."""
    (finding,) = findings(fine, recorded(rate_hz_measured=50.0), project(""))

    assert finding.severity == "warning"
    assert "50 Hz" in finding.message
    assert "10 Hz" in finding.message
    assert "rate_hz = 50" in str(finding.hint)
    assert findings(fine, recorded(rate_hz_measured=10.3), project("")) == ()


def test_logits_and_the_threshold(fine: Any, project: Make) -> None:
    """The threshold of the project makes a warning of the note."""
    logits = fine.but(reference_model=lambda windows: windows.sum(axis=1) * 5)

    (note,) = findings(logits, recorded(), project(""))
    (warning,) = findings(logits, recorded(), project("[decision]\nthreshold = 0.8\n"))

    assert (note.severity, warning.severity) == ("note", "warning")


def test_saturating_samples(fine: Any, project: Make, tmp_path: Path) -> None:
    """The range comes from the quantised input of the model."""
    quantised = fine.but(source=source(tmp_path, quantised=True))

    (finding,) = findings(quantised, recorded(RAW * 1000), project(""))

    assert "of samples saturate" in finding.message
    assert "mg and g" in str(finding.hint)


def test_samples_beyond_min_and_max(fine: Any, project: Make) -> None:
    """Also where they leave no window to look at."""
    bounded = project("min = -4\nmax = 4\n")

    (finding,) = findings(fine, recorded(RAW[:0], unbounded=RAW * 1000), bounded)

    assert "outside of `[input] min` and `max`" in finding.message


def test_labels_that_do_not_fit(fine: Any, project: Make) -> None:
    """An error, not a finding."""
    with pytest.raises(ConfigError, match="3 names for 2 outputs"):
        findings(fine.but(labels=("a", "b", "c")), recorded(), project(""))


def test_activation_on_probabilities(fine: Any, project: Make) -> None:
    """The reference's own outputs are asked for."""

    class Reference:
        predict = staticmethod(lambda windows: probabilities(windows) / 2 + 0.25)
        logits = staticmethod(probabilities)

    class Twice(type(fine)):  # type: ignore[misc]
        def reference(self) -> Any:
            return Reference()

    spec = GraphSpec(window=4, channels=2, activation="softmax")
    twice = Twice(spec=spec, labels=fine.labels, source=fine.source)

    (finding,) = findings(twice, recorded(), project(""))

    assert "softmax applied twice" in finding.message


def test_named_tensors_say_nothing(fine: Any, project: Make) -> None:
    """Their meaning is the user's."""
    assert findings(fine.but(spec=None), recorded(), project("")) == ()
