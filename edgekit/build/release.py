"""Make a folder of ready device wheels with its index: what `scripts/release` runs."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.atomic import write_file
from edgekit.board import boards, find_board
from edgekit.build.device_wheel import WheelOptions, device_wheel, source_digest
from edgekit.build.ready_wheels import INDEX_NAME, ReadyWheel
from edgekit.build.wheel_cache import sha256_of
from edgekit.errors import EdgeKitError
from edgekit.resources import data_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekit.board import Board
    from edgekit.build.device_wheel import DeviceWheel


def release(folder: Path, chosen: Sequence[Board]) -> str:
    """
    Put one wheel for each target and CPU of the boards into a folder, then the index; return the index's digest.

    Raises what `device_wheel` raises; then there is no new index.
    """
    sources = source_digest(data_folder("runtime"))
    made: dict[tuple[str, str], ReadyWheel] = {}
    folder.mkdir(parents=True, exist_ok=True)
    for board in chosen:
        if (board.target, board.cpu) not in made:
            _say(f"{board.title}: {board.cpu}")
            wheel = device_wheel(board, WheelOptions(), progress=_progress, note=_say)
            made[board.target, board.cpu] = _put(wheel, folder, sources)
    wheels = [asdict(made[key]) for key in sorted(made)]
    index = folder / INDEX_NAME
    write_file(index, f"{json.dumps({'format': 1, 'wheels': wheels}, indent=1)}\n".encode())
    return sha256_of(index)


def main(arguments: Sequence[str]) -> int:
    """Run the command line `FOLDER [BOARD...]`; return the exit code."""
    folder, *names = arguments
    try:
        chosen = [find_board(name, None) for name in names] or list(boards(None).values())
        digest = release(Path(folder), chosen)
    except EdgeKitError as error:
        hint = f"\nhint: {error.hint}" if error.hint else ""
        sys.stderr.write(f"error: {error.message}{hint}\n")
        return error.exit_code
    _say(f'[build]\nwheels = "{folder}"\nwheels_sha256 = "{digest}"')
    return 0


def _put(wheel: DeviceWheel, folder: Path, sources: str) -> ReadyWheel:
    """Copy a wheel under a name that also tells its CPU (a wheel's build tag), and describe it."""
    distribution, version, *tags = wheel.path.name.split("-")
    cpu = wheel.cpu.replace("-", "_")
    name = "-".join([distribution, version, f"0{cpu}", *tags[-3:]])
    shutil.copyfile(wheel.path, folder / name)
    return ReadyWheel(
        file=name,
        sha256=wheel.sha256,
        target=wheel.target,
        cpu=wheel.cpu,
        toolchain=wheel.toolchain,
        source=sources,
    )


def _progress(done: int, total: int | None, what: str) -> None:
    """Say nothing of single crates: the output of a release is kept in logs."""


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
