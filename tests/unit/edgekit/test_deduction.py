"""Deductions: what a new edgekit.toml says for every kind of model and recording."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from edge_agent.config import Columns
from edgekit.deduction import propose
from edgekit.errors import ConfigError
from edgekit.model.outline import Outline
from edgekit.proposal import Proposal, toml
from edgekit.survey import Survey


def _outline(*axes: int | None, **changes: Any) -> Outline:
    facts: dict[str, Any] = {
        "axes": axes,
        "input_shape": str([1, *axes]),
        "reconstructs": False,
        "outputs": 3,
        "labels": (),
        "last_operator": "Softmax",
    }
    return Outline(**{**facts, **changes})


def _survey(*channels: str, **changes: Any) -> Survey:
    facts: dict[str, Any] = {
        "channels": channels,
        "columns": Columns(label="activity"),
        "rate_hz": 50.0,
        "labels": ("run", "still", "walk"),
        "values": False,
        "samples": 1000,
        "whole": True,
    }
    return Survey(**{**facts, **changes})


def _propose(model: Outline | None, data: Survey | None) -> Proposal:
    return propose(
        "gait",
        model=model,
        model_name="gait.onnx" if model is not None else None,
        data=data,
        data_name="walk.csv" if data is not None else None,
    )


def _table(proposal: Proposal) -> dict[str, Any]:
    return tomllib.loads(proposal.text("edgekit.schema.json"))


def _guessed(proposal: Proposal) -> set[str]:
    return {entry.dotted for entry in proposal.guesses}


@pytest.mark.parametrize(
    ("axes", "window"),
    [((128, 3), 128), ((3, 128), 128), ((384,), 128)],
    ids=["time first", "channels first", "flattened"],
)
def test_window_and_channels_come_from_both(axes: tuple[int, ...], window: int) -> None:
    """The recording says how many channels there are, the model how long its window is."""
    table = _table(_propose(_outline(*axes), _survey("ax", "ay", "az")))

    assert table["input"] == {
        "channels": ["ax", "ay", "az"],
        "rate_hz": 50,
        "window": window,
        "hop": window // 2,
    }
    assert table["test"] == {"data": "walk.csv", "label": "activity"}
    assert table["source"] == {"kind": "replay", "path": "walk.csv"}
    assert table["sink"] == [{"kind": "terminal"}]


def test_what_is_read_off_is_no_guess() -> None:
    """Only the hop and the order of the labels are guesses here."""
    proposal = _propose(_outline(128, 3), _survey("ax", "ay", "az"))

    assert _guessed(proposal) == {"model.labels", "input.hop"}
    assert not proposal.missing


def test_labels_of_the_model_beat_those_of_the_recording() -> None:
    """The metadata has them in the model's order."""
    proposal = _propose(_outline(128, 3, labels=("walk", "run", "still")), _survey("a", "b", "c"))

    assert _table(proposal)["model"]["labels"] == ["walk", "run", "still"]
    assert "model.labels" not in _guessed(proposal)


def test_a_list_of_labels_that_cannot_be_right_is_left_open() -> None:
    """Three labels in the recording for five outputs: the user must say which they are."""
    proposal = _propose(_outline(128, 3, outputs=5), _survey("a", "b", "c"))

    assert [entry.dotted for entry in proposal.missing] == ["model.labels"]
    assert "labels" not in _table(proposal)["model"]


def test_an_axis_that_is_as_long_as_the_other_leaves_the_order_open() -> None:
    """3 by 3: which is time cannot be seen, so one is taken and said to be a guess."""
    proposal = _propose(_outline(3, 3), _survey("a", "b", "c"))

    assert _table(proposal)["input"]["layout"] == "time-channel"
    assert "input.layout" in _guessed(proposal)


def test_an_open_time_axis_is_left_to_the_user() -> None:
    """No number is invented."""
    proposal = _propose(_outline(None, 3), _survey("a", "b", "c"))

    assert {entry.dotted for entry in proposal.missing} == {"input.window", "input.hop"}


def test_a_recording_with_more_columns_is_cut_and_says_so() -> None:
    """Which three of the five it should be is a guess."""
    proposal = _propose(_outline(128, 3), _survey("a", "b", "c", "d", "e"))

    assert _table(proposal)["input"]["channels"] == ["a", "b", "c"]
    assert "input.channels" in _guessed(proposal)


def test_a_recording_with_too_few_columns_is_refused() -> None:
    """Nothing sensible can be written."""
    with pytest.raises(
        ConfigError, match=r"has 6 channels, and `walk\.csv` has 2 columns of numbers: a, b"
    ):
        _propose(_outline(128, 6), _survey("a", "b"))


@pytest.mark.parametrize(
    ("changes", "kind", "activation"),
    [
        ({"last_operator": "Softmax"}, "classes", "none"),
        ({"last_operator": "Gemm"}, "classes", "softmax"),
        ({"last_operator": "Gemm", "outputs": 1}, "classes", "sigmoid"),
        ({"reconstructs": True}, "anomaly", None),
    ],
)
def test_the_meaning_of_the_output(
    changes: dict[str, Any], kind: str, activation: str | None
) -> None:
    """The last operator tells probabilities from logits, the shape an autoencoder."""
    table = _table(_propose(_outline(128, 3, **changes), _survey("a", "b", "c")))

    assert table["output"].get("kind") == kind
    assert table["output"].get("activation") == activation


def test_measured_values_make_a_regression() -> None:
    """Labels with fractions are no classes, so nothing is said of labels and activation."""
    table = _table(
        _propose(_outline(128, 3, outputs=1), _survey("a", "b", "c", labels=(), values=True))
    )

    assert table["output"] == {"kind": "value"}
    assert "labels" not in table["model"]


def test_a_model_that_is_no_stream_gets_named_tensors() -> None:
    """An image has no window, no rate and no source of samples."""
    table = _table(_propose(_outline(axes=None), None))

    assert table["input"] == {"kind": "tensor"}
    assert not {"source", "sink", "decision", "test"} & set(table)


def test_without_anything_all_is_left_to_fill_in() -> None:
    """The template has every needed key as a comment with an example."""
    proposal = _propose(None, None)

    text = proposal.text("s.json")
    assert {entry.dotted for entry in proposal.missing} == {
        "model.path",
        "input.channels",
        "input.rate_hz",
        "input.window",
        "input.hop",
    }
    assert all(f"\n# {entry.key} = " in text for entry in proposal.missing)
    assert _table(proposal)["project"]["name"] == "gait"


def test_a_rate_in_the_name_is_a_guess() -> None:
    """A measured rate needs no look, one from a file's name does."""
    proposal = propose(
        "p",
        model=_outline(128, 3),
        model_name="m.onnx",
        data=_survey("a", "b", "c", rate_hz=None),
        data_name="walk_26hz.csv",
    )

    assert _table(proposal)["input"]["rate_hz"] == 26
    assert "input.rate_hz" in _guessed(proposal)


@pytest.mark.parametrize(
    "text", ['say "hi"', "back\\slash", "tab\there", "line\nbreak", "\x7f", "µ é", "#"]
)
def test_any_name_survives_toml(text: str) -> None:
    """Columns have the names that people give them."""
    assert tomllib.loads(f"x = {toml([text])}") == {"x": [text]}
