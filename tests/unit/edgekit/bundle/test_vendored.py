"""Locked packages: which, from where, and every way in which they do not come."""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from edgekit.bundle import vendored
from edgekit.bundle.vendored import VendoredPackage, fetch, locked, needed
from edgekit.errors import ToolError, VerificationFailed
from edgekit.process import Command, Finished

if TYPE_CHECKING:
    from pathlib import Path

DATA = b"a wheel"
PACKAGE = VendoredPackage(
    name="demo",
    version="1.0",
    file="demo-1.0-py3-none-any.whl",
    sha256=hashlib.sha256(DATA).hexdigest(),
    licence="MIT",
    needed_by=("source.serial",),
)


class Pip:
    """Stands in for pip: writes what an index would serve."""

    def __init__(self, data: bytes | None, *, stderr: str = "", timed_out: bool = False) -> None:
        self.data = data
        self.stderr = stderr
        self.timed_out = timed_out
        self.commands: list[Command] = []
        self.requirements: list[str] = []

    def run(self, command: Command, *, timeout_s: float) -> Finished:
        """Act as `edgekit.process.run`."""
        assert timeout_s > 0
        self.commands.append(command)
        from pathlib import Path  # noqa: PLC0415 (for type checkers only above)

        argv = command.argv
        self.requirements.append(Path(argv[argv.index("--requirement") + 1]).read_text())
        if self.data is not None:
            (Path(argv[argv.index("--dest") + 1]) / PACKAGE.file).write_bytes(self.data)
        return Finished(
            returncode=1 if self.stderr else 0,
            stdout="",
            stderr=self.stderr,
            timed_out=self.timed_out,
        )


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "edgekit" / "vendored"


def _use(pip: Pip, monkeypatch: pytest.MonkeyPatch) -> Pip:
    monkeypatch.setattr(vendored, "run", pip.run)
    return pip


def test_only_what_is_needed_ships() -> None:
    """A project without a serial port gets no pyserial."""
    assert needed(["source.replay", "sink.terminal"]) == ()
    assert [package.name for package in needed(["source.serial"])] == ["pyserial"]
    assert [package.name for package in needed(["sink.mqtt", "source.sysfs"])] == ["paho-mqtt"]
    assert {package.name for package in locked()} == {"pyserial", "paho-mqtt"}


def test_the_locked_licences_may_ship() -> None:
    """Each package can be had under a licence without copyleft."""
    free = {"MIT", "BSD-3-Clause", "Apache-2.0"}

    for package in locked():
        assert free & set(package.licence.split(" OR "))


def test_it_is_fetched_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By pip, with the locked digest; then it comes from the cache, also offline."""
    pip = _use(Pip(DATA), monkeypatch)

    assert fetch(PACKAGE, offline=False) == DATA
    assert fetch(PACKAGE, offline=True) == DATA

    (command,) = pip.commands
    assert command.argv[:4] == (sys.executable, "-m", "pip", "download")
    assert {"--no-deps", "--require-hashes", "--only-binary"} <= set(command.argv)
    assert pip.requirements == [f"demo==1.0 --hash=sha256:{PACKAGE.sha256}\n"]
    assert (cache / PACKAGE.file).read_bytes() == DATA


def test_a_damaged_cache_is_fetched_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else is believed."""
    _use(Pip(DATA), monkeypatch)
    cache.mkdir(parents=True)
    (cache / PACKAGE.file).write_bytes(b"other")

    assert fetch(PACKAGE, offline=False) == DATA
    assert (cache / PACKAGE.file).read_bytes() == DATA


def test_offline_and_not_in_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Says what is missing and how it gets there; pip is not asked."""
    pip = _use(Pip(DATA), monkeypatch)

    with pytest.raises(ToolError, match=r"`demo` 1\.0 is not in the cache") as caught:
        fetch(PACKAGE, offline=True)

    assert caught.value.hint == "build once without `--offline`"
    assert pip.commands == []
    assert not cache.exists()


@pytest.mark.parametrize(
    ("pip", "said"),
    [
        (
            Pip(None, stderr="WARNING: x\nERROR: No matching distribution\nmore"),
            "No matching distribution",
        ),
        (Pip(None, stderr="No module named pip"), "No module named pip"),
        (Pip(None, stderr="ERROR: x", timed_out=True), "it took too long"),
        (Pip(None), "it said nothing"),
    ],
)
def test_what_does_not_come_is_a_sentence(
    cache: Path, monkeypatch: pytest.MonkeyPatch, pip: Pip, said: str
) -> None:
    """With pip's own reason; the cache stays as it was."""
    _use(pip, monkeypatch)

    with pytest.raises(ToolError, match=said) as caught:
        fetch(PACKAGE, offline=False)

    assert PACKAGE.file in (caught.value.hint or "")
    assert not cache.exists()


def test_another_file_than_the_locked_one_is_refused(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if pip let it through."""
    _use(Pip(b"evil"), monkeypatch)

    with pytest.raises(VerificationFailed, match=PACKAGE.sha256):
        fetch(PACKAGE, offline=False)

    assert not cache.exists()


def test_pip_itself_refuses_another_digest(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that is really run asks pip to check: a wheel with another content does not come."""
    folder = tmp_path / "index"
    folder.mkdir()
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as wheel:
        wheel.writestr("demo.py", "")
        wheel.writestr(
            "demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
        )
        wheel.writestr("demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("demo-1.0.dist-info/RECORD", "")
    (folder / PACKAGE.file).write_bytes(data.getvalue())
    for name, value in (
        ("NO_INDEX", "1"),
        ("FIND_LINKS", str(folder)),
        ("CONFIG_FILE", "/dev/null"),
    ):
        monkeypatch.setenv(f"PIP_{name}", value)

    with pytest.raises(ToolError, match=r"(?i)hash"):
        fetch(PACKAGE, offline=False)

    right = VendoredPackage(
        **{**vars(PACKAGE), "sha256": hashlib.sha256(data.getvalue()).hexdigest()}
    )
    assert fetch(right, offline=False) == data.getvalue()
    assert (cache / PACKAGE.file).exists()
