"""From a model archive to a running stream: the one place that knows the engine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Protocol

from edge_agent.errors import ConfigError, ModelError, ToolError, VerificationFailed

if TYPE_CHECKING:
    from pathlib import Path

    from edge_agent.config import AgentConfig


class Stream(Protocol):
    """Samples in, predictions out: a window of `window` samples every `hop` samples."""

    @property
    def window(self) -> int:
        """Samples in a window."""
        ...

    @property
    def hop(self) -> int:
        """Samples from one window to the next."""
        ...

    @property
    def channels(self) -> int:
        """Values in a sample."""
        ...

    @property
    def outputs(self) -> int:
        """Values in a prediction."""
        ...

    @property
    def pending(self) -> int:
        """Samples since the last reset that no window has held yet."""
        ...

    @property
    def skipped(self) -> int:
        """Samples since the last reset that no window will ever hold (hop > window)."""
        ...

    def push(self, samples: bytes) -> list[tuple[int, bytes]]:
        """
        Add float32 samples `[time, channel]`; return the predictions they complete.

        A prediction is the number of samples since the last reset at the end of its window, and its
        float32 values. Raises ValueError for bytes that are no whole number of samples, ModelError if the
        engine fails.
        """
        ...

    def reset(self) -> int:
        """Forget all samples; return how many were pending."""
        ...


class Memory(Protocol):
    """What the engine's allocator has counted."""

    @property
    def live_bytes(self) -> int:
        """Bytes in use now."""
        ...

    @property
    def peak_bytes(self) -> int:
        """Most bytes that were in use at once."""
        ...


def open_stream(config: AgentConfig, folder: Path) -> Stream:
    """
    Load the model of `config`, whose archive lies in `folder`, and make a stream of it.

    Raises ConfigError for a missing archive or a configuration that does not fit the model,
    VerificationFailed for a wrong digest, ModelError for an engine that is another than the archive needs.
    """
    archive = _read_archive(config, folder)
    runtime = _runtime()
    _check_engine(config, runtime.engine())
    try:
        session = runtime.Session(archive)
        stream = session.stream(config.input.hop)
    except runtime.EngineError as error:
        raise ModelError(f"the engine cannot load `{config.model.path}`: {error}") from None
    except ValueError as error:
        raise ModelError(f"`{config.model.path}` is no model of a stream: {error}") from None
    check_shape(config, stream)
    return _EngineStream(stream, runtime.EngineError)


def engine_memory() -> Memory:
    """Return what the engine's allocator has counted."""
    memory: Memory = _runtime().memory()
    return memory


def check_shape(config: AgentConfig, stream: Stream) -> None:
    """Raise ConfigError if the model takes or gives something else than the configuration says."""
    for name, wanted, got in (
        ("input.window", config.input.window, stream.window),
        ("input.channels", len(config.input.channels), stream.channels),
    ):
        if wanted != got:
            raise ConfigError(
                f"`{name}` is {wanted}, but the model takes {got}",
                hint="build again from edgekit.toml",
            )
    if (
        config.output.kind in ("classes", "value")
        and config.labels
        and len(config.labels) != stream.outputs
    ):
        raise ConfigError(
            f"`labels` names {len(config.labels)}, but the model gives {stream.outputs} values",
            hint="name every value of the output, in its order",
        )
    if config.output.kind == "anomaly" and stream.outputs != 1:
        raise ConfigError(
            f"`output.kind` is `anomaly`, but the model gives {stream.outputs} values, not one"
        )


class _EngineStream:
    """The engine's stream, with the agent's errors."""

    def __init__(self, stream: Stream, engine_error: type[Exception]) -> None:
        self._stream = stream
        self._engine_error = engine_error
        self.window = stream.window
        self.hop = stream.hop
        self.channels = stream.channels
        self.outputs = stream.outputs

    @property
    def pending(self) -> int:
        return self._stream.pending

    @property
    def skipped(self) -> int:
        return self._stream.skipped

    def push(self, samples: bytes) -> list[tuple[int, bytes]]:
        try:
            return self._stream.push(samples)
        except self._engine_error as error:
            raise ModelError(f"the engine failed: {error}") from None

    def reset(self) -> int:
        return self._stream.reset()


def _runtime() -> Any:
    try:
        import edgekit_runtime  # noqa: PLC0415 (its absence is a sentence, and tests without it need the rest)
    except ImportError as error:
        raise ToolError(
            f"the engine cannot be loaded: {error}",
            hint="install `edgekit-runtime`, in the same version as edgekit",
        ) from None
    return edgekit_runtime


def _read_archive(config: AgentConfig, folder: Path) -> bytes:
    path = folder / config.model.path
    try:
        archive = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the model `{path}`: {error.strerror}") from None
    digest = hashlib.sha256(archive).hexdigest()
    if digest != config.model.sha256:
        raise VerificationFailed(
            f"`{path}` is not the model of this configuration: its SHA-256 is {digest[:12]}…, not {config.model.sha256[:12]}…",
            hint="copy the bundle again, or build it again",
        )
    return archive


def _check_engine(config: AgentConfig, engine: Any) -> None:
    here = f"{engine.name} {engine.version}"
    if here != config.model.engine:
        raise ModelError(
            f"`{config.model.path}` needs the engine `{config.model.engine}`, here is `{here}`",
            hint="build the model again with this version of EdgeKit",
        )
    if tuple(engine.registries) != config.model.registries:
        raise ModelError(
            f"`{config.model.path}` was proven with the operators of {_listed(config.model.registries)}, "
            f"here are {_listed(engine.registries)}",
            hint="build the model again with this version of EdgeKit",
        )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
