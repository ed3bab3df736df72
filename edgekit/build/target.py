"""For what a bundle is made, and where it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from edgekit.board import Board
    from edgekit.build.device_wheel import WheelOptions


@dataclass(frozen=True, kw_only=True)
class BuildTarget:
    """A board, how its engine is to be come by, and the file to write."""

    board: Board
    others: tuple[Board, ...]
    """All boards that are known, to say which ones the bundle fits."""
    options: WheelOptions
    output: Path
