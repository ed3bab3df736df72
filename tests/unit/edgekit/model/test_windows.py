"""Windows: the same cuts as the engine's, with labels, rows and times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.records import Block
from edge_agent.testing import FakeStream
from edgekit.model.evaluation.windows import WindowCutter, Windows

if TYPE_CHECKING:
    from numpy.typing import NDArray


def codes(labels: tuple[str, ...]) -> NDArray[np.float64]:
    """Encode `a`, `b`, … as 0, 1, …, and a blank as no label."""
    return np.array([np.nan if label == "" else ord(label) - ord("a") for label in labels])


def block(first: int, count: int, *, begin: str = "", labels: str = "") -> Block:
    """Return samples that hold their own number, in one channel; a `.` is a blank label."""
    return Block(
        samples=np.arange(first, first + count, dtype="<f4").tobytes(),
        count=count,
        time_s=first / 10,
        period_s=0.1,
        begin=begin,  # type: ignore[arg-type]
        labels=tuple("" if label == "." else label for label in labels),
        first_row=first + 2,
    )


@given(
    window=st.integers(1, 9),
    hop=st.integers(1, 12),
    segments=st.lists(st.lists(st.integers(1, 20), min_size=1, max_size=6), min_size=1, max_size=4),
)
def test_windows_end_where_the_engine_ends_them(
    window: int, hop: int, segments: list[list[int]]
) -> None:
    """However samples arrive, the cutter and a stream agree on every window's end and content."""
    cutter = WindowCutter(window=window, hop=hop, channels=1, encode=codes)
    stream = FakeStream(
        window, hop, 1, outputs=window, model=lambda samples: [sample[0] for sample in samples]
    )
    first = 0
    for sizes in segments:
        stream.reset()
        begin = "start"
        for size in sizes:
            part = block(first, size, begin=begin)
            cut, predictions = cutter.add(part), stream.push(part.samples)
            first, begin = first + size, ""

            assert cut.ends.tolist() == [end for end, _ in predictions]
            assert cut.raw.tobytes() == b"".join(values for _, values in predictions)


def test_labels_pure_mixed_and_ignored() -> None:
    """A window of one label is neither mixed nor ignored; one blank label is enough to ignore a window."""
    cutter = WindowCutter(window=2, hop=2, channels=1, encode=codes)

    windows = cutter.add(block(0, 8, begin="start", labels="aaabb.bb"))

    pure = ~(windows.mixed | windows.ignored)
    assert pure.tolist() == [True, False, False, True]
    assert windows.ignored.tolist() == [False, False, True, False]
    assert windows.truth[[0, 3]].tolist() == [0, 1]


def test_a_window_knows_its_rows_and_time() -> None:
    """Rows of its first and last sample, and the time of the last, over the border of two blocks."""
    cutter = WindowCutter(window=4, hop=4, channels=1, encode=codes)
    cutter.add(block(0, 3, begin="start"))

    windows = cutter.add(block(3, 2))

    assert (windows.first_rows[0], windows.last_rows[0]) == (2, 5)
    assert windows.times_s[0] == pytest.approx(0.3)


def test_no_window_spans_a_restart() -> None:
    """Three samples, a gap, three samples: no window of four."""
    cutter = WindowCutter(window=4, hop=1, channels=1, encode=codes)

    parts = [cutter.add(block(0, 3, begin="start")), cutter.add(block(10, 3, begin="gap"))]

    assert len(Windows.join(parts)) == 0


def test_numbers_go_on() -> None:
    """Windows are numbered over the whole recording; ends begin anew with each segment."""
    cutter = WindowCutter(window=2, hop=1, channels=1, encode=codes)

    windows = Windows.join(
        [cutter.add(block(0, 3, begin="start")), cutter.add(block(9, 2, begin="bad"))]
    )

    assert windows.numbers.tolist() == [0, 1, 2]
    assert windows.ends.tolist() == [2, 3, 2]
    assert windows.take(windows.numbers == 2).raw.ravel().tolist() == [9, 10]
