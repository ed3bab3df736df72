"""
Questions to the firmware of a Raspberry Pi, as `vcgencmd` asks them: through the mailbox, else by that program.

The layout of the message is that of `vcgencmd` itself (raspberrypi/utils, vcgencmd.c).
"""

from __future__ import annotations

import fcntl
import os
import struct
from typing import TYPE_CHECKING

from edge_agent import process

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

DEVICES = ("dev/vcio_gencmd", "dev/vcio")
GET_GENCMD_RESULT = 0x00030080
TEXT_BYTES = 4096
MESSAGE = struct.Struct(f"=6I{TEXT_BYTES}sI")
"""Size of all, request, tag, size of the text, request, error; the text; end of the tags."""
IOCTL_PROPERTY = 0xC0086400 if struct.calcsize("P") == 8 else 0xC0046400  # noqa: PLR2004 (bytes of a pointer)
"""`_IOWR(100, 0, char *)`: the size of a pointer is part of it."""
PROGRAM_TIMEOUT_S = 0.5


def find_firmware(
    root: Path,
    *,
    ioctl: Callable[[int, int, bytearray], object] = fcntl.ioctl,
    folders: Sequence[str] | None = None,
) -> Callable[[str], str | None] | None:
    """
    Return a function that asks the firmware one command and returns its answer, None if there is no answer.

    None where neither the mailbox (a member of the group `video` may use it) nor `vcgencmd` is at hand.
    """
    for name in DEVICES:
        path = root / name
        if not os.access(path, os.R_OK):
            continue

        def ask(command: str, path: Path = path) -> str | None:
            try:
                return _by_mailbox(path, command, ioctl)
            except OSError:
                return None

        if ask("version") is not None:
            return ask
    for folder in os.get_exec_path() if folders is None else folders:
        program = os.path.join(folder, "vcgencmd")  # noqa: PTH118 (names of programs are text)
        if os.access(program, os.X_OK):
            return lambda command: _by_program(program, command)
    return None


def _by_mailbox(
    path: Path, command: str, ioctl: Callable[[int, int, bytearray], object]
) -> str | None:
    message = bytearray(
        MESSAGE.pack(MESSAGE.size, 0, GET_GENCMD_RESULT, TEXT_BYTES, 0, 0, command.encode(), 0)
    )
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        ioctl(descriptor, IOCTL_PROPERTY, message)
    finally:
        os.close(descriptor)
    *_, error, text, _end = MESSAGE.unpack(message)
    return None if error else text.partition(b"\0")[0].decode("ascii", "replace")


def _by_program(program: str, command: str) -> str | None:
    return process.output((program, *command.split()), timeout_s=PROGRAM_TIMEOUT_S)
