"""
User names and passwords: read from a file or a systemd credential when a connection is made, and kept nowhere.

No message of an error here holds anything of the content.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.config.sinks import CREDENTIAL
from edge_agent.uplink.link import LinkError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_agent.config import MqttSink

LARGEST_BYTES = 64 * 1024


def credential_path(name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the file that a setting names. Raises LinkError for a credential without systemd."""
    if not name.startswith(CREDENTIAL):
        return Path(name)
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise LinkError(
            f"`{name}` needs systemd: `LoadCredential={name.removeprefix(CREDENTIAL)}:PATH` in the unit"
        )
    return Path(folder) / Path(name.removeprefix(CREDENTIAL)).name


def read_login(
    sink: MqttSink, environment: Mapping[str, str] = os.environ
) -> tuple[str, str] | tuple[str, None] | None:
    """
    Return user and password; None where the broker asks for none.

    The file's first line is the password, or `user:password` where the settings name no user. Raises LinkError.
    """
    if sink.password_file is None:
        return None if sink.user is None else (sink.user, None)
    path = credential_path(sink.password_file, environment)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES)
    except OSError as error:
        raise LinkError(f"cannot read the password file `{path}`: {error.strerror}") from None
    try:
        line = content.decode("utf-8").partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError:
        raise LinkError(f"the password file `{path}` is no UTF-8 text") from None
    if not line:
        raise LinkError(f"the password file `{path}` is empty")
    if sink.user is not None:
        return sink.user, line
    user, colon, password = line.partition(":")
    if not colon or not user:
        raise LinkError(
            f"the password file `{path}` names no user: set `user`, or write `user:password`"
        )
    return user, password
