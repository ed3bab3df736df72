"""Boards in QEMU's user mode, and bundles for them with a real engine, come by as a user would."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import pytest

from edge_agent.manifest import Manifest
from edgekit.board import Emulate, find_board
from edgekit.build.device_wheel import WheelOptions, device_wheel
from edgekit.build.ready_wheels import WheelSource
from edgekit.bundle import assemble
from edgekit.bundle.agent_files import agent_files
from edgekit.bundle.contents import list_files
from edgekit.bundle.wheels import read_wheel
from edgekit.emulator.user import emulated, find_qemu
from edgekit.errors import ToolError
from edgekit.resources import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from edgekit.emulator.machine import Machine
    from edgekit.model.compiled_model import CompiledModel

BOARD = find_board("aarch64-linux", None)
WHEELS = os.environ.get("EDGEKIT_WHEELS")
"""Folder of ready wheels (`[build] wheels`), where the engine shall not be compiled."""

KERNELS = {"a53": "cortex-a53", "a72": "cortex-a72", "generic": "cortex-a76"}
"""The engine's sets of kernels, and a CPU that each is for."""


class MakeMachine(Protocol):
    """Emulates a CPU with the Python of a system."""

    def __call__(self, kernels: str, *, release: str = "debian-12") -> Machine:
        """Return the machine; the test is skipped if there is no QEMU or no network."""
        ...


class Unpack(Protocol):
    """Makes an unpacked bundle of a model."""

    def __call__(
        self, compiled: CompiledModel, *, recorded: npt.NDArray[np.float32] | None = None
    ) -> Path:
        """Return its folder."""
        ...


def _skip_in(error: ToolError) -> None:
    pytest.skip(f"{error.message}; {error.hint}")


@pytest.fixture(scope="session")
def machine() -> MakeMachine:
    """Return a function that emulates a CPU; Pythons are kept in the user's cache."""

    def make(kernels: str, *, release: str = "debian-12") -> Machine:
        plan = Emulate(cpu=KERNELS[kernels], kernels=kernels, release=release)  # type: ignore[arg-type]
        try:
            return emulated(replace(BOARD, emulate=plan), cache_folder())
        except ToolError as error:
            _skip_in(error)
            raise

    return make


@pytest.fixture(scope="session")
def wheel() -> Path:
    """Return the engine for any aarch64: from the cache, ready, or compiled; skipped where it cannot be."""
    wheels = None if WHEELS is None else WheelSource(place=WHEELS)
    try:
        find_qemu()  # minutes of compiling are for nothing without
        return device_wheel(
            BOARD, WheelOptions(wheels=wheels), progress=lambda *_: None, note=lambda _: None
        ).path
    except ToolError as error:
        _skip_in(error)
        raise


@pytest.fixture
def unpack(wheel: Path, tmp_path: Path) -> Unpack:
    """Return a function that makes an unpacked bundle without an agent's configuration."""

    def make(compiled: CompiledModel, *, recorded: npt.NDArray[np.float32] | None = None) -> Path:
        site = {**agent_files(), **read_wheel(wheel.read_bytes(), wheel.name).files}
        files = assemble._model_files(compiled, recorded)
        files |= {f"site/{path}": data for path, data in site.items()}
        manifest = Manifest(
            name="tried",
            version="1",
            edgekit="1",
            board=BOARD.id,
            target=BOARD.target,
            cpu=BOARD.cpu,
            glibc="2.17",
            engine=compiled.engine,
            registries=compiled.registries,
            files=list_files(files),
        )
        folder = tmp_path / "unpacked"
        for path, data in {**files, "manifest.json": manifest.to_bytes()}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return folder

    return make
