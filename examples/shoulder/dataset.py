"""
The data: smartwatch recordings of shoulder exercises, as the PyPI package `seglearn` carries them.

The file is read where pip has put it, without importing seglearn: release 1.2.5 imports pandas, which it does not
ask for.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

DATA_FILE: Final = "seglearn/data/watch_dataset.npy"
DATA_SHA256: Final = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"

CHANNELS: Final = ("ax", "ay", "az", "wx", "wy", "wz")
"""Acceleration in g, angular velocity in rad/s, in the frame of the watch."""

RATE_HZ: Final = 50

CODES: Final = ("PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW")
LABELS: Final = (
    "pendulum",
    "abduction",
    "forward-elevation",
    "internal-rotation",
    "external-rotation",
    "trapezius-row",
    "bent-over-row",
)
"""The exercises in the order of the data's numbers; `CODES` are the data's own names."""

TRAINING_SESSIONS: Final = ((1, 2), (3, 4), (5, 6), (7, 10))
HELD_OUT: Final = (8, 9)
"""
Subjects on whom no network was trained, and none judged before the recipe was final.

The ten subjects look like pairs that exercised together: recordings of a pair have like lengths and correlate with each
other more than with those of anyone else. A pair is therefore held out whole; it is the last one when the pairs are
ordered by their lowest number. (Finding the pairs, and checking the axes of the two arms, did use all ten subjects.)
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """About twenty repetitions of one exercise by one subject with one arm."""

    subject: int
    exercise: int
    """Index into `LABELS`."""
    side: str
    """`left` or `right`."""
    samples: Floats
    """`[time, 6]`, raw."""

    @property
    def name(self) -> str:
        """What it is called in files, such as `8-ABD-left`."""
        return f"{self.subject}-{CODES[self.exercise]}-{self.side}"


def load(subjects: Iterable[int]) -> list[Recording]:
    """Return the recordings of some subjects, by subject, exercise and side; raise ValueError if the file is another."""
    data = Path(str(distribution("seglearn").locate_file(DATA_FILE))).read_bytes()
    if hashlib.sha256(data).hexdigest() != DATA_SHA256:  # before unpickling: a pickle may run code
        raise ValueError(f"`{DATA_FILE}` of the installed seglearn is not that of release 1.2.5")
    content = np.load(io.BytesIO(data), allow_pickle=True).item()
    wanted = set(subjects)
    columns = zip(content["subject"], content["y"], content["side"], content["X"], strict=True)
    recordings = [
        Recording(
            subject=int(subject),
            exercise=int(exercise),
            side="right" if side else "left",
            samples=np.asarray(samples, np.float32),
        )
        for subject, exercise, side, samples in columns
        if subject in wanted
    ]
    return sorted(recordings, key=lambda found: (found.subject, found.exercise, found.side))


def cut(samples: Floats, window: int, hop: int) -> Floats:
    """Return the windows `[n, window, channels]` that begin every `hop` samples, from the first sample on."""
    starts = np.arange(0, len(samples) - window + 1, hop)
    windows: Floats = samples[starts[:, np.newaxis] + np.arange(window)]
    return windows
