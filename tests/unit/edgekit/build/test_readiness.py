"""What the doctor says of builds for boards: what is there, and the command for what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.build import package, tools
from edgekit.build.readiness import Readiness, readiness

if TYPE_CHECKING:
    import pytest

    from tests.unit.edgekit.build.conftest import Workshop


def _by_name() -> dict[str, Readiness]:
    return {found.name: found for found in readiness()}


def test_a_bare_machine(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line has the command that brings it."""
    for module in (tools, package):
        monkeypatch.setattr(module, "is_installed", lambda _name: False)
    monkeypatch.setattr("sys.executable", str(workshop.path / "python"))

    found = _by_name()

    assert all(line.fix for line in found.values())
    assert "rustup target add aarch64-unknown-linux-gnu" in str(found["rust for aarch64"].fix)
    assert str(found["toolchain zig"].fix).endswith("-m pip install ziglang")
    assert "`cross`, `podman or docker` not found" in found["toolchain cross"].detail
    assert "gcc-aarch64-linux-gnu" in str(found["toolchain gcc"].fix)
    assert "qemu" in str(found["qemu"].fix)


def test_a_machine_that_can_build(workshop: Workshop) -> None:
    """Each is named; of the container's image it is said whether it is here."""
    workshop.rust()
    for program in ("cross", "docker", "aarch64-linux-gnu-gcc", "qemu-aarch64-static"):
        workshop.program(program, "echo 'qemu-aarch64 version 8.2.0'")

    found = _by_name()

    assert not [line for line in found.values() if line.fix]
    assert found["rust for aarch64"].detail == "the system's Rust 1.96.0"
    assert "image localhost/edgekit-cross:1" in found["toolchain cross"].detail
    assert "docker" in found["toolchain cross"].detail


def test_a_container_engine_without_our_image(workshop: Workshop) -> None:
    """Then `cross` fetches its own."""
    workshop.program("cross", "exit 1")
    workshop.program("podman", "exit 1")

    assert _by_name()["toolchain cross"].detail == "cross, podman; image: from the network"
