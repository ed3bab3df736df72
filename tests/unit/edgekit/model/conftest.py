"""Stand-ins for a compiled model and its reference: plain functions of windows, without engine and ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge_agent.testing import FakeStream
from edgekit.model.graph_spec import GraphSpec
from edgekit.model.options import DEFAULTS, ModelOptions
from edgekit.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Model = Callable[[Floats], Floats]


def means(windows: Floats) -> Floats:
    """Return the mean of each channel: as many outputs as channels."""
    return np.asarray(windows.mean(axis=1), np.float32)


@dataclass(frozen=True)
class FakeReference:
    """A reference that is a function."""

    predict: Model


@dataclass(frozen=True)
class FakeCompiled:
    """A compiled model that is a function, and its reference another."""

    spec: GraphSpec | None
    labels: tuple[str, ...]
    channels: tuple[str, ...] = ()
    model: Model = means
    reference_model: Model = means
    source: Any = None
    mode: str = "window"
    options: ModelOptions = DEFAULTS

    def stream(self, hop: int) -> FakeStream:
        """Return a stream of windows over the function."""
        assert self.spec is not None
        window, channels = self.spec.window, self.spec.channels
        outputs = self.model(np.zeros((1, window, channels), np.float32)).shape[1]

        def one(samples: list[tuple[float, ...]]) -> list[float]:
            result: list[float] = self.model(np.array([samples], np.float32))[0].tolist()
            return result

        return FakeStream(window, hop, channels, outputs=outputs, model=one)

    def predict(self, windows: Floats) -> Floats:
        """Run the function."""
        return self.model(windows)

    def reference(self) -> FakeReference:
        """Return the other function."""
        return FakeReference(self.reference_model)

    def but(self, **changes: Any) -> FakeCompiled:
        """Return a changed copy."""
        return replace(self, **changes)


@pytest.fixture
def compiled() -> FakeCompiled:
    """Two channels, windows of 4; the channel with the larger mean is the class."""
    spec = GraphSpec(window=4, channels=2)
    return FakeCompiled(spec=spec, labels=("left", "right"))


PROJECT = """
[project]
name = "fake"
[model]
path = "fake.onnx"
labels = ["left", "right"]
[input]
channels = ["a", "b"]
rate_hz = 10
window = 4
hop = 2
"""


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], Project]:
    """Make a project of two channels, windows of 4 and hop 2, with more lines of TOML behind it."""

    def make(more: str = "") -> Project:
        path = tmp_path / "edgekit.toml"
        path.write_text(PROJECT + more)
        return Project.load(path)

    return make
