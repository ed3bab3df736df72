# ruff: noqa: PYI021 -- editors show the docstrings of a stub, and there is no other Python source
"""
Types of the native module; `mypy.stubtest` holds them to what the module really has.

Numbers cross the boundary as raw little-endian bytes in row-major order. A `bytearray` must not be
changed by another thread while a call uses it.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, final

__version__: Final[str]

class EngineError(Exception):
    """The engine could not load or run a model (a caller's mistake is a `ValueError`)."""

@final
class TensorInfo:
    """One input or output of a model."""

    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> str:
        """NumPy's name of the element type: `float32`, `int64`, `uint8`, …."""
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def size_bytes(self) -> int: ...

@final
class Memory:
    """What the engine's allocator has counted since the module was loaded."""

    @property
    def live_bytes(self) -> int: ...
    @property
    def peak_bytes(self) -> int:
        """The most that was live at once since the last `reset_peak()`."""
    @property
    def allocations(self) -> int: ...

@final
class EngineInfo:
    """Which engine this is; an archive may need a certain one."""

    @property
    def name(self) -> str:
        """`tract`."""
    @property
    def version(self) -> str:
        """The version of tract, such as `0.23.9`."""
    @property
    def registries(self) -> tuple[str, ...]:
        """The operator registries that archives are loaded with, in order."""
    @property
    def can_import(self) -> bool:
        """Whether this build reads ONNX (the host's does, a device's does not)."""

@final
class KernelInfo:
    """Which matrix kernels the engine has and uses on this CPU."""

    @property
    def chosen(self) -> str:
        """
        The set that float32 models run on.

        With NEON the core it is tuned for (`a53`, `a55`, `a72`, `generic`, …; the environment's `TRACT_CPU_AARCH64_KIND`
        overrules what the CPU says of itself), else an instruction set (`sve2`, `avx512f`, `fma`, …).
        """
    @property
    def float32(self) -> str:
        """The kernel that multiplies two float32 matrices of 64 rows and columns."""
    @property
    def available(self) -> tuple[str, ...]:
        """Every matrix kernel that was built in and that this CPU can run, in order of the names."""

@final
class Session:
    """
    A loaded model: any number of named tensors of fixed shape in and out.

    State that the model takes and gives as tensors is none of them: it is zero at first and goes from run to run. A
    model made for one hop of a stream takes a whole window all the same, and then remembers nothing of it.
    Raises EngineError if the archive is not an NNEF archive this engine can load.
    """

    def __new__(cls, archive: bytes | bytearray) -> Session: ...
    @property
    def inputs(self) -> tuple[TensorInfo, ...]: ...
    @property
    def outputs(self) -> tuple[TensorInfo, ...]: ...
    def run(self, inputs: Mapping[str, bytes | bytearray]) -> dict[str, bytes]:
        """
        Run the model once on all its inputs; return all its outputs, by name.

        Raises ValueError for a missing, unknown or wrongly sized input (the session stays usable),
        EngineError if the engine fails (the session is reset and stays usable).
        """
    def reset(self) -> None:
        """Forget all state, as if just loaded."""
    def stream(self, hop: int) -> Stream:
        """
        Make a stream over this model, with a state of its own.

        The model must have one float32 input `[time, channel]` and one float32 output;
        ValueError says what it has instead, that `hop` is not positive, or that the model is made for another.
        """

@final
class Stream:
    """Samples in, predictions out: a window of `window` samples every `hop` samples."""

    @property
    def mode(self) -> Literal["window", "incremental", "stateful"]:
        """
        How it gets from one window to the next; predictions come for the same windows in each.

        `window`: every window is run as a whole; `incremental`: only what a hop adds is run, and a window that is passed
        over is made up for before the next; `stateful`: the model's state goes from each window to the next.
        """
    @property
    def window(self) -> int: ...
    @property
    def hop(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def outputs(self) -> int:
        """Number of float32 values in one prediction."""
    @property
    def pending(self) -> int:
        """Samples received since the last reset that no window has held yet."""
    @property
    def skipped(self) -> int:
        """Samples since the last reset that no window will ever hold (hop > window)."""
    def push(self, samples: bytes | bytearray, *, infer: bool = True) -> list[tuple[int, bytes]]:
        """
        Add float32 samples `[time, channel]`; return the predictions they complete.

        Without `infer` the windows that become full are passed over: not run, not returned, and counted as if
        they had been. The windows after them are the same as ever; those of a stateful stream begin from zero state.

        A prediction is `(end, values)`: the window was samples `end - window` to `end - 1`, counted from the
        last reset; `values` holds `outputs` float32 numbers. Any number of samples may come at once.
        Raises ValueError if the bytes are no whole number of samples (nothing is taken), EngineError
        if the engine fails (the stream is reset).
        """
    def reset(self) -> int:
        """Forget all samples and state; return how many samples were pending."""

def memory() -> Memory:
    """Return the engine allocator's counters."""

def reset_peak() -> None:
    """Set the peak to what is live now."""

def engine() -> EngineInfo:
    """Return which engine this build carries."""

def kernels() -> KernelInfo:
    """Return which matrix kernels the engine has and uses on this CPU, asked of the engine itself."""

def import_onnx(
    model: bytes | bytearray,
    outputs: Sequence[str] | None = None,
    *,
    state: Sequence[tuple[str, str]] = ...,
    window: int | None = None,
) -> bytes:
    """
    Turn an ONNX model with fixed shapes and no external data into an NNEF archive (host builds only).

    The archive's inputs and outputs carry the ONNX names; `outputs` chooses other tensors of the graph as its outputs.
    `state`: inputs, and for each the output that is its value in the next run; the engine carries them from then on.
    `window`: for a model whose other input is one hop of a stream, how many samples make a window.
    Raises EngineError with the operator at fault where one is known.
    """

def profile(
    archive: bytes | bytearray, inputs: Mapping[str, bytes | bytearray], runs: int
) -> list[tuple[str, float]]:
    """
    Run an archive `runs` times on the same inputs (host builds only).

    Returns the seconds that each kind of operator took altogether, longest first. The errors are those of Session.
    """
