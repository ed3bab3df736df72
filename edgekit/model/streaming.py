"""How a stream is computed: window by window, or only what each hop adds. Chosen by cost, held to the windows."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import edgekit_runtime
import numpy as np
import onnx

from edgekit.errors import ModelError
from edgekit.model.cost import operations
from edgekit.model.incremental.form import incremental_form
from edgekit.model.proof import tolerance

if TYPE_CHECKING:
    from edgekit.model.incremental.form import IncrementalForm
    from edgekit.model.options import Mode, WantedMode

    Array = np.ndarray[Any, Any]

WORTH_IT: Final = 0.8
"""The share of a window's cost that a step may have at most: less of a gain is not worth the memory of its state."""

_BLOCKS: Final = (1, 7, 64, 1009)
"""Samples that are pushed at once, in turn: one, few, many, more than most windows."""

_WINDOWS: Final = 10
"""How many windows' worth of samples a stream is tried on at least."""

_POSITIONS: Final = 256
"""How many predictions it makes at least."""

_MOST_OPERATIONS: Final = 2 * 10**10
"""What a trial may cost, in the units of `edgekit.model.cost`: some tens of seconds."""

_MOST_FOR_A_WINDOW: Final = 20
"""How many times the cost of a window the steps that make one may cost: each is proven from its first sample on."""

_TIMED_HOPS: Final = 8
_TIMED_ROUNDS: Final = 5

_COMPARED: Final = 256
"""Of how many predictions the window is run as well, spread over the stream."""


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """How the stream of a model is computed."""

    mode: Mode
    archive: bytes = field(repr=False)
    reason: str
    """Why not in steps of one hop: a sentence; empty where it is, or where nobody asks."""
    rewrites: tuple[str, ...]
    cost: dict[str, int | None]
    """Operations of one prediction by `window`, and `incremental`; None where there is no such form."""
    speedup: float | None = None
    """Incremental: how many times as long a window takes on this machine."""


class Wanted(NamedTuple):
    """What a stream is for."""

    hop: int
    mode: WantedMode
    has_state: bool
    """The model has a state of its own, which the engine carries."""
    frames: int
    """Windows that it will be proven on, beside the stream itself."""


def choose(prepared: bytes, window_archive: bytes, wanted: Wanted) -> Streamed:
    """
    Return how a stream over a prepared graph of windows is best computed.

    `window_archive` is the graph as it was converted. Raises ModelError if the project wants steps where there are none.
    """
    by_window = operations(onnx.ModelProto.FromString(prepared))
    windows = Streamed(
        mode="stateful" if wanted.has_state else "window",
        archive=window_archive,
        reason="",
        rewrites=(),
        cost={"window": by_window, "incremental": None},
    )
    if wanted.has_state:
        return _refuse_if_wanted(
            windows, wanted, "it has a state, which goes from window to window"
        )
    if wanted.mode == "window":
        return replace(windows, reason='[model] `mode = "window"`')
    form = incremental_form(prepared, wanted.hop)
    if isinstance(form, str):
        return _refuse_if_wanted(windows, wanted, form)
    windows = replace(windows, cost={"window": by_window, "incremental": form.operations})
    if wanted.mode == "auto" and form.operations > WORTH_IT * by_window:
        return replace(windows, reason=_too_dear(form, by_window))
    return _in_steps(windows, form, wanted)


def _in_steps(windows: Streamed, form: IncrementalForm, wanted: Wanted) -> Streamed:
    """Return the stream in steps, if they can be proven and converted."""
    steps = -(-form.window // wanted.hop)
    by_steps = steps * form.operations
    if by_steps > _MOST_FOR_A_WINDOW * (windows.cost["window"] or 0) and (
        by_steps * wanted.frames > _MOST_OPERATIONS
    ):
        reason = f"a window is {steps:,} steps long: too many to prove on {wanted.frames} windows"
        return _refuse_if_wanted(windows, wanted, reason)
    try:
        archive = edgekit_runtime.import_onnx(form.onnx, state=form.state, window=form.window)
    except edgekit_runtime.EngineError as error:
        return _refuse_if_wanted(windows, wanted, f"the engine does not take it in steps: {error}")
    line = (
        f"computed in steps of one hop ({wanted.hop} samples): {len(form.state)} buffers keep what the next step needs, "
        f"{form.operations:,} operations in place of {windows.cost['window']:,}"
    )
    return replace(windows, mode="incremental", archive=archive, rewrites=(line,))


def prove(
    streamed: Streamed, window_archive: bytes, wanted: Wanted, signal: Array
) -> tuple[Streamed, dict[str, Array]]:
    """
    Hold a stream to its windows over a signal `[time, channels]`; return it and what `against_windows` found.

    Steps that do not say what the windows say become windows; those that do are timed.
    """
    found = against_windows(streamed, window_archive, signal, wanted.hop)
    if streamed.mode != "incremental":
        return streamed, found
    reason = why_not_held(found)
    if reason:
        windows = replace(streamed, mode="window", archive=window_archive, rewrites=())
        windows = _refuse_if_wanted(windows, wanted, reason)
        return windows, against_windows(windows, window_archive, signal, wanted.hop)
    return _with_speedup(streamed, window_archive, signal, wanted.hop), found


def _refuse_if_wanted(windows: Streamed, wanted: Wanted, reason: str) -> Streamed:
    if wanted.mode == "incremental":
        raise ModelError(
            f"the model cannot be computed in steps of one hop: {reason}",
            hint='remove [model] `mode`, or set it to "window"',
        )
    return replace(windows, reason="" if wanted.has_state else reason)


def _too_dear(form: IncrementalForm, by_window: int) -> str:
    share = 100 * form.operations / max(by_window, 1)
    because = f": {form.at_once}" if form.at_once else ""
    return f"steps of one hop would cost {share:.0f} % of a window{because}"


def why_not_held(found: dict[str, Array]) -> str:
    """Return in what a stream's predictions (see `against_windows`) are not those of its windows; empty if in nothing."""
    if not np.array_equal(found["ends"], found["expected_ends"]):
        return "its steps end at other samples than the windows do"
    if not found["again"]:
        return "after a reset, or windows that were passed over, its steps give other numbers"
    streamed, alone = found["streamed"], found["alone"]
    scale = float(np.abs(alone[np.isfinite(alone)]).max(initial=0.0))
    off = float(tolerance.difference(alone, streamed).max(initial=0.0))
    allowed = tolerance.bound(scale, 0.0)
    return (
        f"its steps differ from its windows by {off:.3g}, allowed {allowed:.3g}"
        if off > allowed
        else ""
    )


def _with_speedup(streamed: Streamed, window_archive: bytes, signal: Array, hop: int) -> Streamed:
    """Return it with the time that a step takes against that of a window, the shorter of some runs each, in turn."""
    by_archive = [window_archive, streamed.archive]
    streams = [edgekit_runtime.Session(archive).stream(hop) for archive in by_archive]
    start = signal[: streams[0].window].tobytes()
    block = signal[: hop * _TIMED_HOPS].tobytes()
    least = [float("inf")] * 2
    for stream in streams:
        stream.push(start)
    for _ in range(_TIMED_ROUNDS):
        for at, stream in enumerate(streams):
            began = time.perf_counter()
            stream.push(block)
            least[at] = min(least[at], time.perf_counter() - began)
    return replace(streamed, speedup=least[0] / least[1])


def against_windows(
    streamed: Streamed, window_archive: bytes, signal: Array, hop: int
) -> dict[str, Array]:
    """
    Run a stream over a signal `[time, channels]`: cold, in blocks of several sizes, and once more after a reset.

    Returns `ends` of the predictions and `expected_ends`; `compared`, the numbers of some of them, with their values as
    `streamed` and those of the same windows run `alone`, each from a fresh state; `again`: whether the second run, in
    which windows are passed over now and then, gave the same to the bit. A stateful stream is compared with
    the windows in their order, its state carried from each to the next.
    """
    window = _window_of(window_archive)
    stream = edgekit_runtime.Session(streamed.archive).stream(hop)
    cost = streamed.cost["incremental" if streamed.mode == "incremental" else "window"] or 1
    signal = signal[: window + hop * (_positions(window, hop, cost) - 1)]
    first = _cold(stream, signal)
    stream.reset()
    stateful = streamed.mode == "stateful"
    again = _cold(stream, signal) if stateful else _with_gaps(stream, signal, first)
    compared = np.arange(len(first))
    if not stateful and len(first) > _COMPARED:
        compared = np.unique(np.linspace(0, len(first) - 1, _COMPARED).astype(int))
    alone = edgekit_runtime.Session(window_archive)
    name_in, name_out = alone.inputs[0].name, alone.outputs[0].name
    values = []
    for index in compared:
        end = first[index][0]
        values.append(alone.run({name_in: signal[end - window : end].tobytes()})[name_out])
    return {
        "expected_ends": np.arange(window, len(signal) + 1, hop),
        "ends": np.array([end for end, _ in first], np.int64),
        "compared": compared,
        "streamed": _rows([first[index][1] for index in compared]),
        "alone": _rows(values),
        "again": np.array(again == first),
    }


def _window_of(archive: bytes) -> int:
    """Return how many samples an archive takes."""
    return edgekit_runtime.Session(archive).inputs[0].shape[0]


def _positions(window: int, hop: int, cost_of_step: int) -> int:
    """Return over how many hops to try a stream."""
    wanted = max(_POSITIONS, _WINDOWS * window // hop + 1)
    return max(2, min(wanted, _MOST_OPERATIONS // max(cost_of_step, 1)))


def _cold(stream: edgekit_runtime.Stream, signal: Array) -> list[tuple[int, bytes]]:
    predictions: list[tuple[int, bytes]] = []
    start = 0
    for size in itertools.cycle(_BLOCKS):
        if start >= len(signal):
            return predictions
        predictions += stream.push(signal[start : start + size].tobytes())
        start += size
    raise AssertionError  # the cycle never ends


def _with_gaps(
    stream: edgekit_runtime.Stream, signal: Array, expected: list[tuple[int, bytes]]
) -> list[tuple[int, bytes]]:
    """Push window by window, passing some over; return what `expected` is if the others are as they were."""
    by_end = dict(expected)
    hop, start = stream.hop, 0
    for number, end in enumerate(range(stream.window, len(signal) + 1, hop)):
        is_passed_over = number % 7 in (2, 5, 6)
        found = stream.push(signal[start:end].tobytes(), infer=not is_passed_over)
        if found != ([] if is_passed_over else [(end, by_end.get(end))]):
            return found
        start = end
    return expected


def _rows(values: list[bytes]) -> Array:
    return np.frombuffer(b"".join(values), np.float32).reshape(len(values), -1)
