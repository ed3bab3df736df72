"""The example: small enough to commit, and its files belong together."""

from __future__ import annotations

import csv
import hashlib
import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from edgekit.project import Project, StreamInput

EXAMPLE = Path(__file__).parents[2] / "examples" / "shoulder"

Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def project() -> Project:
    """Return the example's edgekit.toml."""
    return Project.load(EXAMPLE)


@pytest.fixture(scope="module")
def report() -> Any:
    """Return what the training script wrote down."""
    return json.loads((EXAMPLE / "report.json").read_text())


@pytest.fixture(scope="module")
def rows() -> Rows:
    """Return the labelled recording."""
    with (EXAMPLE / "held-out.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("name", "largest_bytes"),
    [("shoulder.onnx", 300_000), ("held-out.csv", 500_000), ("golden.npz", 100_000)],
)
def test_files_are_small(name: str, largest_bytes: int) -> None:
    """A clone stays quick."""
    assert 0 < (EXAMPLE / name).stat().st_size < largest_bytes


def test_the_model_is_the_one_reported_on(report: Any) -> None:
    """Nobody has trained again without committing all of it."""
    data = (EXAMPLE / "shoulder.onnx").read_bytes()

    assert hashlib.sha256(data).hexdigest() == report["model"]["sha256"]
    assert len(data) == report["model"]["bytes"]


def test_the_recording_has_the_labels_of_the_model(project: Project, rows: Rows) -> None:
    """Every exercise is in the recording, and none that the model does not know."""
    assert {row["exercise"] for row in rows} == set(project.model.labels)


def test_the_recording_is_of_held_out_subjects(report: Any, rows: Rows) -> None:
    """The accuracy is that of subjects who are new to the model."""
    subjects = {int(row["recording"].partition("-")[0]) for row in rows}

    assert subjects == set(report["held_out"]["subjects"])


def test_the_report_counts_what_is_in_the_recording(
    project: Project, report: Any, rows: Rows
) -> None:
    """Windows start at each recording's first sample, every hop; each recording shows one exercise."""
    assert isinstance(project.input, StreamInput)
    window, hop = project.input.window, project.input.hop
    groups = [list(group) for _, group in groupby(rows, key=lambda row: row["recording"])]
    windows = sum((len(group) - window) // hop + 1 for group in groups)
    found = report["slice"]

    assert all(len({row["exercise"] for row in group}) == 1 for group in groups)
    assert (found["recordings"], found["samples"]) == (len(groups), len(rows))
    assert found["windows"] == windows
    assert found["accuracy"] == found["right"] / windows


def test_the_least_accuracy_is_within_two_points_of_the_measured(
    project: Project, report: Any
) -> None:
    """`eval` fails when the pipeline gets worse, not when one window tips over."""
    assert project.test is not None
    assert project.test.min_accuracy is not None

    assert 0 < report["slice"]["accuracy"] - project.test.min_accuracy <= 0.02
