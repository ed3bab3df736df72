"""The confusion matrix in narrow and wide terminals."""

from __future__ import annotations

import pytest

from edgekit.cli.console import Console
from edgekit.cli.matrix import show_confusion
from edgekit.model.evaluation.confusion import Confusion

CONFUSION = Confusion(
    labels=("pendulum", "abduction", "row"), counts=((10, 0, 0), (5, 5, 0), (0, 0, 0))
)


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the lines for a matrix of three labels in 50 columns."""
    monkeypatch.setenv("COLUMNS", "58")
    show_confusion(CONFUSION, Console())
    return capsys.readouterr().out.splitlines()


def test_a_wide_terminal_shows_names(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a bar for each recall, and the precisions below."""
    monkeypatch.setenv("COLUMNS", "80")

    show_confusion(CONFUSION, Console())

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["true", "\\", "predicted", *CONFUSION.labels, "recall"]
    assert lines[1].split() == ["pendulum", "10", "0", "0", "100.0%", "█" * 10]
    assert lines[4].split() == ["precision", "66.7%", "100.0%", "-"]


def test_a_narrow_one_numbers_the_columns(shown: list[str]) -> None:
    """The rows carry number and name."""
    assert shown == [
        "  true \\ predicted   1  2  3  recall  precision",
        "  1 pendulum        10  0  0  100.0%      66.7%",
        "  2 abduction        5  5  0   50.0%     100.0%",
        "  3 row              0  0  0       -          -",
    ]


def test_a_very_narrow_one_lists_the_labels(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was taken for whom is left out; `--json` has it."""
    monkeypatch.setenv("COLUMNS", "44")

    show_confusion(CONFUSION, Console())

    assert capsys.readouterr().out.splitlines() == [
        "  label      windows  recall  precision",
        "  pendulum        10  100.0%      66.7%",
        "  abduction       10   50.0%     100.0%",
        "  row              0       -          -",
    ]
