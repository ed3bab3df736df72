"""SHA-256 without OpenSSL: what `hashlib` loads with it costs a device 4 MB of memory for as long as the agent runs."""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

BUILT_IN = ("_sha2", "_sha256")
"""CPython's own implementation: the module's name from 3.12 on, and before."""


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    digest: str = _module().sha256(data).hexdigest()
    return digest


def _module() -> Any:
    for name in BUILT_IN:
        with contextlib.suppress(ImportError):
            return importlib.import_module(name)
    return importlib.import_module("hashlib")  # a Python that was built without its own
