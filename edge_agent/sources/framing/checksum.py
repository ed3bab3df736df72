"""The checks that follow a frame's values, its lowest byte first."""

from __future__ import annotations

import binascii
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def crc32(payload: bytes) -> bytes:
    """Return CRC-32 as Ethernet, gzip and PNG have it (polynomial 0x04C11DB7, reflected)."""
    return zlib.crc32(payload).to_bytes(4, "little")


def crc16_ccitt(payload: bytes) -> bytes:
    """Return CRC-16/CCITT-FALSE (polynomial 0x1021, begins with 0xFFFF, not reflected)."""
    return binascii.crc_hqx(payload, 0xFFFF).to_bytes(2, "little")


CHECKSUMS: dict[str, tuple[Callable[[bytes], bytes], int]] = {
    "crc32": (crc32, 4),
    "crc16-ccitt": (crc16_ccitt, 2),
}
"""Function and length in bytes, by the name in the configuration."""
