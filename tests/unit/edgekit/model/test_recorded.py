"""Recorded windows: spread over the whole recording, however long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_agent.config import Columns, Stream
from edgekit.errors import DataError
from edgekit.model.recorded import LIMIT, recorded_windows

if TYPE_CHECKING:
    from pathlib import Path


def stream(**more: float) -> Stream:
    """Return windows of 4 with hop 2, one channel."""
    return Stream(channels=("a",), rate_hz=10, window=4, hop=2, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("samples", [4, 100, 5000])
def test_windows_are_spread_evenly(tmp_path: Path, samples: int) -> None:
    """Never more than the limit, at equal distances, from the first to near the last."""
    path = tmp_path / "r.csv"
    path.write_text(
        "a,label\n" + "".join(f"{index},{'x' if index < 50 else 'y'}\n" for index in range(samples))
    )

    recorded = recorded_windows(path, stream(), Columns())

    starts = recorded.raw[:, 0, 0]
    total = (samples - 4) // 2 + 1
    assert min(total, LIMIT // 2) <= len(starts) <= LIMIT
    assert len(set(np.diff(starts))) <= 1
    assert starts[0] == 0
    assert samples - starts[-1] < 4 + 2 * 2 * samples / LIMIT + 2
    assert recorded.labels == (("x", "y") if samples > 50 else ("x",))
    assert recorded.unbounded is recorded.raw


def test_what_min_and_max_refuse_is_kept_apart(tmp_path: Path) -> None:
    """`raw` is what the device would see; `unbounded` also what it would drop."""
    path = tmp_path / "r.csv"
    path.write_text("a\n" + "".join(f"{900 if index >= 50 else 1}\n" for index in range(100)))

    recorded = recorded_windows(path, stream(max=10), Columns())

    assert recorded.raw.max() == 1
    assert recorded.unbounded.max() == 900


def test_too_short_for_a_window(tmp_path: Path) -> None:
    """No windows, in the right shape, and no error: the recording may still be wanted for other things."""
    path = tmp_path / "r.csv"
    path.write_text("a\n1\n2\n")

    assert recorded_windows(path, stream(), Columns()).raw.shape == (0, 4, 1)


def test_a_missing_file(tmp_path: Path) -> None:
    """The agent's own sentence."""
    with pytest.raises(DataError, match="there is no file"):
        recorded_windows(tmp_path / "none.csv", stream(), Columns())
