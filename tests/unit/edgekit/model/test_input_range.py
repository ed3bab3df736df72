"""Input range: samples outside of what the model was trained on, and the unit that explains it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekit.model.graph_spec import GraphSpec
from edgekit.model.meaning.input_range import input_findings, out_of_range

RANDOM = np.random.default_rng(7)
ACCELERATION_G = RANDOM.normal((0, 0, 1), 0.4, size=(50, 16, 3)).astype(np.float32)
TRAINED = GraphSpec(window=16, channels=3, mean=(0.0, 0.0, 1.0), std=(0.4, 0.4, 0.4))
PLAIN = GraphSpec(window=16, channels=3)
NAMES = ("ax", "ay", "az")


def look(
    raw: Any, spec: GraphSpec, span: tuple[float, float] | None = None
) -> list[tuple[str, str]]:
    """Return message and hint of each finding."""
    found = input_findings(np.asarray(raw, np.float32), spec, NAMES, span)
    return [(finding.message, str(finding.hint)) for finding in found]


def test_samples_as_in_training_are_fine() -> None:
    """By mean and std, and within the quantised range."""
    assert look(ACCELERATION_G, TRAINED, None) == []
    assert look(ACCELERATION_G, PLAIN, (-4.0, 4.0)) == []


@pytest.mark.parametrize(
    ("factor", "unit"),
    [(1000, "mg and g"), (9.80665, "the recording in m/s², the model in g"), (57.3, "degrees")],
)
def test_another_unit_saturates_and_is_named(factor: float, unit: str) -> None:
    """With the share of samples that saturate, and the factor that would fit."""
    ((message, hint),) = look(ACCELERATION_G * factor, PLAIN, (-4.0, 4.0))

    assert "% of samples saturate" in message
    assert "-4 … 4" in message
    assert unit in hint


def test_a_range_with_much_room() -> None:
    """With mg for a sensor range of 16 g: the likely unit is named, not the one that fills the range best."""
    ((_, hint),) = look(ACCELERATION_G * 1000, PLAIN, (-16.0, 16.0))

    assert "mg and g" in hint


def test_the_share_is_measured() -> None:
    """A third of the samples at ten times the range."""
    raw = np.where(np.arange(50)[:, np.newaxis, np.newaxis] % 10 < 3, 40.0, 1.0) * np.ones(
        (50, 16, 3)
    )

    ((message, _),) = look(raw, PLAIN, (-4.0, 4.0))

    assert message.startswith("30% of samples saturate")


def test_single_spikes_are_no_finding() -> None:
    """One value in a thousand outside."""
    raw = ACCELERATION_G.copy()
    raw[0, 0, 0] = 100

    assert look(raw, PLAIN, (-4.0, 4.0)) == []


def test_much_too_small_samples() -> None:
    """In g where the model takes mg: nothing saturates, and nothing is seen either."""
    ((message, hint),) = look(ACCELERATION_G, PLAIN, (-4000.0, 4000.0))

    assert "of the model's input range" in message
    assert "g and mg" in hint


def test_scale_is_applied_before_the_range() -> None:
    """The range is the model's, behind scale and offset."""
    spec = GraphSpec(window=16, channels=3, scale=(0.001,) * 3)

    assert look(ACCELERATION_G * 1000, spec, (-4.0, 4.0)) == []


def test_far_from_training() -> None:
    """In mg against mean and std in g."""
    ((message, hint),) = look(ACCELERATION_G * 1000, TRAINED)

    assert "more than 5 deviations" in message
    assert "0.001" in hint


def test_too_small_against_training() -> None:
    """A thousandth of what mean and std say."""
    messages = look(ACCELERATION_G / 1000, TRAINED)

    assert "times smaller" in messages[0][0]
    assert "times 1000 would fit" in messages[0][1]


def test_a_shifted_channel_is_named() -> None:
    """One channel with its mean far off, though no sample beyond five deviations."""
    raw = ACCELERATION_G * 0.1 + np.array([0, 1.5, 0.9], np.float32)

    ((message, _),) = look(raw, TRAINED)

    assert "`ay` (+3." in message


def test_samples_that_min_and_max_refuse() -> None:
    """The share is given, the unit found."""
    finding = out_of_range(ACCELERATION_G * 1000, 0.94, np.full(3, -4.0), np.full(3, 4.0))

    assert finding.message.startswith("94% of samples")
    assert "mg and g" in str(finding.hint)


def test_a_quiet_recording_is_no_unit() -> None:
    """Between two units, none is named, though several would bring the samples into the range."""
    ((_, of_span),) = look(ACCELERATION_G / 120, PLAIN, (-1.0, 1.0))
    assert "check the unit" in of_span

    (of_training, *_) = look(ACCELERATION_G / 200, TRAINED)
    assert "check the unit" in of_training[1]
