"""The tally of an evaluation: windows gathered until the reference is worth starting, then compared and judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from edgekit.model.evaluation.evaluation import WindowCounts
from edgekit.model.evaluation.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edgekit.model.evaluation.agreement import AgreementCount
    from edgekit.model.evaluation.judge import Judge

    Floats = NDArray[np.float32]

BATCH_BYTES: Final = 64 << 20
"""Raw windows that the reference gets at once: many, for each call starts ONNX Runtime; few enough for any laptop."""


class Tally:
    """Gives windows and EdgeKit's outputs to the agreement and to the judge, batch by batch."""

    def __init__(
        self,
        reference: Callable[[Floats], Floats],
        judge: Judge,
        agreement: AgreementCount,
        *,
        restart: Callable[[], None] | None = None,
    ) -> None:
        """
        Take where from: `reference` gives the outputs `[n, outputs]` of raw windows `[n, window, channels]`.

        `restart`: for a reference that carries state from window to window: called where a segment begins.
        """
        self._reference = reference
        self._restart_reference = restart
        self._judge = judge
        self._agreement = agreement
        self._waiting: list[tuple[Windows, Floats] | bool] = []
        self._bytes = 0
        self._total = 0
        self._judged = 0
        self._ignored = 0
        self.nonfinite = 0
        """Windows compared so far for which EdgeKit's pipeline gave an infinity or no number: nothing is decided there."""

    def restart(self, *, new_recording: bool) -> None:
        """Begin a new segment: decisions are not carried over."""
        if self._waiting and isinstance(
            self._waiting[-1], bool
        ):  # the segment before had no windows
            new_recording |= self._waiting.pop() is True
        self._waiting.append(new_recording)

    def add(self, windows: Windows, outputs: Floats) -> None:
        """Take windows and what EdgeKit's pipeline gave for them, `[n, outputs]`."""
        if len(windows):
            self._waiting.append((windows, outputs))
            self._bytes += windows.raw.nbytes
        if self._bytes >= BATCH_BYTES:
            self._compare()

    def counts(self, *, labelled: bool) -> WindowCounts:
        """Compare what is left and return what became of all windows."""
        self._compare()
        return WindowCounts(
            total=self._total,
            judged=self._judged,
            mixed=self._total - self._judged - self._ignored if labelled else 0,
            ignored=self._ignored if labelled else 0,
            unlabelled=0 if labelled else self._total,
        )

    def _compare(self) -> None:
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        parts = [part for part in waiting if not isinstance(part, bool)]
        if not parts:
            self._waiting = waiting
            return
        windows = Windows.join([part for part, _ in parts])
        theirs = self._theirs(waiting, windows)
        at = 0
        for part in waiting:
            if isinstance(part, bool):
                self._agreement.restart(new_recording=part)
            else:
                ours = part[1]
                self._agreement.add(ours, theirs[at : at + len(ours)])
                at += len(ours)
        self._judge_windows(windows, np.concatenate([ours for _, ours in parts]))

    def _theirs(self, waiting: list[tuple[Windows, Floats] | bool], windows: Windows) -> Floats:
        """Return the reference's outputs for all windows; with state, segment by segment."""
        if self._restart_reference is None:
            return self._reference(windows.raw)
        found: list[Floats] = []
        segment: list[Windows] = []
        for part in (*waiting, None):
            if isinstance(part, tuple):
                segment.append(part[0])
                continue
            if segment:
                found.append(self._reference(Windows.join(segment).raw))
                segment = []
            if part is not None:
                self._restart_reference()
        return np.concatenate(found)

    def _judge_windows(self, windows: Windows, outputs: Floats) -> None:
        judged = self._judge.judged(windows)
        self._total += len(windows)
        self.nonfinite += int((~np.isfinite(outputs)).any(axis=1).sum())
        self._judged += int(judged.sum())
        self._ignored += int((windows.ignored & ~judged).sum())
        self._judge.add(windows.take(judged), outputs[judged])
