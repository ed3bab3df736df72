"""`edgekit test` before anything runs: which board, which machine, which bundle, and what it prints of a verdict."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from edgekit.board import find_board
from edgekit.cli import rehearsal_report
from edgekit.cli import test as test_module
from edgekit.cli.console import Console
from edgekit.cli.invocation import Invocation
from edgekit.emulator.agreement import Agreement
from edgekit.emulator.machine import Machine
from edgekit.emulator.rehearsal import Rehearsal
from edgekit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

REPORT: dict[str, Any] = {
    "verdict": "passed",
    "problem": "",
    "kernels": {"chosen": "a53", "available": ["a53", "generic"]},
    "vectors": {"count": 62, "bad": 0, "max_error": 1.2e-7, "tolerance": 1e-5},
    "stream_vs_batch": {"windows": 16, "blocks": [1, 16, 368], "max_error": 0.0},
    "memory": {"peak_bytes": 145_000, "plan_peak_bytes": 198_000},
}
SAME = Agreement(predictions=224, events=25, max_error=2e-7, tolerance=1e-5, problem="")
OTHER = Agreement(
    predictions=224, events=24, max_error=0.5, tolerance=1e-5, problem="there are 24 events, not 25"
)


@pytest.fixture
def rehearsal() -> Callable[..., Rehearsal]:
    """Return a function that makes a rehearsal; good unless told otherwise."""

    def make(*, kernels: str | None = "a53", same: Agreement = SAME, **report: Any) -> Rehearsal:
        machine = Machine(
            title="cortex-a53 in QEMU 7.2", argv=("qemu",), emulated=True, kernels=kernels
        )
        return Rehearsal(machine=machine, report={**REPORT, **report}, played=(("walk.csv", same),))

    return make


def test_a_good_rehearsal_is_a_verdict(
    rehearsal: Callable[..., Rehearsal], capsys: pytest.CaptureFixture[str]
) -> None:
    """What it stands on, and no time: an emulator's says nothing."""
    rehearsal_report.show(find_board("raspberry-pi-3", None), rehearsal(), Console())

    assert " ".join(capsys.readouterr().out.split()) == (
        "raspberry-pi-3: proven on target "
        "machine cortex-a53 in QEMU 7.2 "
        "kernels a53 "
        "vectors 62 of 62 reproduced, largest error 1.2e-07 (1e-05 allowed) "
        "stream 16 windows, in blocks of 1, 16, 368 samples, differ by 0 "
        "memory 142 KiB at most in the engine, 193 KiB planned "
        "walk.csv 224 predictions and 25 events as expected, largest error 2e-07 (1e-05 allowed)"
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"problem": "1 of 62 test vectors are not reproduced"}, "1 of 62 test vectors"),
        ({"kernels": "a72"}, "the engine chose the kernels `a53`, `a72` are meant to be tested"),
        ({"same": OTHER}, "recording `walk.csv`: there are 24 events, not 25"),
    ],
)
def test_each_thing_that_fails_is_the_verdict(
    rehearsal: Callable[..., Rehearsal],
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    problem: str,
) -> None:
    """In the text, in the cases of JUnit, and as the sentence."""
    found = rehearsal(**changes)

    rehearsal_report.show(find_board("raspberry-pi-3", None), found, Console(quiet=True))

    assert capsys.readouterr().out == "raspberry-pi-3: failed\n"
    assert found.problem.startswith(problem)
    assert [case.outcome for case in found.cases()].count("failed") == 1


def test_a_machine_that_is_no_emulator_has_no_intended_kernels(
    rehearsal: Callable[..., Rehearsal],
) -> None:
    """A real board uses what fits it."""
    found = rehearsal(kernels=None)

    assert found.problem == ""
    assert [case.name for case in found.cases()] == ["self-test", "recording walk.csv"]


@pytest.mark.parametrize(
    ("board", "emulator", "release", "message"),
    [
        ("host", "user", None, "the board `host` is this machine"),
        ("host", "native", "trixie", "`--release` is for an emulator"),
        ("host", None, "trixie", "`--release` is for an emulator"),
    ],
)
def test_machines_that_cannot_be_are_refused(
    board: str, emulator: str | None, release: str | None, message: str
) -> None:
    """Each with what to do instead."""
    with pytest.raises(ConfigError, match=message) as caught:
        test_module._machine(Invocation(), find_board(board, None), emulator, release)

    assert caught.value.hint


def test_code_for_another_machine_does_not_run_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--emulator native` needs a machine of that kind; on one, nothing is emulated unless asked for."""
    board = find_board("raspberry-pi-3", None)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    with pytest.raises(ConfigError, match="does not run code for `aarch64-unknown-linux-gnu`"):
        test_module._machine(Invocation(), board, "native", None)

    monkeypatch.setattr("platform.machine", lambda: "aarch64")

    assert not test_module._machine(Invocation(), board, None, None).emulated


def test_json_holds_all(
    rehearsal: Callable[..., Rehearsal], capsys: pytest.CaptureFixture[str]
) -> None:
    """The self-test's own report among it; what JSON has no number for is null."""

    class AnyBundle:
        path = "dist/gait.tar.xz"
        release_id = "abc"

    worse = Agreement(
        predictions=0, events=0, max_error=float("inf"), tolerance=1e-5, problem="it differs"
    )
    board = find_board("raspberry-pi-3", None)
    bundle: Any = AnyBundle()

    Console().json(rehearsal_report.facts(board, bundle, rehearsal(same=worse)))

    facts = json.loads(capsys.readouterr().out)
    assert facts["verdict"] == "failed"
    assert facts["self_test"] == REPORT
    assert facts["kernels"] == {"chosen": "a53", "intended": "a53"}
    assert facts["recordings"][0]["max_error"] is None
