"""The digest is SHA-256, with and without CPython's own implementation."""

from __future__ import annotations

import hashlib

import pytest

from edge_agent import digest


@pytest.mark.parametrize("modules", [digest.BUILT_IN, ("no_such_module",)])
def test_it_is_sha_256(monkeypatch: pytest.MonkeyPatch, modules: tuple[str, ...]) -> None:
    """Whichever implementation this Python was built with."""
    monkeypatch.setattr(digest, "BUILT_IN", modules)

    assert digest.sha256_hex(b"edge" * 1000) == hashlib.sha256(b"edge" * 1000).hexdigest()
