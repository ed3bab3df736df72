"""From a model archive to a running stream: the one place that knows the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from edge_agent.digest import sha256_hex
from edge_agent.errors import ConfigError, ModelError, ToolError, VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edge_agent.config import AgentConfig, Archive


class Stream(Protocol):
    """Samples in, predictions out: a window of `window` samples every `hop` samples."""

    @property
    def mode(self) -> str:
        """How it gets from one window to the next: `window`, `incremental` or `stateful`."""
        ...

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

    def push(self, samples: bytes, *, infer: bool = True) -> list[tuple[int, bytes]]:
        """
        Add float32 samples `[time, channel]`; return the predictions they complete.

        A prediction is the number of samples since the last reset at the end of its window, and its
        float32 values. Without `infer` the windows that become full are passed over: neither run nor returned,
        and counted as if they had been; a stateful stream goes on from zero state. Raises ValueError for bytes that are no whole number of samples, ModelError if the
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


class TensorInfo(Protocol):
    """One input or output of a model."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def dtype(self) -> str:
        """Type of its values, such as `float32`."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Its size along each axis."""
        ...


class Model(Protocol):
    """A loaded archive: named tensors in and out."""

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """What it takes."""
        ...

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """What it gives."""
        ...

    def run(self, inputs: Mapping[str, bytes]) -> dict[str, bytes]:
        """Run it once on all its inputs. Raises ModelError if the engine fails."""
        ...

    def stream(self, hop: int) -> Stream:
        """Make a stream over it."""
        ...


class Kernels(Protocol):
    """Which machine code the engine multiplies matrices with."""

    @property
    def chosen(self) -> str:
        """The set that it uses on this CPU, such as `a53`."""
        ...

    @property
    def available(self) -> tuple[str, ...]:
        """All that are built in and that this CPU can run."""
        ...


class Engine(Protocol):
    """The engine as a whole: what the self-test looks at."""

    def load(self, archive: Archive, folder: Path) -> Model:
        """Load a model whose archive lies in `folder`; the errors are those of `open_stream`."""
        ...

    def kernels(self) -> Kernels:
        """Return which kernels it uses."""
        ...

    def memory(self) -> Memory:
        """Return what its allocator has counted."""
        ...

    def reset_peak(self) -> None:
        """Set the peak to what is in use now."""
        ...


def open_stream(config: AgentConfig, folder: Path) -> Stream:
    """
    Load the model of `config`, whose archive lies in `folder`, and make a stream of it.

    Raises ConfigError for a missing archive or a configuration that does not fit the model,
    VerificationFailed for a wrong digest, ModelError for an engine that is another than the archive needs.
    """
    runtime = _runtime()
    session = _load(runtime, config.model, folder)
    try:
        stream = session.stream(config.input.hop)
    except runtime.EngineError as error:
        raise ModelError(f"the engine cannot run `{config.model.path}`: {error}") from None
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
        self.mode = stream.mode
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

    def push(self, samples: bytes, *, infer: bool = True) -> list[tuple[int, bytes]]:
        try:
            return self._stream.push(samples, infer=infer)
        except self._engine_error as error:
            raise ModelError(f"the engine failed: {error}") from None

    def reset(self) -> int:
        return self._stream.reset()


class _EngineModel:
    """The engine's session, with the agent's errors."""

    def __init__(self, session: Any, engine_error: type[Exception]) -> None:
        self._session = session
        self._engine_error = engine_error
        self.inputs: tuple[TensorInfo, ...] = tuple(session.inputs)
        self.outputs: tuple[TensorInfo, ...] = tuple(session.outputs)

    def run(self, inputs: Mapping[str, bytes]) -> dict[str, bytes]:
        try:
            found: dict[str, bytes] = self._session.run(inputs)
        except self._engine_error as error:
            raise ModelError(f"the engine failed: {error}") from None
        return found

    def stream(self, hop: int) -> Stream:
        return _EngineStream(self._session.stream(hop), self._engine_error)


class NativeEngine:
    """The engine that is installed here. Raises ToolError if there is none."""

    def __init__(self) -> None:
        self._runtime = _runtime()

    def load(self, archive: Archive, folder: Path) -> Model:
        """Load a model whose archive lies in `folder`."""
        return _EngineModel(_load(self._runtime, archive, folder), self._runtime.EngineError)

    def kernels(self) -> Kernels:
        """Return which kernels it uses."""
        found: Kernels = self._runtime.kernels()
        return found

    def memory(self) -> Memory:
        """Return what its allocator has counted."""
        return engine_memory()

    def reset_peak(self) -> None:
        """Set the peak to what is in use now."""
        self._runtime.reset_peak()


def _load(runtime: Any, model: Archive, folder: Path) -> Any:
    archive = _read_archive(model, folder)
    _check_engine(model, runtime.engine())
    try:
        return runtime.Session(archive)
    except runtime.EngineError as error:
        raise ModelError(f"the engine cannot load `{model.path}`: {error}") from None


def _runtime() -> Any:
    try:
        import edgekit_runtime  # noqa: PLC0415 (its absence is a sentence, and tests without it need the rest)
    except ImportError as error:
        raise ToolError(
            f"the engine cannot be loaded: {error}",
            hint="install `edgekit-runtime`, in the same version as edgekit",
        ) from None
    return edgekit_runtime


def _read_archive(model: Archive, folder: Path) -> bytes:
    path = folder / model.path
    try:
        archive = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the model `{path}`: {error.strerror}") from None
    digest = sha256_hex(archive)
    if digest != model.sha256:
        raise VerificationFailed(
            f"`{path}` is not the model of this configuration: its SHA-256 is {digest[:12]}…, not {model.sha256[:12]}…",
            hint="copy the bundle again, or build it again",
        )
    return archive


def _check_engine(model: Archive, engine: Any) -> None:
    here = f"{engine.name} {engine.version}"
    if here != model.engine:
        raise ModelError(
            f"`{model.path}` needs the engine `{model.engine}`, here is `{here}`",
            hint="build the model again with this version of EdgeKit",
        )
    if tuple(engine.registries) != model.registries:
        raise ModelError(
            f"`{model.path}` was proven with the operators of {_listed(model.registries)}, "
            f"here are {_listed(engine.registries)}",
            hint="build the model again with this version of EdgeKit",
        )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
