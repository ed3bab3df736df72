"""
What systemd is told, as in sd_notify(3): ready, alive, stopping, and one line on how it goes.

The watchdog is petted by whoever makes progress and by nobody else: there is no timer, so a loop that hangs is
found out. Without `$NOTIFY_SOCKET` nothing is said and nothing costs anything.
"""

from __future__ import annotations

import contextlib
import math
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import MutableMapping

SEND_TIMEOUT_S = 0.2
"""systemd reads its socket at once; a loop does not wait longer for one that does not."""
PETS_PER_TIMEOUT = 3
"""sd_watchdog_enabled(3) asks for two; a third covers a late turn of the loop."""


class Notifier:
    """
    The service manager that started this process, if one did.

    The variables are taken out of the `environment`, so that programs started from here do not speak for the agent.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        self._socket = _connect(environment.pop("NOTIFY_SOCKET", ""))
        self._interval_s = _watchdog_s(environment) / PETS_PER_TIMEOUT if self._socket else math.inf
        self._due_s = -math.inf if self._interval_s < math.inf else math.inf
        self._status = ""
        self._was_ready = False

    def ready(self) -> None:
        """Say once that the model is loaded, the sinks are open and the source is being looked after."""
        if not self._was_ready:
            self._was_ready = True
            self._send("READY=1")

    def progress(self, now_s: float) -> None:
        """Pet the watchdog when it is due; to be called wherever the loop gets on."""
        if now_s >= self._due_s:
            self._due_s = now_s + self._interval_s
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Show a line in `systemctl status`; sent when it changes."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def stopping(self) -> None:
        """Say that the process is about to end in good order."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._due_s = math.inf

    def _send(self, message: str) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # nobody listens: no reason to stop the measurements
                self._socket.send(message.encode())


def _connect(address: str) -> socket.socket | None:
    """Return a socket to the address, which begins with `@` where it is an abstract one; None without one."""
    if not address.startswith(("/", "@")):
        return None
    import socket  # noqa: PLC0415 (half a megabyte that only a service needs)

    connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    connection.settimeout(SEND_TIMEOUT_S)
    try:
        connection.connect(f"\0{address[1:]}" if address.startswith("@") else address)
    except OSError:
        connection.close()
        return None
    return connection


def _watchdog_s(environment: MutableMapping[str, str]) -> float:
    """Return after how long without a sign of life this process is killed; infinite where it is not."""
    microseconds = environment.pop("WATCHDOG_USEC", "")
    process = environment.pop("WATCHDOG_PID", "")
    if process not in ("", str(os.getpid())) or not microseconds.isascii():
        return math.inf
    return int(microseconds) / 1e6 if microseconds.isdigit() and int(microseconds) else math.inf
