"""The ONNX package's node tests end equal or refused with a reason: a part of them, or with --slow every one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from edgekit.process import Command, run

pytestmark = pytest.mark.native

PROGRAM = Path(__file__).parent / "backend_node_tests.py"


def _outcomes(file: Path, *options: str) -> list[dict[str, Any]]:
    """Run the program in a process of its own, as the script does."""
    command = Command((sys.executable, str(PROGRAM), "--json", str(file), *options))
    finished = run(command)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    found: list[dict[str, Any]] = json.loads(file.read_text())
    return found


def _check(outcomes: list[dict[str, Any]], least_equal: float) -> None:
    """Assert that nothing was wrong, every refusal has a sentence, and a good part is equal."""
    verdicts = [outcome["verdict"] for outcome in outcomes]
    assert set(verdicts) <= {"equal", "equal to rounding", "refused"}
    refused = [outcome for outcome in outcomes if outcome["verdict"] == "refused"]
    assert all("model" in outcome["reason"] or "test" in outcome["reason"] for outcome in refused)
    assert len(refused) <= (1 - least_equal) * len(outcomes)


def test_one_in_twenty(tmp_path: Path) -> None:
    """A part that is the same every time."""
    outcomes = _outcomes(tmp_path / "outcomes.json", "--every", "20")

    assert len(outcomes) > 90
    _check(outcomes, least_equal=0.5)


@pytest.mark.slow
def test_every_one(tmp_path: Path) -> None:
    """More than the engine alone: 1,022 equal, 25 of those it runs wrong."""
    outcomes = _outcomes(tmp_path / "outcomes.json")

    assert len(outcomes) >= 1884
    assert sum(outcome["verdict"] != "refused" for outcome in outcomes) > 1022
    _check(outcomes, least_equal=0.54)
