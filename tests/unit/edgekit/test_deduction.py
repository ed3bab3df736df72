"""Deductions: what a new edgekit.toml says for every kind of model and recording."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from edge_agent.config import Columns
from edgekit.deduction import propose
from edgekit.errors import ConfigError
from edgekit.model.classes import Ending
from edgekit.model.outline import Outline
from edgekit.proposal import Proposal, toml
from edgekit.survey import Survey

LOGITS = Ending(said="the model ends in Gemm")
VALUES = Ending(said="the model ends in LinearRegressor", regression=True)


def _outline(*axes: int | None, **changes: Any) -> Outline:
    facts: dict[str, Any] = {
        "axes": axes,
        "input_shape": str([1, *axes]),
        "reconstructs": False,
        "outputs": 3,
        "labels": (),
        "output_name": None,
        "labels_from": "the model's metadata",
        "ending": Ending(said="the model ends in Softmax", probabilities=True),
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


def test_names_beat_the_numbers_of_classes() -> None:
    """The model knows its classes as 0, 1 and 2; the recording, what they are called."""
    proposal = _propose(_outline(128, 3, labels=("0", "1", "2")), _survey("a", "b", "c"))
    alone = _propose(_outline(128, 3, labels=("0", "1", "2")), None)

    assert _table(proposal)["model"]["labels"] == ["run", "still", "walk"]
    assert "model.labels" in _guessed(proposal)
    assert _table(alone)["model"]["labels"] == ["0", "1", "2"]


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
        ({}, "classes", "none"),
        ({"ending": LOGITS}, "classes", "softmax"),
        ({"ending": LOGITS, "outputs": 1}, "classes", "sigmoid"),
        ({"ending": VALUES, "outputs": 1}, "value", None),
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


def test_a_model_of_single_samples_takes_the_first_columns() -> None:
    """Three values in, five columns there: one sample at a time, of what are probably the first three."""
    proposal = _propose(_outline(3), _survey("ax", "ay", "az", "temp", "speed"))

    table = _table(proposal)["input"]
    assert table == {"channels": ["ax", "ay", "az"], "rate_hz": 50, "window": 1, "hop": 1}
    assert {"input.channels", "input.window"} <= _guessed(proposal)
    assert "hop = 1  # one sample\n" in proposal.text("s.json")


def test_an_output_among_several_is_named() -> None:
    """Which of them is meant is a guess, and without it nothing would be."""
    proposal = _propose(_outline(128, 3, output_name="probs"), _survey("a", "b", "c"))

    assert _table(proposal)["output"]["name"] == "probs"
    assert "output.name" in _guessed(proposal)


def test_probabilities_by_name_are_a_guess() -> None:
    """A name is no proof."""
    ending = Ending(said="by the name of the output `probs`", probabilities=True, sure=False)

    proposal = _propose(_outline(128, 3, ending=ending), _survey("a", "b", "c"))

    assert _table(proposal)["output"]["activation"] == "none"
    assert "output.activation" in _guessed(proposal)


def test_a_column_that_is_named_as_a_target_is_proposed_as_the_truth() -> None:
    """A regression on three channels, and one column of numbers more that says what it is."""
    data = _survey("a", "b", "c", "temp", "target_speed", columns=Columns(), labels=())

    proposal = _propose(_outline(128, 3, outputs=1, ending=VALUES), data)

    assert _table(proposal)["test"] == {"data": "walk.csv", "label": "target_speed"}
    assert "test.label" in _guessed(proposal)


@pytest.mark.parametrize("columns", [("temp", "speed"), ("target_x", "target_y")])
def test_a_column_that_may_be_the_truth_is_only_mentioned(columns: tuple[str, str]) -> None:
    """None of the names says so, or two do: the user is to choose."""
    data = _survey("a", "b", "c", *columns, columns=Columns(), labels=())

    proposal = _propose(_outline(128, 3, outputs=1, ending=VALUES), data)

    assert _table(proposal)["test"] == {}
    comment = f'# label = "{columns[1]}"  # the column with the true values, if it is one of '
    assert comment + ", ".join(columns) in proposal.text("s.json")
    assert not proposal.missing


def test_words_are_no_truth_for_a_regression() -> None:
    """Evaluating numbers against `walk` would fail."""
    table = _table(_propose(_outline(128, 3, outputs=1, ending=VALUES), _survey("a", "b", "c")))

    assert "test" not in table


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


def test_a_model_of_frames_and_bands_is_given_features() -> None:
    """One channel cannot fill 40: what the features are, training tells."""
    proposal = _propose(_outline(98, 40), _survey("audio", rate_hz=16000.0))
    by_key = {entry.dotted: entry for entry in proposal.entries}

    assert by_key["input.channels"].value == ["audio"]
    assert {entry.dotted for entry in proposal.missing} >= {"input.window", "input.features"}
    line = by_key["input.features"].line().removeprefix("# ")
    assert tomllib.loads(line)["features"] == {
        "kind": "log-mel",
        "frame": 400,
        "step": 160,
        "bins": 40,
    }


def test_a_model_of_a_sensors_axes_is_given_samples() -> None:
    """Six channels of which the recording has one are a mistake, no bands."""
    with pytest.raises(ConfigError, match="has 6 channels"):
        _propose(_outline(128, 6), _survey("a"))
