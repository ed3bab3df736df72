"""The stream form as a value: checked when it is made, the same after JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from edgekit.errors import ConfigError
from edgekit.model.graph_spec import GraphSpec, per_channel
from edgekit.project import ModelSection, Project, ProjectSection, StreamInput, TensorInput


def test_an_offset_or_mean_may_be_nothing() -> None:
    """Zero adds nothing and is no mistake."""
    assert GraphSpec(window=1, channels=1, scale=(-1.0,), offset=(0.0,)).offset == (0.0,)
    assert GraphSpec(window=1, channels=1, mean=(0.0,), std=(1.0,)).mean == (0.0,)


def test_it_survives_json() -> None:
    """The child process gets exactly what the parent has."""
    spec = GraphSpec(
        window=128,
        channels=2,
        mean=(0.5, 1.0),
        std=(2.0, 3.0),
        activation="softmax",
        output_name="y",
    )

    assert GraphSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"window": 0}, "`window` is 0"),
        ({"channels": 0}, "`channels` is 0"),
        ({"scale": (1.0,)}, "`scale` has 1 values for 3 channels"),
        ({"mean": (0.0,) * 3}, "`mean` and `std` go together"),
        ({"mean": (0.0,) * 3, "std": (1.0,) * 3, "scale": (1.0,) * 3}, "keep one pair"),
        ({"mean": (0.0,) * 3, "std": (1.0, 0.0, 1.0)}, "`std` of channel 1 is 0"),
        (
            {"mean": (0.0,) * 3, "std": (1.0, -1.0, 1.0)},
            "`std` of channel 1 is -1: must be positive",
        ),
        # in float32 it is 0, and so is a subnormal number in the engine
        (
            {"mean": (0.0,) * 3, "std": (1.0, 1.0, 1e-46)},
            "`std` of channel 2 is 1e-46: cannot divide",
        ),
        (
            {"mean": (0.0,) * 3, "std": (1.0, 1.0, 1e-40)},
            "`std` of channel 2 is 1e-40: cannot divide",
        ),
        (
            {"mean": (0.0,) * 3, "std": (math.nan,) * 3},
            "`std` of channel 0 is nan: must be a finite",
        ),
        ({"mean": (0.0, 0.0, -math.inf), "std": (1.0,) * 3}, "`mean` of channel 2 is -inf"),
        ({"scale": (1.0, 1e39, 1.0)}, "`scale` of channel 1 is 1e\\+39: must be a finite float32"),
        ({"scale": (1.0, 0.0, 1.0)}, "`scale` of channel 1 is 0: nothing would be left"),
        ({"offset": (math.inf, 0.0, 0.0)}, "`offset` of channel 0 is inf"),
        (
            {"output_kind": "anomaly", "activation": "softmax"},
            'does not go with `kind = "anomaly"`',
        ),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], says: str) -> None:
    """Each with the key that is wrong."""
    with pytest.raises(ConfigError, match=says):
        GraphSpec(**{"window": 10, "channels": 3, **wrong})


def test_a_project_has_one_number_for_all_channels() -> None:
    """A scalar in edgekit.toml is every channel's."""
    project = Project(
        project=ProjectSection(name="p"),
        model=ModelSection(path="m.onnx"),
        input=StreamInput(
            channels=("a", "b"), rate_hz=50, window=10, hop=5, scale=0.5, offset=(1.0, 2.0)
        ),
    )

    spec = GraphSpec.of(project)

    assert spec is not None
    assert (spec.scale, spec.offset, spec.window, spec.channels) == ((0.5, 0.5), (1.0, 2.0), 10, 2)


def test_a_project_with_named_tensors_has_no_stream_form() -> None:
    """Nothing is put around the model then."""
    project = Project(
        project=ProjectSection(name="p"),
        model=ModelSection(path="m.onnx"),
        input=TensorInput(kind="tensor"),
    )

    assert GraphSpec.of(project) is None


def test_per_channel_takes_lists_and_integers() -> None:
    """What notebooks have at hand."""
    assert per_channel([1, 2], 2) == (1.0, 2.0)
    assert per_channel(3, 2) == (3.0, 3.0)
    assert per_channel(None, 2) is None
