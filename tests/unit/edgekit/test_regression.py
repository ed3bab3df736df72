"""Regression cases: added once, whole or not at all, found again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgekit.errors import ConfigError, EdgeKitError
from edgekit.regression import add_case, cases

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Return a recording."""
    path = tmp_path / "Long Walk (2).CSV"
    path.write_text("ax\n1\n")
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the folder of a project without cases."""
    path = tmp_path / "project"
    path.mkdir()
    return path


def test_a_case_is_added_and_found(project: Path, recording: Path) -> None:
    """Under a plain name, with a copy of the recording."""
    added = add_case(project, recording, "{}\n")

    assert cases(project) == (added,)
    assert added.name == "long-walk-2"
    assert added.recording.name == "recording.csv"
    assert added.recording.read_text() == "ax\n1\n"
    assert added.expected.read_text() == "{}\n"
    assert [path.name for path in (project / "tests").iterdir()] == ["long-walk-2"]


def test_the_same_recording_is_refused(project: Path, recording: Path) -> None:
    """Under any name."""
    add_case(project, recording, "{}\n")
    copy = recording.with_name("other.csv")
    copy.write_bytes(recording.read_bytes())

    with pytest.raises(ConfigError, match="is the case `long-walk-2` already"):
        add_case(project, copy, "{}\n")


def test_the_same_name_is_refused(project: Path, recording: Path) -> None:
    """Nothing is replaced."""
    kept = add_case(project, recording, "{}\n")
    recording.write_text("ax\n2\n")

    with pytest.raises(ConfigError, match="already, with another recording"):
        add_case(project, recording, "{}\n")

    assert kept.recording.read_text() == "ax\n1\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [("walk.txt", r"must end in \.csv, \.jsonl or \.wav"), ("no.csv", "cannot read")],
)
def test_what_is_no_recording_is_refused(
    project: Path, tmp_path: Path, name: str, message: str
) -> None:
    """A file of another kind, and none at all."""
    (tmp_path / "walk.txt").write_text("ax\n")

    with pytest.raises(ConfigError, match=message):
        add_case(project, tmp_path / name, "{}\n")

    assert not (project / "tests").exists()


def test_a_case_without_its_recording_is_a_sentence(project: Path, recording: Path) -> None:
    """Somebody deleted the recording."""
    add_case(project, recording, "{}\n").recording.unlink()

    with pytest.raises(ConfigError, match=r"has 0 files named `recording\.\*`"):
        cases(project)


def test_other_tests_of_the_project_are_left_alone(project: Path) -> None:
    """A folder `tests` may hold the user's own."""
    (project / "tests" / "unit").mkdir(parents=True)
    (project / "tests" / "test_it.py").touch()
    (project / "tests" / ".part-x" / "walk").mkdir(parents=True)

    assert cases(project) == ()


def test_a_project_that_cannot_be_written_is_a_sentence(project: Path, recording: Path) -> None:
    """A file is in the way; nothing is left."""
    (project / "tests").write_text("")

    with pytest.raises(EdgeKitError, match=r"cannot add `.*tests/long-walk-2`"):
        add_case(project, recording, "{}\n")
