"""What is checked before an engine is compiled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.board import find_board
from edgekit.build.project_build import check_board_memory
from edgekit.errors import OverBudget
from edgekit.memory_plan import MemoryPlan, Part

PI_3 = find_board("raspberry-pi-3", None)


def _plan(mib: int) -> MemoryPlan:
    return MemoryPlan(parts=(Part(name="engine", size_bytes=mib << 20),), limit_bytes=None)


def test_a_board_that_is_too_small() -> None:
    """The service would be killed there: exit code 4, with both numbers."""
    check_board_memory(_plan(512), PI_3)
    with pytest.raises(OverBudget, match="needs 513 MiB of memory: board `raspberry-pi-3` has 512"):
        check_board_memory(_plan(513), PI_3)


def test_a_board_whose_memory_is_not_known() -> None:
    """Nothing is claimed of it."""
    check_board_memory(_plan(100_000), replace(PI_3, memory_mib=None))
