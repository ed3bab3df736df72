"""JUnit XML: counts, outcomes, and text that XML cannot hold."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from edgekit.errors import EdgeKitError
from edgekit.junit import Case, document, write

if TYPE_CHECKING:
    from pathlib import Path

CASES = (
    Case(name="engine", outcome="passed", message="largest error 2e-07"),
    Case(name="pipeline", outcome="skipped", message="there is no golden record"),
    Case(name="accuracy ≥ 0.9", outcome="failed", message='0.82 <of> "525" & \x00\x1b[31m windows'),
)


def test_outcomes_and_counts() -> None:
    """One element a case, and totals that build servers read."""
    (suite,) = ET.fromstring(document("har", CASES))

    assert (
        suite.get("tests"),
        suite.get("failures"),
        suite.get("skipped"),
        suite.get("errors"),
    ) == ("3", "1", "1", "0")
    assert [child.tag for case in suite for child in case] == ["system-out", "skipped", "failure"]


def test_text_survives() -> None:
    """Quotes and brackets are escaped; what XML forbids is replaced, so that the file stays readable."""
    failure = ET.fromstring(document("har", CASES)).find(".//failure")

    assert failure is not None
    assert failure.get("message") == '0.82 <of> "525" & \ufffd\ufffd[31m windows'


def test_written_whole(tmp_path: Path) -> None:
    """The file is the document, with nothing beside it."""
    write(tmp_path / "out.xml", "har", CASES)

    assert (tmp_path / "out.xml").read_bytes() == document("har", CASES)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    """A sentence."""
    with pytest.raises(EdgeKitError, match="cannot write"):
        write(tmp_path, "har", CASES)
