"""The golden record's samples against a recording's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgekit.model.golden import samples
from edgekit.model.golden.golden import golden

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

RANDOM = np.random.default_rng(8)
NAMES = ("ax", "ay", "az", "wx")
IN_G = RANDOM.normal(loc=(0, 0, 1, 0), scale=(0.3, 0.4, 0.2, 2), size=(20, 50, 4))
RECORDED = np.asarray(IN_G[10:], np.float32)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Return a path for a golden record."""
    return tmp_path / "golden.npz"


def write(record: Path, raw: NDArray[np.float64]) -> None:
    """Write a record of some windows."""
    golden(raw, np.full((len(raw), 1), 0.5), record)


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0])
def test_a_livelier_recording_is_no_other_unit(record: Path, factor: float) -> None:
    """People move more or less."""
    write(record, IN_G[:10] * factor)

    assert samples.findings(record, RECORDED, NAMES) == ()


@pytest.mark.parametrize(
    ("factor", "said", "unit"),
    [
        (9.80665, "samples are 9.", "the recording in g, the model in m/s²"),
        (1000, "larger than the recording's: another unit?", "the recording in units"),
        (0.001, "smaller than the recording's: another unit?", "the recording in milli-units"),
        (30, "larger", "before any scaling"),
    ],
)
def test_another_unit(record: Path, factor: float, said: str, unit: str) -> None:
    """How many times, and which misunderstanding makes as much."""
    write(record, IN_G[:10] * factor)

    (finding,) = samples.findings(record, RECORDED, NAMES)

    assert finding.severity == "warning"
    assert said in finding.message
    assert unit in str(finding.hint)


def test_another_unit_of_some_channels(record: Path) -> None:
    """The channels are named."""
    write(record, IN_G[:10] * (1, 1, 1, 57.2958))

    (finding,) = samples.findings(record, RECORDED, NAMES)

    assert "the golden's samples of `wx` are 5" in finding.message
    assert "radians, the model in degrees" in str(finding.hint)


def test_an_axis_the_other_way_round(record: Path) -> None:
    """Of the same size, but where gravity was there is its opposite."""
    write(record, IN_G[:10] * (1, 1, -1, 1))

    (finding,) = samples.findings(record, RECORDED, NAMES)

    assert "the mean of `az` is -0.99" in finding.message


def test_no_recorded_windows(record: Path) -> None:
    """A recording that is too short says nothing."""
    write(record, IN_G)

    assert samples.findings(record, RECORDED[:0], NAMES) == ()


def test_a_channel_without_signal(record: Path) -> None:
    """A column of zeros is no unit; nothing is divided by it."""
    write(record, IN_G[:10])

    assert samples.findings(record, RECORDED * np.array([1, 1, 1, 0], np.float32), NAMES) == ()
