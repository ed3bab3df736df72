"""A serial port, opened for oneself alone: the only module that knows pyserial."""

from __future__ import annotations

import contextlib
import difflib
import errno
import fcntl
import grp
import os
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edge_agent.errors import ToolError

if TYPE_CHECKING:
    from serial import Serial

READ_BYTES = 1 << 16
"""Most that one read returns: more than a tty keeps."""
_TTY_BYTES = 4095
"""What a tty gives at once; less, and it is empty. Asking for more would only take the memory for it each time."""
DEVICES = Path("/dev")
_LISTED = 6


class PortError(Exception):
    """
    A port that cannot be opened, or that is no more.

    `state` is `absent` when no such device is there, else `waiting`: it may be free, or allowed, a moment later.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, state: Literal["absent", "waiting"]
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.state = state


class SerialPort:
    """An open port. Reads never wait."""

    def __init__(self, path: str, baud: int) -> None:
        self._path = path
        self._serial = _open(path, baud)
        self._descriptor = int(self._serial.fileno())
        try:
            self._prepare()
        except (OSError, termios.error) as error:
            self._serial.close()
            raise _refusal(path, error) from None

    def fileno(self) -> int:
        """Return the descriptor, to wait for input."""
        return self._descriptor

    def read(self) -> bytes:
        """Return what is there, nothing if nothing is. Raises PortError when the device is gone."""
        parts: list[bytes] = []
        size = 0
        while size < READ_BYTES:
            try:
                part = os.read(self._descriptor, _TTY_BYTES)
            except BlockingIOError:
                break  # nothing more, or somebody else has read it
            except OSError as error:
                part = b""
                reason = error.strerror or str(error)
            else:
                reason = "hung up"
            if not part:
                if parts:
                    break  # the next read says it again
                raise PortError(f"`{self._path}` is gone: {reason}", state=self._state())
            parts.append(part)
            size += len(part)
            if len(part) < _TTY_BYTES:
                break
        return b"".join(parts)

    def close(self) -> None:
        """Give the port back."""
        with contextlib.suppress(OSError):  # it is gone, and nobody is kept out
            # A child that was forked and has not begun its program yet holds the descriptor too, and with it the lock.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            fcntl.ioctl(self._descriptor, termios.TIOCNXCL)
        self._serial.close()

    def _state(self) -> Literal["absent", "waiting"]:
        return "waiting" if os.path.exists(self._path) else "absent"  # noqa: PTH110 (a string, as configured)

    def _prepare(self) -> None:
        # EAGAIN for "nothing there" and zero bytes for "hung up": with pyserial's VMIN of 0 both are zero bytes.
        settings = termios.tcgetattr(self._descriptor)
        settings[6][termios.VMIN], settings[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._descriptor, termios.TCSANOW, settings)
        # Two readers each get half of the bytes. The lock keeps out programs that ask for one, this one all others.
        fcntl.ioctl(self._descriptor, termios.TIOCEXCL)
        termios.tcflush(self._descriptor, termios.TCIFLUSH)


def problem_of(path: str) -> PortError | None:
    """Return why a port could not be opened, without opening it: that would restart many a sensor."""
    if not os.path.exists(path):  # noqa: PTH110 (a string, as configured)
        return _refusal(path, OSError(errno.ENOENT, ""))
    if not os.access(path, os.R_OK | os.W_OK):
        return _refusal(path, OSError(errno.EACCES, ""))
    return None


def near_ports(path: str, devices: Path = DEVICES) -> list[str]:
    """Return the serial ports that there are, those with names like `path` first."""
    found = sorted(map(str, (devices / "serial/by-id").glob("*")))
    found += sorted(
        str(port) for pattern in ("ttyUSB*", "ttyACM*") for port in devices.glob(pattern)
    )
    like = difflib.get_close_matches(path, found, n=_LISTED, cutoff=0.6)
    return [*like, *(port for port in found if port not in like)][:_LISTED]


def missing_hint(path: str, devices: Path = DEVICES) -> str:
    """Say what to do about a port that is not there."""
    near = near_ports(path, devices)
    if not near:
        return "plug the sensor in, with a cable that carries data; `ls -l /dev/serial/by-id` lists what is there"
    return f"these are there: {', '.join(f'`{port}`' for port in near)}"


def _open(path: str, baud: int) -> Serial:
    try:
        import serial  # noqa: PLC0415 (only who has a serial port needs it)
    except ImportError:
        raise ToolError(
            "a serial port needs the Python package `pyserial`", hint="`pip install pyserial`"
        ) from None
    try:
        return serial.Serial(path, baud, timeout=0, exclusive=True)
    except (OSError, ValueError) as error:  # SerialException is an OSError; ValueError: the baud
        raise _refusal(path, error) from None


def _refusal(path: str, error: Exception) -> PortError:
    """Return what an error of the system means for a user."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else None
    if number in {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR}:
        return PortError(f"there is no `{path}`", hint=missing_hint(path), state="absent")
    if number in {errno.EACCES, errno.EPERM}:
        group = _group(path)
        return PortError(
            f"`{path}` may not be opened: permission denied",
            hint=f"join its group and log in again: `sudo usermod -aG {group} $USER`",
            state="waiting",
        )
    if number in {errno.EBUSY, errno.EAGAIN}:
        return PortError(
            f"`{path}` is in use by another program",
            hint=f"close the serial monitor; `fuser {path}` names the program",
            state="waiting",
        )
    if isinstance(error, ValueError) or "baud" in str(error).lower():
        return PortError(
            f"`{path}` cannot be set to this speed: {error}",
            hint="set `baud` to what the sensor's program has in `Serial.begin(…)`",
            state="waiting",
        )
    return PortError(
        f"`{path}` is no serial port, or does not work: {error}",
        hint="name the device file of the port, such as one below `/dev/serial/by-id`",
        state="waiting",
    )


def _group(path: str) -> str:
    try:
        return grp.getgrgid(os.stat(path).st_gid).gr_name  # noqa: PTH116 (a string, as configured)
    except (OSError, KeyError):
        return "dialout"
