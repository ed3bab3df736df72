"""Opening a model: everything that may not fit is refused with a sentence."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from edge_agent.config import Output
from edge_agent.errors import ConfigError, EdgeKitError, ModelError, ToolError, VerificationFailed
from edge_agent.session import check_shape, engine_memory, open_stream
from edge_agent.testing import FakeMemory, FakeStream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_agent.config import AgentConfig

    Make = Callable[..., AgentConfig]

ARCHIVE = b"an archive"


class EngineError(Exception):
    """The runtime's own error."""


class Breaking(FakeStream):
    """A stream whose engine fails on the second push."""

    def push(self, samples: bytes, *, infer: bool = True) -> list[tuple[int, bytes]]:
        """Take one push, then fail."""
        if self.pending:
            raise EngineError("operator `MatMul` panicked")
        return super().push(samples, infer=infer)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Put a runtime in place that needs no native code."""

    def session(archive: bytes) -> SimpleNamespace:
        if archive != ARCHIVE:
            raise EngineError("no archive")
        return SimpleNamespace(stream=lambda hop: Breaking(4, hop, 2))

    module = SimpleNamespace(
        EngineError=EngineError,
        Session=session,
        engine=lambda: SimpleNamespace(name="tract", version="0.23.9", registries=("tract_nnef",)),
        memory=FakeMemory,
    )
    monkeypatch.setitem(sys.modules, "edgekit_runtime", module)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lay the archive where the configuration says."""
    (tmp_path / "model.nnef.tar").write_bytes(ARCHIVE)
    return tmp_path


def config(make: Make, **changes: Any) -> AgentConfig:
    """Make a configuration that fits the archive, with changes to what it says of it."""
    base = make()
    archive = replace(base.model, sha256=hashlib.sha256(ARCHIVE).hexdigest())
    return replace(base, model=replace(archive, **changes))


@pytest.mark.usefixtures("runtime")
def test_a_model_that_fits(agent_config: Make, folder: Path) -> None:
    """The stream runs as the engine's own does."""
    stream = open_stream(config(agent_config), folder)

    assert (stream.window, stream.hop, stream.channels, stream.outputs) == (4, 2, 2, 2)
    assert stream.push(bytes(8)) == []
    assert (stream.pending, stream.skipped, stream.reset()) == (1, 0, 1)
    assert engine_memory() == FakeMemory()


@pytest.mark.usefixtures("runtime")
def test_a_failing_engine_is_an_error_of_the_agent(agent_config: Make, folder: Path) -> None:
    """A panic in an operator ends the run with its sentence."""
    stream = open_stream(config(agent_config), folder)
    stream.push(bytes(8))

    with pytest.raises(ModelError, match="the engine failed: operator `MatMul` panicked"):
        stream.push(bytes(8))


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"sha256": "f" * 64}, VerificationFailed, "SHA-256"),
        ({"path": "missing.tar"}, ConfigError, "missing.tar"),
        ({"path": "."}, ConfigError, "cannot read the model"),
        ({"engine": "tract 0.22.0"}, ModelError, "`tract 0.22.0`, here is `tract 0.23.9`"),
        ({"registries": ("tract_nnef", "tract_onnx")}, ModelError, "`tract_onnx`"),
        ({"registries": ()}, ModelError, "operators of none"),
    ],
)
def test_what_does_not_fit_is_refused(
    agent_config: Make, folder: Path, changes: dict[str, Any], error: type[EdgeKitError], says: str
) -> None:
    """Digest, place, engine and operators are checked before anything runs."""
    with pytest.raises(error, match=says):
        open_stream(config(agent_config, **changes), folder)


@pytest.mark.usefixtures("runtime")
def test_an_archive_that_the_engine_cannot_load(agent_config: Make, folder: Path) -> None:
    """The right digest of the wrong thing."""
    (folder / "model.nnef.tar").write_bytes(b"else")
    base = config(agent_config, sha256=hashlib.sha256(b"else").hexdigest())

    with pytest.raises(ModelError, match=r"cannot load `model\.nnef\.tar`: no archive"):
        open_stream(base, folder)


def test_a_model_that_is_no_stream(
    agent_config: Make, folder: Path, runtime: SimpleNamespace
) -> None:
    """A model of a camera frame has no window."""

    def stream(hop: int) -> None:
        raise ValueError(f"2 inputs, hop {hop}")

    runtime.Session = lambda _: SimpleNamespace(stream=stream)
    with pytest.raises(ModelError, match="no model of a stream: 2 inputs"):
        open_stream(config(agent_config), folder)


def test_no_runtime_is_a_missing_tool(
    agent_config: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hint says what to install."""
    monkeypatch.setitem(sys.modules, "edgekit_runtime", None)

    with pytest.raises(ToolError) as caught:
        open_stream(config(agent_config), folder)
    assert "edgekit-runtime" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("stream", "changes", "says"),
    [
        (FakeStream(5, 2, 2), {}, "`input.window` is 4, but the model takes 5"),
        (FakeStream(4, 2, 3), {}, "`input.channels` is 2, but the model takes 3"),
        (FakeStream(4, 2, 2, outputs=3), {}, "`labels` names 2, but the model gives 3 values"),
        (FakeStream(4, 2, 2), {"output": Output(kind="anomaly")}, "not one"),
    ],
)
def test_a_shape_that_does_not_fit(
    agent_config: Make, stream: FakeStream, changes: dict[str, Any], says: str
) -> None:
    """Window, channels, labels and outputs belong together."""
    with pytest.raises(ConfigError, match=says):
        check_shape(agent_config(**changes), stream)


def test_raw_output_needs_no_labels(agent_config: Make) -> None:
    """Labels are for classes and values."""
    check_shape(agent_config(output=Output(kind="raw")), FakeStream(4, 2, 2, outputs=9))
    check_shape(agent_config(labels=()), FakeStream(4, 2, 2, outputs=9))
