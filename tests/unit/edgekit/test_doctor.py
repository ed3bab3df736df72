"""The doctor: every line says what is there, and how to get what is not."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from edgekit import doctor
from edgekit.build.readiness import Readiness
from edgekit.errors import ToolError
from edgekit.process import Command, Finished
from edgekit.resources import version

if TYPE_CHECKING:
    from pathlib import Path


class Programs:
    """Stands in for `process.run`: answers by a part of the command line."""

    def __init__(self, answers: dict[str, Finished | None]) -> None:
        self.answers = answers

    def __call__(self, command: Command, **_: object) -> Finished:
        """Answer, or have the program missing."""
        line = " ".join(command.argv)
        for part, answer in self.answers.items():
            if part in line:
                if answer is None:
                    raise ToolError(f"`{command.argv[0]}` is not on PATH")
                return answer
        return _done("")


def _done(stdout: str, *, code: int = 0, stderr: str = "", timed_out: bool = False) -> Finished:
    return Finished(returncode=code, stdout=stdout, stderr=stderr, timed_out=timed_out)


GOOD_RUNTIME = f"{version()}\ntract 0.23.9; operators: tract_nnef\nimports ONNX\n"
GOOD = {
    "edgekit_runtime": _done(GOOD_RUNTIME),
    "rustc": _done("rustc 1.95.0 (abc 2026-04-14)\n"),
    "cargo": _done("cargo 1.95.0\n"),
}


FOR_BOARDS = (
    Readiness(name="toolchain zig", detail="ziglang", fix=None),
    Readiness(name="toolchain gcc", detail="`gcc` not found", fix="sudo apt-get install gcc"),
)


def _checks(
    monkeypatch: pytest.MonkeyPatch, folder: Path, answers: dict[str, Finished | None]
) -> dict[str, doctor.Check]:
    monkeypatch.setattr(doctor, "run", Programs({**answers, **GOOD} | answers))
    monkeypatch.setattr(doctor, "readiness", lambda: iter(FOR_BOARDS))
    monkeypatch.setattr(doctor, "find_qemu", lambda: "qemu-aarch64")
    monkeypatch.setattr(doctor, "qemu_version", lambda _program: "7.2")
    return {check.name: check for check in doctor.examine(folder)}


def test_a_machine_that_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All is well: nothing is bad, nothing has a fix."""
    checks = _checks(monkeypatch, tmp_path, {})
    lacking = checks.pop("toolchain gcc")

    assert {"python", "edgekit", "edgekit-runtime", "onnx", "onnxruntime", "numpy", "rust"} <= set(
        checks
    )
    assert all(check.status == "ok" and check.fix is None for check in checks.values())
    assert "tract 0.23.9" in checks["edgekit-runtime"].detail
    assert (lacking.status, lacking.bad, lacking.fix) == (
        "missing",
        False,
        "sudo apt-get install gcc",
    )


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (
            _done("", code=1, stderr="ModuleNotFoundError: No module named x"),
            "missing",
            "not installed",
        ),
        (_done("", code=1, stderr="ImportError: libm.so: cannot open"), "wrong", "libm.so"),
        (_done("", code=-4), "wrong", "died (-4)"),
        (_done("", code=-9, timed_out=True), "wrong", "no answer"),
        (_done("9.9.9\nx\nimports ONNX\n"), "old", "9.9.9, and edgekit is"),
        (_done(f"{version()}\nx\ncannot import ONNX\n"), "wrong", "device's build"),
    ],
)
def test_a_runtime_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Finished, status: str, said: str
) -> None:
    """Missing, broken, crashing, of another version: each is a line with a command."""
    check = _checks(monkeypatch, tmp_path, {"edgekit_runtime": answer})["edgekit-runtime"]

    assert check.status == status
    assert said in check.detail
    assert check.bad
    assert check.fix


def test_a_package_that_is_missing_or_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line has the version that is wanted, the fix installs it."""
    real = metadata.version

    def fake(name: str) -> str:
        if name == "onnx":
            raise metadata.PackageNotFoundError(name)
        return "1.9.0" if name == "onnxruntime" else real(name)

    monkeypatch.setattr(metadata, "version", fake)

    checks = _checks(monkeypatch, tmp_path, {})

    assert (checks["onnx"].status, checks["onnxruntime"].status) == ("missing", "old")
    assert "1.9.0" in checks["onnxruntime"].detail
    assert checks["onnx"].fix is not None
    assert checks["onnx"].fix.startswith(f"{sys.executable} -m pip install")


def test_a_package_that_does_not_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed is not enough."""
    checks = _checks(
        monkeypatch, tmp_path, {"import numpy": _done("", code=1, stderr="x\nImportError: broken")}
    )

    assert checks["numpy"].status == "wrong"
    assert "ImportError: broken" in checks["numpy"].detail


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ({"rustc": None}, "missing"),
        ({"rustc": _done("rustc 1.63.0\n")}, "old"),
        ({"rustc": _done("", code=1)}, "missing"),
    ],
)
def test_rust_is_wanted_only_to_build(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answers: dict[str, Finished | None],
    status: str,
) -> None:
    """Without Rust everything else works, so it is said and nothing fails."""
    check = _checks(monkeypatch, tmp_path, answers)["rust"]

    assert check.status == status
    assert check.fix
    assert not check.bad


def test_the_project_here_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong edgekit.toml is a line too; without any there is nothing to say."""
    none = _checks(monkeypatch, tmp_path, {})["project"]
    (tmp_path / "edgekit.toml").write_text("[project]\n")
    wrong = _checks(monkeypatch, tmp_path, {})["project"]
    (tmp_path / "edgekit.toml").write_text(
        '[project]\nname = "gait"\n[model]\npath = "m.onnx"\n[input]\nkind = "tensor"\n'
    )
    (tmp_path / ".edgekit").mkdir()
    checks = _checks(monkeypatch, tmp_path, {})

    assert (none.status, none.bad) == ("ok", False)
    assert wrong.bad
    assert "`project.name` is missing" in wrong.detail
    assert checks["project"].detail.startswith("gait 0.1.0")
    assert checks["git"].status == "wrong"
    assert str(checks["git"].fix).startswith("echo")


def test_a_missing_emulator_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told with the command that installs it; only tests for a board need it."""

    def missing() -> str:
        raise ToolError("`qemu-aarch64-static` is not on PATH", hint="install it")

    monkeypatch.setattr(doctor, "run", Programs({**GOOD}))
    monkeypatch.setattr(doctor, "readiness", lambda: iter(FOR_BOARDS))
    monkeypatch.setattr(doctor, "find_qemu", missing)

    qemu = {check.name: check for check in doctor.examine(tmp_path)}["qemu"]

    assert (qemu.status, qemu.bad, qemu.fix) == ("missing", False, "install it")
