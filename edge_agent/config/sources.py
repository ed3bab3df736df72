"""Where samples come from: one dataclass for each kind of source."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Union

from edge_agent.config.checks import STRICT, check
from edge_agent.config.frame import count_fields, frame_struct
from edge_agent.config.stream import Columns

FASTEST_BAUD = 4_000_000
LONGEST_SYNC_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class ReplaySource(Columns):
    """A recording, played back."""

    kind: Literal["replay"] = "replay"
    path: str
    """CSV (with a header) or JSONL file."""


@dataclass(frozen=True, kw_only=True)
class StdinSource(Columns):
    """Lines on standard input: CSV (header optional when every column is a channel, in order), JSONL or `ax:1.0,ay:2.0`."""

    kind: Literal["stdin"] = "stdin"


@dataclass(frozen=True, kw_only=True)
class SerialSource(Columns):
    """A serial port, such as an Arduino's: lines of text, or frames of bytes."""

    kind: Literal["serial"] = "serial"
    port: str
    """Device file; `/dev/serial/by-id/…` stays the same when others are plugged in."""
    baud: int = 115200
    """Bits a second, as the sensor's own program sets them; USB devices without a UART ignore it."""
    format: Literal["csv", "jsonl", "binary", "cobs"] = "csv"
    """`csv`, `jsonl`: lines; `binary`: sync bytes, then a struct; `cobs`: a struct and its CRC in a COBS frame."""
    columns: tuple[str, ...] | None = None
    """Of `csv`: names of the columns in the order they come, for a sensor that says its header once or never; a header that comes holds."""
    frame: str | None = None
    """Of `binary` and `cobs`: one sample as a Python struct string, one field a channel, such as `<3h`; `x` is a byte that is not read."""
    sync: str | None = None
    """Of `binary`: the bytes that every frame begins with, in hexadecimal, such as `aa55`."""
    crc: Literal["crc32", "crc16-ccitt"] = "crc32"
    """Of `cobs`: the check that follows the struct, its lowest byte first."""

    def __post_init__(self) -> None:
        check(self.port != "" and "\0" not in self.port, "`port` is empty: name a device file")
        check(
            0 < self.baud <= FASTEST_BAUD,
            f"`baud` is {self.baud}: must be from 1 to {FASTEST_BAUD}",
        )
        check(
            self.columns is None or self.format == "csv",
            f'`columns` is of no use with `format = "{self.format}"`',
        )
        framed = self.format in {"binary", "cobs"}
        check(framed == (self.frame is not None), self._misplaced("frame", needed=framed))
        binary = self.format == "binary"
        check(binary == (self.sync is not None), self._misplaced("sync", needed=binary))
        if self.frame is not None:
            frame_struct(self.frame)
            check(count_fields(self.frame) > 0, f"`frame` is `{self.frame}`: holds no value")
            for name in ("time", "label", "group"):
                check(
                    getattr(self, name) is None,
                    f'`{name}` names a column: there are none with `format = "{self.format}"`',
                )
        if self.sync is not None:
            check(
                re.fullmatch(r"(?:[0-9a-fA-F]{2})+", self.sync) is not None
                and len(self.sync) <= 2 * LONGEST_SYNC_BYTES,
                f"`sync` is `{self.sync}`: must be 1 to {LONGEST_SYNC_BYTES} bytes in hexadecimal, such as `aa55`",
            )

    def check_fits(self, channels: tuple[str, ...]) -> None:
        """Raise ValueError unless a frame holds one value for each of the channels, and `columns` names them all."""
        for name in channels if self.columns is not None else ():
            check(
                name in (self.columns or ()),
                f"`columns` does not name the channel `{name}`: it has {', '.join(f'`{column}`' for column in self.columns or ())}",
            )
        count = len(channels) if self.frame is None else count_fields(self.frame)
        check(
            count == len(channels),
            f"`frame` `{self.frame}` has {count} fields for {len(channels)} channels",
        )

    def _misplaced(self, name: str, *, needed: bool) -> str:
        example = {"frame": "<3h", "sync": "aa55"}[name]
        if needed:
            return (
                f'`{name}` is missing: `format = "{self.format}"` needs it, such as `"{example}"`'
            )
        return f'`{name}` is of no use with `format = "{self.format}"`'


@dataclass(frozen=True, kw_only=True)
class SysfsSource:
    """Files of one number each, read `rate_hz` times a second: hwmon, thermal zones, IIO's raw values."""

    __pydantic_config__ = STRICT

    kind: Literal["sysfs"] = "sysfs"
    files: tuple[str, ...]
    """One file a channel, in order; a pattern such as `/sys/class/hwmon/hwmon*/temp1_input` must match one file."""

    def __post_init__(self) -> None:
        for file in self.files:
            check(
                file.startswith("/") and "\0" not in file,
                f"`files` has `{file}`: must be an absolute path",
            )

    def check_fits(self, channels: tuple[str, ...]) -> None:
        """Raise ValueError unless there is one file for each of the channels."""
        check(
            len(self.files) == len(channels),
            f"`files` has {len(self.files)} files for {len(channels)} channels",
        )


@dataclass(frozen=True, kw_only=True)
class PluginSource:
    """A class of your own, shipped along: see docs/sources/plugin.md."""

    __pydantic_config__ = STRICT
    TAG: ClassVar[str] = "package.module:Class"
    """What stands for any such kind where kinds are listed."""
    PATTERN: ClassVar[str] = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"

    kind: str
    """Module and class, such as `mypkg.adc:AdcSource`."""
    package: str
    """Folder of the package, or file of the module, to ship; relative to the folder of the project."""
    options: dict[str, Any] = field(default_factory=dict)
    """What the class is told: any keys with text, numbers, lists and tables."""

    def __post_init__(self) -> None:
        check(
            re.fullmatch(self.PATTERN, self.kind, re.ASCII) is not None,
            f"`kind` is `{self.kind}`: must be a known kind, or `{self.TAG}`",
        )
        check(self.package != "", "`package` is empty: name the folder that holds the class")
        _check_plain("options", self.options)


def _check_plain(key: str, value: Any) -> None:
    """Refuse what JSON cannot carry to the device: dates, nan and inf."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_plain(f"{key}.{name}", inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _check_plain(key, inner)
    else:
        check(
            isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)),
            f"`{key}` is {value}: must be text, a finite number, true or false, a list or a table",
        )


Source = Union[ReplaySource, StdinSource, SerialSource, SysfsSource, PluginSource]  # noqa: UP007 (evaluated on Python 3.10 as well)
