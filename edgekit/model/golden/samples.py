"""
Whether the golden record's samples and a recording's are of one kind.

The comparison with the golden record starts from its own samples: a recording in another unit would not show in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from edgekit.model.golden.record import GoldenRecord
from edgekit.model.meaning.finding import Finding
from edgekit.model.meaning.input_range import RARER
from edgekit.model.meaning.units import FACTORS, NEAR_A_UNIT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Sizes = NDArray[np.float64]

GROSS: Final = 6.0
"""Times larger or smaller: another activity seldom makes as much, the smallest of the usual units (g and m/s²) makes 9.8."""

FAR: Final = 5.0
"""Deviations between two means that no change of activity makes, but a sign, an axis or an offset does."""


def findings(path: Path, recorded: Floats, channels: tuple[str, ...]) -> tuple[Finding, ...]:
    """
    Compare the raw samples of a golden record with recorded windows `[n, window, channels]`, channel by channel.

    Raises DataError if the file is no golden record. Without recorded windows nothing is found.
    """
    if not recorded.size:
        return ()
    theirs = GoldenRecord.load(path).raw.reshape(-1, len(channels)).astype(np.float64)
    ours = recorded.reshape(-1, len(channels)).astype(np.float64)
    return tuple(_findings(theirs, ours, np.array(channels)))


def _findings(golden: Sizes, recorded: Sizes, channels: NDArray[np.str_]) -> Iterator[Finding]:
    golden_size, recorded_size = _rms(golden), _rms(recorded)
    known = (golden_size > 0) & (recorded_size > 0)
    ratio = np.ones(len(channels))
    ratio[known] = golden_size[known] / recorded_size[known]
    larger, smaller = ratio >= GROSS, ratio <= 1 / GROSS
    for gross in (larger, smaller):
        if gross.any():
            yield _other_size(float(np.exp(np.log(ratio[gross]).mean())), gross, channels)
    shift = np.abs(golden.mean(axis=0) - recorded.mean(axis=0))
    spread = np.maximum(golden.std(axis=0), recorded.std(axis=0))
    size = np.maximum(golden_size, recorded_size)
    # a channel that hardly moves has a spread of next to nothing
    far = (shift > FAR * spread) & (shift > size / 2) & ~larger & ~smaller
    if far.any():
        yield Finding(
            severity="warning",
            message=f"the mean of {_list(channels[far])} is {_numbers(golden.mean(axis=0)[far])} in the golden record and "
            f"{_numbers(recorded.mean(axis=0)[far])} in the recording: another sign, axis or offset?",
            hint="compare the columns in `[input] channels` with what the model was trained on",
        )


def _other_size(ratio: float, gross: NDArray[np.bool_], channels: NDArray[np.str_]) -> Finding:
    which = "" if gross.all() else f" of {_list(channels[gross])}"
    times, word = (ratio, "larger") if ratio > 1 else (1 / ratio, "smaller")
    shown = f"{times:,.0f}" if times >= 100 else f"{times:.2g}"  # noqa: PLR2004 (no exponent for a thousand)
    return Finding(
        severity="warning",
        message=f"the golden's samples{which} are {shown} times {word} than the recording's: another unit?",
        hint=_unit(ratio)
        or "hand over to `edgekit.golden` samples as the sensor gives them, before any scaling, or record in their unit",
    )


def _unit(ratio: float) -> str | None:
    """Name the unit that makes of the recording's samples the golden's."""
    fits = [
        (abs(np.log(ratio / factor)) + RARER * place, factor, meaning)
        for place, (factor, meaning) in enumerate(FACTORS)
        if abs(np.log(ratio / factor)) < np.log(NEAR_A_UNIT)
    ]
    if not fits:
        return None
    _, factor, meaning = min(fits)
    return f"samples of the recording times {factor:.6g} would fit ({meaning}); change the recording or the record"


def _rms(samples: Sizes) -> Sizes:
    sizes: Sizes = np.sqrt(np.square(samples).mean(axis=0))
    return sizes


def _list(names: NDArray[np.str_]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _numbers(values: Sizes) -> str:
    return ", ".join(f"{value:.3g}" for value in values)
