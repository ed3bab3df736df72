"""The files that EdgeKit reads: the labelled recording and edgekit.toml."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

import numpy as np
from dataset import CHANNELS, LABELS, RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dataset import Recording
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SLICE_BEGIN: Final = 10 * RATE_HZ
SLICE_SAMPLES: Final = 240
"""Of each held-out recording the file gets these samples: a rule that knows no result, and small enough to commit."""

DECIMALS: Final = 3
"""0.001 g and 0.001 rad/s. What the report says of the file is measured on these rounded numbers."""


def write_slice(path: Path, recordings: Sequence[Recording]) -> None:
    """Write a part of each recording as CSV; `time_s` counts from the beginning of the recording."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time_s", "recording", *CHANNELS, "exercise"])
    for one in recordings:
        for index in range(SLICE_BEGIN, SLICE_BEGIN + SLICE_SAMPLES):
            values = [f"{value:.{DECIMALS}f}" for value in one.samples[index]]
            writer.writerow([f"{index / RATE_HZ:.2f}", one.name, *values, LABELS[one.exercise]])
    path.write_text(text.getvalue())


def read_slice(path: Path) -> list[tuple[Floats, int]]:
    """Read it back: of each recording the samples `[time, 6]` and the number of the exercise."""
    found: dict[str, tuple[list[list[str]], int]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            samples, _ = found.setdefault(row["recording"], ([], LABELS.index(row["exercise"])))
            samples.append([row[name] for name in CHANNELS])
    return [(np.array(samples, np.float32), exercise) for samples, exercise in found.values()]


def project_text(
    *, window: int, hop: int, mean: Sequence[float], std: Sequence[float], min_accuracy: float
) -> str:
    """Return edgekit.toml."""
    return f"""\
# Which shoulder exercise is it? Written by train.py; README.md says what it is.

[project]
name = "shoulder"
version = "1.0.0"

[model]
path = "shoulder.onnx"
labels = [{_strings(LABELS)}]

[input]
channels = [{_strings(CHANNELS)}] # acceleration in g, angular velocity in rad/s
rate_hz = {RATE_HZ}
window = {window}
hop = {hop}
# The model takes (x - mean) / std: numbers of the training subjects. They become part of the graph.
mean = {list(mean)}
std = {list(std)}

[output]
kind = "classes"
activation = "softmax" # the model ends in logits

[test]
data = "held-out.csv"
label = "exercise"
min_accuracy = {min_accuracy}
golden = "golden.npz"

[source]
kind = "replay"
path = "held-out.csv"
time = "time_s"
label = "exercise"
group = "recording"

[decision]
threshold = 0.6
hold = 3
hysteresis = 0.1

[[sink]]
kind = "terminal"
"""


def _strings(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
