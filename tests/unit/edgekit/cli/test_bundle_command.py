"""`edgekit bundle`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from edge_agent.manifest import Manifest
from edgekit.bundle import Contents, write_bundle
from edgekit.bundle.contents import list_files
from edgekit.cli import invoke

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "proof.json": b'{"verdict": "proven"}',
    "site/edge_agent/__init__.py": b"",
    "site/edgekit_runtime/_native.abi3.so": bytes(5000),
}


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a small bundle."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")
    manifest = Manifest(
        name="gait",
        version="1.0.0",
        edgekit="0.1.0",
        board="raspberry-pi-4",
        target="aarch64-unknown-linux-gnu",
        cpu="cortex-a72",
        glibc="2.17",
        engine="tract 0.23.9",
        registries=("tract_nnef",),
        about={"verdict": "proven", "sly": "\x1b[2J"},
        files=list_files(FILES),
    )
    path = tmp_path / "gait.tar.xz"
    write_bundle(Contents(files=FILES, manifest=manifest), path)
    return path


def test_show(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it is, what it needs, how large; control characters of a foreign one do not reach the terminal."""
    assert invoke(["bundle", "show", str(bundle)]) == 0

    shown = capsys.readouterr().out
    assert "project  gait 1.0.0" in shown
    assert "needs    Python 3.10 or later, glibc 2.17 or later" in shown
    assert "signed   no" in shown
    assert "engine                      1  4.88 KiB" in shown
    assert "\x1b" not in shown


def test_verify(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and it does not claim to know who made it."""
    assert invoke(["bundle", "verify", str(bundle)]) == 0

    shown = capsys.readouterr().out
    assert shown.startswith("sound: release ")
    assert shown.endswith("3 files as in the manifest, unsigned\n")


def test_facts_for_programs(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The manifest and the proof as they are."""
    assert invoke(["bundle", "show", "--json", str(bundle)]) == 0

    facts = json.loads(capsys.readouterr().out)
    assert facts["signed"] is False
    assert facts["proof"] == {"verdict": "proven"}
    assert facts["manifest"]["files"][0]["path"] == "proof.json"
    assert facts["size_bytes"] == bundle.stat().st_size
    assert sum(part["size_bytes"] for part in facts["parts"]) == facts["content_bytes"]


def test_a_damaged_bundle(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 5, whatever is asked for; nothing of it is shown."""
    data = bytearray(bundle.read_bytes())
    data[-100] ^= 1
    bundle.write_bytes(data)

    for action in ("show", "verify"):
        assert invoke(["bundle", action, str(bundle)]) == 5
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "damaged" in shown.err
        assert "hint: copy it again" in shown.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["bundle"], 2, "missing argument"),
        (["bundle", "look", "x"], 2, "`look` is not one of"),
        (["bundle", "show"], 2, "missing argument"),
        (["bundle", "show", "none.tar.xz"], 2, "`none.tar.xz` does not exist"),
        (["bundle", "verify", "/dev/null"], 2, "`/dev/null` is not a file"),
    ],
)
def test_wrong_use(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    """A sentence each."""
    assert invoke(arguments) == code
    assert said in capsys.readouterr().err
